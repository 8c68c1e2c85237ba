#include <stdlib.h>
#include <string.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"
#include "lib/volume/augment/augment_parts.h"

enum { TOGETHER = 8 }; /* control points; what is read beyond the last counts for nothing */

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
	f->p = mem_zero((size_t)(3 * n + TOGETHER + 4 * f->spacing), sizeof *f->p, "control points", e);
	if (!f->p)
		return -1;
	f->w = f->p + 3 * n + TOGETHER;
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

/* Control points `first` to first + n - 1 of a row, and as many as fill a TOGETHER: the 4 x 4 points across each, weighted. */
static void across(const float *first, const int64_t points[3], const float weight[16], int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i += TOGETHER) {
		float sum[TOGETHER] = {0};

		for (int k = 0; k < 16; k++) {
			const float *p = first + (k / 4 * points[1] + k % 4) * points[0] + i;

			for (int j = 0; j < TOGETHER; j++)
				sum[j] += p[j] * weight[k];
		}
		memcpy(out + i, sum, sizeof sum);
	}
}

/* n voxels of one cell; w: weights, a row of `spacing` for each of the four points */
CLONES static void along(const float c[4], const float *w, int64_t spacing, int64_t n, float *out)
{
	const float *w1 = w + spacing, *w2 = w1 + spacing, *w3 = w2 + spacing;

	for (int64_t i = 0; i < n; i++)
		out[i] = c[0] * w[i] + c[1] * w1[i] + c[2] * w2[i] + c[3] * w3[i];
}

void augment_elastic_row(const struct augment_elastic *f, int64_t z, int64_t y, int64_t x0, int64_t n, float *out)
{
	int64_t s = f->spacing, first = (z / s * f->points[1] + y / s) * f->points[0] + x0 / s, all = f->points[0] * f->points[1] * f->points[2];
	float weight[16], c[AUGMENT_ROW + 4 + TOGETHER];

	for (int k = 0; k < 16; k++)
		weight[k] = f->w[k / 4 * s + z % s] * f->w[k % 4 * s + y % s];
	for (int i = 0; i < 3; i++, out += n, first += all) {
		across(f->p + first, f->points, weight, (x0 + n - 1) / s - x0 / s + 4, c);
		for (int64_t x = x0, k; x < x0 + n; x += k) {
			k = s - x % s < x0 + n - x ? s - x % s : x0 + n - x;
			along(c + (x / s - x0 / s), f->w + x % s, s, k, out + (x - x0));
		}
	}
}
