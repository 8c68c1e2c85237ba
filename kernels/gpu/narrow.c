/* 3x3x3 convolutions of bf16 at step 1 between few channels, forward and of the data's gradient, which is one, too: cuDNN makes them at a quarter of
   the rate of a large product (an H100: 215 of 817 TFLOP/s from 32 to 32). Here a team has a block of voxels and those about it in its memory, some
   channels at a time, and a warp's rows of voxels are the left operands of tile.h, each read once for the three taps that count it along h. Weights
   are packed (narrow.h) as right operands, from the first cache. Bytes: what is about a block is read again by its neighbours, from the second. */
#include "kernels/gpu/block.h"

#ifdef K_HALF

/* A block and the voxels about it */
enum { DD = D + 2, HH = H + 2, WW = W + 2, ABOUT = DD * HH * WW };

/* Of the taps kd, kw and the 16 channels of x from k on: all three kh, of every row that counts for one of the warp's. w: the right operands of the
   first tap, of so many elements a tap. */
DEVICE void narrow_taps(const word *rows, const word *w, int tap, struct sums *s, const int ic, const int tiles)
{
	struct right r[3][MOST_TILES];

	UNROLLED for (int kh = 0; kh < 3; kh++)
		UNROLLED for (int t = 0; t < tiles; t++)
			r[kh][t] = right_of(w + (kh * 3 * tap + t * NARROW_TILE));
	UNROLLED for (int h = 0; h < ROWS + 2; h++) {
		const struct left a = left_of(rows + h * WW * PITCH(ic), PITCH(ic));

		UNROLLED for (int kh = 0; kh < 3; kh++)
			if (h - kh >= 0 && h - kh < ROWS)
				UNROLLED for (int t = 0; t < tiles; t++)
					tile_add_right(&s->t[h - kh][t], &a, &r[kh][t]);
	}
}

DEVICE void narrow_sum(int w, const word *about, const word *packed, struct sums *s, const int ic, const int tiles)
{
	const int tap = ic / TILE * tiles * NARROW_TILE; /* elements of a tap */
	const word *rows = about + (w / (H / ROWS) * HH + w % (H / ROWS) * ROWS) * WW * PITCH(ic);

	for (int kd = 0; kd < 3; kd++)
		UNROLLED for (int kw = 0; kw < 3; kw++)
			UNROLLED for (int k = 0; k < ic / TILE; k++)
				narrow_taps(rows + (kd * HH * WW + kw) * PITCH(ic) + k * TILE, packed + (kd * 9 + kw) * tap + k * tiles * NARROW_TILE, tap, s, ic,
					tiles);
}

DEVICE void narrow_team(const struct gpu_narrow *g, int64_t team, const word *x, const word *packed, const float *bias, word *y, int add, quad *room,
	const int ic, const int tiles)
{
	const struct block b = block_of(g, team, g->oc / (8 * tiles));
	const int first[3] = {b.at[0] - 1, b.at[1] - 1, b.at[2] - 1};
	const word *own = packed + (int64_t)b.oc * g->ic * 27;
	WARP_KEEPS(struct sums, sums);

	for (int c = 0; c < g->ic; c += ic) {
		block_load(g, x, g->xp, c, b.n, first, (word *)room, DD, HH, WW, ic);
		quads_arrived();
		team_sync();
		WARP_FOR(w) {
			if (c == 0)
				sums_clear(&sums[WARP_AT(w)], tiles);
			narrow_sum(w, (const word *)room, own + (int64_t)c * 8 * tiles * 27, &sums[WARP_AT(w)], ic, tiles);
		}
		team_sync();
	}
	WARP_FOR(w)
		block_put(g, &b, w, &sums[WARP_AT(w)], bias, (float *)room + w * ROWS * TILE * (8 * tiles + 4), y, add, tiles);
}

static inline size_t narrow_room(int ic, int tiles)
{
	const size_t about = (size_t)(ABOUT * PITCH(ic)) * sizeof(word);

	return about > block_room(tiles) ? about : block_room(tiles);
}

#define NARROW_CASE(channels, of, tiles) \
	SIDE_KERNEL(narrow_##channels##_##of, (struct gpu_narrow g, const word *x, const word *packed, const float *bias, word *y, int add), \
		(g, x, packed, bias, y, add), block_teams(&g, tiles), narrow_room(channels, tiles), 2) \
	{ \
		TEAM_FOR(team, block_teams(&g, tiles)) { \
			TEAM_ROOM(room); \
			narrow_team(&g, team, x, packed, bias, y, add, room, channels, tiles); \
		} \
	}

BLOCK_CASES(NARROW_CASE)

int G(narrow)(struct gpu_narrow g, const void *given, const void *weights, const float *bias, void *out, int add)
{
	const word *x = (const word *)given, *packed = (const word *)weights;
	word *y = (word *)out;

	return BLOCK_CALL(narrow, narrow_in(g.ic), narrow_out(g.oc), (g, x, packed, bias, y, add));
}

#else

/* Of floats there are no such products. */
int G(narrow)(struct gpu_narrow g, const void *x, const void *weights, const float *bias, void *y, int add)
{
	(void)g, (void)x, (void)weights, (void)bias, (void)y, (void)add;
	return -1;
}

#endif

/* An element of what is packed to a lane. w [a][b][27]; back: from a to b, taps turned. */
KERNEL(narrow_words, (struct gpu_narrow g, int in, int out, const float *w, void *to, int back), (g, in, out, w, to, back),
	items((int64_t)g.ic * g.oc * 27))
{
	const int parts = in / TILE, tiles = out / 8;

	ITEM_FOR(i, (int64_t)g.ic * g.oc * 27) {
		const int c = (int)i % g.ic, o = (int)i / g.ic % g.oc, tap = (int)i / g.ic / g.oc, chunk = (o / out * (g.ic / in) + c / in) * 27 + tap;
		const int64_t at = (int64_t)((chunk * parts + c % in / TILE) * tiles + o % out / 8) * NARROW_TILE + right_at(c % TILE, o % 8);

		put(to, at, back ? w[((int64_t)c * g.oc + o) * 27 + 26 - tap] : w[((int64_t)o * g.ic + c) * 27 + tap]);
	}
}

int G(narrow_pack)(struct gpu_narrow g, const float *w, void *to, int back)
{
	return G(narrow_words)(g, narrow_in(g.ic), narrow_out(g.oc), w, to, back);
}
