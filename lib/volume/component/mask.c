#include "lib/volume/component/mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"

int mask_new(const struct tensor *t, struct tensor *mask, struct err *e)
{
	size_t n = (size_t)tensor_count(t);

	*mask = *t;
	mask->dtype = DT_U8;
	mask->size = n;
	mask->owned = 0;
	mask->data = mem_zero(n, 1, t->name, e);
	return mask->data ? 0 : -1;
}

int mask_values(const struct tensor *t, int n, const int64_t *value, struct tensor *mask, struct err *e)
{
	uint8_t *m;
	int64_t count = tensor_count(t);

	if (mask_new(t, mask, e))
		return -1;
	m = mask->data;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < count; i++) {
		double v = tensor_value(t, i);

		for (int k = 0; k < n; k++)
			m[i] |= v == (double)value[k];
	}
	return 0;
}

struct ball {
	double mm, spacing[3];
	int64_t y, z; /* how many rows and slices it reaches */
};

/* Half of the width, in voxels, of the ball's row (dy, dz); -1: it has none. */
static int64_t half_width(const struct ball *b, int64_t dy, int64_t dz)
{
	double y = (double)dy * b->spacing[1], z = (double)dz * b->spacing[2], left = b->mm * b->mm - y * y - z * z;

	return left < 0 ? -1 : (int64_t)(sqrt(left) / b->spacing[0]);
}

/* A row of the grown mask: every run of the rows that the ball reaches, widened. */
static void grow_row(const struct components *c, const struct ball *b, int64_t y, int64_t z, uint8_t *row)
{
	int64_t nx = c->size[0], ny = c->size[1], nz = c->size[2];

	for (int64_t k = z > b->z ? z - b->z : 0; k <= z + b->z && k < nz; k++)
		for (int64_t j = y > b->y ? y - b->y : 0; j <= y + b->y && j < ny; j++) {
			int64_t half = half_width(b, j - y, k - z), at = k * ny + j;

			for (int64_t i = c->row[at]; half >= 0 && i < c->row[at + 1]; i++) {
				int64_t x0 = c->run[i].x0 > half ? c->run[i].x0 - half : 0, x1 = c->run[i].x1 < nx - half ? c->run[i].x1 + half : nx;

				memset(row + x0, 1, (size_t)(x1 - x0));
			}
		}
}

int mask_grow(const struct tensor *t, const struct grid *g, double mm, struct tensor *mask, struct err *e)
{
	struct ball b = {.mm = mm * (1 + 1e-6)};
	struct components c = {0};

	if (geo_check_right(g, e) || component_find(t, 6, COMPONENT_UNION, &c, e))
		return -1;
	geo_spacing(g, b.spacing);
	b.y = (int64_t)fmin(b.mm / b.spacing[1], (double)c.size[1]);
	b.z = (int64_t)fmin(b.mm / b.spacing[2], (double)c.size[2]);
	b.mm = fmin(b.mm, b.spacing[0] * (double)c.size[0] + b.spacing[1] * (double)c.size[1] + b.spacing[2] * (double)c.size[2]);
	if (mask_new(t, mask, e)) {
		component_free(&c);
		return -1;
	}
#pragma omp parallel for schedule(dynamic, 64)
	for (int64_t r = 0; r < c.size[1] * c.size[2]; r++)
		grow_row(&c, &b, r % c.size[1], r / c.size[1], (uint8_t *)mask->data + r * c.size[0]);
	component_free(&c);
	return 0;
}

/* A slice between two full ones, so that its holes are holes. */
static int fill_slices(struct tensor *mask, struct err *e)
{
	size_t plane = (size_t)(mask->shape[1] * mask->shape[2]);
	struct tensor t = {mask->name, DT_U8, 3, {3, mask->shape[1], mask->shape[2]}, 3 * plane, NULL, 0};
	uint8_t *m = mask->data, *three;
	int r = 0;

	t.data = three = mem_new(3, plane, "slices", e);
	if (!three)
		return -1;
	memset(three, 1, 3 * plane);
	for (int64_t z = 0; z < mask->shape[0] && !r; z++) {
		memcpy(three + plane, m + (size_t)z * plane, plane);
		r = component_fill_holes(&t, 26, COMPONENT_VALUE, e);
		memcpy(m + (size_t)z * plane, three + plane, plane);
	}
	free(three);
	return r;
}

int mask_organ(const struct tensor *image, const struct grid *g, enum organ which, struct tensor *mask, struct err *e)
{
	uint8_t *found;
	int64_t voxels;

	if (organ_find(image, g, which, &found, &voxels, e))
		return -1;
	*mask = (struct tensor){image->name, DT_U8, 3, {g->size[2], g->size[1], g->size[0]}, (size_t)geo_voxels(g), found, 0};
	if (!fill_slices(mask, e))
		return 0;
	free(found);
	return -1;
}
