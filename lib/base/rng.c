#include "lib/base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "lib/base/clones.h"

enum { ROUNDS = 10 };
static const uint32_t M0 = 0xD2511F53u, M1 = 0xCD9E8D57u, W0 = 0x9E3779B9u, W1 = 0xBB67AE85u;

void rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];

	for (int i = 0; i < ROUNDS; i++, k0 += W0, k1 += W1) {
		uint64_t a = (uint64_t)M0 * c0, b = (uint64_t)M1 * c2;

		c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)b;
		c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)a;
	}
	out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index)
{
	memset(r, 0, sizeof *r);
	r->key[0] = (uint32_t)seed;
	r->key[1] = (uint32_t)(seed >> 32);
	r->ctr[1] = (uint32_t)stream;
	r->ctr[2] = (uint32_t)index;
	r->ctr[3] = (uint32_t)(index >> 32);
}

void rng_block(struct rng *r, uint32_t block)
{
	r->ctr[0] = block;
	r->left = 0;
}

/* rng_philox, a round for all blocks before the next: compilers make vectors of that. */
CLONES void rng_words(const struct rng *r, uint32_t block, int n, uint32_t *out)
{
	uint32_t *restrict c0 = out, *restrict c1 = out + n, *restrict c2 = out + 2 * n, *restrict c3 = out + 3 * n, k0 = r->key[0], k1 = r->key[1];

	for (int i = 0; i < n; i++)
		c0[i] = block + (uint32_t)i, c1[i] = r->ctr[1], c2[i] = r->ctr[2], c3[i] = r->ctr[3];
	for (int round = 0; round < ROUNDS; round++, k0 += W0, k1 += W1)
		for (int i = 0; i < n; i++) {
			uint64_t a = (uint64_t)M0 * c0[i], b = (uint64_t)M1 * c2[i];

			c0[i] = (uint32_t)(b >> 32) ^ c1[i] ^ k0;
			c1[i] = (uint32_t)b;
			c2[i] = (uint32_t)(a >> 32) ^ c3[i] ^ k1;
			c3[i] = (uint32_t)a;
		}
}

uint32_t rng_u32(struct rng *r)
{
	if (!r->left) {
		rng_philox(r->ctr, r->key, r->out);
		r->ctr[0]++;
		r->left = 4;
	}
	return r->out[4 - r->left--];
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t hi = rng_u32(r);

	return hi << 32 | rng_u32(r);
}

double rng_uniform(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_range(struct rng *r, double lo, double hi)
{
	return lo + (hi - lo) * rng_uniform(r);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	uint64_t skip, x;

	assert(n > 0);
	skip = -n % n; /* 2^64 mod n values at the bottom would come up once too often */
	do
		x = rng_u64(r);
	while (x < skip);
	return x % n;
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_uniform(r), v = rng_uniform(r);

	return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}
