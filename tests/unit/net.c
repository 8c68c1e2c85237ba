/* lib/net: networks against MONAI's and nnU-Net's own numbers (tests/golden/make_unet.py, make_arch.py), plans, models. */
#include "tests/unit/cpu.h"

#include <omp.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/net/run/checkpoint.h"
#include "lib/net/run/net_run.h"
#include "lib/stream/stream.h"

static const struct k_backend *k;
static struct err e;

static const char *const CASES[] = {
	"unet-plain", "unet-res1", "unet-res2", "unet-aniso", "unet-k5", "unet-affine", "unet-step3",
	"arch-unet-batch", "arch-unet-group", "arch-unet-swish", "arch-unet-mish", "arch-unet-elu", "arch-unet-tanh", "arch-unet-sigmoid", "arch-unet-drop",
	"arch-plain", "arch-plain-deep", "arch-plain-first", "arch-resenc", "arch-resenc-deep", "arch-dynunet", "arch-dynunet-deep", "arch-dynunet-res",
	"arch-segresnet", "arch-segresnet-deconv", "arch-segresnet-drop", "arch-attention",
	"arch-unet-relu6", "arch-unet-selu", "arch-unet-celu", "arch-unet-gelutanh", "arch-unet-swishalpha", "arch-unet-prelus", "arch-dynunet-celu",
	"arch-segresnet-old", "arch-unet-softmax", "arch-unet-local", "arch-dynunet-local", "arch-segresnet-local", "arch-segresnet-one",
	"arch-segresnet-bare", "arch-basicunet", "arch-basicunet-none", "arch-basicunet-drop", "arch-basicunet-odd",
	"arch-segresnetds", "arch-segresnetds-aniso", "arch-segresnetds-flat",
	"arch-unet-alpha",
	"arch-flat-unet", "arch-flat-unet-y", "arch-flat-unet-x", "arch-flat-basicunet-odd", "arch-flat-plain-deep", "arch-flat-resenc-y",
	"arch-flat-dynunet-deep", "arch-flat-segresnet", "arch-flat-segresnetds", "arch-flat-attention",
};
static const struct { const char *name; struct k_loss terms; } LOSSES[] = {
	{"loss.dicece_squared", {.w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f}},
	{"loss.dicece", {.w_dice = 0.7f, .w_ce = 1.3f, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f}},
	{"loss.dice", {.w_dice = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f}},
	{"loss.dice_foreground", {.w_dice = 1, .squared = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f}},
	{"loss.dice_batch", {.w_dice = 1, .batch = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f}},
	{"loss.ce", {.w_ce = 1}},
};

/* Differences from the peers' numbers: of the largest logit, of a loss, a running statistic, a gradient (in bf16: of all as one vector, since those
   that are nothing but rounding in fp32 are that in bf16 too), five steps' losses, and of inference after training. In bf16 logits and gradients are
   also to be no more than AS_FAR times as far as torch's own autocast is (tests/golden/make_half.py), and losses of steps may be so far. */
static const struct allowed { double logits, loss, running, gradient, steps, after; } FP32 = {1e-4, 1e-5, 1e-5, 1e-3, 1e-3, 1e-5},
	BF16 = {3e-2, 1e-2, 1e-2, 3e-1, 2e-2, 3e-2};
static struct allowed allowed;
#define AS_FAR 2.2 /* 1.5 at most measured, but 2.1 for arch-attention with SSE2 alone */

/* oneDNN's convolutions, where they are asked for, round weights to bf16 and sums of gradients twice: with SSE4.1, AVX and AVX2 alike up to 2.4 times
   as far, losses of steps up to 2.1e-2 off. Their weight gradients of fp32 depend on the number of threads (onednn.h). */
#define AS_FAR_ONEDNN 3
#define STEPS_ONEDNN 3e-2

static int by_onednn(void)
{
	const char *asked = getenv("NIIPIPE_CONV");

	return asked && !strcmp(asked, "onednn");
}

static double as_far(void)
{
	return by_onednn() ? AS_FAR_ONEDNN : AS_FAR;
}

/* A case's tolerances */
static struct allowed allowed_of(const char *name)
{
	struct allowed a = k->precision == K_BF16 ? BF16 : FP32;
	FILE *f = k->precision == K_BF16 ? fopen("tests/golden/half.tsv", "r") : NULL;
	char line[200], is[100];
	double logits, gradient, steps;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%99s %lf %lf %lf", is, &logits, &gradient, &steps) == 4 && !strcmp(is, name)) {
			a.logits = fmin(a.logits, as_far() * logits);
			a.gradient = as_far() * gradient;
			a.steps = fmax(a.steps, as_far() * steps);
		}
	if (f && by_onednn())
		a.steps = fmax(a.steps, STEPS_ONEDNN);
	if (f)
		fclose(f);
	return a;
}

/* [n,c,vox] to [n,vox,c] */
static void channels_last(float *to, const float *from, int64_t n, int64_t c, int64_t vox)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < c; j++)
			for (int64_t v = 0; v < vox; v++)
				to[(i * vox + v) * c + j] = from[(i * c + j) * vox + v];
}

/* Where the backend can read a case's labels: those of the last one asked for */
static const uint8_t *labels(const struct frame *f)
{
	static uint8_t *own;
	const struct tensor *t = frame_find(f, "label");

	k->release(own);
	own = on_device(k, t->data, t->size);
	return own;
}

static void set_input(struct net *n, const struct frame *f)
{
	const struct tensor *t = frame_find(f, "input");

	channels_last(net_input(n), t->data, t->shape[0], t->shape[1], net_vox(n) / t->shape[0]);
}

/* Largest difference over largest magnitude. */
static double relative(const float *a, const float *b, int64_t count)
{
	double d = 0, m = 0;

	for (int64_t i = 0; i < count; i++) {
		d = fmax(d, fabs((double)a[i] - b[i]));
		m = fmax(m, fabs((double)b[i]));
	}
	return d / m;
}

static void logits(struct net *n, const struct frame *f, const char *name, const char *mode, const char *tensor)
{
	const struct tensor *t = frame_find(f, tensor);
	float *want = malloc(t->size);
	const float *got;
	double off = NAN;

	channels_last(want, t->data, t->shape[0], t->shape[1], net_vox(n) / t->shape[0]);
	set_input(n, f);
	got = net_forward(n, &e);
	if (got)
		off = relative(got, want, tensor_count(t));
	ok(off < allowed.logits, "%s: logits, %s (%.1e)", name, mode, off);
	free(want);
}

/* Logits part by part, put together, and how many parts there were */
struct gathered { const struct net *n; float *to; int64_t parts, next; int bad; };

static int gather(void *arg, int64_t i, int64_t d, int64_t nd, const float *logits, struct err *ignored)
{
	struct gathered *g = arg;
	const struct plan_value *v = &g->n->plan->value[g->n->graph->out];
	const int64_t deep = g->n->deep, slice = v->size[0] * v->size[1] * v->size[2] / deep * v->c;

	(void)ignored;
	g->bad |= i * deep + d != g->next;
	g->next += nd;
	g->parts++;
	memcpy(g->to + (i * deep + d) * slice, logits, sizeof *logits * (size_t)(nd * slice));
	return 0;
}

static int stop(void *arg, int64_t i, int64_t d, int64_t nd, const float *logits, struct err *said)
{
	(void)arg, (void)nd, (void)logits;
	return i || d ? err_set(said, NULL, "enough") : 0;
}

static int in_parts, headed; /* networks whose logits came so, and what their last operation is given */

/* Logits of what comes, by the last operation's definition; those of the network in bf16 were rounded to that, and so were its weights */
struct beheaded { struct net *n; struct net_head h; const float *want; int64_t vox; double worst; };

static int behead(void *arg, int64_t i, int64_t d, int64_t nd, const float *f, struct err *said)
{
	struct beheaded *b = arg;
	const struct plan_value *v = &b->n->plan->value[b->n->graph->out];
	const int64_t plane = v->size[1] * v->size[2];
	const float *want = b->want + (i * v->size[0] + d) * plane * v->c;

	(void)said;
	b->vox += nd * plane;
	for (int64_t x = 0; x < nd * plane; x++, f += b->h.features, want += v->c)
		for (int64_t o = 0; o < v->c; o++) {
			double sum = b->h.b ? b->h.b[o] : 0;

			for (int64_t c = 0; c < b->h.features; c++)
				sum += (double)b->h.w[o * b->h.features + c] * f[c];
			b->worst = fmax(b->worst, fabs(sum - want[o]) / (1 + fabs(sum)));
		}
	return 0;
}

static void features(struct net *n, const struct frame *f, const float *want, const char *name)
{
	const struct plan_value *v = &n->plan->value[n->graph->out];
	struct beheaded b = {.n = n, .want = want};

	if (!net_head(n, &b.h))
		return;
	headed++;
	set_input(n, f);
	ok(!net_forward_features(n, behead, &b, &e) && b.vox == v->vox &&
		b.worst < (k->precision == K_BF16 ? 1.0 / 128 : 1e-5), "%s: what its last operation is given: %g", name, b.worst);
}

static void parts(struct net *n, const struct frame *f, const char *name)
{
	const struct plan_value *v = &n->plan->value[n->graph->out];
	const size_t count = (size_t)(v->vox * v->c);
	float *want = malloc(count * sizeof *want), *got = malloc(count * sizeof *got);
	const float *whole;

	for (int threads = 1; threads <= 2; threads++) {
		struct gathered g = {n, got};

		omp_set_num_threads(threads);
		set_input(n, f);
		whole = net_forward(n, &e);
		if (threads == 1 && whole)
			memcpy(want, whole, count * sizeof *want);
		set_input(n, f);
		ok(whole && !net_forward_parts(n, gather, &g, &e) && !g.bad && g.next == n->plan->batch * n->deep && !memcmp(got, want, count * sizeof *got),
			"%s: %d threads, the same logits in %lld parts", name, threads, (long long)g.parts);
		in_parts += g.parts > n->plan->batch;
	}
	features(n, f, want, name);
	set_input(n, f);
	if (n->plan->tail.slices || n->plan->batch > 1)
		ok(net_forward_parts(n, stop, NULL, &e) == -1 && !strcmp(e.text, "enough"), "%s: who takes them can stop", name);
	free(want), free(got);
}

static void losses(struct net *n, const struct frame *f, const char *name)
{
	const uint8_t *label = labels(f);

	for (size_t i = 0; i < sizeof LOSSES / sizeof *LOSSES; i++) {
		const struct tensor *t = frame_find(f, LOSSES[i].name);
		double want = t ? *(double *)t->data : 0, out[3] = {0};

		if (!t || n->graph->heads)
			continue;
		net_loss(n, &LOSSES[i].terms, label, out, &e);
		ok(near_to(out[0], want, 0, allowed.loss), "%s: %s %.7f, MONAI %.7f", name, LOSSES[i].name, out[0], want);
	}
}

/* Every gradient: its norm, and its values. The gradient of a bias in front of a norm is nothing but rounding in MONAI, 0 here:
   all is measured against the largest. */
static void gradients(struct net *n, const struct frame *f, const char *name)
{
	const struct net_param *p;
	double out[3], largest = 0, worst = 0, worst_norm = 0, all = 0, off = 0;
	int count;

	net_zero_grad(n, &e);
	if (net_backward(n, &LOSSES[0].terms, labels(f), out, &e))
		printf("# %s\n", e.text);
	ok(near_to(out[0], *(double *)frame_find(f, LOSSES[0].name)->data, 0, allowed.loss), "%s: the loss with its gradient, %.7f", name, out[0]);
	p = net_params(n, &count);
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < count; i++) {
			char key[300];
			const struct tensor *t;
			double a = 0, b = 0, m = 0, d = 0;

			snprintf(key, sizeof key, "grad.%s", p[i].name);
			t = frame_find(f, key); /* absent: no part in any output */
			for (int64_t j = 0; j < p[i].count; j++) {
				double want = t ? (double)((float *)t->data)[j] : 0;

				a += (double)p[i].g[j] * p[i].g[j], b += want * want;
				m = fmax(m, fabs(want)), d = fmax(d, fabs((double)p[i].g[j] - want));
				off += pass ? (p[i].g[j] - want) * (p[i].g[j] - want) : 0;
			}
			if (pass == 0) {
				largest = fmax(largest, m);
				all += b;
				continue;
			}
			worst = fmax(worst, d / (m + 1e-3 * largest));
			worst_norm = fmax(worst_norm, fabs(sqrt(a) - sqrt(b)) / (sqrt(b) + 1e-3 * largest));
			if (k->precision == K_FP32 && d > allowed.gradient * (m + 1e-3 * largest))
				printf("# %s: off by %g of %g\n", p[i].name, d, m);
		}
	if (k->precision == K_BF16) {
		ok(sqrt(off / all) < allowed.gradient, "%s: all gradients (%.1e, torch's autocast %.1e)", name, sqrt(off / all), allowed.gradient / as_far());
		return;
	}
	ok(worst < allowed.gradient, "%s: gradients' values (%.1e)", name, worst);
	ok(worst_norm < allowed.gradient, "%s: gradients' norms (%.1e)", name, worst_norm);
}

/* Running statistics after one batch */
static void buffers(struct net *n, const struct frame *f, const char *name)
{
	const struct net_param *p;
	double worst = 0;
	int count;

	p = net_buffers(n, &count);
	for (int i = 0; i < count; i++) {
		char key[300];
		const struct tensor *t;

		snprintf(key, sizeof key, "after.%s", p[i].name);
		t = frame_find(f, key);
		worst = fmax(worst, !t ? 1e30 : p[i].whole ? fabs((double)p[i].w[0] - (double)*(int64_t *)t->data) : relative(p[i].w, t->data, p[i].count));
	}
	if (count)
		ok(worst < allowed.running, "%s: %d running statistics (%.1e)", name, count, worst);
}

static void steps(struct net *n, const struct frame *f, const char *name)
{
	const double *want = frame_find(f, "steps")->data;
	float *w, *g, *m, *v;
	int64_t total;
	double worst = 0, out[3];

	net_block(n, &w, &g, &total);
	m = k->alloc((size_t)total * sizeof *m, &e), v = k->alloc((size_t)total * sizeof *v, &e);
	k->zero(m, (size_t)total * sizeof *m, &e), k->zero(v, (size_t)total * sizeof *v, &e);
	for (int i = 0; i < 5; i++) {
		const struct k_optim a = {.lr = 1e-2, .decay = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = i + 1, .scale = 1};

		set_input(n, f);
		net_zero_grad(n, &e);
		if (!net_forward(n, &e) || net_backward(n, &LOSSES[0].terms, labels(f), out, &e) || k->optimize(&a, w, g, m, v, total, &e))
			printf("# %s\n", e.text);
		net_changed(n);
		worst = fmax(worst, fabs(out[0] - want[i]) / want[i]);
	}
	ok(worst < allowed.steps, "%s: losses of five AdamW steps (%.1e)", name, worst);
	k->release(m), k->release(v);
}

/* The inference plan takes over what the training plan has learnt, and back; one thread and two give the same bytes. */
static void to_and_fro(struct net *n, const struct frame *f, const char *name)
{
	const struct tensor *t = frame_find(f, "input");
	int64_t count = net_vox(n) * net_classes(n), total;
	float *first = malloc((size_t)count * sizeof *first), *grad, *w, *g;
	double out[3];
	const float *l;

	net_block(n, &w, &g, &total);
	grad = malloc((size_t)total * sizeof *grad);
	for (int threads = 1; threads <= 2; threads++) {
		omp_set_num_threads(threads);
		set_input(n, f);
		net_zero_grad(n, &e);
		l = net_forward(n, &e);
		if (threads == 1)
			memcpy(first, l, (size_t)count * sizeof *first);
		else
			ok(!memcmp(first, l, (size_t)count * sizeof *first), "%s: same logits with one thread and two", name);
		net_backward(n, &LOSSES[0].terms, labels(f), out, &e);
		if (threads == 1)
			memcpy(grad, g, (size_t)total * sizeof *grad);
		else if (k->precision == K_BF16 || !by_onednn())
			ok(!memcmp(grad, g, (size_t)total * sizeof *grad), "%s: same gradients with one thread and two", name);
	}
	net_plan(n, t->shape[0], t->shape + 2, 0, &e);
	set_input(n, f);
	l = net_forward(n, &e);
	if (!n->graph->buffer_floats) /* else it takes the running statistics */
		ok(l && relative(l, first, count) < allowed.after, "%s: inference after training (%.1e)", name, l ? relative(l, first, count) : NAN);
	free(first), free(grad);
}

/* No two buffers that live at the same time overlap. */
static void arena(struct net *n, const char *name)
{
	const struct plan *p = n->plan;
	int clash = 0;

	for (int i = 0; i < p->bufs; i++)
		for (int j = 0; j < i; j++) {
			const struct plan_buf *a = &p->buf[i], *b = &p->buf[j];

			clash += a->last >= b->first && b->last >= a->first && a->at < b->at + b->bytes && b->at < a->at + a->bytes;
		}
	ok(!clash && p->arena <= n->arena_bytes, "%s: the arena's %d buffers keep out of each other's way", name, p->bufs);
}

static int golden_open(const char *name, struct frame *f, struct stream **s, struct model *m, struct net **n)
{
	char path[300];
	struct frame first = {0};
	int bad;

	snprintf(path, sizeof path, "tests/golden/%s.ts", name);
	*s = stream_open(path, &e);
	bad = !*s || stream_next(*s, &first, &e) != 1 || stream_next(*s, f, &e) != 1 || model_net(m, path, k, n, &e);
	frame_free(&first);
	ok(!bad, "%s: opens%s%s", name, bad ? ": " : "", bad ? e.text : "");
	return bad;
}

static void training(struct net *n, const struct frame *f, const char *name)
{
	logits(n, f, name, "training", frame_find(f, "logits_train") ? "logits_train" : "logits");
	buffers(n, f, name);
	losses(n, f, name);
	gradients(n, f, name);
	steps(n, f, name);
	to_and_fro(n, f, name);
}

static void golden(const char *name)
{
	struct frame f = {0};
	struct stream *s;
	struct model m;
	struct net *n;
	const struct tensor *t;

	allowed = allowed_of(name);
	if (golden_open(name, &f, &s, &m, &n))
		return;
	t = frame_find(&f, "input");
	ok(net_channels(n) == t->shape[1] && net_classes(n) == frame_find(&f, "logits")->shape[1], "%s: channels and classes", name);
	ok(!net_plan(n, t->shape[0], t->shape + 2, 0, &e), "%s: plan for inference", name);
	logits(n, &f, name, "inference", "logits");
	parts(n, &f, name);
	arena(n, name);
	ok(!net_plan(n, t->shape[0], t->shape + 2, 1, &e), "%s: plan for training", name);
	arena(n, name);
	if (frame_find(&f, LOSSES[0].name))
		training(n, &f, name);
	net_free(n);
	model_close(&m);
	frame_free(&f);
	stream_close(s);
}

static json_t *arch_of(const char *target, const char *options)
{
	int nnunet = strstr(target, "Conv") || strstr(target, "Enc");
	char text[900];

	snprintf(text, sizeof text, "{\"_target_\": \"%s\", \"%s\": 1, \"%s\": 2%s%s}", target, nnunet ? "input_channels" : "in_channels",
		nnunet ? "num_classes" : "out_channels", *options ? ", " : "", options);
	return json_loads(text, 0, NULL);
}

static const char SMALL[] = "\"channels\": [4, 8], \"strides\": [2]";

static struct net *small_net(const char *more)
{
	char text[400];
	json_t *a;
	struct net *n;

	snprintf(text, sizeof text, "%s%s%s", SMALL, *more ? ", " : "", more);
	a = arch_of("UNet", text);
	n = net_new(a, k, &e);
	json_decref(a);
	return n;
}

#define UNET "\"channels\": [4, 8], \"strides\": [2]"
#define STAGES "\"n_stages\": 2, \"features_per_stage\": 4, \"kernel_sizes\": 3, \"strides\": [1, 2], \"n_conv_per_stage_decoder\": 1, "
#define PLAIN STAGES "\"n_conv_per_stage\": 1"
#define RESENC STAGES "\"n_blocks_per_stage\": 1"
#define DYN "\"kernel_size\": 3, \"strides\": [1, 2, 2], \"upsample_kernel_size\": 2"

/* Options that are refused, each by its name. */
static void options(void)
{
	static const struct { const char *target, *more, *says; } bad[] = {
		{"UNet", "\"channels\": [4], \"strides\": []", "channels must be a list of 2 to 12 whole numbers"},
		{"UNet", "\"channels\": [4, 8], \"strides\": []", "strides must be a list of 1, one fewer than channels"},
		{"UNet", "\"channels\": [4, 8], \"strides\": [[2, 2]]", "strides must be one or three whole numbers in 1..8"},
		{"UNet", UNET ", \"kernel_size\": 2", "kernel_size must be one or three odd numbers in 1..15"},
		{"UNet", UNET ", \"spatial_dims\": 4", "spatial_dims must be 3"},
		{"UNet", UNET ", \"dropout\": 1", "dropout must be a number from 0 to below 1"},
		{"UNet", UNET ", \"act\": \"SOFTSIGN\"", "act 'SOFTSIGN' is not known (there are PRELU, RELU, LEAKYRELU, RELU6, ELU, SELU, CELU, GELU, SWISH, "
			"MEMSWISH, MISH, SIGMOID, TANH, SOFTMAX, LOGSOFTMAX)"},
		{"UNet", UNET ", \"act\": [\"softmax\", {\"dim\": 2}]", "act: dim must be 1, the channels, or null"},
		{"UNet", UNET ", \"act\": \"GEGLU\"", "act GEGLU halves the last axis of a volume, and MONAI's own networks fail with it"},
		{"UNet", UNET ", \"act\": [\"GELU\", {\"approximate\": \"erf\"}]", "act: approximate must be \"none\" or \"tanh\""},
		{"UNet", UNET ", \"act\": [\"CELU\", {\"alpha\": 0}]", "act: alpha must be a number of at least 0.0001"},
		{"UNet", UNET ", \"act\": [\"PRELU\", {\"init\": \"0\"}]", "act: init must be a number"},
		{"UNet", UNET ", \"act\": [\"PRELU\", {\"num_parameters\": 3}]", "model.0.adn.A: a PReLU of 3 parameters has 4 channels"},
		{"UNet", UNET ", \"dropout\": [\"FEATUREDROPOUT\", {\"p\": 0.1}]", "dropout 'FEATUREDROPOUT' is not known (there are DROPOUT, ALPHADROPOUT)"},
		{"UNet", UNET ", \"dropout\": [\"dropout\", {\"p\": 2}]", "dropout: p must be a number from 0 to below 1"},
		{"UNet", UNET ", \"act\": [\"PRELU\", {\"slope\": 1}]", "act: option 'slope' is not known"},
		{"UNet", UNET ", \"norm\": \"RMS\"", "norm 'RMS' is not known (there are INSTANCE, INSTANCE_NVFUSER, BATCH, SYNCBATCH, GROUP, LOCALRESPONSE)"},
		{"UNet", UNET ", \"norm\": [\"LAYER\", {\"normalized_shape\": [8]}]",
			"norm LAYER takes volumes of one size alone, its normalized_shape, and MONAI's own networks fail with it where a stride changes the size"},
		{"UNet", UNET ", \"norm\": \"LOCALRESPONSE\"", "norm: option 'size' is missing"},
		{"UNet", UNET ", \"norm\": [\"LOCALRESPONSE\", {\"size\": 256}]", "norm: size must be a whole number in 1..255"},
		{"UNet", UNET ", \"norm\": [\"LOCALRESPONSE\", {\"size\": 5, \"alpha\": -1}]", "norm: alpha must be a number of at least 0"},
		{"UNet", UNET ", \"norm\": \"GROUP\"", "norm: option 'num_groups' is missing"},
		{"UNet", UNET ", \"norm\": [\"GROUP\", {\"num_groups\": 3}]", "model.0.adn.N: 4 channels do not make 3 groups"},
		{"UNet", UNET ", \"adn_ordering\": \"NAN\"", "adn_ordering must be made of N, D and A, each once at most"},
		{"UNet", UNET ", \"bias\": 1", "bias must be true or false"},
		{"UNet", UNET ", \"num_res_units\": 2.5", "num_res_units must be a whole number in 0..16"},
		{"UNet", UNET ", \"dropuot\": 0", "option 'dropuot' is not known"},
		{"PlainConvUNet", "\"n_stages\": 1", "n_stages must be a whole number in 2..12"},
		{"PlainConvUNet", PLAIN ", \"strides\": [1]", "strides must have 2 entries, not 1"},
		{"PlainConvUNet", PLAIN ", \"conv_op\": \"torch.nn.Conv1d\"", "conv_op must be Conv3d"},
		{"PlainConvUNet", PLAIN ", \"dropout_op\": \"torch.nn.Dropout3d\"", "dropout_op must be null"},
		{"PlainConvUNet", PLAIN ", \"norm_op\": \"torch.nn.LayerNorm\"",
			"norm_op 'LayerNorm' is not known (there are InstanceNorm3d, BatchNorm3d, SyncBatchNorm)"},
		{"PlainConvUNet", PLAIN ", \"norm_op\": 3", "norm_op must be the name of a class, or null"},
		{"PlainConvUNet", PLAIN ", \"norm_op\": \"InstanceNorm3d\", \"norm_op_kwargs\": {\"epsilon\": 1}", "norm_op_kwargs: option 'epsilon' is not known"},
		{"PlainConvUNet", PLAIN ", \"nonlin\": \"torch.nn.Softsign\"",
			"nonlin 'Softsign' is not known (there are PReLU, ReLU, LeakyReLU, ReLU6, ELU, SELU, CELU, GELU, SiLU, Mish, Sigmoid, Tanh, "
				"Softmax, LogSoftmax)"},
		{"PlainConvUNet", PLAIN ", \"strides\": [2, 2]", "the logits are 2 times smaller than the input along w"},
		{"ResidualEncoderUNet", RESENC ", \"block\": \"x.BottleneckD\"", "block must be BasicBlockD"},
		{"ResidualEncoderUNet", RESENC ", \"bottleneck_channels\": 8", "bottleneck_channels must be null"},
		{"DynUNet", "\"strides\": [1, 2]", "strides must be a list of 3 to 12"},
		{"DynUNet", DYN ", \"upsample_kernel_size\": [2, 3]", "upsample_kernel_size must be strides without the first"},
		{"DynUNet", DYN ", \"kernel_size\": [3, 3, 1], \"strides\": [1, 2, 3], \"upsample_kernel_size\": [2, 3]",
			"a kernel of kernel_size is smaller than its stride"},
		{"DynUNet", DYN ", \"deep_supr_num\": 2", "deep_supr_num must be 1"},
		{"SegResNet", "\"blocks_up\": [1]", "blocks_up must have 3 entries, one fewer than blocks_down"},
		{"SegResNet", "\"blocks_down\": 3", "blocks_down must be a list of 1 to 12 whole numbers"},
		{"SegResNet", "\"upsample_mode\": \"pixelshuffle\"", "upsample_mode must be \"nontrainable\" or \"deconv\""},
		{"SegResNet", "\"init_filters\": 12", "down_layers.0.1.norm1: 12 channels do not make 8 groups"},
		{"BasicUNet", "\"features\": [4, 8, 16]", "features must have 6 entries, not 3"},
		{"BasicUNet", "\"features\": 1", "features must be a whole number in 2..4096, or a list of them"},
		{"BasicUNet", "\"upsample\": \"pixelshuffle\"", "upsample must be \"deconv\""},
		{"SegResNetDS", "\"blocks_up\": [1]", "blocks_up must have 3 entries, one fewer than blocks_down"},
		{"SegResNetDS", "\"preprocess\": \"x\"", "preprocess must be null"},
		{"SegResNetDS", "\"resolution\": [1, 0, 1]", "resolution must be three numbers above 0, or null"},
		{"SegResNetDS", "\"upsample_mode\": \"pixelshuffle\"", "upsample_mode must be \"nontrainable\" or \"deconv\""},
		{"VNet", "\"in_channels\": 3", "in_channels must divide 16"},
		{"VNet", "\"dropout_prob\": 0.3", "dropout_prob is MONAI's old name: say dropout_prob_down and dropout_prob_up"},
		{"VNet", "\"dropout_prob_up\": 0.3", "dropout_prob_up must be a list of two rates, the first of which may be null"},
		{"VNet", "\"dropout_prob_up\": [0.3, null]", "dropout_prob_up must be a list of two rates, the first of which may be null"},
		{"VNet", "\"dropout_prob_up\": [0.3, 1.5]", "dropout_prob_up must be a number from 0 to below 1"},
		{"VNet", "\"act\": null", "act must be a word, or a list of a word and its options"},
		{"VNet", "\"spatial_dims\": 4", "spatial_dims must be 3"},
		{"UNETR", "\"feature_size\": 8", "option 'img_size' is missing"},
		{"UNETR", "\"img_size\": 24", "img_size must be multiples of 16"},
		{"UNETR", "\"img_size\": 32, \"num_heads\": 7", "num_heads: 7 does not divide the hidden_size of 768"},
		{"UNETR", "\"img_size\": 32, \"proj_type\": \"sincos\"", "proj_type must be \"conv\" or \"perceptron\""},
		{"AttentionUnet", "\"channels\": [1, 8], \"strides\": [2]", "channels must be whole numbers in 2..4096"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char says[300];
		json_t *a = arch_of(bad[i].target, bad[i].more);
		struct net *n = net_new(a, k, &e);

		snprintf(says, sizeof says, "%s: %s", bad[i].target, bad[i].says);
		ok(!n && !strcmp(e.text, says), "refused: %s", n ? "no" : e.text);
		net_free(n);
		json_decref(a);
	}
}

static void sizes(void)
{
	struct net *n = small_net("\"num_res_units\": 2");
	const int64_t odd[3] = {8, 7, 6}, good[3] = {8, 6, 10};

	ok(net_plan(n, 1, odd, 0, &e) &&
	   !strcmp(e.text, "input of 6,7,8 voxels (x,y,z) does not fit the network "
		"(layer model.0.conv.unit0.conv): it takes multiples of 2,2,2, as 6,8,8"), "%s", e.text);
	ok(!net_plan(n, 1, good, 1, &e), "a size that fits after one that does not");
	net_free(n);
}

static void init(void)
{
	struct net *n = small_net("\"num_res_units\": 2");
	const struct net_param *p;
	int count;
	double most = 0, sum = 0;

	net_init(n, 7, &e);
	p = net_params(n, &count);
	ok(count == 21 && !strcmp(p[0].name, "model.0.conv.unit0.conv.weight"), "first %s", p[0].name);
	ok(!strcmp(p[2].name, "model.0.conv.unit0.adn.A.weight"), "%d parameters", count);
	ok(p[2].w[0] == 0.25f, "PReLU begins at 0.25");
	for (int64_t i = 0; i < p[3].count; i++)
		most = fmax(most, fabs(p[3].w[i])), sum += p[3].w[i];
	ok(most <= 1 / sqrt(27 * 4) && most > 0.95 / sqrt(27 * 4) && fabs(sum / (double)p[3].count) < 0.01,
	   "%s within 1 / sqrt(fan_in): %g", p[3].name, most);
	net_free(n);
}

/* Writes n's weights to path, with a change; returns what net_load says of it. */
static const char *reload(struct net *n, const char *path, void (*change)(struct frame *))
{
	struct frame f = {0};
	struct out o;
	struct model m;
	struct net *again = NULL;
	char *arch = json_dumps(net_arch(n), 0);

	frame_init(&f, "model", "test", &e);
	frame_set_meta(&f, "arch", arch, &e);
	frame_set_meta(&f, "replay", "[]", &e);
	net_store(n, &f, &e);
	change(&f);
	if (out_open(&o, path, 1, &e) || frame_write(&f, &o, &e) || out_close(&o, &e))
		return e.text;
	frame_free(&f);
	free(arch);
	if (model_net(&m, path, k, &again, &e))
		return e.text;
	net_free(again);
	model_close(&m);
	return "";
}

static void as_is(struct frame *f) { (void)f; }
static void drop(struct frame *f) { frame_drop(f, "model.0.conv.weight"); }
static void not_a_number(struct frame *f) { ((float *)frame_find(f, "model.0.conv.weight")->data)[5] = NAN; }
static void no_arch(struct frame *f) { frame_set_meta(f, "arch", NULL, &e); }
static void bad_arch(struct frame *f) { frame_set_meta(f, "arch", "{\"_target_\": \"QNet\"}", &e); }
static void patch(struct frame *f) { frame_set_meta(f, "kind", "patch", &e); }

static void extra(struct frame *f)
{
	const int64_t shape[1] = {2};
	float *p = frame_add(f, "model.0.adn.N.weight", DT_F32, 1, shape, &e)->data;

	p[0] = p[1] = 0;
}

static void wrong_shape(struct frame *f)
{
	const int64_t shape[2] = {4, 27};

	memset(frame_add(f, "model.0.conv.weight", DT_F32, 2, shape, &e)->data, 0, 4 * 27 * 4);
}

/* Bad models, each refused in a line. */
static void models(void)
{
	static const struct { void (*change)(struct frame *); const char *says; } cases[] = {
		{as_is, ""},
		{drop, "1 of its tensors do not fit the network: missing model.0.conv.weight"},
		{extra, "1 of its tensors do not fit the network: extra model.0.adn.N.weight"},
		{wrong_shape, "1 of its tensors do not fit the network: wrong model.0.conv.weight [4,27] (needs [4,1,3,3,3])"},
		{not_a_number, "model.0.conv.weight holds nan at place 5: not a weight"},
		{no_arch, "the model has no 'arch' in its metadata (offset 0)"},
		{bad_arch, "architecture 'QNet' is not known (there are UNet, BasicUNet, PlainConvUNet, ResidualEncoderUNet, DynUNet, SegResNet, "
			"SegResNetDS, AttentionUnet, SwinUNETR, UNETR, VNet)"},
		{patch, "is not a model: its first frame is of kind 'patch', not 'model' (offset 0)"},
	};
	struct net *n = small_net("");
	char path[100];

	net_init(n, 1, &e);
	snprintf(path, sizeof path, "/tmp/niipipe-net-%ld.ts", (long)getpid());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *says = reload(n, path, cases[i].change), *after = says;

		if (!strncmp(says, path, strlen(path)))
			after = says + strlen(path) + 2;
		ok(!strcmp(after, cases[i].says), "model: %s", *says ? after : "loads");
	}
	unlink(path);
	net_free(n);
}

/* A model's replay against the history of a frame. */
static void replay(void)
{
	static const char wants[] = "[{\"tool\": \"nii-resample\", \"args\": {\"spacing\": [1, 1, 3]}}]";
	static const char done[] = "[{\"tool\": \"nii-read\", \"version\": \"0\", \"args\": {}}, "
		"{\"tool\": \"nii-resample\", \"version\": \"0\", \"args\": {\"spacing\": [1, 1, %d]}}]";
	struct model m = {.replay = json_loads(wants, 0, NULL)};
	struct frame f = {0};
	char text[300];

	frame_init(&f, "volume", "test", &e);
	snprintf(text, sizeof text, done, 3);
	frame_set_meta(&f, "history", text, &e);
	ok(!model_check_replay(&m, &f, &e), "the same preparation");
	snprintf(text, sizeof text, done, 2);
	frame_set_meta(&f, "history", text, &e);
	ok(model_check_replay(&m, &f, &e), "%s", e.text);
	frame_set_meta(&f, "history", "[]", &e);
	ok(model_check_replay(&m, &f, &e), "%s", e.text);
	frame_free(&f);
	json_decref(m.replay);
}

int main(void)
{
	for (int p = K_BF16; p && (k = cpu(p)); p--)
		for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
			golden(CASES[i]);
	if (!k)
		return tap_done();
	ok(in_parts || !device_is_host(k), "%d times logits came in parts", in_parts);
	ok(headed || !device_is_host(k), "%d times what a last operation is given came in their place", headed);
	options();
	sizes();
	init();
	models();
	replay();
	return tap_done();
}
