/* What tiles.c asks of tiles_block.c. */
#ifndef NIIPIPE_TILES_H
#define NIIPIPE_TILES_H

#include "kernels/winograd.h"

#if defined(K_HALF) && VL_ == 16
#define TILES_SUMMED 1 /* products of four elements become two columns of outputs */
#else
#define TILES_SUMMED 0
#endif

/* Four elements along w of some tiles */
struct tiles_call {
	const elem *v;
	int64_t vstep, plane, ci; /* from one element to the next, from one tap along d to the next, from one tile to the next */
	int64_t taps;
	const slot *w;            /* [element, wstep apart][tap][slot of ci][co] */
	int64_t wstep;
	float *m;                 /* [column of outputs, `column` floats apart][tile][co] */
	int64_t column;
};

/* count tiles, nv vectors of co; half: the last is half of one, twice there */
void K(tiles_products)(const struct tiles_call *a, int nv, int half, int64_t count);

#endif
