/* Window attention, forward, where the processor multiplies pairs of bf16: queries and keys as slots of two channels, weights and values as pairs of
   neighbouring keys. Scores, in powers of 2, are never in memory: a whole number `top` that is surely near the largest of a query is known before
   them, so that 2^(score - top) is taken where the products leave them. Weights are rounded to bf16, and their sum is that of the rounded ones. */
#include "kernels/attention.h"

#if ATTENTION_PAIRS
#include <math.h>
#include <string.h>

#include "kernels/slot.h"

enum { KEYS = 2 * VL, FEW = VL / ROWS /* channels summed up at once */ };
#define BELOW 30.0f /* powers of 2 from the bound of a query's scores down to its top; */
#define SURE 90.0f  /* where the bound is so much above the largest score at most. Else that one is looked for. */
#define MAGIC 12582912.0f /* 1.5 2^23: adding it rounds to a whole number, which is then in the low bits */

/* 2^(score - top), lift: MAGIC - top; below 2^-125 it is about that. Relative error below 1e-4: the four powers for which it is least. */
INLINE vec power(vec score, vec lift)
{
	vec n = score + lift, x = score - (n - lift), y;
	__m512i whole = _mm512_max_epi32((__m512i)n, _mm512_set1_epi32(0x4b400000 - 125)); /* MAGIC's bits */

	y = x * 5.51716648e-2f + 2.42611170e-1f;
	y = y * x + 6.93260968e-1f;
	y = y * x + 9.99928057e-1f;
	return (vec)_mm512_add_epi32((__m512i)y, _mm512_slli_epi32(whole, 23));
}

/* A head's channels of every token as rows of whole slots; padding has the bias alone. */
INLINE void take_rows(const struct att *a, const struct room *r, const elem *x, const float *bias, const int64_t hd)
{
	elem *to = (elem *)r->rows;

	for (int64_t i = 0; i < a->t; i++, to += (hd + 1) / 2 * 2)
		if (r->vox[i] >= 0)
			memcpy(to, x + r->vox[i] * 3 * a->g->c, sizeof *to * (size_t)hd);
		else
			for (int64_t d = 0; d < hd; d++)
				to[d] = narrow(bias ? bias[d] : 0);
}

/* [slot][tp] of queries or keys: the squares of all tokens' lengths */
INLINE void squares(const struct att *a, const float *from, float *to, const int64_t columns)
{
	for (int64_t j = 0; j < a->tp; j += VL) {
		vec sum = {0};

		for (int64_t s = 0; s < columns; s++) {
			slots x = load_slots((const slot *)from + s * a->tp + j);

			sum = multiply_add(sum, x, x);
		}
		store(to + j, sum);
	}
}

/* Queries become such that their products with keys are scores. */
INLINE void scale(const struct att *a, float *at, const int64_t columns)
{
	const float unit = a->g->scale * VEC_LOG2E;

	for (int64_t i = 0; i < columns * a->tp; i += VL) {
		slots x = load_slots((slot *)at + i);

		store_slots((slot *)at + i, join((vec[]){(vec)(x << 16) * unit, (vec)(x & 0xffff0000) * unit}));
	}
}

/* [slot][tp] to [channel][tp] */
INLINE void split(const struct att *a, const float *from, elem *to, const int64_t columns)
{
	for (int64_t s = 0; s < columns; s++, to += 2 * a->tp)
		for (int64_t j = 0; j < a->tp; j += VL) {
			slots x = load_slots((const slot *)from + s * a->tp + j);

			_mm256_storeu_si256((__m256i *)(to + j), _mm512_cvtepi32_epi16((__m512i)x));
			_mm256_storeu_si256((__m256i *)(to + a->tp + j), _mm512_cvtepi32_epi16((__m512i)(x >> 16)));
		}
}

/* How far the scores of every query go, bias apart: as far as the lengths of query and longest key allow */
static void reach(const struct att *a, struct room *r)
{
	float longest = 0;

	for (int64_t j = 0; j < a->tp; j++)
		longest = r->p[j] > longest ? r->p[j] : longest;
	longest = sqrtf(longest);
	for (int64_t j = 0; j < a->tp; j++)
		r->reach[j] = sqrtf(r->reach[j]) * longest;
}

INLINE void take(const struct att *a, const struct k_attention_args *x, int64_t head, struct room *r, const int64_t hd)
{
	const int64_t c = a->g->c, columns = (hd + 1) / 2;
	const elem *from = (const elem *)x->qkv + head * hd;
	const float *bias = x->bias ? x->bias + head * hd : NULL;
	float *const to[3] = {r->q, r->kt, r->v};

	for (int i = 0; i < 3; i++) {
		take_rows(a, r, from + i * c, bias ? bias + i * c : NULL, hd);
		K(att_turn)(r->rows, to[i], a->tp, columns);
	}
	scale(a, r->q, columns);
	squares(a, r->q, r->reach, columns), squares(a, r->kt, r->p, columns);
	reach(a, r);
	split(a, r->v, (elem *)r->vt, columns);
}

/* ROWS queries against all keys */
struct call {
	const slot *q, *k; /* [slot][tp], of the first query */
	const float *bias, *region, *own; /* own: the queries' regions */
	slot *p;           /* [ROWS][tp / 2] */
	int64_t tp;
};

/* Scores of KEYS keys from j on */
INLINE void score(const struct call *a, int64_t j, vec s[ROWS][2], const int64_t columns, const int mixed)
{
	const slot *q = a->q, *k = a->k + j;

	UNROLL for (int i = 0; i < ROWS; i++)
		s[i][0] = load(a->bias + i * a->tp + j), s[i][1] = load(a->bias + i * a->tp + j + VL);
	for (int64_t c = 0; c < columns; c++, q += a->tp, k += a->tp) {
		slots k0 = load_slots(k), k1 = load_slots(k + VL);

		UNROLL for (int i = 0; i < ROWS; i++) {
			slots x = spread_slot(q + i);

			s[i][0] = multiply_add(s[i][0], x, k0), s[i][1] = multiply_add(s[i][1], x, k1);
		}
	}
	UNROLL for (int i = 0; i < ROWS && mixed; i++)
		UNROLL for (int v = 0; v < 2; v++) {
			const __mmask16 apart = _mm512_cmp_ps_mask((__m512)load(a->region + j + v * VL), _mm512_set1_ps(a->own[i]), _CMP_NEQ_UQ);

			s[i][v] = (vec)_mm512_mask_sub_ps((__m512)s[i][v], apart, (__m512)s[i][v], _mm512_set1_ps(ATTENTION_MASKED * VEC_LOG2E));
		}
}

/* Each query's MAGIC - top, where the bound says too little */
INLINE void look(const struct call *a, float lift[ROWS], const int64_t columns, const int mixed)
{
	vec most[ROWS];

	UNROLL for (int i = 0; i < ROWS; i++)
		most[i] = (vec){0} - INFINITY;
	for (int64_t j = 0; j < a->tp; j += KEYS) {
		vec s[ROWS][2];

		score(a, j, s, columns, mixed);
		UNROLL for (int i = 0; i < ROWS; i++)
			most[i] = vec_larger(vec_larger(s[i][0], s[i][1]), most[i]);
	}
	for (int i = 0; i < ROWS; i++)
		lift[i] = MAGIC - ceilf(vec_most(most[i]));
}

/* p: 2^(score - top), and 1 / their sums */
INLINE void weights(const struct call *a, const float lift[ROWS], float inverse[ROWS], const int64_t columns, const int mixed)
{
	const slots ones = (slots){0} + 0x3f803f80;
	vec sum[ROWS];

	UNROLL for (int i = 0; i < ROWS; i++)
		sum[i] = (vec){0};
	for (int64_t j = 0; j < a->tp; j += KEYS) {
		vec s[ROWS][2];

		score(a, j, s, columns, mixed);
		UNROLL for (int i = 0; i < ROWS; i++) {
			const vec high = power(s[i][1], lift[i] - (vec){0}), low = power(s[i][0], lift[i] - (vec){0});
			const slots p = (slots)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);

			store_slots(a->p + (i * a->tp + j) / 2, p);
			sum[i] = multiply_add(sum[i], p, ones);
		}
	}
	UNROLL for (int i = 0; i < ROWS; i++)
		inverse[i] = 1 / vec_total(sum[i]);
}

/* o[i][d] = sum over the keys of p[i][key] vt[d][key] */
INLINE void weigh(const struct att *a, const struct room *r, const int64_t hd)
{
	const int64_t pitch = a->tp / 2;
	const slot *p = (const slot *)r->p, *v = (const slot *)r->vt;

	for (int64_t d = 0; d < hd; d += FEW, v += FEW * pitch) {
		vec s[VL];
		float sums[VL];

		UNROLL for (int i = 0; i < VL; i++)
			s[i] = (vec){0};
		for (int64_t j = 0; j < pitch; j += VL) {
			slots x[ROWS];

			UNROLL for (int i = 0; i < ROWS; i++)
				x[i] = load_slots(p + i * pitch + j);
			UNROLL for (int k = 0; k < FEW; k++) {
				slots y = load_slots(v + k * pitch + j);

				UNROLL for (int i = 0; i < ROWS; i++)
					s[i * FEW + k] = multiply_add(s[i * FEW + k], x[i], y);
			}
		}
		store(sums, vec_sums(s));
		for (int i = 0; i < ROWS; i++)
			memcpy(r->o + i * a->hp + d, sums + i * FEW, FEW * sizeof *sums);
	}
}

INLINE void leave(const float *o, float factor, elem *y, const int64_t hd)
{
	int64_t d = 0;

	for (; d + VL <= hd; d += VL)
		store(y + d, load(o + d) * factor);
	if (d + HALF <= hd)
		store_half(y + d, load(o + d) * factor), d += HALF;
	for (; d < hd; d++)
		y[d] = narrow(o[d] * factor);
}

INLINE void queries(const struct att *a, const struct room *r, int64_t row, float inverse[ROWS], const int64_t columns, const int mixed)
{
	const struct call c = {(const slot *)r->q + row, (const slot *)r->kt, r->bias + row * a->tp, r->region, r->region + row, (slot *)r->p, a->tp};
	float lift[ROWS];
	int sure = 1;

	for (int i = 0; i < ROWS; i++) {
		lift[i] = MAGIC - ceilf(r->reach[row + i] + r->most - BELOW);
		sure &= 2 * r->reach[row + i] + r->most - r->least <= SURE;
	}
	if (!sure)
		look(&c, lift, columns, mixed);
	weights(&c, lift, inverse, columns, mixed);
}

INLINE void window(const struct att *a, const struct k_attention_args *x, int64_t head, struct room *r, elem *y, const int64_t hd)
{
	take(a, x, head, r, hd);
	for (int64_t row = 0; row < a->t; row += ROWS) {
		float inverse[ROWS];

		K(att_fetch)(a, r, x->qkv, head, row);
		if (r->mixed)
			queries(a, r, row, inverse, (hd + 1) / 2, 1);
		else
			queries(a, r, row, inverse, (hd + 1) / 2, 0);
		weigh(a, r, hd);
		for (int64_t i = 0; i < ROWS && row + i < a->t; i++)
			if (r->vox[row + i] >= 0)
				leave(r->o + i * a->hp, inverse[i], y + r->vox[row + i] * a->g->c + head * hd, hd);
	}
}

void K(att_pairs)(const struct att *a, const struct k_attention_args *x, int64_t head, struct room *r, void *y)
{
	if (a->hd == 8)
		window(a, x, head, r, y, 8);
	else if (a->hd == 16)
		window(a, x, head, r, y, 16);
	else
		window(a, x, head, r, y, a->hd);
}
#endif
