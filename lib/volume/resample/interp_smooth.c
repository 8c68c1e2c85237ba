/* Gaussians before an axis becomes coarser: along y and x slice by slice, then along z. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/resample/interp_axis.h"

enum { COLUMNS = 128 }; /* columns of z worked on together */

static const double CUT = 4, PI = 3.14159265358979323846;

struct kernel {
	int64_t n, radius; /* voxels of the axis; of it at most that many */
	float *w;          /* [2 radius + 1] */
};

int interp_will_smooth(const double factor[3])
{
	return factor[0] > 1 || factor[1] > 1 || factor[2] > 1;
}

static double bell(double x, double sigma)
{
	return exp(-0.5 * x * x / (sigma * sigma));
}

/* The sum of a bell's values: where it is wider than any axis can be, its integral. */
static double bell_sum(int64_t radius, double sigma)
{
	double sum = 1;

	if (radius > GEO_MOST)
		return sigma * sqrt(2 * PI) * erf(CUT / sqrt(2));
	for (int64_t k = 1; k <= radius; k++)
		sum += 2 * bell((double)k, sigma);
	return sum;
}

/* What of the bell lies n voxels away or farther falls on the border's value wherever it stands, and so is its outermost weight. */
static int make_kernel(struct kernel *k, int64_t n, double factor, struct err *e)
{
	double sigma = fmax(0, (factor - 1) / 2), wide = fmin(CUT * sigma + 0.5, 1e15), sum = bell_sum((int64_t)wide, sigma), left = 1;
	int64_t radius = (int64_t)fmin(wide, (double)n);

	k->n = n;
	k->radius = radius;
	k->w = mem_new((size_t)(2 * radius + 1), sizeof *k->w, "a Gaussian", e);
	if (!k->w)
		return -1;
	for (int64_t i = 0; i < radius; i++) {
		double w = bell((double)i, sigma) / sum;

		k->w[radius - i] = k->w[radius + i] = (float)w;
		left -= i ? 2 * w : w;
	}
	k->w[0] = k->w[2 * radius] = (float)(radius ? left / 2 : 1);
	return 0;
}

/* Rows of `width` floats: n of them begin at v + radius * width; the first and last again before and after them. */
static void pad(float *v, const struct kernel *k, int64_t width)
{
	float *first = v + k->radius * width, *last = first + (k->n - 1) * width;

	for (int64_t i = 0; i < k->radius; i++) {
		memcpy(v + i * width, first, (size_t)width * sizeof *v);
		memcpy(last + (i + 1) * width, last, (size_t)width * sizeof *v);
	}
}

/* out[i] = the sum over k of w[k] v[i + k * pitch]. */
static void weigh(const float *v, const struct kernel *k, int64_t pitch, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = k->w[0] * v[i];
	for (int64_t j = 1; j <= 2 * k->radius; j++) {
		const float *p = v + j * pitch;
		float w = k->w[j];

		for (int64_t i = 0; i < n; i++)
			out[i] += w * p[i];
	}
}

/* rows: [ny + 2 radius][nx]; line: [nx + 2 radius]. */
static void smooth_plane(const struct tensor *t, int64_t z, const struct kernel k[3], float *rows, float *line, float *out)
{
	int64_t nx = k[0].n, ny = k[1].n;

	tensor_load_f32(t, z * ny * nx, ny * nx, rows + k[1].radius * nx);
	pad(rows, &k[1], nx);
	for (int64_t y = 0; y < ny; y++, out += nx) {
		weigh(rows + y * nx, &k[1], nx, nx, line + k[0].radius);
		pad(line, &k[0], 1);
		weigh(line, &k[0], 1, nx, out);
	}
}

static int smooth_planes(const struct tensor *t, const struct kernel k[3], float *out)
{
	int64_t nx = k[0].n, ny = k[1].n;
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct err mine;
		float *rows = mem_new((size_t)(ny + 2 * k[1].radius), (size_t)nx * sizeof *rows, "rows", &mine);
		float *line = mem_new((size_t)(nx + 2 * k[0].radius), sizeof *line, "a row", &mine);

		failed = !rows || !line;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < k[2].n; z++)
			if (!failed)
				smooth_plane(t, z, k, rows, line, out + z * nx * ny);
		free(rows);
		free(line);
	}
	return failed;
}

int interp_columns(int64_t n, int64_t plane, interp_columns_fn *fn, void *arg, struct err *e)
{
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct err mine;
		float *rows = mem_new((size_t)n, COLUMNS * sizeof *rows, "columns", &mine);

		failed = !rows;
#pragma omp for schedule(static)
		for (int64_t at = 0; at < plane; at += COLUMNS)
			if (!failed)
				fn(rows, at, plane - at < COLUMNS ? plane - at : COLUMNS, arg);
		free(rows);
	}
	return failed ? err_set(e, NULL, "not enough memory for columns") : 0;
}

struct along_z {
	const struct kernel *k;
	float *v;
	int64_t plane;
};

static void smooth_columns(float *rows, int64_t at, int64_t width, void *arg)
{
	const struct along_z *w = arg;

	for (int64_t z = 0; z < w->k->n; z++)
		memcpy(rows + (w->k->radius + z) * width, w->v + z * w->plane + at, (size_t)width * sizeof *rows);
	pad(rows, w->k, width);
	for (int64_t z = 0; z < w->k->n; z++)
		weigh(rows + z * width, w->k, width, width, w->v + z * w->plane + at);
}

int interp_smooth(const struct tensor *t, const double factor[3], float *out, struct err *e)
{
	struct kernel k[3] = {{0}};
	struct along_z w = {&k[2], out, t->shape[1] * t->shape[2]};
	int bad = 0;

	for (int i = 0; !bad && i < 3; i++)
		bad = make_kernel(&k[i], t->shape[2 - i], factor[i], e);
	if (!bad && smooth_planes(t, k, out))
		bad = err_set(e, NULL, "not enough memory for rows");
	if (!bad && k[2].radius)
		bad = interp_columns(k[2].n + 2 * k[2].radius, w.plane, smooth_columns, &w, e);
	for (int i = 0; i < 3; i++)
		free(k[i].w);
	return bad;
}
