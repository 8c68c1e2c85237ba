/* Vectors: choice; exp and log to a few units in the last place: Cephes' expf and logf (S. L. Moshier), without their special cases. */
#ifndef NIIPIPE_VMATH_H
#define NIIPIPE_VMATH_H

#include <stdint.h>

#include "kernels/vec.h"

typedef int32_t ints __attribute__((vector_size(VL * 4), may_alias));

INLINE vec vec_choose(ints mask, vec a, vec b) /* mask (all bits or none) ? a : b */
{
	return (vec)(((ints)a & mask) | ((ints)b & ~mask));
}

INLINE vec vec_larger(vec a, vec b)
{
#ifdef __AVX512F__
	return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
	return vec_choose(a > b, a, b);
#endif
}

/* The sum of a vector's elements, halves of it added to each other; the largest of them */
INLINE float vec_total(vec v)
{
#ifdef __AVX512F__
	return _mm512_reduce_add_ps((__m512)v);
#else
	float s[VL];

	store(s, v);
	for (int n = VL / 2; n; n /= 2)
		for (int i = 0; i < n; i++)
			s[i] += s[i + n];
	return s[0];
#endif
}

INLINE float vec_most(vec v)
{
#ifdef __AVX512F__
	return _mm512_reduce_max_ps((__m512)v);
#else
	float s[VL], most;

	store(s, v);
	most = s[0];
	for (int i = 1; i < VL; i++)
		most = s[i] > most ? s[i] : most;
	return most;
#endif
}

/* 2^x, x at most 127; below -125 the result is that of -125. Relative error below 2e-7: 1 and the five powers for which it is least. */
#define VEC_LOG2E 1.44269504088896341f

INLINE vec vec_exp2(vec x)
{
	const vec magic = (vec){0} + 12582912.0f; /* 1.5 2^23: adding it rounds to a whole number, which is then in the low bits */
	vec n, y;

	x = vec_larger(x, (vec){0} - 125.0f);
	n = x + magic;
	x -= n - magic;
	y = x * 1.3276471993e-3f + 9.6755413344e-3f;
	y = y * x + 5.5507132735e-2f;
	y = y * x + 2.4022119724e-1f;
	y = y * x + 6.9314696706e-1f;
	y = y * x + 1.0f;
	return (vec)((ints)y + ((ints)n << 23));
}

/* x in [-inf, 88]; below -87 the result is that of -87 */
INLINE vec vec_exp(vec x)
{
	const vec magic = (vec){0} + 12582912.0f; /* as in vec_exp2 */
	vec n, r, y;

	x = vec_larger(x, (vec){0} - 87.0f);
	n = x * 1.44269504088896341f + magic;
	r = n - magic;
	x = x - r * 0.693359375f + r * 2.12194440e-4f;
	y = x * 1.9875691500e-4f + 1.3981999507e-3f;
	y = y * x + 8.3334519073e-3f;
	y = y * x + 4.1665795894e-2f;
	y = y * x + 1.6666665459e-1f;
	y = y * x + 5.0000001201e-1f;
	y = y * (x * x) + x + 1.0f;
	return y * (vec)((((ints)n - (ints)magic) + 127) << 23);
}

/* x > 0, normal */
INLINE vec vec_log(vec x)
{
	ints bits = (ints)x, e = ((bits >> 23) & 255) - 126, small;
	vec m = (vec)((bits & 0x007fffff) | 0x3f000000), n, z, y; /* [0.5, 1) */

	small = m < 0.707106781186547524f;
	e += small; /* a true comparison is -1 */
	m = vec_choose(small, m + m, m) - 1.0f;
	n = __builtin_convertvector(e, vec);
	z = m * m;
	y = m * 7.0376836292e-2f - 1.1514610310e-1f;
	y = y * m + 1.1676998740e-1f;
	y = y * m - 1.2420140846e-1f;
	y = y * m + 1.4249322787e-1f;
	y = y * m - 1.6668057665e-1f;
	y = y * m + 2.0000714765e-1f;
	y = y * m - 2.4999993993e-1f;
	y = y * m + 3.3333331174e-1f;
	y = y * m * z - n * 2.12194440e-4f - z * 0.5f;
	return m + y + n * 0.693359375f;
}

/* s: sigmoid(z); cost: -log s, exact also near 0; down: (1 - s)^gamma */
struct vec_logistic { vec s, cost, down; };

INLINE struct vec_logistic vec_logistic(vec z, const float gamma)
{
	const vec zero = {0}, one = zero + 1;
	ints above = z > zero;
	vec e = vec_exp(vec_choose(above, -z, z)), u = one + e, more = vec_choose(u > one, vec_log(u) * (e / (u - one)), e);
	struct vec_logistic r = {.s = vec_choose(above, one, e) / u, .cost = more + vec_choose(above, zero, -z), .down = one};

	if (gamma > 0)
		r.down = vec_exp(-gamma * (r.cost + z));
	return r;
}

#endif
