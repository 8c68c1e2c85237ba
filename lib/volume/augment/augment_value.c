#include <math.h>

#include "lib/base/clones.h"
#include "lib/volume/augment/augment_math.h"
#include "lib/volume/augment/augment_parts.h"

/* Work is split into parts whose number does not depend on that of the threads, so sums do not either; a part has at least LEAST voxels. */
enum { PARTS = 256, LEAST = 16384, LANES = 16 };

static int parts_of(int64_t n)
{
	int64_t parts = (n + LEAST - 1) / LEAST;

	return (int)(parts < PARTS ? parts : PARTS);
}

/* A loop over the parts of n voxels, in parallel; where the current one begins, and how many voxels it has. */
#define FOR_PARTS(n) \
	_Pragma("omp parallel for schedule(static)") \
	for (int part = 0; part < parts_of(n); part++)
#define AT(n) ((n) * part / parts_of(n))
#define COUNT(n) ((n) * (part + 1) / parts_of(n) - AT(n))

/* -- statistics -- */

struct sums { int64_t count; float min, max; double sum, squares; };

static void sum_one(struct sums *s, float v)
{
	if (!isfinite(v))
		return;
	s->count++;
	s->min = v < s->min ? v : s->min;
	s->max = v > s->max ? v : s->max;
	s->sum += (double)v;
	s->squares += (double)v * (double)v;
}

/* Sums in LANES interleaved parts: one order of additions for vectors of any width. */
CLONES static void sum_up(const float *v, int64_t n, struct sums *s)
{
	float min[LANES], max[LANES];
	double sum[LANES] = {0}, squares[LANES] = {0};
	int32_t bad[LANES] = {0};
	int64_t i = 0, lost = 0;

	for (int k = 0; k < LANES; k++)
		min[k] = INFINITY, max[k] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int k = 0; k < LANES; k++) {
			float x = v[i + k], zero = x - x;
			int finite = zero == 0;
			double d = finite ? (double)x : 0.0;
			float low = finite ? x : INFINITY, high = finite ? x : -INFINITY;

			bad[k] += !finite;
			min[k] = low < min[k] ? low : min[k];
			max[k] = high > max[k] ? high : max[k];
			sum[k] += d;
			squares[k] += d * d;
		}
	*s = (struct sums){0, INFINITY, -INFINITY, 0, 0};
	for (int k = 0; k < LANES; k++) {
		lost += bad[k];
		s->min = min[k] < s->min ? min[k] : s->min;
		s->max = max[k] > s->max ? max[k] : s->max;
		s->sum += sum[k];
		s->squares += squares[k];
	}
	s->count = i - lost;
	for (; i < n; i++)
		sum_one(s, v[i]);
}

struct augment_stats augment_stats(const float *v, int64_t n)
{
	struct sums part_sums[PARTS], all = {0, INFINITY, -INFINITY, 0, 0};
	double mean, variance;

	FOR_PARTS(n)
		sum_up(v + AT(n), COUNT(n), &part_sums[part]);
	for (int i = 0; i < parts_of(n); i++) {
		const struct sums *s = &part_sums[i];

		all.count += s->count;
		all.min = s->min < all.min ? s->min : all.min;
		all.max = s->max > all.max ? s->max : all.max;
		all.sum += s->sum;
		all.squares += s->squares;
	}
	if (!all.count)
		return (struct augment_stats){0};
	mean = all.sum / (double)all.count;
	variance = all.squares / (double)all.count - mean * mean;
	return (struct augment_stats){all.count, all.min, all.max, mean, variance > 0 ? sqrt(variance) : 0};
}

/* -- value by value -- */

CLONES static void linear(float *v, int64_t n, float mul, float add)
{
	for (int64_t i = 0; i < n; i++)
		v[i] = v[i] * mul + add;
}

void augment_linear(float *v, int64_t n, double mul, double add)
{
	FOR_PARTS(n)
		linear(v + AT(n), COUNT(n), (float)mul, (float)add);
}

CLONES static void stretch(float *v, int64_t n, float mean, float factor, float min, float max)
{
	for (int64_t i = 0; i < n; i++) {
		float x = (v[i] - mean) * factor + mean;

		x = x < min ? min : x;
		v[i] = x > max ? max : x;
	}
}

void augment_contrast(float *v, const int64_t size[3], double factor, int keep_range)
{
	int64_t n = size[0] * size[1] * size[2];
	struct augment_stats s = augment_stats(v, n);

	if (!s.count)
		return;
	FOR_PARTS(n)
		stretch(v + AT(n), COUNT(n), (float)s.mean, (float)factor, keep_range ? s.min : -INFINITY, keep_range ? s.max : INFINITY);
}

/* from + ((v - from) / range)^gamma range, v cut to min..max: with from = max and a negative range it is that of the inverted image. */
CLONES static void power(float *v, int64_t n, float min, float max, float from, float range, float gamma)
{
	float scale = 1 / range;

	for (int64_t i = 0; i < n; i++) {
		float x = v[i], t, y;

		t = x > min ? x : min; /* NaN too */
		t = t > max ? max : t;
		t = (t - from) * scale;
		y = math_exp2(gamma * math_log2(t + 1e-37f)); /* no branch for 0 */
		y = t == 0 ? 0 : y;
		v[i] = x == x ? y * range + from : x;
	}
}

void augment_gamma(float *v, const int64_t size[3], double gamma, int invert, int keep_stats)
{
	int64_t n = size[0] * size[1] * size[2];
	struct augment_stats s = augment_stats(v, n), now;
	float range = s.max - s.min;
	double mul;

	if (!(range > 0) || isinf(range) || isinf(1 / range))
		return;
	FOR_PARTS(n)
		power(v + AT(n), COUNT(n), s.min, s.max, invert ? s.max : s.min, invert ? -range : range, (float)gamma);
	if (!keep_stats)
		return;
	now = augment_stats(v, n);
	mul = s.sd / fmax(now.sd, 1e-7);
	augment_linear(v, n, mul, s.mean - now.mean * mul);
}

void augment_dropout(float *v, const int64_t size[3], const int64_t box[6], double fill)
{
	for (int64_t z = box[2]; z < box[2] + box[5]; z++)
		for (int64_t y = box[1]; y < box[1] + box[4]; y++)
			for (int64_t x = box[0]; x < box[0] + box[3]; x++)
				v[(z * size[1] + y) * size[0] + x] = (float)fill;
}
