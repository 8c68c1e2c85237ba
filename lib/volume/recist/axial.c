#include "lib/volume/recist/axial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* |cosine| of axis i and head-foot */
static double along(const double a[16], int i)
{
	return fabs(a[8 + i]) / sqrt(a[i] * a[i] + a[4 + i] * a[4 + i] + a[8 + i] * a[8 + i]);
}

int axial_axis(const double a[16])
{
	double most = -1;
	int axis = 2;

	for (int i = 2; i >= 0; i--)
		if (along(a, i) > most + 1e-6) {
			most = along(a, i);
			axis = i;
		}
	return axis;
}

double axial_tilt(const double a[16])
{
	return acos(fmin(along(a, axial_axis(a)), 1)) * (180 / 3.14159265358979323846);
}

void axial_affine(double a[16], int axis)
{
	for (int i = 0; i < 3; i++) {
		double k = a[4 * i + axis];

		a[4 * i + axis] = a[4 * i + 2];
		a[4 * i + 2] = k;
	}
}

static int exchange(const struct tensor *t, int axis, struct tensor *to, struct err *e)
{
	size_t size = dtype_size(t->dtype), step[3] = {size, size * (size_t)t->shape[2], size * (size_t)t->shape[2] * (size_t)t->shape[1]};
	size_t k = step[axis];
	char *p;

	*to = *t;
	to->shape[2 - axis] = t->shape[0];
	to->shape[0] = t->shape[2 - axis];
	step[axis] = step[2];
	step[2] = k;
	to->data = p = mem_new(t->size, 1, "a mask on its side", e);
	if (!p)
		return -1;
	for (int64_t z = 0; z < to->shape[0]; z++)
		for (int64_t y = 0; y < to->shape[1]; y++)
			for (int64_t x = 0; x < to->shape[2]; x++, p += size)
				memcpy(p, (const char *)t->data + (size_t)x * step[0] + (size_t)y * step[1] + (size_t)z * step[2], size);
	return 0;
}

int axial_components(const struct tensor *t, int axis, int connectivity, enum component_of of, struct components *c, struct err *e)
{
	struct tensor turned = {0};
	int r;

	if (axis == 2)
		return component_find(t, connectivity, of, c, e);
	r = exchange(t, axis, &turned, e) || component_find(&turned, connectivity, of, c, e) ? -1 : 0;
	free(turned.data);
	return r;
}
