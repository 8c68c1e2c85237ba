/* kernels/pool: max pooling against its definition, its gradient, ties, what is no number; sums of columns; one thread and two, fp32 and bf16. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "tests/ref/pool.h"
#include "tests/unit/pair.h"

static const struct k_pool cases[] = {
	{1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, {1, 1, {1, 1, 1}, {2, 2, 2}, {2, 2, 2}}, {2, 3, {2, 3, 5}, {4, 6, 10}, {2, 2, 2}},
	{1, 16, {3, 1, 4}, {3, 2, 8}, {1, 2, 2}}, {1, 33, {1, 2, 3}, {3, 2, 12}, {3, 1, 4}}, {2, 48, {2, 2, 2}, {4, 4, 4}, {2, 2, 2}},
	{1, 5, {1, 1, 2}, {4, 4, 8}, {4, 4, 4}},
	{2, 3, {2, 1, 2}, {5, 3, 5}, {2, 2, 2}}, {2, 33, {1, 2, 2}, {3, 4, 4}, {2, 2, 2}}, {1, 16, {2, 2, 3}, {4, 5, 11}, {2, 2, 3}},
};

static int64_t voxels(const struct k_pool *g)
{
	return g->n * g->small[0] * g->small[1] * g->small[2];
}

/* Few values, so that many are as large as each other */
static struct pair steps(int64_t n)
{
	struct pair p = pair_new(n, 1);

	for (int64_t i = 0; i < n; i++)
		p.d[i] = p.f[i] = rintf(3 * p.f[i]);
	return p;
}

static void pool(const struct k_pool *g)
{
	const size_t width = k->precision == K_BF16 ? 2 : 4;
	const double close = k->precision == K_BF16 ? 8e-3 : 1e-6;
	const int64_t out = voxels(g) * g->c, in = g->n * g->large[0] * g->large[1] * g->large[2] * g->c;
	struct pair x = steps(in), dy = pair_new(out, 1), had = pair_new(in, 1), y = pair_new(out, 0), dx = pair_new(in, 0);
	void *ex = elements(pair_copy(x).f, in), *edy = elements(pair_copy(dy).f, out), *ey[2], *edx[2], *alone;
	float *got, *added, *whole;
	int bad = 0;

	for (int i = 0; i < 2; i++) {
		ey[i] = elements(pair_new(out, 1).f, out), edx[i] = elements(pair_copy(had).f, in);
		omp_set_num_threads(i + 1);
		bad |= k->pool_forward(g, ex, ey[i], &e) || k->pool_backward(g, edy, ex, edx[i], 1, &e);
	}
	ok(!bad && !memcmp(ey[0], ey[1], (size_t)out * width) && !memcmp(edx[0], edx[1], (size_t)in * width), "the same with one thread and two");
	alone = elements(pair_new(in, 1).f, in);
	bad |= k->pool_backward(g, edy, ex, alone, 0, &e);
	got = floats(ey[0], out), added = floats(edx[0], in), whole = floats(alone, in);
	ref_pool(g, x.d, y.d), ref_pool_back(g, dy.d, x.d, dx.d);
	ok(!bad && worst(got, y.d, out, 1, 1, 1e-9, 1e-9) <= 1, "%s: largest of %dx%dx%d, %lld x %lld channels", PRECISION(k), g->factor[0], g->factor[1],
		g->factor[2], (long long)voxels(g), (long long)g->c);
	ok(worst(whole, dx.d, in, 1, 1, 1e-9, 1e-9) <= 1, "its gradient is the first's");
	for (int64_t i = 0; i < in; i++)
		dx.d[i] += had.d[i];
	ok(worst(added, dx.d, in, 1, 1, close, close) <= 1, "its gradient, added: %.2g of the tolerance", worst(added, dx.d, in, 1, 1, close, close));
	k->release(ex), k->release(edy), k->release(got), k->release(added), k->release(whole), k->release(ey[1]), k->release(edx[1]);
	pair_free(x), pair_free(dy), pair_free(had), pair_free(y), pair_free(dx);
}

static void no_number(void)
{
	const struct k_pool g = {1, 17, {1, 1, 1}, {1, 1, 3}, {1, 1, 3}};

	for (int at = 0; at < 3; at++) {
		struct pair x = pair_new(51, 1), y = pair_new(17, 0);
		int bad = 0;

		for (int c = 0; c < 17; c++)
			x.f[17 * at + c] = NAN;
		bad = k->pool_forward(&g, x.f, y.f, &e);
		for (int c = 0; c < 17; c++)
			bad |= y.f[c] == y.f[c];
		ok(!bad, "what is no number at place %d comes out", at);
		pair_free(x), pair_free(y);
	}
}

static void columns(int64_t vox, int64_t c, int64_t more)
{
	const int64_t pitch = c + more;
	struct pair x = pair_new(vox * pitch, 1), out = pair_new(c, 1), want = pair_copy(out);
	void *ex = elements(pair_copy(x).f, x.n), *scratch = k->alloc(k->column_scratch(vox, c), &e);

	for (int64_t i = 0; i < vox * c; i++)
		want.d[i % c] += x.d[i / c * pitch + i % c];
	ok(!k->column_sum(ex, more ? pitch : 0, vox, c, out.f, scratch, &e) && worst(out.f, want.d, c, 1, 1, 1e-5, 1e-6) <= 1,
		"%s: sums of %lld x %lld", PRECISION(k), (long long)vox, (long long)c);
	k->release(ex), k->release(scratch), pair_free(x), pair_free(out), pair_free(want);
}

int main(void)
{
	rng_init(&rng, 6, RNG_TEST, 0);
	for (int p = K_BF16; p && (k = cpu(p)); p--) {
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			pool(&cases[i]);
		columns(1, 700, 0), columns(2, 6912, 0), columns(3, 5, 0), columns(300, 24, 8);
	}
	k = cpu(K_FP32);
	if (k)
		no_number();
	return tap_done();
}
