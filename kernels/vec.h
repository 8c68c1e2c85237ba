/* Vectors of the level's width, through gcc's vector extensions. */
#ifndef NIIPIPE_VEC_H
#define NIIPIPE_VEC_H

#if defined(__AVX512F__)
#define VL_ 16
#elif defined(__AVX__)
#define VL_ 8
#else
#define VL_ 4
#endif
enum { VL = VL_ }; /* floats */
typedef float vec __attribute__((vector_size(VL * 4)));
typedef float uvec __attribute__((vector_size(VL * 4), aligned(4), may_alias)); /* in memory, anywhere */

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* v is in a register from here on, not read from memory at every use. */
#if defined(__x86_64__)
#define KEEP(v) __asm__("" : "+v"(v))
#else
#define KEEP(v) ((void)(v))
#endif

INLINE vec load(const float *p)
{
	return *(const uvec *)p;
}

INLINE void store(float *p, vec v)
{
	*(uvec *)p = v;
}

/* Masks of two vectors a, b for halving sums: pairs of `step` neighbours a0 b0 a1 b1 ... of a and b, as the machine's unpacks have them. */
typedef int ivec __attribute__((vector_size(VL * 4)));
#if VL_ == 16
#define SHUFFLE_1 ((ivec){0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29}), ((ivec){2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, \
	15, 31})
#define SHUFFLE_2 ((ivec){0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29}), ((ivec){2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, \
	30, 31})
#define SHUFFLE_4 ((ivec){0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27}), ((ivec){4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, \
	30, 31})
#define SHUFFLE_8 ((ivec){0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23}), ((ivec){8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, \
	30, 31})
#elif VL_ == 8
#define SHUFFLE_1 ((ivec){0, 8, 1, 9, 4, 12, 5, 13}), ((ivec){2, 10, 3, 11, 6, 14, 7, 15})
#define SHUFFLE_2 ((ivec){0, 1, 8, 9, 4, 5, 12, 13}), ((ivec){2, 3, 10, 11, 6, 7, 14, 15})
#define SHUFFLE_4 ((ivec){0, 1, 2, 3, 8, 9, 10, 11}), ((ivec){4, 5, 6, 7, 12, 13, 14, 15})
#else
#define SHUFFLE_1 ((ivec){0, 4, 1, 5}), ((ivec){2, 6, 3, 7})
#define SHUFFLE_2 ((ivec){0, 1, 4, 5}), ((ivec){2, 3, 6, 7})
#endif
#define ADD_HALVES_(a, b, lo, hi) (__builtin_shuffle(a, b, lo) + __builtin_shuffle(a, b, hi))
#define ADD_HALVES(a, b, ...) ADD_HALVES_(a, b, __VA_ARGS__)

/* Sum of every one of VL vectors */
INLINE vec vec_sums(vec v[VL])
{
	UNROLL for (int i = 0; i < VL / 2; i++)
		v[i] = ADD_HALVES(v[2 * i], v[2 * i + 1], SHUFFLE_1);
	UNROLL for (int i = 0; i < VL / 4; i++)
		v[i] = ADD_HALVES(v[2 * i], v[2 * i + 1], SHUFFLE_2);
#if VL_ >= 8
	UNROLL for (int i = 0; i < VL / 8; i++)
		v[i] = ADD_HALVES(v[2 * i], v[2 * i + 1], SHUFFLE_4);
#endif
#if VL_ >= 16
	v[0] = ADD_HALVES(v[0], v[1], SHUFFLE_8);
#endif
	return v[0];
}

#endif
