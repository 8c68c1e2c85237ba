/* Dropout by counter (kernels/backend.h, k_drop). */
#ifndef NIIPIPE_GPU_PHILOX_H
#define NIIPIPE_GPU_PHILOX_H

#include "kernels/backend.h"
#include "kernels/gpu/par.h"

#include "kernels/alpha.h"

/* What all draws of a k_drop have in common; limit: words below it are dropped, keep: what the others are multiplied by */
struct draws { uint32_t key[2], at[3], limit; float keep; };

DEVICE struct draws draws_of(const struct k_drop *g)
{
	const uint64_t at = ((uint64_t)g->at[2] << 32 | g->at[1]) + (g->more ? *g->more : 0);
	struct draws d;

	d.key[0] = g->key[0], d.key[1] = g->key[1];
	d.at[0] = g->at[0], d.at[1] = (uint32_t)at, d.at[2] = (uint32_t)(at >> 32);
	d.limit = (uint32_t)((double)g->rate * 4294967296.0), d.keep = 1 / (1 - g->rate);
	return d;
}

/* Block `block` of Philox 4x32-10 (lib/base/rng.h) */
DEVICE void philox(const struct draws *d, uint32_t block, uint32_t c[4])
{
	uint32_t k0 = d->key[0], k1 = d->key[1];

	c[0] = block, c[1] = d->at[0], c[2] = d->at[1], c[3] = d->at[2];
	UNROLLED for (int r = 0; r < 10; r++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
		uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;

		c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0, c[1] = (uint32_t)b;
		c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1, c[3] = (uint32_t)a;
	}
}

/* 0, or what an element that stays is multiplied by, for the word w */
DEVICE float drop_factor(const struct draws *d, uint32_t w)
{
	return w < d->limit ? 0 : d->keep;
}

/* The same of element i alone */
DEVICE float drop_at(const struct draws *d, int64_t i)
{
	uint32_t w[4];

	philox(d, (uint32_t)(i / 4), w);
	return drop_factor(d, i % 4 < 2 ? i % 2 ? w[1] : w[0] : i % 2 ? w[3] : w[2]);
}

#endif
