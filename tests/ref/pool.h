/* Max pooling from its definition (kernels/backend.h), in doubles. */
#ifndef TESTS_REF_POOL_H
#define TESTS_REF_POOL_H

#include "kernels/backend.h"

/* The element of x that element i of y is: the first of the largest, d, h, w in order */
static inline int64_t ref_pool_from(const struct k_pool *g, const double *x, int64_t i)
{
	const int64_t c = i % g->c, v = i / g->c, w = v % g->small[2], h = v / g->small[2] % g->small[1], d = v / g->small[2] / g->small[1] % g->small[0];
	const int64_t n = v / g->small[2] / g->small[1] / g->small[0], D = g->large[0], H = g->large[1], W = g->large[2];
	int64_t best = -1;

	for (int64_t k = 0; k < D * H * W; k++) {
		const int64_t at = (n * D * H * W + k) * g->c + c;

		if (k / (H * W) / g->factor[0] == d && k / W % H / g->factor[1] == h && k % W / g->factor[2] == w && (best < 0 || x[at] > x[best]))
			best = at;
	}
	return best;
}

static inline void ref_pool(const struct k_pool *g, const double *x, double *y)
{
	for (int64_t i = 0; i < g->n * g->small[0] * g->small[1] * g->small[2] * g->c; i++)
		y[i] = x[ref_pool_from(g, x, i)];
}

/* dx is added to. */
static inline void ref_pool_back(const struct k_pool *g, const double *dy, const double *x, double *dx)
{
	for (int64_t i = 0; i < g->n * g->small[0] * g->small[1] * g->small[2] * g->c; i++)
		dx[ref_pool_from(g, x, i)] += dy[i];
}

#endif
