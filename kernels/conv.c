/* Which kernels do a convolution: own ones (direct.h) or, where these do not do it or NIIPIPE_CONV asks for them, oneDNN's, pass by pass. */
#include "kernels/geom.h"
#include "kernels/direct.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/onednn.h"
#include "lib/base/mem.h"

enum { ALIGN = 64, FEW = 16 }; /* FEW: channels */

enum pass { FORWARD, DATA, WEIGHTS, PASSES };

struct k_conv {
	const struct cpu_level *cpu;
	struct k_conv_geom g;
	int64_t xvox, yvox;     /* n*d*h*w */
	int own[PASSES];
	struct gather forward, data;
	const float *w;         /* in training the caller's weights: every pass packs them behind its room in scratch */
	struct wgrad weights;
	struct dnn_conv *dnn;   /* NULL where every pass is own */
	int elements;           /* it takes elements: else copies in floats */
};

static size_t up(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* oneDNN 2.6.3 and 3.2 with AMX and more than one thread give wrong products of bf16 where the channels of a single tap are more than 32 and no
   multiple of that (brgconv_1x1; 48->2 in 3x4x9). */
static int wrong_in_half(const struct k_conv_geom *g)
{
	return g->kernel[0] * g->kernel[1] * g->kernel[2] == 1 && g->ic > 32 && g->ic % 32;
}

/* Own kernels win or draw everywhere (tests/bench/kernels.c). */
static int prefer_own(const struct cpu_level *cpu, enum pass pass)
{
	const char *want = getenv("NIIPIPE_CONV");

	return !want || strcmp(want, "onednn") || (cpu->half && pass == WEIGHTS);
}

/* The pass from `in` to `out`: strided where in is the convolution's large side. */
static int plan_gather(const struct k_conv *c, struct gather *p, int data)
{
	const struct k_conv_geom *g = &c->g;

	*p = (struct gather){.fractional = data != g->transposed, .n = g->n, .ci = data ? g->oc : g->ic, .co = data ? g->ic : g->oc,
			     .inpitch = data ? g->ypitch : g->xpitch, .outpitch = data ? g->xpitch : g->ypitch};
	for (int i = 0; i < 3; i++) {
		p->in[i] = data ? g->out[i] : g->in[i], p->out[i] = data ? g->in[i] : g->out[i];
		p->kernel[i] = g->kernel[i], p->stride[i] = g->stride[i], p->pad[i] = g->pad[i];
	}
	return c->cpu->gather_plan(p);
}

#define SWAP(type, a, b) do { type t_ = a; a = b; b = t_; } while (0)

/* At stride 1 the sides are alike: the vectors go to the one with more channels. */
static void mirror(struct wgrad *p)
{
	if (p->stride[0] * p->stride[1] * p->stride[2] > 1 || p->cs >= p->cl || p->cs >= FEW)
		return;
	for (int i = 0; i < 3; i++) {
		if (p->pad[i] >= p->kernel[i])
			return;
	}
	p->mirror = 1;
	SWAP(int64_t, p->cl, p->cs);
	SWAP(int64_t, p->lpitch, p->spitch);
	for (int i = 0; i < 3; i++) {
		SWAP(int64_t, p->large[i], p->small[i]);
		p->pad[i] = p->kernel[i] - 1 - p->pad[i];
	}
}

static int plan_wgrad(const struct k_conv *c, struct wgrad *p)
{
	const struct k_conv_geom *g = &c->g;
	int t = g->transposed;

	*p = (struct wgrad){.n = g->n, .cl = t ? g->oc : g->ic, .cs = t ? g->ic : g->oc, .lpitch = t ? g->ypitch : g->xpitch,
		.spitch = t ? g->xpitch : g->ypitch};
	for (int i = 0; i < 3; i++) {
		p->large[i] = t ? g->out[i] : g->in[i], p->small[i] = t ? g->in[i] : g->out[i];
		p->kernel[i] = g->kernel[i], p->stride[i] = g->stride[i], p->pad[i] = g->pad[i];
	}
	mirror(p);
	return c->cpu->wgrad_plan(p);
}

/* Of bf16 where it has that, else of copies in fp32. Its weight gradients of bf16 are not asked for: oneDNN 3.2 on AVX512-BF16 gives wrong ones. */
static int plan_dnn(struct k_conv *c, struct err *e)
{
	const int half = c->cpu->half && (!c->g.train || c->own[WEIGHTS]) && (c->own[FORWARD] || !wrong_in_half(&c->g));

	c->dnn = half ? dnn_conv_new(&c->g, 1, 0, e) : NULL;
	c->elements = !c->cpu->half || c->dnn;
	if (!c->dnn)
		c->dnn = dnn_conv_new(&c->g, 0, !c->own[WEIGHTS], e);
	return c->dnn != NULL;
}

struct k_conv *conv_new(const struct k_conv_geom *g, const struct cpu_level *cpu, struct err *e)
{
	struct k_conv *c = mem_zero(1, sizeof *c, "a convolution", e);

	if (!c)
		return NULL;
	c->cpu = cpu;
	c->g = *g;
	c->g.xpitch = g->xpitch ? g->xpitch : g->ic;
	c->g.ypitch = g->ypitch ? g->ypitch : g->oc;
	c->xvox = g->n * g->in[0] * g->in[1] * g->in[2];
	c->yvox = g->n * g->out[0] * g->out[1] * g->out[2];
	if (k_conv_check(&c->g, e))
		goto fail;
	for (int p = 0; p < (g->train ? PASSES : DATA); p++)
		c->own[p] = prefer_own(cpu, p);
	c->own[FORWARD] = c->own[FORWARD] && !plan_gather(c, &c->forward, 0);
	c->own[DATA] = c->own[DATA] && !plan_gather(c, &c->data, 1);
	c->own[WEIGHTS] = c->own[WEIGHTS] && !plan_wgrad(c, &c->weights);
	if (c->own[FORWARD] && !g->train && !(c->forward.w = mem_zero((size_t)c->forward.weights, sizeof(float), "packed weights", e)))
		goto fail;
	if ((c->own[FORWARD] && (!g->train || (c->own[DATA] && c->own[WEIGHTS]))) || plan_dnn(c, e))
		return c;
fail:
	conv_free(c);
	return NULL;
}

void conv_free(struct k_conv *c)
{
	if (!c)
		return;
	dnn_conv_free(c->dnn);
	free(c->forward.w);
	free(c);
}

static size_t dense(const struct k_conv *c, int64_t n)
{
	return up((c->elements && c->cpu->half ? sizeof(uint16_t) : sizeof(float)) * (size_t)n);
}

static size_t dense_x(const struct k_conv *c)
{
	return dense(c, c->xvox * c->g.ic);
}

static size_t dense_y(const struct k_conv *c)
{
	return dense(c, c->yvox * c->g.oc);
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* oneDNN has what is dense: does it want a copy of x, of y? */
static int copies_x(const struct k_conv *c)
{
	return !c->elements || c->g.xpitch != c->g.ic;
}

static int copies_y(const struct k_conv *c)
{
	return !c->elements || c->g.ypitch != c->g.oc;
}

static size_t room(const struct gather *g)
{
	return up(sizeof(float) * (size_t)(g->room * g->threads));
}

static size_t gather_scratch(const struct k_conv *c, const struct gather *g)
{
	return room(g) + (c->g.train ? sizeof(float) * (size_t)g->weights : 0);
}

/* Own kernels' rooms and weights; for oneDNN copies of x and y, then what it wants. */
size_t conv_scratch(const struct k_conv *c)
{
	size_t n = c->cpu->column_scratch(c->yvox, c->g.oc), x = c->g.train || copies_x(c) ? dense_x(c) : 0;

	if (c->dnn)
		n = larger(n, x + (copies_y(c) ? dense_y(c) : 0) + dnn_conv_scratch(c->dnn));
	if (c->own[FORWARD])
		n = larger(n, gather_scratch(c, &c->forward));
	if (c->own[DATA])
		n = larger(n, gather_scratch(c, &c->data));
	if (c->own[WEIGHTS])
		n = larger(n, c->cpu->wgrad_scratch(&c->weights));
	return n + ALIGN;
}

int conv_pack(struct k_conv *c, const float *w, struct err *e)
{
	c->w = w;
	if (c->own[FORWARD] && !c->g.train)
		c->cpu->gather_pack(&c->forward, w);
	return c->dnn ? dnn_conv_pack(c->dnn, w, e) : 0;
}

/* The gather with its weights */
static struct gather with_weights(const struct k_conv *c, const struct gather *g, void *scratch)
{
	struct gather p = *g;

	if (!c->g.train)
		return p;
	p.w = (float *)((char *)scratch + room(g));
	memset(p.w, 0, sizeof(float) * (size_t)g->weights);
	c->cpu->gather_pack(&p, c->w);
	return p;
}

static void take(const struct k_conv *c, void *to, const void *from, int64_t pitch, int64_t vox, int64_t channels, struct err *e)
{
	if (c->elements)
		c->cpu->slice_copy(to, channels, from, pitch, vox, channels, 0, e);
	else
		c->cpu->to_floats(to, from, pitch, vox, channels, e);
}

static int give(const struct k_conv *c, void *to, int64_t pitch, const void *from, int64_t vox, int64_t channels, int add, struct err *e)
{
	if (c->elements)
		return c->cpu->slice_copy(to, pitch, from, channels, vox, channels, add, e);
	return c->cpu->from_floats(to, pitch, from, vox, channels, add, e);
}

static char *after(void *scratch, const struct k_conv *c, int x, int y)
{
	return (char *)scratch + (x ? dense_x(c) : 0) + (y ? dense_y(c) : 0);
}

int conv_identity(float *w, int64_t oc, int64_t taps, struct err *e)
{
	(void)e;
	for (int64_t o = 0; o < oc; o++)
		w[o * (oc + 1) * taps + taps / 2]++;
	return 0;
}

int conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = copies_x(c), cy = copies_y(c);
	void *tx = scratch, *ty = after(scratch, c, cx, 0);

	if (c->own[FORWARD]) {
		const struct gather p = with_weights(c, &c->forward, scratch);

		c->cpu->gather_run(&p, x, bias, y, 0, scratch);
		return 0;
	}
	if (cx)
		take(c, tx, x, g->xpitch, c->xvox, g->ic, e);
	if (dnn_conv_forward(c->dnn, cx ? tx : x, bias, cy ? ty : y, after(scratch, c, cx, cy), e))
		return -1;
	return cy ? give(c, y, g->ypitch, ty, c->yvox, g->oc, 0, e) : 0;
}

int conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = copies_x(c) || dx_add, cy = copies_y(c);
	void *tx = scratch, *ty = after(scratch, c, cx, 0);

	if (c->own[DATA]) {
		const struct gather p = with_weights(c, &c->data, scratch);

		c->cpu->gather_run(&p, dy, NULL, dx, dx_add, scratch);
		return 0;
	}
	if (cy)
		take(c, ty, dy, g->ypitch, c->yvox, g->oc, e);
	if (dnn_conv_backward_data(c->dnn, cy ? ty : dy, cx ? tx : dx, after(scratch, c, cx, cy), e))
		return -1;
	return cx ? give(c, dx, g->xpitch, tx, c->xvox, g->ic, dx_add, e) : 0;
}

int conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = copies_x(c), cy = copies_y(c);
	void *tx = scratch, *ty = after(scratch, c, cx, 0);

	if (db)
		c->cpu->column_sum(dy, g->ypitch, c->yvox, g->oc, db, scratch);
	if (!dw)
		return 0;
	if (c->own[WEIGHTS]) {
		int swap = g->transposed != c->weights.mirror;

		c->cpu->wgrad_run(&c->weights, swap ? dy : x, swap ? x : dy, dw, scratch);
		return 0;
	}
	if (cx)
		take(c, tx, x, g->xpitch, c->xvox, g->ic, e);
	if (cy)
		take(c, ty, dy, g->ypitch, c->yvox, g->oc, e);
	return dnn_conv_backward_weights(c->dnn, cx ? tx : x, cy ? ty : dy, dw, after(scratch, c, cx, cy), e);
}
