#include "lib/volume/recist/diameter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/recist/hull.h"

static const double FLAT = 1e-6; /* of an axis's length: less of it across the others is none */

/* All points lie on a grid of half voxels; hulls are made there, in whole numbers, since an affine map keeps them. */
struct work {
	const struct component_line *line;
	size_t n;
	enum diameter_by by;
	double r[6];            /* half voxels to mm: x' = r0 x + r1 y + r2 z, y' = r3 y + r4 z, z' = r5 z */
	int32_t y0, ny, z0, nz; /* bounding box of the lines */
	size_t *first;          /* lines of row y, slice z begin at first[(z - z0) * ny + y - y0] */
	int32_t *lo, *hi;       /* of the slice at hand, a half row each, from 2 y0 - 1 on; lo > hi: none */
	struct hull_rows rows;  /* the same without the empty ones */
	int32_t (*vertex)[2];
	double (*mm)[2];
	struct hull_point *p;   /* what may be an end of the diameter in space */
	size_t used;
	double axial, slice;    /* squared; in half voxels */
	double flat;            /* squared; in a slice of voxels */
	int32_t z, end[2][2];   /* in half voxels */
	struct err *e;
};

/* Upper triangle R with R'R = A'A, so that |A v| = |R v|. */
static int metric(struct work *w, const double a[16])
{
	double x[3] = {a[0], a[4], a[8]}, y[3] = {a[1], a[5], a[9]}, z[3] = {a[2], a[6], a[10]};
	double xx = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], xy = x[0] * y[0] + x[1] * y[1] + x[2] * y[2];
	double xz = x[0] * z[0] + x[1] * z[1] + x[2] * z[2], yy = y[0] * y[0] + y[1] * y[1] + y[2] * y[2];
	double yz = y[0] * z[0] + y[1] * z[1] + y[2] * z[2], zz = z[0] * z[0] + z[1] * z[1] + z[2] * z[2];
	double *r = w->r;

	r[0] = sqrt(xx);
	r[1] = xy / r[0];
	r[2] = xz / r[0];
	r[3] = sqrt(yy - r[1] * r[1]);
	r[4] = (yz - r[1] * r[2]) / r[3];
	r[5] = sqrt(zz - r[2] * r[2] - r[4] * r[4]);
	if (!(r[0] > 0 && r[3] > FLAT * sqrt(yy) && r[5] > FLAT * sqrt(zz)) || !isfinite(r[0] + r[1] + r[2] + r[3] + r[4] + r[5]))
		return err_set(w->e, NULL, "the affine is singular: no lengths in mm");
	for (int i = 0; i < 6; i++)
		r[i] /= 2;
	return 0;
}

static int set_up(struct work *w, const double affine[16])
{
	int32_t y1 = w->line[0].y, rows;
	size_t at = 0, boxes;

	w->y0 = y1;
	w->z0 = w->line[0].z;
	w->nz = w->line[w->n - 1].z - w->z0 + 1;
	for (size_t i = 0; i < w->n; i++) {
		w->y0 = w->line[i].y < w->y0 ? w->line[i].y : w->y0;
		y1 = w->line[i].y > y1 ? w->line[i].y : y1;
	}
	w->ny = y1 - w->y0 + 1;
	rows = 2 * w->ny + 1;
	boxes = (size_t)w->ny * (size_t)w->nz;
	w->first = mem_new(boxes + 1, sizeof *w->first, "rows", w->e);
	w->lo = mem_new((size_t)rows, 5 * sizeof *w->lo, "rows", w->e);
	w->vertex = mem_new((size_t)rows, 2 * sizeof *w->vertex, "a hull", w->e);
	w->mm = mem_new((size_t)rows, 2 * sizeof *w->mm, "a hull", w->e);
	if (!w->first || !w->lo || !w->vertex || !w->mm)
		return -1;
	w->hi = w->lo + rows;
	w->rows = (struct hull_rows){w->hi + rows, w->hi + 2 * rows, w->hi + 3 * rows, 0};
	for (size_t row = 0; row <= boxes; row++) {
		while (at < w->n && (size_t)(w->line[at].z - w->z0) * (size_t)w->ny + (size_t)(w->line[at].y - w->y0) < row)
			at++;
		w->first[row] = at;
	}
	return metric(w, affine);
}

/* Lines of row y of slice z; none outside the box. */
static size_t row_of(const struct work *w, int32_t y, int32_t z, const struct component_line **l)
{
	size_t row = (size_t)(z - w->z0) * (size_t)w->ny + (size_t)(y - w->y0);

	*l = w->line;
	if (z < w->z0 || z >= w->z0 + w->nz || y < w->y0 || y >= w->y0 + w->ny)
		return 0;
	*l += w->first[row];
	return w->first[row + 1] - w->first[row];
}

static void add(struct work *w, int32_t y2, int32_t lo, int32_t hi)
{
	int32_t i = y2 - (2 * w->y0 - 1);

	w->lo[i] = lo < w->lo[i] ? lo : w->lo[i];
	w->hi[i] = hi > w->hi[i] ? hi : w->hi[i];
}

static void clear(struct work *w)
{
	for (int32_t i = 0; i < 2 * w->ny + 1; i++) {
		w->lo[i] = INT32_MAX;
		w->hi[i] = INT32_MIN;
	}
}

static int keep(struct work *w, int32_t x2, int32_t y2, int32_t z2)
{
	if (mem_more(&w->p, w->used, sizeof *w->p, "a hull", w->e))
		return -1;
	w->p[w->used++] = (struct hull_point){{x2, y2, z2}};
	return 0;
}

/* The slice is complete: its hull, the longest distance in it, and its vertices kept for space at z2 - dz and z2 + dz. */
static int finish(struct work *w, int32_t z2, int32_t dz)
{
	struct hull_rows *r = &w->rows;
	size_t n, from = 0, to = 0;
	double best = 0;

	r->n = 0;
	for (int32_t i = 0; i < 2 * w->ny + 1; i++)
		if (w->lo[i] <= w->hi[i]) {
			r->key[r->n] = 2 * w->y0 - 1 + i;
			r->lo[r->n] = w->lo[i];
			r->hi[r->n++] = w->hi[i];
		}
	n = hull_plane(r, w->vertex);
	for (size_t i = 0; i < n; i++) {
		/* from the first vertex: a shape elsewhere has the same numbers to the last bit */
		w->mm[i][0] = w->r[0] * (w->vertex[i][1] - w->vertex[0][1]) + w->r[1] * (w->vertex[i][0] - w->vertex[0][0]);
		w->mm[i][1] = w->r[3] * (w->vertex[i][0] - w->vertex[0][0]);
		for (size_t j = 0; j < i; j++) {
			double x = w->mm[i][0] - w->mm[j][0], y = w->mm[i][1] - w->mm[j][1];

			if (x * x + y * y > best) {
				best = x * x + y * y;
				from = j;
				to = i;
			}
		}
		if (keep(w, w->vertex[i][1], w->vertex[i][0], z2 - dz) || (dz && keep(w, w->vertex[i][1], w->vertex[i][0], z2 + dz)))
			return -1;
	}
	if (best > w->axial) {
		w->axial = best;
		w->slice = z2;
	}
	if (n && z2 % 2 == 0 && best > w->flat) {
		w->flat = best;
		w->z = z2;
		memcpy(w->end[0], w->vertex[from], sizeof w->end[0]);
		memcpy(w->end[1], w->vertex[to], sizeof w->end[1]);
	}
	return 0;
}

/* Slice z itself. A row's first and last point suffice, also for what lies half a row away (mesh: a point there that is no vertex, because both
   rows have its voxel, lies between vertices of these two rows). */
static int whole_slice(struct work *w, int32_t z)
{
	int out = w->by != DIAMETER_CENTRE, corner = w->by == DIAMETER_CORNER;

	clear(w);
	for (int32_t y = w->y0; y < w->y0 + w->ny; y++) {
		const struct component_line *l;
		size_t n = row_of(w, y, z, &l);
		int32_t lo, hi;

		if (!n)
			continue;
		lo = 2 * l[0].x0;
		hi = 2 * (l[n - 1].x1 - 1);
		if (!corner)
			add(w, 2 * y, lo - out, hi + out);
		if (out) {
			add(w, 2 * y - 1, lo - corner, hi + corner);
			add(w, 2 * y + 1, lo - corner, hi + corner);
		}
	}
	return finish(w, 2 * z, corner);
}

static int32_t turn(const struct component_line *l, size_t i)
{
	return i & 1 ? l[i / 2].x1 : l[i / 2].x0;
}

/* First and last x that one row has and the other has not. 1, or 0: the rows are the same. Beginnings and ends that both have cancel. */
static int differ(const struct component_line *a, size_t na, const struct component_line *b, size_t nb, int32_t *lo, int32_t *hi)
{
	size_t i = 0, m = 2 * na, n = 2 * nb;

	while (i < m && i < n && turn(a, i) == turn(b, i))
		i++;
	if (i == m && i == n)
		return 0;
	*lo = i == m ? turn(b, i) : i == n || turn(a, i) < turn(b, i) ? turn(a, i) : turn(b, i);
	while (m && n && turn(a, m - 1) == turn(b, n - 1))
		m--, n--;
	*hi = (!m ? turn(b, n - 1) : !n || turn(a, m - 1) > turn(b, n - 1) ? turn(a, m - 1) : turn(b, n - 1)) - 1;
	return 1;
}

/* Mesh vertices between the slices z and z + 1: where one has a voxel and the other has not. */
static int half_slice(struct work *w, int32_t z)
{
	clear(w);
	for (int32_t y = w->y0; y < w->y0 + w->ny; y++) {
		const struct component_line *a, *b;
		size_t na = row_of(w, y, z, &a), nb = row_of(w, y, z + 1, &b);
		int32_t lo, hi;

		if (differ(a, na, b, nb, &lo, &hi))
			add(w, 2 * y, 2 * lo, 2 * hi);
	}
	return finish(w, 2 * z + 1, 0);
}

static int measure(struct work *w, const double affine[16], struct diameter *d)
{
	double squared;

	if (set_up(w, affine))
		return -1;
	for (int32_t z = w->z0 - 1; z < w->z0 + w->nz; z++)
		if ((z >= w->z0 && whole_slice(w, z)) || (w->by == DIAMETER_MESH && half_slice(w, z)))
			return -1;
	if (hull_farthest(w->p, w->used, w->r, &squared, w->e))
		return -1;
	*d = (struct diameter){sqrt(squared), sqrt(w->axial), w->slice / 2, sqrt(w->flat), w->z / 2, {{0}}};
	for (int i = 0; i < 2; i++) { /* a vertex is {y, x} */
		d->end[i][0] = w->end[i][1] / 2.0;
		d->end[i][1] = w->end[i][0] / 2.0;
	}
	return 0;
}

int diameter_measure(const struct component_line *line, size_t n, const double affine[16], enum diameter_by by, struct diameter *d, struct err *e)
{
	struct work w = {.line = line, .n = n, .by = by, .e = e};
	int r;

	*d = (struct diameter){0};
	if (!n)
		return 0;
	w.slice = w.z = 2 * line[0].z;
	w.flat = -1;
	r = measure(&w, affine, d);
	free(w.first);
	free(w.lo);
	free(w.vertex);
	free(w.mm);
	free(w.p);
	return r;
}
