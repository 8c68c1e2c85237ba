/* The weights' gradient of narrow.c's convolutions, of a square of channels at a time: products over voxels of dy, turned, and of x at a tap's place,
   by tensor cores. A team has the nine taps of one kd and goes through a part of the blocks; a warp has a tile of each tap, and reads a row of x once
   for the three taps that count it along h. Parts are added up in their order; how many there are follows from the sizes alone. Squares are of 32 by
   32 channels, a tile a warp, or of 48 of y by 16 of x, which keep six of the eight busy. */
#include "kernels/gpu/block.h"

enum { TEAMS = 264 /* about so many in all */ };

static inline int64_t weights_squares(const struct gpu_narrow *g)
{
	const struct narrow_square s = narrow_square(g->ic, g->oc);

	return (int64_t)(g->ic / s.ic) * (g->oc / s.oc);
}

static inline int64_t weights_parts(const struct gpu_narrow *g)
{
	const int64_t most = TEAMS / (3 * weights_squares(g)), all = blocks_of(g);

	return most < 1 ? 1 : all < most ? all : most;
}

size_t G(narrow_weights_bytes)(struct gpu_narrow g)
{
	return (size_t)(weights_parts(&g) * 27 * g.ic * g.oc) * sizeof(float);
}

#ifdef K_HALF

enum { HH = H + 2, WW = W + 2, PLACES = D * HH * WW };

struct nine { struct tile t[9]; };

/* Plane by plane: rows of x as they come, each with the rows of dy that count it. dy, x: of the warp's channels */
DEVICE void weights_sum(const word *dy, const word *x, struct nine *s, const int oc, const int ic)
{
	for (int d = 0; d < D; d++) {
		struct left a[3];

		UNROLLED for (int h = 0; h < HH; h++) {
			struct right b[3];

			if (h < H)
				a[h % 3] = left_turned(dy + (d * H + h) * W * PITCH(oc), PITCH(oc));
			UNROLLED for (int kw = 0; kw < 3; kw++)
				b[kw] = right_turned(x + ((d * HH + h) * WW + kw) * PITCH(ic), PITCH(ic));
			UNROLLED for (int kh = 0; kh < 3; kh++)
				if (h - kh >= 0 && h - kh < H)
					UNROLLED for (int kw = 0; kw < 3; kw++)
						tile_add_right(&s->t[kh * 3 + kw], &a[(h - kh) % 3], &b[kw]);
		}
	}
}

static inline size_t weights_room(int ic, int oc)
{
	return (size_t)(PLACES * PITCH(ic) + D * H * W * PITCH(oc)) * sizeof(word);
}

/* part [parts][27][oc][ic]; of a team's square of channels, kd and part */
DEVICE void weights_team(const struct gpu_narrow *g, int64_t team, int64_t parts, int64_t all, const word *x, const word *dy, float *part, quad *room,
	const int ics, const int ocs)
{
	const int wide = g->ic / ics, squares = wide * (g->oc / ocs), rest = (int)over(team, 3), square = rest % squares, own = rest / squares;
	const int kd = (int)team - rest * 3, ic = square % wide * ics, oc = square / wide * ocs, tiles = ocs / TILE;
	word *about = (word *)room, *block = about + PLACES * PITCH(ics);
	WARP_KEEPS(struct nine, sums);

	for (int64_t i = own * all / parts; i < (own + 1) * all / parts; i++) {
		const struct block b = block_of(g, i, 1);
		const int first[3] = {b.at[0] + kd - 1, b.at[1] - 1, b.at[2] - 1};

		block_load(g, x, g->xp, ic, b.n, first, about, D, HH, WW, ics);
		block_load(g, dy, g->yp, oc, b.n, b.at, block, D, H, W, ocs);
		quads_arrived();
		team_sync();
		WARP_FOR(w) {
			if (i == own * all / parts)
				UNROLLED for (int k = 0; k < 9; k++)
					TILE_EACH(e)
						sums[WARP_AT(w)].t[k].v[e] = 0;
			if (w / tiles < ics / 8)
				weights_sum(block + w % tiles * TILE, about + w / tiles * 8, &sums[WARP_AT(w)], ocs, ics);
		}
		team_sync();
	}
	WARP_FOR(w)
		if (w / tiles < ics / 8)
			UNROLLED for (int k = 0; k < 9; k++)
				TILE_EACH(e) {
					const int64_t a = oc + w % tiles * TILE + tile_row(tile_slot(e)), c = ic + w / tiles * 8 + tile_column(e);

					part[(((int64_t)own * 27 + kd * 9 + k) * g->oc + a) * g->ic + c] = sums[WARP_AT(w)].t[k].v[e];
				}
}

#define WEIGHTS_CASE(in, out) \
	SIDE_KERNEL(narrow_parts_##in##_##out, (struct gpu_narrow g, int64_t parts, int64_t all, const word *x, const word *dy, float *part), \
		(g, parts, all, x, dy, part), parts * 3 * weights_squares(&g), weights_room(in, out), 2) \
	{ \
		TEAM_FOR(t, parts * 3 * weights_squares(&g)) { \
			TEAM_ROOM(room); \
			weights_team(&g, t, parts, all, x, dy, part, room, in, out); \
		} \
	}

WEIGHTS_CASE(32, 32)
WEIGHTS_CASE(16, 48)

static int weights_run(struct gpu_narrow g, const word *x, const word *dy, float *part)
{
	const int64_t parts = weights_parts(&g), all = blocks_of(&g);

	return narrow_square(g.ic, g.oc).oc == 48 ? G(narrow_parts_16_48)(g, parts, all, x, dy, part) : G(narrow_parts_32_32)(g, parts, all, x, dy, part);
}

#endif

int G(narrow_weights)(struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)
{
	float *part = (float *)scratch;
	int bad = -1;

#ifdef K_HALF
	bad = weights_run(g, (const word *)x, (const word *)dy, part);
#else
	(void)x, (void)dy;
#endif
	return bad ? bad : gpu_fold(weights_parts(&g), 1, 27, (int64_t)g.oc * g.ic, part, dw);
}
