#include "lib/volume/intensity/normalize.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/intensity/percentile.h"

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

/* What one channel of the result is made by. */
struct step {
	int score, nonzero;      /* a z-score; else a range */
	double range[4];
	int clip;                /* range: afterwards; score: before, to lo..hi */
	float lo, hi, mean, std;
};

static void chunk_clip(float *v, int64_t n, float lo, float hi)
{
	for (int64_t i = 0; i < n; i++) {
		float x = v[i] < lo ? lo : v[i];

		v[i] = x > hi ? hi : x;
	}
}

static void chunk_range(float *v, int64_t n, const struct step *o)
{
	float a = (float)o->range[0], d = (float)(o->range[1] - o->range[0]), s = (float)(o->range[3] - o->range[2]), b = (float)o->range[2];

	for (int64_t i = 0; i < n; i++)
		v[i] = (v[i] - a) / d * s + b;
	if (o->clip)
		chunk_clip(v, n, (float)fmin(o->range[2], o->range[3]), (float)fmax(o->range[2], o->range[3]));
}

static void chunk_zscore(float *v, int64_t n, const struct step *o)
{
	float mean = o->mean, std = o->std;

	if (o->clip)
		chunk_clip(v, n, o->lo, o->hi);
	if (o->nonzero) {
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

/* Moments of n voxels from `first` on; infinite or NaN moments where a voxel is. mask: of these voxels; or NULL. */
static int moments_of(const struct tensor *t, int64_t first, int64_t n, int nonzero, const uint8_t *mask, struct moments *out, struct err *e)
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

/* What makes the result. */
struct plan {
	struct later later;
	int64_t n, steps;  /* voxels of a step */
	int same;          /* all steps are of the first n voxels, else step i of those after i n */
	struct step s[];
};

/* Voxels first to first + n - 1, n <= CHUNK, of the result. */
static void make_chunk(const struct plan *p, int64_t first, int64_t n, float *out)
{
	for (int64_t at = first, k; at < first + n; at += k) {
		const struct step *s = &p->s[at / p->n];
		int64_t in = at % p->n;
		float *v = out + (at - first);

		k = first + n - at < p->n - in ? first + n - at : p->n - in;
		tensor_load_f32(&p->later.from, p->same ? in : at, k, v);
		(s->score ? chunk_zscore : chunk_range)(v, k, s);
	}
}

static void make(const struct tensor *t, int64_t first, int64_t n, void *out)
{
	const struct plan *p = (const struct plan *)t->later;

#pragma omp parallel for schedule(static)
	for (int64_t at = 0; at < n; at += CHUNK)
		make_chunk(p, first + at, n - at < CHUNK ? n - at : CHUNK, (float *)out + at);
}

static int check_finite(const struct tensor *t, struct err *e)
{
	int64_t n = tensor_count(t), bad = INT64_MAX;

#pragma omp parallel for schedule(static) reduction(min : bad) if (dtype_is_float(t->dtype))
	for (int64_t at = 0; at < (dtype_is_float(t->dtype) ? n : 0); at += CHUNK) {
		float v[CHUNK];
		int64_t k = n - at < CHUNK ? n - at : CHUNK;

		tensor_load_f32(t, at, k, v);
		if (!all_finite(v, k))
			bad = at < bad ? at : bad;
	}
	return bad < INT64_MAX ? not_finite(t, bad, e) : 0;
}

/* -- what is to be done to each channel -- */

/* Voxels that statistics are taken of. */
struct part {
	int64_t first, n;
	const uint8_t *mask; /* of n voxels, or NULL */
};

static int score_of(const struct tensor *t, const struct normalize *o, const struct part *p, struct step *s, struct err *e)
{
	struct moments m;
	double q[2], std;

	if (moments_of(t, p->first, p->n, o->mode == NORMALIZE_NONZERO, p->mask, &m, e))
		return -1;
	std = m.n ? sqrt(m.m2 / (double)m.n) : 0;
	*s = (struct step){.score = 1, .nonzero = o->mode == NORMALIZE_NONZERO, .mean = (float)m.mean, .std = (float)std != 0 ? (float)std : 1};
	if (!o->clip_first)
		return 0;
	if (percentile_of(t, p->first, p->n, p->mask, o->percentile, 2, q, e))
		return -1;
	s->clip = 1;
	s->lo = (float)q[0];
	s->hi = (float)q[1];
	return 0;
}

static int percentiles_of(const struct tensor *t, const struct normalize *o, const struct part *p, struct step *s, struct err *e)
{
	double q[2];

	if (percentile_of(t, p->first, p->n, p->mask, o->percentile, 2, q, e))
		return -1;
	*s = (struct step){.range = {q[0], q[1] > q[0] ? q[1] : q[0] + 1, 0, 1}, .clip = 1};
	return 0;
}

/* Step i, the statistics of part p. */
static int make_step(const struct tensor *t, const struct normalize *o, const struct part *p, int64_t i, struct step *s, struct err *e)
{
	const double *v = o->list;

	switch (o->mode) {
	case NORMALIZE_RANGE:
		*s = (struct step){.range = {o->range[0], o->range[1], o->range[2], o->range[3]}, .clip = o->clip};
		return 0;
	case NORMALIZE_WINDOWS:
		*s = (struct step){.range = {v[2 * i], v[2 * i + 1], 0, 1}, .clip = 1};
		return 0;
	case NORMALIZE_CT:
		v += 4 * i;
		*s = (struct step){.score = 1, .clip = 1, .lo = (float)v[0], .hi = (float)v[1], .mean = (float)v[2], .std = (float)fmax(v[3], 1e-8)};
		return 0;
	case NORMALIZE_PERCENTILE: return percentiles_of(t, o, p, s, e);
	default: return score_of(t, o, p, s, e);
	}
}

/* Bytes of the mask, for every channel that a step takes in. */
static int load_mask(const struct frame *f, const struct tensor *image, const char *name, int64_t n, uint8_t **mask, struct err *e)
{
	const struct tensor *t = frame_need(f, name, e);
	int64_t one = geo_planes(image) ? tensor_count(image) / geo_planes(image) : 0, on = 0;

	if (!t)
		return -1;
	if (dtype_is_float(t->dtype) || t->rank != 3 || memcmp(t->shape, image->shape + image->rank - 3, 3 * sizeof *t->shape))
		return err_set(e, NULL, "mask: tensor '%s' is %s with %d axes (expected integers [Z,Y,X] of the image's size)", name, dtype_name(t->dtype),
		               t->rank);
	*mask = mem_new((size_t)n, 1, "a mask", e);
	if (!*mask)
		return -1;
	for (int64_t at = 0; at < one; at += CHUNK) {
		float v[CHUNK];
		int64_t k = one - at < CHUNK ? one - at : CHUNK;

		tensor_load_f32(t, at, k, v);
		for (int64_t i = 0; i < k; i++)
			on += (*mask)[at + i] = v[i] > 0;
	}
	for (int64_t at = one; at < n; at += one)
		memcpy(*mask + at, *mask, (size_t)one);
	return on ? 0 : err_set(e, NULL, "mask: no voxel of '%s' is above 0: nothing to take statistics of", name);
}

/* How many steps there are, and of how many voxels each. */
static int measure(const struct tensor *t, const struct normalize *o, struct plan *p, struct err *e)
{
	int64_t planes = geo_planes(t);

	p->n = tensor_count(t);
	p->steps = 1;
	if (o->channel_wise || o->mode == NORMALIZE_CT) {
		p->n /= planes;
		p->steps = planes;
	}
	if (o->mode == NORMALIZE_CT && o->n != 4 * planes)
		return err_set(e, NULL, "image has %lld channels, the statistics are of %d", (long long)planes, o->n / 4);
	if (o->mode == NORMALIZE_WINDOWS) {
		if (planes != 1)
			return err_set(e, NULL, "image has %lld channels (expected one, for several windows)", (long long)planes);
		p->steps = o->n / 2;
		p->same = 1;
	}
	return 0;
}

static int make_steps(const struct frame *f, const struct tensor *t, const struct normalize *o, struct plan *p, struct err *e)
{
	uint8_t *mask = NULL;
	int r = o->mask[0] ? load_mask(f, t, o->mask, p->n, &mask, e) : 0;

	for (int64_t i = 0; i < p->steps && !r; i++)
		r = make_step(t, o, &(struct part){p->same ? 0 : i * p->n, p->n, mask}, i, &p->s[i], e);
	free(mask);
	return r;
}

/* With several windows, a channel for each. */
static int later_image(struct tensor *t, struct plan *p, struct err *e)
{
	const int64_t *s = t->shape + t->rank - 3, shape[4] = {p->same ? p->steps : t->shape[0], s[0], s[1], s[2]};
	int rank = p->same ? 4 : t->rank;

	return tensor_later(t, DT_F32, rank, shape + 4 - rank, &p->later, e);
}

static int normalize_image(struct frame *f, const struct normalize *o, struct err *e)
{
	struct tensor *t = frame_need(f, "image", e);
	struct plan kind = {.later.make = make}, *p;

	if (!t || measure(t, o, &kind, e))
		return -1;
	p = mem_new(1, sizeof *p + (size_t)kind.steps * sizeof *p->s, "statistics", e);
	if (!p)
		return -1;
	*p = kind;
	p->later.in_place = t->dtype == DT_F32 && !p->same;
	if (make_steps(f, t, o, p, e) || check_finite(t, e)) {
		free(p);
		return -1;
	}
	return later_image(t, p, e);
}

int normalize_apply(struct frame *f, const struct normalize *o, struct err *e)
{
	struct grid g;

	if (frame_grid(f, &g, e) || normalize_image(f, o, e))
		return -1;
	return history_push(f, "nii-normalize", normalize_json(o), NULL, NULL, e);
}
