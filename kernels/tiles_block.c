/* The products of tiles of pairs: what A' makes along w of four elements is added up in registers, as cubes.c does along d: M(1) + M(2) + M(0) and
   M(1) - M(2) - M(3), the weights of M(3) being negative already. */
#include "kernels/tiles.h"

#if TILES_SUMMED

enum { ACCS = 12, HALVED = 8 /* tiles of a vector and half of one, whose halves come behind */ };

/* acc[p] += V U of element `first` or `second`, of all taps */
INLINE void multiply(const struct tiles_call *a, const int first, const int second, vec acc[2][ACCS], const int mr, const int nv, const int half)
{
	const int64_t nr = nv * VL;

	for (int64_t tap = 0; tap < a->taps; tap++) {
		const elem *x[2] = {a->v + first * a->vstep + tap * a->plane, a->v + second * a->vstep + tap * a->plane}, *end = x[0] + a->ci;
		const slot *w[2] = {a->w + first * a->wstep + tap * a->ci / PAIR * nr, a->w + second * a->wstep + tap * a->ci / PAIR * nr};

		for (; x[0] < end; x[0] += PAIR, x[1] += PAIR, w[0] += nr, w[1] += nr)
			UNROLL for (int p = 0; p < 2; p++) {
				slots w0 = load_slots(w[p]), w1 = nv > 1 ? load_slots(w[p] + VL) : w0;

				UNROLL for (int m = 0; m < mr; m += 1 + half) {
					slots b = spread_slot((const slot *)(x[p] + m * a->ci)), c = b;

					if (!half) {
						acc[p][m * nv] = multiply_add(acc[p][m * nv], b, w0);
						if (nv > 1)
							acc[p][m * nv + 1] = multiply_add(acc[p][m * nv + 1], b, w1);
						continue;
					}
					if (m + 1 < mr)
						c = spread_slot((const slot *)(x[p] + (m + 1) * a->ci));
					KEEP(b);
					KEEP(c);
					acc[p][m] = multiply_add(acc[p][m], b, w0), acc[p][m + 1] = multiply_add(acc[p][m + 1], c, w0);
					acc[p][HALVED + m / 2] = multiply_add(acc[p][HALVED + m / 2], both_halves(b, c), w1);
				}
			}
	}
}

INLINE void two_columns(const struct tiles_call *a, const int mr, const int nv, const int half)
{
	vec acc[2][ACCS];

	UNROLL for (int i = 0; i < ACCS; i++)
		acc[0][i] = acc[1][i] = (vec){0};
	multiply(a, 1, 2, acc, mr, nv, half);
	UNROLL for (int i = 0; i < ACCS; i++) {
		vec difference = acc[0][i] - acc[1][i];

		acc[0][i] += acc[1][i], acc[1][i] = difference;
	}
	multiply(a, 0, 3, acc, mr, nv, half);
	UNROLL for (int p = 0; p < 2; p++)
		UNROLL for (int m = 0; m < mr; m++) {
			float *to = a->m + p * a->column + m * nv * VL;

			if (half) {
				store(to, acc[p][m]);
				store_half(to + VL, m % 2 ? high_half(acc[p][HALVED + m / 2]) : acc[p][HALVED + m / 2]);
			}
			UNROLL for (int j = 0; j < nv && !half; j++)
				store(to + j * VL, acc[p][m * nv + j]);
		}
}

typedef void kernel(const struct tiles_call *a);
#define ONE(mr) static void one_##mr(const struct tiles_call *a) { two_columns(a, mr, 1, 0); }
#define TWO(mr) static void two_##mr(const struct tiles_call *a) { two_columns(a, mr, 2, 0); }
#define HALF_OF(mr) static void half_##mr(const struct tiles_call *a) { two_columns(a, mr, 2, 1); }
ONE(1) ONE(2) ONE(3) ONE(4) ONE(5) ONE(6) ONE(7) ONE(8) ONE(9) ONE(10) ONE(11) ONE(12)
TWO(1) TWO(2) TWO(3) TWO(4) TWO(5) TWO(6)
HALF_OF(1) HALF_OF(2) HALF_OF(3) HALF_OF(4) HALF_OF(5) HALF_OF(6) HALF_OF(7) HALF_OF(8)

static const struct { int most; kernel *of[ACCS + 1]; } kernels[] = {
	{12, {NULL, one_1, one_2, one_3, one_4, one_5, one_6, one_7, one_8, one_9, one_10, one_11, one_12}},
	{6, {NULL, two_1, two_2, two_3, two_4, two_5, two_6}},
	{8, {NULL, half_1, half_2, half_3, half_4, half_5, half_6, half_7, half_8}},
};

void K(tiles_products)(const struct tiles_call *a, int nv, int half, int64_t count)
{
	const int which = half ? 2 : nv - 1;
	const int64_t groups = (count + kernels[which].most - 1) / kernels[which].most;

	for (int64_t k = 0; k < groups; k++) {
		const int64_t from = count * k / groups;
		struct tiles_call part = *a;

		part.v += from * a->ci, part.m += from * nv * VL;
		kernels[which].of[count * (k + 1) / groups - from](&part);
	}
}
#endif
