#include "lib/stream/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

enum { BLOCK = 1024 };

static float half(uint16_t h)
{
	int exp = h >> 10 & 31, man = h & 1023;
	float v = exp == 31 ? (man ? NAN : INFINITY) : exp ? ldexpf((float)(man + 1024), exp - 25) : ldexpf((float)man, -24);

	return h >> 15 ? -v : v;
}

static float bfloat(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float v;

	memcpy(&v, &u, 4);
	return v;
}

/* Element by element through memcpy: a frame taken by index from a mapped file need not be aligned. */
#define LOAD(type, conv) \
	for (int64_t i = 0; i < n; i++) { \
		type v; \
\
		memcpy(&v, p + (size_t)i * sizeof v, sizeof v); \
		out[i] = conv(v); \
	} \
	break

#define LOADER(name, to) \
	static void name(const struct tensor *t, int64_t first, int64_t n, to *out) \
	{ \
		const char *p = (const char *)t->data + (size_t)first * dtype_size(t->dtype); \
\
		switch (t->dtype) { \
		case DT_BOOL: \
		case DT_U8: LOAD(uint8_t, (to)); \
		case DT_I8: LOAD(int8_t, (to)); \
		case DT_U16: LOAD(uint16_t, (to)); \
		case DT_I16: LOAD(int16_t, (to)); \
		case DT_U32: LOAD(uint32_t, (to)); \
		case DT_I32: LOAD(int32_t, (to)); \
		case DT_U64: LOAD(uint64_t, (to)); \
		case DT_I64: LOAD(int64_t, (to)); \
		case DT_F16: LOAD(uint16_t, half); \
		case DT_BF16: LOAD(uint16_t, bfloat); \
		case DT_F32: LOAD(float, (to)); \
		case DT_F64: LOAD(double, (to)); \
		case DT_COUNT: break; \
		} \
	}

LOADER(load_f64, double)
LOADER(load_f32, float)

void tensor_load_f32(const struct tensor *t, int64_t first, int64_t n, float *out)
{
	load_f32(t, first, n, out);
}

int64_t tensor_to_u8(const struct tensor *t, uint8_t most, uint8_t *out)
{
	const int64_t n = tensor_count(t);
	double v[BLOCK];

	for (int64_t i = 0; i < n; i++) {
		if (i % BLOCK == 0)
			load_f64(t, i, n - i < BLOCK ? n - i : BLOCK, v);
		if (!(v[i % BLOCK] >= 0 && v[i % BLOCK] <= most))
			return i;
		out[i] = (uint8_t)v[i % BLOCK];
	}
	return -1;
}

void tensor_fetch(const struct tensor *t, int64_t first, int64_t n)
{
	size_t size = dtype_size(t->dtype);

	mem_fetch((const char *)t->data + (size_t)first * size, (size_t)n * size);
}

float *tensor_to_f32(const struct tensor *t, struct err *e)
{
	int64_t n = tensor_count(t);
	float *out = mem_new((size_t)n, sizeof *out, t->name, e);

	if (out)
		load_f32(t, 0, n, out);
	return out;
}

double tensor_value(const struct tensor *t, int64_t i)
{
	double v = NAN;

	load_f64(t, i, 1, &v);
	return v;
}

void tensor_value_text(const struct tensor *t, int64_t i, char text[VALUE_TEXT])
{
	const char *p = (const char *)t->data + (size_t)i * dtype_size(t->dtype);
	uint64_t u;
	int64_t s;

	if (t->dtype == DT_U64) {
		memcpy(&u, p, sizeof u);
		snprintf(text, VALUE_TEXT, "%" PRIu64, u);
	} else if (t->dtype == DT_I64) {
		memcpy(&s, p, sizeof s);
		snprintf(text, VALUE_TEXT, "%" PRId64, s);
	} else
		snprintf(text, VALUE_TEXT, "%.*g", t->dtype == DT_F64 ? 17 : dtype_is_float(t->dtype) ? 9 : 10, tensor_value(t, i));
}

void tensor_stats(const struct tensor *t, struct tensor_stats *s)
{
	int64_t n = tensor_count(t), seen = 0;
	double v[BLOCK], sum = 0;

	*s = (struct tensor_stats){INFINITY, -INFINITY, NAN, 0};
	for (int64_t at = 0; at < n; at += BLOCK) {
		int64_t k = n - at < BLOCK ? n - at : BLOCK;
		double part = 0; /* sums of sums: the rounding stays small */

		load_f64(t, at, k, v);
		for (int64_t i = 0; i < k; i++) {
			if (isnan(v[i])) {
				s->nan++;
				continue;
			}
			s->min = v[i] < s->min ? v[i] : s->min;
			s->max = v[i] > s->max ? v[i] : s->max;
			part += v[i];
			seen++;
		}
		sum += part;
	}
	if (seen)
		s->mean = sum / (double)seen;
	else
		s->min = s->max = NAN;
}

static void differ(struct tensor_diff *d, int64_t i, double by)
{
	if (!d->count++)
		d->first = i;
	d->max = by > d->max ? by : d->max;
}

static void compare_floats(const double *a, const double *b, int64_t n, int64_t at, double atol, double rtol, struct tensor_diff *d)
{
	for (int64_t i = 0; i < n; i++) {
		double by = fabs(a[i] - b[i]);

		if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))
			continue;
		if (isnan(by) || isinf(by))
			differ(d, at + i, INFINITY); /* one NaN, or infinities that are not equal */
		else if (by > atol + rtol * fabs(b[i]))
			differ(d, at + i, by);
		else
			d->max = by > d->max ? by : d->max;
	}
}

static void compare_ints(const char *a, const char *b, size_t size, const double *va, const double *vb, int64_t n, int64_t at, struct tensor_diff *d)
{
	for (int64_t i = 0; i < n; i++)
		if (memcmp(a + (size_t)i * size, b + (size_t)i * size, size)) {
			double by = fabs(va[i] - vb[i]);

			differ(d, at + i, by > 1 ? by : 1); /* at least 1 also where a double cannot tell them apart */
		}
}

void tensor_compare(const struct tensor *a, const struct tensor *b, double atol, double rtol, struct tensor_diff *d)
{
	size_t size = dtype_size(a->dtype);
	int64_t n = tensor_count(a);
	double va[BLOCK], vb[BLOCK];

	*d = (struct tensor_diff){0};
	for (int64_t at = 0; at < n; at += BLOCK) {
		int64_t k = n - at < BLOCK ? n - at : BLOCK;
		const char *pa = (const char *)a->data + (size_t)at * size, *pb = (const char *)b->data + (size_t)at * size;

		if (!memcmp(pa, pb, (size_t)k * size))
			continue;
		load_f64(a, at, k, va);
		load_f64(b, at, k, vb);
		if (dtype_is_float(a->dtype))
			compare_floats(va, vb, k, at, atol, rtol, d);
		else
			compare_ints(pa, pb, size, va, vb, k, at, d);
	}
}
