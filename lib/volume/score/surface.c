#include "lib/volume/score/surface.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"
#include "lib/volume/score/distance.h"

/* ---- areas ---- */

/* Marching cubes' cases: every other code is one of these, turned, mirrored or with inside and outside exchanged. Its triangles' normals, in
   eighths of a voxel's faces: `corner` times (1,1,1), edge[i] times (2,2,2) without component i, face[i] times 4 along axis i. */
static const struct { uint8_t code, corner, edge[3], face[3]; } cases[] = {
	{0x00, 0, {0, 0, 0}, {0, 0, 0}}, {0x01, 1, {0, 0, 0}, {0, 0, 0}}, {0x03, 0, {2, 0, 0}, {0, 0, 0}}, {0x06, 2, {0, 0, 0}, {0, 0, 0}},
	{0x07, 3, {0, 0, 0}, {0, 0, 1}}, {0x0f, 0, {0, 0, 0}, {0, 0, 2}}, {0x16, 3, {0, 0, 0}, {0, 0, 0}}, {0x17, 6, {0, 0, 0}, {0, 0, 0}},
	{0x18, 2, {0, 0, 0}, {0, 0, 0}}, {0x19, 1, {0, 0, 2}, {0, 0, 0}}, {0x1b, 4, {0, 1, 1}, {0, 0, 0}}, {0x1e, 4, {0, 0, 0}, {0, 0, 1}},
	{0x3c, 0, {4, 0, 0}, {0, 0, 0}}, {0x69, 4, {0, 0, 0}, {0, 0, 0}},
};

static const int turn[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Axis i becomes axis to[i], then those in `mirror` are turned round. */
static int moved(int code, const int to[3], int mirror)
{
	int out = 0;

	for (int b = 0; b < 8; b++)
		if (code >> b & 1)
			out |= 1 << (((b & 1) << to[0] | (b >> 1 & 1) << to[1] | (b >> 2 & 1) << to[2]) ^ mirror);
	return out;
}

void surface_areas(const double spacing[3], double area[256])
{
	double face[3], corner = 0;

	for (int i = 0; i < 3; i++) {
		face[i] = spacing[(i + 1) % 3] * spacing[(i + 2) % 3] / 8;
		corner += face[i] * face[i];
	}
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
		for (int t = 0; t < 6; t++) {
			double sum = cases[c].corner * sqrt(corner);

			for (int i = 0; i < 3; i++) {
				double own = face[turn[t][i]];

				sum += cases[c].face[i] * 4 * own + cases[c].edge[i] * 2 * sqrt(fmax(corner - own * own, 0));
			}
			for (int mirror = 0; mirror < 8; mirror++) {
				int code = moved(cases[c].code, turn[t], mirror);

				area[code] = area[255 - code] = sum;
			}
		}
}

/* ---- points of a surface ---- */

struct surface {
	struct distance_points p;
	double *area; /* of each; NULL: all alike */
	size_t n, room;
};

static void surface_free(struct surface *s)
{
	free(s->p.row);
	free(s->p.x);
	free(s->area);
}

/* The box as bytes, a voxel wider on every side: n of them. */
static uint8_t *fill(const struct surface_pair *p, const struct components *c, const int32_t n[3], struct err *e)
{
	uint8_t *m = mem_zero((size_t)n[0] * (size_t)n[1], (size_t)n[2], "a surface", e);

	for (int32_t z = p->lo[2]; m && z < p->hi[2]; z++)
		for (int32_t y = p->lo[1]; y < p->hi[1]; y++) {
			uint8_t *row = m + ((size_t)(z - p->lo[2] + 1) * (size_t)n[1] + (size_t)(y - p->lo[1] + 1)) * (size_t)n[0] + 1;
			int64_t at = (int64_t)z * c->size[1] + y;

			for (int64_t i = c->row[at]; i < c->row[at + 1]; i++)
				if (!p->value || c->run[i].value == *p->value)
					memset(row + (c->run[i].x0 - p->lo[0]), 1, (size_t)(c->run[i].x1 - c->run[i].x0));
		}
	return m;
}

/* A byte for every place of a row: not 0 where the surface is. m: the voxel before the row's first place on every axis. */
typedef void mark_fn(const uint8_t *m, size_t row, size_t plane, int32_t n, uint8_t *out);

CLONES static void mark_edges(const uint8_t *m, size_t row, size_t plane, int32_t n, uint8_t *out)
{
	const uint8_t *v = m + plane + row + 1;

	for (int32_t x = 0; x < n; x++)
		out[x] = v[x] & ~(v[x - 1] & v[x + 1] & v[(size_t)x - row] & v[(size_t)x + row] & v[(size_t)x - plane] & v[(size_t)x + plane]);
}

CLONES static void mark_codes(const uint8_t *m, size_t row, size_t plane, int32_t n, uint8_t *out)
{
	const uint8_t *a = m, *b = m + row, *c = m + plane, *d = m + plane + row;

	for (int32_t x = 0; x < n; x++) {
		uint8_t code = (uint8_t)(a[x] | a[x + 1] << 1 | b[x] << 2 | b[x + 1] << 3 | c[x] << 4 | c[x + 1] << 5 | d[x] << 6 | d[x + 1] << 7);

		out[x] = code == 255 ? 0 : code;
	}
}

static int more(struct surface *s, size_t room, int areas, struct err *e)
{
	int32_t *x = realloc(s->p.x, room * sizeof *x);
	double *area = areas && x ? realloc(s->area, room * sizeof *area) : NULL;

	s->p.x = x ? x : s->p.x;
	s->area = area ? area : s->area;
	s->room = room;
	return x && (area || !areas) ? 0 : err_set(e, NULL, "not enough memory for a surface (%zu points)", room);
}

static int add_row(struct surface *s, const uint8_t *mark, const double *area, struct err *e)
{
	int32_t n = s->p.size[0];

	if (s->n + (size_t)n > s->room && more(s, 2 * s->n + (size_t)n + 1024, !!area, e))
		return -1;
	for (int32_t x = 0; x < n; x++) {
		uint64_t eight;

		if (x + 8 <= n && (memcpy(&eight, mark + x, 8), !eight)) {
			x += 7;
			continue;
		}
		s->p.x[s->n] = x;
		if (area)
			s->area[s->n] = area[mark[x]];
		s->n += mark[x] != 0;
	}
	return 0;
}

/* by DEEPMIND the grid is of corners: one more than voxels along every axis. */
static int find(const struct surface_pair *p, const struct components *c, const double *area, struct surface *s, struct err *e)
{
	int32_t n[3];
	size_t plane, at = 0;
	mark_fn *mark_row = area ? mark_codes : mark_edges;
	uint8_t *m, *mark;
	int r = -1;

	for (int i = 0; i < 3; i++) {
		n[i] = p->hi[i] - p->lo[i] + 2;
		s->p.size[i] = p->hi[i] - p->lo[i] + (area != NULL);
	}
	plane = (size_t)n[0] * (size_t)n[1];
	m = fill(p, c, n, e);
	mark = mem_new((size_t)n[0], 1, "a surface", e);
	s->p.row = mem_zero((size_t)s->p.size[1] * (size_t)s->p.size[2] + 1, sizeof *s->p.row, "a surface", e);
	if (!m || !mark || !s->p.row)
		goto out;
	for (int32_t z = 0; z < s->p.size[2]; z++)
		for (int32_t y = 0; y < s->p.size[1]; y++) {
			mark_row(m + (size_t)z * plane + (size_t)y * (size_t)n[0], (size_t)n[0], plane, s->p.size[0], mark);
			if (add_row(s, mark, area, e))
				goto out;
			s->p.row[++at] = s->n;
		}
	r = 0;
out:
	free(m);
	free(mark);
	return r;
}

/* ---- what the distances say ---- */

struct far { double d, area; };

struct direction { double max, q95, sum, total, within[SURFACE_TOLERANCES]; };

static void swap(struct far *a, struct far *b)
{
	struct far c = *a;

	*a = *b;
	*b = c;
}

static double median(double a, double b, double c)
{
	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* The smallest distance with so much area at or below it; v is reordered (quickselect, three ways). */
static double reach(struct far *v, size_t n, double target)
{
	double below = 0;

	while (n > 1) {
		double pivot = median(v[0].d, v[n / 2].d, v[n - 1].d), less = 0, equal = 0;
		size_t lt = 0, gt = n;

		for (size_t i = 0; i < gt;)
			if (v[i].d > pivot)
				swap(&v[i], &v[--gt]);
			else if (v[i].d < pivot) {
				less += v[i].area;
				swap(&v[lt++], &v[i++]);
			} else
				equal += v[i++].area;
		if (lt && below + less >= target)
			n = lt;
		else if (gt == n || below + less + equal >= target)
			return pivot;
		else {
			below += less + equal;
			v += gt;
			n -= gt;
		}
	}
	return v->d;
}

/* Of points that count the same as numpy has it: between two of them. */
static double quantile(struct far *v, size_t n, double q, double total, int alike)
{
	double at = q * (double)(n - 1), low;

	if (!alike)
		return reach(v, n, q * total);
	low = reach(v, n, floor(at) + 1);
	return floor(at) + 1 < (double)n ? low + (reach(v, n, floor(at) + 2) - low) * (at - floor(at)) : low;
}

static int measure(const struct surface *from, const struct surface *to, const struct surface_pair *p, const double *tolerance, int tolerances,
                   struct direction *dir, struct err *e)
{
	double *d = mem_new(from->n, sizeof *d, "distances", e);
	struct far *v = mem_new(from->n, sizeof *v, "distances", e);
	int r = -1;

	if (!d || !v || distance_nearest(&from->p, &to->p, p->spacing, d, e))
		goto out;
	*dir = (struct direction){0};
	for (size_t i = 0; i < from->n; i++) {
		v[i] = (struct far){d[i], from->area ? from->area[i] : 1};
		dir->max = d[i] > dir->max ? d[i] : dir->max;
		dir->total += v[i].area;
		dir->sum += d[i] * v[i].area;
		for (int k = 0; k < tolerances; k++)
			dir->within[k] += d[i] <= tolerance[k] ? v[i].area : 0;
	}
	dir->q95 = quantile(v, from->n, .95, dir->total, !from->area);
	r = 0;
out:
	free(d);
	free(v);
	return r;
}

int surface_compare(const struct surface_pair *p, enum surface_by by, const double *tolerance, int tolerances, struct surface_distances *s,
                    struct err *e)
{
	struct surface t = {{{0}}}, q = {{{0}}};
	struct direction a, b;
	double area[256];
	int r = -1;

	surface_areas(p->spacing, area);
	if (!find(p, p->truth, by == SURFACE_DEEPMIND ? area : NULL, &t, e) && !find(p, p->pred, by == SURFACE_DEEPMIND ? area : NULL, &q, e) &&
	    !measure(&t, &q, p, tolerance, tolerances, &a, e) && !measure(&q, &t, p, tolerance, tolerances, &b, e)) {
		*s = (struct surface_distances){fmax(a.max, b.max), fmax(a.q95, b.q95), (a.sum + b.sum) / (a.total + b.total),
		                                (a.sum / a.total + b.sum / b.total) / 2, {0}};
		for (int k = 0; k < tolerances; k++)
			s->nsd[k] = (a.within[k] + b.within[k]) / (a.total + b.total);
		r = 0;
	}
	surface_free(&t);
	surface_free(&q);
	return r;
}
