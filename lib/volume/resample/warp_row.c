#include "lib/volume/resample/warp_row.h"

#include <math.h>
#include <string.h>

#include "lib/base/clones.h"

enum { CHUNK = 64 }; /* voxels whose places are made together */

static const double TINY = 1e-9; /* voxels */

static double place(const struct warp_row *r, int j, int64_t x)
{
	return r->b[j] + (double)x * r->s[j];
}

/* Estimated, and then made exact: what counts is what place() says. */
void warp_narrow(struct warp_row *r, int j, double lo, double hi)
{
	double first = (double)r->lo, last = (double)r->hi - 1, s = r->s[j], from = first, to = last;
	int64_t least = r->lo, most = r->hi;

	if (s != 0) {
		from = (s > 0 ? lo - r->b[j] : hi - r->b[j]) / s;
		to = (s > 0 ? hi - r->b[j] : lo - r->b[j]) / s;
	}
	r->lo = (int64_t)fmin(fmax(ceil(from), first), last + 1);
	r->hi = (int64_t)fmin(fmax(floor(to), first - 1), last) + 1;
#define IS_IN(x) (place(r, j, x) >= lo && place(r, j, x) <= hi)
	while (r->lo < r->hi && !IS_IN(r->lo))
		r->lo++;
	while (r->hi > r->lo && !IS_IN(r->hi - 1))
		r->hi--;
	while (r->lo > least && IS_IN(r->lo - 1))
		r->lo--;
	while (r->hi < most && IS_IN(r->hi))
		r->hi++;
#undef IS_IN
	r->hi = r->hi > r->lo ? r->hi : r->lo;
}

/* -- nearest -- */

CLONES static void nearest_places(const struct warp_row *r, int j, int64_t x, int n, double most, int up, int32_t *at)
{
	double b = r->b[j], s = r->s[j];

	for (int i = 0; i < n; i++) {
		double p = b + (double)(x + i) * s;

		p = p > 0 ? p : 0;
		p = p < most ? p : most;
		at[i] = (int32_t)(up ? p + 0.5 : nearbyint(p));
	}
}

#define COPY(type) \
	for (int i = 0; i < n; i++) \
		((type *)out)[x + i] = ((const type *)v->data)[((int64_t)at[2][i] * v->n[1] + at[1][i]) * v->n[0] + at[0][i]]

void warp_nearest(const struct warp_source *v, const struct warp_row *r, void *out)
{
	int32_t at[3][CHUNK];

	for (int64_t x = r->lo; x < r->hi; x += CHUNK) {
		int n = r->hi - x < CHUNK ? (int)(r->hi - x) : CHUNK;

		for (int j = 0; j < 3; j++)
			nearest_places(r, j, x, n, (double)(v->n[j] - 1), v->up, at[j]);
		switch (dtype_size(v->dtype)) {
		case 1: COPY(uint8_t); break;
		case 2: COPY(uint16_t); break;
		case 4: COPY(uint32_t); break;
		default: COPY(uint64_t); break;
		}
	}
}

/* -- eight neighbours -- */

struct eight {
	int64_t at[8]; /* x fastest; on the border some are the same */
	float w[3];
};

static void find_eight(const struct warp_source *v, const struct warp_row *r, int64_t x, struct eight *e)
{
	int64_t lo[3], hi[3];

	for (int j = 0; j < 3; j++) {
		double p = fmax(0, fmin(place(r, j, x), (double)(v->n[j] - 1)));

		lo[j] = (int64_t)p;
		hi[j] = lo[j] + (lo[j] < v->n[j] - 1);
		e->w[j] = (float)(p - (double)lo[j]);
	}
	for (int k = 0; k < 8; k++)
		e->at[k] = ((k & 4 ? hi[2] : lo[2]) * v->n[1] + (k & 2 ? hi[1] : lo[1])) * v->n[0] + (k & 1 ? hi[0] : lo[0]);
}

/* -- linear: where all eight exist, in steps that vectorize: places, pairs along x, weighted sums -- */

struct places {
	int32_t at[3][CHUNK];
	float w[3][CHUNK];
};

CLONES static void linear_places(const struct warp_row *r, int j, int64_t x, int n, int32_t *at, float *w)
{
	for (int i = 0; i < n; i++) {
		double p = r->b[j] + (double)(x + i) * r->s[j];

		at[i] = (int32_t)p;
		w[i] = (float)(p - (double)at[i]);
	}
}

static float lerp(float a, float b, float w)
{
	return a * (1 - w) + b * w;
}

#define LINEAR(name, type) \
	CLONES static void name##_sums(type pair[4][2 * CHUNK], const struct places *p, int n, float *out) \
	{ \
		for (int i = 0; i < n; i++) { \
			float a = lerp((float)pair[0][2 * i], (float)pair[0][2 * i + 1], p->w[0][i]); \
			float b = lerp((float)pair[1][2 * i], (float)pair[1][2 * i + 1], p->w[0][i]); \
			float c = lerp((float)pair[2][2 * i], (float)pair[2][2 * i + 1], p->w[0][i]); \
			float d = lerp((float)pair[3][2 * i], (float)pair[3][2 * i + 1], p->w[0][i]); \
\
			out[i] = lerp(lerp(a, b, p->w[1][i]), lerp(c, d, p->w[1][i]), p->w[2][i]); \
		} \
	} \
\
	static void name##_pairs(const struct warp_source *v, const struct places *p, int n, type pair[4][2 * CHUNK]) \
	{ \
		int64_t ny = v->n[1], nx = v->n[0]; \
\
		for (int i = 0; i < n; i++) { \
			const type *in = (const type *)v->data + ((int64_t)p->at[2][i] * ny + p->at[1][i]) * nx + p->at[0][i]; \
\
			memcpy(pair[0] + 2 * i, in, 2 * sizeof *in); \
			memcpy(pair[1] + 2 * i, in + nx, 2 * sizeof *in); \
			memcpy(pair[2] + 2 * i, in + ny * nx, 2 * sizeof *in); \
			memcpy(pair[3] + 2 * i, in + ny * nx + nx, 2 * sizeof *in); \
		} \
	} \
\
	static void name##_inside(const struct warp_source *v, const struct warp_row *r, float *out) \
	{ \
		type pair[4][2 * CHUNK]; \
		struct places p; \
\
		for (int64_t x = r->lo; x < r->hi; x += CHUNK) { \
			int n = r->hi - x < CHUNK ? (int)(r->hi - x) : CHUNK; \
\
			for (int j = 0; j < 3; j++) \
				linear_places(r, j, x, n, p.at[j], p.w[j]); \
			name##_pairs(v, &p, n, pair); \
			name##_sums(pair, &p, n, out + x); \
		} \
	} \
\
	static void name##_border(const struct warp_source *v, const struct warp_row *r, int64_t lo, int64_t hi, float *out) \
	{ \
		const type *in = v->data; \
		struct eight e; \
\
		for (int64_t x = lo; x < hi; x++) { \
			float s[4]; \
\
			find_eight(v, r, x, &e); \
			for (int k = 0; k < 4; k++) \
				s[k] = lerp((float)in[e.at[2 * k]], (float)in[e.at[2 * k + 1]], e.w[0]); \
			out[x] = lerp(lerp(s[0], s[1], e.w[1]), lerp(s[2], s[3], e.w[1]), e.w[2]); \
		} \
	} \
\
	static void name(const struct warp_source *v, const struct warp_row *r, float *out) \
	{ \
		struct warp_row in = *r; \
\
		for (int j = 0; j < 3; j++) \
			warp_narrow(&in, j, 0, (double)(v->n[j] - 1) - TINY); \
		name##_border(v, r, r->lo, in.lo, out); \
		name##_inside(v, &in, out); \
		name##_border(v, r, in.hi, r->hi, out); \
	}

LINEAR(linear_i16, int16_t)
LINEAR(linear_f32, float)

void warp_linear(const struct warp_source *v, const struct warp_row *r, void *out)
{
	(v->dtype == DT_I16 ? linear_i16 : linear_f32)(v, r, out);
}

/* -- cubic -- */

static float spline(const struct warp_source *v, const struct warp_row *r, int64_t x)
{
	int64_t nx = v->n[0] + 2 * INTERP_PAD, ny = v->n[1] + 2 * INTERP_PAD, at[3];
	const float *c = v->data;
	float w[3][4], row[4] = {0};

	for (int j = 0; j < 3; j++) {
		double p = fmax(-1, fmin(place(r, j, x), (double)v->n[j]));

		at[j] = (int64_t)fmin(floor(p), (double)(v->n[j] - 1));
		interp_spline_weights(p - (double)at[j], w[j]);
		at[j] += INTERP_PAD - 1;
	}
	c += (at[2] * ny + at[1]) * nx + at[0];
	for (int z = 0; z < 4; z++)
		for (int y = 0; y < 4; y++) {
			const float *p = c + (z * ny + y) * nx;
			float part = w[2][z] * w[1][y];

			for (int k = 0; k < 4; k++)
				row[k] += part * p[k];
		}
	return w[0][0] * row[0] + w[0][1] * row[1] + w[0][2] * row[2] + w[0][3] * row[3];
}

void warp_cubic(const struct warp_source *v, const struct warp_row *r, void *out)
{
	float *o = out;

	for (int64_t x = r->lo; x < r->hi; x++)
		o[x] = spline(v, r, x);
}

/* -- shares -- */

static int64_t label_at(const struct warp_source *v, int64_t i)
{
	switch (v->dtype) {
	case DT_I8: return ((const int8_t *)v->data)[i];
	case DT_U16: return ((const uint16_t *)v->data)[i];
	case DT_I16: return ((const int16_t *)v->data)[i];
	case DT_U32: return ((const uint32_t *)v->data)[i];
	case DT_I32: return ((const int32_t *)v->data)[i];
	case DT_U64:
	case DT_I64: return ((const int64_t *)v->data)[i];
	default: return ((const uint8_t *)v->data)[i];
	}
}

static int64_t share(const struct warp_source *v, const struct warp_row *r, int64_t x)
{
	struct eight e;
	int64_t label[8];
	int differ = 0;
	double w[8];

	find_eight(v, r, x, &e);
	for (int k = 0; k < 8; k++) {
		label[k] = label_at(v, e.at[k]);
		differ |= label[k] != label[0];
	}
	if (!differ)
		return label[0];
	for (int k = 0; k < 8; k++) {
		w[k] = 1;
		for (int j = 0; j < 3; j++)
			w[k] *= k >> j & 1 ? (double)e.w[j] : 1 - (double)e.w[j];
	}
	return interp_vote(label, w, v->label);
}

void warp_shares(const struct warp_source *v, const struct warp_row *r, void *out)
{
	size_t size = dtype_size(v->dtype);

	for (int64_t x = r->lo; x < r->hi; x++) {
		int64_t label = share(v, r, x);

		memcpy((char *)out + (size_t)x * size, &label, size); /* little endian */
	}
}
