/* Sliding windows (lib/net/window/window.h), as kernels/window.c. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"

/* The largest logit of a voxel, and the sum of exponentials below it */
DEVICE float soft_sum(const float *l, int64_t k, float *most)
{
	float sum = 0;

	*most = l[0];
	for (int64_t c = 1; c < k; c++)
		*most = l[c] > *most ? l[c] : *most;
	for (int64_t c = 0; c < k; c++)
		sum += expf(l[c] - *most);
	return sum;
}

/* Are probabilities a softmax's? */
DEVICE int softmaxed(const struct k_blend *g)
{
	return g->soft && g->k > 1 && !g->each;
}

/* Of class c of a voxel whose logits are l: that, or with `soft` its probability; most, all: soft_sum's. */
DEVICE float score_of(const struct k_blend *g, const float *l, int64_t c, float most, float all)
{
	if (!g->soft)
		return l[c];
	return softmaxed(g) ? expf(l[c] - most) / all : 1 / (1 + expf(-l[c]));
}

/* A row of the window: its voxels lo .. hi - 1 are in the slab; where its first voxel's logits and place in the slab are, of which it is slice z and
   row y; its share of the weight */
struct line { int64_t from, to, lo, hi, z, y; float weight; };

DEVICE struct line line_of(const int64_t *roi, const int64_t *start, const int64_t *slab, const struct k_weight *w, int flip, int64_t row)
{
	const int64_t at[2] = {over(row, (uint32_t)roi[1]), row - over(row, (uint32_t)roi[1]) * roi[1]};
	struct line l = {0, 0, 0, 0, start[0] + at[0], start[1] + at[1], w->row[0][at[0]] * w->row[1][at[1]]};

	for (int a = 0; a < 2; a++)
		l.from = l.from * roi[a] + (flip >> a & 1 ? roi[a] - 1 - at[a] : at[a]);
	l.from *= roi[2], l.to = (l.z * slab[1] + l.y) * slab[2] + start[2];
	l.lo = start[2] < 0 ? -start[2] : 0;
	l.hi = l.z < 0 || l.z >= slab[0] || l.y < 0 || l.y >= slab[1] ? 0 : start[2] + roi[2] > slab[2] ? slab[2] - start[2] : roi[2];
	return l;
}

/* The weight of voxel v of a row, and which voxel of it has its logits */
DEVICE float line_weight(const struct k_weight *w, const struct line *l, int64_t v)
{
	const float by = l->weight * w->row[2][v];

	return by > w->least ? by : w->least;
}

DEVICE int64_t line_from(const struct k_blend *g, int64_t v)
{
	return g->flip >> 2 & 1 ? g->roi[2] - 1 - v : v;
}

/* A voxel, acc its own */
DEVICE void blend_voxel(const struct k_blend *g, const float *p, float w, float *acc)
{
	float most = 0, all = 1;

	if (softmaxed(g))
		all = soft_sum(p, g->k, &most);
	if (g->margin)
		*acc += w * (score_of(g, p, 1, most, all) - score_of(g, p, 0, most, all));
	for (int64_t c = 0; !g->margin && c < g->k; c++)
		acc[c] += w * score_of(g, p, c, most, all);
}

/* e / k where times is the smallest number above (2^32 - 1) / k, and e k below 2^32 */
DEVICE int64_t by_times(int64_t e, uint64_t times)
{
	return (int64_t)((uint32_t)e * times >> 32);
}

/* A warp to a row; voxels outside the slab are left out. Of logits the row's elements are neighbours, of what is made of several a lane has
   a voxel. */
KERNEL(window_blend_any, (struct k_blend g, const float *RESTRICT logits, float *RESTRICT acc, float *RESTRICT sum), (g, logits, acc, sum),
	items(g.roi[0] * g.roi[1] * WARP))
{
	GROUP_FOR(row, g.roi[0] * g.roi[1], WARP) {
		const uint64_t times = (uint64_t)(0xffffffffu / (uint32_t)g.k) + 1;
		const struct line l = line_of(g.roi, g.start, g.slab, &g.weight, g.flip, row);

		if (g.soft || g.margin)
			MEMBER_FOR(v, l.lo, l.hi, WARP)
				blend_voxel(&g, logits + (l.from + line_from(&g, v)) * g.k, line_weight(&g.weight, &l, v), acc + (l.to + v) * (g.margin ? 1 : g.k));
		else
			UNROLLED_BY(4) MEMBER_FOR(e, l.lo * g.k, l.hi * g.k, WARP) {
				const int64_t v = by_times(e, times);

				acc[l.to * g.k + e] += line_weight(&g.weight, &l, v) * logits[(l.from + line_from(&g, v) - v) * g.k + e];
			}
		if (sum)
			MEMBER_FOR(v, l.lo, l.hi, WARP)
				sum[l.to + v] += line_weight(&g.weight, &l, v);
	}
}

/* -- of few logits a voxel, as they are: a lane has FOUR voxels at a time, of whose sums it reads and writes 16 bytes at once -- */
enum { FOUR = 4, FEW = 4 };

/* FOUR times k floats from element i of p, itself at a multiple of 16 bytes, on, and what is about them */
DEVICE void fours_at(const float *p, int64_t i, const int k, float v[FOUR * FEW])
{
	const int off = (int)(i % 4);
	float q[FOUR * (FEW + 1)];

	UNROLLED for (int j = 0; j <= k; j++)
		get_floats(p + i - off + 4 * (j < k || off ? j : 0), q + 4 * j);
	UNROLLED for (int e = 0; e < FOUR * k; e++)
		v[e] = off == 0 ? q[e] : off == 1 ? q[e + 1] : off == 2 ? q[e + 2] : q[e + 3];
}

/* Voxels v .. of a row, whose place in the slab is a multiple of FOUR */
DEVICE void blend_fours(const struct k_blend *g, const struct line *l, int64_t v, const float *logits, float *acc, float *sum, const int k)
{
	float x[FOUR * FEW], all[FOUR * FEW], w[FOUR], weights[FOUR] = {0};

	fours_at(logits, (l->from + v) * k, k, x);
	UNROLLED for (int j = 0; j < k; j++)
		get_floats(acc + (l->to + v) * k + 4 * j, all + 4 * j);
	if (sum)
		get_floats(sum + l->to + v, weights);
	UNROLLED for (int i = 0; i < FOUR; i++)
		w[i] = line_weight(&g->weight, l, v + i), weights[i] += w[i];
	UNROLLED for (int e = 0; e < FOUR * k; e++)
		all[e] += w[e / k] * x[e];
	UNROLLED for (int j = 0; j < k; j++)
		give_quad(acc + (l->to + v) * k + 4 * j, quad_of(all + 4 * j));
	if (sum)
		give_quad(sum + l->to + v, quad_of(weights));
}

/* A row: how many voxels there are before the first of whole FOURs, and how many of those; what is about the very last logits is not there. */
struct fours { int64_t before, many; };

DEVICE struct fours fours_of(const struct k_blend *g, const struct line *l, const int k)
{
	const int64_t n = l->hi - l->lo, before = -(l->to + l->lo) & (FOUR - 1), last = l->from + g->roi[2] == g->roi[0] * g->roi[1] * g->roi[2];
	struct fours f = {before < n ? before : n, 0};

	f.many = n > before ? (n - before) / FOUR : 0;
	f.many -= f.many && last && (l->from + l->lo + before) * k % 4;
	return f;
}

#define BLEND_CASE(name, k) \
	SIDE_KERNEL(name, (struct k_blend g, const float *RESTRICT logits, float *RESTRICT acc, float *RESTRICT sum), (g, logits, acc, sum), \
		items(g.roi[0] * g.roi[1] * WARP), 0, 3) \
	{ \
		GROUP_FOR(row, g.roi[0] * g.roi[1], WARP) { \
			const struct line l = line_of(g.roi, g.start, g.slab, &g.weight, g.flip, row); \
			const struct fours f = fours_of(&g, &l, k); \
			\
			UNROLLED_BY(1) MEMBER_FOR(i, 0, f.many, WARP) \
				blend_fours(&g, &l, l.lo + f.before + i * FOUR, logits, acc, sum, k); \
			UNROLLED_BY(1) MEMBER_FOR(i, 0, l.hi - l.lo - f.many * FOUR, WARP) \
				blend_one(&g, &l, l.lo + (i < f.before ? i : i + f.many * FOUR), logits, acc, sum, k); \
		} \
	}

DEVICE void blend_one(const struct k_blend *g, const struct line *l, int64_t v, const float *logits, float *acc, float *sum, const int k)
{
	const float w = line_weight(&g->weight, l, v);

	UNROLLED for (int c = 0; c < k; c++)
		acc[(l->to + v) * k + c] += w * logits[(l->from + v) * k + c];
	if (sum)
		sum[l->to + v] += w;
}

BLEND_CASE(window_blend_one, 1)
BLEND_CASE(window_blend_two, 2)
BLEND_CASE(window_blend_three, 3)
BLEND_CASE(window_blend_four, FEW)

#ifdef __cplusplus
extern "C"
#endif
int gpu_window_blend(struct k_blend g, const float *logits, float *acc, float *sum)
{
	const int bare = !g.soft && !g.margin && !(g.flip >> 2 & 1) && ((uintptr_t)logits | (uintptr_t)acc | (uintptr_t)sum) % 16 == 0;

	if (!bare || g.k > FEW)
		return G(window_blend_any)(g, logits, acc, sum);
	if (g.k < 3)
		return g.k == 1 ? G(window_blend_one)(g, logits, acc, sum) : G(window_blend_two)(g, logits, acc, sum);
	return g.k == 3 ? G(window_blend_three)(g, logits, acc, sum) : G(window_blend_four)(g, logits, acc, sum);
}

KERNEL(window_divide, (float *y, const float *acc, const float *sum, int64_t vox, int64_t k, float first, float rest),
	(y, acc, sum, vox, k, first, rest), items(vox * k))
{
	ITEM_FOR(i, vox * k)
		y[i] = sum[i / k] > 0 ? acc[i] / sum[i / k] : i % k ? rest : first;
}

KERNEL(window_decide, (struct k_decide g, const float *acc, const float *sum, int64_t vox, uint8_t *pred), (g, acc, sum, vox, pred), items(vox))
{
	ITEM_FOR(v, vox) {
		const float s = sum[v];
		float best = acc[v * g.k] / s;
		int64_t of = !g.each && g.k == 1 && best >= g.cut;
		int bad = !isfinite(best);

		for (int64_t i = !g.each; i < g.k; i++) {
			const int64_t c = g.each ? g.order[i] : i;
			const float mean = acc[v * g.k + c] / s;

			of = g.each ? (mean >= g.cut ? g.label[c] : of) : mean > best ? c : of;
			best = mean > best ? mean : best;
			bad |= !isfinite(mean);
		}
		pred[v] = !(s > 0) ? (g.k > 1 || g.each ? 0 : g.never) : bad ? K_NO_LABEL : (uint8_t)of;
	}
}

/* The classes with the highest sums of a voxel, or that one of those by themselves that is nearest to the middle; the kernels keep no note of what is
   sure. */
struct lead { int64_t first, second; float by; };

DEVICE struct lead lead_of(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	struct lead l = {0, 0, 0};

	if (k == 1 || u->each) {
		l.by = fabsf(acc[0] - u->middle * sum);
		for (int64_t c = 1; c < k; c++)
			if (fabsf(acc[c] - u->middle * sum) < l.by) {
				l.first = c;
				l.by = fabsf(acc[c] - u->middle * sum);
			}
		return l;
	}
	if (acc[1] > acc[0])
		l.first = 1;
	l.second = 1 - l.first;
	for (int64_t c = 2; c < k; c++)
		if (acc[c] > acc[l.first]) {
			l.second = l.first;
			l.first = c;
		} else if (acc[c] > acc[l.second])
			l.second = c;
	l.by = acc[l.first] - acc[l.second];
	return l;
}

/* How far a window whose logits of a voxel are p is from the mean so far, where that leads by little; else less than 0. */
DEVICE float off(const struct k_blend *g, float near, const float *p, const float *acc, float sum)
{
	const struct lead l = lead_of(&g->unsure, g->margin ? 1 : g->k, acc, sum);
	float most = 0, all = 1, by;

	if (!(l.by < near * sum))
		return -1;
	if (softmaxed(g))
		all = soft_sum(p, g->k, &most);
	if (g->k == 1 || g->each)
		by = score_of(g, p, l.first, most, all) - acc[l.first] / sum;
	else if (g->margin)
		by = score_of(g, p, 1, most, all) - score_of(g, p, 0, most, all) - acc[0] / sum;
	else
		by = score_of(g, p, l.first, most, all) - score_of(g, p, l.second, most, all) - l.by / sum;
	return fminf(fabsf(by), 100);
}

/* A window's sums are of so many rows each, a warp to a row. */
enum { ROWS = 16 };

#ifdef __cplusplus
extern "C"
#endif
int64_t gpu_window_parts(const int64_t roi[3])
{
	return (roi[0] * roi[1] + ROWS - 1) / ROWS;
}

/* Where part t of a window ends */
DEVICE int64_t end_of(int64_t t, const int64_t roi[3])
{
	return (t + 1) * ROWS < roi[0] * roi[1] ? (t + 1) * ROWS : roi[0] * roi[1];
}

/* part[t], part[parts + t] */
KERNEL(window_spread, (struct k_blend g, float near, const float *RESTRICT logits, const float *RESTRICT acc, const float *RESTRICT sum,
	int64_t parts, double *part), (g, near, logits, acc, sum, parts, part), parts)
{
	TEAM_FOR(t, parts) {
		double squares = 0, weights = 0;

		WARP_FOR(warp)
			for (int64_t row = t * ROWS + warp; row < end_of(t, g.roi); row += WARPS) {
				const struct line l = line_of(g.roi, g.start, g.slab, &g.weight, g.flip, row);

				MEMBER_FOR(v, l.lo, l.hi, WARP) {
					const float w = line_weight(&g.weight, &l, v),
						by = off(&g, near, logits + (l.from + line_from(&g, v)) * g.k, acc + (l.to + v) * (g.margin ? 1 : g.k), sum[l.to + v]);

					squares += by >= 0 ? (double)(w * by * by) : 0;
					weights += by >= 0 ? (double)w : 0;
				}
			}
		squares = team_sum(squares);
		weights = team_sum(weights);
		if (FIRST_LANE) {
			part[t] = squares;
			part[parts + t] = weights;
		}
	}
}

KERNEL(window_apart, (const double *part, int64_t parts, struct k_apart *apart), (part, parts, apart), 1)
{
	TEAM_FOR(t, 1) {
		double squares = 0, weights = 0;

		LANE_FOR(i, t, parts)
			squares += part[i], weights += part[parts + i];
		squares = team_sum(squares);
		weights = team_sum(weights);
		if (FIRST_LANE) {
			apart->squares += squares;
			apart->weights += weights;
			if (apart->weights > 0)
				apart->spread = K_SPREAD(apart->squares / apart->weights);
		}
	}
}

/* The window's share of the probability that voxel v of its row changes. */
DEVICE float doubt_of(const struct k_doubt *g, const struct line *l, int64_t v)
{
	const float sum = g->sum[l->to + v];
	float all = 0, left, t, part;

	if (!(sum > 0))
		return 0;
	for (int i = 0; i < g->wholes; i++)
		all += g->times * g->whole[i][0][l->z] * g->whole[i][1][l->y] * g->whole[i][2][g->start[2] + v];
	left = all - sum;
	if (!(left > 1e-4f * all))
		return 0;
	t = 1 - lead_of(&g->unsure, g->k, g->acc + (l->to + v) * g->k, sum).by * all / (sum * left) / (3 * g->apart->spread);
	part = g->times * line_weight(&g->weight, l, v) / left;
	return t > 0 ? 0.5f * t * t * t * (part < 1 ? part : 1) : 0;
}

/* part[parts i + t]: of part t of window i */
KERNEL(window_doubt, (struct gpu_doubts g, int64_t n, int64_t parts, double *part), (g, n, parts, part), n * parts)
{
	TEAM_FOR(team, n * parts) {
		const int64_t i = over(team, (uint32_t)parts), t = team - i * parts;
		const struct k_doubt *d = &g.of[i];
		double all = 0;

		WARP_FOR(warp)
			for (int64_t row = t * ROWS + warp; row < end_of(t, d->roi); row += WARPS) {
				const struct line l = line_of(d->roi, d->start, d->slab, &d->weight, 0, row);

				MEMBER_FOR(v, l.lo, l.hi, WARP)
					all += (double)doubt_of(d, &l, v);
			}
		all = team_sum(all);
		if (FIRST_LANE)
			part[team] = all;
	}
}

/* part[t]: of voxels from t GPU_SQUARES on */
KERNEL(window_count, (struct k_unsure u, const float *acc, const float *sum, int64_t vox, int64_t k, double *part), (u, acc, sum, vox, k, part),
	(vox + GPU_SQUARES - 1) / GPU_SQUARES)
{
	TEAM_FOR(t, (vox + GPU_SQUARES - 1) / GPU_SQUARES) {
		const int64_t lo = t * GPU_SQUARES, hi = lo + GPU_SQUARES < vox ? lo + GPU_SQUARES : vox;
		double all = 0;

		LANE_FOR(i, lo, hi) {
			const float than = k == 1 || u.each ? u.middle * sum[i] : acc[i * k];
			int any = 0;

			for (int64_t c = 0; c < k; c++)
				any |= acc[i * k + c] > than;
			all += any;
		}
		all = team_sum(all);
		if (FIRST_LANE)
			part[t] = all;
	}
}
