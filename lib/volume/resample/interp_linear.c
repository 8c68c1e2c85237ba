/* Linear: slices of the source are resampled in the plane once, and slices of the result lie between two of them. */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/resample/interp_axis.h"

static void lerp_rows(const float *p, const float *q, float w, float *out, int64_t n)
{
	float v = 1 - w;

	for (int64_t i = 0; i < n; i++)
		out[i] = p[i] * v + q[i] * w;
}

static void lerp_along(const float *in, float *out, const struct axis *x)
{
	for (int64_t i = 0; i < x->n; i++) {
		const float *p = in + x->at[i];

		out[i] = p[0] * (1 - x->w[i]) + p[1] * x->w[i];
	}
}

struct plane {
	int64_t z;   /* slice of the source that it holds; -1: none */
	float *data; /* [ny', nx'] */
};

struct work {
	struct plane p[2]; /* the two source slices around the current one */
	float *row;        /* [nx + 1] */
	float *in;         /* [2][nx]: two source rows */
	int64_t y[2];      /* which they are */
};

static const float *source_row(const struct tensor *t, int64_t z, int64_t y, const struct axis a[3], struct work *w)
{
	int64_t nx = a[0].from;

	if (t->dtype == DT_F32)
		return (const float *)t->data + (z * a[1].from + y) * nx;
	if (w->y[y & 1] != y) {
		tensor_load_f32(t, (z * a[1].from + y) * nx, nx, w->in + (y & 1) * nx);
		w->y[y & 1] = y;
	}
	return w->in + (y & 1) * nx;
}

/* Slice z of the source, counted over all channels, resampled in x and y. */
static void make_plane(const struct tensor *t, int64_t z, const struct axis a[3], struct work *w, float *out)
{
	int64_t nx = a[0].from;

	w->y[0] = w->y[1] = -1;
	for (int64_t y = 0; y < a[1].n; y++, out += a[0].n) {
		int64_t at = a[1].at[y], next = at + (a[1].from > 1);

		lerp_rows(source_row(t, z, at, a, w), source_row(t, z, next, a, w), a[1].w[y], w->row, nx);
		w->row[nx] = w->row[nx - 1]; /* a row of one voxel has a second */
		lerp_along(w->row, out, &a[0]);
	}
}

static const float *plane(const struct tensor *t, int64_t z, const struct axis a[3], struct work *w)
{
	struct plane *p = &w->p[z & 1];

	if (p->z != z) {
		make_plane(t, z, a, w, p->data);
		p->z = z;
	}
	return p->data;
}

static int work_make(struct work *w, const struct axis a[3], struct err *e)
{
	size_t size = (size_t)(a[0].n * a[1].n), nx = (size_t)a[0].from;
	float *block = mem_new(2 * size + 3 * nx + 1, sizeof *block, "slices", e);

	if (!block)
		return -1;
	*w = (struct work){{{-1, block}, {-1, block + size}}, block + 2 * size, block + 2 * size + nx + 1, {-1, -1}};
	return 0;
}

/* A thread takes slices that lie together, so that most source slices are resampled once. */
int interp_linear(const struct tensor *t, float *dst, const struct axis a[3], struct err *e)
{
	int64_t size = a[0].n * a[1].n, slices = geo_planes(t) * a[2].n;
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct work w;
		struct err mine;

		failed = work_make(&w, a, &mine) != 0;
#pragma omp for schedule(static)
		for (int64_t s = 0; s < slices; s++) {
			int64_t base = s / a[2].n * a[2].from, z = base + a[2].at[s % a[2].n], next = z + (a[2].from > 1);

			if (!failed)
				lerp_rows(plane(t, z, a, &w), plane(t, next, a, &w), a[2].w[s % a[2].n], dst + s * size, size);
		}
		if (!failed)
			free(w.p[0].data);
	}
	return failed ? err_set(e, NULL, "not enough memory for slices") : 0;
}

/* -- linear, and then labels: by slabs of slices, for each of which only the best score so far is held -- */

enum { SLAB = 8 };

/* Slices z0 to z1 - 1; best: [SLAB + 1] slices, the last for scores. Non-zero: a score that is not finite. */
static int argmax_slab(const struct tensor *t, const struct prob_choice *how, int64_t z0, int64_t z1, const struct axis a[3], struct work *w,
                       float *best, uint8_t *pred)
{
	int64_t size = a[0].n * a[1].n;
	float *v = best + SLAB * size;
	int bad = 0;

	for (int64_t c = 0; c < t->shape[0]; c++)
		for (int64_t z = z0; z < z1; z++) {
			int64_t at = prob_ask(how, c) * a[2].from + a[2].at[z], next = at + (a[2].from > 1);

			lerp_rows(plane(t, at, a, w), plane(t, next, a, w), a[2].w[z], v, size);
			bad |= prob_raise(how, v, c, best + (z - z0) * size, pred + z * size, size);
		}
	return bad;
}

int interp_linear_argmax(const struct tensor *t, const struct prob_choice *how, uint8_t *pred, const struct axis a[3], struct err *e)
{
	size_t size = (size_t)(a[0].n * a[1].n);
	int failed = 0, bad = 0;

#pragma omp parallel reduction(| : failed, bad)
	{
		struct work w;
		struct err mine;
		float *best = mem_new(size, (SLAB + 1) * sizeof *best, "slices", &mine);

		failed = !best || work_make(&w, a, &mine);
#pragma omp for schedule(static)
		for (int64_t z = 0; z < a[2].n; z += SLAB)
			if (!failed)
				bad |= argmax_slab(t, how, z, z + SLAB < a[2].n ? z + SLAB : a[2].n, a, &w, best, pred);
		if (!failed)
			free(w.p[0].data);
		free(best);
	}
	if (failed)
		return err_set(e, NULL, "not enough memory for slices");
	return bad ? err_set(e, NULL, "tensor 'prob' is not finite") : 0;
}
