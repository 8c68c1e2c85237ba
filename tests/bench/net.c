/* A network (lib/net/arch/arch_preset.h): inference and a training step (DiceCE, AdamW): time, memory, time of every operation, and the sum of its
   convolutions and products each called alone, again and again. --only: one of the two, so that the peak memory is its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/base/outfile.h"
#include "lib/base/progress.h"
#include "lib/base/rng.h"
#include "lib/net/arch/arch.h"
#include "lib/net/arch/arch_preset.h"
#include "lib/net/run/device.h"
#include "lib/net/run/net_run.h"


struct bench {
	const struct k_backend *k;
	struct net *n;
	int64_t size[3], batch, repeats;
	float *m, *v;
	uint8_t *label;
	int detail, net, recompute, precision, tune;
	const char *device, *arch;
	struct out o;
};

static const struct k_loss DICECE = {.w_dice = 1, .w_ce = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};

static int plan(struct bench *b, int train, struct err *e)
{
	struct rng r;
	size_t n;
	float *x;
	uint8_t *label;
	int bad;

	if (net_plan(b->n, b->batch, b->size, train, e))
		return -1;
	n = (size_t)net_vox(b->n);
	x = mem_new(n, sizeof *x, "an input", e), label = mem_new(n, 1, "labels", e);
	rng_init(&r, 1, RNG_TEST, 0);
	for (size_t i = 0; x && label && i < n; i++)
		x[i] = (float)rng_uniform(&r), label[i] = rng_uniform(&r) < 0.1;
	bad = !x || !label || b->k->copy(net_input(b->n), x, n * sizeof *x, K_TO_DEVICE, e) || b->k->copy(b->label, label, n, K_TO_DEVICE, e);
	free(x), free(label);
	return bad ? -1 : 0;
}

static int infer(struct bench *b, struct err *e)
{
	const float *logits = net_forward(b->n, e);
	float first;

	return logits ? b->k->copy(&first, logits, sizeof first, K_TO_HOST, e) : -1; /* a GPU is waited for */
}

static int step(struct bench *b, struct err *e)
{
	struct k_optim a = {.lr = 3e-4, .decay = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1, .scale = 1};
	float *w, *g;
	int64_t total;
	double out[3];

	if (net_zero_grad(b->n, e) || !net_forward(b->n, e) || net_backward(b->n, &DICECE, b->label, out, e))
		return -1;
	net_block(b->n, &w, &g, &total);
	if (b->k->optimize(&a, w, g, b->m, b->v, total, e))
		return -1;
	net_changed(b->n);
	return b->k->copy(out, w, sizeof(float), K_TO_HOST, e); /* a GPU is waited for */
}

static int best_of(int64_t repeats, int (*run)(void *, struct err *), void *arg, double *best, struct err *e)
{
	*best = 1e30;
	for (int64_t k = 0; k < repeats; k++) {
		double t = progress_now();

		if (run(arg, e))
			return -1;
		t = progress_now() - t;
		*best = t < *best ? t : *best;
	}
	return 0;
}

struct one_call { struct bench *b; int call; };

static int call_alone(void *arg, struct err *e)
{
	const struct one_call *c = arg;
	float first;

	return net_run_calls(c->b->n, c->call, c->call + 1, NULL, e) || c->b->k->copy(&first, net_input(c->b->n), sizeof first, K_TO_HOST, e);
}

enum { GROUP = 4 }; /* windows at once */
struct product { const struct k_backend *k; struct k_conv *c; void *x, *y, *scratch; int64_t times; };

static int multiply(void *arg, struct err *e)
{
	const struct product *p = arg;

	for (int64_t i = 0; i < p->times; i += GROUP)
		if (p->k->conv_forward(p->c, p->x, NULL, p->y, p->scratch, e))
			return -1;
	return 0;
}

/* [tokens, ic] times [ic, oc], `times` of them: a convolution of one tap, all zeros. Added to sum: the best of the repeats */
static int product(struct bench *b, int64_t tokens, int64_t ic, int64_t oc, int64_t times, double *sum, struct err *e)
{
	const struct k_conv_geom g = {.n = 1, .ic = ic, .oc = oc, .in = {GROUP, 1, tokens}, .out = {GROUP, 1, tokens}, .kernel = {1, 1, 1},
		.stride = {1, 1, 1}, .xpitch = ic, .ypitch = oc};
	struct product p = {.k = b->k, .c = b->k->conv_new(&g, e), .times = times};
	const int64_t room[] = {GROUP * tokens * ic, GROUP * tokens * oc, ic * oc};
	void *at[3] = {NULL};
	double best = 0;
	int bad = !p.c;

	for (int i = 0; i < 3 && !bad; i++)
		bad = !(at[i] = b->k->alloc((size_t)room[i] * sizeof(float), e)) || b->k->zero(at[i], (size_t)room[i] * sizeof(float), e);
	bad = bad || !(p.scratch = b->k->alloc(b->k->conv_scratch(p.c), e)) || b->k->conv_pack(p.c, at[2], e);
	p.x = at[0], p.y = at[1];
	bad = bad || best_of(b->repeats, multiply, &p, &best, e);
	b->k->conv_free(p.c), b->k->release(p.scratch);
	for (int i = 0; i < 3; i++)
		b->k->release(at[i]);
	*sum += best;
	return bad ? -1 : 0;
}

/* q k' and p v of every window and head; backward as many products again for dp, dv and for dq, dk */
static int attention_products(struct bench *b, const struct k_attention *a, int back, double *sum, struct err *e)
{
	int64_t tokens = 1, times = a->n * a->heads << back, hd = a->c / a->heads;

	for (int k = 0; k < 3; k++)
		tokens *= a->window[k], times *= (a->size[k] + a->window[k] - 1) / a->window[k];
	return product(b, tokens, hd, tokens, times, sum, e) || product(b, tokens, tokens, hd, times, sum, e) ? -1 : 0;
}

/* Sum over the plan's convolutions, linear layers and attention's products of the best of the repeats of each alone. */
static int bare(struct bench *b, double *sum, struct err *e)
{
	const struct plan *p = b->n->plan;

	*sum = 0;
	for (int i = 0; i < p->calls; i++) {
		enum plan_do what = p->call[i].what;
		struct one_call one = {b, i};
		double best = 0;

		if ((what == PLAN_DO_CONV || what == PLAN_DO_DATA || what == PLAN_DO_WEIGHTS || what == PLAN_DO_TAIL) &&
		    best_of(b->repeats, call_alone, &one, &best, e))
			return -1;
		if (what == PLAN_DO_TAIL)
			best *= (double)(p->batch * p->tail.parts);
		if ((what == PLAN_DO_ATTENTION || what == PLAN_DO_ATTENTION_BACK) &&
		    attention_products(b, &p->step[p->call[i].step].attention, what == PLAN_DO_ATTENTION_BACK, sum, e))
			return -1;
		*sum += best;
	}
	return 0;
}

/* Best of the repeats, after one to warm up, then one more under the profiler. */
static int measure(struct bench *b, const char *what, int train, struct err *e)
{
	int (*run)(struct bench *, struct err *) = train ? step : infer;
	const char *given = getenv("NIIPIPE_CUDA");
	double best = 1e30, busy = 1e30, convs;

	if (plan(b, train, e) || run(b, e))
		return -1;
	for (int64_t i = 0; i < b->repeats; i++) {
		double t = progress_now(), c = (double)clock();

		if (run(b, e))
			return -1;
		t = progress_now() - t;
		c = ((double)clock() - c) / CLOCKS_PER_SEC;
		best = t < best ? t : best;
		busy = c < busy ? c : busy;
	}
	if (bare(b, &convs, e) || plan(b, train, e))
		return -1;
	if (out_printf(&b->o, e, "%s %.4f s, arena %.1f MB, peak %.1f MB, bare convolutions and products %.4f s (all: %.2fx), processors %.4f s\n", what,
		best, (double)net_arena(b->n) / 1048576, (double)mem_peak() / 1048576, convs, best / convs, busy))
		return -1;
	if (b->detail > 1 && net_summary(b->n, &b->o, e))
		return -1;
	net_profile(b->n, b->detail);
	if (!given)
		setenv("NIIPIPE_CUDA", "sync", 1); /* every call by itself */
	if (run(b, e) || net_profile_print(b->n, &b->o, e))
		return -1;
	if (!given)
		unsetenv("NIIPIPE_CUDA");
	net_profile(b->n, 0);
	return 0;
}

static int prepare(struct bench *b, struct err *e)
{
	const struct arch_ask ask = {.fresh = 1, .net = b->net, .classes = -1, .units = -1};
	json_t *arch = b->arch ? arch_read(b->arch, e) : arch_preset(&ask, e);
	float *w, *g;
	int64_t total;

	if (!arch)
		return -1;
	arch_take_patch(arch, 1, b->size);
	b->k = device_open(b->device, (enum k_precision)b->precision, e);
	if (b->k && b->tune)
		device_tune(b->k);
	b->n = b->k ? net_new(arch, b->k, e) : NULL;
	json_decref(arch);
	if (!b->n || net_init(b->n, 1, e))
		return -1;
	net_recompute(b->n, (enum net_recompute)b->recompute);
	net_block(b->n, &w, &g, &total);
	b->m = b->k->alloc((size_t)total * sizeof *b->m, e);
	b->v = b->k->alloc((size_t)total * sizeof *b->v, e);
	b->label = b->k->alloc((size_t)(b->batch * b->size[0] * b->size[1] * b->size[2]), e);
	return !b->m || !b->v || !b->label || b->k->zero(b->m, (size_t)total * sizeof *b->m, e) || b->k->zero(b->v, (size_t)total * sizeof *b->v,
		e) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct bench b = {.size = {160, 160, 64}, .batch = 1, .repeats = 5, .device = "cpu"};
	const char *only = "";
	int64_t detail = 1;
	int tune = 0;
	struct arg args[] = {
		{'s', "size", ARG_INT, b.size, "D,H,W", "input", 1, 1024, 3},
		{0, "batch", ARG_INT, &b.batch, "N", "inputs at once (1)", 1, 64},
		{'n', "number", ARG_INT, &b.repeats, "N", "repeats", 1, 1000},
		{0, "net", ARG_CHOICE, &b.net, ARCH_NETS, "the network (unet)"},
		{0, "arch", ARG_STR, &b.arch, "JSON|FILE", "another network, as MONAI has it"},
		{0, "device", ARG_STR, &b.device, "DEVICE", "cpu, cuda or cuda:N (cpu)"},
		{0, "precision", ARG_CHOICE, &b.precision, DEVICE_PRECISIONS, "of activations (auto)"},
		{0, "only", ARG_STR, &only, "infer|train", "one of the two"},
		{0, "recompute", ARG_CHOICE, &b.recompute, "none|norms|segments|auto", "of training (none)"},
		{0, "tune", ARG_FLAG, &tune, NULL, "measure the ways there are for each convolution"},
		{0, "detail", ARG_INT, &detail, "1|2", "2: a row a call", 1, 2},
		{0}
	};
	const struct arg_spec spec = {"net", "", "time of a network", args, 0, 0, 0};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	b.detail = (int)detail, b.tune = tune;
	if (out_open(&b.o, NULL, 0, &e) || prepare(&b, &e))
		err_die(&e);
	if (strcmp(only, "train") && measure(&b, "infer", 0, &e))
		err_die(&e);
	if (strcmp(only, "infer") && measure(&b, "train", 1, &e))
		err_die(&e);
	if (out_close(&b.o, &e))
		err_die(&e);
	net_free(b.n);
	b.k->release(b.m), b.k->release(b.v), b.k->release(b.label);
	return 0;
}
