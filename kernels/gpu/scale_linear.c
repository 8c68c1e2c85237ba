/* Linear interpolation by whole factors, and its gradient, WIDE channels to a lane. Bytes: every input voxel comes from memory once, its other
   readers find it in the cache. */
#include "kernels/gpu/scale.h"

/* Teams side by side of scale_cells_twos and scale_gather; places along d of a lane of theirs, fewer where lanes would be few: a test's are */
enum { CELL_TEAMS = 2, CELL_RUN = 4, GATHER_TEAMS = 4, GATHER_RUN = 8 };
#ifdef __CUDACC__
enum { FEW_LANES = 1 << 16 };
#else
enum { FEW_LANES = 64 };
#endif

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

DEVICE void scale_mix(const float a[WIDE], const float b[WIDE], float part, float u[WIDE])
{
	EACH(j)
		u[j] = a[j] + part * (b[j] - a[j]);
}

DEVICE struct piece corner(const void *x, int64_t pitch, const struct grid *s, const struct place *o, const struct cell c[3], int k)
{
	return get_piece(x, scale_at(s->in, o->n, k & 4 ? c[0].hi : c[0].lo, k & 2 ? c[1].hi : c[1].lo, k & 1 ? c[2].hi : c[2].lo) * pitch + o->c);
}

/* All output voxels of linear interpolation between eight input voxels, which are read once for them: along d, then h, then w. Of any factors. */
KERNEL(scale_cells, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
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

/* Places in tiles of w by h, so that neighbours' reads are found in a processor's cache; a lane has WIDE channels of one, and of the next ones along
   d, d in all */
struct tile { int w, h, d; };

/* Lanes of all places of size[], tiles as large as t at most */
static inline int64_t tiles_of(const struct k_scale *g, const int64_t size[3], struct tile *t)
{
	const int64_t parts = g->n * g->c / WIDE;

	while (t->w / 2 >= size[2])
		t->w /= 2;
	while (t->h / 2 >= size[1])
		t->h /= 2;
	while (t->d > 1 && parts * size[2] * size[1] * size[0] < t->d * FEW_LANES)
		t->d /= 2;
	return parts * t->w * t->h * ((size[2] + t->w - 1) / t->w) * ((size[1] + t->h - 1) / t->h) * ((size[0] + t->d - 1) / t->d);
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

/* Of a plane of input voxels, around place o: the four output voxels of factors of 2 that lie between four of them, had they no d */
DEVICE void plane_fours(const void *plane, const int64_t at[4], float v[4][WIDE])
{
	struct piece e[4];
	float lo[WIDE], hi[WIDE], line[2][2][WIDE];

	UNROLLED for (int k = 0; k < 4; k++)
		e[k] = get_piece(plane, at[k]);
	UNROLLED for (int q = 0; q < 2; q++) {
		piece_open(e[2 * q], lo), piece_open(e[2 * q + 1], hi);
		UNROLLED for (int r = 0; r < 2; r++)
			scale_mix(lo, hi, r ? 0.75f : 0.25f, line[q][r]);
	}
	UNROLLED for (int k = 0; k < 4; k++)
		scale_mix(line[0][k & 1], line[1][k & 1], k & 2 ? 0.75f : 0.25f, v[k]);
}

/* The same of factors of 2 and with nothing to add to, a run of such eights along d: a plane between two of them is read and interpolated once. */
SIDE_KERNEL(scale_cells_twos, (struct k_scale g, struct grid s, struct tile t, const void *RESTRICT x, int64_t xpitch, void *RESTRICT y,
	int64_t ypitch, int64_t all), (g, s, t, x, xpitch, y, ypitch, all), items(all), 0, CELL_TEAMS)
{
	const int size[3] = {s.in[0] + 1, s.in[1] + 1, s.in[2] + 1};

	ITEM_FOR(i, all) {
		const struct place o = tile_place(i, g.c, size, t);
		const int end = o.at[0] + t.d < size[0] ? o.at[0] + t.d : size[0], h = 2 * o.at[1] - 1, w = 2 * o.at[2] - 1;
		const struct cell cells[2] = {cell_of(o.at[1], s.in[1], 2), cell_of(o.at[2], s.in[2], 2)};
		const int64_t plane = (int64_t)s.in[1] * s.in[2] * xpitch, first = scale_at(s.in, o.n, 0, 0, 0) * xpitch + o.c;
		float last[4][WIDE], next[4][WIDE];
		int64_t at[4];

		UNROLLED for (int k = 0; k < 4; k++)
			at[k] = first + ((int64_t)(k & 2 ? cells[0].hi : cells[0].lo) * s.in[2] + (k & 1 ? cells[1].hi : cells[1].lo)) * xpitch;
		plane_fours(elements(x, cell_of(o.at[0], s.in[0], 2).lo * plane), at, last);
		for (int c = o.at[0]; c < end; c++) {
			plane_fours(elements(x, cell_of(c, s.in[0], 2).hi * plane), at, next);
			UNROLLED for (int k = 0; k < 8; k++) {
				const int to[3] = {2 * c - 1 + (k >> 2), h + (k >> 1 & 1), w + (k & 1)};
				float u[WIDE];

				if (to[0] < 0 || to[0] >= s.out[0] || to[1] < 0 || to[1] >= s.out[1] || to[2] < 0 || to[2] >= s.out[2])
					continue;
				scale_mix(last[k & 3], next[k & 3], k & 4 ? 0.75f : 0.25f, u);
				put_wide(y, scale_at(s.out, o.n, to[0], to[1], to[2]) * ypitch + o.c, u);
			}
			UNROLLED for (int k = 0; k < 4; k++)
				EACH(j)
					last[k][j] = next[k][j];
		}
	}
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
					const void *line = elements(x, scale_at(s.in, o.n, d, l, 0) * xpitch + o.c);
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

int G(scale_linear)(struct k_scale g, struct grid s, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add)
{
	const int twos = g.factor[0] == 2 && g.factor[1] == 2 && g.factor[2] == 2;
	const int64_t between[3] = {g.small[0] + 1, g.small[1] + 1, g.small[2] + 1};
	struct tile row = {1, 1, CELL_RUN}, square = {16, 4, GATHER_RUN};
	int64_t lanes;

#ifdef K_HALF
	if (!from_small && twos && 4 * g.small[1] * g.small[2] * (xpitch > ypitch ? xpitch : ypitch) < INT32_MAX) /* of a plane */
		return G(scale_back)(g, s, x, xpitch, y, ypitch, add);
#endif
	if (!from_small) {
		lanes = tiles_of(&g, g.small, &square);
		return scale_gather(g, s, square, x, xpitch, y, ypitch, add, lanes);
	}
	if (!twos || add)
		return G(scale_cells)(g, s, x, xpitch, y, ypitch, add, g.n * g.c / WIDE * between[0] * between[1] * between[2]);
	lanes = tiles_of(&g, between, &row);
	return G(scale_cells_twos)(g, s, row, x, xpitch, y, ypitch, lanes);
}
