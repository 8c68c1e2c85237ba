/* Cubic B-splines: along y and x slice by slice, then along z. Unser, Aldroubi, Eden 1993: a recursive filter makes coefficients from values;
   beyond its ends an axis goes on with the border's value, or mirrored, which closes both of the filter's sums exactly. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/resample/interp_axis.h"

static const float POLE = -0.26794919243112270647f; /* sqrt 3 - 2 */
enum { FAR = 24 };                                  /* its powers from here on are nothing beside 1 */

struct range { float lo, hi; };

void interp_spline_weights(double w, float out[4])
{
	double v = 1 - w;

	out[0] = (float)(v * v * v / 6);
	out[1] = (float)((4 - 6 * w * w + 3 * w * w * w) / 6);
	out[2] = (float)((4 - 6 * v * v + 3 * v * v * v) / 6);
	out[3] = (float)(w * w * w / 6);
}

/* The filter's two ways, of all rows between the first and the last, and of those before the last. */
static void filter_forth(float *v, const float *last, int64_t width)
{
	for (float *r = v + width; r < last; r += width)
		for (int64_t i = 0; i < width; i++)
			r[i] = 6 * r[i] + POLE * r[i - width];
}

static void filter_back(const float *v, float *last, int64_t width)
{
	for (float *r = last - width; r >= v; r -= width)
		for (int64_t i = 0; i < width; i++)
			r[i] = POLE * (r[i + width] - r[i]);
}

/* Values to coefficients, in place, along n rows (2 or more) of `width` floats each: every column by itself. */
static void coefficients(float *v, int64_t n, int64_t width)
{
	const float z = POLE, steady = 6 / (1 - POLE);
	float *last = v + (n - 1) * width;

	for (int64_t i = 0; i < width; i++)
		v[i] *= steady;
	filter_forth(v, last, width);
	for (int64_t i = 0; i < width; i++) {
		float all = steady * last[i], here = 6 * last[i] + z * last[i - width];

		last[i] = -z * (all / (1 - z) + (here - all) / (1 - z * z));
	}
	filter_back(v, last, width);
}

/* The first and last of n rows again, INTERP_PAD times, before and after them. v begins with the room before. */
static void pad(float *v, int64_t n, int64_t width)
{
	float *first = v + INTERP_PAD * width, *last = first + (n - 1) * width;

	for (int i = 0; i < INTERP_PAD; i++) {
		memcpy(v + i * width, first, (size_t)width * sizeof *v);
		memcpy(last + (i + 1) * width, last, (size_t)width * sizeof *v);
	}
}

/* As coefficients, of an axis that is mirrored at its first and last voxel. */
static void mirrored_coefficients(float *v, int64_t n, int64_t width)
{
	const float z = POLE, round = powf(z, (float)(n - 1));
	float *last = v + (n - 1) * width, there = z, back = round * round / z;

	for (int64_t i = 0; i < width; i++)
		v[i] += round * last[i];
	for (int64_t k = 1; k < n - 1 && k < FAR; k++, there *= z, back /= z)
		for (int64_t i = 0; i < width; i++)
			v[i] += (there + back) * v[k * width + i];
	for (int64_t i = 0; i < width; i++)
		v[i] *= 6 / (1 - round * round);
	filter_forth(v, last, width);
	for (int64_t i = 0; i < width; i++) {
		float here = 6 * last[i] + z * last[i - width];

		last[i] = z / (z * z - 1) * (here + z * last[i - width]);
	}
	filter_back(v, last, width);
}

/* Of n rows, which begin INTERP_PAD rows behind v, those that mirror them before and after. */
static void mirror(float *v, int64_t n, int64_t width)
{
	float *first = v + INTERP_PAD * width;
	const size_t row = (size_t)width * sizeof *v;

	for (int64_t i = 1; i <= INTERP_PAD; i++) {
		const int64_t k = n > 1 ? (i - 1) % (2 * n - 2) + 1 : 0, at = k < n ? k : 2 * n - 2 - k;

		memcpy(first - i * width, first + at * width, row);
		memcpy(first + (n - 1 + i) * width, first + (n - 1 - at) * width, row);
	}
}

static void prepare(float *v, const struct axis *a, int64_t width)
{
	if (a->mirror && a->filter) {
		if (a->from > 1)
			mirrored_coefficients(v + INTERP_PAD * width, a->from, width);
		mirror(v, a->from, width);
		return;
	}
	pad(v, a->from, width);
	if (a->filter)
		coefficients(v, a->from + 2 * INTERP_PAD, width);
}

/* Row i of the result from rows of `width`. */
static void weigh_rows(const float *v, const struct axis *a, int64_t i, int64_t width, float *out)
{
	const float *w = a->w + 4 * i, *p = v + a->at[i] * width;

	if (!a->filter) {
		memcpy(out, p + width, (size_t)width * sizeof *out);
		return;
	}
	for (int64_t k = 0; k < width; k++)
		out[k] = w[0] * p[k] + w[1] * p[k + width] + w[2] * p[k + 2 * width] + w[3] * p[k + 3 * width];
}

static void clip_row(float *v, int64_t n, struct range r)
{
	for (int64_t i = 0; i < n; i++) {
		float x = v[i] < r.lo ? r.lo : v[i];

		v[i] = x > r.hi ? r.hi : x;
	}
}

static struct range range_of(const float *v, int64_t n)
{
	struct range r = {FLT_MAX, -FLT_MAX};

	for (int64_t i = 0; i < n; i++) {
		r.lo = v[i] < r.lo ? v[i] : r.lo;
		r.hi = v[i] > r.hi ? v[i] : r.hi;
	}
	return r;
}

/* Slice z of the source, counted over all channels, on the new x and y; the range of limits' slice. rows: [ny + 4][nx]; line: [nx + 4]. */
static struct range make_plane(const struct tensor *t, const struct tensor *limits, int64_t z, const struct axis a[3], float *rows, float *line,
                               float *out)
{
	int64_t nx = a[0].from, ny = a[1].from;
	float *first = rows + INTERP_PAD * nx;
	struct range r = {-FLT_MAX, FLT_MAX};

	if (limits) {
		tensor_load_f32(limits, z * ny * nx, ny * nx, first);
		r = range_of(first, ny * nx);
	}
	if (limits != t)
		tensor_load_f32(t, z * ny * nx, ny * nx, first);
	prepare(rows, &a[1], nx);
	for (int64_t y = 0; y < a[1].n; y++, out += a[0].n) {
		weigh_rows(rows, &a[1], y, nx, line + INTERP_PAD);
		prepare(line, &a[0], 1);
		for (int64_t x = 0; x < a[0].n; x++) {
			const float *w = a[0].w + 4 * x, *p = line + a[0].at[x];

			out[x] = a[0].filter ? w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + w[3] * p[3] : p[1];
		}
	}
	return r;
}

/* All slices of channel c into mid [nz, ny', nx'], their values' ranges into r. */
static int make_planes(const struct tensor *t, const struct tensor *limits, int64_t c, const struct axis a[3], int slices, float *mid,
                       struct range *r)
{
	int64_t nx = a[0].from, ny = a[1].from, plane = a[0].n * a[1].n;
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct err mine;
		float *rows = mem_new((size_t)(ny + 2 * INTERP_PAD), (size_t)nx * sizeof *rows, "rows", &mine);
		float *line = mem_new((size_t)(nx + 2 * INTERP_PAD), sizeof *line, "a row", &mine);

		failed = !rows || !line;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < a[2].from; z++) {
			if (failed)
				continue;
			r[z] = make_plane(t, limits, c * a[2].from + z, a, rows, line, mid + z * plane);
			if (limits && slices)
				clip_row(mid + z * plane, plane, r[z]);
		}
		free(rows);
		free(line);
	}
	return failed;
}

struct along_z {
	const float *mid;
	float *dst;
	const struct axis *z;
	const struct range *clip; /* NULL: none */
	int64_t plane;
};

static void along_z(float *rows, int64_t at, int64_t width, void *arg)
{
	const struct along_z *w = arg;

	for (int64_t z = 0; z < w->z->from; z++)
		memcpy(rows + (INTERP_PAD + z) * width, w->mid + z * w->plane + at, (size_t)width * sizeof *rows);
	prepare(rows, w->z, width);
	for (int64_t z = 0; z < w->z->n; z++) {
		float *out = w->dst + z * w->plane + at;

		weigh_rows(rows, w->z, z, width, out);
		if (w->clip)
			clip_row(out, width, *w->clip);
	}
}

static int one_channel(const struct tensor *t, const struct tensor *limits, int64_t c, float *dst, const struct axis a[3], int slices, float *mid,
                       struct range *r, struct err *e)
{
	struct along_z w = {mid, dst, &a[2], NULL, a[0].n * a[1].n};
	struct range all = {FLT_MAX, -FLT_MAX};

	if (make_planes(t, limits, c, a, slices, mid, r))
		return err_set(e, NULL, "not enough memory for rows");
	for (int64_t z = 0; z < a[2].from; z++)
		all = (struct range){fminf(all.lo, r[z].lo), fmaxf(all.hi, r[z].hi)};
	w.clip = limits && !slices ? &all : NULL;
	return interp_columns(a[2].from + 2 * INTERP_PAD, w.plane, along_z, &w, e);
}

int interp_cubic(const struct tensor *t, const struct tensor *limits, float *dst, const struct axis a[3], int slices, struct err *e)
{
	int64_t plane = a[0].n * a[1].n;
	float *mid = mem_new((size_t)a[2].from, (size_t)plane * sizeof *mid, "slices", e);
	struct range *r = mem_new((size_t)a[2].from, sizeof *r, "ranges", e);
	int bad = !mid || !r ? -1 : 0;

	for (int64_t c = 0; !bad && c < geo_planes(t); c++)
		bad = one_channel(t, limits, c, dst + c * a[2].n * plane, a, slices, mid, r, e);
	free(mid);
	free(r);
	return bad;
}

/* -- all coefficients of a channel, for what is not separable -- */

/* v [nz + 4, ny + 4, nx + 4]: slice z of it, coefficients along x and y. */
static void spline_plane(const struct tensor *t, int64_t z, const struct axis a[2], float *v)
{
	int64_t nx = a[0].from, ny = a[1].from, width = nx + 2 * INTERP_PAD;

	for (int64_t y = 0; y < ny; y++) {
		float *line = v + (y + INTERP_PAD) * width;

		tensor_load_f32(t, (z * ny + y) * nx, nx, line + INTERP_PAD);
		prepare(line, &a[0], 1);
	}
	prepare(v, &a[1], width);
}

struct spline {
	float *v;
	struct axis z;
	int64_t plane;
};

static void spline_columns(float *rows, int64_t at, int64_t width, void *arg)
{
	const struct spline *s = arg;
	int64_t n = s->z.from + 2 * INTERP_PAD;

	for (int64_t i = INTERP_PAD; i < n - INTERP_PAD; i++)
		memcpy(rows + i * width, s->v + i * s->plane + at, (size_t)width * sizeof *rows);
	prepare(rows, &s->z, width);
	for (int64_t i = 0; i < n; i++)
		memcpy(s->v + i * s->plane + at, rows + i * width, (size_t)width * sizeof *rows);
}

int interp_spline(const struct tensor *t, float *v, struct err *e)
{
	const struct axis a[2] = {{.from = t->shape[2], .filter = 1}, {.from = t->shape[1], .filter = 1}};
	struct spline s = {v, {.from = t->shape[0], .filter = 1}, (a[0].from + 2 * INTERP_PAD) * (a[1].from + 2 * INTERP_PAD)};

#pragma omp parallel for schedule(static)
	for (int64_t z = 0; z < s.z.from; z++)
		spline_plane(t, z, a, v + (z + INTERP_PAD) * s.plane);
	return interp_columns(s.z.from + 2 * INTERP_PAD, s.plane, spline_columns, &s, e);
}
