/* Sliding windows (lib/net/window/window.h), memory-bound: rows of x, threads over z and y.
   gather  x[d][h][w][c] = image[c][start+d,h,w], what `pad` says outside
   blend   acc[z][y][x][k] += weight[d,h,w] logits[d][h][w][k];  sum[z][y][x] += weight[d,h,w], where the window meets the slab
   divide  acc[v][k] /= sum[v]
   count   voxels whose best class is not the first
   flip: gather's d, h, w count backwards, and so do those of blend's logits, not those of its weight.
   No two threads share a voxel, so the sums don't depend on their number. */
#include "kernels/window.h"

#include <math.h>
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

/* One channel of one row; row NULL: outside the image. */
static void gather_row(const struct k_gather *g, const float *row, struct span s, float *x)
{
	int64_t n = row ? s.hi - s.lo : 0, at = g->start[2] + s.lo;

	outside(g, row, 0, n ? s.lo : g->roi[2], x);
	if (!n)
		return;
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
			gather_row(g, z < 0 || y < 0 ? NULL : image + c * plane + (z * g->size[1] + y) * g->size[2], sx, x + r * g->roi[2] * g->c + c);
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

static void blend_some(float *acc, float *sum, const float *logits, const float *w, int64_t n, int64_t k)
{
	if (k == 2)
		blend_two(acc, sum, logits, w, n);
	else
		blend_any(acc, sum, logits, w, n, k);
}

/* One voxel's probabilities in place of its logits. */
static void soften(float *v, int64_t k)
{
	float most = v[0], sum = 0;

	if (k == 1) {
		v[0] = 1 / (1 + expf(-v[0]));
		return;
	}
	for (int64_t c = 1; c < k; c++)
		most = v[c] > most ? v[c] : most;
	for (int64_t c = 0; c < k; c++)
		sum += v[c] = expf(v[c] - most);
	for (int64_t c = 0; c < k; c++)
		v[c] /= sum;
}

/* A row whose logits are turned round or made probabilities first, piece by piece. `logits` is that of the row's first voxel; step: voxels on. */
static void blend_changed(const struct k_blend *g, float *acc, float *sum, const float *logits, int64_t step, const float *w, int64_t n)
{
	enum { ROOM = 4096 };
	const int64_t k = g->k, piece = k < ROOM ? ROOM / k : 1;
	float v[ROOM];

	for (int64_t i = 0; i < n; i += piece) {
		int64_t m = n - i < piece ? n - i : piece;

		for (int64_t j = 0; j < m; j++) {
			memcpy(v + j * k, logits + (i + j) * step * k, (size_t)k * sizeof *v);
			if (g->soft)
				soften(v + j * k, k);
		}
		blend_some(acc + i * k, sum + i, v, w + i, m, k);
	}
}

/* By how much the best of k sums leads the next. */
static float lead(const float *v, int64_t k)
{
	float first = v[0] > v[1] ? v[0] : v[1], second = v[0] > v[1] ? v[1] : v[0];

	for (int64_t c = 2; c < k; c++) {
		float was = first;

		first = v[c] > first ? v[c] : first;
		second = v[c] > was ? was : v[c] > second ? v[c] : second;
	}
	return first - second;
}

static int unsure(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	float by = k > 1 ? lead(acc, k) : fabsf(acc[0] - u->middle * sum);

	return by < u->lead * sum;
}

WIDE static int any_unsure_two(float most, const float *restrict acc, const float *restrict sum, int64_t n)
{
	int any = 0;

	for (int64_t i = 0; i < n; i++)
		any |= fabsf(acc[2 * i] - acc[2 * i + 1]) < most * sum[i];
	return any;
}

static int any_unsure(const struct k_unsure *u, int64_t k, const float *acc, const float *sum, int64_t n)
{
	if (k == 2)
		return any_unsure_two(u->lead, acc, sum, n);
	for (int64_t i = 0; i < n; i++)
		if (unsure(u, k, acc + i * k, sum[i]))
			return 1;
	return 0;
}

/* n voxels of a row from x on have changed. A block that had an unsure voxel is looked at anew when all of it has. */
static void mark(const struct k_unsure *u, int64_t k, int64_t row, int64_t size, int64_t x, int64_t n, const float *acc, const float *sum)
{
	uint8_t *block = u->block + row * ((size + K_BLOCK - 1) / K_BLOCK);

	for (int64_t b = x / K_BLOCK; b * K_BLOCK < x + n; b++) {
		const int64_t from = b * K_BLOCK, to = from + K_BLOCK < size ? from + K_BLOCK : size, lo = from > x ? from : x, hi = to < x + n ? to : x + n;

		if (!block[b] || hi - lo == to - from)
			block[b] = (uint8_t)any_unsure(u, k, acc + (lo - x) * k, sum + lo - x, hi - lo);
	}
}

int k_window_blend(const struct k_blend *g, const float *logits, const float *weight, float *acc, float *sum, struct err *e)
{
	const struct span sz = span_meet(g->roi[0], g->start[0], g->slab[0]), sy = span_meet(g->roi[1], g->start[1], g->slab[1]),
	                  sx = span_meet(g->roi[2], g->start[2], g->slab[2]);
	const int64_t ny = sy.hi - sy.lo, n = sx.hi - sx.lo, rows = n > 0 ? (sz.hi - sz.lo) * ny : 0, k = g->k;

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t d = sz.lo + r / ny, h = sy.lo + r % ny;
		int64_t at = (d * g->roi[1] + h) * g->roi[2] + sx.lo;
		int64_t fd = g->flip & 1 ? g->roi[0] - 1 - d : d, fh = g->flip & 2 ? g->roi[1] - 1 - h : h;
		int64_t from = (fd * g->roi[1] + fh) * g->roi[2] + (g->flip & 4 ? g->roi[2] - 1 - sx.lo : sx.lo);
		int64_t to = ((g->start[0] + d) * g->slab[1] + g->start[1] + h) * g->slab[2] + g->start[2] + sx.lo;

		if (g->soft || g->flip & 4)
			blend_changed(g, acc + k * to, sum + to, logits + k * from, g->flip & 4 ? -1 : 1, weight + at, n);
		else
			blend_some(acc + k * to, sum + to, logits + k * from, weight + at, n, k);
		if (g->unsure.block)
			mark(&g->unsure, k, to / g->slab[2], g->slab[2], to % g->slab[2], n, acc + k * to, sum + to);
	}
	return 0;
}

WIDE static void divide_some(float *restrict acc, const float *restrict sum, int64_t n, int64_t k, float first, float rest)
{
	if (k == 2) {
		for (int64_t i = 0; i < n; i++) {
			acc[2 * i] = sum[i] > 0 ? acc[2 * i] / sum[i] : first;
			acc[2 * i + 1] = sum[i] > 0 ? acc[2 * i + 1] / sum[i] : rest;
		}
		return;
	}
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < k; c++)
			acc[i * k + c] = sum[i] > 0 ? acc[i * k + c] / sum[i] : c ? rest : first;
}

int k_window_divide(float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e)
{
	enum { BLOCK = 4096 };

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v += BLOCK)
		divide_some(acc + v * k, sum + v, vox - v < BLOCK ? vox - v : BLOCK, k, none[0], none[1]);
	return 0;
}

WIDE static int64_t count_some(const float *restrict acc, const float *restrict sum, int64_t n, int64_t k, float middle)
{
	int64_t all = 0;

	if (k == 2) {
		for (int64_t i = 0; i < n; i++)
			all += acc[2 * i + 1] > acc[2 * i];
		return all;
	}
	for (int64_t i = 0; i < n; i++) {
		int any = k == 1 && acc[i] > middle * sum[i];

		for (int64_t c = 1; c < k; c++)
			any |= acc[i * k + c] > acc[i * k];
		all += any;
	}
	return all;
}

int k_window_count(const float *acc, const float *sum, int64_t vox, int64_t k, float middle, int64_t *n, struct err *e)
{
	enum { BLOCK = 1 << 14 };
	int64_t all = 0;

	(void)e;
#pragma omp parallel for schedule(static) reduction(+:all)
	for (int64_t v = 0; v < vox; v += BLOCK)
		all += count_some(acc + v * k, sum + v, vox - v < BLOCK ? vox - v : BLOCK, k, middle);
	*n = all;
	return 0;
}
