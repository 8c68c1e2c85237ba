/* The weights' gradient of twos.c's convolutions: products over voxels of the small end, turned, and of the large end's at a tap's place, a tap a
   warp. A team has a square of channels and a part of the pairs of runs; parts are added up in their order, and how many there are follows from the
   sizes alone. */
#include "kernels/gpu/twos.h"

#ifdef K_HALF

struct squares { struct tile t[4][4]; };

DEVICE void weights_load(const struct gpu_narrow *g, const struct runs *r, const word *small, const word *large, int a, int b, word *room,
	const int as, const int bs)
{
	word *pairs = room + VOXELS * PITCH(as);

	LANE_FOR(e, 0, VOXELS * as / WIDE) {
		const int v = (int)e / (as / WIDE), c = (int)e % (as / WIDE) * WIDE;
		const int64_t at = small_at(g, r, v, a + c);

		begin_quad(room + v * PITCH(as) + c, small + (at < 0 ? 0 : at), at >= 0);
	}
	LANE_FOR(e, 0, TAPS * VOXELS * bs / WIDE) {
		const int c = (int)e % (bs / WIDE) * WIDE, second = (int)e / (bs / WIDE) % 2, v = (int)e / (bs / WIDE) / 2 % VOXELS;
		const int pair = (int)e / (bs / WIDE) / 2 / VOXELS;
		const int64_t at = large_at(g, r, pair, v, second * g->oc + b + c);

		begin_quad(pairs + ((2 * pair + second) * VOXELS + v) * PITCH(bs) + c, large + (at < 0 ? 0 : at), at >= 0);
	}
}

DEVICE void squares_clear(struct squares *s, const int as, const int bs)
{
	UNROLLED for (int m = 0; m < as / TILE; m++)
		UNROLLED for (int c = 0; c < bs / 8; c++)
			TILE_EACH(e)
				s->t[m][c].v[e] = 0;
}

/* rows: of the small end; tap: of the large one's at the warp's tap */
DEVICE void squares_add(const word *rows, const word *tap, struct squares *s, const int as, const int bs)
{
	UNROLLED for (int k = 0; k < RUNS; k++) {
		struct right of[4];

		UNROLLED for (int c = 0; c < bs / 8; c++)
			of[c] = right_turned(tap + k * TILE * PITCH(bs) + 8 * c, PITCH(bs));
		UNROLLED for (int m = 0; m < as / TILE; m++) {
			const struct left turned = left_turned(rows + k * TILE * PITCH(as) + m * TILE, PITCH(as));

			UNROLLED for (int c = 0; c < bs / 8; c++)
				tile_add_right(&s->t[m][c], &turned, &of[c]);
		}
	}
}

/* part [parts][8][a][b] */
DEVICE void twos_weights_team(const struct gpu_narrow *g, int64_t team, int64_t parts, int64_t all, const word *small, const word *large, float *part,
	quad *room, const int as, const int bs)
{
	const int wide = g->oc / bs, squares = wide * (g->ic / as), square = (int)team % squares, own = (int)team / squares;
	const int a = square / wide * as, b = square % wide * bs;
	const word *rows = (const word *)room, *pairs = rows + VOXELS * PITCH(as);
	const int64_t warps = (all + RUNS - 1) / RUNS, last = (own + 1) * warps / parts;
	WARP_KEEPS(struct squares, sums);

	for (int64_t i = own * warps / parts; i < last; i++) {
		const struct runs r = runs_of(g, i * RUNS, all);

		weights_load(g, &r, small, large, a, b, (word *)room, as, bs);
		quads_arrived();
		team_sync();
		WARP_FOR(w) {
			if (i == own * warps / parts)
				squares_clear(&sums[WARP_AT(w)], as, bs);
			squares_add(rows, pairs + w * VOXELS * PITCH(bs), &sums[WARP_AT(w)], as, bs);
		}
		team_sync();
	}
	WARP_FOR(w)
		UNROLLED for (int m = 0; m < as / TILE; m++)
			UNROLLED for (int c = 0; c < bs / 8; c++)
				TILE_EACH(e) {
					const int64_t row = ((int64_t)own * TAPS + w) * g->ic + a + m * TILE + tile_row(tile_slot(e));

					part[row * g->oc + b + 8 * c + tile_column(e)] = sums[WARP_AT(w)].t[m][c].v[e];
				}
}

static inline int64_t twos_parts(const struct gpu_narrow *g)
{
	const int64_t squares = (int64_t)g->ic / twos_part(g->ic) * (g->oc / twos_square(g->oc)), most = 528 / squares, all = twos_warps(g);

	return most < 1 ? 1 : all < most ? all : most;
}

#define WEIGHTS_CASE(as, bs) \
	SIDE_KERNEL(twos_weights_##as##_##bs, (struct gpu_narrow g, int64_t parts, int64_t all, const word *small, const word *large, float *part), \
		(g, parts, all, small, large, part), parts * (g.ic / as) * (g.oc / bs), \
		(size_t)(VOXELS * PITCH(as) + TAPS * VOXELS * PITCH(bs)) * sizeof(word), 2) \
	{ \
		TEAM_FOR(t, parts * (g.ic / as) * (g.oc / bs)) { \
			TEAM_ROOM(room); \
			twos_weights_team(&g, t, parts, all, small, large, part, room, as, bs); \
		} \
	}

#define SQUARE_CASES(CASE) CASE(64, 32) CASE(48, 32) CASE(32, 32) CASE(16, 32) CASE(64, 16) CASE(48, 16) CASE(32, 16) CASE(16, 16)

SQUARE_CASES(WEIGHTS_CASE)

#define SQUARE_RUN(as, bs) \
	if (twos_part(g.ic) == as && twos_square(g.oc) == bs) \
		return G(twos_weights_##as##_##bs)(g, twos_parts(&g), twos_runs(&g), small, large, part);

static int weights_run(struct gpu_narrow g, const word *small, const word *large, float *part)
{
	SQUARE_CASES(SQUARE_RUN)
	return -1;
}

#else

static inline int64_t twos_parts(const struct gpu_narrow *g)
{
	(void)g;
	return 1;
}

#endif

size_t G(twos_bytes)(struct gpu_narrow g)
{
	return (size_t)(twos_parts(&g) * TAPS * g.ic * g.oc) * sizeof(float);
}

int G(twos_weights)(struct gpu_narrow g, const void *small, const void *large, float *dw, void *scratch)
{
	float *part = (float *)scratch;
	int bad = -1;

#ifdef K_HALF
	bad = weights_run(g, (const word *)small, (const word *)large, part);
#else
	(void)small, (void)large;
#endif
	return bad ? bad : gpu_fold(twos_parts(&g), 1, TAPS, (int64_t)g.ic * g.oc, part, dw);
}
