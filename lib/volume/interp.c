#include "lib/volume/interp_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"

static void axes_free(struct axis a[3])
{
	for (int i = 0; i < 3; i++) {
		free(a[i].at);
		free(a[i].w);
	}
}

static double place(int64_t i, const struct interp_map *m, int axis)
{
	return (double)i * m->scale[axis] + m->shift[axis];
}

static double nearest_to(double x, const struct interp_map *m, int64_t from)
{
	x = fmax(0, fmin(x, (double)(from - 1)));
	return m->up ? floor(x + 0.5) : nearbyint(x);
}

/* w stays 0: the tables of what is nearest on all axes */
static void fill_nearest(struct axis *a, const struct interp_map *m, int axis)
{
	for (int64_t i = 0; i < a->n; i++)
		a->at[i] = (int32_t)nearest_to(place(i, m, axis), m, a->from);
}

static void fill_linear(struct axis *a, const struct interp_map *m, int axis)
{
	for (int64_t i = 0; i < a->n; i++) {
		double x = fmax(0, fmin(place(i, m, axis), (double)(a->from - 1))), at;

		x = axis == m->coarse ? nearest_to(x, m, a->from) : x;
		at = floor(x);
		if (a->from > 1 && at > (double)(a->from - 2))
			at = (double)(a->from - 2);
		a->at[i] = (int32_t)at;
		a->w[i] = a->from == 1 ? 0 : (float)(x - at);
	}
}

/* Weights of the four coefficients around x, w beyond the second of them: the cubic B-spline. */
static void spline_weights(double w, float out[4])
{
	double v = 1 - w;

	out[0] = (float)(v * v * v / 6);
	out[1] = (float)((4 - 6 * w * w + 3 * w * w * w) / 6);
	out[2] = (float)((4 - 6 * v * v + 3 * v * v * v) / 6);
	out[3] = (float)(w * w * w / 6);
}

static void fill_cubic(struct axis *a, const struct interp_map *m, int axis)
{
	static const float alone[4] = {0, 1, 0, 0};

	a->filter = axis != m->coarse;
	for (int64_t i = 0; i < a->n; i++) {
		double x = fmax(-0.75, fmin(place(i, m, axis), (double)a->from - 0.25)), at = a->filter ? floor(x) : nearest_to(x, m, a->from);

		a->at[i] = (int32_t)at - 1 + INTERP_PAD;
		if (a->filter)
			spline_weights(x - at, a->w + 4 * i);
		else
			memcpy(a->w + 4 * i, alone, sizeof alone);
	}
}

typedef void fill_fn(struct axis *a, const struct interp_map *m, int axis);

/* a is for axes_free also where this fails. */
static int axes_make(struct axis a[3], const struct grid *from, const struct grid *to, const struct interp_map *m, fill_fn *fill, struct err *e)
{
	memset(a, 0, 3 * sizeof *a);
	for (int i = 0; i < 3; i++) {
		a[i].from = from->size[i];
		a[i].n = to->size[i];
		a[i].at = mem_new((size_t)a[i].n, sizeof *a[i].at, "coordinates", e);
		a[i].w = mem_zero((size_t)a[i].n, 4 * sizeof *a[i].w, "weights", e);
		if (!a[i].at || !a[i].w)
			return -1;
		fill(&a[i], m, i);
	}
	return 0;
}

/* -- nearest: by element size -- */

#define NEAREST_ROW(type) \
	do { \
		const type *in = (const type *)src; \
		type *out = (type *)dst; \
\
		for (int64_t i = 0; i < x->n; i++) \
			out[i] = in[x->at[i]]; \
	} while (0)

static void nearest_row(const char *src, char *dst, const struct axis *x, size_t size)
{
	switch (size) {
	case 1: NEAREST_ROW(uint8_t); break;
	case 2: NEAREST_ROW(uint16_t); break;
	case 4: NEAREST_ROW(uint32_t); break;
	default: NEAREST_ROW(uint64_t); break;
	}
}

static void nearest(const struct tensor *t, char *dst, const struct axis a[3])
{
	size_t size = dtype_size(t->dtype), row = (size_t)a[0].n * size;
	int64_t slices = geo_planes(t) * a[2].n;

#pragma omp parallel for schedule(static)
	for (int64_t s = 0; s < slices; s++) {
		int64_t from = s / a[2].n * a[2].from + a[2].at[s % a[2].n];
		const char *in = (const char *)t->data + (size_t)(from * a[1].from * a[0].from) * size;
		char *out = dst + (size_t)(s * a[1].n) * row;

		for (int64_t y = 0; y < a[1].n; y++, out += row) {
			if (y && a[1].at[y] == a[1].at[y - 1])
				memcpy(out, out - row, row);
			else
				nearest_row(in + (size_t)(a[1].at[y] * a[0].from) * size, out, &a[0], size);
		}
	}
}

/* -- linear: slices of the source are resampled in the plane once, and slices of the result lie between two of them -- */

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
static int linear(const struct tensor *t, float *dst, const struct axis a[3], struct err *e)
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

/* -- linear, and then the class with the highest score: by slabs of slices, for each of which only the best score so far is held -- */

enum { SLAB = 8 };

static int raise(const float *v, uint8_t class, float *best, uint8_t *pred, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++) {
		int more = !class || v[i] > best[i];

		pred[i] = more ? class : pred[i];
		best[i] = more ? v[i] : best[i];
		bad |= !(v[i] - v[i] == 0);
	}
	return bad;
}

/* Slices z0 to z1 - 1; best: [SLAB + 1] slices, the last for scores. Non-zero: a score that is not finite. */
static int argmax_slab(const struct tensor *t, int64_t z0, int64_t z1, const struct axis a[3], struct work *w, float *best, uint8_t *pred)
{
	int64_t size = a[0].n * a[1].n;
	float *v = best + SLAB * size;
	int bad = 0;

	for (int64_t c = 0; c < t->shape[0]; c++)
		for (int64_t z = z0; z < z1; z++) {
			int64_t at = c * a[2].from + a[2].at[z], next = at + (a[2].from > 1);

			lerp_rows(plane(t, at, a, w), plane(t, next, a, w), a[2].w[z], v, size);
			bad |= raise(v, (uint8_t)c, best + (z - z0) * size, pred + z * size, size);
		}
	return bad;
}

static int linear_argmax(const struct tensor *t, uint8_t *pred, const struct axis a[3], struct err *e)
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
				bad |= argmax_slab(t, z, z + SLAB < a[2].n ? z + SLAB : a[2].n, a, &w, best, pred);
		if (!failed)
			free(w.p[0].data);
		free(best);
	}
	if (failed)
		return err_set(e, NULL, "not enough memory for slices");
	return bad ? err_set(e, NULL, "tensor 'prob' is not finite") : 0;
}

/* Of prob on `from`, pred on `to`, which the caller frees; prob leaves f. */
static uint8_t *take_argmax(struct frame *f, const struct grid *from, const struct grid *to, const struct interp_map *m, struct err *e)
{
	const struct tensor *t = frame_find(f, "prob");
	struct axis a[3];
	uint8_t *pred = NULL;

	if (t->rank != 4 || !dtype_is_float(t->dtype) || !tensor_on_grid(t, from) || t->shape[0] < 2 || t->shape[0] > 256) {
		err_set(e, NULL, "tensor 'prob' is %s with %d axes (expected floats [K,Z,Y,X] of 2 to 256 classes)", dtype_name(t->dtype), t->rank);
		return NULL;
	}
	if (!axes_make(a, from, to, m, fill_linear, e))
		pred = mem_new((size_t)geo_voxels(to), 1, "pred", e);
	if (pred && linear_argmax(t, pred, a, e)) {
		free(pred);
		pred = NULL;
	}
	axes_free(a);
	frame_drop(f, "prob");
	return pred;
}

/* -- a frame -- */

enum way { NEAREST, LINEAR, CUBIC, SHARES, WAYS };

static fill_fn *const fills[WAYS] = {fill_nearest, fill_linear, fill_cubic, fill_linear};

static enum way way_of(enum geo_role role, const struct interp_map *m)
{
	static const enum way image[] = {LINEAR, NEAREST, CUBIC};

	if (role == ROLE_IMAGE)
		return image[m->image];
	if (role == ROLE_LABEL)
		return m->label == INTERP_LABEL_NEAREST ? NEAREST : SHARES;
	return role == ROLE_PROB || role == ROLE_FLOAT ? LINEAR : NEAREST;
}

static int fill_tensor(const struct tensor *t, void *data, const struct axis a[3], enum way way, const struct interp_map *m, struct err *e)
{
	if (way == LINEAR)
		return linear(t, data, a, e);
	if (way == CUBIC)
		return interp_cubic(t, data, a, m->clip, m->coarse == 2, e);
	if (way == SHARES)
		return interp_labels(t, data, a, m->label, e);
	nearest(t, data, a);
	return 0;
}

static void *interp_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                             struct err *e)
{
	const struct interp_map *m = arg;
	enum way way = way_of(role, m);
	struct axis a[3];
	void *data = NULL;

	if (way == LINEAR || way == CUBIC)
		*type = DT_F32;
	if (!axes_make(a, from, to, m, fills[way], e))
		data = mem_new((size_t)geo_voxels(to), (size_t)geo_planes(t) * dtype_size(*type), t->name, e);
	if (data && fill_tensor(t, data, a, way, m, e)) {
		free(data);
		data = NULL;
	}
	axes_free(a);
	return data;
}

int interp_frame(struct frame *f, const struct grid *from, const struct grid *to, const struct interp_map *m, struct err *e)
{
	struct interp_map map = *m;
	const int64_t shape[3] = {to->size[2], to->size[1], to->size[0]};
	uint8_t *pred = NULL;

	if (m->argmax && frame_find(f, "prob")) {
		frame_drop(f, "pred");
		pred = take_argmax(f, from, to, m, e);
		if (!pred)
			return -1;
	}
	if (geo_regrid(f, from, to, interp_tensor, &map, e)) {
		free(pred);
		return -1;
	}
	return !pred || frame_adopt(f, "pred", DT_U8, 3, shape, pred, e) ? 0 : -1;
}
