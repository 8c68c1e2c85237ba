#include "lib/volume/resample/warp.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/resample/warp_row.h"

static const double OUT = 0.5 + 1e-6; /* voxels */

/* Row y of slice z: all of it, or what is within half a voxel of the source. */
static struct warp_row find_row(const struct warp *w, const int64_t n[3], int64_t y, int64_t z, int64_t nx)
{
	struct warp_row r = {.hi = nx};

	for (int j = 0; j < 3; j++) {
		r.b[j] = w->m[j][1] * (double)y + w->m[j][2] * (double)z + w->m[j][3];
		r.s[j] = w->m[j][0];
	}
	for (int j = 0; j < 3 && !w->border; j++)
		warp_narrow(&r, j, -OUT, (double)(n[j] - 1) + OUT);
	return r;
}

/* -- one volume -- */

static warp_row_fn *const rows[INTERP_WAYS] = {warp_nearest, warp_linear, warp_cubic, warp_shares};

static int check_met(int met, struct err *e)
{
	return met ? 0 : err_set(e, NULL, "the two grids do not overlap");
}

static int warp_volume(const struct warp *w, const struct warp_source *v, warp_row_fn *fn, const struct grid *to, const char background[8],
                       size_t size, char *dst, struct err *e)
{
	int64_t nx = to->size[0], ny = to->size[1];
	int met = 0;

#pragma omp parallel for schedule(static) reduction(| : met)
	for (int64_t z = 0; z < to->size[2]; z++)
		for (int64_t y = 0; y < ny; y++) {
			struct warp_row r = find_row(w, v->n, y, z, nx);
			char *out = dst + (size_t)((z * ny + y) * nx) * size;

			box_fill(out, r.lo, background, size);
			fn(v, &r, out);
			box_fill(out + (size_t)r.hi * size, nx - r.hi, background, size);
			met |= r.lo < r.hi;
		}
	return check_met(met, e);
}

/* What a tensor's channels become before rows are taken from them; NULL: nothing. */
struct scratch {
	float *channel; /* as float32, or smoothed */
	float *spline;  /* coefficients */
	double factor[3];
	int smooth;
};

static int scratch_make(struct scratch *s, const struct tensor *t, enum interp_way way, const struct warp *w, const struct grid *from, struct err *e)
{
	int64_t spline = 1;
	int floats = way == INTERP_BY_LINEAR || way == INTERP_BY_CUBIC;

	*s = (struct scratch){0};
	for (int j = 0; j < 3; j++) {
		const double *m = w->m[j];

		s->factor[j] = sqrt(m[0] * m[0] + m[1] * m[1] + m[2] * m[2]);
		spline *= from->size[j] + 2 * INTERP_PAD;
	}
	s->smooth = floats && w->how.antialias && interp_will_smooth(s->factor);
	if (s->smooth || (way == INTERP_BY_LINEAR && t->dtype != DT_I16 && t->dtype != DT_F32)) {
		s->channel = mem_new((size_t)geo_voxels(from), sizeof *s->channel, "a channel", e);
		if (!s->channel)
			return -1;
	}
	if (way == INTERP_BY_CUBIC) {
		s->spline = mem_new((size_t)spline, sizeof *s->spline, "coefficients", e);
		if (!s->spline)
			return -1;
	}
	return 0;
}

static void scratch_free(struct scratch *s)
{
	free(s->channel);
	free(s->spline);
}

static void load(const struct tensor *t, float *out)
{
	int64_t plane = t->shape[1] * t->shape[2];

#pragma omp parallel for schedule(static)
	for (int64_t z = 0; z < t->shape[0]; z++)
		tensor_load_f32(t, z * plane, plane, out + z * plane);
}

/* Channel c of t to take rows from. */
static int find_source(struct warp_source *v, const struct scratch *s, const struct tensor *t, int64_t c, const struct warp *w, struct err *e)
{
	struct tensor one = interp_channel(t, c);

	if (s->smooth && interp_smooth(&one, s->factor, s->channel, e))
		return -1;
	if (s->channel && !s->smooth)
		load(&one, s->channel);
	if (s->channel) {
		one.data = s->channel;
		one.dtype = DT_F32;
	}
	if (s->spline && interp_spline(&one, s->spline, e))
		return -1;
	*v = (struct warp_source){s->spline ? s->spline : one.data, one.dtype, {one.shape[2], one.shape[1], one.shape[0]}, w->how.up, w->how.label};
	return 0;
}

/* -- scores to classes: row by row, no class is whole -- */

struct scores {
	const float *v; /* [K,Z,Y,X] */
	int64_t classes, n[3];
	struct box_scores outside;
};

static int argmax_row(const struct scores *s, const struct prob_choice *how, const struct warp_row *r, int64_t nx, float *score, float *best,
                      uint8_t *pred)
{
	int bad = 0;

	for (int64_t c = 0; c < s->classes; c++) {
		const struct warp_source v = {s->v + prob_ask(how, c) * s->n[0] * s->n[1] * s->n[2], DT_F32, {s->n[0], s->n[1], s->n[2]}};
		const float outside = (float)(prob_ask(how, c) ? s->outside.other : s->outside.first);

		for (int64_t x = 0; x < nx; x++)
			score[x] = outside;
		warp_linear(&v, r, score);
		bad |= prob_raise(how, score, c, best, pred, nx);
	}
	return bad;
}

static int argmax_volume(const struct warp *w, const struct scores *s, const struct prob_choice *how, const struct grid *to, uint8_t *pred,
                         struct err *e)
{
	int64_t nx = to->size[0], ny = to->size[1];
	int failed = 0, bad = 0, met = 0;

#pragma omp parallel reduction(| : failed, bad, met)
	{
		struct err mine;
		float *score = mem_new((size_t)nx, 2 * sizeof *score, "rows", &mine);

		failed = !score;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < to->size[2]; z++)
			for (int64_t y = 0; y < ny && !failed; y++) {
				struct warp_row r = find_row(w, s->n, y, z, nx);

				met |= r.lo < r.hi;
				bad |= argmax_row(s, how, &r, nx, score, score + nx, pred + (z * ny + y) * nx);
			}
		free(score);
	}
	if (failed)
		return err_set(e, NULL, "not enough memory for rows");
	return bad ? err_set(e, NULL, "tensor 'prob' is not finite") : check_met(met, e);
}

/* Of prob on `from`, pred on `to`, which the caller frees; prob leaves f. */
static uint8_t *take_argmax(struct frame *f, const struct grid *from, const struct grid *to, const struct warp *w, struct err *e)
{
	struct prob_choice how;
	struct regions regions;
	const struct tensor *t = interp_scores(f, from, e);
	float *v = !t || prob_choice(&how, &regions, f, e) ? NULL : t->dtype == DT_F32 ? t->data : tensor_to_f32(t, e);
	uint8_t *pred = v ? mem_new((size_t)geo_voxels(to), 1, "pred", e) : NULL;

	if (pred) {
		const struct scores s = {v, t->shape[0], {from->size[0], from->size[1], from->size[2]}, box_scores(f)};

		if (argmax_volume(w, &s, &how, to, pred, e)) {
			free(pred);
			pred = NULL;
		}
	}
	if (v && t->dtype != DT_F32)
		free(v);
	frame_drop(f, "prob");
	return pred;
}

/* -- a frame -- */

struct job {
	const struct warp *w;
	struct box_scores prob;
};

static int warp_channels(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype type,
                         const struct job *j, char *data, struct err *e)
{
	enum interp_way way = interp_way(role, &j->w->how);
	size_t size = dtype_size(type);
	int64_t planes = geo_planes(t);
	struct scratch s;
	int bad = scratch_make(&s, t, way, j->w, from, e);

	for (int64_t c = 0; !bad && c < planes; c++) {
		struct warp_source v;
		char background[8];

		bad = box_background(role, type, c, &j->prob, j->w->fill, background, e) || find_source(&v, &s, t, c, j->w, e) ||
		      warp_volume(j->w, &v, rows[way], to, background, size, data + (size_t)(c * geo_voxels(to)) * size, e);
	}
	scratch_free(&s);
	return bad ? -1 : 0;
}

static void *warp_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                         struct err *e)
{
	const struct job *j = arg;
	enum interp_way way = interp_way(role, &j->w->how);
	void *data;

	if (way == INTERP_BY_LINEAR || way == INTERP_BY_CUBIC)
		*type = DT_F32;
	data = mem_new((size_t)geo_voxels(to), (size_t)geo_planes(t) * dtype_size(*type), t->name, e);
	if (data && warp_channels(t, role, from, to, *type, j, data, e)) {
		free(data);
		data = NULL;
	}
	return data;
}

int warp_frame(struct frame *f, const struct grid *from, const struct grid *to, const struct warp *w, struct err *e)
{
	struct job j = {w, box_scores(f)};
	const int64_t shape[3] = {to->size[2], to->size[1], to->size[0]};
	uint8_t *pred = NULL;

	if (w->how.argmax && frame_find(f, "prob")) {
		frame_drop(f, "pred");
		pred = take_argmax(f, from, to, w, e);
		if (!pred)
			return -1;
	}
	if (geo_regrid(f, from, to, warp_tensor, &j, e)) {
		free(pred);
		return -1;
	}
	return !pred || frame_adopt(f, "pred", DT_U8, 3, shape, pred, e) ? 0 : -1;
}
