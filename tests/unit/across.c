/* kernels/across.c: softmax, its logarithm and local response of a voxel's channels against plain double-precision references, gradients against
   their finite differences, one thread and two, fp32 and bf16. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "tests/ref/across.h"
#include "tests/unit/pair.h"

static const struct k_across cases[] = {
	{K_SOFTMAX, 1, 1}, {K_SOFTMAX, 37, 5}, {K_SOFTMAX, 130, 48}, {K_LOG_SOFTMAX, 1, 2}, {K_LOG_SOFTMAX, 77, 33}, {K_LOG_SOFTMAX, 3, 400},
	{K_LOCAL, 3, 1, 1, 0.5f, 0.75f, 1}, {K_LOCAL, 37, 7, 3, 0.9f, 0.75f, 1}, {K_LOCAL, 50, 16, 4, 2, 1.5f, 0.5f}, {K_LOCAL, 5, 600, 5, 1, 0.6f, 2},
	{K_LOCAL, 7, 6, 50, 3, 0.75f, 1}, {K_LOCAL, 2, 300, 255, 9, 0.75f, 1}, {K_LOCAL, 2, 300, 254, 9, 0.75f, 1},
};

static void across(const struct k_across *g)
{
	const double close = k->precision == K_BF16 ? 8e-3 : 3e-6; /* half a last place of results up to 2, and what a sum of them adds */
	const size_t width = k->precision == K_BF16 ? 2 : 4;
	int64_t n = g->vox * g->c;
	struct pair x = pair_new(n, 2), dy = pair_new(n, 1), had = pair_new(n, 1), y = pair_new(n, 0), dx = pair_new(n, 0);
	void *ex = elements(pair_copy(x).f, n), *edy = elements(pair_copy(dy).f, n), *ey[2], *edx[2];
	float *got, *added, *alone;
	int bad = 0;

	for (int i = 0; i < 2; i++) {
		ey[i] = elements(pair_new(n, 1).f, n), edx[i] = elements(pair_copy(had).f, n);
		omp_set_num_threads(i + 1);
		bad |= k->across_forward(g, ex, ey[i], &e) || k->across_backward(g, edy, ex, edx[i], 1, &e);
	}
	ok(!bad && !memcmp(ey[0], ey[1], (size_t)n * width) && !memcmp(edx[0], edx[1], (size_t)n * width), "the same with one thread and two");
	bad |= k->across_backward(g, edy, ex, edy, 0, &e);
	got = floats(ey[0], n), added = floats(edx[0], n), alone = floats(edy, n);
	for (int64_t v = 0; v < n; v += g->c)
		ref_across_back(g, dy.d + v, x.d + v, dx.d + v, y.d + v), ref_across(g, x.d + v, y.d + v);
	ok(!bad && worst(got, y.d, n, 1, 1, close, close) <= 1, "%s: kind %d of %lld x %lld, size %d: %.2g of the tolerance", PRECISION(k), g->kind,
		(long long)g->vox, (long long)g->c, g->size, worst(got, y.d, n, 1, 1, close, close));
	ok(worst(alone, dx.d, n, 1, 1, close, close) <= 1, "its gradient, in dy's place: %.2g of it", worst(alone, dx.d, n, 1, 1, close, close));
	for (int64_t i = 0; i < n; i++)
		dx.d[i] += had.d[i];
	ok(worst(added, dx.d, n, 1, 1, close, close) <= 1, "its gradient, added: %.2g of it", worst(added, dx.d, n, 1, 1, close, close));
	k->release(ex), k->release(got), k->release(added), k->release(alone), k->release(ey[1]), k->release(edx[1]);
	pair_free(x), pair_free(dy), pair_free(had), pair_free(y), pair_free(dx);
}

/* Values whose powers are beyond a float */
static void large(void)
{
	const struct k_across g = {K_SOFTMAX, 1, 3}, log_of = {K_LOG_SOFTMAX, 1, 3};
	struct pair x = pair_new(3, 0), y = pair_new(3, 0);

	x.f[0] = 1000, x.f[1] = 999, x.f[2] = -1000;
	ok(!k->across_forward(&g, x.f, y.f, &e) && near_to(y.f[0], 0.7310586, 0, 1e-6) && near_to(y.f[1], 0.2689414, 0, 1e-6) && y.f[2] == 0,
		"softmax of 1000, 999, -1000: %g %g %g", (double)y.f[0], (double)y.f[1], (double)y.f[2]);
	ok(!k->across_forward(&log_of, x.f, y.f, &e) && near_to(y.f[0], -0.3132617, 0, 1e-6) && near_to(y.f[2], -2000.3132617, 0, 1e-6),
		"its logarithm: %g %g %g", (double)y.f[0], (double)y.f[1], (double)y.f[2]);
	pair_free(x), pair_free(y);
}

int main(void)
{
	rng_init(&rng, 4, RNG_TEST, 0);
	for (int p = K_BF16; p && (k = cpu(p)); p--)
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			across(&cases[i]);
	k = cpu(K_FP32);
	if (k)
		large();
	return tap_done();
}
