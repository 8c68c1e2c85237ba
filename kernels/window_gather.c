/* Windows out of an image: x[d][h][w][c] = image[c][start+d,h,w], what `pad` says outside; with flip d, h, w count backwards. Rows of x, threads over
   z and y. */
#include "kernels/window.h"

#include <string.h>

#include "kernels/pad.h"
#include "kernels/span.h"

WIDE static void spread(float *restrict to, const float *restrict from, int64_t n, int64_t pitch)
{
	for (int64_t i = 0; i < n; i++)
		to[i * pitch] = from[i];
}

WIDE static void spread_back(float *restrict to, const float *restrict from, int64_t n, int64_t pitch)
{
	for (int64_t i = 0; i < n; i++)
		to[i * pitch] = from[n - 1 - i];
}

/* Places lo to hi - 1 of the window's row that lie outside the image. */
static void outside(const struct k_gather *g, const float *row, int64_t lo, int64_t hi, float *x)
{
	for (int64_t w = lo; w < hi; w++) {
		int64_t from = row ? pad_source(g->start[2] + w, g->size[2], g->pad) : -1;

		x[(g->flip & 4 ? g->roi[2] - 1 - w : w) * g->c] = from < 0 ? g->fill : row[from];
	}
}

/* One channel of one row; row NULL: outside the image. ahead: there are rows enough behind it. */
static void gather_row(const struct k_gather *g, const float *row, int ahead, struct span s, float *x)
{
	int64_t n = row ? s.hi - s.lo : 0, at = g->start[2] + s.lo;

	outside(g, row, 0, n ? s.lo : g->roi[2], x);
	if (!n)
		return;
	if (ahead)
		span_fetch(row + at + SPAN_AHEAD * g->size[2], n);
	if (g->flip & 4)
		spread_back(x + (g->roi[2] - s.hi) * g->c, row + at, n, g->c);
	else if (g->c == 1)
		memcpy(x + s.lo, row + at, (size_t)n * sizeof *x);
	else
		spread(x + s.lo * g->c, row + at, n, g->c);
	outside(g, row, s.hi, g->roi[2], x);
}

int k_window_gather(const struct k_gather *g, const float *image, float *x, struct err *e)
{
	const struct span sx = span_meet(g->roi[2], g->start[2], g->size[2]);
	const int64_t rows = g->roi[0] * g->roi[1], plane = g->size[0] * g->size[1] * g->size[2];

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t d = r / g->roi[1], h = r % g->roi[1];
		int64_t z = pad_source(g->start[0] + (g->flip & 1 ? g->roi[0] - 1 - d : d), g->size[0], g->pad);
		int64_t y = pad_source(g->start[1] + (g->flip & 2 ? g->roi[1] - 1 - h : h), g->size[1], g->pad);

		for (int64_t c = 0; c < g->c; c++)
			gather_row(g, z < 0 || y < 0 ? NULL : image + c * plane + (z * g->size[1] + y) * g->size[2], y + SPAN_AHEAD < g->size[1], sx,
			           x + r * g->roi[2] * g->c + c);
	}
	return 0;
}
