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

/* u = gamma (x - mean) rstd + beta, y = act(u) + res, or act(u + res); mean, rstd [n,c] are taken from running_* where the kind says so. */
struct ref_norm { double *x, *gamma, *beta, *alpha, *res, *y, *mean, *rstd, *running_mean, *running_var; };

static inline double ref_slope(const struct k_norm *g, const double *alpha, int64_t c)
{
	return g->act == K_ACT_NONE ? 1 : g->act == K_ACT_RELU ? 0 : g->act == K_ACT_PRELU ? alpha[g->alphas == 1 ? 0 : c] : (double)g->slope;
}

static inline double ref_act(enum k_act_kind act, double u, double slope)
{
	switch (act) {
	case K_ACT_ELU: return u > 0 ? u : slope * expm1(u);
	case K_ACT_GELU: return 0.5 * u * erfc(-u / sqrt(2));
	case K_ACT_SWISH: return u / (1 + exp(-slope * u));
	case K_ACT_MISH: return u * tanh(log1p(exp(u)));
	case K_ACT_SIGMOID: return 1 / (1 + exp(-u));
	case K_ACT_TANH: return tanh(u);
	case K_ACT_RELU6: return u < 0 ? 0 : u < 6 ? u : 6;
	case K_ACT_SELU: return 1.0507009873554804934193349852946 * (u > 0 ? u : 1.6732632423543772848170429916717 * expm1(u));
	case K_ACT_CELU: return u > 0 ? u : slope * expm1(u / slope);
	case K_ACT_GELU_TANH: return 0.5 * u * (1 + tanh(sqrt(2 / acos(-1)) * (u + 0.044715 * u * u * u)));
	default: return u > 0 ? u : slope * u;
	}
}

/* Its derivative: straight lines by hand, the others (smooth, but where selu bends) by differences */
static inline double ref_act_derivative(enum k_act_kind act, double u, double slope)
{
	double h = 1e-5;

	if (act < K_ACT_ELU)
		return u > 0 ? 1 : slope;
	if (act == K_ACT_RELU6)
		return u > 0 && u < 6;
	if (act == K_ACT_SELU)
		return 1.0507009873554804934193349852946 * (u > 0 ? 1 : 1.6732632423543772848170429916717 * exp(u));
	return (8 * (ref_act(act, u + h, slope) - ref_act(act, u - h, slope)) - ref_act(act, u + 2 * h, slope) + ref_act(act, u - 2 * h, slope)) / (12 * h);
}

/* Do elements (n, c) and (m, d) share their mean? */
static inline int ref_share(const struct k_norm *g, int64_t n, int64_t c, int64_t m, int64_t d)
{
	int64_t group = g->norm == K_NORM_GROUP ? g->c / g->groups : 1;

	return (n == m || g->norm == K_NORM_BATCH) && c / group == d / group;
}

static inline void ref_statistics(const struct k_norm *g, const struct ref_norm *a)
{
	for (int64_t i = 0; i < g->n * g->c; i++) {
		double mean = 0, var = 0, count = 0;

		for (int pass = 0; pass < 2; pass++) {
			for (int64_t j = 0; j < g->n * g->c; j++)
				for (int64_t v = 0; v < g->vox && ref_share(g, i / g->c, i % g->c, j / g->c, j % g->c); v++) {
					double x = a->x[(j / g->c * g->vox + v) * g->c + j % g->c];

					if (pass)
						var += (x - mean) * (x - mean);
					else
						mean += x, count++;
				}
			if (!pass)
				mean /= count;
		}
		a->mean[i] = !g->norm ? 0 : g->norm == K_NORM_RUNNING ? a->running_mean[i % g->c] : mean;
		a->rstd[i] = !g->norm ? 1 : 1 / sqrt((g->norm == K_NORM_RUNNING ? a->running_var[i % g->c] : var / count) + (double)g->eps);
	}
}

static inline double ref_unit(const struct k_norm *g, const struct ref_norm *a, int64_t i)
{
	int64_t c = i % g->c, nc = i / (g->vox * g->c) * g->c + c;

	return (a->x[i] - a->mean[nc]) * a->rstd[nc] * (a->gamma ? a->gamma[c] : 1) + (a->beta ? a->beta[c] : 0) + (g->after && a->res ? a->res[i] : 0);
}

static inline void ref_norm_forward(const struct k_norm *g, const struct ref_norm *a)
{
	ref_statistics(g, a);
	for (int64_t i = 0; i < g->n * g->vox * g->c; i++)
		a->y[i] = ref_act(g->act, ref_unit(g, a, i), ref_slope(g, a->alpha, i % g->c)) + (a->res && !g->after ? a->res[i] : 0);
}

/* After ref_norm_forward. dx is written, dres too, the others are added to; NULL dres: not wanted. */
static inline void ref_norm_backward(const struct k_norm *g, const struct ref_norm *a, const double *dy, double *dx, double *dres, double *dgamma,
	double *dbeta, double *dalpha)
{
	int64_t ncs = g->n * g->c, count = ncs * g->vox;
	double *d = malloc(sizeof *d * (size_t)count), *s1 = calloc((size_t)ncs, sizeof *s1), *s2 = calloc((size_t)ncs, sizeof *s2);

	for (int64_t i = 0; i < count; i++) {
		int64_t c = i % g->c, nc = i / (g->vox * g->c) * g->c + c;
		double u = ref_unit(g, a, i), xhat = (a->x[i] - a->mean[nc]) * a->rstd[nc];

		d[i] = dy[i] * ref_act_derivative(g->act, u, ref_slope(g, a->alpha, c));
		if (dres)
			dres[i] = g->after ? d[i] : dy[i];
		if (g->act == K_ACT_PRELU && u <= 0)
			dalpha[g->alphas == 1 ? 0 : c] += dy[i] * u;
		dbeta[c] += d[i], dgamma[c] += d[i] * xhat;
		d[i] *= a->gamma ? a->gamma[c] : 1;
		s1[nc] += d[i], s2[nc] += d[i] * xhat;
	}
	for (int64_t i = 0; i < count; i++) {
		int64_t n = i / (g->vox * g->c), c = i % g->c, nc = n * g->c + c;
		double m1 = 0, m2 = 0, k = 0;

		for (int64_t j = 0; j < ncs && g->norm && g->norm != K_NORM_RUNNING; j++)
			if (ref_share(g, n, c, j / g->c, j % g->c))
				m1 += s1[j], m2 += s2[j], k += (double)g->vox;
		dx[i] = a->rstd[nc] * (k > 0 ? d[i] - m1 / k - (a->x[i] - a->mean[nc]) * a->rstd[nc] * m2 / k : d[i]);
	}
	free(d), free(s1), free(s2);
}

/* Trilinear interpolation and average pooling from their definitions: visit(ctx, small voxel, large voxel, weight) for every pair that counts */
typedef void ref_pair(void *ctx, int64_t small, int64_t large, double w);

static inline double ref_hat(const struct k_scale *g, int axis, int64_t small, int64_t large)
{
	int f = g->factor[axis];
	double x = ((double)large + 0.5) / f - 0.5, last = (double)(g->small[axis] - 1);

	if (g->kind == K_SCALE_MEAN)
		return large / f == small ? 1.0 / f : 0;
	x = fmin(fmax(x, 0), last);
	return fmax(0, 1 - fabs(x - (double)small));
}

static inline void ref_scale(const struct k_scale *g, ref_pair *visit, void *ctx)
{
	int64_t h = g->small[1], w = g->small[2], ns = g->small[0] * h * w, H = h * g->factor[1], W = w * g->factor[2];
	int64_t nl = g->small[0] * g->factor[0] * H * W;

	for (int64_t i = 0; i < g->n * ns; i++)
		for (int64_t j = 0; j < nl; j++) {
			double k = ref_hat(g, 0, i % ns / (h * w), j / (H * W)) * ref_hat(g, 1, i / w % h, j / W % H) * ref_hat(g, 2, i % w, j % W);

			if (k > 0)
				visit(ctx, i, i / ns * nl + j, k);
		}
}

#endif
