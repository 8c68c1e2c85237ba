/* Speed of the backend's operations on the shapes of a MONAI UNet(3, 1, 2, (16,32,64,128,256), (2,2,2,2), num_res_units=2) at 160x160x64:
   milliseconds (best of several) and GFLOP/s, beside the bare oneDNN primitive. build/bench/kernels [device [word of the name or "" [bf16]]]
   On a busy machine: OMP_NUM_THREADS=1 BENCH_CPU=1 counts processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/onednn.h"
#include "lib/net/run/device.h"

static const struct k_backend *k;
static struct err e;

static double now(void)
{
	struct timespec t;

	clock_gettime(getenv("BENCH_CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *array(int64_t n)
{
	float *p = k->alloc(sizeof *p * (size_t)(n + 16), &e);

	if (!p)
		err_die(&e);
	for (int64_t i = 0; i < n; i++)
		p[i] = (float)(i * 7919 % 1000) / 500 - 1;
	return p;
}

/* Of activations: elements in the precision */
static float *elements(int64_t n)
{
	float *p = array(n), *to = k->precision == K_FP32 ? NULL : array(n);

	if (!to)
		return p;
	if (k->from_floats(to, 0, p, n, 1, 0, &e))
		err_die(&e);
	k->release(p);
	return to;
}

/* Best time of `what`, at least three and until a third of a second is used. */
#define BEST(best, what) \
	do { \
		double all_ = 0; \
		best = 1e9; \
		for (int i_ = 0; i_ < 4 || (all_ < 0.3 && i_ < 30); i_++) { \
			double t_ = now(); \
			if (what) \
				err_die(&e); \
			t_ = now() - t_; \
			all_ += t_; \
			best = t_ < best ? t_ : best; \
		} \
	} while (0)

struct layer { const char *name; int ic, oc, in[3], kernel, stride, transposed, times, no_data; };

static const struct layer layers[] = {
	{"down1 first", 1, 16, {64, 160, 160}, 3, 2, 0, 2, 1},
	{"down1", 16, 16, {32, 80, 80}, 3, 1, 0, 1, 0},
	{"down2 first", 16, 32, {32, 80, 80}, 3, 2, 0, 2, 0},
	{"down2", 32, 32, {16, 40, 40}, 3, 1, 0, 1, 0},
	{"down3 first", 32, 64, {16, 40, 40}, 3, 2, 0, 2, 0},
	{"down3", 64, 64, {8, 20, 20}, 3, 1, 0, 1, 0},
	{"down4 first", 64, 128, {8, 20, 20}, 3, 2, 0, 2, 0},
	{"down4", 128, 128, {4, 10, 10}, 3, 1, 0, 1, 0},
	{"bottom first", 128, 256, {4, 10, 10}, 3, 1, 0, 1, 0},
	{"bottom residual", 128, 256, {4, 10, 10}, 1, 1, 0, 1, 0},
	{"bottom", 256, 256, {4, 10, 10}, 3, 1, 0, 1, 0},
	{"up4 transposed", 384, 64, {4, 10, 10}, 3, 2, 1, 1, 0},
	{"up4", 64, 64, {8, 20, 20}, 3, 1, 0, 1, 0},
	{"up3 transposed", 128, 32, {8, 20, 20}, 3, 2, 1, 1, 0},
	{"up3", 32, 32, {16, 40, 40}, 3, 1, 0, 1, 0},
	{"up2 transposed", 64, 16, {16, 40, 40}, 3, 2, 1, 1, 0},
	{"up2", 16, 16, {32, 80, 80}, 3, 1, 0, 1, 0},
	{"up1 transposed", 32, 2, {32, 80, 80}, 3, 2, 1, 1, 0},
	{"up1", 2, 2, {64, 160, 160}, 3, 1, 0, 1, 0},
	{"other: head", 48, 2, {96, 96, 96}, 1, 1, 0, 0, 0},
	{"other: k2s2", 64, 32, {32, 64, 64}, 2, 2, 1, 0, 0},
	{"other: wide", 32, 32, {64, 128, 128}, 3, 1, 0, 0, 0},
};

static struct k_conv_geom geom_of(const struct layer *l)
{
	struct k_conv_geom g = {.n = 1, .ic = l->ic, .oc = l->oc, .transposed = l->transposed, .train = 1, .xpitch = l->ic,
		.ypitch = l->oc};

	for (int i = 0; i < 3; i++) {
		g.in[i] = l->in[i], g.kernel[i] = l->kernel, g.stride[i] = l->stride, g.pad[i] = l->kernel == 3;
		g.out[i] = l->transposed ? l->in[i] * l->stride : (l->in[i] - 1) / l->stride + 1;
	}
	return g;
}

/* forward, data, weights, packing */
static void conv_times(const struct k_conv_geom *g, float *x, float *w, float *y, float *dw, double ms[4], double bare[4])
{
	struct k_conv *c = k->conv_new(g, &e);
	struct dnn_conv *d = strcmp(k->name, "cpu") ? NULL : dnn_conv_new(g, 0, 1, &e);
	void *scratch;

	if (!c)
		err_die(&e);
	scratch = k->alloc(k->conv_scratch(c) + (d ? dnn_conv_scratch(d) : 0), &e);
	BEST(ms[3], k->conv_pack(c, w, &e));
	BEST(ms[0], k->conv_forward(c, x, NULL, y, scratch, &e));
	BEST(ms[1], k->conv_backward_data(c, y, x, 0, scratch, &e));
	BEST(ms[2], k->conv_backward_weights(c, x, y, dw, NULL, scratch, &e));
	if (d) {
		BEST(bare[3], dnn_conv_pack(d, w, &e));
		BEST(bare[0], dnn_conv_forward(d, x, NULL, y, scratch, &e));
		BEST(bare[1], dnn_conv_backward_data(d, y, x, scratch, &e));
		BEST(bare[2], dnn_conv_backward_weights(d, x, y, dw, scratch, &e));
	}
	k->conv_free(c), dnn_conv_free(d), k->release(scratch);
}

static void conv_table(const char *word)
{
	double sum[4] = {0}, bare_sum[4] = {0};

	printf("%-16s %-34s %27s %27s %27s\n%-51s %s %s %s\n", "convolution", "", "forward", "data", "weights", "", "     ms  GF/s  oneDNN ms/x",
		"     ms  GF/s  oneDNN ms/x",
	       "     ms  GF/s  oneDNN ms/x");
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
		const struct layer *l = &layers[i];
		struct k_conv_geom g = geom_of(l);
		int64_t xvox = g.in[0] * g.in[1] * g.in[2], yvox = g.out[0] * g.out[1] * g.out[2], taps = l->kernel * l->kernel * l->kernel;
		double ms[4], bare[4] = {0}, flop = 2.0 * (double)(taps * g.ic * g.oc * (l->transposed ? xvox : yvox));

		if (word && !strstr(l->name, word))
			continue;
		float *x = elements(xvox * g.ic), *y = elements(yvox * g.oc), *w = array(taps * g.ic * g.oc), *dw = array(taps * g.ic * g.oc);

		conv_times(&g, x, w, y, dw, ms, bare);
		printf("%-16s %3d->%-3d in %3dx%3dx%-3d k%d s%d x%d   ", l->name, l->ic, l->oc, l->in[0], l->in[1], l->in[2], l->kernel, l->stride, l->times);
		for (int j = 0; j < 4; j++) {
			if (j < 3)
				printf(" %7.2f %5.0f %7.2f %4.1fx ", ms[j] * 1e3, flop / ms[j] * 1e-9, bare[j] * 1e3, bare[j] / ms[j]);
			sum[j] += l->times * ms[j] * !(j == 1 && l->no_data), bare_sum[j] += l->times * bare[j] * !(j == 1 && l->no_data);
		}
		putchar('\n'), fflush(stdout);
		k->release(x), k->release(y), k->release(w), k->release(dw);
	}
	printf("%-51s  %7.1f       %7.1f        %7.1f       %7.1f        %7.1f       %7.1f\n", "the net's convolutions", sum[0] * 1e3, bare_sum[0] * 1e3,
		sum[1] * 1e3, bare_sum[1] * 1e3,
	       sum[2] * 1e3, bare_sum[2] * 1e3);
	printf("packing of weights, forward and data: %.1f, oneDNN %.1f ms\n", sum[3] * 1e3, bare_sum[3] * 1e3);
}

struct sheet { const char *name; int64_t vox, c; int res, times, norm, act; };

static const struct sheet sheets[] = {
	{"norm full", 64 * 160 * 160, 2, 0, 1}, {"norm half", 32 * 80 * 80, 16, 0, 2}, {"norm half + res", 32 * 80 * 80, 16, 1, 2}, {"norm 4", 16 * 40 * 40,
		32, 0, 2},
	{"norm 4 + res", 16 * 40 * 40, 32, 1, 2}, {"norm 8", 8 * 20 * 20, 64, 1, 4}, {"norm 16", 4 * 10 * 10, 256, 1, 3},
	{"other: group relu", 96 * 96 * 96, 16, 0, 0, K_NORM_GROUP, K_ACT_RELU}, {"other: batch relu", 96 * 96 * 96, 16, 0, 0, K_NORM_BATCH, K_ACT_RELU},
	{"other: elu", 96 * 96 * 96, 16, 0, 0, K_NORM_INSTANCE, K_ACT_ELU}, {"other: gelu", 96 * 96 * 96, 16, 0, 0, K_NORM_INSTANCE, K_ACT_GELU},
	{"other: swish", 96 * 96 * 96, 16, 0, 0, K_NORM_INSTANCE, K_ACT_SWISH}, {"other: mish", 96 * 96 * 96, 16, 0, 0, K_NORM_INSTANCE, K_ACT_MISH},
	{"other: tanh", 96 * 96 * 96, 16, 0, 0, K_NORM_INSTANCE, K_ACT_TANH},
};

static void norm_table(const char *word)
{
	double sum[2] = {0};

	printf("\n%-16s %-14s %18s %18s\n", "norm + prelu", "", "forward ms  GB/s", "backward ms  GB/s");
	for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++) {
		const struct sheet *s = &sheets[i];
		struct k_norm g = {.n = 1, .vox = s->vox, .c = s->c, .norm = s->norm ? s->norm : K_NORM_INSTANCE,
			.act = s->act ? s->act : K_ACT_PRELU, .groups = 8, .alphas = 1, .slope = 1, .eps = 1e-5f};
		int64_t n = s->vox * s->c;
		double t[2];

		if (word && !strstr(s->name, word))
			continue;
		float *x = elements(n), *y = elements(n), *r = elements(n), *dx = elements(n), *p = array(8 * s->c), alpha = 0.25f, dalpha = 0;
		void *scratch = k->alloc(k->norm_scratch(&g), &e);
		struct k_norm_fwd f = {.x = x, .y = y, .res = s->res ? r : NULL, .alpha = &alpha, .mean = p, .rstd = p + s->c};
		struct k_norm_bwd b = {.dy = y, .x = x, .alpha = &alpha, .mean = p, .rstd = p + s->c, .dx = dx, .dalpha = &dalpha};

		BEST(t[0], k->norm_forward(&g, &f, scratch, &e));
		BEST(t[1], k->norm_backward(&g, &b, scratch, &e));
		printf("%-16s %8lld x %-3lld   %7.2f %6.1f   %7.2f %6.1f\n", s->name, (long long)s->vox, (long long)s->c, t[0] * 1e3,
			(double)(n * (3 + s->res)) * 4e-9 / t[0], t[1] * 1e3,
		       (double)n * 5 * 4e-9 / t[1]);
		sum[0] += s->times * t[0], sum[1] += s->times * t[1];
		k->release(x), k->release(y), k->release(r), k->release(dx), k->release(p), k->release(scratch);
	}
	printf("%-30s  %7.1f          %7.1f\n", "the net's norms", sum[0] * 1e3, sum[1] * 1e3);
}

/* Changes of resolution between 48^3 and 96^3, dropout and gates at 96^3, 16 channels, beside a copy; bytes are those that must move. */
static void scale_table(void)
{
	static const char *const names[2] = {"mean 2x2x2", "linear 2x2x2"};
	int64_t small = 48 * 48 * 48, large = 8 * small, c = 16;
	float *x = elements(large * c), *y = elements(large * c), *gate = elements(large), *dgate = elements(large);
	const struct k_drop drop = {.rate = 0.2f};
	double t;

	printf("\n%-30s %8s %6s\n", "resolution", "ms", "GB/s");
	for (int kind = 0; kind < 2; kind++) {
		const struct k_scale g = {.kind = kind, .n = 1, .c = c, .small = {48, 48, 48}, .factor = {2, 2, 2}};

		for (int back = 0; back < 2; back++) {
			BEST(t, k->scale(&g, back, x, y, 0, &e));
			printf("%-14s %-15s %8.2f %6.1f\n", names[kind], back ? "backward" : "forward", t * 1e3, (double)(small + large) * (double)c * 4e-9 / t);
		}
	}
	BEST(t, k->drop(&drop, x, 0, y, 0, large, c, 0, &e));
	printf("%-30s %8.2f %6.1f\n", "dropout", t * 1e3, (double)(2 * large * c) * 4e-9 / t);
	BEST(t, k->gate(x, 0, gate, y, 0, large, c, &e));
	printf("%-30s %8.2f %6.1f\n", "gate", t * 1e3, (double)(large * (2 * c + 1)) * 4e-9 / t);
	BEST(t, k->gate_back(x, 0, y, 0, gate, y, dgate, 0, 0, large, c, &e));
	printf("%-30s %8.2f %6.1f\n", "gate backward", t * 1e3, (double)(large * (3 * c + 2)) * 4e-9 / t);
	BEST(t, k->slice_copy(y, 0, x, 0, large, c, 0, &e));
	printf("%-30s %8.2f %6.1f\n", "copy", t * 1e3, (double)(2 * large * c) * 4e-9 / t);
	k->release(x), k->release(y), k->release(gate), k->release(dgate);
}

static void other_table(void)
{
	int64_t vox = 64 * 160 * 160, n = 4 << 20;
	float *l = array(2 * vox), *d = array(2 * vox), *w = array(n), *m = array(n), *v = array(n), *g = array(n);
	uint8_t *label = k->alloc((size_t)vox, &e);
	struct k_loss loss = {.n = 1, .vox = vox, .k = 2, .w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};
	struct k_optim a = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .step = 1, .scale = 1};
	void *scratch = k->alloc(k->loss_scratch(&loss), &e);
	double t, out[3];

	for (int64_t i = 0; i < vox; i++)
		label[i] = i % 7 == 0;
	for (int64_t i = 0; i < n; i++)
		v[i] *= v[i];
	printf("\n%-30s %8s %6s\n", "other", "ms", "GB/s");
	BEST(t, k->loss(&loss, l, label, NULL, out, scratch, &e));
	printf("%-30s %8.2f %6.1f\n", "dice + ce, value", t * 1e3, (double)vox * 9e-9 / t);
	BEST(t, k->loss(&loss, l, label, d, out, scratch, &e));
	printf("%-30s %8.2f %6.1f\n", "dice + ce, gradient", t * 1e3, (double)vox * 26e-9 / t);
	BEST(t, k->slice_copy(d, 0, l, 0, vox, 2, 0, &e));
	printf("%-30s %8.2f %6.1f\n", "copy, 13 MB", t * 1e3, (double)vox * 16e-9 / t);
	BEST(t, k->optimize(&a, w, g, m, v, n, &e));
	printf("%-30s %8.2f %6.1f\n", "adamw, 4 M", t * 1e3, (double)n * 28e-9 / t);
	BEST(t, k->sum_squares(g, n, out, &e));
	printf("%-30s %8.2f %6.1f\n", "sum of squares, 4 M", t * 1e3, (double)n * 4e-9 / t);
}

int main(int argc, char **argv)
{
	const char *word = argc > 2 && *argv[2] ? argv[2] : NULL;

	k = device_open(argc > 1 ? argv[1] : "cpu", argc > 3 && !strcmp(argv[3], "bf16") ? K_BF16 : K_FP32, &e);
	if (!k)
		err_die(&e);
	printf("%s\n", k->device);
	conv_table(word);
	norm_table(word);
	if (!word)
		scale_table(), other_table();
	return 0;
}
