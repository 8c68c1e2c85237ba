/* Max pooling: one text for the CPU and the GPU. */
#ifndef NIIPIPE_K_POOL_H
#define NIIPIPE_K_POOL_H

#include "kernels/backend.h"
#include "kernels/text.h"

/* Voxels of x; of a voxel of y, its channels' first element and the first of its factor's voxels of x, in voxels */
K_TEXT int64_t pool_voxels(const struct k_pool *g)
{
	return g->n * g->large[0] * g->large[1] * g->large[2];
}

K_TEXT int64_t pool_corner(const struct k_pool *g, int64_t v)
{
	const int64_t w = v % g->small[2], h = v / g->small[2] % g->small[1], nd = v / g->small[2] / g->small[1], n = nd / g->small[0], d = nd % g->small[0];

	return ((n * g->large[0] + d * g->factor[0]) * g->large[1] + h * g->factor[1]) * g->large[2] + w * g->factor[2];
}

/* Are there voxels of x that no voxel of y reads? */
K_TEXT int pool_leaves(const struct k_pool *g)
{
	return pool_voxels(g) != g->n * g->small[0] * g->small[1] * g->small[2] * g->factor[0] * g->factor[1] * g->factor[2];
}

#endif
