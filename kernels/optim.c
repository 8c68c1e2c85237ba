#include "kernels/cpu.h"

#include <math.h>

enum { CHUNK = 1 << 16, RUN = 256 };

/* torch.optim.adamw._single_tensor_adamw: decay, then lerp, then the square, then the step; scalars are doubles rounded once. */
int K(adamw)(const struct k_adamw *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e)
{
	float keep = (float)(1 - a->lr * a->decay), b1 = (float)(1 - a->beta1), beta2 = (float)a->beta2, b2 = (float)(1 - a->beta2), eps = (float)a->eps;
	float step = (float)(a->lr / (1 - pow(a->beta1, (double)a->step))), root = (float)sqrt(1 - pow(a->beta2, (double)a->step));

	(void)e;
#pragma omp parallel for simd schedule(static)
	for (int64_t i = 0; i < n; i++) {
		float p = w[i] * keep;

		m[i] += b1 * (g[i] - m[i]);
		v[i] = v[i] * beta2 + b2 * g[i] * g[i];
		w[i] = p - step * m[i] / (sqrtf(v[i]) / root + eps);
	}
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
