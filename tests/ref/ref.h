/* Plain double-precision references of the backend's operations, dense, one voxel after the other. Layouts as in kernels/backend.h. */
#ifndef TESTS_REF_H
#define TESTS_REF_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

/* Weight of (oc, ic, kd, kh, kw) */
static inline int64_t ref_weight(const struct k_conv_geom *g, int64_t oc, int64_t ic, const int k[3])
{
	int64_t first = g->transposed ? ic : oc, second = g->transposed ? oc : ic, n = g->transposed ? g->oc : g->ic;

	return (((first * n + second) * g->kernel[0] + k[0]) * g->kernel[1] + k[1]) * g->kernel[2] + k[2];
}

/* Calls visit(ctx, x index, y index, w index) for every product of the convolution: y[yi] += x[xi] w[wi] */
typedef void ref_visit(void *ctx, int64_t xi, int64_t yi, int64_t wi);

static inline void ref_tap(const struct k_conv_geom *g, const int64_t small[3], const int k[3], int64_t n, ref_visit *visit, void *ctx)
{
	int64_t large[3], x, y;
	const int64_t *lim = g->transposed ? g->out : g->in;

	for (int i = 0; i < 3; i++) {
		large[i] = small[i] * g->stride[i] - g->pad[i] + k[i];
		if (large[i] < 0 || large[i] >= lim[i])
			return;
	}
	const int64_t *xi = g->transposed ? small : large, *yi = g->transposed ? large : small;

	x = ((n * g->in[0] + xi[0]) * g->in[1] + xi[1]) * g->in[2] + xi[2];
	y = ((n * g->out[0] + yi[0]) * g->out[1] + yi[1]) * g->out[2] + yi[2];
	for (int64_t ic = 0; ic < g->ic; ic++)
		for (int64_t oc = 0; oc < g->oc; oc++)
			visit(ctx, x * g->ic + ic, y * g->oc + oc, ref_weight(g, oc, ic, k));
}

static inline void ref_conv(const struct k_conv_geom *g, ref_visit *visit, void *ctx)
{
	const int64_t *lim = g->transposed ? g->in : g->out;
	int64_t taps = (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2], vox = lim[0] * lim[1] * lim[2];

	for (int64_t i = 0; i < g->n * vox; i++)
		for (int64_t t = 0; t < taps; t++) {
			int64_t small[3] = {i % vox / (lim[1] * lim[2]), i / lim[2] % lim[1], i % lim[2]};
			int k[3] = {(int)(t / (g->kernel[1] * g->kernel[2])), (int)(t / g->kernel[2] % g->kernel[1]), (int)(t % g->kernel[2])};

			ref_tap(g, small, k, i / vox, visit, ctx);
		}
}

struct ref_conv { const double *x, *w, *dy; double *y, *dx, *dw; }; /* results are added to; NULL: not wanted */

static inline void ref_product(void *ctx, int64_t xi, int64_t yi, int64_t wi)
{
	struct ref_conv *c = ctx;

	if (c->y)
		c->y[yi] += c->x[xi] * c->w[wi];
	if (c->dx)
		c->dx[xi] += c->dy[yi] * c->w[wi];
	if (c->dw)
		c->dw[wi] += c->dy[yi] * c->x[xi];
}

/* u = gamma (x - mean) rstd + beta, y = act(u) + res */
struct ref_norm { double *x, *gamma, *beta, *alpha, *res, *y, *mean, *rstd; };

static inline double ref_slope(const struct k_norm *g, const double *alpha, int64_t c)
{
	return g->act == K_ACT_NONE ? 1 : g->act == K_ACT_RELU ? 0 : g->act == K_ACT_LRELU ? (double)g->slope : alpha[g->alphas == 1 ? 0 : c];
}

static inline void ref_statistics(const struct k_norm *g, const struct ref_norm *a)
{
	for (int64_t i = 0; i < g->n * g->c; i++) {
		const double *x = a->x + i / g->c * g->vox * g->c + i % g->c;
		double mean = 0, var = 0;

		for (int64_t v = 0; v < g->vox; v++)
			mean += x[v * g->c] / (double)g->vox;
		for (int64_t v = 0; v < g->vox; v++)
			var += (x[v * g->c] - mean) * (x[v * g->c] - mean) / (double)g->vox;
		a->mean[i] = g->norm ? mean : 0;
		a->rstd[i] = g->norm ? 1 / sqrt(var + (double)g->eps) : 1;
	}
}

static inline double ref_unit(const struct k_norm *g, const struct ref_norm *a, int64_t i)
{
	int64_t c = i % g->c, nc = i / (g->vox * g->c) * g->c + c;

	return (a->x[i] - a->mean[nc]) * a->rstd[nc] * (a->gamma ? a->gamma[c] : 1) + (a->beta ? a->beta[c] : 0);
}

static inline void ref_norm_forward(const struct k_norm *g, const struct ref_norm *a)
{
	ref_statistics(g, a);
	for (int64_t i = 0; i < g->n * g->vox * g->c; i++) {
		double u = ref_unit(g, a, i);

		a->y[i] = (u > 0 ? u : u * ref_slope(g, a->alpha, i % g->c)) + (a->res ? a->res[i] : 0);
	}
}

/* After ref_norm_forward. dx is written, the others are added to. */
static inline void ref_norm_backward(const struct k_norm *g, const struct ref_norm *a, const double *dy, double *dx, double *dgamma, double *dbeta,
	double *dalpha)
{
	for (int64_t nc = 0; nc < g->n * g->c; nc++) {
		int64_t c = nc % g->c, first = nc / g->c * g->vox * g->c + c;
		double s1 = 0, s2 = 0, gamma = a->gamma ? a->gamma[c] : 1, slope = ref_slope(g, a->alpha, c);

		for (int64_t v = 0; v < g->vox; v++) {
			int64_t i = first + v * g->c;
			double u = ref_unit(g, a, i), d = dy[i] * (u > 0 ? 1 : slope);

			s1 += d, s2 += d * (a->x[i] - a->mean[nc]) * a->rstd[nc];
			dalpha[g->alphas == 1 ? 0 : c] += u > 0 ? 0 : dy[i] * u;
		}
		dgamma[c] += s2, dbeta[c] += s1;
		for (int64_t v = 0; v < g->vox; v++) {
			int64_t i = first + v * g->c;
			double d = dy[i] * (ref_unit(g, a, i) > 0 ? 1 : slope), xhat = (a->x[i] - a->mean[nc]) * a->rstd[nc];

			dx[i] = g->norm ? a->rstd[nc] * gamma * (d - s1 / (double)g->vox - xhat * s2 / (double)g->vox) : d;
		}
	}
}

#endif
