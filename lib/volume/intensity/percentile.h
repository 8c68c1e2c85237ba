/* Exact percentiles, by counting: no sorting, no copy of the values. */
#ifndef NIIPIPE_PERCENTILE_H
#define NIIPIPE_PERCENTILE_H

#include "lib/stream/frame.h"

enum { PERCENTILE_MOST = 3 };

/* Percentiles q[0..nq) (0 to 100; nq at most PERCENTILE_MOST) of the elements first to first + n - 1 of t, as float32; only of those where mask,
   which is that range's, is not 0 (NULL: all). Between two values: linear, as numpy.percentile's default. The same for any number of threads;
   512 KiB for each. 0, or -1 and an error: nothing to count. */
int percentile_of(const struct tensor *t, int64_t first, int64_t n, const uint8_t *mask, const double *q, int nq, double *out, struct err *e);

#endif
