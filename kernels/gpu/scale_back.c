/* Back through linear interpolation by factors of 2, of bf16: a warp has eight items of ACROSS small voxels of a row, WIDE channels of each, and goes
   along d, two planes of large voxels at a time: those between a small plane and the next, both of which they count for. That is products (tile.h) of
   what voxels count by, 64ths, which are exact, with what they are: as lanes read them, a product has the same channel of eight items, so that
   nothing lies in a team's memory. Beyond an edge the last voxel is read once more, which is what it counts by there. Bytes: a voxel is read 2.3
   times, by warps side by side, 1.2 times from the second cache; what two runs share both begin with or both end with: it comes from memory once. */
#include "kernels/gpu/scale.h"
#include "kernels/gpu/tile.h"

#ifdef K_HALF

enum { ACROSS = 8, COLUMNS = 2 * ACROSS, LINES = 4, PLANES = 2, SIDES = LINES * PLANES, ITEMS = 8, FOUR = 4 };
enum { RUN = 16 }; /* small planes of a run at most, fewer where teams would be few: a test's are */
#ifdef __CUDACC__
enum { FEW_TEAMS = 256, LANES = 1, OWN = 2 };
#define LANE_EACH(i, l) for (int i = 0, l = tile_lane(); i < 1; i++)
#define OWN_AT(e) ((e) % OWN)
#else
enum { FEW_TEAMS = 3, LANES = WARP, OWN = ITEMS };
#define LANE_EACH(i, l) for (int i = 0, l = 0; (i) < WARP; l = ++(i))
#define OWN_AT(e) ((e) % ITEMS)
#endif

/* Of an n: WIDEs of channels; items across; planes of a run, runs, teams of a run */
struct cut { int parts, across, run, runs, teams; };

static inline struct cut cut_of(const struct k_scale *g)
{
	struct cut t = {(int)g->c / WIDE, ((int)g->small[2] + ACROSS - 1) / ACROSS, RUN, 0, 0};

	t.teams = (int)((t.parts * t.across * g->small[1] + ITEMS * WARPS - 1) / (ITEMS * WARPS));
	while (t.run > 1 && g->n * t.teams * ((g->small[0] + t.run - 1) / t.run) < FEW_TEAMS)
		t.run /= 2;
	t.runs = ((int)g->small[0] + t.run - 1) / t.run;
	return t;
}

/* A warp's run: its n, its first item, the small planes from lo to hi; turned: they count from the last on. Neighbours are turned to one another. */
struct run { int n, item, lo, hi, turned; };

DEVICE struct run run_of(const struct cut *t, const struct grid *s, int64_t team, int warp)
{
	const int all = (int)over(team, (uint32_t)t->teams), at = all % t->runs, lo = at * t->run, hi = lo + t->run < s->out[0] ? lo + t->run : s->out[0];
	struct run r;

	r.n = all / t->runs, r.turned = at % 2;
	r.item = (int)(team - (int64_t)all * t->teams) * ITEMS * WARPS + warp * ITEMS;
	r.lo = r.turned ? s->out[0] - hi : lo, r.hi = r.turned ? s->out[0] - lo : hi;
	return r;
}

/* An item's row, first voxel and channel in a small plane; of what is beyond the last, the last, with no voxels */
struct item { int h, w, c, voxels; };

DEVICE struct item item_of(const struct cut *t, const struct grid *s, int q)
{
	const int rows = s->out[1], last = t->parts * rows * t->across - 1, at = q < last ? q : last;
	const int row = (int)((uint32_t)at / (uint32_t)t->parts), column = (int)((uint32_t)row / (uint32_t)rows);
	struct item o;

	o.c = (at - row * t->parts) * WIDE, o.h = row - column * rows, o.w = column * ACROSS;
	o.voxels = q <= last ? s->out[2] - o.w : 0;
	return o;
}

/* Plane d of n of a value, in the order that the run goes in */
DEVICE int64_t plane_at(const int size[3], const struct run *r, int d, int64_t pitch)
{
	return scale_at(size, r->n, r->turned ? size[0] - 1 - d : d, 0, 0) * pitch;
}

DEVICE int clamped(int at, int size)
{
	const int up = at > 0 ? at : 0;

	return up < size ? up : size - 1;
}

/* What a large voxel counts by: of the four that count for a small one, `tap` */
DEVICE float quarters(int tap)
{
	return tap == 1 || tap == 2 ? 0.75f : tap == 0 || tap == 3 ? 0.25f : 0;
}

/* -- what is read: for a product, four voxels of a lane's item, WIDE channels of each. Products are of a line of a plane each, of all of its COLUMNS;
   the last is of those before and behind them, of all lines of both planes. -- */
struct fours { struct piece v[LANES][FOUR]; };

/* Where they lie: the first plane, and elements from there on to another plane, line, column */
struct source { const void *first; int plane, line[LINES], column[FOUR], edge, side[2]; };

DEVICE struct source source_of(const struct grid *s, const struct cut *t, const struct run *r, int lane, const void *x, int pitch)
{
	const struct item o = item_of(t, s, r->item + lane / 4);
	const int k = lane % 4, high = s->in[1], wide = s->in[2];
	struct source at;

	at.first = elements(x, plane_at(s->in, r, 0, pitch) + o.c);
	at.plane = (r->turned ? -high : high) * wide * pitch;
	UNROLLED for (int i = 0; i < LINES; i++)
		at.line[i] = clamped(2 * o.h - 1 + i, high) * wide * pitch;
	UNROLLED for (int i = 0; i < FOUR; i++)
		at.column[i] = clamped(2 * o.w + 4 * i + k, wide) * pitch;
	at.edge = clamped(2 * o.h - 1 + k, high) * wide * pitch;
	at.side[0] = clamped(2 * o.w - 1, wide) * pitch, at.side[1] = clamped(2 * o.w + COLUMNS, wide) * pitch;
	return at;
}

/* The two planes behind small plane i - 1 */
struct planes { const void *at[LANES][PLANES]; };

DEVICE void planes_find(const struct grid *s, const struct source *from, int i, struct planes *to)
{
	LANE_EACH(own, lane)
		UNROLLED for (int p = 0; p < PLANES; p++)
			(void)lane, to->at[own][p] = elements(from[own].first, clamped(2 * i - 1 + p, s->in[0]) * (int64_t)from[own].plane);
}

/* Product k's of them */
DEVICE void fours_read(const struct source *from, const struct planes *of, const int k, struct fours *to)
{
	LANE_EACH(own, lane) {
		const struct source *at = from + own;

		(void)lane;
		UNROLLED for (int q = 0; q < FOUR; q++)
			to->v[own][q] = k < SIDES ? get_piece(elements(of->at[own][k / LINES], at->line[k % LINES]), at->column[q]) :
				get_piece(elements(of->at[own][q / 2], at->edge), at->side[q % 2]);
	}
}

/* The right operand that is channel j of them: rows 2 c, 2 c + 1 and as many behind 8 are those of the item's lane c, in their order. */
DEVICE struct right fours_right(const struct fours *x, const int j)
{
	struct right b;

#ifdef __CUDACC__
	UNROLLED for (int h = 0; h < 2; h++) {
		const quad lo = x->v[0][2 * h].q, hi = x->v[0][2 * h + 1].q;
		const uint32_t l = j < 2 ? lo.x : j < 4 ? lo.y : j < 6 ? lo.z : lo.w, u = j < 2 ? hi.x : j < 4 ? hi.y : j < 6 ? hi.z : hi.w;

		b.v[h] = __byte_perm(l, u, j % 2 ? 0x7632 : 0x5410);
	}
#else
	for (int k = 0; k < TILE; k++)
		for (int n = 0; n < 8; n++) {
			float v[WIDE];

			piece_open(x->v[4 * n + k % 8 / 2][k / 8 * 2 + k % 2], v);
			b.v[k * 8 + n] = v[j];
		}
#endif
	return b;
}

/* What they count by, for the small voxels of the plane before, ACROSS rows of a left operand, and then for those of the plane behind */
DEVICE float count_at(const int k, int row, int slot)
{
	const int q = slot / 8 * 2 + slot % 2, lane = slot % 8 / 2, w = row % ACROSS, p = k < SIDES ? k / LINES : q / 2;
	const int column = k < SIDES ? 4 * q + lane : q % 2 ? COLUMNS : -1;

	return quarters(column + 1 - 2 * w) * quarters(k < SIDES ? k % LINES : lane) * (p == row / ACROSS ? 0.75f : 0.25f);
}

/* -- a warp's way along d -- */
/* Small plane d, which is done: where an item of it begins, and how many voxels there are from there on */
struct end { int at, voxels; };

DEVICE void plane_put(const struct grid *s, const struct run *r, const struct end own[OWN], int d, const struct tile sum[WIDE], void *y,
	int64_t pitch, const int add)
{
	UNROLLED for (int e = 0; e < TILE_OWN / 2; e++) {
		const int w = tile_row(tile_slot(e));
		float v[WIDE];

		EACH(j)
			v[j] = sum[j].v[e];
		if (d >= r->lo && w < own[OWN_AT(e)].voxels)
			scale_put(y, plane_at(s->out, r, d, pitch) + own[OWN_AT(e)].at + w * (int)pitch, add, v);
	}
}

DEVICE void run_sum(const struct grid *s, const struct cut *t, const struct run *r, const void *x, int64_t xpitch, void *y, int64_t ypitch,
	const int add)
{
	struct left by[SIDES + 1];
	struct source at[LANES];
	struct end own[OWN];
	struct planes planes;
	struct fours now, next;
	struct tile sum[WIDE];

	LANE_EACH(i, lane)
		at[i] = source_of(s, t, r, lane, x, (int)xpitch);
	UNROLLED for (int i = 0; i < OWN; i++) {
		const struct item o = item_of(t, s, r->item + tile_column(0) + i);

		own[i].at = (o.h * s->out[2] + o.w) * (int)ypitch + o.c, own[i].voxels = o.voxels;
	}
	UNROLLED for (int k = 0; k <= SIDES; k++)
		LEFT_EACH(p)
			left_put(&by[k], p, count_at(k, left_row(p), left_column(p)), count_at(k, left_row(p), left_column(p) + 1));
	memset(sum, 0, sizeof sum);
	planes_find(s, at, r->lo, &planes);
	fours_read(at, &planes, 0, &next);
	UNROLLED_BY(1) for (int i = r->lo; i <= r->hi; i++) {
		UNROLLED for (int k = 0; k <= SIDES; k++) {
			now = next;
			if (k == SIDES)
				planes_find(s, at, i < r->hi ? i + 1 : i, &planes);
			fours_read(at, &planes, k < SIDES ? k + 1 : 0, &next);
			EACH(j) {
				const struct right b = fours_right(&now, j);

				tile_add_right(&sum[j], &by[k], &b);
			}
		}
		plane_put(s, r, own, i - 1, sum, y, ypitch, add);
		EACH(j)
			UNROLLED for (int e = 0; e < TILE_OWN / 2; e++)
				sum[j].v[e] = sum[j].v[e + TILE_OWN / 2], sum[j].v[e + TILE_OWN / 2] = 0;
	}
}

#define BACK_CASE(name, add) \
	SIDE_KERNEL(name, (struct cut c, int64_t teams, struct grid s, const void *RESTRICT x, int64_t xpitch, void *RESTRICT y, int64_t ypitch), \
		(c, teams, s, x, xpitch, y, ypitch), teams, 0, 2) \
	{ \
		TEAM_FOR(t, teams) \
			WARP_FOR(w) { \
				const struct run r = run_of(&c, &s, t, w); \
				\
				run_sum(&s, &c, &r, x, xpitch, y, ypitch, add); \
			} \
	}

BACK_CASE(scale_back_given, 0)
BACK_CASE(scale_back_added, 1)

int G(scale_back)(struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add)
{
	const struct cut c = cut_of(&g);
	const int64_t teams = g.n * c.runs * c.teams;

	return add ? G(scale_back_added)(c, teams, s, x, xpitch, y, ypitch) : G(scale_back_given)(c, teams, s, x, xpitch, y, ypitch);
}

#endif
