#include "kernels/cpu.h"

#include <stdlib.h>

#include "kernels/onednn.h"
#include "lib/base/mem.h"

enum { ALIGN = 64 };

struct k_conv {
	struct k_conv_geom g;
	int64_t xvox, yvox; /* n*d*h*w */
	struct dnn_conv *dnn;
};

static size_t up(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static int check(const struct k_conv_geom *g, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int64_t small = g->transposed ? g->in[i] : g->out[i], large = g->transposed ? g->out[i] : g->in[i];
		int64_t rest = large + 2 * g->pad[i] - g->kernel[i] - (small - 1) * g->stride[i];

		if (g->in[i] < 1 || g->out[i] < 1 || g->kernel[i] < 1 || g->stride[i] < 1 || g->pad[i] < 0 || rest < 0 || rest >= g->stride[i])
			return err_set(e, NULL, "convolution: sizes do not fit (axis %c: in %lld, out %lld, kernel %d, stride %d, padding %d)", "zyx"[i], (long long)g->in[i],
				(long long)g->out[i], g->kernel[i], g->stride[i], g->pad[i]);
	}
	if (g->n < 1 || g->ic < 1 || g->oc < 1 || g->xpitch < g->ic || g->ypitch < g->oc)
		return err_set(e, NULL, "convolution: sizes do not fit (n %lld, channels %lld to %lld)", (long long)g->n, (long long)g->ic, (long long)g->oc);
	return 0;
}

struct k_conv *conv_new(const struct k_conv_geom *g, struct err *e)
{
	struct k_conv *c = mem_zero(1, sizeof *c, "a convolution", e);

	if (!c)
		return NULL;
	c->g = *g;
	c->g.xpitch = g->xpitch ? g->xpitch : g->ic;
	c->g.ypitch = g->ypitch ? g->ypitch : g->oc;
	c->xvox = g->n * g->in[0] * g->in[1] * g->in[2];
	c->yvox = g->n * g->out[0] * g->out[1] * g->out[2];
	if (!check(&c->g, e) && (c->dnn = dnn_conv_new(&c->g, e)))
		return c;
	free(c);
	return NULL;
}

void conv_free(struct k_conv *c)
{
	if (!c)
		return;
	dnn_conv_free(c->dnn);
	free(c);
}

static size_t dense_x(const struct k_conv *c)
{
	return up(sizeof(float) * (size_t)(c->xvox * c->g.ic));
}

static size_t dense_y(const struct k_conv *c)
{
	return up(sizeof(float) * (size_t)(c->yvox * c->g.oc));
}

/* Dense copies of x and y come first, then the library's own. */
size_t conv_scratch(const struct k_conv *c)
{
	size_t own = dnn_conv_scratch(c->dnn), sums = cpu->column_scratch(c->yvox, c->g.oc);
	size_t x = c->g.train || c->g.xpitch != c->g.ic ? dense_x(c) : 0, y = c->g.ypitch != c->g.oc ? dense_y(c) : 0;

	return x + y + (c->g.train && sums > own ? sums : own);
}

int conv_pack(struct k_conv *c, const float *w, struct err *e)
{
	return dnn_conv_pack(c->dnn, w, e);
}

static char *after(void *scratch, const struct k_conv *c, int x, int y)
{
	return (char *)scratch + (x ? dense_x(c) : 0) + (y ? dense_y(c) : 0);
}

int conv_forward(struct k_conv *c, const float *x, const float *bias, float *y, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = g->xpitch != g->ic, cy = g->ypitch != g->oc;
	float *tx = scratch, *ty = (float *)after(scratch, c, cx, 0);

	if (cx)
		cpu->slice_copy(tx, g->ic, x, g->xpitch, c->xvox, g->ic, 0, e);
	if (dnn_conv_forward(c->dnn, cx ? tx : x, bias, cy ? ty : y, after(scratch, c, cx, cy), e))
		return -1;
	return cy ? cpu->slice_copy(y, g->ypitch, ty, g->oc, c->yvox, g->oc, 0, e) : 0;
}

int conv_backward_data(struct k_conv *c, const float *dy, float *dx, int dx_add, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = g->xpitch != g->ic || dx_add, cy = g->ypitch != g->oc;
	float *tx = scratch, *ty = (float *)after(scratch, c, cx, 0);

	if (cy)
		cpu->slice_copy(ty, g->oc, dy, g->ypitch, c->yvox, g->oc, 0, e);
	if (dnn_conv_backward_data(c->dnn, cy ? ty : dy, cx ? tx : dx, after(scratch, c, cx, cy), e))
		return -1;
	return cx ? cpu->slice_copy(dx, g->xpitch, tx, g->ic, c->xvox, g->ic, dx_add, e) : 0;
}

int conv_backward_weights(struct k_conv *c, const float *x, const float *dy, float *dw, float *db, void *scratch, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	int cx = g->xpitch != g->ic, cy = g->ypitch != g->oc;
	float *tx = scratch, *ty = (float *)after(scratch, c, cx, 0);

	if (cx)
		cpu->slice_copy(tx, g->ic, x, g->xpitch, c->xvox, g->ic, 0, e);
	if (cy)
		cpu->slice_copy(ty, g->oc, dy, g->ypitch, c->yvox, g->oc, 0, e);
	if (db)
		cpu->column_sum(dy, g->ypitch, c->yvox, g->oc, db, after(scratch, c, cx, cy));
	return dw ? dnn_conv_backward_weights(c->dnn, cx ? tx : x, cy ? ty : dy, dw, after(scratch, c, cx, cy), e) : 0;
}
