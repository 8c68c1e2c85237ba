/* Dropout by counter (kernels/backend.h, k_drop). */
#ifndef NIIPIPE_GPU_PHILOX_H
#define NIIPIPE_GPU_PHILOX_H

#include "kernels/backend.h"
#include "kernels/gpu/par.h"

#include "kernels/alpha.h"

/* Block `block` of Philox 4x32-10 (lib/base/rng.h) */
DEVICE void philox(const struct k_drop *g, uint32_t block, uint32_t c[4])
{
	uint64_t at = ((uint64_t)g->at[2] << 32 | g->at[1]) + (g->more ? *g->more : 0);
	uint32_t k0 = g->key[0], k1 = g->key[1];

	c[0] = block, c[1] = g->at[0], c[2] = (uint32_t)at, c[3] = (uint32_t)(at >> 32);
	for (int r = 0; r < 10; r++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
		uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;

		c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0, c[1] = (uint32_t)b;
		c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1, c[3] = (uint32_t)a;
	}
}

/* 0, or what an element that stays is multiplied by, for the word w */
DEVICE float drop_factor(const struct k_drop *g, uint32_t w)
{
	return w < (uint32_t)((double)g->rate * 4294967296.0) ? 0 : 1 / (1 - g->rate);
}

/* The same of element i alone */
DEVICE float drop_at(const struct k_drop *g, int64_t i)
{
	uint32_t w[4];

	philox(g, (uint32_t)(i / 4), w);
	return drop_factor(g, i % 4 < 2 ? i % 2 ? w[1] : w[0] : i % 2 ? w[3] : w[2]);
}

#endif
