/* Random numbers by counter: Philox 4x32-10 (Salmon et al., SC 2011, doi 10.1145/2063384.2063405).
   A generator is a place (seed, stream, index); its numbers depend on nothing else, so patch i is the same
   patch on any machine, thread, shard or restart. */
#ifndef NIIPIPE_RNG_H
#define NIIPIPE_RNG_H

#include <stdint.h>

/* Streams: one a purpose, so that no two purposes share numbers. Append only. */
enum rng_stream {
	RNG_TEST, RNG_PATCH, RNG_AUGMENT, RNG_PHANTOM, RNG_INIT, RNG_DROPOUT, RNG_BOOTSTRAP, RNG_SPLIT, RNG_PLANT,
	RNG_AUGMENT_NOISE, RNG_AUGMENT_ELASTIC, RNG_PHANTOM_PET
};

struct rng {
	uint32_t key[2]; /* seed */
	uint32_t ctr[4]; /* block, stream, index low, index high */
	uint32_t out[4];
	int left; /* unused words of out */
};

/* The 10-round block function, for tests against the published vectors. */
void rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* Start at a place. 2^32 blocks of four words follow. */
void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t index);

/* Go on with block `block` of the place. */
void rng_block(struct rng *r, uint32_t block);

/* Words of n blocks from `block` on, by their place in the block: out[k * n + i] is word k of block + i. r itself does not move. */
void rng_words(const struct rng *r, uint32_t block, int n, uint32_t *out);

uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
double rng_uniform(struct rng *r);                       /* [0, 1), 53 bits */
double rng_range(struct rng *r, double lo, double hi);   /* [lo, hi) */
uint64_t rng_below(struct rng *r, uint64_t n);           /* [0, n) without bias; n > 0 */
double rng_normal(struct rng *r);                        /* mean 0, variance 1 (Box-Muller, one of the pair) */

#endif
