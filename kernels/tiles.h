/* What tiles.c asks of tiles_block.c. */
#ifndef NIIPIPE_TILES_H
#define NIIPIPE_TILES_H

#include "kernels/winograd.h"

#if defined(K_HALF) && VL_ == 16
#define TILES_SUMMED 1 /* products of four elements become two columns of outputs */
#else
#define TILES_SUMMED 0
#endif

/* A row of elements of some tiles: v, vstep from one element to the next, plane from one tap to the next, ci from one tile to the next; w: the same of
   wstep; m, `column` floats from one column of outputs to the next. */
struct tiles_call {
	const elem *v;
	int64_t vstep, plane, ci, taps;
	const slot *w;
	int64_t wstep;
	float *m;
	int64_t column;
};
void K(tiles_products)(const struct tiles_call *a, int nv, int half, int64_t count);

#endif
