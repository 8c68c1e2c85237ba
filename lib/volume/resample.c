#include "lib/volume/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/option.h"
#include "lib/volume/orient.h"

static const double SAME = 1e-3; /* mm: MONAI's AFFINE_TOL */

/* Where each voxel of an axis comes from: value = in[at] * (1 - w) + in[at + 1] * w; at + 1 exists, but for an axis of one voxel, which is
   doubled. */
struct axis {
	int64_t from, n; /* voxels before and after */
	int32_t *at;
	float *w;
};

static void axes_free(struct axis a[3])
{
	for (int i = 0; i < 3; i++) {
		free(a[i].at);
		free(a[i].w);
	}
}

static void fill_axis(struct axis *a, double ratio, int nearest)
{
	for (int64_t i = 0; i < a->n; i++) {
		double x = fmin((double)i * ratio, (double)(a->from - 1)), at = nearest ? nearbyint(x) : floor(x);

		if (!nearest && a->from > 1 && at > (double)(a->from - 2))
			at = (double)(a->from - 2);
		a->at[i] = (int32_t)at;
		a->w[i] = nearest || a->from == 1 ? 0 : (float)(x - at);
	}
}

/* a is for axes_free also where this fails. */
static int axes_make(struct axis a[3], const struct grid *from, const struct grid *to, const double ratio[3], int nearest, struct err *e)
{
	memset(a, 0, 3 * sizeof *a);
	for (int i = 0; i < 3; i++) {
		a[i].from = from->size[i];
		a[i].n = to->size[i];
		a[i].at = mem_new((size_t)a[i].n, sizeof *a[i].at, "coordinates", e);
		a[i].w = mem_new((size_t)a[i].n, sizeof *a[i].w, "weights", e);
		if (!a[i].at || !a[i].w)
			return -1;
		fill_axis(&a[i], ratio[i], nearest);
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

/* -- a frame -- */

struct job {
	struct axis linear[3], nearest[3];
	enum resample_interp interp;
};

static int is_linear(enum geo_role role, enum resample_interp image)
{
	return role == ROLE_IMAGE ? image == RESAMPLE_LINEAR : role == ROLE_PROB || role == ROLE_FLOAT;
}

static void *resample_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                             struct err *e)
{
	const struct job *j = arg;
	int smooth = is_linear(role, j->interp);
	void *data;

	(void)from;
	if (smooth)
		*type = DT_F32;
	data = mem_new((size_t)geo_voxels(to), (size_t)geo_planes(t) * dtype_size(*type), t->name, e);
	if (!data)
		return NULL;
	if (!smooth)
		nearest(t, data, j->nearest);
	else if (linear(t, data, j->linear, e)) {
		free(data);
		return NULL;
	}
	return data;
}

static int resample_frame(struct frame *f, const struct grid *from, const struct grid *to, const double ratio[3], enum resample_interp interp,
                          struct err *e)
{
	struct job j = {.interp = interp};
	int r = -1;

	if (!axes_make(j.linear, from, to, ratio, 0, e) && !axes_make(j.nearest, from, to, ratio, 1, e))
		r = geo_regrid(f, from, to, resample_tensor, &j, e);
	axes_free(j.linear);
	axes_free(j.nearest);
	return r;
}

/* Is there nothing to interpolate between g and `to`, which differ in spacing alone? */
static int is_same(const struct grid *g, const struct grid *to)
{
	double s[3], t[3];

	geo_spacing(g, s);
	geo_spacing(to, t);
	for (int i = 0; i < 3; i++)
		if (g->size[i] != to->size[i] || fabs(s[i] - t[i]) > SAME)
			return 0;
	return 1;
}

static int new_grid(const struct grid *g, const double spacing[3], struct grid *to, struct err *e)
{
	double old[3];

	if (geo_check_right(g, e))
		return -1;
	geo_spacing(g, old);
	*to = *g;
	for (int i = 0; i < 3; i++) {
		double n = nearbyint((double)(g->size[i] - 1) * old[i] / spacing[i] + 1);

		if (!(n <= GEO_MOST))
			return err_set(e, NULL, "%g mm on axis %c makes %.0f voxels (at most %d)", spacing[i], "xyz"[i], n, GEO_MOST);
		to->size[i] = (int64_t)n;
		for (int r = 0; r < 3; r++)
			to->affine[4 * r + i] *= spacing[i] / old[i];
	}
	return 0;
}

static int respace(struct frame *f, struct grid *g, const struct resample *o, int *changed, struct err *e)
{
	double old[3], ratio[3];
	struct grid to;

	if (new_grid(g, o->spacing, &to, e))
		return -1;
	if (is_same(g, &to))
		return 0;
	geo_spacing(g, old);
	for (int i = 0; i < 3; i++)
		ratio[i] = o->spacing[i] / old[i];
	*changed = 1;
	return resample_frame(f, g, &to, ratio, o->interp, e);
}

int resample_apply(struct frame *f, const struct resample *o, struct err *e)
{
	struct grid before, g;
	struct orient turn;
	int changed = 0;

	if (frame_grid(f, &before, e))
		return -1;
	g = before;
	if (o->orient[0]) {
		if (orient_find(&g, o->orient, &turn, e))
			return -1;
		changed = !orient_is_nothing(&turn);
		if (changed && orient_frame(f, &g, &turn, e))
			return -1;
	}
	if (o->respace && respace(f, &g, o, &changed, e))
		return -1;
	return history_push(f, "nii-resample", resample_json(o), NULL, changed ? &before : NULL, e);
}

/* To grid `to`, which is as f's but in spacing. */
static int unspace(struct frame *f, const struct grid *to, enum resample_interp interp, struct err *e)
{
	struct grid g;
	double now[3], then[3], ratio[3];

	if (frame_grid(f, &g, e) || geo_check_right(&g, e))
		return -1;
	if (is_same(&g, to))
		return frame_set_affine(f, to->affine, e);
	geo_spacing(&g, now);
	geo_spacing(to, then);
	for (int i = 0; i < 3; i++)
		ratio[i] = then[i] / now[i];
	return resample_frame(f, &g, to, ratio, interp, e);
}

int resample_back(struct frame *f, const struct grid *to, const struct resample *o, struct err *e)
{
	struct orient turn, back;
	struct grid turned;

	if (!o->orient[0])
		return unspace(f, to, o->interp, e);
	if (orient_find(to, o->orient, &turn, e))
		return -1;
	turned = orient_grid(to, &turn);
	back = orient_inverse(&turn);
	if (unspace(f, &turned, o->interp, e) || orient_frame(f, &turned, &back, e))
		return -1;
	return frame_set_affine(f, to->affine, e);
}

/* -- options -- */

enum { OPTIONS = 5 };

static void make_table(struct resample *o, int *interp, int *align, int given[4], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"orient", OPTION_TEXT, o->orient, sizeof o->orient, NULL, &given[0]},
		{"spacing", OPTION_REALS, o->spacing, 3, NULL, &given[1]},
		{"interp", OPTION_WORD, interp, 1, "linear|nearest", &given[2]},
		{"align", OPTION_WORD, align, 1, "monai", &given[3]},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *resample_json(const struct resample *o)
{
	struct resample v = *o;
	int interp = (int)o->interp, align = 0, given[4] = {o->orient[0] != 0, o->respace, o->respace, o->respace};
	struct option table[OPTIONS];

	make_table(&v, &interp, &align, given, table);
	return option_json(table);
}

int resample_parse(struct resample *o, const json_t *args, struct err *e)
{
	int interp = 0, align = 0, given[4];
	struct option table[OPTIONS];

	memset(o, 0, sizeof *o);
	make_table(o, &interp, &align, given, table);
	if (option_parse(args, table, e))
		return -1;
	o->interp = (enum resample_interp)interp;
	o->respace = given[1];
	if ((!given[0] && !given[1]) || given[1] != given[2] || given[1] != given[3])
		return err_set(e, NULL, "arguments are neither an orientation (orient) nor a spacing (spacing, interp, align)");
	if (given[0] && orient_check(o->orient, e))
		return -1;
	for (int i = 0; given[1] && i < 3; i++)
		if (!(o->spacing[i] > 0))
			return err_set(e, NULL, "spacing on axis %c is not above 0", "xyz"[i]);
	return 0;
}
