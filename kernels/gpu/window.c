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

/* Of the window's voxel v. */
DEVICE float weight_of(const struct k_weight *w, const int64_t *roi, int64_t v)
{
	const float by = w->row[0][v / roi[2] / roi[1]] * w->row[1][v / roi[2] % roi[1]] * w->row[2][v % roi[2]];

	return by > w->least ? by : w->least;
}

/* Of class c of a voxel whose logits are l: that, or with `soft` its probability; most, all: soft_sum's. */
DEVICE float score_of(const struct k_blend *g, const float *l, int64_t c, float most, float all)
{
	if (!g->soft)
		return l[c];
	return g->k > 1 ? expf(l[c] - most) / all : 1 / (1 + expf(-l[c]));
}

/* A row of the window: its voxels lo .. hi - 1 are in the slab; where its first voxel's logits and place in the slab are; its share of the weight */
struct line { int64_t from, to, lo, hi; float weight; };

DEVICE struct line line_of(const struct k_blend *g, int64_t row)
{
	const int64_t at[2] = {over(row, (uint32_t)g->roi[1]), row - over(row, (uint32_t)g->roi[1]) * g->roi[1]};
	struct line l = {0, 0, 0, 0, 0};
	int outside = 0;

	for (int a = 0; a < 2; a++) {
		outside |= g->start[a] + at[a] < 0 || g->start[a] + at[a] >= g->slab[a];
		l.to = l.to * g->slab[a] + g->start[a] + at[a];
		l.from = l.from * g->roi[a] + (g->flip >> a & 1 ? g->roi[a] - 1 - at[a] : at[a]);
	}
	l.to = l.to * g->slab[2] + g->start[2], l.from *= g->roi[2];
	l.lo = g->start[2] < 0 ? -g->start[2] : 0;
	l.hi = outside ? 0 : g->start[2] + g->roi[2] > g->slab[2] ? g->slab[2] - g->start[2] : g->roi[2];
	l.weight = g->weight.row[0][at[0]] * g->weight.row[1][at[1]];
	return l;
}

/* The weight of voxel v of a row, and which voxel of it has its logits */
DEVICE float line_weight(const struct k_blend *g, const struct line *l, int64_t v)
{
	const float by = l->weight * g->weight.row[2][v];

	return by > g->weight.least ? by : g->weight.least;
}

DEVICE int64_t line_from(const struct k_blend *g, int64_t v)
{
	return g->flip >> 2 & 1 ? g->roi[2] - 1 - v : v;
}

/* A voxel, acc its own */
DEVICE void blend_voxel(const struct k_blend *g, const float *p, float w, float *acc)
{
	float most = 0, all = 1;

	if (g->soft && g->k > 1)
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
KERNEL(window_blend, (struct k_blend g, const float *RESTRICT logits, float *RESTRICT acc, float *RESTRICT sum), (g, logits, acc, sum),
	items(g.roi[0] * g.roi[1] * WARP))
{
	GROUP_FOR(row, g.roi[0] * g.roi[1], WARP) {
		const uint64_t times = (uint64_t)(0xffffffffu / (uint32_t)g.k) + 1;
		const struct line l = line_of(&g, row);

		if (g.soft || g.margin)
			MEMBER_FOR(v, l.lo, l.hi, WARP)
				blend_voxel(&g, logits + (l.from + line_from(&g, v)) * g.k, line_weight(&g, &l, v), acc + (l.to + v) * (g.margin ? 1 : g.k));
		else
			UNROLLED_BY(4) MEMBER_FOR(e, l.lo * g.k, l.hi * g.k, WARP) {
				const int64_t v = by_times(e, times);

				acc[l.to * g.k + e] += line_weight(&g, &l, v) * logits[(l.from + line_from(&g, v) - v) * g.k + e];
			}
		if (sum)
			MEMBER_FOR(v, l.lo, l.hi, WARP)
				sum[l.to + v] += line_weight(&g, &l, v);
	}
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
		int64_t of = g.k == 1 && best >= g.cut;
		int bad = !isfinite(best);

		for (int64_t c = 1; c < g.k; c++) {
			const float mean = acc[v * g.k + c] / s;

			of = mean > best ? c : of;
			best = mean > best ? mean : best;
			bad |= !isfinite(mean);
		}
		pred[v] = !(s > 0) ? (g.k > 1 ? 0 : g.never) : bad ? K_NO_LABEL : (uint8_t)of;
	}
}

/* The classes with the highest sums of a voxel; the kernels keep no note of what is sure. */
struct lead { int64_t first, second; float by; };

DEVICE struct lead lead_of(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	struct lead l = {0, 0, 0};

	if (k == 1) {
		l.by = fabsf(acc[0] - u->middle * sum);
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

/* Where the window's voxel v lies in the slab, or -1. */
DEVICE int64_t place(const int64_t *roi, const int64_t *start, const int64_t *slab, int64_t v)
{
	int64_t z = start[0] + v / roi[2] / roi[1], y = start[1] + v / roi[2] % roi[1], x = start[2] + v % roi[2];

	if (z < 0 || y < 0 || x < 0 || (start[0] < 0 && z >= slab[0]) || y >= slab[1] || x >= slab[2])
		return -1;
	return (z % slab[0] * slab[1] + y) * slab[2] + x;
}

/* How far the window is from the mean so far, where that leads by little; else less than 0. */
DEVICE float off(const struct k_blend *g, float near, int64_t v, const float *logits, const float *acc, const float *sum)
{
	const int64_t at[3] = {v / g->roi[2] / g->roi[1], v / g->roi[2] % g->roi[1], v % g->roi[2]}, to = place(g->roi, g->start, g->slab, v);
	const int64_t k = g->margin ? 1 : g->k;
	const float *a = acc + to * k;
	int64_t from = 0;
	struct lead l;
	float most = 0, all = 1, by;

	if (to < 0 || at[0] + g->start[0] >= g->slab[0])
		return -1;
	l = lead_of(&g->unsure, k, a, sum[to]);
	if (!(l.by < near * sum[to]))
		return -1;
	for (int i = 0; i < 3; i++)
		from = from * g->roi[i] + (g->flip >> i & 1 ? g->roi[i] - 1 - at[i] : at[i]);
	logits += from * g->k;
	if (g->soft && g->k > 1)
		all = soft_sum(logits, g->k, &most);
	if (g->k == 1)
		by = score_of(g, logits, 0, most, all) - a[0] / sum[to];
	else if (g->margin)
		by = score_of(g, logits, 1, most, all) - score_of(g, logits, 0, most, all) - a[0] / sum[to];
	else
		by = score_of(g, logits, l.first, most, all) - score_of(g, logits, l.second, most, all) - l.by / sum[to];
	return fminf(fabsf(by), 100);
}

/* A window's sums are of so many voxels each. */
enum { SOME = 2048 };

#ifdef __cplusplus
extern "C"
#endif
int64_t gpu_window_parts(const int64_t roi[3])
{
	return (roi[0] * roi[1] * roi[2] + SOME - 1) / SOME;
}

/* Where part t of a window ends */
DEVICE int64_t end_of(int64_t t, const int64_t roi[3])
{
	const int64_t all = roi[0] * roi[1] * roi[2];

	return (t + 1) * SOME < all ? (t + 1) * SOME : all;
}

/* part[t], part[parts + t] */
KERNEL(window_spread, (struct k_blend g, float near, const float *logits, const float *acc, const float *sum, int64_t parts, double *part),
	(g, near, logits, acc, sum, parts, part), parts)
{
	TEAM_FOR(t, parts) {
		double squares = 0, weights = 0;

		LANE_FOR(i, t * SOME, end_of(t, g.roi)) {
			const float by = off(&g, near, i, logits, acc, sum), w = weight_of(&g.weight, g.roi, i);

			squares += by >= 0 ? (double)(w * by * by) : 0;
			weights += by >= 0 ? (double)w : 0;
		}
		squares = team_sum(squares);
		weights = team_sum(weights);
		if (FIRST_LANE) {
			part[t] = squares;
			part[parts + t] = weights;
		}
	}
}

/* The window's share of the probability that its voxel v changes. */
DEVICE float doubt_of(const struct k_doubt *g, int64_t v, float w)
{
	const int64_t at = place(g->roi, g->start, g->slab, v), row = at / g->slab[2];
	float all = 0, sum, left, t, part;

	if (at < 0 || !((sum = g->sum[at]) > 0))
		return 0;
	for (int l = 0; l < g->wholes; l++)
		all += g->times * g->whole[l][0][row / g->slab[1]] * g->whole[l][1][row % g->slab[1]] * g->whole[l][2][at % g->slab[2]];
	left = all - sum;
	if (!(left > 1e-4f * all))
		return 0;
	t = 1 - lead_of(&g->unsure, g->k, g->acc + at * g->k, sum).by * all / (sum * left) / (3 * g->spread);
	part = g->times * w / left;
	return t > 0 ? 0.5f * t * t * t * (part < 1 ? part : 1) : 0;
}

KERNEL(window_doubt, (struct k_doubt g, int64_t parts, double *part), (g, parts, part), parts)
{
	TEAM_FOR(t, parts) {
		double all = 0;

		LANE_FOR(i, t * SOME, end_of(t, g.roi))
			all += (double)doubt_of(&g, i, weight_of(&g.weight, g.roi, i));
		all = team_sum(all);
		if (FIRST_LANE)
			part[t] = all;
	}
}

/* part[t]: of voxels from t GPU_SQUARES on */
KERNEL(window_count, (const float *acc, const float *sum, int64_t vox, int64_t k, float middle, double *part), (acc, sum, vox, k, middle, part),
	(vox + GPU_SQUARES - 1) / GPU_SQUARES)
{
	TEAM_FOR(t, (vox + GPU_SQUARES - 1) / GPU_SQUARES) {
		const int64_t lo = t * GPU_SQUARES, hi = lo + GPU_SQUARES < vox ? lo + GPU_SQUARES : vox;
		double all = 0;

		LANE_FOR(i, lo, hi) {
			int any = k == 1 && acc[i] > middle * sum[i];

			for (int64_t c = 1; c < k; c++)
				any |= acc[i * k + c] > acc[i * k];
			all += any;
		}
		all = team_sum(all);
		if (FIRST_LANE)
			part[t] = all;
	}
}
