#include "lib/volume/recist/hull.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* One side of the hull: x bends away from the inside at every vertex. sign 1: the low side, -1: the high side. */
static size_t chain(const struct hull_rows *r, const int32_t *x, int sign, int32_t (*out)[2])
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		while (n >= 2) {
			const int32_t *a = out[n - 2], *b = out[n - 1];
			int64_t bend = (int64_t)(b[1] - a[1]) * (r->key[i] - a[0]) - (int64_t)(x[i] - a[1]) * (b[0] - a[0]);

			if (bend * sign < 0)
				break;
			n--;
		}
		out[n][0] = r->key[i];
		out[n++][1] = x[i];
	}
	return n;
}

size_t hull_plane(const struct hull_rows *r, int32_t (*out)[2])
{
	size_t n = chain(r, r->lo, 1, out);

	return n + chain(r, r->hi, -1, out + n);
}

/* ---- in space ---- */

struct space {
	struct hull_point *p, *next; /* next: room for 2 n */
	size_t n;
	struct hull_rows rows;
	int32_t (*vertex)[2];
};

#define BY(name, a, b, c) \
	static int name(const void *l, const void *m) \
	{ \
		const int32_t *p = ((const struct hull_point *)l)->p, *q = ((const struct hull_point *)m)->p; \
\
		if (p[a] != q[a]) \
			return p[a] < q[a] ? -1 : 1; \
		if (p[b] != q[b]) \
			return p[b] < q[b] ? -1 : 1; \
		return p[c] < q[c] ? -1 : p[c] > q[c]; \
	}
BY(by_xyz, 0, 1, 2)
BY(by_yzx, 1, 2, 0)

/* Keep the hull's vertices of every plane of equal p[a]; b and c are the other axes, and p is sorted by a, b, c. */
static void thin(struct space *s, int a, int b, int c)
{
	size_t out = 0;

	for (size_t i = 0, j; i < s->n; i = j) {
		size_t m, k;

		s->rows.n = 0;
		for (j = i; j < s->n && s->p[j].p[a] == s->p[i].p[a]; j++) {
			k = s->rows.n;
			if (j == i || s->p[j].p[b] != s->p[j - 1].p[b]) {
				s->rows.key[k] = s->p[j].p[b];
				s->rows.lo[k] = s->p[j].p[c];
				s->rows.n = ++k;
			}
			s->rows.hi[s->rows.n - 1] = s->p[j].p[c];
		}
		m = hull_plane(&s->rows, s->vertex);
		for (k = 0; k < m; k++) {
			struct hull_point *q = &s->next[out++];

			q->p[a] = s->p[i].p[a];
			q->p[b] = s->vertex[k][0];
			q->p[c] = s->vertex[k][1];
		}
	}
	if (out < s->n) { /* else nothing was gained, and duplicates came in */
		memcpy(s->p, s->next, out * sizeof *s->p);
		s->n = out;
	}
}

struct place { double x, y, z, radius; };

static int by_radius(const void *a, const void *b)
{
	double p = ((const struct place *)a)->radius, q = ((const struct place *)b)->radius;

	return p > q ? -1 : p < q;
}

static double distance2(const struct place *a, const struct place *b)
{
	double x = a->x - b->x, y = a->y - b->y, z = a->z - b->z;

	return x * x + y * y + z * z;
}

/* q: sorted, outermost first. Two points within radii r and s of the centre are at most r + s apart. */
static double search(const struct place *q, size_t n)
{
	double best2 = 0, best;
	size_t far = 0;

	for (int turn = 0; turn < 3; turn++) { /* a good pair to begin with: the farthest from the farthest */
		size_t from = far;

		for (size_t j = 0; j < n; j++) {
			double d = distance2(&q[from], &q[j]);

			if (d > best2) {
				best2 = d;
				far = j;
			}
		}
	}
	best = sqrt(best2);
	for (size_t i = 0; i < n && 2 * q[i].radius > best; i++) {
		double most = 0;

		for (size_t j = i + 1; j < n && q[i].radius + q[j].radius > best; j++) {
			double d = distance2(&q[i], &q[j]);

			most = d > most ? d : most;
		}
		if (most > best2) {
			best2 = most;
			best = sqrt(best2);
		}
	}
	return best2;
}

/* Into mm from the first point, so that a shape elsewhere has the same numbers to the last bit; with the distance from the middle of their box. */
static void locate(const struct space *s, const double r[6], struct place *q)
{
	double lo[3] = {INFINITY, INFINITY, INFINITY}, hi[3] = {-INFINITY, -INFINITY, -INFINITY};
	struct place mid;

	for (size_t i = 0; i < s->n; i++) {
		const int32_t *p0 = s->p[0].p, p[3] = {s->p[i].p[0] - p0[0], s->p[i].p[1] - p0[1], s->p[i].p[2] - p0[2]};
		double v[3] = {r[0] * p[0] + r[1] * p[1] + r[2] * p[2], r[3] * p[1] + r[4] * p[2], r[5] * p[2]};

		q[i] = (struct place){v[0], v[1], v[2], 0};
		for (int k = 0; k < 3; k++) {
			lo[k] = v[k] < lo[k] ? v[k] : lo[k];
			hi[k] = v[k] > hi[k] ? v[k] : hi[k];
		}
	}
	mid = (struct place){(lo[0] + hi[0]) / 2, (lo[1] + hi[1]) / 2, (lo[2] + hi[2]) / 2, 0};
	for (size_t i = 0; i < s->n; i++)
		q[i].radius = sqrt(distance2(&q[i], &mid)) * (1 + 1e-12); /* rounding must not hide a pair */
	qsort(q, s->n, sizeof *q, by_radius);
}

int hull_farthest(struct hull_point *p, size_t n, const double r[6], double *squared, struct err *e)
{
	struct space s = {.p = p, .n = n};
	struct place *q = NULL;
	int32_t *keys = mem_new(n, 3 * sizeof *keys, "a hull", e);
	int done = -1;

	*squared = 0;
	s.next = mem_new(n, 2 * sizeof *s.next, "a hull", e);
	s.vertex = mem_new(n, 2 * sizeof *s.vertex, "a hull", e);
	if (!keys || !s.next || !s.vertex)
		goto out;
	s.rows = (struct hull_rows){keys, keys + n, keys + 2 * n, 0};
	qsort(p, s.n, sizeof *p, by_yzx);
	thin(&s, 1, 2, 0);
	qsort(p, s.n, sizeof *p, by_xyz);
	thin(&s, 0, 1, 2);
	q = mem_new(s.n, sizeof *q, "a hull", e);
	if (!q)
		goto out;
	locate(&s, r, q);
	*squared = search(q, s.n);
	done = 0;
out:
	free(q);
	free(s.vertex);
	free(s.next);
	free(keys);
	return done;
}
