#include "kernels/cpu.h"

#include <math.h>

enum { CHUNK = 1 << 16, RUN = 256 };

/* Scalars are doubles rounded once, as torch does it. */
static void adam(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n)
{
	float keep = a->kind == K_ADAMW ? (float)(1 - a->lr * a->decay) : 1, l2 = a->kind == K_ADAM ? (float)a->decay : 0, scale = a->scale;
	float b1 = (float)(1 - a->beta1), beta2 = (float)a->beta2, b2 = (float)(1 - a->beta2), eps = (float)a->eps;
	float step = (float)(a->lr / (1 - pow(a->beta1, (double)a->step))), root = (float)sqrt(1 - pow(a->beta2, (double)a->step));

#pragma omp parallel for simd schedule(static)
	for (int64_t i = 0; i < n; i++) {
		float p = w[i] * keep, d = g[i] * scale + l2 * w[i];

		m[i] += b1 * (d - m[i]);
		v[i] = v[i] * beta2 + b2 * d * d;
		w[i] = p - step * m[i] / (sqrtf(v[i]) / root + eps);
	}
}

/* The first step's m is g: that of zeros is. */
static void sgd(const struct k_optim *a, float *w, const float *g, float *m, int64_t n)
{
	float lr = (float)a->lr, decay = (float)a->decay, momentum = (float)a->momentum, scale = a->scale, ahead = a->nesterov ? 1 : 0;
	float own = a->nesterov ? momentum : 1;

#pragma omp parallel for simd schedule(static)
	for (int64_t i = 0; i < n; i++) {
		float d = g[i] * scale + decay * w[i];

		m[i] = m[i] * momentum + d;
		w[i] -= lr * (ahead * d + own * m[i]);
	}
}

int K(optimize)(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e)
{
	(void)e;
	if (a->kind == K_SGD)
		sgd(a, w, g, m, n);
	else
		adam(a, w, g, m, v, n);
	return 0;
}

int K(lerp)(float *y, const float *x, double t, int64_t n, struct err *e)
{
	const float part = (float)t;

	(void)e;
#pragma omp parallel for simd schedule(static)
	for (int64_t i = 0; i < n; i++)
		y[i] += part * (x[i] - y[i]);
	return 0;
}

static double chunk_squares(const float *x, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i += RUN) {
		int64_t end = i + RUN < n ? i + RUN : n;
		double run = 0;

#pragma omp simd reduction(+ : run)
		for (int64_t j = i; j < end; j++)
			run += (double)x[j] * x[j];
		sum += run;
	}
	return sum;
}

/* Chunks' sums are added in their order, PARTS at a time. */
int K(sum_squares)(const float *x, int64_t n, double *out, struct err *e)
{
	enum { PARTS = 256 };
	int64_t chunks = (n + CHUNK - 1) / CHUNK;
	double part[PARTS], sum = 0;

	(void)e;
	for (int64_t first = 0; first < chunks; first += PARTS) {
		int64_t some = chunks - first < PARTS ? chunks - first : PARTS;

#pragma omp parallel for schedule(static)
		for (int64_t k = 0; k < some; k++) {
			int64_t at = (first + k) * CHUNK;

			part[k] = chunk_squares(x + at, n - at < CHUNK ? n - at : CHUNK);
		}
		for (int64_t k = 0; k < some; k++)
			sum += part[k];
	}
	*out = sum;
	return 0;
}
