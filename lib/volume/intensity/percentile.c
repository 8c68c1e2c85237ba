/* Floats as unsigned numbers of the same order; the upper 16 bits of all are counted, then the lower 16 of those that share their upper ones with a
   value that is looked for. */
#include "lib/volume/intensity/percentile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"

enum { CHUNK = 4096, HALF = 1 << 16, WANTED = 2 * PERCENTILE_MOST };

struct job {
	const struct tensor *t;
	int64_t first, n;
	const uint8_t *mask;
};

static uint32_t key_of(float v)
{
	uint32_t u;

	v += 0.0f; /* -0 is 0 */
	memcpy(&u, &v, sizeof u);
	return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static float value_of(uint32_t key)
{
	uint32_t u = key & 0x80000000u ? key & 0x7fffffffu : ~key;
	float v;

	memcpy(&v, &u, sizeof v);
	return v;
}

/* upper < 0: count upper halves; else lower halves of those with this upper one. */
static int count(const struct job *j, int64_t upper, int64_t *hist, struct err *e)
{
	int failed = 0;

	memset(hist, 0, HALF * sizeof *hist);
#pragma omp parallel reduction(| : failed)
	{
		struct err unused;
		int64_t *mine = mem_zero(HALF, sizeof *mine, "counts", &unused);

		failed = !mine;
#pragma omp for schedule(static)
		for (int64_t at = 0; at < j->n; at += CHUNK) {
			float v[CHUNK];
			int64_t k = j->n - at < CHUNK ? j->n - at : CHUNK;

			if (failed)
				continue;
			tensor_load_f32(j->t, j->first + at, k, v);
			for (int64_t i = 0; i < k; i++) {
				uint32_t key = key_of(v[i]);

				if (j->mask && !j->mask[at + i])
					continue;
				if (upper < 0)
					mine[key >> 16]++;
				else if (key >> 16 == (uint32_t)upper)
					mine[key & 0xffff]++;
			}
		}
#pragma omp critical(percentile)
		for (int i = 0; mine && i < HALF; i++)
			hist[i] += mine[i];
		free(mine);
	}
	return failed ? err_set(e, NULL, "not enough memory for counts") : 0;
}

/* The bin that holds value number *rank, which becomes its number in the bin. */
static int64_t bin_of(const int64_t *hist, int64_t *rank)
{
	int64_t i = 0;

	while (*rank >= hist[i])
		*rank -= hist[i++];
	return i;
}

/* v[i]: the value that is number rank[i] in order, from 0; ranks rise. */
static int select_ranks(const struct job *j, int64_t *hist, int64_t *rank, int n, float *v, struct err *e)
{
	int64_t upper[WANTED], counted = -1;

	for (int i = 0; i < n; i++)
		upper[i] = bin_of(hist, &rank[i]);
	for (int i = 0; i < n; i++) {
		if (upper[i] != counted && count(j, upper[i], hist, e))
			return -1;
		counted = upper[i];
		v[i] = value_of((uint32_t)(upper[i] << 16 | bin_of(hist, &rank[i])));
	}
	return 0;
}

static int find(const struct job *j, int64_t *hist, const double *q, int nq, double *out, struct err *e)
{
	int64_t rank[WANTED], total = 0;
	double part[PERCENTILE_MOST];
	float v[WANTED];

	if (count(j, -1, hist, e))
		return -1;
	for (int i = 0; i < HALF; i++)
		total += hist[i];
	if (!total)
		return err_set(e, NULL, "no voxel to take percentiles of");
	for (int i = 0; i < nq; i++) {
		double at = q[i] / 100 * (double)(total - 1);

		rank[2 * i] = (int64_t)at;
		rank[2 * i + 1] = rank[2 * i] + 1 < total ? rank[2 * i] + 1 : rank[2 * i];
		part[i] = at - floor(at);
	}
	if (select_ranks(j, hist, rank, 2 * nq, v, e))
		return -1;
	for (int i = 0; i < nq; i++)
		out[i] = (double)v[2 * i] + ((double)v[2 * i + 1] - (double)v[2 * i]) * part[i];
	return 0;
}

int percentile_of(const struct tensor *t, int64_t first, int64_t n, const uint8_t *mask, const double *q, int nq, double *out, struct err *e)
{
	const struct job j = {t, first, n, mask};
	int64_t *hist = mem_new(HALF, sizeof *hist, "counts", e);
	int r = hist ? find(&j, hist, q, nq, out, e) : -1;

	free(hist);
	return r;
}
