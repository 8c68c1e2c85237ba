/* Convolutions of few channels by the arithmetic units (few.c, point.c): they take about as long as their values take to be read and written, which
   libraries, made for the tensor cores' many channels, do not come near. */
#include "kernels/gpu/conv.h"
#include "kernels/gpu/runtime.h"

static struct gpu_narrow few_of(const struct k_conv *c, int back)
{
	const struct k_conv_geom *g = &c->g;
	struct gpu_narrow n = {.n = (int)g->n, .ic = (int)g->ic, .oc = (int)g->oc, .xp = back ? c->d.yp : c->d.xp, .yp = back ? c->d.xp : c->d.yp};

	for (int i = 0; i < 3; i++)
		n.size[i] = (int)g->out[i];
	return n;
}

/* 1x1x1, of 16 bytes at a time, that a warp has a row of */
static int is_point(const struct k_conv *c)
{
	const int64_t wide = 16 / (int64_t)size_of(c);

	return is_cube(&c->g, 1) && c->g.ic % wide == 0 && c->d.xp % wide == 0 && c->g.ic <= 32 * wide;
}

int gpu_few_take(struct k_conv *c, int which)
{
	const struct k_conv_geom *g = &c->g;
	const int taken = !g->transposed && g->oc <= GPU_FEW && c->d.yvox < INT32_MAX && ((is_cube(g, 3) && g->ic == g->oc) || is_point(c));

	return c->pass[which].few = taken && !gpu_asked("libraries") && !gpu_asked("direct");
}

int gpu_few_forward(const struct k_conv *c, const void *x, const float *bias, void *y, struct err *e)
{
	const struct gpu_narrow g = few_of(c, 0);
	const int bad = c->d.taps == 1 ? own(c)->point(g, x, c->w, bias, y) : own(c)->few(g, x, c->w, bias, y, 0, 0);

	return gpu_check(bad, "convolution", e);
}

int gpu_few_data(const struct k_conv *c, const void *dy, void *dx, int add, struct err *e)
{
	const int bad = c->d.taps == 1 ? own(c)->point_back(few_of(c, 0), dy, c->w, dx, add) : own(c)->few(few_of(c, 1), dy, c->w, NULL, dx, add, 1);

	return gpu_check(bad, "convolution", e);
}

size_t gpu_few_scratch(const struct k_conv *c)
{
	const struct gpu_narrow g = few_of(c, 0);

	return !c->pass[WEIGHTS].few ? 0 : c->d.taps == 1 ? own(c)->point_weights_bytes(g) : own(c)->few_weights_bytes(g);
}

int gpu_few_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e)
{
	const struct gpu_narrow g = few_of(c, 0);
	const int bad = c->d.taps == 1 ? own(c)->point_weights(g, x, dy, dw, scratch) : own(c)->few_weights(g, x, dy, dw, scratch);

	return gpu_check(bad, "convolution's weights", e);
}
