/* Convolutions of bf16 from one channel, a network's first: cuDNN takes about ten times as long as y takes to be written. Here the taps of a voxel
   are a row of a left operand of tile.h, gathered into the team's memory, so that they are the depth of one small product. Bytes: writes y, reads x
   once; a voxel's other readers find it in the first cache. */
#include "kernels/gpu/block.h"

#ifdef K_HALF

/* Taps `first` .. `first` + 7 of voxel v of the block; what is outside, and beyond the last tap, is 0. */
DEVICE void first_taps(const struct gpu_narrow *g, const struct gpu_direct *d, const struct block *b, int v, int first, const word *x, word *row)
{
	const int kh = (int)d->kernel[1], kw = (int)d->kernel[2];
	const int at[3] = {(b->at[0] + v / (H * W)) * (int)d->stride[0] - (int)d->pad[0], (b->at[1] + v / W % H) * (int)d->stride[1] - (int)d->pad[1],
		(b->at[2] + v % W) * (int)d->stride[2] - (int)d->pad[2]};
	struct piece p = piece_none();

	EACH(j) {
		const int t = first + j, z = at[0] + t / kw / kh, y = at[1] + t / kw % kh, w = at[2] + t % kw;

		if (t < d->taps && z >= 0 && z < d->large[0] && y >= 0 && y < d->large[1] && w >= 0 && w < d->large[2])
			piece_put(&p, j, x, ((((int64_t)b->n * d->large[0] + z) * d->large[1] + y) * d->large[2] + w) * g->xp);
	}
	put_quad(row + first, p.q);
}

DEVICE void first_sum(int w, const word *rows, const word *packed, struct sums *s, const int depth, const int tiles)
{
	UNROLLED for (int k = 0; k < depth / TILE; k++) {
		struct right r[MOST_TILES];

		UNROLLED for (int t = 0; t < tiles; t++)
			r[t] = right_of(packed + (k * tiles + t) * NARROW_TILE);
		UNROLLED for (int h = 0; h < ROWS; h++) {
			const struct left a = left_of(rows + (w * ROWS + h) * TILE * PITCH(depth) + k * TILE, PITCH(depth));

			UNROLLED for (int t = 0; t < tiles; t++)
				tile_add_right(&s->t[h][t], &a, &r[t]);
		}
	}
}

/* A lane gathers eight taps of a voxel; neighbours have neighbours. */
DEVICE void first_team(const struct gpu_narrow *g, const struct gpu_direct *d, int64_t team, const word *x, const word *packed, const float *bias,
	word *y, quad *room, const int depth, const int tiles)
{
	const struct block b = block_of(g, team, g->oc / (8 * tiles));
	word *rows = (word *)room;
	WARP_KEEPS(struct sums, sums);

	LANE_FOR(i, 0, D * H * W * depth / WIDE)
		first_taps(g, d, &b, (int)i % (D * H * W), (int)i / (D * H * W) * WIDE, x, rows + i % (D * H * W) * PITCH(depth));
	team_sync();
	WARP_FOR(w) {
		sums_clear(&sums[WARP_AT(w)], tiles);
		first_sum(w, rows, packed + (int64_t)b.oc * depth, &sums[WARP_AT(w)], depth, tiles);
	}
	team_sync();
	WARP_FOR(w)
		block_put(g, &b, w, &sums[WARP_AT(w)], bias, (float *)room + w * ROWS * TILE * (8 * tiles + 4), y, 0, tiles);
}

static inline size_t first_room(int depth, int tiles)
{
	const size_t rows = (size_t)(D * H * W * PITCH(depth)) * sizeof(word);

	return rows > block_room(tiles) ? rows : block_room(tiles);
}

#define FIRST_CASE(depth, of, tiles) \
	SIDE_KERNEL(first_##depth##_##of, (struct gpu_narrow g, struct gpu_direct d, const word *x, const word *packed, const float *bias, word *y), \
		(g, d, x, packed, bias, y), block_teams(&g, tiles), first_room(depth, tiles), 2) \
	{ \
		TEAM_FOR(team, block_teams(&g, tiles)) { \
			TEAM_ROOM(room); \
			first_team(&g, &d, team, x, packed, bias, y, room, depth, tiles); \
		} \
	}

BLOCK_CASES(FIRST_CASE)

int G(first)(struct gpu_narrow g, struct gpu_direct d, const void *given, const void *weights, const float *bias, void *out)
{
	const word *x = (const word *)given, *packed = (const word *)weights;
	word *y = (word *)out;

	return BLOCK_CALL(first, first_depth(d.taps), narrow_out(g.oc), (g, d, x, packed, bias, y));
}

#else

int G(first)(struct gpu_narrow g, struct gpu_direct d, const void *x, const void *weights, const float *bias, void *y)
{
	(void)g, (void)d, (void)x, (void)weights, (void)bias, (void)y;
	return -1;
}

#endif

/* An element of what is packed to a lane. w [oc][taps] */
KERNEL(first_words, (int oc, int out, int taps, int depth, const float *w, void *to), (oc, out, taps, depth, w, to), items((int64_t)oc * depth))
{
	const int tiles = out / 8;

	ITEM_FOR(i, (int64_t)oc * depth) {
		const int t = (int)i % depth, o = (int)i / depth;
		const int64_t at = (int64_t)((o / out * (depth / TILE) + t / TILE) * tiles + o % out / 8) * NARROW_TILE + right_at(t % TILE, o % 8);

		put(to, at, t < taps ? w[o * taps + t] : 0);
	}
}

int G(first_pack)(int64_t oc, int64_t taps, const float *w, void *to)
{
	return G(first_words)((int)oc, narrow_out(oc), (int)taps, first_depth(taps), w, to);
}
