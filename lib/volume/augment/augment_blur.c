#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"
#include "lib/volume/augment/augment_parts.h"

enum { RADIUS = 3 * AUGMENT_SIGMA + 1 };

/* The middle tap and one side of a symmetric kernel. */
struct kernel { int radius; float w[RADIUS + 1]; };

static struct kernel make_kernel(double sigma)
{
	double taps = nearbyint(6 * sigma + 0.5), sum = 1;
	struct kernel k;

	if (fmod(taps, 2) == 0)
		taps += 6 * sigma + 0.5 >= taps ? 1 : -1;
	k = (struct kernel){(int)(taps - 1) / 2, {1}};
	for (int i = 1; i <= k.radius; i++) {
		k.w[i] = (float)exp(-0.5 * i * i / (sigma * sigma));
		sum += 2 * (double)k.w[i];
	}
	for (int i = 0; i <= k.radius; i++)
		k.w[i] = (float)((double)k.w[i] / sum);
	return k;
}

/* Place i of an axis of n voxels that goes on mirrored about its ends. */
static int64_t mirror(int64_t i, int64_t n)
{
	int64_t period = 2 * (n - 1);

	if (n == 1)
		return 0;
	i = (i % period + period) % period;
	return i < n ? i : period - i;
}

/* out = w[0] row[0] + sum of w[k] (row[-k] + row[k]) */
CLONES static void taps(float *restrict out, const float *const *row, const struct kernel *k, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = row[0][i] * k->w[0];
	for (int t = 1; t <= k->radius; t++) {
		const float *a = row[-t], *b = row[t];
		float w = k->w[t];

		for (int64_t i = 0; i < n; i++)
			out[i] += w * (a[i] + b[i]);
	}
}

/* Rows -radius to radius around a place, `step` floats apart. */
static void find_rows(const float *v, int64_t at, int64_t n, int64_t step, const struct kernel *k, const float **row)
{
	for (int t = -k->radius; t <= k->radius; t++)
		row[t] = v + mirror(at + t, n) * step;
}

/* One slice: along y from `in`, then along x, into out. line: [x + 2 RADIUS] */
static void blur_slice(const float *in, float *out, const int64_t size[3], const struct kernel k[3], float *line)
{
	const float *rows[2 * RADIUS + 1], **row = rows + RADIUS;
	float *mid = line + RADIUS;
	int64_t nx = size[0];

	for (int64_t y = 0; y < size[1]; y++) {
		find_rows(in, y, size[1], nx, &k[1], row);
		taps(mid, row, &k[1], nx);
		for (int t = 1; t <= k[0].radius; t++) {
			mid[-t] = mid[mirror(-t, nx)];
			mid[nx - 1 + t] = mid[mirror(nx - 1 + t, nx)];
		}
		for (int t = -k[0].radius; t <= k[0].radius; t++)
			row[t] = mid + t;
		taps(out + y * nx, row, &k[0], nx);
	}
}

int augment_blur(float *v, const int64_t size[3], const double sigma[3], struct err *e)
{
	const struct kernel k[3] = {make_kernel(sigma[0]), make_kernel(sigma[1]), make_kernel(sigma[2])};
	int64_t slice = size[0] * size[1];
	float *mid = mem_new((size_t)(slice * size[2]), sizeof *mid, "blurring", e);
	int failed = 0;

	if (!mid)
		return -1;
#pragma omp parallel for schedule(static)
	for (int64_t z = 0; z < size[2]; z++) {
		const float *rows[2 * RADIUS + 1], **row = rows + RADIUS;

		find_rows(v, z, size[2], slice, &k[2], row);
		for (int64_t y = 0; y < size[1]; y++) {
			taps(mid + z * slice + y * size[0], row, &k[2], size[0]);
			for (int t = -k[2].radius; t <= k[2].radius; t++)
				row[t] += size[0];
		}
	}
#pragma omp parallel reduction(| : failed)
	{
		float *line = malloc(((size_t)size[0] + 2 * RADIUS) * sizeof *line);

		failed = !line;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < size[2]; z++)
			if (line)
				blur_slice(mid + z * slice, v + z * slice, size, k, line);
		free(line);
	}
	free(mid);
	return failed ? err_set(e, NULL, "not enough memory for blurring") : 0;
}
