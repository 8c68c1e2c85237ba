/* kernels/attention, layer, merge: against plain double-precision references, gradients against theirs, one thread and two. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "tests/ref/attention.h"
#include "tests/unit/pair.h"

/* Largest |a - b| / (tolerance (1 + |b|)) */
static double off_most(const float *a, const double *b, int64_t n, double tolerance)
{
	return worst(a, b, n, 1, 1, tolerance, tolerance);
}

static double dot(const double *a, const double *b, int64_t n)
{
	double s = 0;

	for (int64_t i = 0; i < n; i++)
		s += a[i] * b[i];
	return s;
}

/* -- attention -- */

struct att_data { struct pair qkv, bias, table, dy, y; float *factor; };

/* The reference's own gradients d of p, of dy . y, against its finite differences at a few places: largest difference */
static double reference_off(const struct k_attention *g, const struct att_data *a, struct pair p, const double *d)
{
	const struct ref_attention r = {a->qkv.d, a->bias.d, a->table.d, a->factor, a->y.d};
	const double h = 1e-5;
	double bad = 0;

	for (int j = 0; j < 2; j++) {
		int64_t i = (int64_t)rng_below(&rng, (uint64_t)p.n);
		double old = p.d[i], up, down;

		p.d[i] = old + h, ref_attention(g, &r), up = dot(a->y.d, a->dy.d, a->y.n);
		p.d[i] = old - h, ref_attention(g, &r), down = dot(a->y.d, a->dy.d, a->y.n);
		p.d[i] = old;
		bad = fmax(bad, fabs((up - down) / (2 * h) - d[i]));
	}
	return bad;
}

/* Largest difference of a gradient that was added to `had`, of 1 and of each: of bf16, it and its terms are rounded to 2^-9 of themselves */
static double gradient_off(struct pair got, const double *want, double had)
{
	double bad = 0;

	for (int64_t i = 0; i < got.n; i++)
		bad = fmax(bad, fabs(want[i] + had - got.f[i]) / (1 + fabs(want[i])));
	return bad;
}

/* What dropout multiplies by: it has tests of its own (tests/unit/scale.c). */
static float *factors(const struct k_attention *g, const struct k_drop *d)
{
	int64_t t = g->window[0] * g->window[1] * g->window[2], u = (t + 63) / 64 * 64, rows = g->n * g->heads * ((t + 3) / 4 * 4);
	void *kept;
	float *f;

	for (int i = 0; i < 3; i++)
		rows *= (g->size[i] + g->window[i] - 1) / g->window[i];
	f = on_device(k, NULL, sizeof *f * (size_t)(rows * u));
	for (int64_t i = 0; i < rows * u; i++)
		f[i] = 1;
	kept = elements(f, rows * u);
	k->drop(d, kept, 0, kept, 0, rows, u, 0, &e);
	f = floats(kept, rows * u);
	for (int64_t i = 0; i < rows * u; i++)
		f[i] = f[i] > 0 ? 1 / (1 - d->rate) : 0; /* as it was before it was an element */
	return f;
}

/* What attention may be off: of 1 and of each; and of its gradients, of qkv and of parameters */
#define OFF(k) ((k)->precision == K_BF16 ? 6e-3 : 2e-6)
#define OFF_QKV(k) ((k)->precision == K_BF16 ? 5e-3 : 2e-5)
#define OFF_PARAMETERS(k) ((k)->precision == K_BF16 ? 1e-2 : 2e-5)

struct att_result { struct pair y, dqkv, dbias, dtable; };

static void *copied(struct pair p)
{
	return elements(widen(p.f, p.n, 1, 1), p.n);
}

/* without: no table is given, nor its gradient wanted */
static int attention_run(const struct k_attention *g, const struct k_drop *drop, const struct att_data *a, int without, struct att_result *r)
{
	const struct k_attention_args x = {copied(a->qkv), a->bias.f, without ? NULL : a->table.f, *drop};
	struct k_attention_grads d = {.dy = copied(a->dy)};
	void *y, *scratch = k->alloc(k->attention_scratch(g, 1), &e);
	int bad;

	*r = (struct att_result){pair_new(a->y.n, 0), pair_new(a->qkv.n, 3), pair_new(a->bias.n, 0), pair_new(a->table.n, 0)};
	for (int64_t j = 0; j < r->dtable.n; j++)
		r->dtable.f[j] = 1;
	for (int64_t j = 0; j < r->dbias.n; j++)
		r->dbias.f[j] = 1;
	y = elements(r->y.f, r->y.n), d.dqkv = elements(r->dqkv.f, r->dqkv.n), d.dbias = r->dbias.f, d.dtable = without ? NULL : r->dtable.f;
	bad = k->attention_forward(g, &x, y, scratch, &e) || k->attention_backward(g, &x, &d, scratch, &e);
	r->y.f = floats(y, r->y.n), r->dqkv.f = floats(d.dqkv, r->dqkv.n);
	k->release(scratch), k->release((void *)(uintptr_t)x.qkv), k->release((void *)(uintptr_t)d.dy);
	return bad;
}

static int same_bytes(struct pair a, struct pair b)
{
	return !memcmp(a.f, b.f, sizeof(float) * (size_t)a.n);
}

/* Padding's share of the bias alone: the reference reads the bias nowhere else, so its difference is just that. */
static void attention_case(struct k_attention g, float rate)
{
	int64_t vox = g.n * g.size[0] * g.size[1] * g.size[2], rows = (2 * g.table[0] - 1) * (2 * g.table[1] - 1) * (2 * g.table[2] - 1);
	struct att_data a = {pair_new(vox * 3 * g.c, 1.5), pair_new(3 * g.c, 1), pair_new(rows * g.heads, 1), pair_new(vox * g.c, 1),
		pair_new(vox * g.c, 0)};
	const struct k_drop drop = {.rate = rate, .key = {5, 6}, .at = {7, 8, 9}};
	struct pair d[3] = {pair_new(a.qkv.n, 0), pair_new(a.bias.n, 0), pair_new(a.table.n, 0)};
	struct att_result r[2];
	double off[3];
	int bad = 0;

	g.scale = 1 / sqrtf((float)(g.c / g.heads));
	if (rate > 0)
		a.factor = factors(&g, &drop);
	for (int i = 0; i < 2; i++) {
		omp_set_num_threads(i + 1);
		bad |= attention_run(&g, &drop, &a, 0, &r[i]);
	}
	ref_attention(&g, &(struct ref_attention){a.qkv.d, a.bias.d, a.table.d, a.factor, a.y.d, a.dy.d, d[0].d, d[1].d, d[2].d});
	off[0] = off_most(r[0].y.f, a.y.d, a.y.n, OFF(k));
	ok(!bad && off[0] <= 1,
	   "%s attention of %lldx%lldx%lld, window %lld,%lld,%lld, shift %lld,%lld,%lld, %lld heads of %lld, drop %g: %.2g of the tolerance",
	   PRECISION(k), (long long)g.size[0], (long long)g.size[1], (long long)g.size[2], (long long)g.window[0], (long long)g.window[1],
	   (long long)g.window[2], (long long)g.shift[0], (long long)g.shift[1], (long long)g.shift[2], (long long)g.heads,
	   (long long)(g.c / g.heads), rate, off[0]);
	off[0] = reference_off(&g, &a, a.qkv, d[0].d), off[1] = reference_off(&g, &a, a.bias, d[1].d), off[2] = reference_off(&g, &a, a.table, d[2].d);
	ok(off[0] < 1e-7 && off[1] < 1e-7 && off[2] < 1e-7, "the reference's gradients against finite differences: qkv %.1e, bias %.1e, table %.1e",
		off[0], off[1], off[2]);
	off[0] = gradient_off(r[0].dqkv, d[0].d, 0), off[1] = gradient_off(r[0].dbias, d[1].d, 1), off[2] = gradient_off(r[0].dtable, d[2].d, 1);
	ok(off[0] < OFF_QKV(k) && off[1] < OFF_PARAMETERS(k) && off[2] < OFF_PARAMETERS(k),
	   "its gradients against those: qkv %.1e, bias %.1e, table %.1e", off[0], off[1], off[2]);
	ok(same_bytes(r[0].y, r[1].y) && same_bytes(r[0].dqkv, r[1].dqkv) && same_bytes(r[0].dbias, r[1].dbias) &&
	   same_bytes(r[0].dtable, r[1].dtable), "the same with one thread and two");
	for (int i = 0; i < 3; i++)
		pair_free(d[i]);
	for (int i = 0; i < 2; i++)
		pair_free(r[i].y), pair_free(r[i].dqkv), pair_free(r[i].dbias), pair_free(r[i].dtable);
	k->release(a.factor), pair_free(a.qkv), pair_free(a.bias), pair_free(a.table), pair_free(a.dy), pair_free(a.y);
}

/* Without a table: as with one of zeros, bit for bit, which the reference is compared with */
static void bare_case(struct k_attention g, float rate)
{
	const int64_t vox = g.n * g.size[0] * g.size[1] * g.size[2], rows = (2 * g.table[0] - 1) * (2 * g.table[1] - 1) * (2 * g.table[2] - 1);
	const struct k_drop drop = {.rate = rate, .key = {5, 6}, .at = {7, 8, 9}};
	struct att_data a = {pair_new(vox * 3 * g.c, 1.5), pair_new(3 * g.c, 1), pair_new(rows * g.heads, 0), pair_new(vox * g.c, 1),
		pair_new(vox * g.c, 0)};
	struct att_result r[2];
	int bad = 0, touched = 0;

	g.scale = 1 / sqrtf((float)(g.c / g.heads));
	for (int i = 0; i < 2; i++)
		bad |= attention_run(&g, &drop, &a, i, &r[i]);
	for (int64_t i = 0; i < r[1].dtable.n; i++)
		touched |= r[1].dtable.f[i] != 1;
	ok(!bad && !touched && same_bytes(r[0].y, r[1].y) && same_bytes(r[0].dqkv, r[1].dqkv) && same_bytes(r[0].dbias, r[1].dbias),
		"%s attention of %lldx%lldx%lld, %lld heads of %lld, drop %g, without a table", PRECISION(k), (long long)g.size[0], (long long)g.size[1],
		(long long)g.size[2], (long long)g.heads, (long long)(g.c / g.heads), (double)rate);
	for (int i = 0; i < 2; i++)
		pair_free(r[i].y), pair_free(r[i].dqkv), pair_free(r[i].dbias), pair_free(r[i].dtable);
	pair_free(a.qkv), pair_free(a.bias), pair_free(a.table), pair_free(a.dy), pair_free(a.y);
}

static const struct k_attention cases[] = {
	{.n = 2, .c = 128, .heads = 2, .size = {2, 3, 2}, .window = {2, 3, 2}, .table = {2, 3, 2}},
	{.n = 1, .c = 12, .heads = 3, .size = {6, 6, 6}, .window = {3, 3, 3}, .table = {3, 3, 3}},
	{.n = 2, .c = 12, .heads = 3, .size = {6, 6, 6}, .window = {3, 3, 3}, .shift = {1, 1, 1}, .table = {3, 3, 3}},
	{.n = 1, .c = 8, .heads = 2, .size = {5, 7, 4}, .window = {3, 3, 3}, .shift = {1, 1, 1}, .table = {3, 3, 3}},  /* padding */
	{.n = 1, .c = 32, .heads = 2, .size = {8, 2, 7}, .window = {7, 2, 7}, .shift = {3, 0, 0}, .table = {7, 7, 7}}, /* smaller than the window */
	{.n = 1, .c = 40, .heads = 1, .size = {1, 1, 3}, .window = {1, 1, 3}, .table = {7, 7, 7}},
	{.n = 1, .c = 16, .heads = 1, .size = {8, 9, 10}, .window = {7, 7, 7}, .shift = {3, 3, 3}, .table = {7, 7, 7}},
	{.n = 1, .c = 16, .heads = 2, .size = {8, 7, 9}, .window = {7, 7, 7}, .shift = {3, 0, 3}, .table = {7, 7, 7}},
	{.n = 2, .c = 16, .heads = 2, .size = {4, 7, 3}, .window = {3, 2, 3}, .shift = {1, 1, 0}, .table = {3, 4, 5}, .turned = 1},
	{.n = 1, .c = 24, .heads = 1, .size = {3, 4, 5}, .window = {3, 4, 5}, .table = {3, 4, 5}},
	{.n = 1, .c = 64, .heads = 2, .size = {4, 3, 7}, .window = {4, 3, 3}, .shift = {0, 0, 1}, .table = {4, 3, 3}},
	{.n = 1, .c = 3, .heads = 3, .size = {1, 1, 1}, .window = {1, 1, 1}, .table = {7, 7, 7}},
	{.n = 2, .c = 16, .heads = 2, .size = {1, 9, 10}, .window = {1, 7, 7}, .shift = {0, 3, 3}, .table = {1, 7, 7}}, /* of slices */
	{.n = 2, .c = 12, .heads = 3, .size = {1, 5, 7}, .window = {1, 4, 3}, .shift = {0, 2, 1}, .table = {1, 4, 3}, .turned = 1},
};

/* Forward of bf16. Queries and keys up to `size`: of large ones the largest score is far below what their lengths allow; a scale of which nothing is
   lost where queries are kept in powers of 2 keeps those to be compared. */
static void half_case(struct k_attention g, double size)
{
	const int64_t vox = g.n * g.size[0] * g.size[1] * g.size[2], rows = (2 * g.table[0] - 1) * (2 * g.table[1] - 1) * (2 * g.table[2] - 1);
	struct pair qkv = pair_new(vox * 3 * g.c, size), bias = pair_new(3 * g.c, 1), table = pair_new(rows * g.heads, 1), y = pair_new(vox * g.c, 0);
	float *got[2], *copy = k->alloc(sizeof *copy * (size_t)(qkv.n + 1), &e);
	double off;
	int bad = 0;

	g.scale = size > 4 ? 0.693147181f : 1 / sqrtf((float)(g.c / g.heads));
	memcpy(copy, qkv.f, sizeof *copy * (size_t)qkv.n);
	const struct k_attention_args x = {elements(copy, qkv.n), bias.f, table.f, {0}};

	for (int i = 0; i < 2; i++) {
		void *scratch, *out = k->alloc(sizeof(float) * (size_t)(y.n + 1), &e);

		omp_set_num_threads(i + 1);
		scratch = k->alloc(k->attention_scratch(&g, 0), &e);
		bad |= k->attention_forward(&g, &x, out, scratch, &e);
		got[i] = floats(out, y.n);
		k->release(scratch);
	}
	ref_attention(&g, &(struct ref_attention){.qkv = qkv.d, .bias = bias.d, .table = table.d, .y = y.d});
	off = worst(got[0], y.d, y.n, 1, 1, 4e-3 * size, 8e-3);
	ok(!bad && off <= 1 && !memcmp(got[0], got[1], sizeof(float) * (size_t)y.n),
		"bf16: window %lld,%lld,%lld, %lld heads of %lld, queries up to %g: %.2g of the tolerance, the same with one thread and two",
		(long long)g.window[0], (long long)g.window[1], (long long)g.window[2], (long long)g.heads, (long long)(g.c / g.heads), size, off);
	k->release(got[0]), k->release(got[1]), k->release((void *)x.qkv);
	pair_free(qkv), pair_free(bias), pair_free(table), pair_free(y);
}

/* -- layer normalisation -- */

static void ref_layer(const struct k_layer *g, const double *x, const double *gamma, const double *beta, double *y)
{
	for (int64_t v = 0; v < g->vox; v++) {
		const double *p = x + v * g->c;
		double mean = 0, var = 0;

		for (int64_t i = 0; i < g->c; i++)
			mean += p[i] / (double)g->c;
		for (int64_t i = 0; i < g->c; i++)
			var += (p[i] - mean) * (p[i] - mean) / (double)g->c;
		for (int64_t i = 0; i < g->c; i++)
			y[v * g->c + i] = (p[i] - mean) / sqrt(var + (double)g->eps) * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);
	}
}

static double layer_off(const struct k_layer *g, struct pair p, const struct pair in[4], struct pair y, const float *got, double had)
{
	const double h = 1e-5;
	double bad = 0;

	for (int j = 0; j < 20 && j < p.n; j++) {
		int64_t i = (int64_t)rng_below(&rng, (uint64_t)p.n);
		double old = p.d[i], up, down;

		p.d[i] = old + h, ref_layer(g, in[0].d, in[1].d, in[2].d, y.d), up = dot(y.d, in[3].d, y.n);
		p.d[i] = old - h, ref_layer(g, in[0].d, in[1].d, in[2].d, y.d), down = dot(y.d, in[3].d, y.n);
		p.d[i] = old;
		bad = fmax(bad, fabs((up - down) / (2 * h) + had - got[i]) / (1 + fabs(got[i])));
	}
	return bad;
}

static void layer_case(int64_t vox, int64_t c)
{
	struct k_layer g = {vox, c, 1e-5f};
	int64_t n = vox * c;
	struct pair in[4] = {pair_new(n, 2), pair_new(c, 1), pair_new(c, 1), pair_new(n, 1)}, y = pair_new(n, 0), ref = pair_new(n, 0);
	struct pair mean = pair_new(vox, 0), rstd = pair_new(vox, 0), dx[2], dp[2];
	double off[4];
	int bad = 0;

	for (int64_t i = 0; i < n; i++)
		in[0].d[i] = in[0].f[i] = in[0].f[i] + 5;
	for (int i = 0; i < 2; i++) {
		void *scratch = k->alloc(k->layer_scratch(&g), &e);

		dx[i] = pair_new(n, 0), dp[i] = pair_new(2 * c, 0);
		for (int64_t j = 0; j < n; j++)
			dx[i].f[j] = 1;
		omp_set_num_threads(i + 1);
		bad |= k->layer_forward(&g, in[0].f, in[1].f, in[2].f, y.f, mean.f, rstd.f, &e);
		bad |= k->layer_backward(&g, in[3].f, in[0].f, in[1].f, mean.f, rstd.f, dx[i].f, 1, dp[i].f, dp[i].f + c, scratch, &e);
		k->release(scratch);
	}
	ref_layer(&g, in[0].d, in[1].d, in[2].d, ref.d);
	off[0] = off_most(y.f, ref.d, n, 1e-5);
	off[1] = layer_off(&g, in[0], in, ref, dx[0].f, 1), off[2] = layer_off(&g, in[1], in, ref, dp[0].f, 0);
	off[3] = layer_off(&g, in[2], in, ref, dp[0].f + c, 0);
	ok(!bad && off[0] <= 1, "layer norm of %lld voxels of %lld: %.2g of the tolerance", (long long)vox, (long long)c, off[0]);
	ok(off[1] < 2e-4 && off[2] < 2e-4 && off[3] < 2e-4, "its gradients: x %.1e, gamma %.1e, beta %.1e", off[1], off[2], off[3]);
	ok(!memcmp(dx[0].f, dx[1].f, sizeof(float) * (size_t)n) && !memcmp(dp[0].f, dp[1].f, sizeof(float) * (size_t)(2 * c)),
	   "the same with one thread and two");
	k->layer_forward(&g, in[0].f, NULL, NULL, y.f, NULL, NULL, &e);
	ref_layer(&g, in[0].d, NULL, NULL, ref.d);
	off[0] = off_most(y.f, ref.d, n, 1e-5);
	ok(off[0] <= 1, "without gamma and beta");
	for (int i = 0; i < 4; i++)
		pair_free(in[i]);
	for (int i = 0; i < 2; i++)
		pair_free(dx[i]), pair_free(dp[i]);
	pair_free(y), pair_free(ref), pair_free(mean), pair_free(rstd);
}

/* -- patch merging -- */

/* Orders: all eight once; one that takes voxels twice, as MONAI's before 1.5; of four the blocks are flat. */
static void merge_case(int parts, const unsigned char order[8], int64_t c)
{
	struct k_merge g = {.n = 2, .c = c, .size = {4, 2, 6}, .parts = parts};
	int64_t n = g.n * 4 * 2 * 6 * c, bad = 0;
	struct pair x = pair_new(n, 1), y = pair_new(n, 0), dx = pair_new(n, 0);
	double forth = 0, back = 0;

	memcpy(g.order, order, sizeof g.order);
	bad |= k->merge_forward(&g, x.f, y.f, &e);
	for (int64_t i = 0; i < n; i++) {
		int64_t deep = parts / 4, v = i / (parts * c), part = i / c % parts, w = v % 3, h = 0, d = v / 3 % (4 / deep), b = v / 3 / (4 / deep);
		int64_t from = ((b * 4 + deep * d + (order[part] >> 2)) * 2 + 2 * h + (order[part] >> 1 & 1)) * 6 + 2 * w + (order[part] & 1);

		bad |= y.f[i] != x.f[from * c + i % c];
	}
	ok(!bad, "patch merging of %d times %lld channels", parts, (long long)c);
	for (int64_t i = 0; i < n; i++)
		y.d[i] = 2 * rng_uniform(&rng) - 1, forth += y.f[i] * (float)y.d[i], y.f[i] = (float)y.d[i];
	k->merge_backward(&g, y.f, dx.f, 0, &e);
	for (int64_t i = 0; i < n; i++)
		back += (double)dx.f[i] * x.f[i];
	ok(fabs(forth - back) < 1e-4, "its backward is its transpose: %g, %g", forth, back);
	k->merge_backward(&g, y.f, dx.f, 1, &e);
	forth = back, back = 0;
	for (int64_t i = 0; i < n; i++)
		back += (double)dx.f[i] * x.f[i];
	ok(fabs(2 * forth - back) < 1e-4, "added to what is there");
	pair_free(x), pair_free(y), pair_free(dx);
}

/* In a GPU's place windows of 343 take long: there each such case is done `once`, in one precision with drop-out, of two windows with
   padding. That regions and padding are on every axis the smaller windows show, these that tokens are of several blocks, the last not full. */
static int dear(size_t i)
{
	return getenv("SIM_WALL") && cases[i].window[0] * cases[i].window[1] * cases[i].window[2] == 343;
}

static int done_here(size_t i, int once)
{
	return once || !dear(i);
}

static struct k_attention here(size_t i)
{
	struct k_attention g = cases[i];

	if (dear(i))
		g.size[0] = 8, g.size[1] = g.size[2] = 7, g.shift[0] = 3, g.shift[1] = g.shift[2] = 0;
	return g;
}

static void attention_cases(size_t once)
{
	for (size_t i = 0; k && i < sizeof cases / sizeof *cases; i++) {
		if (done_here(i, 0))
			attention_case(here(i), 0);
		if (done_here(i, i == once))
			attention_case(here(i), 0.3f);
	}
}

static void bare_cases(size_t once)
{
	for (size_t i = 0; k && i < sizeof cases / sizeof *cases; i++)
		if (done_here(i, i == once))
			bare_case(here(i), i % 2 ? 0.3f : 0);
}

int main(void)
{
	rng_init(&rng, 2, RNG_TEST, 0);
	k = cpu(K_FP32);
	if (!k)
		return tap_done();
	if (wanted(K_FP32))
		attention_cases(6);
	k = cpu(K_BF16);
	attention_cases(7);
	bare_cases(sizeof cases);
	k = cpu(K_FP32);
	if (wanted(K_FP32))
		bare_cases(6);
	layer_case(1, 1), layer_case(3, 5), layer_case(7, 16), layer_case(130, 48), layer_case(37, 384), layer_case(2500, 12);
	layer_case(130, 24), layer_case(41, 29);
	merge_case(8, (const unsigned char[]){0, 4, 2, 1, 6, 5, 3, 7}, 5), merge_case(8, (const unsigned char[]){0, 4, 2, 1, 5, 2, 1, 7}, 16);
	merge_case(4, (const unsigned char[8]){0, 2, 1, 3}, 5), merge_case(4, (const unsigned char[8]){0, 1, 2, 3}, 16);
	k = cpu(K_BF16);
	for (size_t i = 0; k && i < sizeof cases / sizeof *cases; i++)
		half_case(here(i), 1.5), half_case(here(i), 12);
	return tap_done();
}
