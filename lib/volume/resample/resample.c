#include "lib/volume/resample/resample.h"

#include <math.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/resample/like.h"
#include "lib/volume/resample/warp.h"

static const double SAME = 1e-3;   /* mm: MONAI's AFFINE_TOL */
static const double CORNER = 1e-8; /* voxels */

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

static int check_count(double n, double spacing, int axis, struct err *e)
{
	if (!(n <= GEO_MOST))
		return err_set(e, NULL, "%g mm on axis %c makes %.0f voxels (at most %d)", spacing, "xyz"[axis], n, GEO_MOST);
	if (!(n >= 1))
		return err_set(e, NULL, "%g mm on axis %c leaves no voxel", spacing, "xyz"[axis]);
	return 0;
}

/* How many of n voxels one of `made` is, where the first and the last stay. */
static double outermost_stay(double n, double made)
{
	return made > 1 && n > 1 ? (n - 1) / (made - 1) : n / made;
}

/* Axis i of n voxels of `old` mm gets *size voxels, each *scale old ones wide. n need not be whole. */
static int new_size(const struct resample *o, int i, double n, double old, int64_t *size, double *scale, struct err *e)
{
	double spacing = o->spacing[i] > 0 ? o->spacing[i] : old, made;

	if (o->to == RESAMPLE_SIZE)
		made = (double)o->like.size[i];
	else
		made = o->align == RESAMPLE_MONAI ? nearbyint((n - 1) * old / spacing + 1) : nearbyint(old / spacing * n);
	if (check_count(made, spacing, i, e))
		return -1;
	if (o->align == RESAMPLE_NNUNET)
		*scale = n / made;
	else if (o->to == RESAMPLE_SIZE || o->align == RESAMPLE_ZOOM)
		*scale = outermost_stay(n, made);
	else
		*scale = spacing / old;
	*size = (int64_t)made;
	return 0;
}

/* Axis i of g as *to has it, and where its voxels come from. */
static int new_axis(const struct grid *g, const struct resample *o, int i, struct grid *to, struct interp_map *m, struct err *e)
{
	double s[3];

	geo_spacing(g, s);
	if (new_size(o, i, (double)g->size[i], s[i], &to->size[i], &m->scale[i], e))
		return -1;
	m->shift[i] = o->align == RESAMPLE_NNUNET ? 0.5 * m->scale[i] - 0.5 : 0;
	for (int r = 0; r < 3; r++) {
		to->affine[4 * r + i] *= m->scale[i];
		to->affine[4 * r + 3] += m->shift[i] * g->affine[4 * r + i];
	}
	return 0;
}

/* Where an axis keeps its spacing, that. */
static void wanted_spacing(const struct resample *o, const double now[3], double spacing[3])
{
	for (int i = 0; i < 3; i++)
		spacing[i] = o->spacing[i] > 0 ? o->spacing[i] : now[i];
}

/* The one axis of the largest spacing, more than 3 times the least; -1: none. */
static int coarse_axis(const double s[3])
{
	int axis = 0, many = 0;

	for (int i = 1; i < 3; i++)
		axis = s[i] > s[axis] ? i : axis;
	for (int i = 0; i < 3; i++)
		many += s[i] > s[axis] * (1 - 1e-6); /* lengths of an oblique affine's columns are equal but for the last bits */
	return many == 1 && s[axis] / fmin(s[0], fmin(s[1], s[2])) > 3 ? axis : -1;
}

static struct interp_map make_map(const struct resample *o)
{
	return (struct interp_map){.image = o->interp, .label = o->label, .coarse = -1, .up = o->align != RESAMPLE_MONAI,
	                           .clip = o->align == RESAMPLE_NNUNET, .mirror = o->align == RESAMPLE_ZOOM, .antialias = o->antialias};
}

static void choose_coarse(const struct resample *o, const double from[3], const double to[3], struct interp_map *m)
{
	if (o->align != RESAMPLE_NNUNET)
		return;
	m->coarse = coarse_axis(from);
	if (m->coarse < 0)
		m->coarse = coarse_axis(to);
}

/* -- sheared -- */

/* nnunet and zoom never look at directions. */
static int must_unshear(const struct grid *g, const struct resample *o)
{
	struct err e;

	return o->align == RESAMPLE_MONAI && geo_check_right(g, &e);
}

/* Directions u[r][i] at right angles: x stays, y turns in the plane of x and y (Gram and Schmidt; MONAI's zoom_affine by Cholesky). */
static void right_directions(const struct grid *g, double u[3][3])
{
	for (int i = 0; i < 3; i++) {
		double sq = 0;

		for (int r = 0; r < 3; r++)
			u[r][i] = g->affine[4 * r + i];
		for (int k = 0; k < i; k++) {
			double dot = u[0][i] * u[0][k] + u[1][i] * u[1][k] + u[2][i] * u[2][k];

			for (int r = 0; r < 3; r++)
				u[r][i] -= dot * u[r][k];
		}
		for (int r = 0; r < 3; r++)
			sq += u[r][i] * u[r][i];
		for (int r = 0; r < 3; r++)
			u[r][i] /= sqrt(sq);
	}
}

/* Where the world's point g(v) lies along the directions u, mm. */
static void along(const struct grid *g, const double v[3], const double u[3][3], double p[3])
{
	for (int i = 0; i < 3; i++) {
		p[i] = 0;
		for (int r = 0; r < 3; r++)
			p[i] += u[r][i] * (g->affine[4 * r] * v[0] + g->affine[4 * r + 1] * v[1] + g->affine[4 * r + 2] * v[2] + g->affine[4 * r + 3]);
	}
}

/* The box along u around the centres of g's corner voxels, mm; returns whether one of the corners is the first corner of the box. */
static int bounds(const struct grid *g, const double u[3][3], const double spacing[3], double lo[3], double hi[3])
{
	double p[8][3];
	int found = 0;

	for (int c = 0; c < 8; c++) {
		double v[3];

		for (int i = 0; i < 3; i++)
			v[i] = c >> i & 1 ? (double)(g->size[i] - 1) : 0;
		along(g, v, u, p[c]);
		for (int i = 0; i < 3; i++) {
			lo[i] = c ? fmin(lo[i], p[c][i]) : p[c][i];
			hi[i] = c ? fmax(hi[i], p[c][i]) : p[c][i];
		}
	}
	for (int c = 0; c < 8; c++) {
		int first = 1;

		for (int i = 0; i < 3; i++)
			first &= p[c][i] - lo[i] <= CORNER * spacing[i];
		found |= first;
	}
	return found;
}

/* What g becomes without its shear. MONAI's compute_shape_offset: voxel 0 comes to the first corner of the box around the volume where one of its own
   corners lies there; else the middles of both volumes, (n / 2) voxels from their first, come together. */
static int unshear_grid(const struct grid *g, const struct resample *o, struct grid *to, struct err *e)
{
	double u[3][3], s[3], lo[3], hi[3], first[3], middle[3];
	int corner;

	right_directions(g, u);
	geo_spacing(g, s);
	corner = bounds(g, u, s, lo, hi);
	for (int i = 0; i < 3; i++) {
		double scale;

		if (new_size(o, i, (hi[i] - lo[i]) / s[i] + 1, s[i], &to->size[i], &scale, e))
			return -1;
		s[i] *= scale;
	}
	along(g, (double[3]){(double)g->size[0] / 2, (double)g->size[1] / 2, (double)g->size[2] / 2}, u, middle);
	for (int i = 0; i < 3; i++)
		first[i] = corner ? lo[i] : middle[i] - s[i] * (double)to->size[i] / 2;
	for (int r = 0; r < 3; r++) {
		to->affine[4 * r + 3] = 0;
		for (int i = 0; i < 3; i++) {
			to->affine[4 * r + i] = u[r][i] * s[i];
			to->affine[4 * r + 3] += u[r][i] * first[i];
		}
	}
	return 0;
}

/* Between grids of which one is sheared, as MONAI's SpatialResample: beyond the border its values go on. */
static int warp(struct frame *f, const struct grid *g, const struct grid *to, const struct interp_map *m, struct err *e)
{
	struct warp w = {.border = 1, .how = *m};

	return geo_between(g, to, w.m, e) || warp_frame(f, g, to, &w, e) ? -1 : 0;
}

/* -- there -- */

static int respace(struct frame *f, struct grid *g, const struct resample *o, int *changed, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid to = *g;
	double now[3], then[3], wanted[3];

	if (geo_check_solid(g, e))
		return -1;
	if (must_unshear(g, o)) {
		*changed = 1;
		return unshear_grid(g, o, &to, e) ? -1 : warp(f, g, &to, &m, e);
	}
	for (int i = 0; i < 3; i++)
		if (new_axis(g, o, i, &to, &m, e))
			return -1;
	if (is_same(g, &to))
		return 0;
	geo_spacing(g, now);
	geo_spacing(&to, then);
	wanted_spacing(o, now, wanted);
	choose_coarse(o, now, o->to == RESAMPLE_SPACING ? wanted : then, &m);
	*changed = 1;
	return interp_frame(f, g, &to, &m, e);
}

static void truncate_image(struct frame *f)
{
	struct tensor *t = frame_find(f, "image");
	float *v = t && t->dtype == DT_F32 ? t->data : NULL;
	int64_t n = v ? tensor_count(t) : 0;

#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < n; i++)
		v[i] = truncf(v[i]);
}

int resample_apply(struct frame *f, const struct resample *o, struct err *e)
{
	struct grid before, g;
	struct orient turn;
	int changed = 0, made = 0;

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
	if (o->to == RESAMPLE_LIKE) {
		struct interp_map m = make_map(o);

		made = 1;
		if (like_apply(f, &g, &o->like, &m, o->fill, e))
			return -1;
	} else if (o->to != RESAMPLE_NOT && respace(f, &g, o, &made, e))
		return -1;
	if (made && o->truncate)
		truncate_image(f);
	return history_push(f, "nii-resample", resample_json(o), NULL, changed || made ? &before : NULL, e);
}

/* -- and back: what was finer becomes coarser without smoothing -- */

/* To grid `to`, which is as f's but in spacing, size and half pixels. */
static int unspace(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid g;
	double now[3], then[3], wanted[3];

	m.argmax = argmax;
	m.antialias = 0;
	if (frame_grid(f, &g, e) || geo_check_solid(&g, e))
		return -1;
	if (o->to != RESAMPLE_NOT && must_unshear(to, o))
		return warp(f, &g, to, &m, e);
	if (o->to == RESAMPLE_NOT || is_same(&g, to))
		return frame_set_affine(f, to->affine, e);
	geo_spacing(&g, now);
	geo_spacing(to, then);
	for (int i = 0; i < 3; i++) {
		const double n = (double)g.size[i], made = (double)to->size[i];
		const int half = o->align == RESAMPLE_NNUNET;

		m.scale[i] = half ? n / made : o->align == RESAMPLE_ZOOM ? outermost_stay(n, made) : then[i] / now[i]; /* ratios of spacings miss halves */
		m.shift[i] = half ? 0.5 * m.scale[i] - 0.5 : 0;
	}
	wanted_spacing(o, then, wanted);
	choose_coarse(o, o->to == RESAMPLE_SPACING ? wanted : now, then, &m);
	return interp_frame(f, &g, to, &m, e);
}

static int unlike(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid g;

	m.argmax = argmax;
	m.antialias = 0;
	return frame_grid(f, &g, e) || like_apply(f, &g, to, &m, 0, e) ? -1 : 0;
}

int resample_back(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct orient turn, back;
	struct grid turned;

	if (o->to == RESAMPLE_LIKE)
		return unlike(f, to, o, argmax, e);
	if (!o->orient[0])
		return unspace(f, to, o, argmax, e);
	if (orient_find(to, o->orient, &turn, e))
		return -1;
	turned = orient_grid(to, &turn);
	back = orient_inverse(&turn);
	if (unspace(f, &turned, o, argmax, e) || orient_frame(f, &turned, &back, e))
		return -1;
	return frame_set_affine(f, to->affine, e);
}
