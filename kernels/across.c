/* What a voxel's channels make of each other: kernels/across.h. */
#include "kernels/cpu.h"

#include "kernels/across.h"

int K(across_forward)(const struct k_across *g, const void *x, void *y, struct err *e)
{
	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < g->vox; v++)
		across_row(g, x, v, y);
	return 0;
}

int K(across_backward)(const struct k_across *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e)
{
	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < g->vox; v++)
		across_row_back(g, dy, x, v, dx, dx_add);
	return 0;
}
