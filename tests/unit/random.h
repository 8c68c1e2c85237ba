/* Random values for unit tests. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

/* Floats -1000 to 1000; of an integer the first `bytes` bytes 0 to most - 1, the rest 0; BOOL 0 or 1. */
static inline void random_fill(struct tensor *t, size_t bytes, uint32_t most, struct rng *r)
{
	size_t size = dtype_size(t->dtype);

	for (int64_t i = 0; i < tensor_count(t); i++) {
		uint8_t *v = (uint8_t *)t->data + (size_t)i * size;

		if (t->dtype == DT_F32)
			*(float *)(void *)v = (float)rng_range(r, -1000, 1000);
		else if (t->dtype == DT_F64)
			*(double *)(void *)v = rng_range(r, -1000, 1000);
		else
			for (size_t b = 0; b < size; b++)
				v[b] = b < bytes ? (uint8_t)rng_below(r, t->dtype == DT_BOOL ? 2 : most) : 0;
	}
}

#endif
