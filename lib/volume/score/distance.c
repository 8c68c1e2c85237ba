#include "lib/volume/score/distance.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"

/* Offset in the slice to its nearest point, voxels. */
struct offset { uint16_t x, y; };

struct field {
	const struct distance_points *from, *to;
	const double *spacing;
	double *square[3];      /* squared mm of an offset along x, y, z */
	int64_t *nth;           /* of every row of `to`: which of the rows with points it is, or -1 */
	uint16_t *off;          /* [those rows, X]: offset to the row's nearest point */
	int32_t *slice, slices; /* of `to`, those with points; the others say nothing */
	struct offset *map;     /* [slices, Y, X] */
	double *d;              /* FAR: not found yet */
};

static const double FAR = -1;
enum { NEAR = 64 }; /* rows */

/* A lower envelope of parabolas f + (p - at)^2, built from left to right. */
struct envelope { double *f, *at; int32_t *of, n; };

/* Parabola b is nowhere below both its neighbours a and c. */
static int hidden(double fa, double a, double fb, double b, double fc, double c)
{
	return (c - a) * fb - (c - b) * fa - (b - a) * fc > (b - a) * (c - b) * (c - a);
}

static inline void push(struct envelope *v, double f, double at, int32_t of)
{
	int32_t n = v->n;

	while (n >= 2 && hidden(v->f[n - 2], v->at[n - 2], v->f[n - 1], v->at[n - 1], f, at))
		n--;
	v->f[n] = f;
	v->at[n] = at;
	v->of[n] = of;
	v->n = n + 1;
}

static inline double height(const struct envelope *v, int32_t k, double p)
{
	return v->f[k] + (p - v->at[k]) * (p - v->at[k]);
}

/* The parabola lowest at p, from k on: p only grows. */
static inline int32_t lowest(const struct envelope *v, int32_t k, double p)
{
	while (k + 1 < v->n && height(v, k + 1, p) <= height(v, k, p))
		k++;
	return k;
}

static int envelope_new(struct envelope *v, int32_t n)
{
	v->f = malloc((size_t)n * (2 * sizeof *v->f + sizeof *v->of));
	v->at = v->f + n;
	v->of = (int32_t *)(v->at + n);
	return v->f ? 0 : -1;
}

/* ---- in a row ---- */

/* Offsets along a row to the nearest of n >= 1 points. */
static void along_row(const int32_t *x, size_t n, int32_t nx, uint16_t *off)
{
	int32_t at = 0;

	for (size_t i = 0; i < n; i++) {
		int32_t end = i + 1 < n ? (x[i] + x[i + 1]) / 2 + 1 : nx;

		for (; at < end; at++)
			off[at] = (uint16_t)abs(at - x[i]);
	}
}

static int along_rows(struct field *f, struct err *e)
{
	const struct distance_points *to = f->to;
	int64_t rows = (int64_t)to->size[1] * to->size[2], n = 0;
	size_t nx = (size_t)to->size[0];

	f->nth = mem_new((size_t)rows, sizeof *f->nth, "distances", e);
	for (int64_t i = 0; f->nth && i < rows; i++)
		f->nth[i] = to->row[i + 1] > to->row[i] ? n++ : -1;
	f->off = f->nth ? mem_new((size_t)n * nx, sizeof *f->off, "distances", e) : NULL;
	if (!f->off)
		return -1;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < rows; i++)
		if (f->nth[i] >= 0)
			along_row(to->x + to->row[i], to->row[i + 1] - to->row[i], to->size[0], f->off + (size_t)f->nth[i] * nx);
	return 0;
}

/* ---- nearby ---- */

struct search { const struct field *f; int32_t x, y, rows; double best; };

/* Rows of slice z, from y outwards, as long as one of them may hold something nearer. */
static void search_slice(struct search *s, int32_t z, double z2)
{
	const struct field *f = s->f;
	int32_t nx = f->to->size[0], ny = f->to->size[1];
	const int64_t *nth = f->nth + (size_t)z * (size_t)ny;

	for (int32_t dy = 0; dy < ny && f->square[1][dy] + z2 < s->best && s->rows < NEAR; dy++)
		for (int32_t y = s->y - dy; y <= s->y + dy; y += dy ? 2 * dy : 1) {
			double d2;

			if (y < 0 || y >= ny)
				continue;
			s->rows++;
			if (nth[y] < 0)
				continue;
			d2 = f->square[0][f->off[(size_t)nth[y] * (size_t)nx + (size_t)s->x]] + f->square[1][dy] + z2;
			s->best = d2 < s->best ? d2 : s->best;
		}
}

/* Most points have another near by: the first rows around them find it. */
static double search(const struct field *f, int32_t x, int32_t y, int32_t z)
{
	struct search s = {f, x, y, 0, INFINITY};
	int32_t nz = f->to->size[2];

	for (int32_t dz = 0; dz < nz && f->square[2][dz] < s.best && s.rows < NEAR; dz++) {
		if (z - dz >= 0)
			search_slice(&s, z - dz, f->square[2][dz]);
		if (dz && z + dz < nz)
			search_slice(&s, z + dz, f->square[2][dz]);
	}
	return s.rows < NEAR ? sqrt(s.best) : FAR;
}

/* How many are far. */
static int64_t nearby(const struct field *f)
{
	int64_t ny = f->from->size[1], rows = ny * f->from->size[2], far = 0;

#pragma omp parallel for schedule(dynamic, 64) reduction(+ : far)
	for (int64_t r = 0; r < rows; r++)
		for (size_t i = f->from->row[r]; i < f->from->row[r + 1]; i++) {
			f->d[i] = search(f, f->from->x[i], (int32_t)(r % ny), (int32_t)(r / ny));
			far += f->d[i] == FAR;
		}
	return far;
}

/* ---- in a slice ---- */

static void in_slice(const struct field *f, int32_t k, struct envelope *v)
{
	size_t nx = (size_t)f->to->size[0];
	int32_t ny = f->to->size[1];
	const int64_t *nth = f->nth + (size_t)f->slice[k] * (size_t)ny;
	struct offset *map = f->map + (size_t)k * (size_t)ny * nx;

	for (size_t x = 0; x < nx; x++) {
		int32_t at = 0;

		v->n = 0;
		for (int32_t y = 0; y < ny; y++)
			if (nth[y] >= 0)
				push(v, f->square[0][f->off[(size_t)nth[y] * nx + x]], y * f->spacing[1], y);
		for (int32_t y = 0; y < ny; y++) {
			at = lowest(v, at, y * f->spacing[1]);
			map[(size_t)y * nx + x] = (struct offset){f->off[(size_t)nth[v->of[at]] * nx + x], (uint16_t)abs(y - v->of[at])};
		}
	}
}

static int in_slices(const struct field *f)
{
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct envelope v = {0};

		failed = envelope_new(&v, f->to->size[1]);
#pragma omp for schedule(dynamic, 1)
		for (int32_t k = 0; k < f->slices; k++)
			if (!failed)
				in_slice(f, k, &v);
		free(v.f);
	}
	return failed;
}

/* ---- across slices ---- */

/* The far points of `from` in the rows y of all slices, by x: point[first[x]] up to first[x + 1], z ascending. */
struct column { size_t *first, *point; int32_t *z; };

static void gather(const struct field *f, int32_t y, struct column *c)
{
	int32_t nx = f->from->size[0], ny = f->from->size[1];

	for (int32_t x = 0; x < nx + 2; x++)
		c->first[x] = 0;
	for (int32_t z = 0; z < f->from->size[2]; z++) {
		const size_t *row = f->from->row + (size_t)z * (size_t)ny + (size_t)y;

		for (size_t i = row[0]; i < row[1]; i++)
			c->first[f->from->x[i] + 2] += f->d[i] == FAR;
	}
	for (int32_t x = 0; x < nx; x++)
		c->first[x + 2] += c->first[x + 1];
	for (int32_t z = 0; z < f->from->size[2]; z++) {
		const size_t *row = f->from->row + (size_t)z * (size_t)ny + (size_t)y;

		for (size_t i = row[0]; i < row[1]; i++) {
			size_t *at = &c->first[f->from->x[i] + 1];

			if (f->d[i] == FAR) {
				c->point[*at] = i;
				c->z[(*at)++] = z;
			}
		}
	}
}

static void across(const struct field *f, int32_t y, struct envelope *v, const struct column *c)
{
	size_t nx = (size_t)f->to->size[0], plane = nx * (size_t)f->to->size[1];
	const struct offset *map = f->map + (size_t)y * nx;

	for (size_t x = 0; x < nx; x++) {
		int32_t k = 0;

		v->n = 0;
		for (int32_t i = 0; i < f->slices && c->first[x] < c->first[x + 1]; i++) {
			struct offset o = map[(size_t)i * plane + x];

			push(v, f->square[0][o.x] + f->square[1][o.y], f->slice[i] * f->spacing[2], i);
		}
		for (size_t i = c->first[x]; i < c->first[x + 1]; i++) {
			k = lowest(v, k, c->z[i] * f->spacing[2]);
			f->d[c->point[i]] = sqrt(v->f[k] + f->square[2][abs(c->z[i] - f->slice[v->of[k]])]);
		}
	}
}

/* The most points of `from` that any y has. */
static size_t most_points(const struct distance_points *p)
{
	size_t most = 0;

	for (int32_t y = 0; y < p->size[1]; y++) {
		size_t n = 0;

		for (int32_t z = 0; z < p->size[2]; z++) {
			const size_t *row = p->row + (size_t)z * (size_t)p->size[1] + (size_t)y;

			n += row[1] - row[0];
		}
		most = n > most ? n : most;
	}
	return most;
}

static int across_slices(const struct field *f)
{
	size_t most = most_points(f->from);
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct envelope v = {0};
		struct column c = {malloc(((size_t)f->to->size[0] + 2) * sizeof *c.first), malloc((most + 1) * sizeof *c.point), malloc((most + 1) * sizeof *c.z)};

		failed = envelope_new(&v, f->slices) || !c.first || !c.point || !c.z;
#pragma omp for schedule(dynamic, 1)
		for (int32_t y = 0; y < f->to->size[1]; y++)
			if (!failed) {
				gather(f, y, &c);
				across(f, y, &v, &c);
			}
		free(v.f);
		free(c.first);
		free(c.point);
		free(c.z);
	}
	return failed;
}

/* ---- the whole ---- */

static double *squares(int32_t n, double spacing, struct err *e)
{
	double *s = mem_new((size_t)n, sizeof *s, "distances", e);

	for (int32_t i = 0; s && i < n; i++)
		s[i] = i * spacing * (i * spacing);
	return s;
}

/* All the envelopes, for points that are not near. */
static int transform(struct field *f, struct err *e)
{
	const int32_t *n = f->to->size;

	f->slice = mem_new((size_t)n[2], sizeof *f->slice, "distances", e);
	for (int32_t z = 0; f->slice && z < n[2]; z++)
		if (f->to->row[(size_t)(z + 1) * (size_t)n[1]] > f->to->row[(size_t)z * (size_t)n[1]])
			f->slice[f->slices++] = z;
	f->map = f->slice ? mem_new((size_t)f->slices * (size_t)n[0] * (size_t)n[1], sizeof *f->map, "distances", e) : NULL;
	if (!f->map)
		return -1;
	return in_slices(f) || across_slices(f) ? err_set(e, NULL, "not enough memory for distances") : 0;
}

int distance_nearest(const struct distance_points *from, const struct distance_points *to, const double spacing[3], double *d, struct err *e)
{
	struct field f = {.from = from, .to = to, .spacing = spacing, .d = d};
	const int32_t *n = to->size;
	size_t rows = (size_t)n[1] * (size_t)n[2];
	int r = 0;

	if (n[0] > DISTANCE_SIDE || n[1] > DISTANCE_SIDE)
		return err_set(e, NULL, "%d by %d voxels in a slice are too many for distances (at most %d along a side)", n[0], n[1], DISTANCE_SIDE);
	for (size_t i = 0; !to->row[rows] && i < from->row[rows]; i++)
		d[i] = INFINITY;
	if (!to->row[rows] || !from->row[rows])
		return 0;
	for (int i = 0; i < 3 && !r; i++) {
		f.square[i] = squares(n[i], spacing[i], e);
		r = f.square[i] ? 0 : -1;
	}
	if (!r)
		r = along_rows(&f, e) || (nearby(&f) && transform(&f, e)) ? -1 : 0;
	for (int i = 0; i < 3; i++)
		free(f.square[i]);
	free(f.nth);
	free(f.off);
	free(f.slice);
	free(f.map);
	return r;
}
