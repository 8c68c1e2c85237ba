/* Vectors of the level's width, through gcc's vector extensions, and elements: what activations are made of. Elements are floats or, with K_HALF,
   bfloat16, the upper half of a float; the arithmetic is in floats always. */
#ifndef NIIPIPE_VEC_H
#define NIIPIPE_VEC_H

#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

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

/* p is in a register of its own, not built of others' sums. */
#define KEEP_ADDRESS(p) __asm__("" : "+r"(p))

typedef struct { uint16_t bits; } bf16;
#ifdef K_HALF
typedef bf16 elem;
#else
typedef float elem;
#endif
typedef uint32_t words __attribute__((vector_size(VL * 4), may_alias));
typedef uint16_t halves __attribute__((vector_size(VL * 2), aligned(2), may_alias));

INLINE vec load_floats(const float *p)
{
	return *(const uvec *)p;
}

INLINE void store_floats(float *p, vec v)
{
	*(uvec *)p = v;
}

/* VL halves, each in the lower half of a word. gcc 12 takes the general expression apart where vectors are of 64 bytes. */
INLINE words lower_halves(const bf16 *p)
{
#ifdef __AVX512F__
	return (words)_mm512_cvtepu16_epi32(*(const __m256i_u *)p);
#else
	return __builtin_convertvector(*(const halves *)p, words);
#endif
}

INLINE vec load_halves(const bf16 *p)
{
	return (vec)(lower_halves(p) << 16);
}

/* The upper halves are the nearest bfloat16, ties to even; what is no number stays none. */
INLINE words rounded(vec v)
{
	words u = (words)v, nan = (words)(v != v);

	return ((u + 0x7fff + (u >> 16 & 1)) & ~nan) | ((u | 0x400000) & nan);
}

INLINE halves to_halves(vec v)
{
#ifdef __AVX512BF16__
	return (halves)_mm512_cvtneps_pbh((__m512)v);
#else
	return __builtin_convertvector(rounded(v) >> 16, halves);
#endif
}

INLINE void store_halves(bf16 *p, vec v)
{
	*(halves *)p = to_halves(v);
}

INLINE float bf16_value(bf16 h)
{
	uint32_t u = (uint32_t)h.bits << 16;
	float f;

	memcpy(&f, &u, sizeof f);
	return f;
}

INLINE bf16 bf16_of(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof u);
	return (bf16){(uint16_t)((f != f ? u | 0x400000 : u + 0x7fff + (u >> 16 & 1)) >> 16)};
}

/* load, store: VL floats or elements, whatever p points to; load_one, store_one: the first alone. */
#define load(p) _Generic((p), bf16 *: load_halves, const bf16 *: load_halves, float *: load_floats, const float *: load_floats)(p)
#define store(p, v) _Generic((p), bf16 *: store_halves, float *: store_floats)(p, v)
#define load_one(p) ((vec){_Generic(*(p), bf16: bf16_value, float: float_value)(*(p))})
#define store_one(p, v) (*(p) = _Generic(*(p), bf16: bf16_of, float: float_value)((v)[0]))

INLINE float float_value(float f)
{
	return f;
}

#ifdef K_HALF
#define widen bf16_value
#define narrow bf16_of
#else
#define widen float_value
#define narrow float_value
#endif

/* HALF elements, where vectors are so wide that it pays; 0: there are none */
#ifdef __AVX512F__
enum { HALF = VL / 2 };

INLINE vec load_half_floats(const float *p)
{
	return (vec)_mm512_zextps256_ps512(_mm256_loadu_ps(p));
}

INLINE void store_half_floats(float *p, vec v)
{
	_mm256_storeu_ps(p, _mm512_castps512_ps256((__m512)v));
}

INLINE vec load_half_halves(const bf16 *p)
{
	return (vec)((words)_mm512_cvtepu16_epi32(_mm256_zextsi128_si256(*(const __m128i_u *)p)) << 16);
}

INLINE void store_half_halves(bf16 *p, vec v)
{
	*(__m128i_u *)p = _mm256_castsi256_si128((__m256i)to_halves(v));
}

INLINE vec high_half(vec v)
{
	return (vec)_mm512_shuffle_f32x4((__m512)v, (__m512)v, 0xee);
}

#define load_half(p) \
	_Generic((p), bf16 *: load_half_halves, const bf16 *: load_half_halves, float *: load_half_floats, const float *: load_half_floats)(p)
#define store_half(p, v) _Generic((p), bf16 *: store_half_halves, float *: store_half_floats)(p, v)
#else
enum { HALF = 0 };
#define load_half(p) load(p)
#define store_half(p, v) store(p, v)
#endif

/* nv vectors at p count as one; nv -1: HALF elements, nv 0: one element, which go through the same code as a vector whose others are nothing */
#define load_some(p, nv) ((nv) > 0 ? load(p) : (nv) < 0 ? load_half(p) : load_one(p))
#define store_some(p, v, nv) ((nv) > 0 ? store(p, v) : (nv) < 0 ? store_half(p, v) : (void)store_one(p, v))

/* Two vectors' elements by their numbers, for two vectors: for halving sums pairs of `step` neighbours a0 b0 a1 b1 ..., as the machine's unpacks have
   them */
#if VL_ == 16
#define SHUFFLE_1 (0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29), (2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define SHUFFLE_2 (0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29), (2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define SHUFFLE_4 (0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27), (4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define SHUFFLE_8 (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), (8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#elif VL_ == 8
#define SHUFFLE_1 (0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)
#define SHUFFLE_2 (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)
#define SHUFFLE_4 (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)
#else
#define SHUFFLE_1 (0, 4, 1, 5), (2, 6, 3, 7)
#define SHUFFLE_2 (0, 1, 4, 5), (2, 3, 6, 7)
#endif
/* Two vectors' elements in turn: the first VL, the others */
#if VL_ == 16
#define IN_TURN (0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), (8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VL_ == 8
#define IN_TURN (0, 8, 1, 9, 2, 10, 3, 11), (4, 12, 5, 13, 6, 14, 7, 15)
#else
#define IN_TURN (0, 4, 1, 5), (2, 6, 3, 7)
#endif
/* Elements of even places, of odd ones: a0 b0 a2 b2 ... */
#if VL_ == 16
#define TURNED (0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30), (1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#elif VL_ == 8
#define TURNED (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)
#else
#define TURNED (0, 4, 2, 6), (1, 5, 3, 7)
#endif
#ifdef __clang__
#define SHUFFLED_(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int ivec __attribute__((vector_size(VL * 4)));
#define SHUFFLED_(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif
#define NUMBERS_(...) __VA_ARGS__
#define SHUFFLED(a, b, numbers) SHUFFLED__(a, b, NUMBERS_ numbers)
#define SHUFFLED__(a, b, ...) SHUFFLED_(a, b, __VA_ARGS__)
#define SHUFFLE_BOTH_(to, a, b, lo, hi) ((to)[0] = SHUFFLED(a, b, lo), (to)[1] = SHUFFLED(a, b, hi))
#define SHUFFLE_BOTH(to, a, b, ...) SHUFFLE_BOTH_(to, a, b, __VA_ARGS__)

#define ADD_HALVES_(a, b, lo, hi) (SHUFFLED(a, b, lo) + SHUFFLED(a, b, hi))
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

/* The same, halves of a vector added to each other, as vmath.h's vec_total adds them */
INLINE vec vec_totals(vec v[VL])
{
#if VL_ >= 16
	UNROLL for (int i = 0; i < 8; i++)
		v[i] = ADD_HALVES(v[i], v[i + 8], SHUFFLE_8);
#endif
#if VL_ >= 8
	UNROLL for (int i = 0; i < 4; i++)
		v[i] = ADD_HALVES(v[i], v[i + 4], SHUFFLE_4);
#endif
	UNROLL for (int i = 0; i < 2; i++)
		v[i] = ADD_HALVES(v[i], v[i + 2], SHUFFLE_2);
	return ADD_HALVES(v[0], v[1], TURNED);
}

#endif
