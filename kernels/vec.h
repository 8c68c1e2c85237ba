/* Vectors of the level's width, through gcc's vector extensions. */
#ifndef NIIPIPE_VEC_H
#define NIIPIPE_VEC_H

#if defined(__AVX512F__)
enum { VL = 16 };
#elif defined(__AVX__)
enum { VL = 8 };
#else
enum { VL = 4 };
#endif
typedef float vec __attribute__((vector_size(VL * 4), may_alias));
typedef float uvec __attribute__((vector_size(VL * 4), aligned(4), may_alias)); /* in memory, anywhere */

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE vec load(const float *p)
{
	return *(const uvec *)p;
}

INLINE void store(float *p, vec v)
{
	*(uvec *)p = v;
}

INLINE float vec_sum(vec v)
{
	float s[VL];

	store(s, v);
	for (int n = VL / 2; n; n /= 2)
		for (int i = 0; i < n; i++)
			s[i] += s[i + n];
	return s[0];
}

#endif
