/* Sliding windows (lib/net/window/window.h), as kernels/window.c. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"
#include "kernels/pad.h"

KERNEL(window_gather, (struct k_gather g, const float *image, float *x), (g, image, x), items(g.c * g.roi[0] * g.roi[1] * g.roi[2]))
{
	ITEM_FOR(i, g.c * g.roi[0] * g.roi[1] * g.roi[2]) {
		int64_t c = i % g.c, v = i / g.c, at[3] = {v / g.roi[2] / g.roi[1], v / g.roi[2] % g.roi[1], v % g.roi[2]}, from = c;

		for (int a = 0; a < 3; a++) {
			int64_t p = pad_source(g.start[a] + (g.flip >> a & 1 ? g.roi[a] - 1 - at[a] : at[a]), g.size[a], g.pad);

			from = from < 0 || p < 0 ? -1 : from * g.size[a] + p;
		}
		x[i] = from < 0 ? g.fill : image[from];
	}
}

/* The largest logit of a voxel, and the sum of exponentials below it */
DEVICE float soft_sum(const float *l, int64_t k, float *most)
{
	float sum = 0;

	*most = l[0];
	for (int64_t c = 1; c < k; c++)
		*most = l[c] > *most ? l[c] : *most;
	for (int64_t c = 0; c < k; c++)
		sum += expf(l[c] - *most);
	return sum;
}

/* One voxel of the window; those outside the slab are left out. */
KERNEL(window_blend, (struct k_blend g, const float *logits, float *acc, float *sum), (g, logits, acc, sum),
	items(g.roi[0] * g.roi[1] * g.roi[2]))
{
	ITEM_FOR(v, g.roi[0] * g.roi[1] * g.roi[2]) {
		int64_t at[3] = {v / g.roi[2] / g.roi[1], v / g.roi[2] % g.roi[1], v % g.roi[2]}, from = 0, to = 0, outside = 0;
		float most = 0, all = 1, w = g.weight.row[0][at[0]] * g.weight.row[1][at[1]] * g.weight.row[2][at[2]];

		for (int a = 0; a < 3; a++) {
			int64_t p = g.start[a] + at[a];

			outside |= p < 0 || p >= g.slab[a];
			to = to * g.slab[a] + p;
			from = from * g.roi[a] + (g.flip >> a & 1 ? g.roi[a] - 1 - at[a] : at[a]);
		}
		w = w > g.weight.least ? w : g.weight.least;
		if (g.soft && g.k > 1)
			all = soft_sum(logits + from * g.k, g.k, &most);
		for (int64_t c = 0; !outside && c < g.k; c++) {
			float p = logits[from * g.k + c];

			if (g.soft)
				p = g.k > 1 ? expf(p - most) / all : 1 / (1 + expf(-p));
			acc[to * g.k + c] += w * p;
		}
		if (sum && !outside)
			sum[to] += w;
	}
}

KERNEL(window_divide, (float *y, const float *acc, const float *sum, int64_t vox, int64_t k, float first, float rest),
	(y, acc, sum, vox, k, first, rest), items(vox * k))
{
	ITEM_FOR(i, vox * k)
		y[i] = sum[i / k] > 0 ? acc[i] / sum[i / k] : i % k ? rest : first;
}

/* The share that the window's voxel v will have in its mean, where that is unsure; else 0. The kernel keeps no note of what is sure. */
DEVICE float doubt_of(const struct k_doubt *g, int64_t v, float w, const float *acc, const float *sum)
{
	int64_t z = g->start[0] + v / g->roi[2] / g->roi[1], y = g->start[1] + v / g->roi[2] % g->roi[1], x = g->start[2] + v % g->roi[2], at;
	float first, second = -INFINITY;

	if (z < 0 || y < 0 || x < 0 || (g->start[0] < 0 && z >= g->slab[0]) || y >= g->slab[1] || x >= g->slab[2])
		return 0;
	at = (z % g->slab[0] * g->slab[1] + y) * g->slab[2] + x;
	first = acc[at * g->k];
	for (int64_t c = 1; c < g->k; c++) {
		float l = acc[at * g->k + c];

		second = l > first ? first : l > second ? l : second;
		first = l > first ? l : first;
	}
	first = g->k > 1 ? first - second : fabsf(first - g->unsure.middle * sum[at]);
	return first < g->unsure.lead * sum[at] ? g->times * w / (sum[at] + g->times * w) : 0;
}

/* part[d]: of the window's slice d */
KERNEL(window_doubt, (struct k_doubt g, const float *weight, const float *acc, const float *sum, double *part), (g, weight, acc, sum, part), g.roi[0])
{
	TEAM_FOR(d, g.roi[0]) {
		double all = 0;

		LANE_FOR(i, d * g.roi[1] * g.roi[2], (d + 1) * g.roi[1] * g.roi[2])
			all += (double)doubt_of(&g, i, weight[i], acc, sum);
		all = team_sum(all);
		if (FIRST_LANE)
			part[d] = all;
	}
}

/* part[t]: of voxels from t GPU_SQUARES on */
KERNEL(window_count, (const float *acc, const float *sum, int64_t vox, int64_t k, float middle, double *part), (acc, sum, vox, k, middle, part),
	(vox + GPU_SQUARES - 1) / GPU_SQUARES)
{
	TEAM_FOR(t, (vox + GPU_SQUARES - 1) / GPU_SQUARES) {
		const int64_t lo = t * GPU_SQUARES, hi = lo + GPU_SQUARES < vox ? lo + GPU_SQUARES : vox;
		double all = 0;

		LANE_FOR(i, lo, hi) {
			int any = k == 1 && acc[i] > middle * sum[i];

			for (int64_t c = 1; c < k; c++)
				any |= acc[i * k + c] > acc[i * k];
			all += any;
		}
		all = team_sum(all);
		if (FIRST_LANE)
			part[t] = all;
	}
}
