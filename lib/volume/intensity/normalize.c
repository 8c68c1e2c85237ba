#include "lib/volume/intensity/normalize.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/intensity/moments.h"
#include "lib/volume/intensity/percentile.h"

enum { CHUNK = 4096 }; /* voxels worked on while they are in the first cache */

/* -- a chunk -- */

static int all_finite(const float *v, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++)
		bad |= !(fabsf(v[i]) <= FLT_MAX);
	return !bad;
}

/* What one channel of the result is made by. */
struct step {
	int keep;                /* as it is; else */
	int score, nonzero;      /* a z-score; else a range */
	double range[4];
	int clip;                /* range: afterwards; score: before, to lo..hi */
	float lo, hi, mean, std;
	const uint8_t *inside;   /* a z-score of these voxels of the step alone; NULL: of all */
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

/* at: which voxel of the step is the first. */
static void chunk_zscore(float *v, int64_t n, const struct step *o, int64_t at)
{
	float mean = o->mean, std = o->std;

	if (o->clip)
		chunk_clip(v, n, o->lo, o->hi);
	if (o->inside) {
		for (int64_t i = 0; i < n; i++)
			v[i] = o->inside[at + i] ? (v[i] - mean) / std : v[i];
	} else if (o->nonzero) {
		for (int64_t i = 0; i < n; i++)
			v[i] = v[i] != 0 ? (v[i] - mean) / std : 0;
	} else {
		for (int64_t i = 0; i < n; i++)
			v[i] = (v[i] - mean) / std;
	}
}

/* -- a tensor -- */

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
	uint8_t *inside;   /* behind the steps: n bytes of NORMALIZE_MASKED, else NULL */
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
		if (s->score)
			chunk_zscore(v, k, s, in);
		else if (!s->keep)
			chunk_range(v, k, s);
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
	*s = (struct step){.score = 1, .nonzero = o->mode == NORMALIZE_NONZERO, .mean = (float)m.mean, .std = (float)std != 0 ? (float)std : 1,
	                   .inside = o->mode == NORMALIZE_MASKED ? p->mask : NULL};
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
		v += o->alone ? 0 : 4 * i;
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

/* Where any channel is other than 0, and the holes in there. */
static int find_inside(const struct tensor *image, uint8_t *inside, struct err *e)
{
	const int64_t n = tensor_count(image) / geo_planes(image), *s = image->shape + image->rank - 3;
	struct tensor mask = {NULL, DT_U8, 3, {s[0], s[1], s[2]}, (size_t)n, inside, 0};

	memset(inside, 0, (size_t)n);
	for (int64_t c = 0; c < geo_planes(image); c++)
#pragma omp parallel for schedule(static)
		for (int64_t at = 0; at < n; at += CHUNK) {
			float v[CHUNK];
			int64_t k = n - at < CHUNK ? n - at : CHUNK;

			tensor_load_f32(image, c * n + at, k, v);
			for (int64_t i = 0; i < k; i++)
				inside[at + i] |= v[i] != 0;
		}
	return component_fill_holes(&mask, 26, COMPONENT_UNION, e);
}

/* How many steps there are, and of how many voxels each. */
static int measure(const struct tensor *t, const struct normalize *o, struct plan *p, struct err *e)
{
	int64_t planes = geo_planes(t);

	p->n = tensor_count(t);
	p->steps = 1;
	if (o->channel_wise || o->alone || o->mode == NORMALIZE_CT || o->mode == NORMALIZE_MASKED) {
		p->n /= planes;
		p->steps = planes;
	}
	if (o->alone && o->channel >= planes)
		return err_set(e, NULL, "'image' has no channel %lld: it has %lld", (long long)o->channel, (long long)planes);
	if (o->mode == NORMALIZE_CT && !o->alone && o->n != 4 * planes)
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
	int r = o->mask[0] ? load_mask(f, t, o->mask, p->n, &mask, e) : p->inside ? find_inside(t, p->inside, e) : 0;

	for (int64_t i = 0; i < p->steps && !r; i++)
		if (o->alone && i != o->channel)
			p->s[i] = (struct step){.keep = 1};
		else
			r = make_step(t, o, &(struct part){p->same ? 0 : i * p->n, p->n, p->inside ? p->inside : mask}, i, &p->s[i], e);
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
	p = mem_new(1, sizeof *p + (size_t)kind.steps * sizeof *p->s + (o->mode == NORMALIZE_MASKED ? (size_t)kind.n : 0), "statistics", e);
	if (!p)
		return -1;
	*p = kind;
	p->inside = o->mode == NORMALIZE_MASKED ? (uint8_t *)(p->s + kind.steps) : NULL;
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

	if (frame_grid(f, &g, e) || normalize_image(f, o, e) || (o->mode == NORMALIZE_WINDOWS && frame_set_meta(f, "channels", NULL, e)))
		return -1;
	return history_push(f, "nii-normalize", normalize_json(o), NULL, NULL, e);
}
