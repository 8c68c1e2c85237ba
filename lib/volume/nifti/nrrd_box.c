/* A segmentation of 3D Slicer may lie on a box of its image's grid. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/nifti/nrrd.h"

int nrrd_box(const struct grid *mask, const struct grid *image, int64_t lo[3])
{
	double m[3][4], spacing[3];
	struct err unused;

	memset(lo, 0, 3 * sizeof *lo);
	if (geo_voxels(mask) == 1)
		return 1;
	if (geo_between(image, mask, m, &unused))
		return 0;
	geo_spacing(image, spacing);
	for (int j = 0; j < 3; j++) {
		double off = fabs(m[j][3] - rint(m[j][3]));

		for (int k = 0; k < 3; k++)
			off += fabs(m[j][k] - (j == k)) * (double)mask->size[k];
		if (!(off * spacing[j] <= NII_ONE_GRID) || fabs(m[j][3]) > NII_SIDE_MAX)
			return 0;
		lo[j] = (int64_t)rint(m[j][3]);
	}
	return 1;
}

static int is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return 0;
	return 1;
}

void *nrrd_place(const void *data, size_t size, const struct grid *mask, const struct grid *image, const int64_t lo[3], struct err *e)
{
	const int64_t *n = mask->size, *all = image->size;
	const int64_t from = lo[0] < 0 ? -lo[0] : 0, to = n[0] < all[0] - lo[0] ? n[0] : all[0] - lo[0], row = to > from ? to - from : 0;
	char *out = mem_zero((size_t)geo_voxels(image), size, "labels", e);
	int inside = geo_voxels(mask) > 1, out_of = 0; /* of one voxel: there are no voxels, it only looks so */

	for (int64_t z = 0; out && inside && z < n[2]; z++)
		for (int64_t y = 0; y < n[1]; y++) {
			const int64_t Y = y + lo[1], Z = z + lo[2], k = Y < 0 || Y >= all[1] || Z < 0 || Z >= all[2] ? 0 : row;
			const char *p = (const char *)data + (size_t)((z * n[1] + y) * n[0]) * size, *q = p + (size_t)from * size;

			if (k)
				memcpy(out + (size_t)((Z * all[1] + Y) * all[0] + lo[0] + from) * size, q, (size_t)k * size);
			out_of |= k ? !is_zero(p, (size_t)from * size) || !is_zero(q + (size_t)k * size, (size_t)(n[0] - from - k) * size)
			            : !is_zero(p, (size_t)n[0] * size);
		}
	if (!out_of)
		return out;
	free(out);
	err_set(e, NULL, "has labels outside of its image");
	return NULL;
}
