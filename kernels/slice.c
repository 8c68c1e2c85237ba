#include "kernels/cpu.h"

#include <string.h>

#include "kernels/vec.h"

enum { SUM_CHUNK = 4096, RUN = 64, PIECE = 1 << 16 }; /* voxels; PIECE: elements */

static void dense(elem *y, const elem *x, int64_t n, int add)
{
	if (add) {
#pragma omp parallel for simd schedule(static)
		for (int64_t i = 0; i < n; i++)
			y[i] = narrow(widen(y[i]) + widen(x[i]));
		return;
	}
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < n; i += PIECE)
		memcpy(y + i, x + i, sizeof *y * (size_t)(n - i < PIECE ? n - i : PIECE));
}

INLINE void strided(elem *y, int64_t ypitch, const elem *x, int64_t xpitch, int64_t vox, int64_t c, const int add)
{
	int64_t whole = c / VL * VL;

#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++) {
		elem *to = y + v * ypitch;
		const elem *from = x + v * xpitch;

		for (int64_t i = 0; i < whole; i += VL) {
			vec t = load(from + i);

			if (add)
				t += load(to + i);
			store(to + i, t);
		}
		for (int64_t i = whole; i < c; i++)
			to[i] = add ? narrow(widen(to[i]) + widen(from[i])) : from[i];
	}
}

int K(slice_copy)(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e)
{
	(void)e;
	ypitch = ypitch ? ypitch : c, xpitch = xpitch ? xpitch : c;
	if (ypitch == c && xpitch == c)
		dense(y, x, vox * c, add);
	else if (add)
		strided(y, ypitch, x, xpitch, vox, c, 1);
	else
		strided(y, ypitch, x, xpitch, vox, c, 0);
	return 0;
}

/* Rows of c elements, or pieces of what is dense: how many, of how many elements, of how many the last */
struct rows { int64_t n, len, last; };

static struct rows rows_of(int64_t pitch, int64_t vox, int64_t c)
{
	int64_t all = vox * c, n = (all + PIECE - 1) / PIECE;

	return pitch == c ? (struct rows){n, PIECE, all - (n - 1) * PIECE} : (struct rows){vox, c, c};
}

int K(to_floats)(float *y, const void *from, int64_t xpitch, int64_t vox, int64_t c, struct err *e)
{
	const int64_t pitch = xpitch ? xpitch : c, step = pitch == c ? PIECE : pitch;
	const struct rows r = rows_of(pitch, vox, c);

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < r.n; k++) {
		const elem *x = (const elem *)from + k * step;

		for (int64_t i = 0, n = k < r.n - 1 ? r.len : r.last; i < n; i++)
			y[k * r.len + i] = widen(x[i]);
	}
	return 0;
}

int K(from_floats)(void *to, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add, struct err *e)
{
	const int64_t pitch = ypitch ? ypitch : c, step = pitch == c ? PIECE : pitch;
	const struct rows r = rows_of(pitch, vox, c);

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < r.n; k++) {
		elem *y = (elem *)to + k * step;

		for (int64_t i = 0, n = k < r.n - 1 ? r.len : r.last; i < n; i++)
			y[i] = narrow(add ? widen(y[i]) + x[k * r.len + i] : x[k * r.len + i]);
	}
	return 0;
}

/* A row of the sums is several voxels where there are few channels, one behind the other. */
static int64_t voxels_of(int64_t pitch, int64_t c)
{
	return pitch == c && c < VL ? VL : 1;
}

size_t K(column_scratch)(int64_t vox, int64_t c)
{
	return sizeof(double) * (size_t)((vox + SUM_CHUNK - 1) / SUM_CHUNK * 2 * c * voxels_of(c, c));
}

/* Of n elements, added to lanes one after the other: floats over RUN rows, then doubles */
static void chunk_sums(const elem *x, int64_t pitch, int64_t n, int64_t lanes, double *sum, float *run)
{
	memset(sum, 0, sizeof *sum * (size_t)lanes);
	for (int64_t left; n > 0; n -= left) {
		left = n < RUN * lanes ? n : RUN * lanes;
		memset(run, 0, sizeof *run * (size_t)lanes);
		for (int64_t i = left; i > 0; i -= lanes, x += pitch)
			for (int64_t j = 0; j < (i < lanes ? i : lanes); j++)
				run[j] += widen(x[j]);
		for (int64_t j = 0; j < lanes; j++)
			sum[j] += run[j];
	}
}

void K(column_sum)(const void *from, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch)
{
	int64_t chunks = (vox + SUM_CHUNK - 1) / SUM_CHUNK, per = voxels_of(pitch, c), lanes = c * per;
	double *part = scratch;

#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < chunks; k++) {
		int64_t n = vox - k * SUM_CHUNK < SUM_CHUNK ? vox - k * SUM_CHUNK : SUM_CHUNK;
		double *sum = part + 2 * k * lanes;

		chunk_sums((const elem *)from + k * SUM_CHUNK * pitch, pitch * per, n * c, lanes, sum, (float *)(sum + lanes));
	}
	for (int64_t i = 0; i < c; i++) {
		double sum = 0;

		for (int64_t k = 0; k < chunks; k++)
			for (int64_t j = i; j < lanes; j += c)
				sum += part[2 * k * lanes + j];
		out[i] += (float)sum;
	}
}
