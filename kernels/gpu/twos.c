/* Convolutions of 2x2x2 with step 2, and transposed ones, in bf16: no voxel is read by two, so each is a product, of the small end's voxels with
   a matrix of 8 b columns, whose rows cuDNN's general way gathers and scatters at three to six times what the bytes take (an H200, from 64 to 32,
   to two of 128^3: 0.56 ms forward, 0.37 back, 0.41 for the weights' gradient). Here a warp has two runs of 16 voxels along w of the small end, a
   channels each; the voxels of the large end (b channels) that belong to one, 2 x 2 pairs of neighbours along w, are pairs of 2 b elements. Bytes:
   reads one end once and writes the other, or reads both. A struct gpu_narrow is of the small end: ic is a, oc is b, xp and yp their pitches. */
#include "kernels/gpu/twos.h"

#ifdef K_HALF

enum { COLUMNS = 32, OUT = COLUMNS + WIDE /* of a warp's products at a time, and from one row of them to the next */ };

/* Packed operands from `w` on, of `depth` channels of a warp's rows, added to tiles of their sums */
DEVICE void rows_add(const word *rows, const int pitch, int depth, const word *w, struct tile t[RUNS][8], const int tiles)
{
	UNROLLED_BY(2) for (int k = 0; k < depth / TILE; k++) {
		struct right b[8];

		UNROLLED for (int c = 0; c < tiles; c++)
			b[c] = right_of(w + (k * tiles + c) * NARROW_TILE);
		UNROLLED for (int i = 0; i < RUNS; i++) {
			const struct left a = left_of(rows + i * TILE * pitch + k * TILE, pitch);

			UNROLLED for (int c = 0; c < tiles; c++)
				tile_add_right(&t[i][c], &a, &b[c]);
		}
	}
}

DEVICE void tiles_clear(struct tile t[RUNS][8], const int tiles)
{
	UNROLLED for (int i = 0; i < RUNS; i++)
		UNROLLED for (int c = 0; c < tiles; c++)
			TILE_EACH(e)
				t[i][c].v[e] = 0;
}

/* The sums of a warp to its memory, rounded, with the bias of their channels: of column c that of channel first + c, or of as many less `of` */
DEVICE void tiles_out(const struct tile t[RUNS][8], word *out, const int pitch, const float *bias, int first, int of, const int tiles)
{
	UNROLLED for (int i = 0; i < RUNS; i++)
		UNROLLED for (int c = 0; c < tiles; c++)
			UNROLLED for (int e = 0; e < TILE_OWN; e += 2) {
				const int column = 8 * c + tile_column(e), at = first + 8 * c, own = (at < of ? at : at - of) + tile_column(e);

				put_two(out, (i * TILE + tile_row(tile_slot(e))) * pitch + column, t[i][c].v[e] + (bias ? bias[own] : 0),
					t[i][c].v[e + 1] + (bias ? bias[own + 1] : 0));
			}
}

/* 16 bytes of them to y, at `to` (-1: nowhere), or with `add` to what is there */
DEVICE void piece_out(const word *from, word *y, int64_t to, int add)
{
	float u[WIDE], old[WIDE];

	if (to < 0)
		return;
	get_wide(from, 0, u);
	if (add) {
		get_wide(y, to, old);
		EACH(j)
			u[j] += old[j];
	}
	put_wide(y, to, u);
}

/* -- from the small end to the large one -- */
DEVICE void grow_load(const struct gpu_narrow *g, int64_t warp, int64_t all, const word *x, word *room)
{
	const struct runs r = runs_of(g, warp * RUNS, all);
	const int pitch = PITCH(g->ic), parts = g->ic / WIDE;

	MEMBER_FOR(e, 0, VOXELS * parts, WARP) {
		const int v = (int)((uint32_t)e / (uint32_t)parts), c = ((int)e - v * parts) * WIDE;
		const int64_t at = small_at(g, &r, v, c);

		begin_quad(room + v * pitch + c, x + (at < 0 ? 0 : at), at >= 0);
	}
}

DEVICE void grow_warp(const struct gpu_narrow *g, int64_t warp, int64_t all, const word *packed, const float *bias, word *y, int add, word *room)
{
	const struct runs r = runs_of(g, warp * RUNS, all);
	word *out = room + VOXELS * PITCH(g->ic);

	UNROLLED_BY(1) for (int c = 0; c < TAPS * g->oc; c += COLUMNS) {
		const int pair = c / (2 * g->oc), first = c - pair * 2 * g->oc;
		struct tile t[RUNS][8];

		tiles_clear(t, COLUMNS / 8);
		rows_add(room, PITCH(g->ic), g->ic, packed + (int64_t)c * g->ic, t, COLUMNS / 8);
		tiles_out(t, out, OUT, bias, first, g->oc, COLUMNS / 8);
		warp_sync();
		MEMBER_FOR(i, 0, VOXELS * COLUMNS / WIDE, WARP) {
			const int v = (int)i / (COLUMNS / WIDE), own = (int)i % (COLUMNS / WIDE) * WIDE;

			piece_out(out + v * OUT + own, y, large_at(g, &r, pair, v, first + own), add);
		}
		warp_sync();
	}
}

/* Elements of a warp's memory */
static inline int grow_words(const struct gpu_narrow *g)
{
	return VOXELS * (PITCH(g->ic) + OUT);
}

static inline int64_t twos_teams(const struct gpu_narrow *g)
{
	return (twos_warps(g) + WARPS - 1) / WARPS;
}

SIDE_KERNEL(twos_grow, (struct gpu_narrow g, int64_t all, int words, const word *x, const word *packed, const float *bias, word *y, int add),
	(g, all, words, x, packed, bias, y, add), twos_teams(&g), (size_t)words * WARPS * sizeof(word), 2)
{
	TEAM_FOR(t, twos_teams(&g)) {
		TEAM_ROOM(room);

		WARP_FOR(w)
			grow_load(&g, t * WARPS + w, all, x, (word *)room + w * words);
		quads_arrived();
		team_sync();
		WARP_FOR(w)
			grow_warp(&g, t * WARPS + w, all, packed, bias, y, add, (word *)room + w * words);
	}
}

/* -- from the large end to the small one: 8 `tiles` of its channels, which are one of its parts -- */
struct shrink { struct tile t[RUNS][8]; };

DEVICE void shrink_load(const struct gpu_narrow *g, int64_t warp, int64_t all, int pair, const word *x, word *room)
{
	const struct runs r = runs_of(g, warp * RUNS, all);
	const int wide = 2 * g->oc, parts = wide / WIDE;

	MEMBER_FOR(e, 0, VOXELS * parts, WARP) {
		const int v = (int)((uint32_t)e / (uint32_t)parts), c = ((int)e - v * parts) * WIDE;
		const int64_t at = large_at(g, &r, pair, v, c);

		begin_quad(room + v * PITCH(wide) + c, x + (at < 0 ? 0 : at), at >= 0);
	}
}

/* first: of the part's channels */
DEVICE void shrink_put(const struct gpu_narrow *g, int64_t warp, int64_t all, int first, const struct shrink *s, const float *bias, word *y, int add,
	word *room, const int tiles)
{
	const struct runs r = runs_of(g, warp * RUNS, all);
	const int own = 8 * tiles;

	tiles_out(s->t, room, PITCH(own), bias ? bias + first : NULL, 0, own, tiles);
	warp_sync();
	MEMBER_FOR(i, 0, VOXELS * tiles, WARP) {
		const int v = (int)i / tiles, c = (int)i % tiles * WIDE;

		piece_out(room + v * PITCH(own) + c, y, small_at(g, &r, v, first + c), add);
	}
}

DEVICE void shrink_team(const struct gpu_narrow *g, int64_t team, int64_t all, int words, const word *x, const word *packed, const float *bias,
	word *y, int add, word *room, const int tiles)
{
	const int own = 8 * tiles, parts = g->ic / own, rest = (int)team / parts, part = (int)team - rest * parts, wide = 2 * g->oc;
	const int64_t first = (int64_t)rest * WARPS;
	WARP_KEEPS(struct shrink, sums);

	UNROLLED_BY(1) for (int pair = 0; pair < PAIRS; pair++) {
		WARP_FOR(w)
			shrink_load(g, first + w, all, pair, x, room + w * words);
		quads_arrived();
		team_sync();
		WARP_FOR(w) {
			if (pair == 0)
				tiles_clear(sums[WARP_AT(w)].t, tiles);
			rows_add(room + w * words, PITCH(wide), wide, packed + ((int64_t)part * PAIRS + pair) * wide * own, sums[WARP_AT(w)].t, tiles);
		}
		team_sync();
	}
	WARP_FOR(w)
		shrink_put(g, first + w, all, part * own, &sums[WARP_AT(w)], bias, y, add, room + w * words, tiles);
}

static inline int shrink_words(const struct gpu_narrow *g)
{
	const int own = twos_part(g->ic);

	return VOXELS * (2 * g->oc > own ? PITCH(2 * g->oc) : PITCH(own));
}

#define SHRINK_CASE(tiles) \
	SIDE_KERNEL(twos_shrink_##tiles, (struct gpu_narrow g, int64_t all, int words, const word *x, const word *packed, const float *bias, \
		word *y, int add), (g, all, words, x, packed, bias, y, add), twos_teams(&g) * (g.ic / (8 * tiles)), (size_t)words * WARPS * sizeof(word), 2) \
	{ \
		TEAM_FOR(t, twos_teams(&g) * (g.ic / (8 * tiles))) { \
			TEAM_ROOM(room); \
			shrink_team(&g, t, all, words, x, packed, bias, y, add, (word *)room, tiles); \
		} \
	}

SHRINK_CASE(2)
SHRINK_CASE(4)
SHRINK_CASE(6)
SHRINK_CASE(8)

int G(twos)(struct gpu_narrow g, int grow, const void *from, const void *weights, const float *bias, void *to, int add)
{
	const word *x = (const word *)from, *packed = (const word *)weights;
	const int64_t all = twos_runs(&g);
	word *y = (word *)to;

	if (grow)
		return G(twos_grow)(g, all, grow_words(&g), x, packed, bias, y, add);
	switch (twos_part(g.ic)) {
	case 64: return G(twos_shrink_8)(g, all, shrink_words(&g), x, packed, bias, y, add);
	case 48: return G(twos_shrink_6)(g, all, shrink_words(&g), x, packed, bias, y, add);
	case 32: return G(twos_shrink_4)(g, all, shrink_words(&g), x, packed, bias, y, add);
	default: return G(twos_shrink_2)(g, all, shrink_words(&g), x, packed, bias, y, add);
	}
}

#else

/* Of floats there are no such products. */
int G(twos)(struct gpu_narrow g, int grow, const void *from, const void *weights, const float *bias, void *to, int add)
{
	(void)g, (void)grow, (void)from, (void)weights, (void)bias, (void)to, (void)add;
	return -1;
}

#endif

/* An element of what is packed to a lane, of w [a][b][8]: growing [column / 32][a / 16][4], a column being (tap, b);
   else [part][column / 16][part / 8] */
KERNEL(twos_words, (struct gpu_narrow g, int grow, int own, const float *w, void *to), (g, grow, own, w, to), items((int64_t)TAPS * g.ic * g.oc))
{
	ITEM_FOR(i, (int64_t)TAPS * g.ic * g.oc) {
		const int a = (int)i % g.ic, column = (int)i / g.ic, tiles = grow ? 4 : own / 8;
		const int k = grow ? a : column, n = grow ? column % 32 : a % own, chunk = grow ? column / 32 * (g.ic / TILE) : a / own * (TAPS * g.oc / TILE);
		const int64_t at = (int64_t)((chunk + k / TILE) * tiles + n / 8) * NARROW_TILE + right_at(k % TILE, n % 8);

		put(to, at, w[(a * g.oc + column % g.oc) * TAPS + column / g.oc]);
	}
}

int G(twos_pack)(struct gpu_narrow g, int grow, const float *w, void *to)
{
	return G(twos_words)(g, grow, twos_part(g.ic), w, to);
}
