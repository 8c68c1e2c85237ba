/* Convolutions without a library, for shapes that cuDNN has no engine for: one lane an output element, or a team where the sum is over all voxels.
   x, y, w as kernels/gpu/conv.c has them: the small end [n,out] of a channels from the large end [n,in] of b, weights [a][taps][b]. */
#include "kernels/gpu/direct.h"
#include "kernels/gpu/par.h"

/* Place on axis i of the large end that tap t of the small end's place p reads; -1: outside */
DEVICE int64_t direct_at(const struct gpu_direct *g, int i, int64_t p, int64_t t)
{
	int64_t at = p * g->stride[i] - g->pad[i] + t;

	return at < 0 || at >= g->large[i] ? -1 : at;
}

/* The voxel of the large end that a tap of the small end's voxel v reads; -1: outside */
DEVICE int64_t direct_large(const struct gpu_direct *g, int64_t v, int64_t tap)
{
	const int64_t kh = g->kernel[1], kw = g->kernel[2];
	int64_t d = direct_at(g, 0, v / g->small[2] / g->small[1] % g->small[0], tap / kw / kh);
	int64_t h = direct_at(g, 1, v / g->small[2] % g->small[1], tap / kw % kh), w = direct_at(g, 2, v % g->small[2], tap % kw);

	return d < 0 || h < 0 || w < 0 ? -1 : ((v / g->small[2] / g->small[1] / g->small[0] * g->large[0] + d) * g->large[1] + h) * g->large[2] + w;
}

/* The place on axis i of the small end that reads the large end's place p with tap t; -1: none */
DEVICE int64_t direct_back(const struct gpu_direct *g, int i, int64_t p, int64_t t)
{
	int64_t at = p + g->pad[i] - t;

	return at < 0 || at % g->stride[i] || at / g->stride[i] >= g->small[i] ? -1 : at / g->stride[i];
}

/* The voxel of the small end that reads the large end's voxel v with a tap; -1: none */
DEVICE int64_t direct_small(const struct gpu_direct *g, int64_t v, int64_t tap)
{
	const int64_t kh = g->kernel[1], kw = g->kernel[2];
	int64_t d = direct_back(g, 0, v / g->large[2] / g->large[1] % g->large[0], tap / kw / kh);
	int64_t h = direct_back(g, 1, v / g->large[2] % g->large[1], tap / kw % kh), w = direct_back(g, 2, v % g->large[2], tap % kw);

	return d < 0 || h < 0 || w < 0 ? -1 : ((v / g->large[2] / g->large[1] / g->large[0] * g->small[0] + d) * g->small[1] + h) * g->small[2] + w;
}

KERNEL(direct_shrink, (struct gpu_direct g, const void *x, const void *w, void *y, int add), (g, x, w, y, add), items(g.svox * g.a))
{
	ITEM_FOR(i, g.svox * g.a) {
		int64_t v = i / g.a, a = i % g.a;
		float sum = 0;

		for (int64_t t = 0; t < g.taps; t++) {
			int64_t from = direct_large(&g, v, t);
			float own = 0; /* of a tap: the fewer at once, the less is lost */

			for (int64_t b = 0; from >= 0 && b < g.b; b++)
				own += get(x, from * g.lp + b) * get(w, (a * g.taps + t) * g.b + b);
			sum += own;
		}
		put(y, v * g.sp + a, add ? get(y, v * g.sp + a) + sum : sum);
	}
}

KERNEL(direct_grow, (struct gpu_direct g, const void *y, const void *w, void *x, int add), (g, y, w, x, add), items(g.lvox * g.b))
{
	ITEM_FOR(i, g.lvox * g.b) {
		int64_t v = i / g.b, b = i % g.b;
		float sum = 0;

		for (int64_t t = 0; t < g.taps; t++) {
			int64_t from = direct_small(&g, v, t);
			float own = 0;

			for (int64_t a = 0; from >= 0 && a < g.a; a++)
				own += get(y, from * g.sp + a) * get(w, (a * g.taps + t) * g.b + b);
			sum += own;
		}
		put(x, v * g.lp + b, add ? get(x, v * g.lp + b) + sum : sum);
	}
}

/* dw [a][taps][b] */
KERNEL(direct_weights, (struct gpu_direct g, const void *x, const void *y, float *dw), (g, x, y, dw), g.a * g.taps * g.b)
{
	TEAM_FOR(i, g.a * g.taps * g.b) {
		int64_t b = i % g.b, t = i / g.b % g.taps, a = i / g.b / g.taps;
		double sum = 0;

		LANE_FOR(v, 0, g.svox) {
			int64_t from = direct_large(&g, v, t);

			if (from >= 0)
				sum += (double)(get(y, v * g.sp + a) * get(x, from * g.lp + b));
		}
		sum = team_sum(sum);
		if (FIRST_LANE)
			dw[i] = (float)sum;
	}
}
