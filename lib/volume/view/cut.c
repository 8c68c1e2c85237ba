#include "lib/volume/view/cut.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* -- orientation ------------------------------------------------------------ */

static double length(const double a[16], int k)
{
	return sqrt(a[k] * a[k] + a[4 + k] * a[4 + k] + a[8 + k] * a[8 + k]);
}

/* Which voxel axis runs most along each world axis: the best of the six ways to pair them. */
static void nearest_axes(const double a[16], int axis[3])
{
	static const int all[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	double best = -1;

	for (int i = 0; i < 6; i++) {
		double sum = 0;

		for (int w = 0; w < 3; w++) {
			int k = all[i][w];
			double len = length(a, k);

			sum += len > 0 ? fabs(a[4 * w + k]) / len : 0;
		}
		if (sum > best)
			best = sum, memcpy(axis, all[i], sizeof all[i]);
	}
}

/* the voxel axis along world axis w (0 R, 1 A, 2 S), walked towards its positive end or away from it */
static struct cut_way way_along(const struct grid *g, const int axis[3], int w, int positive)
{
	static const char ends[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
	int k = axis[w];
	double len = length(g->affine, k);

	return (struct cut_way){k, (g->affine[4 * w + k] > 0) != positive, g->size[k], 0, g->size[k], len > 0 ? len : 1, ends[w][!positive],
	                        ends[w][positive]};
}

struct cut cut_of(const struct grid *g, enum cut_plane plane)
{
	/* world axes to the right, down, across */
	static const int world[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
	const int *w = world[plane];
	int axis[3];

	nearest_axes(g->affine, axis);
	return (struct cut){way_along(g, axis, w[0], 0), way_along(g, axis, w[1], 0), way_along(g, axis, w[2], 1),
	                    {1, g->size[0], g->size[0] * g->size[1]}};
}

double cut_along(const struct cut_way *w, double v)
{
	return (w->back ? (double)(w->total - 1) - v : v) - (double)w->first;
}

/* -- slices ------------------------------------------------------------------- */

static int64_t voxel(const struct cut_way *w, int64_t i)
{
	return w->back ? w->total - 1 - w->first - i : w->first + i;
}

float *cut_slice(const struct cut *c, const struct tensor *t, int64_t k, struct err *e)
{
	size_t size = dtype_size(t->dtype), n = (size_t)(c->right.n * c->down.n);
	struct tensor flat = {NULL, t->dtype, 1, {(int64_t)n}, n * size, mem_new(n, size, "a slice", e), 0};
	float *out = NULL;

	if (flat.data) {
		for (int64_t j = 0; j < c->down.n; j++)
			for (int64_t i = 0; i < c->right.n; i++) {
				int64_t at = voxel(&c->right, i) * c->stride[c->right.axis] + voxel(&c->down, j) * c->stride[c->down.axis] +
				             k * c->stride[c->across.axis];

				memcpy((char *)flat.data + (size_t)(j * c->right.n + i) * size, (const char *)t->data + (size_t)at * size, size);
			}
		out = tensor_to_f32(&flat, e);
	}
	free(flat.data);
	return out;
}

const struct tensor *cut_mask(const struct frame *f, const char *name, const struct grid *g)
{
	const struct tensor *t = frame_find(f, name);

	return t && t->rank == 3 && tensor_on_grid(t, g) ? t : NULL;
}

/* -- choosing ----------------------------------------------------------------- */

static int64_t count_slice(const struct cut *c, const float *s, struct cut_marks *m)
{
	int64_t n = 0;

	for (int64_t j = 0; j < c->down.n; j++)
		for (int64_t i = 0; i < c->right.n; i++) {
			if (s[j * c->right.n + i] == 0)
				continue;
			m->lo[0] = !m->hi[0] || i < m->lo[0] ? i : m->lo[0], m->lo[1] = !m->hi[1] || j < m->lo[1] ? j : m->lo[1];
			m->hi[0] = i >= m->hi[0] ? i + 1 : m->hi[0], m->hi[1] = j >= m->hi[1] ? j + 1 : m->hi[1];
			n++;
		}
	return n;
}

int cut_find(const struct cut *c, const struct tensor *const *mask, int n, struct cut_marks *m, struct err *e)
{
	*m = (struct cut_marks){mem_zero((size_t)c->across.n, sizeof *m->count, "a slice index", e)};
	for (int64_t k = 0; m->count && k < c->across.n; k++)
		for (int i = 0; i < n; i++) {
			float *s = mask[i] ? cut_slice(c, mask[i], k, e) : NULL;

			if (mask[i] && !s) {
				free(m->count);
				m->count = NULL;
				break;
			}
			m->count[k] += s ? count_slice(c, s, m) : 0;
			free(s);
		}
	return m->count ? 0 : -1;
}

int64_t cut_largest(const struct cut *c, const struct cut_marks *m)
{
	int64_t best = m->hi[0] ? 0 : c->across.n / 2;

	for (int64_t k = 0; k < c->across.n; k++)
		best = m->count[k] > m->count[best] ? k : best;
	return best;
}

void cut_spread(const struct cut *c, const struct cut_marks *m, int64_t want, int64_t *layer)
{
	int64_t n = c->across.n, lo = 0, hi = n - 1, marks = 0, seen = 0, next = 0;

	for (int64_t k = 0; k < n; k++)
		if (m->count[k])
			lo = marks++ ? lo : k, hi = k;
	while (hi - lo + 1 < want)
		lo = lo > 0 ? lo - 1 : 0, hi = hi < n - 1 && hi - lo + 1 < want ? hi + 1 : hi;
	if (marks < want)
		marks = hi - lo + 1;
	else
		lo = -1; /* marked layers alone */
	for (int64_t k = 0; k < n && next < want; k++) {
		if (lo < 0 ? !m->count[k] : k < lo || k > hi)
			continue;
		if (seen++ == (want > 1 ? llround((double)next * (double)(marks - 1) / (double)(want - 1)) : 0))
			layer[next++] = k;
	}
}

static int by_number(const void *a, const void *b)
{
	int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;

	return p < q ? -1 : p > q;
}

static int is_one_of(int64_t layer, const int64_t *must, int n)
{
	while (n && must[n - 1] != layer)
		n--;
	return n;
}

void cut_include(int64_t *layer, int64_t n, const int64_t *must, int n_must)
{
	for (int k = 0; k < n_must; k++) {
		int64_t near = -1;

		for (int64_t i = 0; i < n; i++) {
			if (layer[i] == must[k]) {
				near = i;
				break;
			}
			if (!is_one_of(layer[i], must, n_must) && (near < 0 || llabs(layer[i] - must[k]) < llabs(layer[near] - must[k])))
				near = i;
		}
		if (near >= 0)
			layer[near] = must[k];
	}
	qsort(layer, (size_t)n, sizeof *layer, by_number);
}

static void close_way(struct cut_way *w, int64_t lo, int64_t hi, double mm)
{
	int64_t pad = (int64_t)ceil(fmin(mm / w->spacing, (double)w->total)), from = w->first + lo - pad, to = w->first + hi + pad;

	from = from > 0 ? from : 0;
	to = to < w->total ? to : w->total;
	w->first = from;
	w->n = to - from;
}

void cut_close(struct cut *c, const struct cut_marks *m, double mm)
{
	if (!m->hi[0])
		return;
	close_way(&c->right, m->lo[0], m->hi[0], mm);
	close_way(&c->down, m->lo[1], m->hi[1], mm);
}
