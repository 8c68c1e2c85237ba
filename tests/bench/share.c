/* Shares of a device's ceilings: operations that move memory, of the bandwidth of a copy (bytes read and written), and convolutions and attention,
   of the rate of a large matrix product; both are measured here, first. Bytes are the fewest that must move in the passes an operation needs. A row
   each: what, milliseconds (the least of some runs), GB/s or TFLOP/s, share in percent; of what moves memory also the share of the bandwidth of a
   copy of as many bytes: what starting it, waiting for it and the cache are to a small one. Every operation is given the same numbers, whatever the
   others left. --size: voxels on an axis, of 32 channels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/base/rng.h"
#include "lib/net/run/device.h"

enum { CHANNELS = 32, CLASSES = 3, BUFFERS = 4 };

/* Every buffer: as many floats as the volume has elements, all of them random; of activations, too. */
struct bench {
	const struct k_backend *k;
	int64_t side, vox, n, elem, weights, repeats; /* elem: bytes of an activation; weights: of the largest convolution, if there are any */
	int64_t room;                                 /* elements of a buffer */
	void *v[BUFFERS];
	float *f[BUFFERS], *random, *small;
	uint8_t *label;
	void *scratch;
	struct k_conv *conv;
	int64_t bytes; /* that the row's operation moves */
	double copy, rate;
};

typedef int run_fn(const struct bench *b, struct err *e);

/* A copy of half the row's bytes, in parts of a buffer at most */
static int copied(const struct bench *b, struct err *e)
{
	const int64_t most = b->room * (int64_t)sizeof(float);
	int bad = 0;

	for (int64_t left = b->bytes / 2; left > 0 && !bad; left -= most)
		bad = b->k->copy(b->f[1], b->f[0], (size_t)(left < most ? left : most), K_ON_DEVICE, e);
	return bad;
}

/* All buffers with the same random numbers from 0 to 1 */
static int refill(const struct bench *b, struct err *e)
{
	int bad = 0;

	for (int i = 0; i < BUFFERS && !bad; i++)
		bad = b->k->copy(b->f[i], b->random, (size_t)b->room * sizeof(float), K_ON_DEVICE, e) ||
			b->k->from_floats(b->v[i], 0, b->random, b->room, 1, 0, e);
	return bad;
}

/* -- norms, of the volume with 32 channels, and with 2 (UNet's last level) ---- */
static struct k_norm norm_of(const struct bench *b, int64_t c, enum k_norm_kind norm, enum k_act_kind act)
{
	return (struct k_norm){.n = 1, .vox = b->n / c, .c = c, .norm = norm, .act = act, .alphas = 1, .slope = 0.01f, .eps = 1e-5f};
}

static int norm_forward(const struct bench *b, struct k_norm g, int res, struct err *e)
{
	const struct k_norm_fwd a = {.x = b->v[0], .y = b->v[1], .res = res ? b->v[2] : NULL, .mean = b->small, .rstd = b->small + CHANNELS};

	return b->k->norm_forward(&g, &a, b->scratch, e);
}

static int norm_backward(const struct bench *b, struct k_norm g, struct err *e)
{
	const struct k_norm_bwd a = {.dy = b->v[0], .x = b->v[1], .dx = b->v[2], .mean = b->small, .rstd = b->small + CHANNELS};

	return b->k->norm_backward(&g, &a, b->scratch, e);
}

static int norm_run(const struct bench *b, struct err *e) { return norm_forward(b, norm_of(b, CHANNELS, K_NORM_INSTANCE, K_ACT_LRELU), 0, e); }
static int norm_res(const struct bench *b, struct err *e) { return norm_forward(b, norm_of(b, CHANNELS, K_NORM_INSTANCE, K_ACT_LRELU), 1, e); }
static int norm_back(const struct bench *b, struct err *e) { return norm_backward(b, norm_of(b, CHANNELS, K_NORM_INSTANCE, K_ACT_LRELU), e); }
static int norm_two(const struct bench *b, struct err *e) { return norm_forward(b, norm_of(b, 2, K_NORM_INSTANCE, K_ACT_LRELU), 0, e); }
static int norm_two_back(const struct bench *b, struct err *e) { return norm_backward(b, norm_of(b, 2, K_NORM_INSTANCE, K_ACT_LRELU), e); }
static int gelu(const struct bench *b, struct err *e) { return norm_forward(b, norm_of(b, CHANNELS, K_NORM_NONE, K_ACT_GELU), 0, e); }
static int gelu_back(const struct bench *b, struct err *e) { return norm_backward(b, norm_of(b, CHANNELS, K_NORM_NONE, K_ACT_GELU), e); }

/* -- layers of 48 channels, slices, resolutions --------------------------------------- */
static struct k_layer layer_of(const struct bench *b)
{
	return (struct k_layer){b->n / 48, 48, 1e-5f};
}

static int layer(const struct bench *b, struct err *e)
{
	const struct k_layer g = layer_of(b);

	return b->k->layer_forward(&g, b->v[0], NULL, NULL, b->v[1], b->f[2], b->f[3], e);
}

static int layer_back(const struct bench *b, struct err *e)
{
	const struct k_layer g = layer_of(b);

	return b->k->layer_backward(&g, b->v[0], b->v[1], NULL, b->f[2], b->f[3], b->v[2], 0, b->small, b->small + 48, b->scratch, e);
}

static int slice(const struct bench *b, struct err *e)
{
	return b->k->slice_copy(b->v[1], CHANNELS, b->v[0], CHANNELS / 2, b->vox, CHANNELS / 2, 0, e);
}

static int slice_added(const struct bench *b, struct err *e)
{
	return b->k->slice_copy(b->v[1], CHANNELS, b->v[0], CHANNELS, b->vox, CHANNELS, 1, e);
}

static int dropped(const struct bench *b, struct err *e)
{
	const struct k_drop g = {.rate = 0.2f};

	return b->k->drop(&g, b->v[0], CHANNELS, b->v[1], CHANNELS, b->vox, CHANNELS, 0, e);
}

static int scaled(const struct bench *b, enum k_scale_kind kind, int back, struct err *e)
{
	const struct k_scale g = {.kind = kind, .n = 1, .c = CHANNELS, .small = {b->side / 2, b->side / 2, b->side / 2}, .factor = {2, 2, 2}};

	return b->k->scale(&g, back, b->v[0], b->v[1], 0, e);
}

static int pooled(const struct bench *b, struct err *e) { return scaled(b, K_SCALE_MEAN, 0, e); }
static int pooled_back(const struct bench *b, struct err *e) { return scaled(b, K_SCALE_MEAN, 1, e); }
static int enlarged(const struct bench *b, struct err *e) { return scaled(b, K_SCALE_LINEAR, 0, e); }
static int enlarged_back(const struct bench *b, struct err *e) { return scaled(b, K_SCALE_LINEAR, 1, e); }
static int to_floats(const struct bench *b, struct err *e) { return b->k->to_floats(b->f[0], b->v[0], CHANNELS, b->vox, CHANNELS, e); }
static int from_floats(const struct bench *b, struct err *e) { return b->k->from_floats(b->v[0], CHANNELS, b->f[0], b->vox, CHANNELS, 0, e); }

/* -- losses, windows, steps ------------------------------------------------------------ */
static const struct k_loss DICECE = {.k = CLASSES, .w_dice = 1, .w_ce = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};

static int lost(const struct bench *b, struct err *e)
{
	struct k_loss g = DICECE;
	double out[3];

	g.n = 1, g.vox = b->vox;
	if (b->k->loss_later) /* as a step has it, nothing waits */
		return b->k->loss_later(&g, b->f[0], b->label, b->f[1], (double *)(void *)(b->small + 512), b->scratch, e);
	return b->k->loss(&g, b->f[0], b->label, b->f[1], out, b->scratch, e);
}

static int blended(const struct bench *b, struct err *e)
{
	const int64_t s = b->side;
	const struct k_blend g = {.k = CLASSES, .roi = {s, s, s}, .slab = {s, s, s}, .weight = {{b->f[1], b->f[1], b->f[1]}, 0}};

	return b->k->window_blend(&g, b->f[0], b->f[2], b->f[3], e);
}

static int gathered(const struct bench *b, struct err *e)
{
	const int64_t s = b->side;
	const struct k_gather g = {.c = 1, .size = {s, s, s}, .roi = {s, s, s}};

	return b->k->window_gather(&g, b->f[0], b->f[1], e);
}

static int stepped(const struct bench *b, struct err *e)
{
	const struct k_optim a = {.lr = 3e-4, .decay = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1, .scale = 1};

	return b->k->optimize(&a, b->f[0], b->f[1], b->f[2], b->f[3], b->n, e);
}

/* Bytes: of activations for each element of the volume; and for each element, or each voxel, beyond those */
static const struct { const char *name; run_fn *run; double wide, each, vox; } moves[] = {
	{"instance norm + leaky ReLU", norm_run, 3, 0, 0}, {"instance norm + leaky ReLU + residual", norm_res, 4, 0, 0},
	{"instance norm + leaky ReLU, backward", norm_back, 5, 0, 0}, {"instance norm of 2 channels", norm_two, 3, 0, 0},
	{"instance norm of 2 channels, backward", norm_two_back, 5, 0, 0}, {"GELU", gelu, 2, 0, 0}, {"GELU, backward", gelu_back, 3, 0, 0},
	{"layer norm of 48", layer, 2, 0, 0}, {"layer norm of 48, backward", layer_back, 5, 0, 0}, {"into a slice of a concatenation", slice, 1, 0, 0},
	{"added to a value", slice_added, 3, 0, 0}, {"dropout", dropped, 2, 0, 0}, {"mean of 2x2x2", pooled, 1.125, 0, 0},
	{"mean of 2x2x2, backward", pooled_back, 1.125, 0, 0}, {"linear, 2x2x2", enlarged, 1.125, 0, 0},
	{"linear, 2x2x2, backward", enlarged_back, 1.125, 0, 0},
	{"to floats", to_floats, 1, 4, 0}, {"from floats", from_floats, 1, 4, 0}, {"Dice and cross entropy, with gradient", lost, 0, 0, 12.0 * CLASSES + 2},
	{"a window's blend", blended, 0, 0, 12.0 * CLASSES + 8}, {"a window out of an image", gathered, 0, 0, 8}, {"AdamW's step", stepped, 0, 28, 0},
};

/* Milliseconds of a run: the least of three, each of the repeats in a row, waited for together. */
static double time_of(const struct bench *b, run_fn *run, struct err *e)
{
	double best = 1e30;
	float first;

	for (int i = 0; i < 4; i++) {
		const int times = i ? (int)b->repeats : 1; /* the first to warm up */
		double t = progress_now();

		for (int j = 0; j < times; j++)
			if (run(b, e))
				err_die(e);
		if (b->k->copy(&first, b->small, sizeof first, K_TO_HOST, e))
			err_die(e);
		t = (progress_now() - t) * 1e3 / times;
		best = i && t < best ? t : best;
	}
	return best;
}

static void all_moves(struct bench *b, struct err *e)
{
	double ms;

	b->bytes = 2 * b->n * b->elem;
	ms = time_of(b, copied, e), b->copy = (double)b->bytes / ms / 1e6;
	printf("a copy\t%.4f ms\t%.1f GB/s\t100 %%\t100 %%\n", ms, b->copy);
	for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
		double same, rate;

		b->bytes = (int64_t)(moves[i].wide * (double)(b->n * b->elem) + moves[i].each * (double)b->n + moves[i].vox * (double)b->vox);
		same = time_of(b, copied, e);
		if (refill(b, e))
			err_die(e);
		ms = time_of(b, moves[i].run, e), rate = (double)b->bytes / ms / 1e6;
		printf("%s\t%.4f ms\t%.1f GB/s\t%.0f %%\t%.0f %%\n", moves[i].name, ms, rate, 100 * rate / b->copy, 100 * same / ms);
	}
}

/* -- convolutions -------------------------------------------------------------------- */
static int conv_forward(const struct bench *b, struct err *e) { return b->k->conv_forward(b->conv, b->v[0], NULL, b->v[1], b->scratch, e); }
static int conv_biased(const struct bench *b, struct err *e) { return b->k->conv_forward(b->conv, b->v[0], b->f[3], b->v[1], b->scratch, e); }
static int conv_data(const struct bench *b, struct err *e) { return b->k->conv_backward_data(b->conv, b->v[1], b->v[0], 0, b->scratch, e); }
static int conv_added(const struct bench *b, struct err *e) { return b->k->conv_backward_data(b->conv, b->v[1], b->v[0], 1, b->scratch, e); }
static int conv_weights(const struct bench *b, struct err *e)
{
	return b->k->conv_backward_weights(b->conv, b->v[0], b->v[1], b->f[2], NULL, b->scratch, e);
}

/* Channels, kernel and step of each, is it transposed; sizes are the volume's, halved so often that it has room for them. product: the ceiling */
static const struct { const char *name; int64_t ic, oc; int kernel, stride, halved, transposed; } convs[] = {
	{"product 2048x2048", 2048, 2048, 1, 1, 2}, {"3x3x3 32->32", 32, 32, 3, 1, 0}, {"3x3x3 64->32 (half size)", 64, 32, 3, 1, 1},
	{"3x3x3 48->48 (half size)", 48, 48, 3, 1, 1}, {"3x3x3 96->48 (half size)", 96, 48, 3, 1, 1},
	{"3x3x3 64->64 (half size)", 64, 64, 3, 1, 1}, {"3x3x3 128->64 (half size)", 128, 64, 3, 1, 1},
	{"3x3x3 32->64 step 2", 32, 64, 3, 2, 0}, {"3x3x3 128->128 (1/4)", 128, 128, 3, 1, 2}, {"3x3x3 256->256 (1/8)", 256, 256, 3, 1, 3},
	{"3x3x3 2->2", 2, 2, 3, 1, 0}, {"1x1x1 32->2", 32, 2, 1, 1, 0},
	{"3x3x3 1->32", 1, 32, 3, 1, 0}, {"3x3x3 1->16 step 2", 1, 16, 3, 2, 0}, {"3x3x3 32->2 step 2, transposed", 32, 2, 3, 2, 1, 1},
};
static const struct { const char *name; run_fn *run; } passes[] = {
	{"forward", conv_forward}, {"with a bias", conv_biased}, {"data", conv_data}, {"data, added", conv_added}, {"weights", conv_weights},
};

static void conv_rows(struct bench *b, int i, struct err *e)
{
	struct k_conv_geom g = {.n = 1, .ic = convs[i].ic, .oc = convs[i].oc, .train = 1, .xpitch = convs[i].ic, .ypitch = convs[i].oc,
		.transposed = convs[i].transposed};
	const int64_t side = b->side >> convs[i].halved;
	double flop = 2.0 * (double)(g.ic * g.oc);

	for (int a = 0; a < 3; a++) {
		g.in[a] = side, g.kernel[a] = convs[i].kernel, g.stride[a] = convs[i].stride, g.pad[a] = g.kernel[a] / 2;
		g.out[a] = g.transposed ? g.in[a] * g.stride[a] : (g.in[a] + 2 * g.pad[a] - g.kernel[a]) / g.stride[a] + 1;
		flop *= (double)((g.transposed ? g.in[a] : g.out[a]) * g.kernel[a]);
	}
	b->k->release(b->scratch);
	if (!(b->conv = b->k->conv_new(&g, e)) || !(b->scratch = b->k->alloc(b->k->conv_scratch(b->conv), e)) || b->k->conv_pack(b->conv, b->f[1], e))
		err_die(e);
	for (size_t p = 0; p < (i ? sizeof passes / sizeof *passes : 1); p++) {
		double ms = time_of(b, passes[p].run, e), rate = flop / ms / 1e9;

		b->rate = i ? b->rate : rate;
		printf("%s %s\t%.4f ms\t%.2f TFLOP/s\t%.0f %%\n", convs[i].name, passes[p].name, ms, rate, 100 * rate / b->rate);
	}
	b->k->conv_free(b->conv);
}

/* -- window attention: SwinUNETR-48's first stage of a patch of 3/4 of the size -------- */
static struct k_attention attention_of(const struct bench *b, int shift)
{
	const int64_t s = b->side * 3 / 8;
	struct k_attention g = {.n = 1, .c = 48, .heads = 3, .size = {s, s, s}, .table = {7, 7, 7}, .scale = 0.25f};

	for (int i = 0; i < 3; i++)
		g.window[i] = s < 7 ? s : 7, g.shift[i] = s > 7 ? shift : 0;
	return g;
}

static int attention(const struct bench *b, int shift, int back, struct err *e)
{
	const struct k_attention g = attention_of(b, shift);
	const struct k_attention_args a = {.qkv = b->v[0], .bias = b->f[1], .table = b->f[1]};
	const struct k_attention_grads d = {.dy = b->v[1], .dqkv = b->v[2], .dbias = b->f[2], .dtable = b->f[3]};

	return back ? b->k->attention_backward(&g, &a, &d, b->scratch, e) : b->k->attention_forward(&g, &a, b->v[1], b->scratch, e);
}

static int attended(const struct bench *b, struct err *e) { return attention(b, 0, 0, e); }
static int attended_shifted(const struct bench *b, struct err *e) { return attention(b, 3, 0, e); }
static int attended_back(const struct bench *b, struct err *e) { return attention(b, 3, 1, e); }

/* products: of scores by channels, in all */
static const struct { const char *name; run_fn *run; int products; } attentions[] = {
	{"window attention", attended, 2}, {"window attention, shifted", attended_shifted, 2}, {"window attention, shifted, backward", attended_back, 5},
};

static void attention_rows(struct bench *b, struct err *e)
{
	const struct k_attention g = attention_of(b, 0);
	double flop = 2 * (double)g.c;

	for (int i = 0; i < 3; i++)
		flop *= (double)((g.size[i] + g.window[i] - 1) / g.window[i] * g.window[i] * g.window[i]);
	b->k->release(b->scratch);
	if (!(b->scratch = b->k->alloc(b->k->attention_scratch(&g, 1), e)))
		err_die(e);
	for (size_t i = 0; i < sizeof attentions / sizeof *attentions; i++) {
		double ms = time_of(b, attentions[i].run, e), rate = attentions[i].products * flop / ms / 1e9;

		printf("%s\t%.4f ms\t%.2f TFLOP/s\t%.0f %%\n", attentions[i].name, ms, rate, 100 * rate / b->rate);
	}
}

/* -- memory ------------------------------------------------------------------------- */
static int prepare(struct bench *b, struct err *e)
{
	const struct k_norm two = norm_of(b, 2, K_NORM_INSTANCE, K_ACT_LRELU), all = norm_of(b, CHANNELS, K_NORM_INSTANCE, K_ACT_LRELU);
	const struct k_layer l = layer_of(b);
	struct k_loss g = DICECE;
	float *random = mem_new((size_t)b->room, sizeof *random, "numbers", e);
	uint8_t *label = random ? mem_zero((size_t)b->vox, 1, "labels", e) : NULL;
	size_t scratch[4];
	struct rng r;
	int bad = !label;

	rng_init(&r, 1, RNG_TEST, 0);
	for (int64_t i = 0; i < b->room && !bad; i++)
		random[i] = (float)rng_uniform(&r), label[i % b->vox] = (uint8_t)(i % CLASSES);
	for (int i = 0; i < BUFFERS && !bad; i++)
		bad = !(b->v[i] = b->k->alloc((size_t)(b->room * b->elem), e)) || !(b->f[i] = b->k->alloc((size_t)b->room * sizeof(float), e));
	bad = bad || !(b->random = b->k->alloc((size_t)b->room * sizeof(float), e)) ||
		b->k->copy(b->random, random, (size_t)b->room * sizeof(float), K_TO_DEVICE, e);
	g.n = 1, g.vox = b->vox;
	scratch[0] = b->k->norm_scratch(&two), scratch[1] = b->k->norm_scratch(&all), scratch[2] = b->k->layer_scratch(&l);
	scratch[3] = b->k->loss_scratch(&g);
	for (int i = 1; i < 4; i++)
		scratch[0] = scratch[i] > scratch[0] ? scratch[i] : scratch[0];
	bad = bad || !(b->scratch = b->k->alloc(scratch[0], e)) || !(b->small = b->k->alloc(4096, e)) || b->k->zero(b->small, 4096, e) ||
		!(b->label = b->k->alloc((size_t)b->vox, e)) || b->k->copy(b->label, label, (size_t)b->vox, K_TO_DEVICE, e);
	free(random), free(label);
	return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct bench b = {.side = 128, .repeats = 10};
	const char *device = "cuda", *only = "";
	int precision = K_BF16;
	struct arg args[] = {
		{'s', "size", ARG_INT, &b.side, "N", "voxels on an axis (128)", 16, 512},
		{'n', "number", ARG_INT, &b.repeats, "N", "repeats in a row (10)", 1, 1000},
		{0, "device", ARG_STR, &device, "DEVICE", "cpu, cuda or cuda:N (cuda)"},
		{0, "precision", ARG_CHOICE, &precision, DEVICE_PRECISIONS, "of activations (bf16)"},
		{0, "only", ARG_STR, &only, "moves|convs", "one of the two"},
		{0}
	};
	const struct arg_spec spec = {"share", "", "shares of a device's bandwidth and of its rate", args, 0, 0, 0};
	struct arg_common c;
	struct err e;

	setvbuf(stdout, NULL, _IOLBF, 0); /* who runs out of time has had the rows before */
	arg_parse(&spec, argc, argv, &c);
	b.weights = strcmp(only, "moves") ? convs[0].ic * convs[0].oc : 0;
	b.vox = b.side * b.side * b.side, b.n = b.vox * CHANNELS, b.room = b.n > b.weights ? b.n : b.weights;
	if (!(b.k = device_open(device, (enum k_precision)precision, &e)))
		err_die(&e);
	b.elem = b.k->precision == K_BF16 ? 2 : 4;
	if (prepare(&b, &e))
		err_die(&e);
	if (strcmp(only, "convs"))
		all_moves(&b, &e);
	if (refill(&b, &e))
		err_die(&e);
	for (int i = 0; b.weights && i < (int)(sizeof convs / sizeof *convs); i++)
		conv_rows(&b, i, &e);
	if (b.weights)
		attention_rows(&b, &e);
	return 0;
}
