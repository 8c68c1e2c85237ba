#include "lib/volume/resample/interp_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

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

static void fill_cubic(struct axis *a, const struct interp_map *m, int axis)
{
	static const float alone[4] = {0, 1, 0, 0};

	a->filter = axis != m->coarse;
	a->mirror = m->mirror;
	for (int64_t i = 0; i < a->n; i++) {
		double x = fmax(-1, fmin(place(i, m, axis), (double)a->from)), last = (double)(a->from - 1);
		double at = a->filter ? fmin(floor(x), last) : nearest_to(x, m, a->from);

		a->at[i] = (int32_t)at - 1 + INTERP_PAD;
		if (a->filter)
			interp_spline_weights(x - at, a->w + 4 * i);
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

/* -- scores -- */

const struct tensor *interp_scores(const struct frame *f, const struct grid *g, struct err *e)
{
	const struct tensor *t = frame_find(f, "prob");

	if (t->rank == 4 && dtype_is_float(t->dtype) && tensor_on_grid(t, g) && t->shape[0] >= (frame_meta(f, "regions") ? 1 : 2) && t->shape[0] <= 256)
		return t;
	err_set(e, NULL, "tensor 'prob' is %s with %d axes (expected floats [K,Z,Y,X] of 2 to 256 classes)", dtype_name(t->dtype), t->rank);
	return NULL;
}

/* Of prob on `from`, pred on `to`, which the caller frees; prob leaves f. */
static uint8_t *take_argmax(struct frame *f, const struct grid *from, const struct grid *to, const struct interp_map *m, struct err *e)
{
	const struct tensor *t = interp_scores(f, from, e);
	struct prob_choice how;
	struct regions regions;
	struct axis a[3];
	uint8_t *pred = NULL;

	if (!t || prob_choice(&how, &regions, f, e))
		return NULL;
	if (!axes_make(a, from, to, m, fill_linear, e))
		pred = mem_new((size_t)geo_voxels(to), 1, "pred", e);
	if (pred && interp_linear_argmax(t, &how, pred, a, e)) {
		free(pred);
		pred = NULL;
	}
	axes_free(a);
	frame_drop(f, "prob");
	return pred;
}

/* -- a frame -- */

static fill_fn *const fills[INTERP_WAYS] = {fill_nearest, fill_linear, fill_cubic, fill_linear};

enum interp_way interp_way(enum geo_role role, const struct interp_map *m)
{
	static const enum interp_way image[] = {INTERP_BY_LINEAR, INTERP_BY_NEAREST, INTERP_BY_CUBIC};

	if (role == ROLE_IMAGE)
		return image[m->image];
	if (role == ROLE_LABEL)
		return m->label == INTERP_LABEL_NEAREST ? INTERP_BY_NEAREST : INTERP_BY_SHARES;
	return role == ROLE_PROB || role == ROLE_FLOAT ? INTERP_BY_LINEAR : INTERP_BY_NEAREST;
}

struct tensor interp_channel(const struct tensor *t, int64_t c)
{
	struct tensor one = *t;

	one.rank = 3;
	memcpy(one.shape, t->shape + t->rank - 3, 3 * sizeof *one.shape);
	one.size = t->size / (size_t)geo_planes(t);
	one.data = (char *)t->data + (size_t)c * one.size;
	return one;
}

/* t, or the channel of t in `limits` as it was smoothed. */
static int fill_tensor(const struct tensor *t, const struct tensor *limits, void *data, const struct axis a[3], enum interp_way way,
                       const struct interp_map *m, struct err *e)
{
	if (way == INTERP_BY_LINEAR)
		return interp_linear(t, data, a, e);
	if (way == INTERP_BY_CUBIC)
		return interp_cubic(t, m->clip ? limits : NULL, data, a, m->coarse == 2, e);
	if (way == INTERP_BY_SHARES)
		return interp_labels(t, data, a, m->label, e);
	nearest(t, data, a);
	return 0;
}

/* Along a coarse axis all is nearest. */
static int will_smooth(const struct interp_map *m, enum interp_way way, double factor[3])
{
	for (int i = 0; i < 3; i++)
		factor[i] = m->antialias && i != m->coarse ? fabs(m->scale[i]) : 1;
	return (way == INTERP_BY_LINEAR || way == INTERP_BY_CUBIC) && interp_will_smooth(factor);
}

static int fill_smoothed(const struct tensor *t, float *data, const struct axis a[3], enum interp_way way, const struct interp_map *m,
                         const double factor[3], struct err *e)
{
	int64_t volume = a[0].n * a[1].n * a[2].n;
	struct tensor smooth = interp_channel(t, 0);
	int bad = 0;

	smooth.size = (size_t)(a[0].from * a[1].from * a[2].from) * sizeof(float);
	smooth.dtype = DT_F32;
	smooth.data = mem_new(smooth.size, 1, "a smoothed channel", e);
	if (!smooth.data)
		return -1;
	for (int64_t c = 0; !bad && c < geo_planes(t); c++) {
		const struct tensor one = interp_channel(t, c);

		bad = interp_smooth(&one, factor, smooth.data, e) || fill_tensor(&smooth, &one, data + c * volume, a, way, m, e);
	}
	free(smooth.data);
	return bad ? -1 : 0;
}

static void *interp_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                             struct err *e)
{
	const struct interp_map *m = arg;
	enum interp_way way = interp_way(role, m);
	double factor[3];
	struct axis a[3];
	void *data = NULL;

	if (way == INTERP_BY_LINEAR || way == INTERP_BY_CUBIC)
		*type = DT_F32;
	if (!axes_make(a, from, to, m, fills[way], e))
		data = mem_new((size_t)geo_voxels(to), (size_t)geo_planes(t) * dtype_size(*type), t->name, e);
	if (data && (will_smooth(m, way, factor) ? fill_smoothed(t, data, a, way, m, factor, e) : fill_tensor(t, t, data, a, way, m, e))) {
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
