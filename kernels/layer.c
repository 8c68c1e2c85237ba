/* Layer normalisation: a voxel's channels at a time.
   Backward, with u = (x - mean) rstd and t = gamma dy:  dx = rstd (t - mean(t) - u mean(t u)),  dgamma = sum dy u,  dbeta = sum dy; the sums by
   chunks of fixed size, in doubles, added in their order. */
#include "kernels/cpu.h"

#include <math.h>
#include <string.h>

#include "kernels/vmath.h"

enum { CHUNK = 2048, RUN = 64 }; /* voxels: of a chunk; added as floats */

/* The same for every channel i, nv vectors (1, then -1: half of one, then 0: one element) at a time */
#define CHANNELS(c, ...) \
	do { \
		int64_t i = 0; \
		for (; i + VL <= (c); i += VL) { \
			const int nv = 1; \
			__VA_ARGS__; \
		} \
		if (HALF > 0 && i + HALF <= (c)) { \
			const int nv = -1; \
			__VA_ARGS__; \
			i += HALF; \
		} \
		for (; i < (c); i++) { \
			const int nv = 0; \
			__VA_ARGS__; \
		} \
	} while (0)

/* x where there are elements, else 0 */
INLINE vec splat_some(float x, const int nv)
{
	float v[VL] = {0};

	for (int i = 0; i < VL && (i < (nv < 0 ? HALF : 1) || nv > 0); i++)
		v[i] = x;
	return load(v);
}

/* n voxels (VL, or the last few), side by side where each is a sum of its own */
INLINE void forward(const struct k_layer *g, const elem *x, const float *gamma, const float *beta, elem *y, float *mean, float *rstd, int n,
	const int64_t c)
{
	vec sums[VL], squares[VL];
	float m[VL], s[VL];

	for (int v = 0; v < VL; v++) {
		vec sum = {0};

		if (v < n)
			CHANNELS(c, sum += load_some(x + v * c + i, nv));
		sums[v] = sum;
	}
	store(m, vec_totals(sums) / (float)c);
	for (int v = 0; v < VL; v++) {
		vec sum = {0};

		if (v < n)
			CHANNELS(c, {
				vec d = load_some(x + v * c + i, nv) - splat_some(m[v], nv);

				sum += d * d;
			});
		squares[v] = sum;
	}
	store(s, vec_totals(squares) / (float)c + g->eps);
	for (int v = 0; v < VL; v++)
		s[v] = 1 / sqrtf(s[v]);
	for (int v = 0; v < n; v++)
		CHANNELS(c, {
			vec u = (load_some(x + v * c + i, nv) - m[v]) * s[v];

			u = gamma ? u * load_some(gamma + i, nv) : u;
			store_some(y + v * c + i, beta ? u + load_some(beta + i, nv) : u, nv);
		});
	if (mean)
		memcpy(mean, m, sizeof *mean * (size_t)n);
	if (rstd)
		memcpy(rstd, s, sizeof *rstd * (size_t)n);
}

int K(layer_forward)(const struct k_layer *g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd,
                     struct err *e)
{
	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < g->vox; v += VL) {
		const elem *from = (const elem *)x + v * g->c;
		elem *to = (elem *)y + v * g->c;
		int n = g->vox - v < VL ? (int)(g->vox - v) : VL;

		if (g->c == 24)
			forward(g, from, gamma, beta, to, mean ? mean + v : NULL, rstd ? rstd + v : NULL, n, 24);
		else
			forward(g, from, gamma, beta, to, mean ? mean + v : NULL, rstd ? rstd + v : NULL, n, g->c);
	}
	return 0;
}

static int64_t chunks_of(const struct k_layer *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

/* A chunk: doubles of dgamma and dbeta, then floats of them */
size_t K(layer_scratch)(const struct k_layer *g)
{
	return (size_t)(chunks_of(g) * g->c) * 2 * (sizeof(double) + sizeof(float));
}

static void backward(const struct k_layer *g, const elem *dy, const elem *x, const float *gamma, float m, float s, elem *dx, int add, float *sums)
{
	vec t = {0}, tu = {0};
	float mt, mtu;

	CHANNELS(g->c, {
		vec d = load_some(dy + i, nv), u = (load_some(x + i, nv) - splat_some(m, nv)) * s, w = gamma ? d * load_some(gamma + i, nv) : d;

		store_some(sums + i, load_some(sums + i, nv) + d * u, nv);
		store_some(sums + g->c + i, load_some(sums + g->c + i, nv) + d, nv);
		t += w;
		tu += w * u;
	});
	mt = vec_total(t) / (float)g->c, mtu = vec_total(tu) / (float)g->c;
	CHANNELS(g->c, {
		vec d = load_some(dy + i, nv), u = (load_some(x + i, nv) - m) * s, w = gamma ? d * load_some(gamma + i, nv) : d;

		w = (w - mt - u * mtu) * s;
		store_some(dx + i, add ? load_some(dx + i, nv) + w : w, nv);
	});
}

int K(layer_backward)(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx,
                      int dx_add, float *dgamma, float *dbeta, void *scratch, struct err *e)
{
	int64_t chunks = chunks_of(g), c = g->c;
	double *sums = scratch;
	float *runs = (float *)(sums + 2 * chunks * c);

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < chunks; k++) {
		double *sum = sums + 2 * k * c;
		float *run = runs + 2 * k * c;
		int64_t end = (k + 1) * CHUNK < g->vox ? (k + 1) * CHUNK : g->vox;

		memset(sum, 0, sizeof *sum * (size_t)(2 * c));
		for (int64_t v = k * CHUNK; v < end; v++) {
			if (v % RUN == 0)
				memset(run, 0, sizeof *run * (size_t)(2 * c));
			backward(g, (const elem *)dy + v * c, (const elem *)x + v * c, gamma, mean[v], rstd[v], (elem *)dx + v * c, dx_add, run);
			for (int64_t i = 0; (v % RUN == RUN - 1 || v == end - 1) && i < 2 * c; i++)
				sum[i] += run[i];
		}
	}
	for (int64_t i = 0; i < c; i++) {
		double a = 0, b = 0;

		for (int64_t k = 0; k < chunks; k++)
			a += sums[2 * k * c + i], b += sums[(2 * k + 1) * c + i];
		if (dgamma)
			dgamma[i] += (float)a;
		if (dbeta)
			dbeta[i] += (float)b;
	}
	return 0;
}
