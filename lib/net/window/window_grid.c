/* Where windows stand. A grid is one lattice, every choice of a start on each axis, or two of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/window/window.h"

struct axis {
	int64_t n, *start;
	int64_t every; /* which of them are coarse: every so many, and the last */
};
struct lattice { struct axis a[3]; };

static void free_lattice(struct lattice *l)
{
	for (int i = 0; i < 3; i++)
		free(l->a[i].start);
	memset(l, 0, sizeof *l);
}

static int room(struct axis *a, int64_t n, struct err *e)
{
	a->n = n;
	a->start = mem_new((size_t)n, sizeof *a->start, "the window grid", e);
	return a->start ? 0 : -1;
}

static int monai_axis(struct axis *a, int64_t size, int64_t roi, double overlap, struct err *e)
{
	int64_t padded = size < roi ? roi : size, pad = (padded - size) / 2;
	int64_t step = roi == padded ? roi : (int64_t)((double)roi * (1.0 - overlap)); /* truncated, as Python's int() */

	if (step < 1)
		step = 1;
	if (room(a, (padded - roi + step - 1) / step + 1, e))
		return -1;
	for (int64_t d = 0; d < a->n; d++)
		a->start[d] = (d * step < padded - roi ? d * step : padded - roi) - pad;
	return 0;
}

/* To the nearest, ties to even, as Python's round(). */
static int64_t nearest(double v)
{
	return (int64_t)nearbyint(v);
}

static int nnunet_axis(struct axis *a, int64_t size, int64_t roi, double overlap, struct err *e)
{
	int64_t padded = size < roi ? roi : size, pad = (padded - size) / 2;
	double step = roi == 1 ? 1 : (double)roi * (1.0 - overlap), wide = (double)(padded - roi);

	if (room(a, (int64_t)ceil(wide / step) + 1, e))
		return -1;
	for (int64_t d = 0; d < a->n; d++)
		a->start[d] = (a->n > 1 ? nearest(wide / (double)(a->n - 1) * (double)d) : 0) - pad;
	return 0;
}

/* Half way between the starts of a; the same starts where there is but one, or windows of one voxel. */
static int between(struct axis *to, const struct axis *a, int64_t roi, struct err *e)
{
	const int same = a->n == 1 || roi == 1;

	if (room(to, same ? a->n : a->n - 1, e))
		return -1;
	for (int64_t d = 0; d < to->n; d++)
		to->start[d] = same ? a->start[d] : (a->start[d] + a->start[d + 1]) / 2;
	return 0;
}

static void put(struct window_grid *g, const struct lattice *l, int which)
{
	const struct axis *az = &l->a[0], *ay = &l->a[1], *ax = &l->a[2];

	for (int64_t z = 0; z < az->n; z++)
		for (int64_t y = 0; y < ay->n; y++)
			for (int64_t x = 0; x < ax->n; x++)
				g->at[g->total++] = (struct window_place){
					{az->start[z], ay->start[y], ax->start[x]},
					!which && (z % az->every == 0 || z == az->n - 1) && (y % ay->every == 0 || y == ay->n - 1) &&
						(x % ax->every == 0 || x == ax->n - 1), which};
}

/* Rising z; within a z the order they have. */
static int by_z(const void *a, const void *b)
{
	const struct window_place *p = a, *q = b;

	for (int i = 0; i < 3; i++)
		if (p->start[i] != q->start[i])
			return p->start[i] < q->start[i] ? -1 : 1;
	return q->coarse - p->coarse;
}

/* Room for the windows of both lattices: at steps of a voxel there may be more of them than memory. */
static int list_room(struct window_grid *g, const struct lattice *l, int lattices, struct err *e)
{
	const size_t there = mem_available();
	size_t n[2] = {0}, all, bytes;

	for (int j = 0; j < lattices; j++)
		if (mem_mul(&n[j], (size_t)l[j].a[0].n, (size_t)l[j].a[1].n) || mem_mul(&n[j], n[j], (size_t)l[j].a[2].n))
			return err_set(e, NULL, "too many windows: take a smaller --overlap");
	if (mem_add(&all, n[0], n[1]) || mem_mul(&bytes, all, sizeof *g->at))
		return err_set(e, NULL, "too many windows: take a smaller --overlap");
	if (there && bytes > there)
		return err_set(e, NULL, "a list of %zu windows needs %zu MB, there are %zu: take a smaller --overlap", all, bytes >> 20, there >> 20);
	g->at = mem_new(all, sizeof *g->at, "the window grid", e);
	return g->at ? 0 : -1;
}

/* The list of both lattices' windows, and which are coarse. */
static int list(struct window_grid *g, struct lattice *l, int lattices, struct err *e)
{
	if (list_room(g, l, lattices, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		struct axis *a = &l[0].a[i];
		int64_t widest = 1;

		for (int64_t d = 1; d < a->n; d++)
			widest = a->start[d] - a->start[d - 1] > widest ? a->start[d] - a->start[d - 1] : widest;
		a->every = g->roi[i] * 3 / 4 / widest;
		a->every = a->every < 1 ? 1 : a->every;
	}
	for (int j = 0; j < lattices; j++)
		put(g, &l[j], j);
	g->lattices = lattices;
	if (lattices > 1)
		qsort(g->at, (size_t)g->total, sizeof *g->at, by_z);
	return 0;
}

static int lattices(struct window_grid *g, enum window_grid_kind kind, double overlap, struct err *e)
{
	struct lattice l[2] = {0};
	int bad = 0, apart = 0;

	for (int i = 0; i < 3 && !bad; i++) {
		bad = (kind == WINDOW_MONAI ? monai_axis : nnunet_axis)(&l[0].a[i], g->size[i], g->roi[i], overlap, e);
		if (!bad && kind == WINDOW_STAGGERED)
			bad = between(&l[1].a[i], &l[0].a[i], g->roi[i], e);
		apart |= l[0].a[i].n > 1 && g->roi[i] > 1;
	}
	bad = bad || list(g, l, kind == WINDOW_STAGGERED && apart ? 2 : 1, e);
	free_lattice(&l[0]);
	free_lattice(&l[1]);
	return bad ? -1 : 0;
}

int window_grid_make(struct window_grid *g, enum window_grid_kind kind, const int64_t size[3], const int64_t roi[3], double overlap, struct err *e)
{
	memset(g, 0, sizeof *g);
	memcpy(g->size, size, sizeof g->size);
	memcpy(g->roi, roi, sizeof g->roi);
	if (!(overlap >= 0 && overlap < 1))
		return err_set(e, NULL, "overlap %g is not in [0,1)", overlap);
	for (int i = 0; i < 3; i++)
		if (size[i] < 1 || roi[i] < 1)
			return err_set(e, NULL, "window of %lld on an axis of %lld voxels", (long long)roi[i], (long long)size[i]);
	if (!lattices(g, kind, overlap, e))
		return 0;
	window_grid_free(g);
	return -1;
}

void window_grid_free(struct window_grid *g)
{
	free(g->at);
	g->at = NULL;
	g->total = 0;
}

void window_effort(struct window_opts *o, int64_t step)
{
	static const struct { double overlap, refine; } steps[] = {{0.25, 0}, {0.8, 0.004}, {0.8, 0.001}, {0.8, 0.0003}, {0.8, 0}};

	o->grid = WINDOW_MONAI;
	o->overlap = steps[step - 1].overlap;
	o->refine = steps[step - 1].refine;
}
