#include "lib/volume/resample/like.h"

#include <math.h>
#include <string.h>

#include "lib/stream/stream.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/resample/warp.h"

static const double OFF = 0.05, TINY = 1e-6; /* voxels */

static int read_volume(const char *path, struct grid *g, struct err *e)
{
	struct nii_file f = {0};
	int r = nii_open(&f, path, e);

	if (!r) {
		*g = f.h.grid;
		nii_close(&f);
	}
	return r;
}

int like_read(const char *path, struct grid *g, struct err *e)
{
	struct stream *s;
	struct frame f = {0};
	int r = -1;

	if (nii_is_volume(path))
		return read_volume(path, g, e);
	s = stream_open(path, e);
	if (s && stream_next_header(s, &f, e) == 1) {
		r = frame_grid(&f, g, e);
		if (r)
			err_prefix(e, "%s", path);
	}
	frame_free(&f);
	stream_close(s);
	return r;
}

/* m: voxel i of `to` lies at the sum over k of m[j][k] i[k], + m[j][3], of axis j of g, whose axes are at right angles. */
static void between(const struct grid *g, const struct grid *to, double m[3][4])
{
	const double *a = g->affine, *b = to->affine;

	for (int j = 0; j < 3; j++) {
		double sq = a[j] * a[j] + a[4 + j] * a[4 + j] + a[8 + j] * a[8 + j];

		for (int k = 0; k < 4; k++) {
			double v = 0;

			for (int r = 0; r < 3; r++)
				v += a[4 * r + j] * (b[4 * r + k] - (k == 3 ? a[4 * r + 3] : 0));
			m[j][k] = v / sq;
		}
	}
}

/* Do g's axes run as those of `to`, turned by *o? */
static int find_turn(const struct grid *g, const struct grid *to, struct orient *o)
{
	double m[3][4];
	int taken[3] = {0};
	struct err e;

	if (geo_check_right(g, &e) || geo_check_right(to, &e))
		return 0;
	between(g, to, m);
	for (int k = 0; k < 3; k++) {
		double s[3];
		int j = 0;

		geo_spacing(g, s);
		for (int i = 1; i < 3; i++)
			j = fabs(m[i][k]) * s[i] > fabs(m[j][k]) * s[j] ? i : j;
		o->axis[k] = j;
		o->flip[k] = m[j][k] < 0;
		taken[j]++;
	}
	return taken[0] == 1 && taken[1] == 1 && taken[2] == 1;
}

/* g's axes run as `to`'s, about. Do they, all over? */
static int make_map(const struct grid *g, const struct grid *to, struct interp_map *m)
{
	double v[3][4], s[3], t[3];

	between(g, to, v);
	geo_spacing(g, s);
	geo_spacing(to, t);
	for (int j = 0; j < 3; j++) {
		double off = 0, half;

		m->scale[j] = t[j] / s[j];
		m->shift[j] = v[j][3];
		half = nearbyint(2 * m->shift[j]) / 2;
		if (fabs(m->shift[j] - half) < TINY)
			m->shift[j] = half; /* so that what lies on voxels, or between two, does whatever the affines' last bits */
		for (int k = 0; k < 3; k++)
			off += fabs(v[j][k] - (k == j ? m->scale[j] : 0)) * (double)(to->size[k] - 1);
		if (!(off <= OFF))
			return 0;
	}
	return 1;
}

/* The voxels of `to` that lie within g: half a voxel beyond its voxels' centres is within. */
static int overlap(const struct grid *g, const struct grid *to, const struct interp_map *m, struct box *b, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		double lo = ceil((-0.5 - m->shift[i]) / m->scale[i] - TINY), hi = floor(((double)g->size[i] - 0.5 - m->shift[i]) / m->scale[i] + TINY) + 1;

		b->lo[i] = (int64_t)fmax(0, fmin(lo, (double)to->size[i]));
		b->hi[i] = (int64_t)fmax(0, fmin(hi, (double)to->size[i]));
		if (b->lo[i] >= b->hi[i])
			return err_set(e, NULL, "the two grids do not overlap (axis %c)", "xyz"[i]);
	}
	return 0;
}

static int along_axes(struct frame *f, const struct grid *now, const struct grid *to, const struct interp_map *how, double fill, struct err *e)
{
	struct interp_map m = *how;
	struct grid part = *to;
	struct box in, whole;

	if (overlap(now, to, &m, &in, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		m.shift[i] += m.scale[i] * (double)in.lo[i];
		part.size[i] = in.hi[i] - in.lo[i];
		whole.lo[i] = -in.lo[i];
		whole.hi[i] = to->size[i] - in.lo[i];
	}
	if (interp_frame(f, now, &part, &m, e))
		return -1;
	if (!geo_same_size(&part, to) && box_cut(f, &part, &whole, fill, e))
		return -1;
	return frame_set_affine(f, to->affine, e);
}

static int along_affine(struct frame *f, const struct grid *g, const struct grid *to, const struct interp_map *how, double fill, struct err *e)
{
	struct warp w = {.fill = fill, .how = *how};

	return geo_between(g, to, w.m, e) || warp_frame(f, g, to, &w, e) ? -1 : 0;
}

int like_apply(struct frame *f, const struct grid *g, const struct grid *to, const struct interp_map *how, double fill, struct err *e)
{
	struct interp_map m = *how;
	struct grid now = *g;
	struct orient turn;

	m.up = 1;
	if (find_turn(g, to, &turn)) {
		struct grid turned = orient_grid(g, &turn);

		if (make_map(&turned, to, &m))
			return (!orient_is_nothing(&turn) && orient_frame(f, &now, &turn, e)) || along_axes(f, &turned, to, &m, fill, e) ? -1 : 0;
	}
	return along_affine(f, g, to, &m, fill, e);
}
