#include "lib/volume/normalize.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/option.h"

enum {
	CHUNK = 4096, /* voxels worked on while they are in the first cache; statistics are summed by chunk, so chunks fix the order of sums */
	LANES = 8     /* sums side by side, for vectors; also part of the order */
};

struct moments {
	int64_t n;
	double mean, m2; /* m2: sum of squared deviations */
};

/* -- a chunk -- */

static int all_finite(const float *v, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++)
		bad |= !(fabsf(v[i]) <= FLT_MAX);
	return !bad;
}

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

static struct moments chunk_moments(float *v, int64_t n, int nonzero)
{
	struct moments m = {nonzero ? pack_nonzero(v, n) : n};

	if (m.n) {
		m.mean = sum(v, m.n) / (double)m.n;
		m.m2 = sum_sq(v, m.n, m.mean);
	}
	return m;
}

static void chunk_range(float *v, int64_t n, const struct normalize *o)
{
	float a = (float)o->range[0], d = (float)(o->range[1] - o->range[0]), s = (float)(o->range[3] - o->range[2]), b = (float)o->range[2];
	float lo = (float)fmin(o->range[2], o->range[3]), hi = (float)fmax(o->range[2], o->range[3]);

	for (int64_t i = 0; i < n; i++)
		v[i] = (v[i] - a) / d * s + b;
	if (!o->clip)
		return;
	for (int64_t i = 0; i < n; i++) {
		float x = v[i] < lo ? lo : v[i];

		v[i] = x > hi ? hi : x;
	}
}

static void chunk_zscore(float *v, int64_t n, float mean, float std, int nonzero)
{
	if (nonzero) {
		for (int64_t i = 0; i < n; i++)
			v[i] = v[i] != 0 ? (v[i] - mean) / std : 0;
	} else {
		for (int64_t i = 0; i < n; i++)
			v[i] = (v[i] - mean) / std;
	}
}

/* -- a tensor -- */

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

/* Moments of n voxels from `first` on; infinite or NaN moments where a voxel is. */
static int moments_of(const struct tensor *t, int64_t first, int64_t n, int nonzero, struct moments *out, struct err *e)
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
		m[c] = chunk_moments(v, k, nonzero);
	}
	*out = (struct moments){0};
	for (int64_t c = 0; c < chunks; c++)
		*out = join(*out, m[c]);
	free(m);
	return 0;
}

static int not_finite(const struct tensor *t, int64_t from, struct err *e)
{
	int64_t n = tensor_count(t), z = t->shape[t->rank - 3], y = t->shape[t->rank - 2], x = t->shape[t->rank - 1];
	float v = 0;

	for (; from < n; from++) {
		tensor_load_f32(t, from, 1, &v);
		if (!isfinite(v))
			break;
	}
	return err_set(e, NULL, "image: voxel %lld,%lld,%lld of channel %lld is %s (expected finite values)", (long long)(from % x),
	               (long long)(from / x % y), (long long)(from / x / y % z), (long long)(from / x / y / z), isnan(v) ? "nan" : "infinite");
}

struct score { float mean, std; };

/* out may be t's own data where that is float32. s: for the channels of n voxels each; NULL for a range. */
static int apply(const struct tensor *t, const struct normalize *o, const struct score *s, int64_t n, float *out, struct err *e)
{
	int64_t per = (n + CHUNK - 1) / CHUNK, chunks = tensor_count(t) / n * per, bad = INT64_MAX;

#pragma omp parallel for schedule(static) reduction(min : bad)
	for (int64_t c = 0; c < chunks; c++) {
		int64_t channel = c / per, at = channel * n + c % per * CHUNK, k = chunk_length(n, c % per);
		float *v = out + at;

		if ((void *)out != t->data)
			tensor_load_f32(t, at, k, v);
		if (dtype_is_float(t->dtype) && !all_finite(v, k))
			bad = at < bad ? at : bad;
		else if (s)
			chunk_zscore(v, k, s[channel].mean, s[channel].std, o->mode == NORMALIZE_NONZERO);
		else
			chunk_range(v, k, o);
	}
	return bad < INT64_MAX ? not_finite(t, bad, e) : 0;
}

static int scores(const struct tensor *t, const struct normalize *o, int64_t n, struct score *s, struct err *e)
{
	struct moments m;

	for (int64_t c = 0; c < tensor_count(t) / n; c++) {
		double std;

		if (moments_of(t, c * n, n, o->mode == NORMALIZE_NONZERO, &m, e))
			return -1;
		std = m.n ? sqrt(m.m2 / (double)m.n) : 0;
		s[c] = (struct score){(float)m.mean, (float)std != 0 ? (float)std : 1};
	}
	return 0;
}

static int normalize_image(struct frame *f, const struct normalize *o, struct err *e)
{
	struct tensor *t = frame_need(f, "image", e);
	int64_t n;
	int64_t shape[FRAME_RANK];
	struct score *s = NULL;
	float *out;
	int r = -1;

	if (!t)
		return -1;
	memcpy(shape, t->shape, sizeof shape);
	n = tensor_count(t);
	if (o->channel_wise && t->rank == 4)
		n /= t->shape[0];
	/* in place where the memory is ours and not a mapped file's, whose pages would be copied one by one */
	out = t->dtype == DT_F32 && (f->block || t->owned) ? t->data : mem_new((size_t)tensor_count(t), sizeof *out, "image", e);
	s = mem_new((size_t)(tensor_count(t) / n), sizeof *s, "statistics", e);
	if (out && s && (o->mode == NORMALIZE_RANGE || !scores(t, o, n, s, e)))
		r = apply(t, o, o->mode == NORMALIZE_RANGE ? NULL : s, n, out, e);
	free(s);
	if (out == t->data)
		return r;
	if (r) {
		free(out);
		return -1;
	}
	return frame_adopt(f, "image", DT_F32, t->rank, shape, out, e) ? 0 : -1;
}

int normalize_apply(struct frame *f, const struct normalize *o, struct err *e)
{
	struct grid g;

	if (frame_grid(f, &g, e) || normalize_image(f, o, e))
		return -1;
	return history_push(f, "nii-normalize", normalize_json(o), NULL, NULL, e);
}

/* -- options -- */

#define ZSCORES "all|nonzero"

json_t *normalize_json(const struct normalize *o)
{
	struct normalize v = *o;
	int ranged = o->mode == NORMALIZE_RANGE, scored = !ranged, which = o->mode == NORMALIZE_NONZERO;
	const struct option table[] = {
		{"range", OPTION_REALS, v.range, 4, NULL, &ranged},
		{"clip", OPTION_BOOL, &v.clip, 1, NULL, &ranged},
		{"zscore", OPTION_WORD, &which, 1, ZSCORES, &scored},
		{"channel_wise", OPTION_BOOL, &v.channel_wise, 1, NULL, &scored},
		{0},
	};

	return option_json(table);
}

int normalize_parse(struct normalize *o, const json_t *args, struct err *e)
{
	int range, clip, zscore, wise, which = 0;
	const struct option table[] = {
		{"range", OPTION_REALS, o->range, 4, NULL, &range},
		{"clip", OPTION_BOOL, &o->clip, 1, NULL, &clip},
		{"zscore", OPTION_WORD, &which, 1, ZSCORES, &zscore},
		{"channel_wise", OPTION_BOOL, &o->channel_wise, 1, NULL, &wise},
		{0},
	};

	memset(o, 0, sizeof *o);
	if (option_parse(args, table, e))
		return -1;
	if (range == zscore || clip != range || wise != zscore)
		return err_set(e, NULL, "arguments are neither a range (range, clip) nor a z-score (zscore, channel_wise)");
	if (range && !(o->range[0] < o->range[1]))
		return err_set(e, NULL, "range %g..%g is empty", o->range[0], o->range[1]);
	o->mode = range ? NORMALIZE_RANGE : which ? NORMALIZE_NONZERO : NORMALIZE_ZSCORE;
	return 0;
}
