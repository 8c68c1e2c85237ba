/* Back through linear interpolation by factors of 2, of bf16: a team has rows of small voxels, one a warp, and goes along d. The planes of large
   voxels about them come to its memory one after the other, each while the one before is summed up: of four lines by products (tile.h) of what
   voxels count by along h and w, quarters, which are exact, with what they are; and by floats along d. Bytes: a plane's voxels are read 1.3 times,
   from the second cache, 1.5 with those about a run. */
#include "kernels/gpu/scale.h"
#include "kernels/gpu/tile.h"

#ifdef K_HALF

/* Small voxels of a row, which all their large ones along w lie about; rows beside one another; planes of a run; channels; large ones about them */
enum { ROW = TILE - 1, ROWS = WARPS, RUN = 8, CHANNELS = 16, PARTS = CHANNELS / WIDE };
enum { COLUMNS = 2 * TILE, LINES = 2 * ROWS + 2, TAPS = 4 };
enum { PITCH = CHANNELS + WIDE, PLANE = LINES * COLUMNS * PITCH }; /* elements of a large voxel, eight in different banks; and of a plane */

/* A team's first small voxel and channel */
struct run { int n, at[3], c; };

static inline int64_t run_teams(const struct k_scale *g)
{
	const int64_t rows = (g->small[1] + ROWS - 1) / ROWS * ((g->small[2] + ROW - 1) / ROW);

	return g->n * ((g->small[0] + RUN - 1) / RUN) * rows * ((g->c + CHANNELS - 1) / CHANNELS);
}

DEVICE struct run run_of(const struct k_scale *g, const struct grid *s, int64_t team)
{
	const int side[3] = {RUN, ROWS, ROW}, parts = ((int)g->c + CHANNELS - 1) / CHANNELS, rest = (int)over(team, (uint32_t)parts);
	struct run r;

	r.c = ((int)team - rest * parts) * CHANNELS;
	r.n = block_first(rest, s->out, side, r.at);
	return r;
}

/* What large place l counts by for small place o: nothing where it is not there */
DEVICE float tap_at(const struct grid *s, int axis, int l, int o)
{
	return within(l, s->in[axis]) ? fmaxf(share_at(l, o, s->out[axis], s->each[axis]), 0) : 0;
}

/* A warp's: what large voxels count by, of a line's first and second half; sums of the small row before the plane, and of the one behind */
struct row_sums { struct left by[TAPS][2]; struct tile before[PARTS], behind[PARTS]; };

DEVICE void row_begin(const struct grid *s, const struct run *r, int h, struct row_sums *m)
{
	float line[TAPS];

	UNROLLED for (int i = 0; i < TAPS; i++)
		line[i] = tap_at(s, 1, 2 * h - 1 + i, h);
	UNROLLED for (int k = 0; k < 2; k++)
		LEFT_EACH(p) {
			const int l = 2 * r->at[2] - 1 + k * TILE + left_column(p), o = r->at[2] + left_row(p);
			const float by[2] = {tap_at(s, 2, l, o), tap_at(s, 2, l + 1, o)};

			UNROLLED for (int i = 0; i < TAPS; i++)
				left_put(&m->by[i][k], p, by[0] * line[i], by[1] * line[i]);
		}
	UNROLLED for (int p = 0; p < PARTS; p++)
		TILE_EACH(e)
			m->before[p].v[e] = m->behind[p].v[e] = 0;
}

DEVICE void plane_load(const struct k_scale *g, const struct grid *s, const struct run *r, int d, const void *x, int64_t xpitch, word *plane)
{
	const int row = COLUMNS * PARTS, step = TEAM / row; /* lanes to a line, the same of each; lines at a time */
	const void *from = elements(x, scale_at(s->in, r->n, d, 0, 0) * xpitch);

	LANE_FOR(i, 0, TEAM) {
		const int c = (int)i % PARTS * WIDE, column = (int)i % row / PARTS, first = (int)i / row;
		const int w = 2 * r->at[2] - 1 + column, h = 2 * r->at[1] - 1 + first, in = within(w, s->in[2]) && r->c + c < g->c;
		word *to = plane + (first * COLUMNS + column) * PITCH + c;
		int at = (h * s->in[2] + w) * (int)xpitch + r->c + c;

		UNROLLED for (int line = 0; line < LINES; line += step) {
			const int there = in && within(h + line, s->in[1]);

			if (line + step <= LINES || first + line < LINES)
				begin_quad(to + line * COLUMNS * PITCH, elements(from, there ? at : 0), there);
			at += step * s->in[2] * (int)xpitch;
		}
	}
}

/* Plane d, of lines from `rows` on */
DEVICE void plane_sum(const struct grid *s, int d, const word *rows, struct row_sums *m)
{
	const int at = (d + 1) / 2;
	const float before = share_at(d, at - 1, s->out[0], s->each[0]), behind = share_at(d, at, s->out[0], s->each[0]);

	UNROLLED for (int p = 0; p < PARTS; p++) {
		struct tile sum;

		TILE_EACH(e)
			sum.v[e] = 0;
		UNROLLED for (int i = 0; i < TAPS; i++)
			UNROLLED for (int k = 0; k < 2; k++)
				tile_add_turned(&sum, &m->by[i][k], rows + (i * COLUMNS + k * TILE) * PITCH + p * WIDE, PITCH);
		TILE_EACH(e)
			m->before[p].v[e] += before * sum.v[e], m->behind[p].v[e] += behind * sum.v[e];
	}
}

/* The row before the plane is done: to y, if it is one of the run's. */
DEVICE void row_put(const struct k_scale *g, const struct grid *s, const struct run *r, int d, int h, void *y, int64_t ypitch, int add,
	struct row_sums *m)
{
	const int64_t first = scale_at(s->out, r->n, d, h, r->at[2]) * ypitch + r->c;

	UNROLLED for (int e = 0; e < TILE_OWN; e += 2) {
		const int w = tile_row(tile_slot(e)), own = d >= r->at[0] && h < s->out[1] && w < ROW && r->at[2] + w < s->out[2];

		UNROLLED for (int p = 0; p < PARTS; p++)
			if (own && r->c + p * WIDE < g->c) {
				const int64_t to = first + w * ypitch + p * WIDE + tile_column(e);
				const float *v = m->before[p].v + e;

				put_two(y, to, v[0] + (add ? get(y, to) : 0), v[1] + (add ? get(y, to + 1) : 0));
			}
	}
	UNROLLED for (int p = 0; p < PARTS; p++)
		TILE_EACH(e)
			m->before[p].v[e] = m->behind[p].v[e], m->behind[p].v[e] = 0;
}

DEVICE void run_sum(const struct k_scale *g, const struct grid *s, int64_t team, const void *x, int64_t xpitch, void *y, int64_t ypitch,
	const int add, word *room)
{
	const struct run r = run_of(g, s, team);
	const int first = r.at[0] ? 2 * r.at[0] - 1 : 0, end = r.at[0] + RUN < s->out[0] ? 2 * (r.at[0] + RUN) + 1 : s->in[0];
	WARP_KEEPS(struct row_sums, rows);

	plane_load(g, s, &r, first, x, xpitch, room);
	WARP_FOR(w)
		row_begin(s, &r, r.at[1] + w, &rows[WARP_AT(w)]);
	for (int d = first; d < end; d++) {
		const word *plane = room + (d - first) % 2 * PLANE;

		quads_arrived();
		team_sync();
		if (d + 1 < end)
			plane_load(g, s, &r, d + 1, x, xpitch, room + (d + 1 - first) % 2 * PLANE);
		WARP_FOR(w) {
			plane_sum(s, d, plane + 2 * w * COLUMNS * PITCH, &rows[WARP_AT(w)]);
			if (d % 2 == 0 || d + 1 == end)
				row_put(g, s, &r, (d + 1) / 2 - 1, r.at[1] + w, y, ypitch, add, &rows[WARP_AT(w)]);
		}
	}
}

#define BACK_CASE(name, add) \
	SIDE_KERNEL(name, (struct k_scale g, struct grid s, const void *RESTRICT x, int64_t xpitch, void *RESTRICT y, int64_t ypitch), \
		(g, s, x, xpitch, y, ypitch), run_teams(&g), 2 * PLANE * sizeof(word), 3) \
	{ \
		TEAM_FOR(t, run_teams(&g)) { \
			TEAM_ROOM(room); \
			run_sum(&g, &s, t, x, xpitch, y, ypitch, add, (word *)room); \
		} \
	}

BACK_CASE(scale_back_given, 0)
BACK_CASE(scale_back_added, 1)

int G(scale_back)(struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add)
{
	return add ? G(scale_back_added)(g, s, x, xpitch, y, ypitch) : G(scale_back_given)(g, s, x, xpitch, y, ypitch);
}

#endif
