/* What a voxel's channels make of each other (kernels/backend.h, k_across), in doubles. */
#ifndef TESTS_REF_ACROSS_H
#define TESTS_REF_ACROSS_H

#include <math.h>

#include "kernels/backend.h"

static inline void ref_soft(const struct k_across *g, const double *x, double *y)
{
	double sum = 0;

	for (int64_t i = 0; i < g->c; i++)
		sum += exp(x[i]);
	for (int64_t i = 0; i < g->c; i++)
		y[i] = g->kind == K_SOFTMAX ? exp(x[i]) / sum : x[i] - log(sum);
}

static inline void ref_local(const struct k_across *g, const double *x, double *y)
{
	for (int64_t i = 0; i < g->c; i++) {
		double sum = 0;

		for (int64_t j = i - g->size / 2; j <= i + (g->size - 1) / 2; j++)
			sum += j < 0 || j >= g->c ? 0 : x[j] * x[j];
		y[i] = x[i] / pow((double)g->k + (double)g->alpha * sum / g->size, (double)g->beta);
	}
}

/* Of a voxel */
static inline void ref_across(const struct k_across *g, const double *x, double *y)
{
	(g->kind == K_LOCAL ? ref_local : ref_soft)(g, x, y);
}

/* dx += the gradient of a voxel, by finite differences; x is moved and put back, y is room */
static inline void ref_across_back(const struct k_across *g, const double *dy, double *x, double *dx, double *y)
{
	const double h = 1e-5;

	for (int64_t i = 0; i < g->c; i++) {
		const double old = x[i];

		for (int up = -1; up <= 1; up += 2) {
			x[i] = old + up * h;
			ref_across(g, x, y);
			for (int64_t j = 0; j < g->c; j++)
				dx[i] += up * dy[j] * y[j] / (2 * h);
		}
		x[i] = old;
	}
}

#endif
