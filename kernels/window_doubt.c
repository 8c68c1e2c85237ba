/* What windows to come may change (kernels/backend.h: window_spread, window_doubt). Only blocks of voxels are looked at that a blend has marked.
   Sums are of integers, so that they are the same in any order. */
#include "kernels/window.h"

#include <math.h>
#include <string.h>

#include "kernels/cover.h"
#include "kernels/lead.h"
#include "kernels/span.h"

#define SHARE 1048576.0f
#define PART 65536.0f

/* A row of a window, where it meets the slab. */
struct row {
	int64_t slice, line, first, end; /* in the slab: z, y, and from which x to which */
	const uint8_t *block;
};

/* Of slice d and line h of the window; x from first to end - 1 is in the slab. */
static struct row row_of(const struct k_unsure *u, const int64_t roi[3], const int64_t slab[3], const int64_t start[3], int64_t d, int64_t h)
{
	const struct span s = span_meet(roi[2], start[2], slab[2]);
	struct row r = {start[0] + d, start[1] + h, start[2] + s.lo, start[2] + s.hi, NULL};

	r.block = u->block + (r.slice * slab[1] + r.line) * ((slab[2] + K_BLOCK - 1) / K_BLOCK);
	return r;
}

/* The two classes of a voxel, of more than one, with the highest sums. */
static void best(int64_t k, const float *acc, int64_t of[2])
{
	of[0] = acc[1] > acc[0];
	of[1] = 1 - of[0];
	for (int64_t c = 2; c < k; c++)
		if (acc[c] > acc[of[0]]) {
			of[1] = of[0];
			of[0] = c;
		} else if (acc[c] > acc[of[1]])
			of[1] = c;
}

/* -- spread ----------------------------------------------------------------------- */
/* What the window has at one voxel: the score of one class by itself, or what two classes' are apart. */
static float apart(const struct k_blend *g, const float *logits, const int64_t of[2])
{
	float most = logits[0], all = 0;

	if (g->k == 1 || g->each)
		return g->soft ? 1 / (1 + expf(-logits[of[0]])) : logits[of[0]];
	if (!g->soft)
		return logits[of[0]] - logits[of[1]];
	for (int64_t c = 1; c < g->k; c++)
		most = logits[c] > most ? logits[c] : most;
	for (int64_t c = 0; c < g->k; c++)
		all += expf(logits[c] - most);
	return (expf(logits[of[0]] - most) - expf(logits[of[1]] - most)) / all;
}

/* The class of those that are taken each by itself that is nearest to the middle */
static int64_t nearest(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	int64_t of = 0;

	for (int64_t c = 1; c < k; c++)
		if (fabsf(acc[c] - u->middle * sum) < fabsf(acc[of] - u->middle * sum))
			of = c;
	return of;
}

/* How far that is from the mean: at most 100, so that squares have room. */
static float off(const struct k_blend *g, const float *logits, const float *acc, float sum)
{
	const int one = g->each || sums(g) == 1;
	int64_t of[2] = {g->margin, 0}, at = 0;

	if (g->each)
		at = of[0] = nearest(&g->unsure, g->k, acc, sum);
	else if (!one)
		best(g->k, acc, of);
	return fminf(fabsf(apart(g, logits, of) - (one ? acc[at] : acc[of[0]] - acc[of[1]]) / sum), 100);
}

static void spread_row(const struct k_blend *g, float near, const struct row *r, const float *logits, struct weights w, const float *acc,
                       const float *sum, int64_t all[2])
{
	const int64_t base = (r->slice * g->slab[1] + r->line) * g->slab[2];

	for (int64_t x = r->first; x < r->end; x++) {
		const int64_t at = base + x, i = x - g->start[2];
		const float *a = acc + at * sums(g);
		float by;

		if (!r->block[x / K_BLOCK]) {
			x |= K_BLOCK - 1;
			continue;
		}
		if (!(lead_by(&g->unsure, sums(g), a, sum[at]) < near * sum[at]))
			continue;
		by = off(g, logits + (g->flip & 4 ? g->roi[2] - 1 - i : i) * g->k, a, sum[at]);
		all[0] += (int64_t)(weight_at(&w, i) * by * by * PART);
		all[1] += (int64_t)(weight_at(&w, i) * PART);
	}
}

int k_window_spread(const struct k_blend *g, float near, const float *logits, const float *acc, const float *sum, struct k_apart *apart,
                    struct err *e)
{
	const struct span sz = span_meet(g->roi[0], g->start[0], g->slab[0]), sy = span_meet(g->roi[1], g->start[1], g->slab[1]);
	int64_t all[2] = {0};

	(void)e;
#pragma omp parallel for schedule(static) reduction(+:all)
	for (int64_t d = sz.lo; d < sz.hi; d++)
		for (int64_t h = sy.lo; h < sy.hi; h++) {
			const int64_t fd = g->flip & 1 ? g->roi[0] - 1 - d : d, fh = g->flip & 2 ? g->roi[1] - 1 - h : h;
			const struct row r = row_of(&g->unsure, g->roi, g->slab, g->start, d, h);

			spread_row(g, near, &r, logits + (fd * g->roi[1] + fh) * g->roi[2] * g->k, weights(&g->weight, d, h, 0), acc, sum, all);
		}
	apart->squares += (double)all[0] / PART;
	apart->weights += (double)all[1] / PART;
	if (apart->weights > 0)
		apart->spread = K_SPREAD(apart->squares / apart->weights);
	return 0;
}

/* -- doubt ------------------------------------------------------------------------ */
/* n voxels of a block. by: what the best class leads by, times the sum; whole: what is there in all. */
WIDE static int64_t shares(const struct k_doubt *g, struct weights w, const float *restrict by, const float *restrict sum,
                           const float *restrict whole, int64_t n)
{
	const float times = g->times, to = 1 / (3 * g->apart->spread);
	int32_t all = 0;

	for (int64_t i = 0; i < n; i++) {
		float left = whole[i] - sum[i], t = 1 - by[i] * whole[i] / (sum[i] * left) * to, part = times * weight_at(&w, i) / left;
		float p = 0.5f * t * t * t * (part < 1 ? part : 1) * SHARE;

		all += (int32_t)(sum[i] > 0 && left > 1e-4f * whole[i] && t > 0 ? p : 0);
	}
	return all;
}

WIDE static void leads_one(const struct k_unsure *u, const float *restrict acc, const float *restrict sum, float *restrict by, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		by[i] = lead_by(u, 1, acc + i, sum[i]);
}

static void leads(const struct k_doubt *g, const float *acc, const float *sum, float *by, int64_t n)
{
	if (g->k == 1)
		leads_one(&g->unsure, acc, sum, by, n);
	else
		for (int64_t i = 0; i < n; i++)
			by[i] = lead_by(&g->unsure, g->k, acc + i * g->k, sum[i]);
}

/* All weights that come to n voxels of a row from x on. */
static void wholes(const struct k_doubt *g, const struct row *r, int64_t x, float *whole, int64_t n)
{
	for (int l = 0; l < g->wholes; l++) {
		const float zy = g->times * g->whole[l][0][r->slice] * g->whole[l][1][r->line], *at = g->whole[l][2] + x;

		for (int64_t i = 0; i < n; i++)
			whole[i] = (l ? whole[i] : 0) + zy * at[i];
	}
}

static int64_t doubt_row(const struct k_doubt *g, const struct row *r, struct weights w)
{
	const int64_t base = (r->slice * g->slab[1] + r->line) * g->slab[2];
	float by[K_BLOCK], whole[K_BLOCK];
	int64_t all = 0;

	for (int64_t b = r->first / K_BLOCK; b * K_BLOCK < r->end; b++) {
		const int64_t lo = b * K_BLOCK > r->first ? b * K_BLOCK : r->first, hi = (b + 1) * K_BLOCK < r->end ? (b + 1) * K_BLOCK : r->end;

		if (!r->block[b])
			continue;
		leads(g, g->acc + (base + lo) * g->k, g->sum + base + lo, by, hi - lo);
		wholes(g, r, lo, whole, hi - lo);
		all += shares(g, (struct weights){w.x + lo - g->start[2], w.times, w.least}, by, g->sum + base + lo, whole, hi - lo);
	}
	return all;
}

static double doubt_one(const struct k_doubt *g)
{
	const struct span sz = span_meet(g->roi[0], g->start[0], g->slab[0]), sy = span_meet(g->roi[1], g->start[1], g->slab[1]);
	int64_t all = 0;

#pragma omp parallel for schedule(static) reduction(+:all)
	for (int64_t d = sz.lo; d < sz.hi; d++)
		for (int64_t h = sy.lo; h < sy.hi; h++) {
			const struct row r = row_of(&g->unsure, g->roi, g->slab, g->start, d, h);

			all += doubt_row(g, &r, weights(&g->weight, d, h, 0));
		}
	return (double)all / SHARE;
}

int k_window_doubt(const struct k_doubt *g, int64_t n, double *doubt, struct err *e)
{
	(void)e;
	for (int64_t i = 0; i < n; i++)
		doubt[i] = doubt_one(&g[i]);
	return 0;
}
