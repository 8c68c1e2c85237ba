/* Labels of finished voxels, straight from the sums of windows. Means are not made where the sums say the same: a higher sum is never the lower mean,
   and one that is higher by more than rounding can hide is the higher mean. */
#include "kernels/window.h"

#include <float.h>
#include <math.h>

#include "kernels/cover.h"
#include "kernels/span.h"

enum { ROW = 512, SUMS = 8192 }; /* voxels at once; of their sums, which are read class by class, what stays in the nearest cache */

/* Of two sums of that size the higher one's quotient is the higher one, too. Quotients are finite: weights are above 1e-8. */
#define CLOSE 1e-6f
#define SMALL 1e-20f
#define LARGE 1e30f

WIDE static void narrow(const int32_t *restrict label, int64_t n, uint8_t *restrict pred)
{
	for (int64_t i = 0; i < n; i++)
		pred[i] = (uint8_t)label[i];
}

/* Of a single class with its cut next to 0 the sign says it; 0 itself where `zero` has it so, whether windows came or not. */
WIDE static int sure_one(const float *restrict acc, int64_t n, int32_t zero, uint8_t *restrict pred)
{
	int32_t label[ROW], doubt = 0;

	for (int64_t i = 0; i < n; i++) {
		const float size = fabsf(acc[i]);
		const int32_t more = acc[i] > 0, clear = size > SMALL, none = size == 0, small = size < LARGE;

		label[i] = more;
		doubt |= ((clear | (none & zero)) ^ 1) | (small ^ 1);
	}
	narrow(label, n, pred);
	return !doubt;
}

/* The best class of each voxel so far; doubt: it may be no better than one before it. */
struct best { float sum[ROW]; int32_t label[ROW], doubt[ROW]; };

WIDE static int better(struct best *restrict b, const float *restrict v, int32_t c, int64_t n)
{
	int32_t large = 0;

	for (int64_t i = 0; i < n; i++) {
		const float was = b->sum[i], size = fabsf(v[i]) + fabsf(was);
		const int32_t more = -(v[i] > was), clear = v[i] - was > CLOSE * size + SMALL, small = size < LARGE;

		b->sum[i] = v[i] > was ? v[i] : was;
		b->label[i] = (more & c) | (~more & b->label[i]);
		b->doubt[i] = (more & (clear ^ 1)) | (~more & b->doubt[i]);
		large |= small ^ 1;
	}
	return large;
}

WIDE static int32_t any(const int32_t *v, int64_t n)
{
	int32_t all = 0;

	for (int64_t i = 0; i < n; i++)
		all |= v[i];
	return all;
}

static int sure_any(const float *acc, int64_t n, int64_t k, uint8_t *pred)
{
	struct best b;
	float v[ROW];
	int large = 0;

	for (int64_t i = 0; i < n; i++) {
		b.sum[i] = acc[i * k];
		b.label[i] = b.doubt[i] = 0;
	}
	for (int64_t c = 1; c < k; c++) {
		for (int64_t i = 0; i < n; i++)
			v[i] = acc[i * k + c];
		large |= better(&b, v, (int32_t)c, n);
	}
	narrow(b.label, n, pred);
	return !large && !any(b.doubt, n);
}

/* Of classes each by itself with their cut next to 0 the signs say it, and where no window came sums are 0. */
WIDE static int sure_each(const struct k_decide *g, const float *restrict acc, int64_t n, uint8_t *restrict pred)
{
	int32_t label[ROW] = {0}, doubt = 0;

	for (int64_t j = 0; j < g->k; j++) {
		const int64_t c = g->order[j];
		const int32_t own = g->label[c];

		for (int64_t i = 0; i < n; i++) {
			const float v = acc[i * g->k + c], size = fabsf(v);
			const int32_t more = -(v > 0), clear = size > SMALL, none = size == 0, small = size < LARGE;

			label[i] = (more & own) | (~more & label[i]);
			doubt |= ((clear | none) ^ 1) | (small ^ 1);
		}
	}
	narrow(label, n, pred);
	return !doubt;
}

static int sure(const struct k_decide *g, const float *acc, int64_t n, uint8_t *pred)
{
	if (g->each)
		return g->cut > 0 && g->cut <= FLT_MIN && sure_each(g, acc, n, pred);
	if (g->k > 1)
		return sure_any(acc, n, g->k, pred);
	return g->cut >= 0 && g->cut <= FLT_MIN && sure_one(acc, n, g->cut > 0 && !g->never, pred);
}

/* By the means. */
static uint8_t label_each(const struct k_decide *g, const float *acc, float sum)
{
	uint8_t of = 0;
	int bad = 0;

	for (int64_t j = 0; j < g->k && sum > 0; j++) {
		const int64_t c = g->order[j];
		const float v = acc[c] / sum;

		of = v >= g->cut ? g->label[c] : of;
		bad |= !isfinite(v);
	}
	return bad ? K_NO_LABEL : of;
}

static uint8_t label(const struct k_decide *g, const float *acc, float sum)
{
	float best;
	int64_t of = 0;
	int bad;

	if (g->each)
		return label_each(g, acc, sum);
	if (!(sum > 0))
		return g->k > 1 ? 0 : g->never;
	best = acc[0] / sum;
	bad = !isfinite(best);
	if (g->k == 1)
		of = best >= g->cut;
	for (int64_t c = 1; c < g->k; c++) {
		const float v = acc[c] / sum;

		of = v > best ? c : of;
		best = v > best ? v : best;
		bad |= !isfinite(v);
	}
	return bad ? K_NO_LABEL : (uint8_t)of;
}

int k_window_decide(const struct k_decide *g, const struct k_cover *c, const float *acc, const float *sum, uint8_t *pred, struct err *e)
{
	const int64_t rows = c->slab[0] * c->slab[1], size = c->slab[2], k = g->k, few = SUMS / k / 16 * 16, most = few < 16 ? 16 : few < ROW ? few : ROW;

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++)
		for (int64_t x = 0; x < size; x += most) {
			const int64_t at = r * size + x, n = size - x < most ? size - x : most;
			float made[ROW];

			if (sure(g, acc + at * k, n, pred + at))
				continue;
			if (!sum)
				cover_row(c, r / c->slab[1], r % c->slab[1], x, n, made);
			for (int64_t i = 0; i < n; i++)
				pred[at + i] = label(g, acc + (at + i) * k, sum ? sum[at + i] : made[i]);
		}
	return 0;
}
