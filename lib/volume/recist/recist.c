#include "lib/volume/recist/recist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

static const double NEAR = 1e-9; /* mm: what rounding may part */

/* A piece of the outline, seen along the longest diameter: t along it, u across, mm; t[0] <= t[1]. */
struct piece { double t[2], u[2]; };

struct work {
	const struct component_line *line; /* of the slice */
	size_t n;
	int32_t x0, y0, nx, ny;            /* box of the slice, a voxel wider on every side */
	uint8_t *in;
	double side[2][2];                 /* mm of half a voxel along x and y, in the plane */
	double origin[2], along[2];        /* an end, half voxels; direction, mm */
	struct piece *p;
	size_t used;
	struct err *e;
};

/* ---- the slice ---- */

static int set_up(struct work *w, const struct component_line *line, size_t n, int32_t z)
{
	int32_t x1 = INT32_MIN, y1 = INT32_MIN;

	while (n && line->z < z)
		line++, n--;
	w->line = line;
	w->x0 = w->y0 = INT32_MAX;
	for (w->n = 0; w->n < n && line[w->n].z == z; w->n++) {
		const struct component_line *l = &line[w->n];

		w->x0 = l->x0 < w->x0 ? l->x0 : w->x0;
		x1 = l->x1 > x1 ? l->x1 : x1;
		w->y0 = l->y < w->y0 ? l->y : w->y0;
		y1 = l->y > y1 ? l->y : y1;
	}
	w->nx = x1 - w->x0 + 2;
	w->ny = y1 - w->y0 + 3;
	w->x0--;
	w->y0--;
	w->in = mem_zero((size_t)w->nx, (size_t)w->ny, "a slice", w->e);
	for (size_t i = 0; w->in && i < w->n; i++)
		memset(w->in + (size_t)(w->line[i].y - w->y0) * (size_t)w->nx + (w->line[i].x0 - w->x0), 1, (size_t)(w->line[i].x1 - w->line[i].x0));
	return w->in ? 0 : -1;
}

/* The plane of the slice: x along its own direction. */
static void lay_flat(struct work *w, const double a[16], const struct diameter *d)
{
	double xx = sqrt(a[0] * a[0] + a[4] * a[4] + a[8] * a[8]), xy = (a[0] * a[1] + a[4] * a[5] + a[8] * a[9]) / xx;
	double yy = sqrt(fmax(a[1] * a[1] + a[5] * a[5] + a[9] * a[9] - xy * xy, 0));
	double dx = 2 * (d->end[1][0] - d->end[0][0]), dy = 2 * (d->end[1][1] - d->end[0][1]), length;

	w->side[0][0] = xx / 2;
	w->side[1][0] = xy / 2;
	w->side[1][1] = yy / 2;
	w->origin[0] = 2 * d->end[0][0];
	w->origin[1] = 2 * d->end[0][1];
	w->along[0] = dx * w->side[0][0] + dy * w->side[1][0];
	w->along[1] = dy * w->side[1][1];
	length = hypot(w->along[0], w->along[1]);
	w->along[0] = length > 0 ? w->along[0] / length : 1;
	w->along[1] = length > 0 ? w->along[1] / length : 0;
}

static void place(const struct work *w, int32_t x2, int32_t y2, double *t, double *u)
{
	double dx = x2 - w->origin[0], dy = y2 - w->origin[1], x = dx * w->side[0][0] + dy * w->side[1][0], y = dy * w->side[1][1];

	*t = x * w->along[0] + y * w->along[1];
	*u = y * w->along[0] - x * w->along[1];
}

/* ---- outlines, in half voxels ---- */

static int piece(struct work *w, int32_t x, int32_t y, int32_t to_x, int32_t to_y)
{
	struct piece *p;
	double t, u, tt, tu;

	if (mem_more(&w->p, w->used, sizeof *w->p, "an outline", w->e))
		return -1;
	place(w, x, y, &t, &u);
	place(w, to_x, to_y, &tt, &tu);
	p = &w->p[w->used++];
	*p = t <= tt ? (struct piece){{t, tt}, {u, tu}} : (struct piece){{tt, t}, {tu, u}};
	return 0;
}

static int at(const struct work *w, int32_t x, int32_t y)
{
	x -= w->x0;
	y -= w->y0;
	return x >= 0 && y >= 0 && x < w->nx && y < w->ny && w->in[(size_t)y * (size_t)w->nx + (size_t)x];
}

/* Marching squares between the centres (x, y) and (x + 1, y + 1); of a saddle the voxels inside hang together, as in a 26-connected lesion. */
static int mesh_at(struct work *w, int32_t x, int32_t y)
{
	int a = at(w, x, y), b = at(w, x + 1, y), c = at(w, x, y + 1), d = at(w, x + 1, y + 1);
	const int32_t low[2] = {2 * x + 1, 2 * y}, high[2] = {2 * x + 1, 2 * y + 2}, left[2] = {2 * x, 2 * y + 1}, right[2] = {2 * x + 2, 2 * y + 1};
	const int32_t *cut[4];
	int n = 0;

	if (a == d && b == c && a != b) {
		if (a)
			return piece(w, low[0], low[1], right[0], right[1]) || piece(w, left[0], left[1], high[0], high[1]);
		return piece(w, low[0], low[1], left[0], left[1]) || piece(w, right[0], right[1], high[0], high[1]);
	}
	if (a != b)
		cut[n++] = low;
	if (c != d)
		cut[n++] = high;
	if (a != c)
		cut[n++] = left;
	if (b != d)
		cut[n++] = right;
	return n ? piece(w, cut[0][0], cut[0][1], cut[1][0], cut[1][1]) : 0;
}

static int on_border(const struct work *w, int32_t x, int32_t y)
{
	return at(w, x, y) && !(at(w, x - 1, y) && at(w, x + 1, y) && at(w, x, y - 1) && at(w, x, y + 1));
}

static int centre_at(struct work *w, int32_t x, int32_t y)
{
	static const int32_t next[5][2] = {{0, 0}, {1, 0}, {-1, 1}, {0, 1}, {1, 1}};

	for (int k = 0; k < 5 && on_border(w, x, y); k++)
		if (on_border(w, x + next[k][0], y + next[k][1]) && piece(w, 2 * x, 2 * y, 2 * (x + next[k][0]), 2 * (y + next[k][1])))
			return -1;
	return 0;
}

static int corner_at(struct work *w, int32_t x, int32_t y)
{
	if (at(w, x, y) != at(w, x + 1, y) && piece(w, 2 * x + 1, 2 * y - 1, 2 * x + 1, 2 * y + 1))
		return -1;
	return at(w, x, y) != at(w, x, y + 1) ? piece(w, 2 * x - 1, 2 * y + 1, 2 * x + 1, 2 * y + 1) : 0;
}

static int outline(struct work *w, enum diameter_by by)
{
	static int (*const each[])(struct work *, int32_t, int32_t) = {
		[DIAMETER_MESH] = mesh_at, [DIAMETER_CENTRE] = centre_at, [DIAMETER_CORNER] = corner_at};

	for (int32_t y = w->y0; y < w->y0 + w->ny; y++)
		for (int32_t x = w->x0; x < w->x0 + w->nx; x++)
			if (each[by](w, x, y))
				return -1;
	return 0;
}

/* ---- across ---- */

static int by_t(const void *a, const void *b)
{
	double p = ((const struct piece *)a)->t[0], q = ((const struct piece *)b)->t[0];

	return p < q ? -1 : p > q;
}

/* Lowest and highest u of the outline at t. pieces: sorted by where they begin, n of them begin at t or before. */
static void reach(const struct piece *p, size_t n, double t, double u[2])
{
	u[0] = INFINITY;
	u[1] = -INFINITY;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < 2 && p[i].t[1] >= t - NEAR; k++) {
			double wide = p[i].t[1] - p[i].t[0], v = wide > NEAR ? p[i].u[0] + (p[i].u[1] - p[i].u[0]) * ((t - p[i].t[0]) / wide) : p[i].u[k];

			u[0] = v < u[0] ? v : u[0];
			u[1] = v > u[1] ? v : u[1];
		}
}

/* From t, u back to voxels. */
static void voxel(const struct work *w, double t, double u, double v[2])
{
	double x = t * w->along[0] - u * w->along[1], y = t * w->along[1] + u * w->along[0];
	double dy = w->side[1][1] > 0 ? y / w->side[1][1] : 0;

	v[1] = (w->origin[1] + dy) / 2;
	v[0] = (w->origin[0] + (x - dy * w->side[1][0]) / w->side[0][0]) / 2;
}

/* The reach is linear between the ends of pieces, so the longest chord is at one of them. */
static void across(struct work *w, struct recist_line *r)
{
	double lo = INFINITY, hi = -INFINITY;

	qsort(w->p, w->used, sizeof *w->p, by_t);
	r->chord = -1;
	for (size_t i = 0; i < w->used; i++)
		for (int k = 0; k < 2; k++) {
			double t = w->p[i].t[k], u[2];
			size_t n = i + 1;

			lo = w->p[i].u[k] < lo ? w->p[i].u[k] : lo;
			hi = w->p[i].u[k] > hi ? w->p[i].u[k] : hi;
			while (n < w->used && w->p[n].t[0] <= t + NEAR)
				n++;
			reach(w->p, n, t, u);
			if (u[1] - u[0] > r->chord + NEAR) { /* of chords equal but for rounding the first */
				r->chord = u[1] - u[0];
				voxel(w, t, u[0], r->across[0]);
				voxel(w, t, u[1], r->across[1]);
			}
		}
	r->width = hi - lo;
	r->chord = r->chord > r->width ? r->width : r->chord;
}

/* ---- along ---- */

struct part { double from, to; };

static int by_from(const void *a, const void *b)
{
	double p = ((const struct part *)a)->from, q = ((const struct part *)b)->from;

	return p < q ? -1 : p > q;
}

/* The part of p + s (q - p), 0 <= s <= 1, between lo and hi along one axis. */
static void clip(double p, double q, double lo, double hi, struct part *s)
{
	double a = (lo - p) / (q - p), b = (hi - p) / (q - p);

	if (p == q) {
		if (p < lo || p > hi)
			s->to = -1;
		return;
	}
	s->from = fmax(s->from, fmin(a, b));
	s->to = fmin(s->to, fmax(a, b));
}

static int inside(const struct work *w, const struct diameter *d, double *fraction)
{
	struct part *s = mem_new(w->n, sizeof *s, "a slice", w->e);
	double sum = 0, end = 0;
	size_t n = 0;

	if (!s)
		return -1;
	for (size_t i = 0; i < w->n; i++) {
		const struct component_line *l = &w->line[i];

		s[n] = (struct part){0, 1};
		clip(d->end[0][0], d->end[1][0], l->x0 - .5, l->x1 - .5, &s[n]);
		clip(d->end[0][1], d->end[1][1], l->y - .5, l->y + .5, &s[n]);
		n += s[n].to >= s[n].from;
	}
	qsort(s, n, sizeof *s, by_from);
	for (size_t i = 0; i < n; i++) {
		sum += fmax(s[i].to - fmax(s[i].from, end), 0);
		end = fmax(end, s[i].to);
	}
	*fraction = d->line > 0 ? fmin(sum, 1) : 1;
	free(s);
	return 0;
}

int recist_measure(const struct component_line *line, size_t n, const double affine[16], enum diameter_by by, const struct diameter *d,
                   struct recist_line *r, struct err *e)
{
	struct work w = {.e = e};
	int done = -1;

	*r = (struct recist_line){.longest = d->line, .z = d->z};
	memcpy(r->end, d->end, sizeof r->end);
	if (set_up(&w, line, n, d->z))
		return -1;
	lay_flat(&w, affine, d);
	if (!outline(&w, by) && !inside(&w, d, &r->inside)) {
		across(&w, r);
		done = 0;
	}
	free(w.in);
	free(w.p);
	return done;
}
