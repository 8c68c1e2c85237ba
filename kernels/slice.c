#include "kernels/cpu.h"

#include <string.h>

enum { SUM_CHUNK = 4096, RUN = 64 }; /* voxels */

int K(slice_copy)(float *y, int64_t ypitch, const float *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e)
{
	(void)e;
	ypitch = ypitch ? ypitch : c, xpitch = xpitch ? xpitch : c;
	if (ypitch == c && xpitch == c)
		vox *= c, c = ypitch = xpitch = 1;
	if (add) {
#pragma omp parallel for schedule(static)
		for (int64_t v = 0; v < vox; v++)
			for (int64_t i = 0; i < c; i++)
				y[v * ypitch + i] += x[v * xpitch + i];
	} else {
#pragma omp parallel for schedule(static)
		for (int64_t v = 0; v < vox; v++)
			for (int64_t i = 0; i < c; i++)
				y[v * ypitch + i] = x[v * xpitch + i];
	}
	return 0;
}

size_t K(column_scratch)(int64_t vox, int64_t c)
{
	return sizeof(double) * (size_t)(((vox + SUM_CHUNK - 1) / SUM_CHUNK) * 2 * c);
}

void K(column_sum)(const float *x, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch)
{
	int64_t chunks = (vox + SUM_CHUNK - 1) / SUM_CHUNK;
	double *part = scratch;

#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < chunks; k++) {
		int64_t end = (k + 1) * SUM_CHUNK < vox ? (k + 1) * SUM_CHUNK : vox;
		double *sum = part + 2 * k * c;
		float *run = (float *)(sum + c);

		memset(sum, 0, sizeof *sum * (size_t)c);
		for (int64_t v = k * SUM_CHUNK; v < end; v += RUN) {
			int64_t stop = v + RUN < end ? v + RUN : end;

			memset(run, 0, sizeof *run * (size_t)c);
			for (int64_t u = v; u < stop; u++)
				for (int64_t i = 0; i < c; i++)
					run[i] += x[u * pitch + i];
			for (int64_t i = 0; i < c; i++)
				sum[i] += run[i];
		}
	}
	for (int64_t i = 0; i < c; i++) {
		double sum = 0;

		for (int64_t k = 0; k < chunks; k++)
			sum += part[2 * k * c + i];
		out[i] += (float)sum;
	}
}
