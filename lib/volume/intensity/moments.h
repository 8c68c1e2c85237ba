/* Mean and variance of a tensor's values: double, in an order that does not depend on the number of threads. */
#ifndef NIIPIPE_MOMENTS_H
#define NIIPIPE_MOMENTS_H

#include "lib/stream/frame.h"

struct moments {
	int64_t n;
	double mean, m2; /* m2: sum of squared deviations */
};

/* Of n values of t from `first` on; with nonzero of those that are not 0, or of those where mask[0 .. n - 1] is not 0 (NULL: of all). Infinite or NaN
   moments where one of them is. 0 or -1. */
int moments_of(const struct tensor *t, int64_t first, int64_t n, int nonzero, const uint8_t *mask, struct moments *out, struct err *e);

#endif
