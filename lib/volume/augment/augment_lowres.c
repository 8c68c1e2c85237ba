#include <math.h>
#include <stdlib.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"
#include "lib/volume/augment/augment_parts.h"

/* An axis of the small image: which voxel of the whole each of its voxels is, and between which two of its voxels each of the whole's lies. */
struct axis { int64_t whole, small; int32_t *down, *at, *next; float *w; };

static void fill_axis(struct axis *a)
{
	double step = (double)a->small / (double)a->whole;

	for (int64_t i = 0; i < a->small; i++)
		a->down[i] = (int32_t)fmin(floor(((double)i + 0.5) / step), (double)(a->whole - 1));
	for (int64_t i = 0; i < a->whole; i++) {
		double x = fmax(0, ((double)i + 0.5) * step - 0.5), at = floor(x);

		a->at[i] = (int32_t)at;
		a->next[i] = (int32_t)fmin(at + 1, (double)(a->small - 1));
		a->w[i] = (float)(x - at);
	}
}

/* One block for all tables: a[0].down's. */
static int make_axes(struct axis a[3], const int64_t size[3], const double zoom[3], struct err *e)
{
	int32_t *p = mem_new((size_t)(size[0] + size[1] + size[2]), 3 * sizeof *p + sizeof(float), "coordinates", e);

	if (!p)
		return -1;
	for (int i = 0; i < 3; i++) {
		int64_t n = size[i];

		a[i] = (struct axis){n, (int64_t)fmax(1, fmin((double)n, nearbyint((double)n * zoom[i]))), p, p + n, p + 2 * n, (float *)(p + 3 * n)};
		p += 4 * n;
		fill_axis(&a[i]);
	}
	return 0;
}

static void go_down(const float *v, float *small, const struct axis a[3])
{
#pragma omp parallel for schedule(static)
	for (int64_t z = 0; z < a[2].small; z++)
		for (int64_t y = 0; y < a[1].small; y++) {
			const float *in = v + (a[2].down[z] * a[1].whole + a[1].down[y]) * a[0].whole;
			float *out = small + (z * a[1].small + y) * a[0].small;

			for (int64_t x = 0; x < a[0].small; x++)
				out[x] = in[a[0].down[x]];
		}
}

CLONES static void mix(const float *const row[4], float wy, float wz, float *restrict out, int64_t n)
{
	const float *a = row[0], *b = row[1], *c = row[2], *d = row[3];

	for (int64_t i = 0; i < n; i++) {
		float near = a[i] * (1 - wy) + b[i] * wy, far = c[i] * (1 - wy) + d[i] * wy;

		out[i] = near * (1 - wz) + far * wz;
	}
}

/* Loads apart from arithmetic: the one cannot be made vectors of, the other is. */
CLONES static void spread(const float *row, const struct axis *x, float *restrict out, float *restrict next)
{
	for (int64_t i = 0; i < x->whole; i++) {
		out[i] = row[x->at[i]];
		next[i] = row[x->next[i]];
	}
	for (int64_t i = 0; i < x->whole; i++)
		out[i] = out[i] * (1 - x->w[i]) + next[i] * x->w[i];
}

/* scratch: [2 x] */
static void up_slice(const float *small, float *out, int64_t z, const struct axis a[3], float *scratch)
{
	int64_t plane = a[1].small * a[0].small;

	for (int64_t y = 0; y < a[1].whole; y++) {
		const float *p = small + a[2].at[z] * plane, *q = small + a[2].next[z] * plane;
		int64_t at = a[1].at[y] * a[0].small, next = a[1].next[y] * a[0].small;
		const float *row[4] = {p + at, p + next, q + at, q + next};

		mix(row, a[1].w[y], a[2].w[z], scratch, a[0].small);
		spread(scratch, &a[0], out + y * a[0].whole, scratch + a[0].whole);
	}
}

static int go_up(const float *small, float *v, const struct axis a[3], struct err *e)
{
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		float *scratch = malloc(2 * (size_t)a[0].whole * sizeof *scratch);

		failed = !scratch;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < a[2].whole; z++)
			if (scratch)
				up_slice(small, v + z * a[1].whole * a[0].whole, z, a, scratch);
		free(scratch);
	}
	return failed ? err_set(e, NULL, "not enough memory for rows") : 0;
}

int augment_lowres(float *v, const int64_t size[3], const double zoom[3], struct err *e)
{
	struct axis a[3];
	float *small;
	int r = -1;

	if (make_axes(a, size, zoom, e))
		return -1;
	small = mem_new((size_t)(a[0].small * a[1].small * a[2].small), sizeof *small, "a low resolution", e);
	if (small) {
		go_down(v, small, a);
		r = go_up(small, v, a, e);
	}
	free(small);
	free(a[0].down);
	return r;
}
