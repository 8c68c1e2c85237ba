/* Sliding windows (lib/net/window/window.h), what becomes of their logits; memory-bound: rows of x, threads over z and y.
   blend   acc[z][y][x][k] += weight[d,h,w] logits[d][h][w][k];  sum[z][y][x] += weight[d,h,w], where the window meets the slab;
           margin: acc[z][y][x] += weight[d,h,w] (logits[d][h][w][1] - logits[d][h][w][0])
   sum     what blend makes of sum, row by row of the slab: a row is in the processor's nearest cache while all windows are added
   divide  y[v][k] = acc[v][k] / sum[v]
   count   voxels whose best class is not the first; of a single class, and of classes each by itself, of which one is above the middle
   flip: d, h, w of blend's logits count backwards, not those of its weight.
   No two threads share a voxel, so the sums don't depend on their number. */
#include "kernels/window.h"

#include <math.h>
#include <string.h>

#include "kernels/cover.h"
#include "kernels/lead.h"
#include "kernels/span.h"

WIDE static void blend_two(float *restrict acc, const float *restrict logits, struct weights w, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		acc[2 * i] += weight_at(&w, i) * logits[2 * i];
		acc[2 * i + 1] += weight_at(&w, i) * logits[2 * i + 1];
	}
}

WIDE static void blend_any(float *restrict acc, const float *restrict logits, struct weights w, int64_t n, int64_t k)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < k; c++)
			acc[i * k + c] += weight_at(&w, i) * logits[i * k + c];
}

WIDE static void blend_margin(float *restrict acc, const float *restrict logits, struct weights w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		acc[i] += weight_at(&w, i) * (logits[2 * i + 1] - logits[2 * i]);
}

static void blend_some(const struct k_blend *g, float *acc, const float *logits, struct weights w, int64_t n)
{
	if (g->margin)
		blend_margin(acc, logits, w, n);
	else if (g->k == 2)
		blend_two(acc, logits, w, n);
	else
		blend_any(acc, logits, w, n, g->k);
}

/* One voxel's probabilities in place of its logits. */
static void soften(float *v, int64_t k, int each)
{
	float most = v[0], sum = 0;

	for (int64_t c = 0; c < k && (k == 1 || each); c++)
		v[c] = 1 / (1 + expf(-v[c]));
	if (k == 1 || each)
		return;
	for (int64_t c = 1; c < k; c++)
		most = v[c] > most ? v[c] : most;
	for (int64_t c = 0; c < k; c++)
		sum += v[c] = expf(v[c] - most);
	for (int64_t c = 0; c < k; c++)
		v[c] /= sum;
}

/* A row whose logits are turned round or made probabilities first, piece by piece. `logits` is that of the row's first voxel; step: voxels on. */
static void blend_changed(const struct k_blend *g, float *acc, const float *logits, int64_t step, struct weights w, int64_t n)
{
	enum { ROOM = 4096 };
	const int64_t k = g->k, piece = k < ROOM ? ROOM / k : 1;
	float v[ROOM];

	for (int64_t i = 0; i < n; i += piece, w.x += piece) {
		int64_t m = n - i < piece ? n - i : piece;

		for (int64_t j = 0; j < m; j++) {
			memcpy(v + j * k, logits + (i + j) * step * k, (size_t)k * sizeof *v);
			if (g->soft)
				soften(v + j * k, k, g->each);
		}
		blend_some(g, acc + i * sums(g), v, w, m);
	}
}

static int unsure(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	return lead_by(u, k, acc, sum) < u->lead * sum;
}

WIDE static int any_unsure_one(const struct k_unsure *u, const float *restrict acc, const float *restrict sum, int64_t n)
{
	int any = 0;

	for (int64_t i = 0; i < n; i++)
		any |= unsure(u, 1, acc + i, sum[i]);
	return any;
}

static int any_unsure(const struct k_unsure *u, int64_t k, const float *acc, const float *sum, int64_t n)
{
	if (k == 1)
		return any_unsure_one(u, acc, sum, n);
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

int k_window_blend(const struct k_blend *g, const float *logits, float *acc, float *sum, struct err *e)
{
	const struct span sz = span_meet(g->roi[0], g->start[0], g->slab[0]), sy = span_meet(g->roi[1], g->start[1], g->slab[1]),
	                  sx = span_meet(g->roi[2], g->start[2], g->slab[2]);
	const int64_t ny = sy.hi - sy.lo, n = sx.hi - sx.lo, rows = n > 0 ? (sz.hi - sz.lo) * ny : 0, k = g->k, c = sums(g);

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++) {
		int64_t d = sz.lo + r / ny, h = sy.lo + r % ny;
		int64_t fd = g->flip & 1 ? g->roi[0] - 1 - d : d, fh = g->flip & 2 ? g->roi[1] - 1 - h : h;
		int64_t from = (fd * g->roi[1] + fh) * g->roi[2] + (g->flip & 4 ? g->roi[2] - 1 - sx.lo : sx.lo);
		int64_t to = ((g->start[0] + d) * g->slab[1] + g->start[1] + h) * g->slab[2] + g->start[2] + sx.lo;
		const struct weights w = weights(&g->weight, d, h, sx.lo);

		if (h + SPAN_AHEAD < sy.hi)
			span_fetch(acc + c * (to + SPAN_AHEAD * g->slab[2]), c * n);
		if (g->soft || g->flip & 4)
			blend_changed(g, acc + c * to, logits + k * from, g->flip & 4 ? -1 : 1, w, n);
		else
			blend_some(g, acc + c * to, logits + k * from, w, n);
		if (sum)
			add_weights(sum + to, w, n);
		if (g->unsure.block)
			mark(&g->unsure, c, to / g->slab[2], g->slab[2], to % g->slab[2], n, acc + c * to, sum + to);
	}
	return 0;
}

int k_window_sum(const struct k_cover *g, float *sum, struct err *e)
{
	const int64_t rows = g->slab[0] * g->slab[1];

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++)
		cover_row(g, r / g->slab[1], r % g->slab[1], 0, g->slab[2], sum + r * g->slab[2]);
	return 0;
}

WIDE static void divide_some(float *restrict y, const float *restrict sum, int64_t n, int64_t k, float first, float rest)
{
	if (k == 2) {
		for (int64_t i = 0; i < n; i++) {
			y[2 * i] = sum[i] > 0 ? y[2 * i] / sum[i] : first;
			y[2 * i + 1] = sum[i] > 0 ? y[2 * i + 1] / sum[i] : rest;
		}
		return;
	}
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < k; c++)
			y[i * k + c] = sum[i] > 0 ? y[i * k + c] / sum[i] : c ? rest : first;
}

/* Blocks are copied, then divided where they are: compilers make vectors of that. */
int k_window_divide(float *y, const float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e)
{
	enum { BLOCK = 1024 };

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v += BLOCK) {
		const int64_t n = vox - v < BLOCK ? vox - v : BLOCK;

		memcpy(y + v * k, acc + v * k, (size_t)(n * k) * sizeof *y);
		divide_some(y + v * k, sum + v, n, k, none[0], none[1]);
	}
	return 0;
}

WIDE static int64_t count_some(const struct k_unsure *u, const float *restrict acc, const float *restrict sum, int64_t n, int64_t k)
{
	const float middle = u->middle;
	int64_t all = 0;

	if (k == 1) {
		for (int64_t i = 0; i < n; i++)
			all += acc[i] > middle * sum[i];
		return all;
	}
	for (int64_t i = 0; i < n; i++) {
		const float than = u->each ? middle * sum[i] : acc[i * k];
		int any = 0;

		for (int64_t c = 0; c < k; c++)
			any |= acc[i * k + c] > than;
		all += any;
	}
	return all;
}

int k_window_count(const struct k_unsure *u, const float *acc, const float *sum, int64_t vox, int64_t k, int64_t *n, struct err *e)
{
	enum { BLOCK = 1 << 14 };
	int64_t all = 0;

	(void)e;
#pragma omp parallel for schedule(static) reduction(+:all)
	for (int64_t v = 0; v < vox; v += BLOCK)
		all += count_some(u, acc + v * k, sum + v, vox - v < BLOCK ? vox - v : BLOCK, k);
	*n = all;
	return 0;
}
