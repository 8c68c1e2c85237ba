#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/volume/augment_parts.h"

int augment_elastic_make(struct augment_elastic *f, const int64_t size[3], const struct augment *a, int flat, double most, uint64_t index,
                         struct err *e)
{
	int64_t n = 1, at = 0;
	struct rng r;

	*f = (struct augment_elastic){.spacing = a->elastic_spacing};
	for (int i = 0; i < 3; i++) {
		f->points[i] = (size[i] - 1) / f->spacing + 4;
		n *= f->points[i];
	}
	f->p = mem_new((size_t)(3 * n + 4 * f->spacing), sizeof *f->p, "control points", e);
	if (!f->p)
		return -1;
	f->w = f->p + 3 * n;
	rng_init(&r, a->seed, RNG_AUGMENT_ELASTIC, index);
	for (int i = 0; i < 3; i++)
		for (int64_t k = 0; k < n; k++, at++) {
			double u = rng_range(&r, -most, most);

			f->p[at] = i == flat ? 0 : (float)u;
		}
	for (int64_t k = 0; k < f->spacing; k++) {
		double w = (double)k / (double)f->spacing, v = 1 - w;
		const double b[4] = {v * v * v / 6, (4 - 6 * w * w + 3 * w * w * w) / 6, (4 - 6 * v * v + 3 * v * v * v) / 6, w * w * w / 6};

		for (int j = 0; j < 4; j++)
			f->w[j * f->spacing + k] = (float)b[j];
	}
	return 0;
}

/* Component i at control point x of a row: the 4 x 4 points across it, weighted. */
static float across(const struct augment_elastic *f, int i, int64_t z, int64_t y, int64_t x)
{
	int64_t nx = f->points[0], ny = f->points[1], s = f->spacing;
	const float *p = f->p + (((int64_t)i * f->points[2] + z / s) * ny + y / s) * nx + x;
	float sum = 0;

	for (int c = 0; c < 4; c++)
		for (int b = 0; b < 4; b++)
			sum += p[(c * ny + b) * nx] * (f->w[c * s + z % s] * f->w[b * s + y % s]);
	return sum;
}

void augment_elastic_row(const struct augment_elastic *f, int64_t z, int64_t y, int64_t x0, int64_t n, float *out)
{
	int64_t s = f->spacing;

	for (int i = 0; i < 3; i++, out += n)
		for (int64_t x = x0; x < x0 + n;) {
			int64_t cell = x / s, end = (cell + 1) * s < x0 + n ? (cell + 1) * s : x0 + n;
			float c[4];

			for (int j = 0; j < 4; j++)
				c[j] = across(f, i, z, y, cell + j);
			for (; x < end; x++) {
				const float *w = f->w + x % s;

				out[x - x0] = c[0] * w[0] + c[1] * w[s] + c[2] * w[2 * s] + c[3] * w[3 * s];
			}
		}
}
