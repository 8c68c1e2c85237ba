/* The products of gathers: a block of outputs along w at a time, up to MR in registers, vectors over output channels, inputs broadcast. */
#include "kernels/direct.h"

enum { MR = VL == 16 ? 12 : 6, MR_ONE = 12, LINE = 64 / sizeof(elem) };

typedef void kernel(const struct gather_call *a);

/* mr rows of nv vectors, of which outputs are but the first columns: halves of vectors, or one by one. A function, so that not every block has it. */
static __attribute__((noinline)) void leave_some(const struct gather_call *a, const float *v, int mr, int nv)
{
	for (int m = 0; m < mr; m++, v += nv * VL) {
		elem *y = (elem *)a->y + m * a->ystep;
		int i = 0;

		for (; i + VL <= a->cols; i += VL)
			store(y + i, a->add ? load(v + i) + load(y + i) : load(v + i));
		for (; HALF > 0 && i + HALF <= a->cols; i += HALF)
			store_half(y + i, a->add ? load_half(v + i) + load_half(y + i) : load_half(v + i));
		for (; i < a->cols; i++)
			y[i] = narrow(v[i] + (a->add ? widen(y[i]) : 0));
	}
}

INLINE void wide(const struct gather_call *a, const int mr, const int nv)
{
	vec acc[MR_ONE][2];

	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++)
			acc[m][v] = load(a->bias + v * VL);
	for (int64_t r = 0; r < a->rows; r++) {
		const elem *x = (const elem *)a->row[r].x + a->at, *end = x + a->len * PAIR;
		const slot *w = a->w + a->row[r].k * a->wstep;

		for (; x < end; x += PAIR, w += nv * VL) {
			slots w0 = load_slots(w), w1 = nv > 1 ? load_slots(w + VL) : w0;

			UNROLL for (int m = 0; m < mr; m++) {
				slots b = spread_slot((const slot *)(x + m * a->step));

				acc[m][0] = multiply_add(acc[m][0], b, w0);
				if (nv > 1)
					acc[m][1] = multiply_add(acc[m][1], b, w1);
			}
		}
	}
	if (a->floats) {
		UNROLL for (int m = 0; m < mr; m++)
			UNROLL for (int v = 0; v < nv; v++)
				store((float *)a->y + m * a->ystep + v * VL, acc[m][v]);
		return;
	}
	if (a->cols < nv * VL) {
		float some[MR_ONE * 2 * VL];

		UNROLL for (int m = 0; m < mr; m++)
			UNROLL for (int v = 0; v < nv; v++)
				store(some + (m * nv + v) * VL, acc[m][v]);
		leave_some(a, some, mr, nv);
		return;
	}
	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++) {
			elem *y = (elem *)a->y + m * a->ystep + v * VL;

			store(y, a->add ? acc[m][v] + load(y) : acc[m][v]);
		}
}

#if VL_ == 16
/* A vector and half of one, whose weights are there twice: two outputs share a vector of the halves. */
INLINE void halved(const struct gather_call *a, const int mr)
{
	vec acc[MR + 1], tail[MR / 2];

	UNROLL for (int m = 0; m < mr; m++)
		acc[m] = load(a->bias), tail[m / 2] = load(a->bias + VL);
	for (int64_t r = 0; r < a->rows; r++) {
		const elem *x = (const elem *)a->row[r].x + a->at, *end = x + a->len * PAIR;
		const slot *w = a->w + a->row[r].k * a->wstep;

		for (; x < end; x += PAIR, w += 2 * VL) {
			slots w0 = load_slots(w), w1 = load_slots(w + VL);

			UNROLL for (int m = 0; m < mr; m += 2) {
				slots b = spread_slot((const slot *)(x + m * a->step)), c = m + 1 < mr ? spread_slot((const slot *)(x + (m + 1) * a->step)) : b;

				KEEP(b);
				KEEP(c);
				acc[m] = multiply_add(acc[m], b, w0), acc[m + 1] = multiply_add(acc[m + 1], c, w0);
				tail[m / 2] = multiply_add(tail[m / 2], both_halves(b, c), w1);
			}
		}
	}
	UNROLL for (int m = 0; m < mr; m++) {
		vec t = m % 2 ? high_half(tail[m / 2]) : tail[m / 2];
		elem *y = (elem *)a->y + m * a->ystep;

		if (a->floats) {
			store((float *)a->y + m * a->ystep, acc[m]), store_half((float *)a->y + m * a->ystep + VL, t);
			continue;
		}
		if (a->add)
			acc[m] += load(y), t += load_half(y + VL);
		store(y, acc[m]), store_half(y + VL, t);
	}
}
#else
INLINE void halved(const struct gather_call *a, const int mr) /* never called: HALF is 0 */
{
	(void)a, (void)mr;
}
#endif

#define WIDE(mr) \
	static void wide1_##mr(const struct gather_call *a) { wide(a, mr, 1); } \
	static void halved_##mr(const struct gather_call *a) { halved(a, mr); } \
	static void wide2_##mr(const struct gather_call *a) { wide(a, mr, 2); }
WIDE(1) WIDE(2) WIDE(3) WIDE(4) WIDE(5) WIDE(6) WIDE(7) WIDE(8) WIDE(9) WIDE(10) WIDE(11) WIDE(12)

static kernel *const wide_one[] = {NULL, wide1_1, wide1_2, wide1_3, wide1_4, wide1_5, wide1_6, wide1_7, wide1_8, wide1_9, wide1_10, wide1_11,
	wide1_12};
static kernel *const wide_two[] = {NULL, wide2_1, wide2_2, wide2_3, wide2_4, wide2_5, wide2_6, wide2_7, wide2_8, wide2_9, wide2_10, wide2_11,
	wide2_12};
static kernel *const wide_halved[] = {NULL, halved_1, halved_2, halved_3, halved_4, halved_5, halved_6, halved_7, halved_8, halved_9, halved_10,
	halved_11, halved_12};

/* count outputs in even blocks of at most mr */
static void blocks(struct gather_call *a, kernel *const *table, int64_t mr, int64_t count)
{
	int64_t n = (count + mr - 1) / mr, at = a->at, size = a->floats ? sizeof(float) : sizeof(elem);
	char *y = a->y;

	for (int64_t b = 0; b < n; b++) {
		int64_t q = count * b / n;

		if (a->rows == 1)
			for (int64_t i = 0; i < mr * a->step; i += LINE)
				__builtin_prefetch((const elem *)a->row[0].x + at + (q + 2 * mr) * a->step + i);
		a->at = at + q * a->step, a->y = y + q * a->ystep * size;
		table[count * (b + 1) / n - q](a);
	}
}

void K(gather_wide)(struct gather_call *a, int nr, int64_t count)
{
	kernel *const *table = nr == VL ? wide_one : HALF > 0 && a->cols == nr - HALF ? wide_halved : wide_two;

	blocks(a, table, nr == VL ? MR_ONE : MR, count);
}
