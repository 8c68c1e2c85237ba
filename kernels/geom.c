#include "kernels/geom.h"

/* Of a part: not whole strides to spare behind it, nor outputs of nothing but zeros */
static int fits(const struct k_conv_geom *g, int i, int64_t rest)
{
	if (g->part && !i && !g->transposed)
		return rest < g->stride[i] + g->pad[i] && rest > g->pad[i] - g->kernel[i];
	return rest >= 0 && rest < g->stride[i];
}

int k_conv_check(const struct k_conv_geom *g, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int64_t small = g->transposed ? g->in[i] : g->out[i], large = g->transposed ? g->out[i] : g->in[i];
		int64_t rest = large + 2 * g->pad[i] - g->kernel[i] - (small - 1) * g->stride[i];

		if (g->in[i] < 1 || g->out[i] < 1 || g->kernel[i] < 1 || g->stride[i] < 1 || g->pad[i] < 0 || !fits(g, i, rest))
			return err_set(e, NULL, "convolution: sizes do not fit (axis %c: in %lld, out %lld, kernel %d, stride %d, padding %d)", "zyx"[i],
				(long long)g->in[i],
				(long long)g->out[i], g->kernel[i], g->stride[i], g->pad[i]);
	}
	if (g->n < 1 || g->ic < 1 || g->oc < 1 || g->xpitch < g->ic || g->ypitch < g->oc)
		return err_set(e, NULL, "convolution: sizes do not fit (n %lld, channels %lld to %lld)", (long long)g->n, (long long)g->ic, (long long)g->oc);
	return 0;
}

struct k_conv_dims k_conv_dims(const struct k_conv_geom *g)
{
	struct k_conv_dims d = {.a = g->transposed ? g->ic : g->oc, .b = g->transposed ? g->oc : g->ic, .taps = 1, .xvox = g->n, .yvox = g->n};

	d.xp = g->xpitch ? g->xpitch : g->ic, d.yp = g->ypitch ? g->ypitch : g->oc;
	for (int i = 0; i < 3; i++)
		d.taps *= g->kernel[i], d.xvox *= g->in[i], d.yvox *= g->out[i];
	return d;
}
