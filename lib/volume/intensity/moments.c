#include "lib/volume/intensity/moments.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"

enum {
	CHUNK = 4096, /* voxels that are summed up while they are in the first cache: chunks fix the order of sums */
	LANES = 8     /* sums side by side, for vectors; also part of the order */
};

/* -- a chunk -- */

static double fold(const double acc[LANES])
{
	double s = 0;

	for (int j = 0; j < LANES; j++)
		s += acc[j];
	return s;
}

static double sum(const float *v, int64_t n)
{
	double acc[LANES] = {0};
	int64_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			acc[j] += v[i + j];
	for (; i < n; i++)
		acc[i % LANES] += v[i];
	return fold(acc);
}

static double sum_sq(const float *v, int64_t n, double mean)
{
	double acc[LANES] = {0};
	int64_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			acc[j] += (v[i + j] - mean) * (v[i + j] - mean);
	for (; i < n; i++)
		acc[i % LANES] += (v[i] - mean) * (v[i] - mean);
	return fold(acc);
}

static int64_t pack_nonzero(float *v, int64_t n)
{
	int64_t k = 0;

	for (int64_t i = 0; i < n; i++) {
		v[k] = v[i];
		k += v[i] != 0;
	}
	return k;
}

static int64_t pack_masked(float *v, int64_t n, const uint8_t *mask)
{
	int64_t k = 0;

	for (int64_t i = 0; i < n; i++) {
		v[k] = v[i];
		k += mask[i] != 0;
	}
	return k;
}

static struct moments chunk_moments(float *v, int64_t n, int nonzero, const uint8_t *mask)
{
	struct moments m = {nonzero ? pack_nonzero(v, n) : mask ? pack_masked(v, n, mask) : n};

	if (m.n) {
		m.mean = sum(v, m.n) / (double)m.n;
		m.m2 = sum_sq(v, m.n, m.mean);
	}
	return m;
}

/* -- all of them -- */

static int64_t chunk_length(int64_t n, int64_t chunk)
{
	return n - chunk * CHUNK < CHUNK ? n - chunk * CHUNK : CHUNK;
}

/* Chan, Golub, LeVeque 1979: moments of two sets from theirs. */
static struct moments join(struct moments a, struct moments b)
{
	int64_t n = a.n + b.n;
	double d = b.mean - a.mean;

	if (!a.n || !b.n)
		return a.n ? a : b;
	return (struct moments){n, a.mean + d * ((double)b.n / (double)n), a.m2 + b.m2 + d * d * ((double)a.n * (double)b.n / (double)n)};
}

int moments_of(const struct tensor *t, int64_t first, int64_t n, int nonzero, const uint8_t *mask, struct moments *out, struct err *e)
{
	int64_t chunks = (n + CHUNK - 1) / CHUNK;
	struct moments *m = mem_new((size_t)chunks, sizeof *m, "sums", e);

	if (!m)
		return -1;
#pragma omp parallel for schedule(static)
	for (int64_t c = 0; c < chunks; c++) {
		float v[CHUNK];
		int64_t k = chunk_length(n, c);

		tensor_load_f32(t, first + c * CHUNK, k, v);
		m[c] = chunk_moments(v, k, nonzero, mask ? mask + c * CHUNK : NULL);
	}
	*out = (struct moments){0};
	for (int64_t c = 0; c < chunks; c++)
		*out = join(*out, m[c]);
	free(m);
	return 0;
}
