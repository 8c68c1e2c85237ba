/* A network's last convolution, of one voxel (1x1x1), behind the sums of windows instead of before them: it is linear, so
   sum_i weight_i (w f_i + b) = w sum_i weight_i f_i + b sum_i weight_i.
   y[v][k] = sum_c acc[v][c] w[c][k] + sum[v] w[C][k], the bias last, by c rising. Tiles of SOME voxels and COLUMNS classes, threads over these. */
#include "kernels/window.h"

#include <string.h>

#include "kernels/span.h"

enum { SOME = 8, WIDTH = 16, COLUMNS = K_HEAD_COLUMNS };
typedef float lanes __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));

/* Classes j to j + COLUMNS - 1 of n voxels, 1 to SOME; the last one stands in for those that are missing. */
WIDE static void tile(const struct k_head *g, const float *restrict acc, const float *restrict sum, int64_t n, int64_t j, float *restrict y)
{
	lanes s[SOME][COLUMNS / WIDTH] = {0};
	const float *x[SOME], *w = g->w + j;
	const int64_t pitch = k_head_pitch(g->k), left = g->k - j < COLUMNS ? g->k - j : COLUMNS;

	for (int v = 0; v < SOME; v++)
		x[v] = acc + (v < n ? v : n - 1) * g->c;
	for (int64_t c = 0; c < g->c; c++, w += pitch)
		_Pragma("GCC unroll 8") for (int v = 0; v < SOME; v++)
			_Pragma("GCC unroll 2") for (int i = 0; i < COLUMNS / WIDTH; i++)
				s[v][i] += x[v][c] * *(const lanes *)(w + i * WIDTH);
	_Pragma("GCC unroll 8") for (int v = 0; v < SOME; v++)
		_Pragma("GCC unroll 2") for (int i = 0; i < COLUMNS / WIDTH; i++)
			s[v][i] += sum[v < n ? v : n - 1] * *(const lanes *)(w + i * WIDTH);
	for (int v = 0; v < n; v++)
		memcpy(y + v * g->k + j, s[v], (size_t)left * sizeof *y);
}

int k_window_head(const struct k_head *g, const float *acc, const float *sum, int64_t vox, float *y, struct err *e)
{
	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v += SOME)
		for (int64_t j = 0; j < g->k; j += COLUMNS)
			tile(g, acc + v * g->c, sum + v, vox - v < SOME ? vox - v : SOME, j, y + v * g->k);
	return 0;
}
