/* Convolutions in a GPU's place: plain loops over kernels/gpu/pack.c's weights [a][taps][b], floats in fp32 and bf16 alike. */
#include <stdlib.h>

#include "kernels/geom.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/runtime.h"
#include "kernels/gpu/wall.h"
#include "lib/base/mem.h"

struct k_conv {
	struct k_conv_geom g;
	int bf16;
	struct k_conv_dims d;
	void *w;
};

static float get(const struct k_conv *c, const void *p, int64_t i)
{
	union { uint32_t u; float f; } v;

	if (!c->bf16)
		return ((const float *)p)[i];
	v.u = (uint32_t)((const uint16_t *)p)[i] << 16;
	return v.f;
}

static void put(const struct k_conv *c, void *p, int64_t i, float f)
{
	union { uint32_t u; float f; } v = {.f = f};

	if (c->bf16)
		((uint16_t *)p)[i] = (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
	else
		((float *)p)[i] = f;
}

struct k_conv *gpu_conv_new(const struct k_conv_geom *g, int bf16, struct err *e)
{
	struct k_conv *c = k_conv_check(g, e) ? NULL : mem_zero(1, sizeof *c, "a convolution", e);

	if (!c)
		return NULL;
	c->g = *g, c->bf16 = bf16, c->d = k_conv_dims(g);
	c->w = gpu_alloc((size_t)(c->d.a * c->d.b * c->d.taps) * 4, e);
	if (c->w)
		return c;
	free(c);
	return NULL;
}

void gpu_conv_free(struct k_conv *c)
{
	if (c)
		gpu_release(c->w);
	free(c);
}

size_t gpu_conv_scratch(const struct k_conv *c)
{
	return (size_t)(c->d.a * c->d.b * c->d.taps) * 4 + gpu_kernels(c->bf16)->column_bytes(c->d.yvox, c->g.oc);
}

int gpu_conv_pack(struct k_conv *c, const float *w, struct err *e)
{
	return gpu_check(gpu_kernels(c->bf16)->pack(w, c->w, c->d.a, c->d.b, c->d.taps), "pack", e);
}

/* With the voxel `small` (n,d,h,w) of the smaller end and a tap: the voxel of the larger, -1: outside */
static int64_t large_of(const struct k_conv *c, int64_t small, int64_t tap)
{
	const struct k_conv_geom *g = &c->g;
	const int64_t *near = g->transposed ? g->in : g->out, *far = g->transposed ? g->out : g->in;
	int64_t at[3] = {small / near[2] / near[1] % near[0], small / near[2] % near[1], small % near[2]}, n = small / near[2] / near[1] / near[0];
	int64_t t[3] = {tap / g->kernel[2] / g->kernel[1], tap / g->kernel[2] % g->kernel[1], tap % g->kernel[2]};

	for (int i = 0; i < 3; i++) {
		int64_t p = at[i] * g->stride[i] - g->pad[i] + t[i];

		if (p < 0 || p >= far[i])
			return -1;
		n = n * far[i] + p;
	}
	return n;
}

/* The smaller end from the larger: a from b. */
static void shrink(const struct k_conv *c, const void *large, int64_t lp, void *small, int64_t sp, int64_t vox, int add)
{
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++)
		for (int64_t a = 0; a < c->d.a; a++) {
			double sum = add ? (double)get(c, small, v * sp + a) : 0;

			for (int64_t t = 0; t < c->d.taps; t++) {
				int64_t l = large_of(c, v, t);

				for (int64_t b = 0; l >= 0 && b < c->d.b; b++)
					sum += (double)get(c, large, l * lp + b) * (double)get(c, c->w, (a * c->d.taps + t) * c->d.b + b);
			}
			put(c, small, v * sp + a, (float)sum);
		}
}

/* The larger end from the smaller, through doubles. */
static void grow(const struct k_conv *c, const void *small, int64_t sp, int64_t svox, void *large, int64_t lp, int64_t lvox, int add)
{
	double *sum = calloc((size_t)(lvox * c->d.b), sizeof *sum);

	for (int64_t v = 0; sum && v < svox; v++)
		for (int64_t t = 0; t < c->d.taps; t++) {
			int64_t l = large_of(c, v, t);

			for (int64_t a = 0; l >= 0 && a < c->d.a; a++)
				for (int64_t b = 0; b < c->d.b; b++)
					sum[l * c->d.b + b] += (double)get(c, small, v * sp + a) * (double)get(c, c->w, (a * c->d.taps + t) * c->d.b + b);
		}
	for (int64_t i = 0; sum && i < lvox * c->d.b; i++) {
		int64_t at = i / c->d.b * lp + i % c->d.b;

		put(c, large, at, (float)((add ? (double)get(c, large, at) : 0) + sum[i]));
	}
	free(sum);
}

int gpu_conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e)
{
	(void)scratch;
	wall_open();
	if (c->g.transposed)
		grow(c, x, c->d.xp, c->d.xvox, y, c->d.yp, c->d.yvox, 0);
	else
		shrink(c, x, c->d.xp, y, c->d.yp, c->d.yvox, 0);
	wall_close();
	return bias ? gpu_check(gpu_kernels(c->bf16)->add_bias(y, c->d.yp, bias, c->d.yvox, c->g.oc), "bias", e) : 0;
}

int gpu_conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e)
{
	(void)scratch, (void)e;
	wall_open();
	if (c->g.transposed)
		shrink(c, dy, c->d.yp, dx, c->d.xp, c->d.xvox, dx_add);
	else
		grow(c, dy, c->d.yp, c->d.yvox, dx, c->d.xp, c->d.xvox, dx_add);
	wall_close();
	return 0;
}

int gpu_conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e)
{
	const void *small = c->g.transposed ? x : dy, *large = c->g.transposed ? dy : x;
	int64_t sp = c->g.transposed ? c->d.xp : c->d.yp, lp = c->g.transposed ? c->d.yp : c->d.xp, vox = c->g.transposed ? c->d.xvox : c->d.yvox;
	float *to = scratch;

	wall_open();
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < c->d.a * c->d.taps; i++)
		for (int64_t b = 0; b < c->d.b; b++) {
			double sum = 0;

			for (int64_t v = 0; v < vox; v++) {
				int64_t l = large_of(c, v, i % c->d.taps);

				if (l >= 0)
					sum += (double)get(c, small, v * sp + i / c->d.taps) * (double)get(c, large, l * lp + b);
			}
			to[i * c->d.b + b] = (float)sum;
		}
	wall_close();
	if (gpu_check(gpu_kernels(c->bf16)->unpack(to, dw, c->d.a, c->d.b, c->d.taps), "unpack", e))
		return -1;
	return db ? gpu_check(gpu_kernels(c->bf16)->column_sum(dy, c->d.yp, c->d.yvox, c->g.oc, db, to + c->d.a * c->d.b * c->d.taps), "bias", e) : 0;
}

const char *gpu_conv_version(void)
{
	return "in plain loops";
}
