/* Sliding windows (lib/net/window.h), memory-bound: rows of x, threads over z and y.
   gather  x[d][h][w][c] = image[c][start+d,h,w], `fill` outside
   blend   acc[z][y][x][k] += weight[d,h,w] logits[d][h][w][k];  sum[z][y][x] += weight[d,h,w], where the window meets the slab
   divide  acc[v][k] /= sum[v]
   No two threads share a voxel, so the sums don't depend on their number. */
#include "kernels/window.h"

#include <string.h>

/* Row functions are cloned for wide vectors: OpenMP's outlined bodies would not be. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((noinline, target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* The part of [0, n) that lands in [0, size) when moved by start. */
struct span { int64_t lo, hi; };

static struct span meet(int64_t n, int64_t start, int64_t size)
{
	struct span s = {start < 0 ? -start : 0, size - start < n ? size - start : n};

	if (s.hi < s.lo)
		s.hi = s.lo = s.lo < n ? s.lo : n;
	return s;
}

WIDE static void spread(float *restrict to, const float *restrict from, int64_t n, int64_t pitch)
{
	for (int64_t i = 0; i < n; i++)
		to[i * pitch] = from[i];
}

WIDE static void set(float *to, float v, int64_t n, int64_t pitch)
{
	for (int64_t i = 0; i < n; i++)
		to[i * pitch] = v;
}

/* One channel of one row; row NULL: outside the image. */
static void gather_row(const struct k_gather *g, const float *row, struct span s, float *x)
{
	int64_t n = g->roi[2], at = g->start[2] + s.lo;

	if (!row || s.lo == s.hi) {
		set(x, g->fill, n, g->c);
		return;
	}
	set(x, g->fill, s.lo, g->c);
	if (g->c == 1)
		memcpy(x + s.lo, row + at, (size_t)(s.hi - s.lo) * sizeof *x);
	else
		spread(x + s.lo * g->c, row + at, s.hi - s.lo, g->c);
	set(x + s.hi * g->c, g->fill, n - s.hi, g->c);
}

int k_window_gather(const struct k_gather *g, const float *image, float *x, struct err *e)
{
	const struct span sx = meet(g->roi[2], g->start[2], g->size[2]);
	const int64_t rows = g->roi[0] * g->roi[1], plane = g->size[0] * g->size[1] * g->size[2];

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t z = g->start[0] + r / g->roi[1], y = g->start[1] + r % g->roi[1];
		int in = z >= 0 && z < g->size[0] && y >= 0 && y < g->size[1];

		for (int64_t c = 0; c < g->c; c++)
			gather_row(g, in ? image + c * plane + (z * g->size[1] + y) * g->size[2] : NULL, sx, x + r * g->roi[2] * g->c + c);
	}
	return 0;
}

WIDE static void blend_two(float *restrict acc, float *restrict sum, const float *restrict logits, const float *restrict w, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		acc[2 * i] += w[i] * logits[2 * i];
		acc[2 * i + 1] += w[i] * logits[2 * i + 1];
		sum[i] += w[i];
	}
}

WIDE static void blend_any(float *restrict acc, float *restrict sum, const float *restrict logits, const float *restrict w, int64_t n, int64_t k)
{
	for (int64_t i = 0; i < n; i++) {
		for (int64_t c = 0; c < k; c++)
			acc[i * k + c] += w[i] * logits[i * k + c];
		sum[i] += w[i];
	}
}

int k_window_blend(const struct k_blend *g, const float *logits, const float *weight, float *acc, float *sum, struct err *e)
{
	const struct span sz = meet(g->roi[0], g->start[0], g->slab[0]), sy = meet(g->roi[1], g->start[1], g->slab[1]),
	                  sx = meet(g->roi[2], g->start[2], g->slab[2]);
	const int64_t ny = sy.hi - sy.lo, n = sx.hi - sx.lo, rows = n > 0 ? (sz.hi - sz.lo) * ny : 0;

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t d = sz.lo + r / ny, h = sy.lo + r % ny;
		int64_t from = (d * g->roi[1] + h) * g->roi[2] + sx.lo;
		int64_t to = ((g->start[0] + d) * g->slab[1] + g->start[1] + h) * g->slab[2] + g->start[2] + sx.lo;

		if (g->k == 2)
			blend_two(acc + 2 * to, sum + to, logits + 2 * from, weight + from, n);
		else
			blend_any(acc + g->k * to, sum + to, logits + g->k * from, weight + from, n, g->k);
	}
	return 0;
}

WIDE static void divide_some(float *restrict acc, const float *restrict sum, int64_t n, int64_t k)
{
	if (k == 2) {
		for (int64_t i = 0; i < n; i++) {
			acc[2 * i] /= sum[i];
			acc[2 * i + 1] /= sum[i];
		}
		return;
	}
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < k; c++)
			acc[i * k + c] /= sum[i];
}

int k_window_divide(float *acc, const float *sum, int64_t vox, int64_t k, struct err *e)
{
	enum { BLOCK = 4096 };

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v += BLOCK)
		divide_some(acc + v * k, sum + v, vox - v < BLOCK ? vox - v : BLOCK, k);
	return 0;
}
