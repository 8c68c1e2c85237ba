/* What twos.c and twos_weights.c share: the voxels of a warp's runs, on either end. */
#ifndef NIIPIPE_GPU_TWOS_H
#define NIIPIPE_GPU_TWOS_H

#include "kernels/gpu/narrow.h"
#include "kernels/gpu/tile.h"

enum { RUNS = 2, VOXELS = RUNS * TILE, PAIRS = 4, TAPS = 8 };

static inline int64_t twos_runs(const struct gpu_narrow *g)
{
	return (int64_t)g->n * g->size[0] * g->size[1] * ((g->size[2] + TILE - 1) / TILE);
}

static inline int64_t twos_warps(const struct gpu_narrow *g)
{
	return (twos_runs(g) + RUNS - 1) / RUNS;
}

#ifdef K_HALF

#define PITCH(channels) ((channels) + WIDE)

/* A warp's runs: the first voxel of each, of the small end and of the large one, and how many there are */
struct runs { int64_t small[RUNS], large[RUNS]; int left[RUNS]; };

DEVICE struct runs runs_of(const struct gpu_narrow *g, int64_t first, int64_t all)
{
	const uint32_t across = (uint32_t)(g->size[2] + TILE - 1) / TILE, high = (uint32_t)g->size[1];
	struct runs r;

	UNROLLED for (int i = 0; i < RUNS; i++) {
		const int there = first + i < all;
		const uint32_t at = there ? (uint32_t)(first + i) : 0, row = at / across, w = (at - row * across) * TILE, plane = row / high;

		r.small[i] = (int64_t)row * g->size[2] + w;
		r.large[i] = ((int64_t)plane * 4 * high + (row - plane * high) * 2) * 2 * g->size[2] + 2 * w;
		r.left[i] = !there ? 0 : g->size[2] - (int)w < TILE ? g->size[2] - (int)w : TILE;
	}
	return r;
}

/* Voxels of the large end from the first one's of a run to that of a pair */
DEVICE int pair_at(const struct gpu_narrow *g, int pair)
{
	return (pair / 2 * 2 * g->size[1] + pair % 2) * 2 * g->size[2];
}

/* Where `c` on of voxel v of the runs begins, of the small end's channels, and of a pair's 2 b; -1: no such voxel */
DEVICE int64_t small_at(const struct gpu_narrow *g, const struct runs *r, int v, int c)
{
	const int w = v % TILE, left = v < TILE ? r->left[0] : r->left[1];
	const int64_t from = v < TILE ? r->small[0] : r->small[1];

	return w < left ? (from + w) * g->xp + c : -1;
}

DEVICE int64_t large_at(const struct gpu_narrow *g, const struct runs *r, int pair, int v, int c)
{
	const int w = v % TILE, second = c >= g->oc, left = v < TILE ? r->left[0] : r->left[1];
	const int64_t from = v < TILE ? r->large[0] : r->large[1];

	return w < left ? (from + pair_at(g, pair) + 2 * w + second) * g->yp + c - second * g->oc : -1;
}

#endif

#endif
