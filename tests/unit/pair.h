/* For tests of the backend: values as floats and as doubles, in wider arrays, compared. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "lib/base/rng.h"

static const struct k_backend *k;
static struct err e;
static struct rng rng;

/* n values in -1..1, as floats and the same as doubles */
struct pair { float *f; double *d; int64_t n; };

static inline struct pair pair_new(int64_t n, double scale)
{
	struct pair p = {k->alloc(sizeof(float) * (size_t)(n + 1), &e), malloc(sizeof(double) * (size_t)(n + 1)), n};

	for (int64_t i = 0; i < n; i++)
		p.d[i] = p.f[i] = (float)(scale * (2 * rng_uniform(&rng) - 1));
	return p;
}

static inline struct pair pair_copy(struct pair a)
{
	struct pair p = pair_new(a.n, 0);

	memcpy(p.f, a.f, sizeof(float) * (size_t)a.n), memcpy(p.d, a.d, sizeof(double) * (size_t)a.n);
	return p;
}

static inline void pair_free(struct pair p)
{
	k->release(p.f);
	free(p.d);
}

/* Rows of c in a wider array: the rest is `mark` and must stay so. */
static inline float *widen(const float *x, int64_t vox, int64_t c, int64_t pitch)
{
	float *y = k->alloc(sizeof(float) * (size_t)(vox * pitch + 1), &e);

	for (int64_t i = 0; i < vox * pitch; i++)
		y[i] = i % pitch < c ? x[i / pitch * c + i % pitch] : 77;
	return y;
}

/* Largest |a - b| / (atol + rtol |b|); a wide, b dense. Above 1 or not a number: wrong. */
static inline double worst(const float *a, const double *b, int64_t vox, int64_t c, int64_t pitch, double atol, double rtol)
{
	double bad = 0;

	for (int64_t i = 0; i < vox * pitch; i++) {
		double want = i % pitch < c ? b[i / pitch * c + i % pitch] : 77,
			off = i % pitch < c ? fabs(a[i] - want) / (atol + rtol * fabs(want)) : (a[i] != 77) * 9;

		if (!(off <= bad))
			bad = off == off ? off : 1e30;
	}
	return bad;
}

static inline double rms(const double *x, int64_t n)
{
	double s = 0;

	for (int64_t i = 0; i < n; i++)
		s += x[i] * x[i];
	return n ? sqrt(s / (double)n) : 1;
}

#endif
