/* The weights' gradient of first.c's convolutions: products over voxels of the large end's taps, rows of a left operand that lanes read from what is
   about the block (first.h), and of the small end's channels, turned, by tensor cores. A team goes through a part of the blocks, a warp through the
   rows of one h; their sums are added up in their order, which follows from the sizes alone. Bytes: reads the small end once. */
#include "kernels/gpu/first.h"

enum { TEAMS = 396 /* at most, about so many in all */ };

static inline int64_t first_parts(const struct gpu_narrow *g, int out)
{
	const int64_t all = blocks_of(g), most = TEAMS / (g->oc / out) > 1 ? TEAMS / (g->oc / out) : 1, each = (all + most - 1) / most;

	return (all + each - 1) / each;
}

static inline int first_square(const struct gpu_narrow *g, const struct gpu_direct *d)
{
	return first_out(g->oc, first_depth(d->taps * d->b));
}

size_t G(first_weights_bytes)(struct gpu_narrow g, struct gpu_direct d)
{
	return (size_t)(first_parts(&g, first_square(&g, &d)) * g.oc * d.taps * d.b) * sizeof(float);
}

#ifdef K_HALF

enum { MOST_OUT = 6, MOST_DEEP = FIRST_DEPTH / TILE };

struct first_sums { struct tile t[MOST_DEEP][MOST_OUT]; };

/* Where the taps of a lane's rows are for the first voxel of the warp's first row that it has */
struct first_places { const word *tap[MOST_DEEP][TILE_ROWS]; };

/* from: the warp's first row */
DEVICE void first_begin(const struct first *f, const word *from, struct first_places *k, struct first_sums *s, const int deep, const int out)
{
	UNROLLED for (int i = 0; i < deep; i++) {
		ROWS_EACH(r)
			k->tap[i][r] = from + left_column(0) * first_step(f) + f->at[i * TILE + tile_row(r)];
		UNROLLED for (int t = 0; t < out / 8; t++)
			TILE_EACH(e)
				s->t[i][t].v[e] = 0;
	}
}

/* The rows of h w, of every plane */
DEVICE void first_count(const struct first *f, int w, const word *small, struct first_places k, struct first_sums *s, const int deep, const int out)
{
	const int step = first_step(f), plane = first_row(f, 1, 0);

	for (int d = 0; d < D; d++) {
		const word *rows = small + (d * H + w) * W * PITCH(out);
		struct left a[MOST_DEEP];

		UNROLLED for (int i = 0; i < deep; i++)
			LEFT_EACH(p) {
				const word *own = k.tap[i][left_slot(p)] + (left_column(p) - left_column(0)) * step;

				left_put_words(&a[i], p, own[0], own[step]);
			}
		UNROLLED for (int i = 0; i < deep; i++)
			ROWS_EACH(r)
				k.tap[i][r] += plane;
		UNROLLED for (int t = 0; t < out / 8; t++) {
			const struct right b = right_turned(rows + 8 * t, PITCH(out));

			UNROLLED for (int i = 0; i < deep; i++)
				tile_add_right(&s->t[i][t], &a[i], &b);
		}
	}
}

/* The warps' sums, in their order, to part [parts][oc][taps] of part `own` */
DEVICE void first_settle(const struct gpu_narrow *g, const struct first *f, int oc, int64_t own, const float *sums, float *part, const int deep,
	const int out)
{
	const int all = deep * out * TILE;

	LANE_FOR(i, 0, f->depth * out) {
		const int o = (int)i / f->depth, k = (int)i - o * f->depth;
		const float *from = sums + (k / TILE * (out / 8) + o / 8) * NARROW_TILE + tile_at(k % TILE, o % 8);
		float sum = 0;

		UNROLLED for (int w = 0; w < WARPS; w++)
			sum += from[w * all];
		part[(own * g->oc + oc + o) * f->depth + k] = sum;
	}
}

DEVICE void first_weights_team(const struct gpu_narrow *g, const struct first *f, int64_t team, int64_t parts, int64_t all, const word *large,
	const word *small, float *part, quad *room, const int deep, const int out)
{
	const int own = (int)over(team, (uint32_t)(g->oc / out)), oc = ((int)team - own * (g->oc / out)) * out;
	const int64_t each = (all + parts - 1) / parts, end = (own + 1) * each < all ? (own + 1) * each : all;
	word *block = (word *)room, *about = block + D * H * W * PITCH(out);
	WARP_KEEPS(struct first_sums, sums);
	WARP_KEEPS(struct first_places, places);

	WARP_FOR(w)
		first_begin(f, about + first_row(f, 0, w), &places[WARP_AT(w)], &sums[WARP_AT(w)], deep, out);
	for (int64_t i = own * each; i < end; i++) {
		const struct block b = first_block(g, f, i, 1);

		block_load(g, small, g->yp, oc, b.n, b.at, block, D, H, W, out);
		first_load(f, large, b.n, b.at, about);
		quads_arrived();
		team_sync();
		WARP_FOR(w)
			first_count(f, w, block, places[WARP_AT(w)], &sums[WARP_AT(w)], deep, out);
		team_sync();
	}
	WARP_FOR(w)
		UNROLLED for (int i = 0; i < deep; i++)
			UNROLLED for (int t = 0; t < out / 8; t++)
				tile_keep((float *)room + ((w * deep + i) * (out / 8) + t) * NARROW_TILE, &sums[WARP_AT(w)].t[i][t], 0);
	team_sync();
	first_settle(g, f, oc, own, (const float *)room, part, deep, out);
}

static inline size_t first_weights_room(const struct gpu_direct *d, int depth, int out)
{
	const size_t rows = (size_t)(D * H * W * PITCH(out)) * sizeof(word) + (size_t)first_bytes(d, D);
	const size_t sums = (size_t)(WARPS * depth * out) * sizeof(float);

	return rows > sums ? rows : sums;
}

#define FIRST_CASE(depth, out) \
	SIDE_KERNEL(first_parts_##depth##_##out, (struct gpu_narrow g, struct first f, int64_t parts, int64_t all, size_t bytes, const word *large, \
		const word *small, float *part), (g, f, parts, all, bytes, large, small, part), parts * (g.oc / out), bytes, \
		depth * out <= 1024 ? 3 : 2) \
	{ \
		(void)bytes; \
		TEAM_FOR(team, parts * (g.oc / out)) { \
			TEAM_ROOM(room); \
			first_weights_team(&g, &f, team, parts, all, large, small, part, room, depth / TILE, out); \
		} \
	}

FIRST_CASES(FIRST_CASE)

typedef int first_parts_fn(struct gpu_narrow g, struct first f, int64_t parts, int64_t all, size_t bytes, const word *large, const word *small,
	float *part);

static int first_run(struct gpu_narrow g, const struct gpu_direct *d, const word *large, const word *small, float *part)
{
	static first_parts_fn *const of[3][4] = FIRST_TABLE(first_parts);
	const int depth = first_depth(d->taps * d->b), out = first_square(&g, d);

	return of FIRST_AT(depth, out)(g, first_of(d, D), first_parts(&g, out), blocks_of(&g), first_weights_room(d, depth, out), large,
		small, part);
}

#endif

int G(first_weights)(struct gpu_narrow g, struct gpu_direct d, const void *large, const void *small, float *dw, void *scratch)
{
	float *part = (float *)scratch;
	int bad = -1;

#ifdef K_HALF
	bad = first_run(g, &d, (const word *)large, (const word *)small, part);
#else
	(void)large, (void)small;
#endif
	return bad ? bad : gpu_fold(first_parts(&g, first_square(&g, &d)), g.oc, d.taps, d.b, part, dw);
}
