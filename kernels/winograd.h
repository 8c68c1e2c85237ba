/* Winograd's F(2x2, 3x3) (Lavin & Gray 2015) of gathers: Y = A' [(G g G') . (B' d B)] A, 2x2 outputs from 4x4 inputs d, 16 products instead of 36.
   B' = 1 0 -1 0 | 0 1 1 0 | 0 -1 1 0 | 0 1 0 -1,  G = 1 0 0 | .5 .5 .5 | .5 -.5 .5 | 0 0 1,  A' = 1 1 1 0 | 0 1 -1 -1 */
#ifndef NIIPIPE_WINOGRAD_H
#define NIIPIPE_WINOGRAD_H

#include "kernels/direct.h"

enum { ELEMENTS = 16 };

/* G g G' of VL output channels: k [kh*3 + kw][VL] */
static inline void winograd_weights(const float *k, vec u[ELEMENTS])
{
	vec t[4][3], half = (vec){0} + 0.5f;

	UNROLL for (int i = 0; i < 3; i++) {
		vec a = load(k + i * VL), b = load(k + (3 + i) * VL), c = load(k + (6 + i) * VL);

		t[0][i] = a, t[1][i] = half * (a + b + c), t[2][i] = half * (a - b + c), t[3][i] = c;
	}
	UNROLL for (int i = 0; i < 4; i++) {
		u[4 * i] = t[i][0], u[4 * i + 1] = half * (t[i][0] + t[i][1] + t[i][2]);
		u[4 * i + 2] = half * (t[i][0] - t[i][1] + t[i][2]), u[4 * i + 3] = t[i][2];
	}
}

/* The taps of plane kd from input channel ci to VL output channels: k [kh*3 + kw][VL], mirrored where the gather is fractional */
static inline void winograd_taps(const struct gather *g, const float *w, int kd, int64_t ci, int64_t co, float *k)
{
	int64_t next = gather_weight(g, 0, 0, 0, 0, 1);
	const float *from = w + gather_weight(g, kd, 0, 0, ci, co);

	for (int c = 0; c < VL; c++)
		for (int i = 0; i < 9; i++)
			k[(g->fractional ? 8 - i : i) * VL + c] = from[c * next + i];
}

/* Row i of B' d for one column, d(0) .. d(3) being D(0) .. D(3) */
#define WINOGRAD_DOWN(i, D) ((i) == 0 ? D(0) - D(2) : (i) == 1 ? D(1) + D(2) : (i) == 2 ? D(2) - D(1) : D(1) - D(3))

/* A row t of B' d times B: elements 4 i .. 4 i + 3 go to v + element * step. */
#define WINOGRAD_STORE(t, i, v, step) \
	(store((v) + (4 * (i)) * (step), (t)[0] - (t)[2]), store((v) + (4 * (i) + 1) * (step), (t)[1] + (t)[2]), \
	 store((v) + (4 * (i) + 2) * (step), (t)[2] - (t)[1]), store((v) + (4 * (i) + 3) * (step), (t)[1] - (t)[3]))

/* A' m A + bias for a tile's VL channels, element i at m + i * step */
INLINE void winograd_output(const float *m, int64_t step, vec bias, vec y[2][2])
{
	vec t[2][4];

	UNROLL for (int j = 0; j < 4; j++) {
		vec a = load(m + j * step), b = load(m + (4 + j) * step), c = load(m + (8 + j) * step), d = load(m + (12 + j) * step);

		t[0][j] = a + b + c, t[1][j] = b - c - d;
	}
	UNROLL for (int i = 0; i < 2; i++)
		y[i][0] = t[i][0] + t[i][1] + t[i][2] + bias, y[i][1] = t[i][1] - t[i][2] - t[i][3] + bias;
}

static inline int64_t gather_parts(int64_t n, int64_t most)
{
	return (n + most - 1) / most;
}

/* Zeros before the input on an axis, at stride 1 */
static inline int64_t gather_pad(const struct gather *g, int axis)
{
	return g->fractional ? g->kernel[axis] - 1 - g->pad[axis] : g->pad[axis];
}

#endif
