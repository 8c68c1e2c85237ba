/* The Mersenne Twister MT19937 (Matsumoto and Nishimura, ACM TOMACS 8(1), 1998) and what NumPy's RandomState makes of it: only where a
   peer's choice must be met number for number. Everything else draws from lib/base/rng.h. */
#ifndef NIIPIPE_MT19937_H
#define NIIPIPE_MT19937_H

#include <stddef.h>
#include <stdint.h>

enum { MT19937_WORDS = 624 };

struct mt19937 {
	uint32_t word[MT19937_WORDS];
	int at;
};

/* As init_genrand(seed), numpy.random.RandomState(seed). */
void mt19937_init(struct mt19937 *m, uint32_t seed);
uint32_t mt19937_u32(struct mt19937 *m);

/* 0 to most, both in, by masked rejection: RandomState's random_interval. most < 2^32. */
uint32_t mt19937_interval(struct mt19937 *m, uint32_t most);

/* RandomState(...).shuffle of an array of n integers. n <= 2^32. */
void mt19937_shuffle(struct mt19937 *m, int64_t *v, size_t n);

#endif
