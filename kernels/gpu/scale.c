/* Changes of resolution, as kernels/backend.h has them: an output voxel is the weighted sum of the input voxels that its taps name on each axis.
   Where they can be read at once a lane makes WIDE channels, else one. Bytes: every input voxel comes from memory once, its other readers find it in
   the cache. */
#include "kernels/backend.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"

/* Teams side by side of scale_cells and scale_gather; small places along d of a lane of scale_gather, fewer where lanes would be few: a test's are */
enum { CELL_TEAMS = 2, GATHER_TEAMS = 4, GATHER_RUN = 8 };
#ifdef __CUDACC__
enum { FEW_LANES = 1 << 16 };
#else
enum { FEW_LANES = 64 };
#endif

/* The taps of output place `o` on an axis: input places first .. first + n - 1, and the weight of each. */
struct tap { int64_t first; int n; };

/* Linear interpolation's weight of small place s in large place l */
DEVICE float hat(int64_t l, int64_t s, int64_t small, int factor)
{
	float x = ((float)l + 0.5f) / (float)factor - 0.5f, part;
	int64_t lo;

	x = x < 0 ? 0 : x;
	lo = (int64_t)x;
	part = x - (float)lo;
	if (lo + 1 >= small)
		return s == lo ? 1 : 0;
	return s == lo ? 1 - part : s == lo + 1 ? part : 0;
}

/* from_small: the input is the small one. */
DEVICE struct tap tap_of(enum k_scale_kind kind, int from_small, int64_t o, int64_t small, int factor)
{
	struct tap t;
	int64_t last;

	if (kind == K_SCALE_MEAN) {
		t.first = from_small ? o / factor : o * factor;
		t.n = from_small ? 1 : factor;
		return t;
	}
	if (from_small) { /* two neighbours */
		float x = ((float)o + 0.5f) / (float)factor - 0.5f;

		t.first = x < 0 ? 0 : (int64_t)x;
		t.n = t.first + 1 < small ? 2 : 1;
		return t;
	}
	t.first = (o - 1) * factor;
	last = (o + 2) * factor - 1;
	t.first = t.first < 0 ? 0 : t.first;
	last = last < small * factor ? last : small * factor - 1;
	t.n = (int)(last - t.first + 1);
	return t;
}

DEVICE float weight_of(enum k_scale_kind kind, int from_small, int64_t o, int64_t i, int64_t small, int factor)
{
	if (kind == K_SCALE_MEAN)
		return 1 / (float)factor;
	return from_small ? hat(o, i, small, factor) : hat(i, o, small, factor);
}

/* Sizes of input and output; 1 / factor */
struct grid { int in[3], out[3]; float each[3]; };

/* One channel of an output voxel to a lane, for whatever cannot be read several at a time */
KERNEL(scale_voxels, (struct k_scale g, struct grid s, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, from_small, x, xpitch, y, ypitch, add, all), items(all))
{
	const uint32_t c = (uint32_t)g.c, w = (uint32_t)s.out[2], h = (uint32_t)s.out[1], d = (uint32_t)s.out[0];

	ITEM_FOR(i, all) {
		const int64_t vox = over(i, c), at = i - vox * c, line = over(vox, w), plane = over(line, h), n = over(plane, d);
		const int64_t o[3] = {plane - n * d, line - plane * h, vox - line * w};
		struct tap t[3];
		float u = 0;

		for (int a = 0; a < 3; a++)
			t[a] = tap_of(g.kind, from_small, o[a], g.small[a], g.factor[a]);
		for (int64_t p = t[0].first; p < t[0].first + t[0].n; p++) {
			float wd = weight_of(g.kind, from_small, o[0], p, g.small[0], g.factor[0]);

			for (int64_t q = t[1].first; q < t[1].first + t[1].n; q++) {
				float wh = wd * weight_of(g.kind, from_small, o[1], q, g.small[1], g.factor[1]);

				for (int64_t r = t[2].first; r < t[2].first + t[2].n; r++)
					u += wh * weight_of(g.kind, from_small, o[2], r, g.small[2], g.factor[2]) *
						get(x, (((n * s.in[0] + p) * s.in[1] + q) * s.in[2] + r) * xpitch + at);
			}
		}
		put(y, vox * ypitch + at, add ? get(y, vox * ypitch + at) + u : u);
	}
}

/* -- WIDE channels to a lane ---------------------------------------------------------- */
/* An item: channel c of place at[] of n, among size[] places of g.c channels each */
struct place { int n, at[3], c; };

DEVICE struct place place_of(int64_t i, int64_t channels, const int size[3])
{
	const uint32_t parts = (uint32_t)channels / WIDE;
	const int64_t all = over(i, parts), lines = over(all, (uint32_t)size[2]);
	const uint32_t line = (uint32_t)lines, plane = line / (uint32_t)size[1], n = plane / (uint32_t)size[0];
	struct place p;

	p.n = (int)n;
	p.at[0] = (int)(plane - n * (uint32_t)size[0]), p.at[1] = (int)(line - plane * (uint32_t)size[1]), p.at[2] = (int)(all - lines * size[2]);
	p.c = (int)(i - all * parts) * WIDE;
	return p;
}

DEVICE int64_t scale_at(const int size[3], int n, int d, int h, int w)
{
	return (int64_t)((n * size[0] + d) * size[1] + h) * size[2] + w;
}

DEVICE void scale_put(void *y, int64_t at, int add, float v[WIDE])
{
	float old[WIDE];

	if (add) {
		get_wide(y, at, old);
		EACH(j)
			v[j] += old[j];
	}
	put_wide(y, at, v);
}

/* A kernel of (.., struct k_scale g, .., int add, ..) twice: for factors of 2, which then are constants, with nothing to add to, `least` teams side by
   side; and for any */
#define SCALE_KERNEL(name, least, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	SIDE_KERNEL(name##_twos, PARAMS, ARGS, teams, 0, least) \
	{ \
		g.factor[0] = g.factor[1] = g.factor[2] = 2, add = 0; \
		name##_text ARGS; \
	} \
	SIDE_KERNEL(name##_any, PARAMS, ARGS, teams, 0, 2) \
	{ \
		name##_text ARGS; \
	} \
	static int name PARAMS \
	{ \
		const int twos = g.factor[0] == 2 && g.factor[1] == 2 && g.factor[2] == 2 && !add; \
		\
		return twos ? G(name##_twos) ARGS : G(name##_any) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* An output voxel of a mean. Bytes: every input voxel is read once. */
SCALE_KERNEL(scale_mean, 2, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, x, xpitch, y, ypitch, add, all), items(all))
{
	ITEM_FOR(i, all) {
		const struct place o = place_of(i, g.c, s.out);
		float u[WIDE] = {0}, v[WIDE];

		UNROLLED for (int p = 0; p < g.factor[0]; p++)
			UNROLLED for (int q = 0; q < g.factor[1]; q++)
				UNROLLED for (int r = 0; r < g.factor[2]; r++) {
					get_wide(x, scale_at(s.in, o.n, o.at[0] * g.factor[0] + p, o.at[1] * g.factor[1] + q, o.at[2] * g.factor[2] + r) * xpitch + o.c, v);
					EACH(j)
						u[j] += v[j];
				}
		EACH(j)
			u[j] *= s.each[0] * s.each[1] * s.each[2];
		scale_put(y, scale_at(s.out, o.n, o.at[0], o.at[1], o.at[2]) * ypitch + o.c, add, u);
	}
}

/* Back: an input voxel, small, to all it was the mean of */
SCALE_KERNEL(scale_spread, 2, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, x, xpitch, y, ypitch, add, all), items(all))
{
	ITEM_FOR(i, all) {
		const struct place o = place_of(i, g.c, s.in);
		float u[WIDE], v[WIDE];

		get_wide(x, scale_at(s.in, o.n, o.at[0], o.at[1], o.at[2]) * xpitch + o.c, u);
		UNROLLED for (int p = 0; p < g.factor[0]; p++)
			UNROLLED for (int q = 0; q < g.factor[1]; q++)
				UNROLLED for (int r = 0; r < g.factor[2]; r++) {
					EACH(j)
						v[j] = u[j] * (s.each[0] * s.each[1] * s.each[2]);
					scale_put(y, scale_at(s.out, o.n, o.at[0] * g.factor[0] + p, o.at[1] * g.factor[1] + q, o.at[2] * g.factor[2] + r) * ypitch + o.c,
						add, v);
				}
	}
}

/* Between small place `at` - 1 and the next (one axis): the two, or twice the one at an edge; and the first of the large places there, as many as the
   factor: at edges some of them are beyond the volume */
struct cell { int lo, hi, first; };

DEVICE struct cell cell_of(int at, int small, int factor)
{
	struct cell c;

	c.lo = at > 0 ? at - 1 : 0, c.hi = at < small ? at : small - 1;
	c.first = (2 * at + 1) * factor / 2 - factor;
	return c;
}

/* Where large place l lies among the small ones, its first at 0 */
DEVICE float small_at(int l, float each)
{
	return ((float)l + 0.5f) * each - 0.5f;
}

DEVICE void scale_mix(const float a[WIDE], const float b[WIDE], float part, float u[WIDE])
{
	EACH(j)
		u[j] = a[j] + part * (b[j] - a[j]);
}

DEVICE struct piece corner(const void *x, int64_t pitch, const struct grid *s, const struct place *o, const struct cell c[3], int k)
{
	return get_piece(x, scale_at(s->in, o->n, k & 4 ? c[0].hi : c[0].lo, k & 2 ? c[1].hi : c[1].lo, k & 1 ? c[2].hi : c[2].lo) * pitch + o->c);
}

/* All output voxels of linear interpolation between eight input voxels, which are read once for them: along d, then h, then w */
SCALE_KERNEL(scale_cells, CELL_TEAMS, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, x, xpitch, y, ypitch, add, all), items(all))
{
	const int size[3] = {s.in[0] + 1, s.in[1] + 1, s.in[2] + 1};

	ITEM_FOR(i, all) {
		const struct place o = place_of(i, g.c, size);
		struct piece e[8];
		struct cell c[3];

		UNROLLED for (int a = 0; a < 3; a++)
			c[a] = cell_of(o.at[a], s.in[a], g.factor[a]);
		UNROLLED for (int k = 0; k < 8; k++)
			e[k] = corner(x, xpitch, &s, &o, c, k);
		UNROLLED for (int p = 0; p < g.factor[0]; p++) {
			const int d = c[0].first + p;
			float plane[4][WIDE];

			if (d < 0 || d >= s.out[0])
				continue;
			UNROLLED for (int k = 0; k < 4; k++) {
				float a[WIDE], b[WIDE];

				piece_open(e[k], a), piece_open(e[k + 4], b);
				scale_mix(a, b, small_at(d, s.each[0]) - (float)(o.at[0] - 1), plane[k]);
			}
			UNROLLED for (int q = 0; q < g.factor[1]; q++) {
				const int h = c[1].first + q;
				float line[2][WIDE];

				if (h < 0 || h >= s.out[1])
					continue;
				UNROLLED for (int k = 0; k < 2; k++)
					scale_mix(plane[k], plane[k + 2], small_at(h, s.each[1]) - (float)(o.at[1] - 1), line[k]);
				UNROLLED for (int r = 0; r < g.factor[2]; r++) {
					const int w = c[2].first + r;
					float u[WIDE];

					if (w < 0 || w >= s.out[2])
						continue;
					scale_mix(line[0], line[1], small_at(w, s.each[2]) - (float)(o.at[2] - 1), u);
					scale_put(y, scale_at(s.out, o.n, d, h, w) * ypitch + o.c, add, u);
				}
			}
		}
	}
}

/* What large place l counts by in small place o's gradient */
DEVICE float share_at(int l, int o, int small, float each)
{
	return 1 - fabsf(fminf(fmaxf(small_at(l, each), 0), (float)(small - 1)) - (float)o);
}

/* Small places in tiles of w by h, so that neighbours' reads are found in a processor's cache; a lane has a channel piece of one, and of the next ones
   along d, d in all */
struct tile { int w, h, d; };

static inline int64_t tiles_of(const struct k_scale *g, struct tile *t)
{
	const int64_t parts = g->n * g->c / WIDE;

	for (t->w = 1; t->w < 16 && t->w < g->small[2];)
		t->w *= 2;
	for (t->h = 1; t->h < 4 && t->h < g->small[1];)
		t->h *= 2;
	for (t->d = GATHER_RUN; t->d > 1 && parts * g->small[2] * g->small[1] * g->small[0] < t->d * FEW_LANES;)
		t->d /= 2;
	return parts * t->w * t->h * ((g->small[2] + t->w - 1) / t->w) * ((g->small[1] + t->h - 1) / t->h) * ((g->small[0] + t->d - 1) / t->d);
}

DEVICE struct place tile_place(int64_t i, int64_t channels, const int size[3], struct tile t)
{
	const int wide[3] = {(size[0] + t.d - 1) / t.d, (size[1] + t.h - 1) / t.h, (size[2] + t.w - 1) / t.w};
	const uint32_t each = (uint32_t)channels / WIDE * (uint32_t)(t.w * t.h);
	const int64_t tile = over(i, each);
	const uint32_t own = (uint32_t)(i - tile * each), vox = own / ((uint32_t)channels / WIDE), row = vox / (uint32_t)t.w;
	struct place p = place_of(tile * ((uint32_t)channels / WIDE), channels, wide);

	p.at[0] *= t.d, p.at[1] = p.at[1] * t.h + (int)row, p.at[2] = p.at[2] * t.w + (int)(vox - row * (uint32_t)t.w);
	p.c = (int)(own - vox * ((uint32_t)channels / WIDE)) * WIDE;
	return p;
}

/* TAPS large places of an axis from l on: where they are, in elements, and what they count by in small place o's gradient. One that is not there
   counts by 0 and is where another is. */
enum { TAPS = 4 };
struct taps { uint32_t at[TAPS]; float by[TAPS]; };

DEVICE struct taps taps_of(const struct grid *s, int axis, int l, int o, uint32_t each)
{
	struct taps t;

	UNROLLED for (int k = 0; k < TAPS; k++) {
		const int last = s->in[axis] - 1, there = l + k >= 0 && l + k <= last;

		t.at[k] = (uint32_t)(there ? l + k : l + k < 0 ? 0 : last) * each;
		t.by[k] = there ? fmaxf(share_at(l + k, o, s->out[axis], s->each[axis]), 0) : 0;
	}
	return t;
}

/* Elements of TAPS columns of a line, added to a sum */
DEVICE void line_add(const void *line, const struct taps *w, float by, float sum[WIDE])
{
	struct piece e[TAPS];

	UNROLLED for (int r = 0; r < TAPS; r++)
		e[r] = get_piece(line, w->at[r]);
	UNROLLED for (int r = 0; r < TAPS; r++) {
		float v[WIDE];

		piece_open(e[r], v);
		EACH(j)
			sum[j] += by * w->by[r] * v[j];
	}
}

/* Back: a run of output voxels, small, along d, of all that they had a part in: what lies around them in a plane is summed once, for the small one
   before the plane and the one behind it. Reads of the cache for an output voxel, of factors of 2: 36 of runs of 8, in place of 64; of the memory
   behind it, by tiles of 16x4 voxels, one and a half of each large one. */
SCALE_KERNEL(scale_gather, GATHER_TEAMS, (struct k_scale g, struct grid s, struct tile t, const void *RESTRICT x, int64_t xpitch, void *RESTRICT y,
	int64_t ypitch, int add, int64_t all), (g, s, t, x, xpitch, y, ypitch, add, all), items(all))
{
	ITEM_FOR(i, all) {
		const struct place o = tile_place(i, g.c, s.out, t);
		const int end = o.at[0] + t.d < s.out[0] ? o.at[0] + t.d : s.out[0];
		const int h = cell_of(o.at[1], s.out[1], g.factor[1]).first, w = cell_of(o.at[2], s.out[2], g.factor[2]).first;
		const struct taps own = taps_of(&s, 2, w, o.at[2], (uint32_t)xpitch);
		float before[WIDE] = {0}, behind[WIDE] = {0};

		if (o.at[1] >= s.out[1] || o.at[2] >= s.out[2])
			continue;
		for (int at = o.at[0]; at <= end; at++) {
			const int plane = cell_of(at, s.out[0], g.factor[0]).first;

			for (int d = plane < 0 ? 0 : plane; d < plane + g.factor[0] && d < s.in[0]; d++) {
				const float by[2] = {share_at(d, at - 1, s.out[0], s.each[0]), share_at(d, at, s.out[0], s.each[0])};
				float sum[WIDE] = {0};

				UNROLLED_BY(1) for (int l = h < 0 ? 0 : h; l < h + 2 * g.factor[1] && l < s.in[1]; l++) {
					const void *line = (const char *)x + (scale_at(s.in, o.n, d, l, 0) * xpitch + o.c) * (16 / WIDE);
					const float share = share_at(l, o.at[1], s.out[1], s.each[1]);

					line_add(line, &own, share, sum);
					for (int r = TAPS; r < 2 * g.factor[2]; r += TAPS) {
						const struct taps more = taps_of(&s, 2, w + r, o.at[2], (uint32_t)xpitch);

						line_add(line, &more, share, sum);
					}
				}
				EACH(j)
					before[j] += by[0] * sum[j], behind[j] += by[1] * sum[j];
			}
			if (at > o.at[0])
				scale_put(y, scale_at(s.out, o.n, at - 1, o.at[1], o.at[2]) * ypitch + o.c, add, before);
			EACH(j)
				before[j] = behind[j], behind[j] = 0;
		}
	}
}

int G(scale)(struct k_scale g, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t n)
{
	const int whole = wide_rows(x, g.c) && wide_rows(y, g.c) && xpitch % WIDE == 0 && ypitch % WIDE == 0 && /* and 32 bits are enough in a line */
		g.small[2] * g.factor[2] * xpitch < INT32_MAX;
	int64_t small = g.n * g.c / WIDE, cells = small;
	struct grid s;
	struct tile t;

	for (int a = 0; a < 3; a++) {
		s.in[a] = (int)g.small[a] * (from_small ? 1 : g.factor[a]);
		s.out[a] = (int)g.small[a] * (from_small ? g.factor[a] : 1);
		s.each[a] = 1 / (float)g.factor[a];
		small *= g.small[a], cells *= g.small[a] + 1;
	}
	if (!whole)
		return G(scale_voxels)(g, s, from_small, x, xpitch, y, ypitch, add, n);
	if (g.kind == K_SCALE_MEAN)
		return from_small ? scale_spread(g, s, x, xpitch, y, ypitch, add, small) : scale_mean(g, s, x, xpitch, y, ypitch, add, small);
	if (from_small)
		return scale_cells(g, s, x, xpitch, y, ypitch, add, cells);
	small = tiles_of(&g, &t);
	return scale_gather(g, s, t, x, xpitch, y, ypitch, add, small);
}
