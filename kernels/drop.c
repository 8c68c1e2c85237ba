/* Dropout by counter, and gates: a channel that multiplies all others. */
#include "kernels/alpha.h"
#include "kernels/philox.h"

static void multiply_block(const elem *x, const float *m, elem *y, int add)
{
	UNROLL for (int i = 0; i < PHILOX_BLOCK; i += VL) {
		vec t = load(x + i) * load(m + i);

		store(y + i, add ? load(y + i) + t : t);
	}
}

/* Channels b .. of voxels that share their draws */
static void drop_channels(const struct k_drop *g, const elem *x, int64_t xpitch, elem *y, int64_t ypitch, int64_t first, int64_t b, int64_t c,
	int add)
{
	float m[PHILOX_BLOCK];
	int64_t n = c - b < PHILOX_BLOCK ? c - b : PHILOX_BLOCK;

	philox_factors(g, (first / g->span * ((c + 3) / 4 * 4) + b) / 4, m);
	for (int64_t v = first; v < first + g->span; v++)
		for (int64_t i = 0; i < n; i++) {
			float t = widen(x[v * xpitch + b + i]) * m[i];

			y[v * ypitch + b + i] = narrow(add ? widen(y[v * ypitch + b + i]) + t : t);
		}
}

static void drop_alpha(const struct k_drop *g, const elem *x, int64_t xpitch, elem *y, int64_t ypitch, int64_t n, int64_t c, int add)
{
#pragma omp parallel for schedule(static)
	for (int64_t b = 0; b < n; b += PHILOX_BLOCK) {
		float m[PHILOX_BLOCK];

		philox_factors(g, b / 4, m);
		for (int64_t i = b; i < b + PHILOX_BLOCK && i < n; i++) {
			elem *to = y + i / c * ypitch + i % c;
			float t = drop_alpha_of(g, widen(x[i / c * xpitch + i % c]), m[i - b] > 0);

			*to = narrow(add ? widen(*to) + t : t);
		}
	}
}

int K(drop)(const struct k_drop *g, const void *from, int64_t xpitch, void *to, int64_t ypitch, int64_t vox, int64_t c, int add, struct err *e)
{
	const elem *x = from;
	elem *y = to;
	int64_t n = vox * c;
	int dense;

	(void)e;
	xpitch = xpitch ? xpitch : c, ypitch = ypitch ? ypitch : c;
	dense = xpitch == c && ypitch == c;
	if (g->alpha) {
		drop_alpha(g, x, xpitch, y, ypitch, n, c, add);
		return 0;
	}
	if (g->span) {
#pragma omp parallel for collapse(2) schedule(static)
		for (int64_t v = 0; v < vox; v += g->span)
			for (int64_t b = 0; b < c; b += PHILOX_BLOCK)
				drop_channels(g, x, xpitch, y, ypitch, v, b, c, add);
		return 0;
	}
#pragma omp parallel for schedule(static)
	for (int64_t b = 0; b < n; b += PHILOX_BLOCK) {
		float m[PHILOX_BLOCK];
		int64_t v = b / c, i = b % c;

		philox_factors(g, b / 4, m);
		if (dense && b + PHILOX_BLOCK <= n) {
			multiply_block(x + b, m, y + b, add);
			continue;
		}
		for (int64_t j = 0; j < PHILOX_BLOCK && b + j < n; j++) {
			float t = widen(x[v * xpitch + i]) * m[j];

			y[v * ypitch + i] = narrow(add ? widen(y[v * ypitch + i]) + t : t);
			if (++i == c)
				i = 0, v++;
		}
	}
	return 0;
}

int K(gate)(const void *from, int64_t xpitch, const void *by, void *to, int64_t ypitch, int64_t vox, int64_t c, struct err *e)
{
	const elem *x = from, *gate = by;
	elem *y = to;

	(void)e;
	xpitch = xpitch ? xpitch : c, ypitch = ypitch ? ypitch : c;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++)
		for (int64_t i = 0; i < c; i++)
			y[v * ypitch + i] = narrow(widen(x[v * xpitch + i]) * widen(gate[v]));
	return 0;
}

int K(gate_back)(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *gate, void *dx, void *dgate, int add, int gate_add,
	int64_t vox, int64_t c, struct err *e)
{
	int64_t whole = c / VL * VL;

	(void)e;
	xpitch = xpitch ? xpitch : c, ypitch = ypitch ? ypitch : c;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++) {
		const elem *g = (const elem *)dy + v * ypitch, *from = (const elem *)x + v * xpitch;
		elem *to = (elem *)dx + v * c, *dg = (elem *)dgate + v;
		float by = widen(((const elem *)gate)[v]), sum;
		vec s = {0};

		for (int64_t i = 0; i < whole; i += VL) {
			vec d = load(g + i), t = d * by;

			s += d * load(from + i);
			store(to + i, add ? load(to + i) + t : t);
		}
		sum = vec_total(s);
		for (int64_t i = whole; i < c; i++) {
			float t = widen(g[i]) * by;

			sum += widen(g[i]) * widen(from[i]);
			to[i] = narrow(add ? widen(to[i]) + t : t);
		}
		*dg = narrow(gate_add ? widen(*dg) + sum : sum);
	}
	return 0;
}
