/* AMX's tiles: 8 registers of 16 rows of 64 bytes. A product takes as long as its first tile has rows, whatever the others' sizes. */
#ifndef NIIPIPE_AMX_H
#define NIIPIPE_AMX_H

#include "kernels/onednn.h"
#include "kernels/vec.h"

#if defined(K_HALF) && defined(__AVX512BF16__) && defined(__linux__)
#define HAS_AMX 1

/* Rows of a tile at most; floats and pairs of bf16 of a row */
enum { SIDE = 16 };

struct amx_tiles { uint8_t palette, start, zero[14]; uint16_t bytes[16]; uint8_t rows[16]; } __attribute__((aligned(64)));

INLINE void amx_configure(const struct amx_tiles *t)
{
	__asm__ volatile("ldtilecfg %0" : : "m"(*t) : "memory");
}

INLINE void amx_release(void)
{
	__asm__ volatile("tilerelease");
}

/* Registers are literal numbers; step: bytes from row to row. MULTIPLY: sum [m][n] of floats += a [m][pair of k] b [pair of k][n][of two] */
#define TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : : : "memory")
#define TILE_LOAD(tile, p, step) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(p), "r"(step) : "memory")
#define TILE_STORE(tile, p, step) __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(p), "r"(step) : "memory")
#define TILE_MULTIPLY(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : : : "memory")

/* The first n of a vector, or all */
INLINE __mmask16 amx_first(int64_t n)
{
	return (__mmask16)(n < SIDE ? (1 << n) - 1 : 0xffff);
}

/* 16 vectors of 16 words: rows become columns. */
INLINE void amx_transpose(__m512i r[SIDE])
{
	__m512i t[SIDE];

	UNROLL for (int i = 0; i < SIDE; i += 2)
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	UNROLL for (int i = 0; i < SIDE; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]), r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]), r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL for (int i = 0; i < 4; i++) {
		__m512i a = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		__m512i c = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88), d = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);

		t[i] = _mm512_shuffle_i32x4(a, c, 0x88), t[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
		t[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88), t[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
	}
	memcpy(r, t, sizeof t);
}

#endif
#endif
