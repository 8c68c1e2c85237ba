/* The CPU's part of sliding windows; prototypes as in the table of kernels/backend.h. */
#ifndef NIIPIPE_K_WINDOW_H
#define NIIPIPE_K_WINDOW_H

#include <math.h>

#include "kernels/backend.h"

int k_window_gather(const struct k_gather *g, const float *image, float *x, struct err *e);
int k_window_blend(const struct k_blend *g, const float *logits, const float *weight, float *acc, float *sum, struct err *e);
int k_window_divide(float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e);
int k_window_count(const float *acc, const float *sum, int64_t vox, int64_t k, float middle, int64_t *n, struct err *e);
int k_window_spread(const struct k_blend *g, float near, const float *logits, const float *weight, const float *acc, const float *sum,
                    double spread[2], struct err *e);
int k_window_doubt(const struct k_doubt *g, const float *weight, const float *acc, const float *sum, double *doubt, struct err *e);

/* Row functions are cloned for wide vectors: OpenMP's outlined bodies would not be. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((noinline, target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* The part of [0, n) that lands in [0, size) when moved by start. */
struct window_span { int64_t lo, hi; };

static inline struct window_span window_meet(int64_t n, int64_t start, int64_t size)
{
	struct window_span s = {start < 0 ? -start : 0, size - start < n ? size - start : n};

	if (s.hi < s.lo)
		s.hi = s.lo = s.lo < n ? s.lo : n;
	return s;
}

/* One voxel's probabilities in place of its logits. */
static inline void window_soften(float *v, int64_t k)
{
	float most = v[0], sum = 0;

	if (k == 1) {
		v[0] = 1 / (1 + expf(-v[0]));
		return;
	}
	for (int64_t c = 1; c < k; c++)
		most = v[c] > most ? v[c] : most;
	for (int64_t c = 0; c < k; c++)
		sum += v[c] = expf(v[c] - most);
	for (int64_t c = 0; c < k; c++)
		v[c] /= sum;
}

/* By how much the best of a voxel's k sums leads the next; a single one is as far from the middle. */
static inline float window_lead(const struct k_unsure *u, int64_t k, const float *v, float sum)
{
	float first, second;

	if (k == 1)
		return fabsf(v[0] - u->middle * sum);
	first = v[0] > v[1] ? v[0] : v[1];
	second = v[0] > v[1] ? v[1] : v[0];
	for (int64_t c = 2; c < k; c++) {
		float was = first;

		first = v[c] > first ? v[c] : first;
		second = v[c] > was ? was : v[c] > second ? v[c] : second;
	}
	return first - second;
}

#endif
