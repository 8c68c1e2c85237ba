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

/* n values in -1..1 (of a backend of bf16: which that can hold), as floats and the same as doubles */
struct pair { float *f; double *d; int64_t n; };

static inline float held(double v)
{
	int power = 0;
	double part = frexp(v, &power);

	return (float)(k->precision == K_BF16 ? ldexp(rint(part * 256), power - 8) : v);
}

static inline struct pair pair_new(int64_t n, double scale)
{
	struct pair p = {k->alloc(sizeof(float) * (size_t)(n + 1), &e), malloc(sizeof(double) * (size_t)(n + 1)), n};

	for (int64_t i = 0; i < n; i++)
		p.d[i] = p.f[i] = held(scale * (2 * rng_uniform(&rng) - 1));
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

/* n floats as the backend's elements, and back; what is given is released. */
static inline void *elements(float *x, int64_t n)
{
	void *to = k->alloc(sizeof(float) * (size_t)(n + 1), &e);

	k->from_floats(to, n, x, 1, n, 0, &e);
	k->release(x);
	return to;
}

static inline float *floats(void *x, int64_t n)
{
	float *to = k->alloc(sizeof(float) * (size_t)(n + 1), &e);

	k->to_floats(to, x, n, 1, n, &e);
	k->release(x);
	return to;
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
