/* Windows of a coarse grid first, then of the others those that are expected to change most. They are chosen among all that begin within a part of a
   window's depth: a voxel is reached by windows that begin at many slices, and those about whose middle it lies may be the last of them. */
#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"

/* Slices within which windows are chosen together begin; more is worth little. */
static int64_t reach(const int64_t roi[3])
{
	return 3 * roi[0] / 4;
}

/* From the first slice of the first window to be chosen to the last of the coarse windows about the last one. */
int64_t window_refine_depth(const int64_t roi[3])
{
	return reach(roi) + 2 * roi[0];
}

enum { AHEAD = 4 }; /* windows that a device is asked about at once */

struct choice {
	struct window_job *r;
	int64_t lo, hi; /* windows that may be chosen */
	int64_t known;  /* windows below were looked at */
	double *gain;   /* of each window how many voxels it is expected to change, as far as is known; -1: it was run */
	char *stale;    /* a window close by has come since */
	int64_t *ask;   /* windows that are looked at together */
	double *answer; /* what was said of each when it was asked about last, */
	int64_t *asked; /* and when: it holds as long as that is `now`, */
	int64_t now;    /* which goes on from 1 with every window that is run */
	double sum;     /* of those that may be chosen */
	double left;    /* of those that were left out for good */
	double allow;   /* voxels that may be left wrong so far */
};

/* Window i is the next of n that are to be asked about. */
static void ask(struct choice *c, int64_t i, int64_t *n)
{
	c->asked[i] = c->now;
	c->ask[(*n)++] = i;
}

/* How many voxels the n windows of c->ask are expected to change */
static int doubt(const struct choice *c, int64_t n, struct err *e)
{
	const double times = c->r->models << __builtin_popcount((unsigned)c->r->o->mirror);

	return window_ring_doubt(&c->r->ring, c->r->grid.at, c->ask, n, times, c->answer, e);
}

/* Do two windows share more than half an axis of each, so that where one counts the other does? */
static int close_by(const struct window_grid *g, int64_t i, int64_t j)
{
	for (int a = 0; a < 3; a++)
		if (2 * llabs(g->at[i].start[a] - g->at[j].start[a]) >= g->roi[a])
			return 0;
	return 1;
}

/* Window i is run; what was known of those about it is so no more. */
static int run(struct choice *c, int64_t i, struct err *e)
{
	c->gain[i] = -1;
	c->now++;
	for (int64_t j = c->lo; j < c->known; j++)
		c->stale[j] |= (char)close_by(&c->r->grid, i, j);
	return window_put(c->r, i, e);
}

/* Know again what all are expected to change, after all that were to be run. */
static int look(struct choice *c, struct err *e)
{
	int64_t n = 0;

	c->now++; /* with what was to be run */
	for (int64_t i = c->lo; i < c->hi; i++)
		if (c->gain[i] >= 0 && (i >= c->known || c->stale[i])) {
			ask(c, i, &n);
			c->stale[i] = 0;
		}
	if (window_drain(c->r, e) || doubt(c, n, e))
		return -1;
	for (int64_t j = 0; j < n; j++)
		c->gain[c->ask[j]] = c->answer[c->ask[j]];
	c->sum = 0;
	for (int64_t i = c->lo; i < c->hi; i++)
		c->sum += c->gain[i] > 0 ? c->gain[i] : 0;
	c->known = c->hi;
	return 0;
}

/* How many voxels may be left wrong so far: a part of the mask, of which what lies in the ring counts as far as windows have come. A mask is taken to
   have a thousandth of a window's voxels at least. A voxel is wrong or not: where that part is less than one, so many are expected that it is as rare
   that there is any. */
static int allow(struct choice *c, struct err *e)
{
	const struct window_grid *g = &c->r->grid;
	const int64_t first = g->at[0].start[0], end = g->at[c->hi - 1].start[0] + g->roi[0];
	const double through = (double)(end - first) / (double)(c->r->ring.ready - first),
	             least = 1e-3 * (double)g->roi[0] * (double)g->roi[1] * (double)g->roi[2];
	int64_t mask;
	double part;

	if (window_ring_count(&c->r->ring, &mask, e))
		return -1;
	part = c->r->o->refine * fmax((double)mask, least);
	c->allow = part * fmin(part, 1) * fmin(through, 1);
	return 0;
}

/* Is more expected to change than may? Not said of what is known no more. 1, 0, or -1 and an error. */
static int much(struct choice *c, struct err *e)
{
	if (c->left + c->sum > c->allow)
		return 1;
	return look(c, e) ? -1 : c->left + c->sum > c->allow;
}

/* The one that changes most, as far as is known; of all, or of those about which nothing is known now. -1: none changes anything. */
static int64_t most(const struct choice *c, int unknown)
{
	int64_t i = -1;

	for (int64_t j = c->lo; j < c->hi; j++)
		if (c->gain[j] > (i < 0 ? 0 : c->gain[i]) && !(unknown && c->asked[j] == c->now))
			i = j;
	return i;
}

/* What window i changes, now. A device is waited for: it is asked about those that may be next, too. */
static int know(struct choice *c, int64_t i, struct err *e)
{
	const int64_t many = device_is_host(c->r->k) ? 1 : AHEAD;
	int64_t n = 0;

	if (c->asked[i] != c->now) {
		for (int64_t j = i; n < many && j >= 0; j = most(c, 1))
			ask(c, j, &n);
		if (doubt(c, n, e))
			return -1;
	}
	c->sum += c->answer[i] - c->gain[i];
	c->gain[i] = c->answer[i];
	return 0;
}

/* Those that change most, one after the other, until the rest is expected to change little. */
static int choose(struct choice *c, struct err *e)
{
	int more;

	while ((more = much(c, e)) > 0) {
		int64_t i = most(c, 0);
		double known;

		if (i < 0) {
			if (look(c, e))
				return -1;
			i = most(c, 0);
			if (i < 0)
				return 0;
		}
		known = c->gain[i];
		if (know(c, i, e))
			return -1;
		if (c->gain[i] < 0.9 * known)
			continue;
		c->sum -= c->gain[i];
		if (run(c, i, e))
			return -1;
	}
	return more;
}

/* The windows from lo on that begin in one slice: coarse ones as far as they reach those that may be chosen with them, then the choice; what was not
   chosen is left out, from here on. Returns the first that begins further on. */
static int64_t layer(struct choice *c, int64_t lo, int64_t *ahead, struct err *e)
{
	struct window_job *r = c->r;
	const struct window_place *at = r->grid.at;
	const int64_t total = r->grid.total, z = at[lo].start[0];
	int64_t next = lo;

	for (c->lo = lo; c->hi < total && at[c->hi].start[0] <= z + reach(r->grid.roi); c->hi++)
		continue;
	r->floor = z;
	for (; *ahead < total && at[*ahead].start[0] < at[c->hi - 1].start[0] + r->grid.roi[0]; ++*ahead)
		if (at[*ahead].coarse && run(c, *ahead, e))
			return -1;
	if (look(c, e) || allow(c, e) || choose(c, e))
		return -1;
	for (; next < total && at[next].start[0] == z; next++)
		if (c->gain[next] >= 0) {
			c->left += c->gain[next];
			r->decided++;
		}
	return window_drain(r, e) ? -1 : next;
}

int window_refined(struct window_job *r, struct err *e)
{
	const size_t n = (size_t)r->grid.total;
	struct choice c = {.r = r, .gain = mem_zero(n, sizeof *c.gain, "windows", e), .stale = mem_zero(n, 1, "windows", e),
	                   .ask = mem_new(n, sizeof *c.ask, "windows", e), .answer = mem_new(n, sizeof *c.answer, "windows", e),
	                   .asked = mem_zero(n, sizeof *c.asked, "windows", e), .now = 1};
	int64_t lo = c.gain && c.stale && c.ask && c.answer && c.asked ? 0 : -1, ahead = 0;

	while (lo >= 0 && lo < r->grid.total)
		lo = layer(&c, lo, &ahead, e);
	free(c.gain);
	free(c.stale);
	free(c.ask);
	free(c.answer);
	free(c.asked);
	return lo < 0 ? -1 : 0;
}
