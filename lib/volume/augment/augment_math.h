/* Elementary functions in single precision for loops over voxels: without a branch, so that compilers make vectors of them; the same bits
   everywhere. Series are Taylor's. */
#ifndef NIIPIPE_AUGMENT_MATH_H
#define NIIPIPE_AUGMENT_MATH_H

#include <stdint.h>
#include <string.h>

/* The whole number next to x, halves to even; |x| < 2^22. */
static inline float math_round(float x)
{
	const float magic = 12582912.0f; /* 1.5 2^23 */

	return (x + magic) - magic;
}

/* log2 of a normal x > 0, to 2e-7 + 1e-7 |result|: 2 artanh((m - 1) / (m + 1)) / ln 2 for a mantissa m about 1. */
static inline float math_log2(float x)
{
	int32_t bits, e;
	float m, z, q;

	memcpy(&bits, &x, sizeof bits);
	e = (bits - 0x3f3504f3) >> 23; /* the bits of sqrt(1/2) */
	bits -= e * (1 << 23);
	memcpy(&m, &bits, sizeof m);
	z = (m - 1) / (m + 1);
	q = z * z;
	return (float)e + z * (2.885390082f + q * (0.961796694f + q * (0.577078016f + q * (0.412198583f + q * 0.320598898f))));
}

/* 2^x for x <= 127, to 2e-7 of it; below -126 the result is that of -126. */
static inline float math_exp2(float x)
{
	float n, f, y;
	int32_t bits;

	x = x > -126 ? x : -126;
	n = math_round(x);
	f = x - n;
	y = 1 + f * (0.693147181f + f * (0.240226507f + f * (0.0555041087f + f * (9.61812911e-3f + f * (1.33335581e-3f + f * 1.54035304e-4f)))));
	memcpy(&bits, &y, sizeof bits);
	bits += (int32_t)n * (1 << 23);
	memcpy(&y, &bits, sizeof y);
	return y;
}

/* Sine and cosine of t turns, 0 <= t <= 1, to 2e-7: the series of an eighth of a turn, in its quadrant. */
static inline void math_turn(float t, float *sine, float *cosine)
{
	float n = math_round(4 * t), x = (t - n * 0.25f) * 6.283185307f, q = x * x;
	float s = x * (1 + q * (-0.166666667f + q * (8.33333333e-3f + q * (-1.98412698e-4f + q * 2.75573192e-6f))));
	float c = 1 + q * (-0.5f + q * (0.0416666667f + q * (-1.38888889e-3f + q * 2.48015873e-5f)));
	int32_t k = (int32_t)n;
	float a = k & 1 ? c : s, b = k & 1 ? s : c;

	*sine = k & 2 ? -a : a;
	*cosine = (k + 1) & 2 ? -b : b;
}

#endif
