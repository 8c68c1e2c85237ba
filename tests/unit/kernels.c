/* kernels/: the CPU backend against plain double-precision references, over odd shapes, and with one thread against two. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "lib/base/rng.h"
#include "tests/ref/ref.h"
#include "tests/unit/pair.h"

struct shape { int n, ic, oc, in[3], kernel[3], stride[3], pad[3], transposed, more[3], xmore, ymore, add; };

static struct k_conv_geom geom_of(const struct shape *s)
{
	struct k_conv_geom g = {.n = s->n, .ic = s->ic, .oc = s->oc, .transposed = s->transposed, .train = 1, .xpitch = s->ic + s->xmore,
		.ypitch = s->oc + s->ymore};

	for (int i = 0; i < 3; i++) {
		g.in[i] = s->in[i], g.kernel[i] = s->kernel[i], g.stride[i] = s->stride[i], g.pad[i] = s->pad[i];
		g.out[i] = s->transposed ? (g.in[i] - 1) * g.stride[i] - 2 * g.pad[i] + g.kernel[i] + s->more[i]
					: (g.in[i] + 2 * g.pad[i] - g.kernel[i]) / g.stride[i] + 1;
	}
	return g;
}

/* Is it a GPU, or this machine in the place of one, and its convolutions cuDNN's? */
static int cudnn(void)
{
	const char *words = getenv("NIIPIPE_CUDA");

	return !strcmp(k->name, "cuda") && !(words && strstr(words, "direct"));
}

/* Convolutions are oneDNN's, or really cuDNN's: their sums are in another order, oneDNN's in one that depends on the threads. */
static int library(void)
{
	return getenv("NIIPIPE_CONV") || (cudnn() && !strstr(k->device, "in a GPU's place"));
}

static int amx(void)
{
	return k->precision == K_BF16 && strstr(k->device, "AMX");
}

/* Are products by AMX our own (kernels/gather_amx.c)? Gradients of weights are always (kernels/wgrad_amx.c). */
static int of_amx(void)
{
	return amx() && !library();
}

static int64_t vox_of(const struct k_conv_geom *g, const int64_t size[3])
{
	return g->n * size[0] * size[1] * size[2];
}

/* What a convolution gave: y, dx, dw, db */
struct result { float *y, *dx, *dw, *db; };

static int run_conv(const struct k_conv_geom *g, const struct shape *s, const struct pair in[5], struct result *r)
{
	int64_t xvox = vox_of(g, g->in), yvox = vox_of(g, g->out), nw = in[1].n;
	int64_t nx = xvox * g->xpitch, ny = yvox * g->ypitch;
	void *x = elements(widen(in[0].f, xvox, g->ic, g->xpitch), nx), *dy = elements(widen(in[3].f, yvox, g->oc, g->ypitch), ny);
	void *y = elements(widen(in[3].f, yvox, g->oc, g->ypitch), ny), *dx = elements(widen(in[4].f, xvox, g->ic, g->xpitch), nx), *scratch = NULL;
	float *among = k->alloc((size_t)(g->oc + 1) * sizeof *among, &e), *bias = among + 1; /* a parameter lies behind others */
	struct k_conv *c = k->conv_new(g, &e);
	int bad = !c;

	memcpy(bias, in[2].f, (size_t)g->oc * sizeof *bias);
	r->dw = widen(in[1].f, nw, 1, 1), r->db = widen(in[2].f, g->oc, 1, 1);
	if (c) {
		scratch = k->alloc(k->conv_scratch(c), &e);
		bad |= k->conv_pack(c, in[1].f, &e) || k->conv_forward(c, x, s->add ? bias : NULL, y, scratch, &e);
		bad |= k->conv_backward_data(c, dy, dx, s->add, scratch, &e) || k->conv_backward_weights(c, x, dy, r->dw, s->add ? r->db : NULL, scratch, &e);
	}
	k->conv_free(c);
	r->y = floats(y, ny), r->dx = floats(dx, nx);
	k->release(x), k->release(dy), k->release(scratch), k->release(among);
	return bad;
}

static void result_free(struct result *r)
{
	k->release(r->y), k->release(r->dx), k->release(r->dw), k->release(r->db);
}

/* What a convolution may be off: of its results' root mean square, and of each.
   A sum in fp32 of n products one after the other errs by 1.8e-8 sqrt(n) of that (standard deviation: its k-th rounding by 0.21 2^-23 of what it has
   grown to, sqrt(k / n)), among millions by 5.5 times as much. Tiles' factors are rounded to bf16 (kernels/tiles.c), 1.7e-3 each, 2.4e-3 a product,
   which Winograd's sums make 25/9 times as much in squares: 3.9e-3, and, of so few products, up to 7 times that. */
static double atol_of(int64_t products, int tiles)
{
	if (k->precision == K_BF16 && (library() || !device_is_host(k)))
		return 2e-2;
	return k->precision == K_BF16 && tiles ? 2.7e-2 : 1e-7 * sqrt((double)products);
}

static int of_tiles(const struct k_conv_geom *g)
{
	return g->kernel[1] == 3 && g->kernel[2] == 3 && g->stride[0] * g->stride[1] * g->stride[2] == 1 && !of_amx();
}

#define RTOL(k) ((k)->precision == K_BF16 ? 4e-3 : 1e-5)

/* In bf16 the weights' gradient may be of rounded sums of voxels (kernels/wgrad_tiles.c: of channels in fours), or rounded itself (cuDNN's; a matrix
   product's is not). */
static int in_tiles(const struct k_conv_geom *g)
{
	const int step = g->stride[0] * g->stride[1] * g->stride[2], taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
	const char *words = getenv("NIIPIPE_CUDA");

	if (amx())
		return 0;
	if (cudnn())
		return taps > 1 || step > 1 || (words && strstr(words, "plain"));
	return g->kernel[1] == 3 && g->kernel[2] == 3 && step == 1 && !(g->ic % 4) && !(g->oc % 4);
}

/* One thread and another number of them: the same bytes. */
static void conv_again(const struct k_conv_geom *g, const struct shape *s, const struct pair in[5], const struct result *r)
{
	const int64_t ny = vox_of(g, g->out) * g->ypitch, nx = vox_of(g, g->in) * g->xpitch;
	const int threads = omp_get_max_threads(), other = threads > 1 ? 1 : 2;
	struct result again;
	int bad;

	omp_set_num_threads(other);
	bad = run_conv(g, s, in, &again);
	omp_set_num_threads(threads);
	bad |= memcmp(r->y, again.y, sizeof(float) * (size_t)ny) || memcmp(r->dx, again.dx, sizeof(float) * (size_t)nx);
	bad |= memcmp(r->dw, again.dw, sizeof(float) * (size_t)in[1].n) || memcmp(r->db, again.db, sizeof(float) * (size_t)g->oc);
	ok(!bad, "%s %s %d->%d: the same with %d threads and %d", PRECISION(k), s->transposed ? "transposed" : "conv", s->ic, s->oc, threads, other);
	result_free(&again);
}

static void conv_case(const struct shape *s)
{
	struct k_conv_geom g = geom_of(s);
	int64_t xvox = vox_of(&g, g.in), yvox = vox_of(&g, g.out), nw = g.ic * g.oc * g.kernel[0] * g.kernel[1] * g.kernel[2];
	struct pair in[5] = {pair_new(xvox * g.ic, 1), pair_new(nw, 1), pair_new(g.oc, 1), pair_new(yvox * g.oc, 1), pair_new(xvox * g.ic, 1)};
	struct pair y = pair_new(yvox * g.oc, 0), dx = pair_copy(in[4]), dw = pair_copy(in[1]), db = pair_copy(in[2]);
	struct ref_conv ref = {in[0].d, in[1].d, in[3].d, y.d, dx.d, dw.d};
	struct result r = {0};
	double off[4] = {9, 9, 9, 9}, bar = library() ? 2 : 1, rtol = RTOL(k);
	double add = s->add && library() && amx() ? 1.1e-2 : 0; /* oneDNN rounds what is added, at most 5.5 rms, by 2^-9 of it */
	int rounded = k->precision == K_BF16 && in_tiles(&g);
	/* oneDNN adds voxel to voxel, as atol_of has it (17->16 in 2x64x200: 1e-7 sqrt(25600) of the root mean square); own kernels' sums are of parts */
	double dw_atol = library() && k->precision != K_BF16 ? fmax(4e-6, atol_of(s->transposed ? xvox : yvox, 0) / bar) : 4e-6;

	if (!s->add)
		memset(dx.d, 0, sizeof(double) * (size_t)dx.n);
	for (int64_t i = 0; s->add && i < y.n; i++)
		y.d[i] = in[2].d[i % g.oc], db.d[i % g.oc] += in[3].d[i];
	ref_conv(&g, ref_product, &ref);
	if (!run_conv(&g, s, in, &r)) {
		off[0] = worst(r.y, y.d, yvox, g.oc, g.ypitch, atol_of(nw / g.oc, of_tiles(&g)) * rms(y.d, y.n) + 1e-6, rtol);
		off[1] = worst(r.dx, dx.d, xvox, g.ic, g.xpitch, (atol_of(nw / g.ic, of_tiles(&g)) + add) * rms(dx.d, dx.n) + 1e-6, rtol);
		off[2] = worst(r.dw, dw.d, nw, 1, 1, (rounded ? atol_of(0, 1) : dw_atol) * rms(dw.d, nw) + 1e-6, rounded ? rtol : 1e-5);
		off[3] = worst(r.db, db.d, g.oc, 1, 1, 1e-5, 1e-5);
	} else {
		printf("# %s\n", e.text);
	}
	ok(off[0] <= bar && off[1] <= bar && off[2] <= bar && off[3] <= bar,
		"%s %s %d->%d n %d in %dx%dx%d kernel %d%d%d stride %d%d%d pad %d%d%d pitch +%d +%d%s: %.2g %.2g %.2g %.2g",
	   PRECISION(k), s->transposed ? "transposed" : "conv", s->ic, s->oc, s->n, s->in[0], s->in[1], s->in[2], s->kernel[0], s->kernel[1],
		s->kernel[2], s->stride[0],
		s->stride[1],
	   s->stride[2], s->pad[0], s->pad[1], s->pad[2], s->xmore, s->ymore, s->add ? " bias, added" : "", off[0], off[1], off[2], off[3]);
	if (!library() && (s->n < 100 || device_is_host(k))) /* in a GPU's place it takes long, and is no other case */
		conv_again(&g, s, in, &r);
	for (int i = 0; i < 5; i++)
		pair_free(in[i]);
	pair_free(y), pair_free(dx), pair_free(dw), pair_free(db);
	result_free(&r);
}

static const struct shape shapes[] = {
	{1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 0},
	{1, 1, 16, {5, 7, 11}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{2, 1, 16, {4, 6, 32}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, {0}, 3, 16, 1},
	{1, 2, 2, {5, 7, 19}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{2, 2, 2, {3, 4, 33}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 2, 1, 1},
	{1, 3, 4, {3, 4, 13}, {3, 3, 1}, {1, 1, 1}, {1, 1, 0}, 0, {0}, 0, 0, 0},
	{1, 4, 1, {1, 5, 16}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 3, 1},
	{1, 5, 7, {3, 5, 7}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 16, 16, {4, 5, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 16, 16, {4, 5, 80}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 16, 16, 1},
	{2, 16, 48, {3, 17, 19}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 3, 16, 1},
	{1, 32, 16, {2, 18, 20}, {2, 3, 3}, {1, 1, 1}, {0, 0, 2}, 0, {0}, 0, 0, 0},
	{1, 16, 16, {9, 22, 24}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 48, 16, {1, 16, 16}, {1, 3, 3}, {1, 1, 1}, {0, 2, 1}, 0, {0}, 0, 0, 1},
	{1, 16, 32, {2, 17, 16}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, {0}, 0, 1, 1},
	{2, 16, 32, {5, 6, 10}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 32, 64, {4, 4, 20}, {3, 3, 3}, {2, 1, 2}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{3, 17, 23, {3, 2, 7}, {3, 3, 3}, {1, 2, 1}, {1, 1, 1}, 0, {0}, 1, 2, 1},
	{1, 64, 64, {2, 10, 10}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 48, 2, {3, 4, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{2, 33, 3, {3, 4, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 3, 3, 1},
	{1, 128, 256, {2, 3, 5}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 8, 12, {6, 6, 6}, {1, 1, 1}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 0},
	{1, 6, 9, {5, 7, 8}, {5, 3, 2}, {3, 2, 1}, {2, 1, 0}, 0, {0}, 0, 0, 0},
	{1, 1, 8, {6, 8, 8}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 16, 24, {3, 3, 3}, {7, 7, 7}, {1, 1, 1}, {3, 3, 3}, 0, {0}, 0, 0, 0},
	{1, 32, 2, {3, 4, 11}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 1, 1}, 0, 0, 1},
	{2, 32, 2, {2, 3, 8}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 1, 1}, 0, 2, 0},
	{1, 64, 16, {3, 4, 7}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 1, 1}, 0, 16, 1},
	{1, 24, 10, {3, 2, 5}, {3, 3, 3}, {2, 1, 2}, {1, 1, 1}, 1, {0, 0, 1}, 2, 0, 1},
	{2, 64, 32, {2, 3, 5}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 32, 0},
	{1, 9, 5, {2, 3, 5}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, 1, {0}, 0, 0, 1},
	{1, 3, 2, {1, 1, 1}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 1, 1}, 0, 0, 1},
	{1, 7, 16, {2, 3, 4}, {2, 3, 4}, {3, 2, 4}, {0, 0, 1}, 1, {1, 1, 2}, 0, 0, 1},
	{1, 24, 24, {7, 9, 11}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{2, 24, 40, {8, 8, 8}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 24, 3, 1},
	{1, 72, 17, {6, 7, 12}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 1, 0, 1},
	{1, 50, 80, {8, 8, 8}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{3, 19, 33, {6, 15, 10}, {3, 3, 3}, {1, 1, 1}, {0, 2, 1}, 0, {0}, 0, 0, 1},
	{2, 40, 24, {8, 9, 8}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, {0}, 5, 0, 1},
	{1, 24, 58, {3, 12, 14}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 40, 24, {7, 10, 14}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 24, 1},
	{2, 16, 56, {7, 9, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 48, 24, {3, 5, 29}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 24, 1},
	{1, 32, 32, {2, 9, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{2, 64, 32, {1, 3, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 8, 32, 1},
	{2, 1, 24, {9, 10, 33}, {3, 3, 3}, {2, 1, 2}, {1, 1, 1}, 0, {0}, 2, 8, 1}, {1, 1, 32, {2, 9, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 1, 48, {4, 9, 18}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 48, 32, {5, 3, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 16, 0}, {1, 96, 48, {5, 3, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 8, 0, 1},
	{2, 24, 72, {2, 5, 17}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 5, 0, 1}, {2, 160, 72, {2, 3, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
};

static void conv_refuses(void)
{
	struct k_conv_geom g = {.n = 1, .ic = 2, .oc = 2, .in = {4, 4, 4}, .out = {4, 4, 5}, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .pad = {1, 1, 1}};

	ok(!k->conv_new(&g, &e) && !strcmp(e.text, "convolution: sizes do not fit (axis x: in 4, out 5, kernel 3, stride 1, padding 1)"), "%s", e.text);
	g.out[2] = 4, g.part = 1, g.in[0] = 6;
	ok(!k->conv_new(&g, &e) && !strcmp(e.text, "convolution: sizes do not fit (axis z: in 6, out 4, kernel 3, stride 1, padding 1)"), "%s", e.text);
}

/* The reference's gradient against finite differences of the reference. */
static void ref_is_right(enum k_norm_kind norm, enum k_act_kind act, int after)
{
	enum { X = 2 * 7 * 4, ALL = 2 * X + 12 };
	struct k_norm g = {.n = 2, .vox = 7, .c = 4, .norm = norm, .groups = 2, .act = act, .alphas = 4, .eps = 1e-5f, .slope = 0.3f, .after = after};
	struct pair x = pair_new(ALL, 1), y = pair_new(X, 0), dy = pair_new(X, 1), dx = pair_new(ALL, 0), st = pair_new(16, 0), run = pair_new(8, 1);
	double *p = x.d + 2 * X, *dp = dx.d + 2 * X, bad = 0, h = 1e-6;
	struct ref_norm a = {x.d, p, p + 4, p + 8, x.d + X, y.d, st.d, st.d + 8, run.d, run.d + 4};

	for (int i = 0; i < 4; i++)
		run.d[4 + i] = 1 + fabs(run.d[4 + i]);
	memset(dp, 0, 12 * sizeof *dp);
	ref_norm_forward(&g, &a);
	ref_norm_backward(&g, &a, dy.d, dx.d, dx.d + X, dp, dp + 4, dp + 8);
	for (int i = 0; i < ALL; i++) {
		double old = x.d[i], diff = 0;

		for (int s = -1; s <= 1; s += 2) {
			x.d[i] = old + s * h;
			ref_norm_forward(&g, &a);
			for (int j = 0; j < X; j++)
				diff += s * y.d[j] * dy.d[j] / (2 * h);
		}
		x.d[i] = old;
		bad = fmax(bad, fabs(diff - dx.d[i]));
	}
	ok(bad < 1e-7, "the reference's norm %d, activation %d, after %d against finite differences: %.1e", norm, act, after, bad);
	pair_free(x), pair_free(y), pair_free(dy), pair_free(dx), pair_free(st), pair_free(run);
}

struct normal { int n, vox, c, norm, act, alphas, affine, res, y2, more, add, groups, after; };

/* What the statistics of batches or instances leave in the running ones */
static double running(const struct k_norm *g, const struct ref_norm *a, const float *got)
{
	double count = (double)(g->norm == K_NORM_BATCH ? g->n * g->vox : g->vox), bad = 0, m = 0.3f;

	for (int64_t c = 0; c < g->c; c++) {
		double var = 0, mean = 0;

		for (int64_t i = c; i < g->n * g->c; i += g->c)
			mean += a->mean[i] / (double)g->n, var += (1 / (a->rstd[i] * a->rstd[i]) - (double)g->eps) / (double)g->n;
		mean = (1 - m) * a->running_mean[c] + m * mean;
		var = (1 - m) * a->running_var[c] + m * var * (count > 1 ? count / (count - 1) : 1);
		bad = fmax(bad, fabs(got[c] - mean) / (1e-6 + 1e-6 * fabs(mean)) + fabs(got[g->c + c] - var) / (1e-6 + 2e-6 * var));
	}
	return bad;
}

static void norm_case(const struct normal *s)
{
	struct k_norm g = {.n = s->n, .vox = s->vox, .c = s->c, .norm = s->norm, .act = s->act, .eps = 1e-5f, .slope = s->act < K_ACT_ELU ? 0.01f : 0.7f,
		.alphas = s->alphas == 1 ? 1 : s->c, .groups = s->groups, .after = s->after, .momentum = 0.3f};
	int64_t nv = g.n * g.vox, c = g.c, pitch = c + s->more;
	struct pair x = pair_new(nv * c, 1), res = pair_new(nv * c, 1), dy = pair_new(nv * c, 1), dy2 = pair_new(nv * c, 1), dx = pair_new(nv * c, 1),
		old = pair_new(nv * c, 1);
	struct pair p = pair_new(3 * c, 1), st = pair_new(2 * g.n * c, 0), y = pair_new(nv * c, 0), dp = pair_new(3 * c, 1), dres = pair_new(nv * c, 0);
	struct pair run = pair_new(2 * c, 1);
	struct ref_norm a = {x.d, s->affine ? p.d : NULL, s->affine ? p.d + c : NULL, p.d + 2 * c, s->res ? res.d : NULL, y.d, st.d, st.d + g.n * c,
		run.d, run.d + c};
	void *scratch;
	double off[7];

	for (int64_t i = c; i < 2 * c; i++)
		run.d[i] = run.f[i] = fabsf(run.f[i]) * (float)(i - c + 1) * (float)(i - c + 1) + 0.1f;
	g.xpitch = g.rpitch = g.dpitch = g.y2pitch = pitch, g.ypitch = s->more ? c + 1 : 0;
	for (int64_t i = 0; i < nv * c; i++)
		x.d[i] = x.f[i] = x.f[i] * (float)(i % c + 1) + 30 * (float)(i % c);
	scratch = k->alloc(k->norm_scratch(&g), &e);
	ref_norm_forward(&g, &a);
	for (int64_t i = 0; i < nv * c; i++) /* at a kink a rounding decides */
		if (fabs(ref_unit(&g, &a, i)) < 1e-4 || fabs(ref_unit(&g, &a, i) - 6) < 1e-4)
			dy.d[i] = dy.f[i] = dy2.d[i] = dy2.f[i] = 0;
	float *wx = widen(x.f, nv, c, pitch), *wr = widen(res.f, nv, c, pitch), *wy = widen(y.f, nv, c, s->more ? c + 1 : c), *wy2 = widen(y.f, nv, c,
		pitch);
	float *wdy = widen(dy.f, nv, c, s->more ? c + 1 : c), *wdy2 = widen(dy2.f, nv, c, pitch), *wdx = widen(old.f, nv, c, pitch), *wdr = widen(old.f, nv,
		c, pitch);
	struct k_norm_fwd f = {.x = wx, .res = s->res ? wr : NULL, .y = wy, .y2 = s->y2 ? wy2 : NULL, .gamma = s->affine ? p.f : NULL,
		.beta = s->affine ? p.f + c : NULL, .alpha = p.f + 2 * c, .mean = st.f, .rstd = st.f + g.n * c, .running_mean = run.f, .running_var = run.f + c};
	struct k_norm_bwd b = {.dy = wdy, .dy2 = s->y2 ? wdy2 : NULL, .x = wx, .res = s->after ? wr : NULL, .dx = wdx, .dres = s->res ? wdr : NULL,
		.dx_add = s->add, .dres_add = s->add, .gamma = f.gamma, .beta = f.beta, .alpha = f.alpha, .mean = f.mean, .rstd = f.rstd,
		.dgamma = dp.f, .dbeta = dp.f + c, .dalpha = dp.f + 2 * c};

	int bad = k->norm_forward(&g, &f, scratch, &e);
	off[0] = worst(wy, y.d, nv, c, s->more ? c + 1 : c, 1e-5 * c, 1e-5);
	off[1] = s->y2 ? worst(wy2, y.d, nv, c, pitch, 1e-5 * c, 1e-5) : 0;
	for (int64_t i = 0; i < nv * c; i++)
		dy.d[i] += s->y2 ? dy2.d[i] : 0;
	ref_norm_backward(&g, &a, dy.d, dx.d, dres.d, dp.d, dp.d + c, dp.d + 2 * c);
	for (int64_t i = 0; s->add && i < nv * c; i++)
		dx.d[i] += old.d[i], dres.d[i] += old.d[i];
	bad |= k->norm_backward(&g, &b, scratch, &e);
	off[2] = worst(wdx, dx.d, nv, c, pitch, 2e-5, 2e-5);
	off[3] = s->res ? worst(wdr, dres.d, nv, c, pitch, s->after ? 1e-5 : 1e-6, 1e-5) : 0;
	off[4] = s->norm || g.act == K_ACT_PRELU ? worst(dp.f + 2 * c, dp.d + 2 * c, g.act == K_ACT_PRELU ? g.alphas : 0, 1, 1,
		1e-5 * c * sqrt((double)g.vox), 1e-5) : 0;
	off[5] = s->norm ? worst(dp.f, dp.d, 2 * c, 1, 1, 2e-5 * sqrt((double)g.vox), 1e-5) : 0;
	off[6] = s->norm == K_NORM_BATCH || s->norm == K_NORM_INSTANCE ? running(&g, &a, run.f) : 0;
	for (int i = 0; i < 7; i++)
		bad |= !(off[i] <= 1);
	ok(!bad, "norm %d/%d act %d n %d vox %d c %d alphas %d affine %d res %d after %d y2 %d pitch +%d add %d: %.2g %.2g %.2g %.2g %.2g %.2g %.2g",
		s->norm, s->groups, s->act, s->n, s->vox, s->c, s->alphas, s->affine, s->res, s->after, s->y2, s->more, s->add, off[0], off[1], off[2], off[3],
		off[4], off[5], off[6]);
	float *all[] = {wx, wr, wy, wy2, wdy, wdy2, wdx, wdr, scratch};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		k->release(all[i]);
	pair_free(x), pair_free(res), pair_free(dy), pair_free(dy2), pair_free(dx), pair_free(old), pair_free(p), pair_free(st), pair_free(y), pair_free(dp);
	pair_free(dres), pair_free(run);
}

static const struct normal normals[] = {
	{1, 1, 1, 1, K_ACT_NONE, 1, 0, 0, 0, 0, 0}, {1, 5000, 1, 1, K_ACT_PRELU, 1, 1, 0, 0, 0, 0}, {1, 70001, 2, 1, K_ACT_PRELU, 1, 0, 0, 0, 0, 0},
	{2, 777, 2, 1, K_ACT_PRELU, 1, 1, 1, 1, 0, 1}, {3, 101, 3, 1, K_ACT_LRELU, 1, 1, 1, 0, 0, 0}, {2, 513, 4, 1, K_ACT_PRELU, 2, 1, 0, 1, 0, 0},
	{1, 1000, 5, 1, K_ACT_RELU, 1, 0, 1, 0, 2, 1}, {2, 97, 8, 1, K_ACT_PRELU, 1, 0, 1, 0, 0, 0}, {2, 3000, 16, 1, K_ACT_PRELU, 1, 0, 1, 1, 16, 1},
	{1, 4096, 16, 1, K_ACT_PRELU, 1, 0, 0, 0, 0, 0}, {2, 211, 32, 1, K_ACT_LRELU, 1, 1, 0, 1, 0, 0}, {1, 100, 48, 1, K_ACT_LRELU, 1, 1, 1, 1, 4, 0},
	{2, 64, 64, 1, K_ACT_PRELU, 2, 1, 0, 0, 0, 1}, {1, 60, 257, 1, K_ACT_PRELU, 1, 1, 1, 0, 0, 0}, {2, 7, 256, 1, K_ACT_NONE, 1, 1, 0, 0, 0, 0},
	{2, 333, 2, 0, K_ACT_NONE, 1, 0, 1, 1, 0, 0}, {1, 333, 16, 0, K_ACT_PRELU, 1, 0, 0, 0, 3, 0}, {1, 1001, 7, 0, K_ACT_LRELU, 1, 0, 1, 0, 0, 1},
	{2, 777, 8, K_NORM_GROUP, K_ACT_RELU, 1, 1, 0, 1, 0, 0, 8}, {2, 501, 8, K_NORM_GROUP, K_ACT_LRELU, 1, 1, 1, 0, 0, 1, 2},
	{1, 1003, 6, K_NORM_GROUP, K_ACT_PRELU, 1, 0, 0, 0, 2, 0, 1}, {2, 300, 48, K_NORM_GROUP, K_ACT_RELU, 1, 1, 0, 1, 16, 1, 8},
	{1, 40000, 2, K_NORM_GROUP, K_ACT_NONE, 1, 1, 0, 0, 0, 0, 1}, {1, 1, 9, K_NORM_GROUP, K_ACT_RELU, 1, 1, 0, 0, 0, 0, 3},
	{2, 901, 3, K_NORM_BATCH, K_ACT_PRELU, 1, 1, 1, 0, 0, 0}, {3, 400, 16, K_NORM_BATCH, K_ACT_RELU, 1, 1, 0, 1, 3, 1},
	{1, 333, 33, K_NORM_BATCH, K_ACT_LRELU, 1, 0, 0, 0, 0, 0}, {2, 1, 5, K_NORM_BATCH, K_ACT_NONE, 1, 1, 0, 0, 0, 0},
	{2, 901, 3, K_NORM_RUNNING, K_ACT_PRELU, 1, 1, 1, 0, 0, 0}, {1, 400, 20, K_NORM_RUNNING, K_ACT_NONE, 1, 0, 0, 1, 3, 1},
	{2, 601, 4, K_NORM_INSTANCE, K_ACT_LRELU, 1, 1, 1, 0, 0, 0, 0, 1}, {1, 601, 17, K_NORM_INSTANCE, K_ACT_RELU, 1, 1, 1, 1, 5, 1, 0, 1},
	{2, 64, 64, K_NORM_BATCH, K_ACT_RELU, 1, 1, 1, 0, 0, 1, 0, 1}, {2, 99, 3, 0, K_ACT_PRELU, 1, 0, 1, 1, 0, 0, 0, 1},
	{2, 601, 4, K_NORM_INSTANCE, K_ACT_ELU, 1, 1, 0, 0, 0, 0}, {1, 601, 5, K_NORM_INSTANCE, K_ACT_GELU, 1, 1, 1, 1, 1, 1},
	{1, 801, 3, 0, K_ACT_GELU, 1, 0, 0, 0, 0, 0}, {2, 333, 16, K_NORM_BATCH, K_ACT_SWISH, 1, 1, 1, 0, 0, 0, 0, 1},
	{1, 333, 16, 0, K_ACT_SWISH, 1, 0, 0, 0, 1, 1}, {2, 601, 7, K_NORM_GROUP, K_ACT_MISH, 1, 1, 1, 0, 0, 0, 7},
	{1, 333, 2, 0, K_ACT_MISH, 1, 0, 0, 0, 0, 0},
	{1, 601, 1, K_NORM_INSTANCE, K_ACT_SIGMOID, 1, 0, 0, 0, 0, 0}, {1, 65, 3, 0, K_ACT_SIGMOID, 1, 0, 1, 0, 0, 0},
	{1, 601, 33, K_NORM_INSTANCE, K_ACT_TANH, 1, 0, 0, 1, 0, 0}, {1, 65, 2, 0, K_ACT_TANH, 1, 0, 0, 0, 0, 0},
	{2, 601, 4, K_NORM_INSTANCE, K_ACT_RELU6, 1, 1, 1, 0, 0, 0}, {1, 333, 3, 0, K_ACT_RELU6, 1, 0, 0, 0, 1, 1},
	{1, 601, 16, K_NORM_GROUP, K_ACT_SELU, 1, 1, 0, 1, 0, 0, 4}, {1, 65, 2, 0, K_ACT_SELU, 1, 0, 1, 0, 0, 0, 0, 1},
	{2, 601, 5, K_NORM_BATCH, K_ACT_CELU, 1, 1, 0, 0, 2, 0}, {1, 65, 2, 0, K_ACT_CELU, 1, 0, 0, 0, 0, 0},
	{2, 601, 24, K_NORM_INSTANCE, K_ACT_LRELU, 1, 0, 1, 1, 24, 0, 0, 1}, {1, 130, 29, K_NORM_INSTANCE, K_ACT_GELU, 1, 1, 1, 1, 3, 1},
	{1, 601, 7, K_NORM_INSTANCE, K_ACT_GELU_TANH, 1, 0, 0, 0, 0, 0}, {1, 65, 2, 0, K_ACT_GELU_TANH, 1, 0, 1, 1, 0, 1},
};

/* A mean far above the deviation, many voxels. */
static void norm_is_exact(void)
{
	int64_t vox = 3000000;
	struct k_norm g = {.n = 1, .vox = vox, .c = 1, .norm = K_NORM_INSTANCE, .eps = 1e-5f};
	struct pair x = pair_new(vox, 1), y = pair_new(vox, 0);
	float *scratch = k->alloc(k->norm_scratch(&g), &e), *st = on_device(k, NULL, 2 * sizeof *st);
	double m = 0, v = 0;

	for (int64_t i = 0; i < vox; i++)
		x.d[i] = x.f[i] += i < vox / 3 ? 1000 : 1010, m += x.d[i] / (double)vox;
	for (int64_t i = 0; i < vox; i++)
		v += (x.d[i] - m) * (x.d[i] - m) / (double)vox;
	struct k_norm_fwd f = {.x = x.f, .y = y.f, .mean = st, .rstd = st + 1};
	ok(!k->norm_forward(&g, &f, scratch, &e) && near_to(st[0], m, 0, 1e-7) && near_to(st[1], 1 / sqrt(v + 1e-5), 0, 1e-6),
		"mean %.9g of %.9g, rstd %.9g of %.9g", (double)st[0], m, (double)st[1],
	   1 / sqrt(v + 1e-5));
	k->release(scratch), k->release(st), pair_free(x), pair_free(y);
}

static void slices(void)
{
	struct pair x = pair_new(31 * 5, 1);
	float *wide = widen(x.f, 31, 5, 8), *back = k->alloc(sizeof(float) * 31 * 5, &e);

	memset(back, 0, sizeof(float) * 31 * 5);
	k->slice_copy(back, 5, wide, 8, 31, 5, 0, &e);
	ok(!memcmp(back, x.f, sizeof(float) * 31 * 5), "slice out of a wider one");
	k->slice_copy(wide, 8, back, 0, 31, 5, 1, &e);
	for (int i = 0; i < 31 * 5; i++)
		x.d[i] *= 2;
	ok(worst(wide, x.d, 31, 5, 8, 1e-6, 0) <= 1, "slice added to a wider one");
	k->release(wide), k->release(back), pair_free(x);
}

static void others_threads(void)
{
	const int threads = omp_get_max_threads();
	int64_t vox = 50021, n = 2 * vox * 2;
	struct k_norm g = {.n = 2, .vox = vox, .c = 2, .norm = K_NORM_INSTANCE, .act = K_ACT_PRELU, .alphas = 1, .eps = 1e-5f};
	struct k_loss l = {.n = 2, .vox = vox, .k = 2, .w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};
	struct pair x = pair_new(n, 3), dy = pair_new(n, 1), y[2] = {pair_new(n, 0), pair_new(n, 0)}, dx[2] = {pair_new(n, 0), pair_new(n, 0)};
	float *alpha = on_device(k, (float[]){0.25f}, sizeof *alpha), *dalpha = on_device(k, NULL, 2 * sizeof *dalpha), *st = on_device(k, NULL,
		16 * sizeof *st);
	uint8_t *label = on_device(k, NULL, (size_t)(2 * vox));
	void *scratch = k->alloc(k->norm_scratch(&g) + k->loss_scratch(&l), &e);
	double out[2][4];
	int bad = 0;

	for (int64_t i = 0; i < 2 * vox; i++)
		label[i] = i % 5 == 0;
	for (int i = 0; i < 2; i++) {
		struct k_norm_fwd f = {.x = x.f, .alpha = alpha, .y = y[i].f, .mean = st + 8 * i, .rstd = st + 8 * i + 4};
		struct k_norm_bwd b = {.dy = dy.f, .x = x.f, .alpha = alpha, .mean = st + 8 * i, .rstd = st + 8 * i + 4, .dx = dx[i].f, .dalpha = &dalpha[i]};

		omp_set_num_threads(i + 1);
		bad |= k->norm_forward(&g, &f, scratch, &e) || k->norm_backward(&g, &b, scratch, &e) || k->sum_squares(x.f, n, &out[i][3], &e);
	}
	bad |= memcmp(y[0].f, y[1].f, sizeof(float) * (size_t)n) || memcmp(dx[0].f, dx[1].f, sizeof(float) * (size_t)n) || memcmp(&dalpha[0], &dalpha[1],
		sizeof *dalpha);
	for (int i = 0; i < 2; i++) {
		omp_set_num_threads(i + 1);
		bad |= k->loss(&l, x.f, label, dx[i].f, out[i], scratch, &e);
	}
	bad |= memcmp(out[0], out[1], sizeof out[0]) || memcmp(dx[0].f, dx[1].f, sizeof(float) * (size_t)n);
	omp_set_num_threads(threads);
	ok(!bad, "norm, loss and sum of squares: the same with one thread and two");
	k->release(label), k->release(alpha), k->release(dalpha), k->release(st), k->release(scratch), pair_free(x), pair_free(dy);
	for (int i = 0; i < 2; i++)
		pair_free(y[i]), pair_free(dx[i]);
}

/* Output planes lo to hi - 1 of a convolution by themselves, to their place. */
static int conv_part(const struct k_conv_geom *whole, int64_t lo, int64_t hi, const float *w, const char *x, char *y)
{
	const int64_t elem = k->precision == K_BF16 ? 2 : 4, pad = whole->pad[0], first = lo > pad ? lo - pad : 0;
	const int64_t end = hi + pad < whole->in[0] ? hi + pad : whole->in[0];
	struct k_conv_geom g = *whole;
	struct k_conv *c;
	void *scratch = NULL;
	int bad;

	g.part = 1, g.in[0] = end - first, g.out[0] = hi - lo, g.pad[0] -= (int)(lo - first);
	c = k->conv_new(&g, &e);
	bad = !c || !(scratch = k->alloc(k->conv_scratch(c), &e)) || k->conv_pack(c, w, &e) ||
	      k->conv_forward(c, x + first * g.in[1] * g.in[2] * g.xpitch * elem, NULL, y + lo * g.out[1] * g.out[2] * g.ypitch * elem, scratch, &e);
	k->conv_free(c);
	k->release(scratch);
	return bad;
}

/* A convolution's planes made two at a time are as near to the reference as all at once. */
static void conv_parts(const struct shape *s)
{
	struct k_conv_geom g = geom_of(s);
	const int64_t xvox = vox_of(&g, g.in), yvox = vox_of(&g, g.out);
	struct pair x = pair_new(xvox * g.ic, 1), w = pair_new(g.ic * g.oc * g.kernel[0] * g.kernel[1] * g.kernel[2], 1), y = pair_new(yvox * g.oc, 0);
	struct ref_conv ref = {.x = x.d, .w = w.d, .y = y.d};
	void *from = elements(widen(x.f, xvox, g.ic, g.xpitch), xvox * g.xpitch), *to = elements(widen(y.f, yvox, g.oc, g.ypitch), yvox * g.ypitch);
	double off = 9;
	float *got;
	int bad = 0;

	g.train = 0;
	ref_conv(&g, ref_product, &ref);
	for (int64_t z = 0; z < g.out[0] && !bad; z += 2)
		bad |= conv_part(&g, z, z + 2 < g.out[0] ? z + 2 : g.out[0], w.f, from, to);
	got = floats(to, yvox * g.ypitch);
	off = worst(got, y.d, yvox, g.oc, g.ypitch, atol_of(w.n / g.oc, of_tiles(&g)) * rms(y.d, y.n) + 1e-6, RTOL(k));
	ok(!bad && off <= (library() ? 2 : 1), "%s: %d->%d, %lld planes two at a time: %.2g", PRECISION(k), s->ic, s->oc, (long long)g.out[0], off);
	k->release(from), k->release(got);
	pair_free(x), pair_free(w), pair_free(y);
}

static void convs(const struct shape *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		conv_case(&s[i]);
}

static void in_parts(void)
{
	static const struct shape more[] = {
		{1, 3, 18, {7, 5, 9}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
		{1, 16, 16, {6, 9, 22}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	};

	if (!device_is_host(k)) /* no other has parts */
		return;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (shapes[i].n == 1 && !shapes[i].transposed && shapes[i].stride[0] == 1 && 2 * shapes[i].pad[0] == shapes[i].kernel[0] - 1)
			conv_parts(&shapes[i]);
	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		conv_parts(&more[i]);
}

/* Steps of more than a voxel to channels that end in half a vector; planes of more rows than a task has */
static const struct shape halves[] = {
	{1, 24, 24, {3, 5, 13}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 24, 1},
	{2, 16, 40, {5, 9, 13}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 17, 16, {2, 64, 200}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 0, 0},
};

/* Many channels to a few: outputs side by side, of two and three classes, and rows that end within a tile; rows read where they are */
static const struct shape fews[] = {
	{1, 16, 16, {3, 9, 20}, {3, 3, 1}, {1, 1, 1}, {1, 1, 0}, 0, {0}, 0, 0, 1},
	{1, 16, 2, {3, 9, 37}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{2, 8, 4, {2, 7, 19}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 3, 0, 0},
	{1, 40, 3, {2, 4, 23}, {1, 3, 5}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 64, 3, {3, 6, 21}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 0, 0}, 0, 0, 1},
	{1, 96, 4, {2, 3, 18}, {3, 4, 4}, {1, 3, 3}, {1, 0, 1}, 1, {0, 1, 1}, 2, 0, 0},
	{1, 16, 1, {3, 5, 40}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 1, {0}, 0, 5, 1},
};

/* As few channels as a network has classes, on both sides, in rows that begin and end within a lane's run; and many, of single taps, to so few */
static const struct shape classes[] = {
	{1, 1, 1, {3, 5, 9}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1}, {2, 2, 2, {9, 17, 40}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 3, 3, {4, 5, 10}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 1, 0, 1}, {2, 4, 4, {3, 6, 13}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 1},
	{1, 4, 4, {2, 9, 21}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 4, 3, 0}, {2, 32, 2, {3, 5, 29}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 48, 2, {5, 9, 11}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 16, 2, 1}, {1, 16, 1, {3, 7, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 0},
	{2, 24, 3, {3, 5, 7}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 8, 1, 1}, {1, 40, 4, {7, 9, 21}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 256, 2, {2, 5, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 0}, {1, 8, 4, {3, 5, 77}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
};

/* 2x2x2 with step 2, both ways: runs that end within 16 voxels, several parts of channels, slices */
static const struct shape twos[] = {
	{1, 64, 32, {3, 5, 19}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 0, 1},
	{2, 48, 48, {2, 3, 33}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 8, 48, 0},
	{1, 128, 64, {2, 3, 16}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 16, 1},
	{1, 16, 16, {1, 2, 5}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 0, 0},
	{2, 16, 32, {4, 6, 38}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 16, 8, 1},
	{1, 32, 96, {6, 4, 18}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 48, 80, {2, 4, 34}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 0},
	{1, 32, 64, {5, 6, 18}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 1},
};

/* A large end of few channels (kernels/gpu/first.c): from one, two, four and eight, to 16 to 96; transposed ones to one and two; of many blocks, so
   that they have eight planes each and a part of the weights' gradient several of them */
static const struct shape firsts[] = {
	{352, 1, 16, {17, 3, 2}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 1, 32, {5, 19, 35}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 2, 16, 1},
	{1, 1, 48, {10, 18, 34}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 1, 24, {3, 11, 20}, {2, 2, 3}, {1, 2, 1}, {0, 1, 1}, 0, {0}, 0, 8, 0},
	{1, 1, 72, {4, 15, 37}, {1, 5, 7}, {1, 2, 3}, {0, 2, 3}, 0, {0}, 1, 0, 1}, {2, 2, 96, {6, 9, 17}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, 0, {0}, 1, 0, 1},
	{1, 2, 32, {7, 17, 19}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 0, {0}, 0, 8, 0}, {1, 4, 32, {8, 18, 34}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 0, {0}, 4, 0, 1},
	{1, 8, 16, {4, 6, 36}, {2, 2, 2}, {1, 2, 2}, {0, 0, 0}, 0, {0}, 0, 0, 1}, {1, 3, 48, {3, 9, 21}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, 0, {0}, 0, 0, 0},
	{1, 32, 2, {5, 9, 17}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, 1, {1, 1, 1}, 0, 0, 1},
	{1, 72, 2, {3, 9, 18}, {3, 3, 3}, {1, 2, 2}, {1, 1, 1}, 1, {0, 1, 0}, 8, 1, 1},
	{2, 96, 1, {2, 10, 17}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 1, {0}, 0, 3, 0}, {1, 24, 3, {4, 8, 16}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, 1, {0}, 0, 0, 1},
};

/* Single taps whose channels are above 32 and no multiple of that, of voxels that are no multiple of 16; those of 3x4x9 oneDNN has wrong with two
   threads (kernels/conv.c). */
static const struct shape products[] = {
	{1, 48, 144, {3, 5, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 0}, {1, 144, 48, {3, 4, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 0, 1},
	{1, 80, 48, {7, 11, 13}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 8, 3, 1}, {1, 48, 48, {1, 1, 7}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 1, {0}, 0, 0, 1},
	{1, 96, 80, {5, 6, 17}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 0, 16, 0}, {1, 34, 16, {3, 4, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, 0, {0}, 1, 0, 1},
};

static void all_convs(void)
{
	convs(shapes, sizeof shapes / sizeof *shapes);
	convs(halves, sizeof halves / sizeof *halves), convs(products, sizeof products / sizeof *products);
	convs(fews, sizeof fews / sizeof *fews), convs(classes, sizeof classes / sizeof *classes);
	convs(firsts, sizeof firsts / sizeof *firsts);
	convs(twos, sizeof twos / sizeof *twos);
}

int main(void)
{
	rng_init(&rng, 1, RNG_TEST, 0);
	k = wanted(K_FP32) ? cpu(K_FP32) : NULL;
	if (k) {
		all_convs();
		conv_refuses();
		for (int norm = K_NORM_NONE; norm <= K_NORM_RUNNING; norm++)
			ref_is_right(norm, K_ACT_PRELU, norm % 2), ref_is_right(norm, K_ACT_MISH, norm % 2 == 0);
		for (int act = K_ACT_NONE; act <= K_ACT_GELU_TANH; act++)
			ref_is_right(K_NORM_INSTANCE, act, 0);
		for (size_t i = 0; i < sizeof normals / sizeof *normals; i++)
			norm_case(&normals[i]);
		norm_is_exact();
		slices();
		others_threads();
		in_parts();
	}
	rng_init(&rng, 2, RNG_TEST, 0);
	k = wanted(K_BF16) ? cpu(K_BF16) : NULL;
	if (k)
		all_convs(), in_parts();
	return tap_done();
}
