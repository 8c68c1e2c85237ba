/* Slots: what products multiply, the size of a float: PAIR elements that are neighbours along the sum. A processor with AVX512-BF16 multiplies and
   adds both of bf16's at once; elsewhere they become floats. */
#ifndef NIIPIPE_SLOT_H
#define NIIPIPE_SLOT_H

#include "kernels/vec.h"

#ifdef K_HALF
enum { PAIR = 2 };
typedef struct { bf16 of[2]; } slot; /* the first in the lower half */
typedef words slots;
#else
enum { PAIR = 1 };
typedef float slot;
typedef vec slots;
#endif
typedef slots uslots __attribute__((aligned(2), may_alias));

INLINE slots load_slots(const slot *p)
{
	return *(const uslots *)p;
}

INLINE void store_slots(slot *p, slots s)
{
	*(uslots *)p = s;
}

INLINE slots spread_slot(const slot *p)
{
#ifdef K_HALF
	uint32_t u;

	memcpy(&u, p, sizeof u);
	return u - (slots){0};
#else
	return *p - (slots){0};
#endif
}

/* sum + the products of every slot's elements */
INLINE vec multiply_add(vec sum, slots a, slots b)
{
#ifndef K_HALF
	return sum + a * b;
#elif defined(__AVX512BF16__)
	return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
	return sum + (vec)(a << 16) * (vec)(b << 16) + (vec)(a & 0xffff0000) * (vec)(b & 0xffff0000);
#endif
}

#if VL_ == 16
/* The lower half of a's slots, the upper of b's */
INLINE slots both_halves(slots a, slots b)
{
	return (slots)_mm512_mask_blend_epi32(0xff00, (__m512i)a, (__m512i)b);
}
#endif

/* Slots of VL elements at a and, where there are pairs, those at b (NULL: 0); and of one. */
INLINE slots pair(const elem *a, const elem *b)
{
#ifdef K_HALF
	slots low = lower_halves(a);

	if (b)
		low |= lower_halves(b) << 16;
	return low;
#else
	(void)b;
	return load(a);
#endif
}

INLINE slot pair_one(const elem *a, const elem *b)
{
#ifdef K_HALF
	return (slot){{*a, b ? *b : (bf16){0}}};
#else
	(void)b;
	return *a;
#endif
}

/* Of the elements at p, of which there are n */
INLINE slot one_slot(const elem *p, int64_t n)
{
#ifdef K_HALF
	return (slot){{p[0], n > 1 ? p[1] : (bf16){0}}};
#else
	(void)n;
	return *p;
#endif
}

/* Slots of PAIR neighbours */
INLINE slots join(const vec v[PAIR])
{
#if defined(K_HALF) && defined(__AVX512BF16__)
	const words turn = {0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007, 0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c,
		0x1d000d, 0x1e000e, 0x1f000f};

	return (words)_mm512_permutexvar_epi16((__m512i)turn, (__m512i)_mm512_cvtne2ps_pbh((__m512)v[1], (__m512)v[0]));
#elif defined(K_HALF)
	return rounded(v[0]) >> 16 | (rounded(v[1]) & 0xffff0000);
#else
	return v[0];
#endif
}

#endif
