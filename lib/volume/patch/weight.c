#include "lib/volume/patch/weight.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"

enum { PIECE = 1024, AHEAD = 16 }; /* voxels looked at together; slices fetched before they are */

static int piece(int64_t left)
{
	return left < PIECE ? (int)left : PIECE;
}

static int64_t place(const struct weight *w, int64_t x, int64_t y, int64_t z)
{
	return (z * w->size[1] + y) * w->size[0] + x;
}

/* The weight of the part's row y of slice z; NaN where one of it is negative or not finite. */
static double sum_row(const struct weight *w, const struct tensor *t, int64_t y, int64_t z)
{
	float v[PIECE];
	double sum = 0;
	int n, good = 1;

	for (int64_t x = w->lo[0]; x < w->hi[0]; x += n) {
		n = piece(w->hi[0] - x);
		tensor_load_f32(t, place(w, x, y, z), n, v);
		for (int i = 0; i < n; i++) {
			good &= v[i] >= 0 && v[i] <= FLT_MAX;
			sum += v[i];
		}
	}
	return good ? sum : NAN;
}

/* What is read of slice z. */
static void fetch_slice(const struct weight *w, const struct tensor *t, int64_t z)
{
	if (z < w->hi[2])
		tensor_fetch(t, place(w, w->lo[0], w->lo[1], z), (w->hi[1] - w->lo[1] - 1) * w->size[0] + w->hi[0] - w->lo[0]);
}

static double sum_slice(const struct weight *w, const struct tensor *t, int64_t z)
{
	double sum = 0;

	for (int64_t y = w->lo[1]; y < w->hi[1]; y++)
		sum += sum_row(w, t, y, z);
	return sum;
}

static int bad_weight(const struct weight *w, const struct tensor *t, int64_t z, struct err *e)
{
	int64_t x = w->lo[0], y = w->lo[1];
	double v;

	while (!isnan(sum_row(w, t, y, z)))
		y++;
	while ((v = tensor_value(t, place(w, x, y, z))) >= 0 && v <= FLT_MAX)
		x++;
	return err_set(e, NULL, "weight %g at voxel %lld,%lld,%lld (expected finite, 0 or more)", v, (long long)x, (long long)y, (long long)z);
}

int weight_make(struct weight *w, const struct tensor *t, const struct grid *g, const int64_t lo[3], const int64_t hi[3], struct err *e)
{
	int64_t slices = hi[2] - lo[2];

	memcpy(w->size, g->size, sizeof w->size);
	memcpy(w->lo, lo, sizeof w->lo);
	memcpy(w->hi, hi, sizeof w->hi);
	w->before = mem_zero((size_t)slices + 1, sizeof *w->before, "sums of weights", e);
	if (!w->before)
		return -1;
	for (int64_t z = 0; z < AHEAD; z++)
		fetch_slice(w, t, lo[2] + z);
	for (int64_t z = 0; z < slices; z++) {
		fetch_slice(w, t, lo[2] + z + AHEAD);
		w->before[z + 1] = w->before[z] + sum_slice(w, t, lo[2] + z);
		if (isnan(w->before[z + 1])) {
			weight_free(w);
			return bad_weight(w, t, lo[2] + z, e);
		}
	}
	return 0;
}

void weight_free(struct weight *w)
{
	free(w->before);
	w->before = NULL;
}

static void draw_any(const struct weight *w, struct rng *r, int64_t at[3])
{
	int64_t size[3], k;

	for (int a = 0; a < 3; a++)
		size[a] = w->hi[a] - w->lo[a];
	k = (int64_t)rng_below(r, (uint64_t)(size[0] * size[1] * size[2]));
	at[0] = w->lo[0] + k % size[0];
	at[1] = w->lo[1] + k / size[0] % size[1];
	at[2] = w->lo[2] + k / (size[0] * size[1]);
}

void weight_draw(const struct weight *w, const struct tensor *t, struct rng *r, int64_t at[3])
{
	int64_t lo = 0, hi = w->hi[2] - w->lo[2];
	double rest = rng_uniform(r) * w->before[hi];

	if (w->before[hi] == 0) {
		draw_any(w, r, at);
		return;
	}
	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (w->before[mid] <= rest)
			lo = mid;
		else
			hi = mid;
	}
	rest -= w->before[lo];
	at[2] = w->lo[2] + lo;
	fetch_slice(w, t, at[2]);
	/* Sums of a row, a slice and all of them are rounded apart: the last one with a weight takes what may be left. */
	for (int64_t y = w->lo[1]; y < w->hi[1]; y++) {
		double sum = sum_row(w, t, y, at[2]);

		if (sum > 0)
			at[1] = y;
		if (rest < sum)
			break;
		rest -= sum;
	}
	for (int64_t x = w->lo[0]; x < w->hi[0]; x++) {
		double v = tensor_value(t, place(w, x, at[1], at[2]));

		if (v > 0)
			at[0] = x;
		if (rest < v)
			break;
		rest -= v;
	}
}
