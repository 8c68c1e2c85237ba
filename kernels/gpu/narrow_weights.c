/* The weights' gradient of narrow.c's convolutions, of 32 by 32 channels at a time: products over voxels of dy, turned, and of x at a tap's place,
   by tensor cores. A team has the nine taps of one kd and goes through a part of the blocks; a warp has a tile of each tap, and reads a row of x once
   for the three taps that count it along h. Parts are added up in their order; how many there are follows from the sizes alone. */
#include "kernels/gpu/block.h"

enum { CHANNELS = 32, TEAMS = 264 /* about so many in all */ };

static inline int64_t weights_squares(const struct gpu_narrow *g)
{
	return (int64_t)(g->ic / CHANNELS) * (g->oc / CHANNELS);
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

/* CHANNELS of a block from c on: `high` x `wide` voxels of each of D planes, the first at (d, h, w) of n; what is outside is 0. */
DEVICE void weights_load(const struct gpu_narrow *g, const word *from, int64_t pitch, int c, int n, int d, int h, int w, word *to, const int high,
	const int wide)
{
	const int parts = CHANNELS / WIDE;

	LANE_FOR(i, 0, D * high * wide * parts) {
		const int v = (int)i / parts, part = (int)i % parts * WIDE;
		const int64_t at = voxel_at(g, n, d + v / (high * wide), h + v / wide % high, w + v % wide);

		begin_quad(to + v * PITCH(CHANNELS) + part, from + (at < 0 ? 0 : at * pitch + c + part), at >= 0);
	}
}

struct nine { struct tile t[9]; };

/* Plane by plane: rows of x as they come, each with the rows of dy that count it. dy, x: of the warp's channels */
DEVICE void weights_sum(const word *dy, const word *x, struct nine *s)
{
	for (int d = 0; d < D; d++) {
		struct left a[3];

		UNROLLED for (int h = 0; h < HH; h++) {
			struct right b[3];

			if (h < H)
				a[h % 3] = left_turned(dy + (d * H + h) * W * PITCH(CHANNELS), PITCH(CHANNELS));
			UNROLLED for (int kw = 0; kw < 3; kw++)
				b[kw] = right_turned(x + ((d * HH + h) * WW + kw) * PITCH(CHANNELS), PITCH(CHANNELS));
			UNROLLED for (int kh = 0; kh < 3; kh++)
				if (h - kh >= 0 && h - kh < H)
					UNROLLED for (int kw = 0; kw < 3; kw++)
						tile_add_right(&s->t[kh * 3 + kw], &a[(h - kh) % 3], &b[kw]);
		}
	}
}

static inline size_t weights_room(void)
{
	return (size_t)((PLACES + D * H * W) * PITCH(CHANNELS)) * sizeof(word);
}

/* part [parts][27][oc][ic]; of a team's square of channels, kd and part */
SIDE_KERNEL(narrow_parts, (struct gpu_narrow g, int64_t parts, int64_t all, const word *x, const word *dy, float *part), (g, parts, all, x, dy, part),
	parts * 3 * weights_squares(&g), weights_room(), 2)
{
	const int squares = g.ic / CHANNELS * (g.oc / CHANNELS);

	TEAM_FOR(t, parts * 3 * squares) {
		TEAM_ROOM(room);
		const int square = (int)over(t, 3) % squares, kd = (int)(t - over(t, 3) * 3), own = (int)over(t, 3) / squares;
		const int ic = square % (g.ic / CHANNELS) * CHANNELS, oc = square / (g.ic / CHANNELS) * CHANNELS;
		word *about = (word *)room, *block = about + PLACES * PITCH(CHANNELS);
		WARP_KEEPS(struct nine, sums);

		for (int64_t i = own * all / parts; i < (own + 1) * all / parts; i++) {
			const struct block b = block_of(&g, i, 1);

			weights_load(&g, x, g.xp, ic, b.n, b.at[0] + kd - 1, b.at[1] - 1, b.at[2] - 1, about, HH, WW);
			weights_load(&g, dy, g.yp, oc, b.n, b.at[0], b.at[1], b.at[2], block, H, W);
			quads_arrived();
			team_sync();
			WARP_FOR(w) {
				if (i == own * all / parts)
					UNROLLED for (int k = 0; k < 9; k++)
						TILE_EACH(e)
							sums[WARP_AT(w)].t[k].v[e] = 0;
				weights_sum(block + w % 2 * TILE, about + w / 2 * 8, &sums[WARP_AT(w)]);
			}
			team_sync();
		}
		WARP_FOR(w)
			UNROLLED for (int k = 0; k < 9; k++)
				TILE_EACH(e) {
					const int64_t a = oc + w % 2 * TILE + tile_row(tile_slot(e)), c = ic + w / 2 * 8 + tile_column(e);

					part[(((int64_t)own * 27 + kd * 9 + k) * g.oc + a) * g.ic + c] = sums[WARP_AT(w)].t[k].v[e];
				}
	}
}

#endif

/* dw [oc][ic][27] += */
KERNEL(narrow_fold, (int64_t parts, int64_t oc, int64_t ic, const float *RESTRICT part, float *RESTRICT dw), (parts, oc, ic, part, dw),
	items(27 * oc * ic))
{
	ITEM_FOR(i, 27 * oc * ic) {
		const int64_t tap = i / (oc * ic), own = i - tap * oc * ic;
		float sum = 0;

		UNROLLED_BY(8) for (int64_t p = 0; p < parts; p++)
			sum += part[p * 27 * oc * ic + i];
		dw[own * 27 + tap] += sum;
	}
}

int G(narrow_weights)(struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)
{
	const int64_t parts = weights_parts(&g);
	float *part = (float *)scratch;
	int bad = -1;

#ifdef K_HALF
	bad = G(narrow_parts)(g, parts, blocks_of(&g), (const word *)x, (const word *)dy, part);
#else
	(void)x, (void)dy;
#endif
	return bad ? bad : G(narrow_fold)(parts, g.oc, g.ic, part, dw);
}
