/* Windows out of an image: x[d][h][w][c] = image[c][start+d,h,w], what `pad` says outside; with flip d, h, w count backwards. Rows of x, threads over
   z and y. */
#include "kernels/window.h"

#include <string.h>

#include "kernels/pad.h"
#include "kernels/span.h"
#include "kernels/vec.h"

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

WIDE static void spread_halves(bf16 *restrict to, const float *restrict from, int64_t n, int64_t pitch)
{
	if (pitch == 1)
		for (int64_t i = 0; i < n; i++)
			to[i] = bf16_of(from[i]);
	else
		for (int64_t i = 0; i < n; i++)
			to[i * pitch] = bf16_of(from[i]);
}

static void spread_halves_back(bf16 *to, const float *from, int64_t n, int64_t pitch)
{
	for (int64_t i = 0; i < n; i++)
		to[i * pitch] = bf16_of(from[n - 1 - i]);
}

/* n places of a row, from `at` on; `half`: they are bfloat16s */
static void row_part(const struct k_gather *g, void *x, int64_t at, const float *from, int64_t n, int half)
{
	if (half)
		(g->flip & 4 ? spread_halves_back : spread_halves)((bf16 *)x + at, from, n, g->c);
	else if (g->flip & 4)
		spread_back((float *)x + at, from, n, g->c);
	else if (g->c == 1)
		memcpy((float *)x + at, from, (size_t)n * sizeof *from);
	else
		spread((float *)x + at, from, n, g->c);
}

/* Places lo to hi - 1 of the window's row that lie outside the image. */
static void outside(const struct k_gather *g, const float *row, int64_t lo, int64_t hi, void *x, int64_t first, int half)
{
	for (int64_t w = lo; w < hi; w++) {
		const int64_t from = row ? pad_source(g->start[2] + w, g->size[2], g->pad) : -1, at = first + (g->flip & 4 ? g->roi[2] - 1 - w : w) * g->c;
		const float v = from < 0 ? g->fill : row[from];

		if (half)
			((bf16 *)x)[at] = bf16_of(v);
		else
			((float *)x)[at] = v;
	}
}

/* One channel of one row, from x[first] on; row NULL: outside the image. ahead: there are rows enough behind it. */
static void gather_row(const struct k_gather *g, const float *row, int ahead, struct span s, void *x, int64_t first, int half)
{
	int64_t n = row ? s.hi - s.lo : 0, at = g->start[2] + s.lo;

	outside(g, row, 0, n ? s.lo : g->roi[2], x, first, half);
	if (!n)
		return;
	if (ahead)
		span_fetch(row + at + SPAN_AHEAD * g->size[2], n);
	row_part(g, x, first + (g->flip & 4 ? g->roi[2] - s.hi : s.lo) * g->c, row + at, n, half);
	outside(g, row, s.hi, g->roi[2], x, first, half);
}

static void gather(const struct k_gather *g, const float *image, void *x, int half)
{
	const struct span sx = span_meet(g->roi[2], g->start[2], g->size[2]);
	const int64_t rows = g->roi[0] * g->roi[1], plane = g->size[0] * g->size[1] * g->size[2];

#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t d = r / g->roi[1], h = r % g->roi[1];
		int64_t z = pad_source(g->start[0] + (g->flip & 1 ? g->roi[0] - 1 - d : d), g->size[0], g->pad);
		int64_t y = pad_source(g->start[1] + (g->flip & 2 ? g->roi[1] - 1 - h : h), g->size[1], g->pad);

		for (int64_t c = 0; c < g->c; c++)
			gather_row(g, z < 0 || y < 0 ? NULL : image + c * plane + (z * g->size[1] + y) * g->size[2], y + SPAN_AHEAD < g->size[1], sx,
			           x, r * g->roi[2] * g->c + c, half);
	}
}

int k_window_gather(const struct k_gather *g, const float *image, void *x, struct err *e)
{
	(void)e;
	gather(g, image, x, 0);
	return 0;
}

int k_window_gather_half(const struct k_gather *g, const float *image, void *x, struct err *e)
{
	(void)e;
	gather(g, image, x, 1);
	return 0;
}
