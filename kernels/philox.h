/* The numbers of dropout: Philox 4x32-10 (lib/base/rng.h), a vector of blocks at once. */
#ifndef NIIPIPE_PHILOX_H
#define NIIPIPE_PHILOX_H

#include "kernels/cpu.h"
#include "kernels/vmath.h"

enum { PHILOX_BLOCK = 4 * VL }; /* floats of VL Philox blocks */
typedef uint64_t wide __attribute__((vector_size(VL * 8), may_alias));

/* Low and high words of a * m */
INLINE void philox_multiply(words a, uint32_t m, words *low, words *high)
{
	wide p = __builtin_convertvector(a, wide) * (uint64_t)m;

	*low = __builtin_convertvector(p, words);
	*high = __builtin_convertvector(p >> 32, words);
}

/* VL blocks of Philox 4x32-10 (lib/base/rng.h) whose first counters are `block` and those that follow */
INLINE void philox(uint32_t block, const struct k_drop *g, words out[4])
{
	const words none = {0};
	words c[4] = {none + block, none + g->at[0], none + g->at[1], none + g->at[2]};
	uint32_t k0 = g->key[0], k1 = g->key[1];

	for (int i = 0; i < VL; i++)
		c[0][i] += (uint32_t)i;
	for (int r = 0; r < 10; r++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
		words l0, h0, l1, h1;

		philox_multiply(c[0], 0xD2511F53u, &l0, &h0);
		philox_multiply(c[2], 0xCD9E8D57u, &l1, &h1);
		c[0] = h1 ^ c[1] ^ k0, c[1] = l1, c[2] = h0 ^ c[3] ^ k1, c[3] = l0;
	}
	for (int i = 0; i < 4; i++)
		out[i] = c[i];
}

/* The factors of elements `block`*4 ... */
static inline void philox_factors(const struct k_drop *g, int64_t block, float m[PHILOX_BLOCK])
{
	uint32_t limit = (uint32_t)((double)g->rate * 4294967296.0);
	float keep = 1 / (1 - g->rate);
	words w[4];

	philox((uint32_t)block, g, w);
	for (int q = 0; q < 4; q++) {
		float t[VL];

		store(t, vec_choose(w[q] < limit, (vec){0}, (vec){0} + keep));
		UNROLL for (int i = 0; i < VL; i++)
			m[4 * i + q] = t[i];
	}
}

#endif
