/* Changes of resolution: every one of the four (mean and linear, forward and back) gives an output voxel as a weighted sum of a few input voxels,
   the product of taps on each axis. A row's taps along d and h come first, into a row that stays in the cache, then those along w. */
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/vec.h"
#include "lib/base/mem.h"

enum { MAX_FACTOR = 16, MAX_TAPS = 2 * MAX_FACTOR + 2 };

struct taps { int n; int64_t at[MAX_TAPS]; float w[MAX_TAPS]; };

/* One axis: the taps of its outputs */
struct axis { int64_t in, out; struct taps *taps; };

static void add_tap(struct taps *t, int64_t at, double w)
{
	for (int i = 0; i < t->n; i++)
		if (t->at[i] == at) {
			t->w[i] += (float)w;
			return;
		}
	t->at[t->n] = at;
	t->w[t->n++] = (float)w;
}

/* Product (small voxel s, large voxel l) with weight w goes to the output's taps. */
static void couple(struct axis *a, int from_small, int64_t s, int64_t l, double w)
{
	if (from_small)
		add_tap(&a->taps[l], s, w);
	else
		add_tap(&a->taps[s], l, w);
}

static int axis_of(struct axis *a, const struct k_scale *g, int back, int i, struct err *e)
{
	int f = g->factor[i], from_small = (g->kind == K_SCALE_LINEAR) != back;
	int64_t small = g->small[i], large = small * f;

	a->in = from_small ? small : large, a->out = from_small ? large : small;
	a->taps = mem_zero((size_t)a->out, sizeof *a->taps, "a change of resolution", e);
	if (!a->taps)
		return -1;
	for (int64_t l = 0; l < large; l++) {
		double x = ((double)l + 0.5) / f - 0.5, part;
		int64_t s;

		if (g->kind == K_SCALE_MEAN) {
			couple(a, from_small, l / f, l, 1.0 / f);
			continue;
		}
		x = x < 0 ? 0 : x;
		s = (int64_t)x, part = x - (double)s;
		couple(a, from_small, s, l, 1 - part);
		if (part > 0)
			couple(a, from_small, s + 1 < small ? s + 1 : s, l, part);
	}
	return 0;
}

struct resize { struct axis axis[3]; int64_t c, xpitch, ypitch, row; /* row: floats of an input row */ };

/* The input rows of an output row, and their weights */
struct rows { int n; const elem *x[MAX_TAPS * MAX_TAPS]; float w[MAX_TAPS * MAX_TAPS]; };

static void rows_of(const struct resize *r, const elem *x, int64_t d, int64_t h, struct rows *rows)
{
	const struct taps *td = &r->axis[0].taps[d], *th = &r->axis[1].taps[h];

	rows->n = 0;
	for (int i = 0; i < td->n; i++)
		for (int k = 0; k < th->n; k++) {
			rows->x[rows->n] = x + (td->at[i] * r->axis[1].in + th->at[k]) * r->axis[2].in * r->xpitch;
			rows->w[rows->n++] = td->w[i] * th->w[k];
		}
}

/* y[0..n) = sum over rows of w x */
static void weigh_rows(float *restrict y, const struct rows *r, int64_t n)
{
	int64_t i = 0;

	for (; i + 4 * VL <= n; i += 4 * VL) {
		vec s[4] = {{0}, {0}, {0}, {0}};

		for (int k = 0; k < r->n; k++)
			UNROLL for (int j = 0; j < 4; j++)
				s[j] += r->w[k] * load(r->x[k] + i + j * VL);
		UNROLL for (int j = 0; j < 4; j++)
			store(y + i + j * VL, s[j]);
	}
	for (; i < n; i++) {
		float s = 0;

		for (int k = 0; k < r->n; k++)
			s += r->w[k] * widen(r->x[k][i]);
		y[i] = s;
	}
}

/* y[0..c) = (add: +=) sum over taps along w of w x */
INLINE void weigh_voxel(elem *restrict y, const struct taps *t, const float *x, int64_t pitch, int64_t c, const int add)
{
	int64_t i = 0;

	for (; i + VL <= c; i += VL) {
		vec s = add ? load(y + i) : (vec){0};

		for (int k = 0; k < t->n; k++)
			s += t->w[k] * load(x + t->at[k] * pitch + i);
		store(y + i, s);
	}
	for (; i < c; i++) {
		float s = add ? widen(y[i]) : 0;

		for (int k = 0; k < t->n; k++)
			s += t->w[k] * x[t->at[k] * pitch + i];
		y[i] = narrow(s);
	}
}

/* Output row (d, h) of x's volume, through `room` of an input row */
static void resize_row(const struct resize *r, const elem *x, int64_t d, int64_t h, elem *y, int add, float *room)
{
	struct rows rows;

	rows_of(r, x, d, h, &rows);
	weigh_rows(room, &rows, r->row);
	for (int64_t w = 0; w < r->axis[2].out; w++) {
		if (add)
			weigh_voxel(y + w * r->ypitch, &r->axis[2].taps[w], room, r->xpitch, r->c, 1);
		else
			weigh_voxel(y + w * r->ypitch, &r->axis[2].taps[w], room, r->xpitch, r->c, 0);
	}
}

int K(scale)(const struct k_scale *g, int back, const void *from, void *to, int add, struct err *e)
{
	const elem *x = from;
	elem *y = to;
	int64_t xp = g->xpitch ? g->xpitch : g->c, yp = g->ypitch ? g->ypitch : g->c;
	struct resize r = {.c = g->c, .xpitch = back ? yp : xp, .ypitch = back ? xp : yp};
	int64_t in = 1, out = 1, failed = 0;
	int bad = 0;

	for (int i = 0; i < 3 && !bad; i++) {
		bad = g->factor[i] < 1 || g->factor[i] > MAX_FACTOR ? err_set(e, NULL, "a change of resolution by %d (1 to %d)", g->factor[i], MAX_FACTOR) :
			axis_of(&r.axis[i], g, back, i, e);
		in *= r.axis[i].in, out *= r.axis[i].out;
	}
	r.row = (r.axis[2].in - 1) * r.xpitch + g->c;
#pragma omp parallel if (!bad) reduction(+:failed)
	{
		int64_t dh = bad ? 0 : r.axis[0].out * r.axis[1].out;
		float *room = malloc(sizeof *room * (size_t)r.row);

		failed += !room;
#pragma omp for schedule(static)
		for (int64_t i = 0; i < g->n * dh; i++)
			if (room)
				resize_row(&r, x + i / dh * in * r.xpitch, i % dh / r.axis[1].out, i % r.axis[1].out, y + i * r.axis[2].out * r.ypitch, add, room);
		free(room);
	}
	for (int i = 0; i < 3; i++)
		free(r.axis[i].taps);
	if (failed && !bad)
		return err_set(e, NULL, "not enough memory for a change of resolution");
	return bad;
}
