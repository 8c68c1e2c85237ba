/* Weights of windows, row by row: kernels/window.c, kernels/window_decide.c. */
#ifndef NIIPIPE_COVER_H
#define NIIPIPE_COVER_H

#include <string.h>

#include "kernels/backend.h"
#include "kernels/span.h"

/* Numbers that are added up of a voxel. */
static inline int64_t sums(const struct k_blend *g)
{
	return g->margin ? 1 : g->k;
}

/* Weights of a row: times x[i], at least `least`. */
struct weights { const float *x; float times, least; };

static inline struct weights weights(const struct k_weight *w, int64_t d, int64_t h, int64_t x)
{
	return (struct weights){w->row[2] + x, w->row[0][d] * w->row[1][h], w->least};
}

static inline float weight_at(const struct weights *w, int64_t i)
{
	const float v = w->times * w->x[i];

	return v > w->least ? v : w->least;
}

WIDE static void add_weights(float *restrict sum, struct weights w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		sum[i] += weight_at(&w, i);
}

/* Sums of all windows' weights at n voxels of the slab's row z, y, from x on. */
static inline void cover_row(const struct k_cover *g, int64_t z, int64_t y, int64_t x, int64_t n, float *sum)
{
	memset(sum, 0, (size_t)n * sizeof *sum);
	for (int64_t i = 0; i < g->n; i++) {
		const int64_t *start = g->start[i], d = g->first + z - start[0], h = y - start[1];
		const struct span s = span_meet(g->roi[2], start[2] - x, n);

		if (d >= 0 && d < g->roi[0] && h >= 0 && h < g->roi[1] && s.hi > s.lo)
			add_weights(sum + start[2] - x + s.lo, weights(&g->weight, d, h, s.lo), s.hi - s.lo);
	}
}

#endif
