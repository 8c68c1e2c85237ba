/* The weights of gathers by AMX's tiles: [16 columns][class][kd][kh][slot][column]. */
#include "kernels/amx.h"
#include "kernels/direct.h"

#include <string.h>

#ifdef HAS_AMX
/* Where the weights of a tap along w are: elements of 16 columns before them and, from one k to the next, between them */
struct tap { int64_t at, k; };

static void find_taps(const struct gather *g, struct tap *tap)
{
	const int64_t kk = g->kernel[0] * g->kernel[1];

	for (int c = 0; c < g->classes; c++)
		for (int t = 0; t < g->class[c].taps; t++)
			tap[gather_kw(g, c, t)] = (struct tap){kk * g->class[c].before * PAIR + t * g->ci, gather_amx_run(g, c) * PAIR};
}

/* All taps of an input channel of 16 columns: a slot's elements may be of two taps. */
static void pack_one(const struct gather *g, const struct tap *tap, const float *w, int64_t ci, int64_t first, elem *to)
{
	const int64_t next = gather_weight(g, 0, 0, 0, 0, 1), columns = g->co - first, all = g->kernel[0] * g->kernel[1] * g->kernel[2];
	const float *from = w + gather_weight(g, 0, 0, 0, ci, first);

	for (int64_t i = 0; i < all; i++) {
		const int64_t at = tap[i % g->kernel[2]].at + i / g->kernel[2] * tap[i % g->kernel[2]].k + ci;

		for (int64_t co = 0; co < columns && co < SIDE; co++)
			to[(at / PAIR * SIDE + co) * PAIR + at % PAIR] = narrow(from[co * next + i]);
	}
}

/* The same of a pair of input channels, which is a slot, by vectors */
static void pack_pair(const struct gather *g, const struct tap *tap, const float *w, int64_t ci, int64_t first, elem *to)
{
	const int64_t next = gather_weight(g, 0, 0, 0, 0, 1), columns = g->co - first, all = g->kernel[0] * g->kernel[1] * g->kernel[2];

	for (int64_t i = 0; i < all; i += SIDE) {
		const __mmask16 there = amx_first(all - i);
		__m512i r[PAIR][SIDE];

		for (int p = 0; p < PAIR; p++) {
			const float *from = w + gather_weight(g, 0, 0, 0, ci + p, first) + i;

			UNROLL for (int co = 0; co < SIDE; co++)
				r[p][co] = co < columns ? _mm512_maskz_loadu_epi32(there, from + co * next) : _mm512_setzero_si512();
			amx_transpose(r[p]);
		}
		for (int64_t j = 0; j < SIDE && i + j < all; j++) {
			const struct tap *t = &tap[(i + j) % g->kernel[2]];

			store_slots((slot *)(to + (t->at + (i + j) / g->kernel[2] * t->k + ci) * SIDE), join((vec[PAIR]){(vec)r[0][j], (vec)r[1][j]}));
		}
	}
}

void K(gather_amx_pack)(struct gather *g, const float *w)
{
	const int64_t kk = g->kernel[0] * g->kernel[1], step = g->ci % PAIR ? 1 : PAIR;
	struct tap tap[MAX_KERNEL];

	find_taps(g, tap);
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t b = 0; b < gather_parts(g->co, SIDE); b++)
		for (int64_t ci = 0; ci < g->ci; ci += step)
			(step == 1 ? pack_one : pack_pair)(g, tap, w, ci, b * SIDE, (elem *)g->w + b * kk * g->slots * SIDE * PAIR);
}

#else

void K(gather_amx_pack)(struct gather *g, const float *w)
{
	(void)g, (void)w;
}

#endif
