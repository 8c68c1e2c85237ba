/* What a voxel's channels make of each other, a lane a voxel: kernels/across.h. */
#include "kernels/gpu/par.h"

#include "kernels/across.h"
#include "kernels/gpu/kernels.h"

KERNEL(across, (struct k_across g, const void *x, void *y), (g, x, y), items(g.vox))
{
	ITEM_FOR(v, g.vox)
		across_row(&g, x, v, y);
}

KERNEL(across_back, (struct k_across g, const void *dy, const void *x, void *dx, int add), (g, dy, x, dx, add), items(g.vox))
{
	ITEM_FOR(v, g.vox)
		across_row_back(&g, dy, x, v, dx, add);
}
