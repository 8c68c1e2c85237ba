/* What narrow.c and first.c share: a team has a block of voxels of y, some channels of it; a warp sums rows of them in tiles (tile.h). bf16 alone. */
#ifndef NIIPIPE_GPU_BLOCK_H
#define NIIPIPE_GPU_BLOCK_H

#include "kernels/gpu/narrow.h"
#include "kernels/gpu/tile.h"

/* Voxels of a block; rows of TILE voxels along w that a warp has, one beside the other along h */
enum { D = BLOCK_D, H = BLOCK_H, W = BLOCK_W, ROWS = D * H / WARPS };
enum { MOST_TILES = 4 }; /* of 8 channels of y */

static inline int64_t blocks_of(const struct gpu_narrow *g)
{
	return (int64_t)g->n * ((g->size[0] + D - 1) / D) * ((g->size[1] + H - 1) / H) * ((g->size[2] + W - 1) / W);
}

#ifdef K_HALF

/* Elements of a voxel in a team's memory: rows that are 16 bytes more than a multiple of 32 apart are all in different banks. */
#define PITCH(ic) ((ic) + WIDE)

/* A team's voxels: the first, of n; and of y's channels the first */
struct block { int n, at[3], oc; };

/* Its channels are one of so many parts. */
DEVICE struct block block_of(const struct gpu_narrow *g, int64_t team, const int parts)
{
	const int side[3] = {D, H, W}, rest = (int)over(team, (uint32_t)parts);
	struct block b;

	b.oc = ((int)team - rest * parts) * (g->oc / parts);
	b.n = block_first(rest, g->size, side, b.at);
	return b;
}

/* Where voxel d, h, w of n is, or -1: outside */
DEVICE int64_t voxel_at(const struct gpu_narrow *g, int n, int d, int h, int w)
{
	const int in = within(d, g->size[0]) && within(h, g->size[1]) && within(w, g->size[2]);

	return in ? (((int64_t)n * g->size[0] + d) * g->size[1] + h) * g->size[2] + w : -1;
}

/* `channels` from c on of deep x high rows of `wide` voxels of n, the first at at[]; what is outside is 0. A warp to a row, so that little is
   reckoned for a piece of it. */
DEVICE void block_load(const struct gpu_narrow *g, const word *from, int64_t pitch, int c, int n, const int at[3], word *to, const int deep,
	const int high, const int wide, const int channels)
{
	const uint32_t parts = (uint32_t)channels / WIDE;

	WARP_FOR(warp)
		UNROLLED_BY(1) for (int row = warp; row < deep * high; row += WARPS) {
			const int d = at[0] + row / high, h = at[1] + row % high, in = within(d, g->size[0]) && within(h, g->size[1]);
			const word *line = from + (int64_t)(in ? (n * g->size[0] + d) * g->size[1] + h : 0) * (g->size[2] * (int)pitch) + c;
			word *own = to + row * wide * PITCH(channels);

			UNROLLED MEMBER_FOR(e, 0, wide * (int)parts, WARP) {
				const int v = (int)((uint32_t)e / parts), part = (int)((uint32_t)e % parts) * WIDE, w = at[2] + v;
				const int there = in && within(w, g->size[2]);

				begin_quad(own + v * PITCH(channels) + part, line + (there ? w * (int)pitch + part : 0), there);
			}
		}
}

/* A warp's sums: of its rows, and channels of y in eights */
struct sums { struct tile t[ROWS][MOST_TILES]; };

DEVICE void sums_clear(struct sums *s, const int tiles)
{
	UNROLLED for (int r = 0; r < ROWS; r++)
		UNROLLED for (int t = 0; t < tiles; t++)
			TILE_EACH(e)
				s->t[r][t].v[e] = 0;
}

/* A warp's sums to its part of the team's memory, floats, then to y, 16 bytes a lane, with the bias and, with `add`, what is there. */
DEVICE void block_put(const struct gpu_narrow *g, const struct block *b, int w, const struct sums *s, const float *bias, float *room, word *y,
	int add, const int tiles)
{
	const int pitch = 8 * tiles + 4;

	UNROLLED for (int r = 0; r < ROWS; r++)
		UNROLLED for (int t = 0; t < tiles; t++)
			TILE_EACH(e)
				room[(r * TILE + tile_row(tile_slot(e))) * pitch + 8 * t + tile_column(e)] = s->t[r][t].v[e];
	warp_sync();
	MEMBER_FOR(i, 0, ROWS * TILE * tiles, WARP) {
		const int v = (int)i / tiles, c = (int)i % tiles * 8;
		const int64_t to = voxel_at(g, b->n, b->at[0] + w / (H / ROWS), b->at[1] + w % (H / ROWS) * ROWS + v / TILE, b->at[2] + v % TILE);
		float u[WIDE], old[WIDE] = {0};

		if (to < 0)
			continue;
		get_floats(room + v * pitch + c, u), get_floats(room + v * pitch + c + 4, u + 4);
		if (add)
			get_wide(y, to * g->yp + b->oc + c, old);
		EACH(j)
			u[j] += (bias ? bias[b->oc + c + j] : 0) + old[j];
		put_wide(y, to * g->yp + b->oc + c, u);
	}
}

/* Bytes of a team's memory for that */
static inline size_t block_room(int tiles)
{
	return (size_t)(D * H * W * (8 * tiles + 4)) * sizeof(float);
}

/* A kernel for each depth of what is summed at a time and each number of channels of y that a team makes, also in tiles; and a call of one of them */
#define BLOCK_CASES(CASE) CASE(16, 16, 2) CASE(16, 24, 3) CASE(16, 32, 4) CASE(32, 16, 2) CASE(32, 24, 3) CASE(32, 32, 4)
#define BLOCK_CALL(name, depth, oc, ARGS) \
	((oc) == 32 ? (depth) == 32 ? G(name##_32_32) ARGS : G(name##_16_32) ARGS \
	 : (oc) == 24 ? (depth) == 32 ? G(name##_32_24) ARGS : G(name##_16_24) ARGS \
	 : (depth) == 32 ? G(name##_32_16) ARGS : G(name##_16_16) ARGS)

static inline int64_t block_teams(const struct gpu_narrow *g, int tiles)
{
	return blocks_of(g) * (g->oc / (8 * tiles));
}

#endif

#endif
