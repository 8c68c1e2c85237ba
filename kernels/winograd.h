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

/* B' along h of a column e of VL channels */
INLINE void winograd_column(const vec e[4], vec t[4])
{
	t[0] = e[0] - e[2], t[1] = e[1] + e[2], t[2] = e[2] - e[1], t[3] = e[1] - e[3];
}

/* B' along w of four such columns: element i to v + i * step. The last two are the next tile's first. */
INLINE void winograd_input(vec t[4][4], elem *v, int64_t step)
{
	UNROLL for (int i = 0; i < 4; i++, v += 4 * step) {
		KEEP_ADDRESS(v);
		store(v, t[0][i] - t[2][i]), store(v + step, t[1][i] + t[2][i]), store(v + 2 * step, t[2][i] - t[1][i]), store(v + 3 * step, t[1][i] - t[3][i]);
	}
	UNROLL for (int i = 0; i < 4; i++)
		t[0][i] = t[2][i], t[1][i] = t[3][i];
}

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

/* The same of what A' has made along w: two columns of each row of elements */
INLINE void winograd_columns(const float *m, int64_t step, vec bias, vec y[2][2])
{
	UNROLL for (int j = 0; j < 2; j++) {
		vec a = load(m + j * step), b = load(m + (2 + j) * step), c = load(m + (4 + j) * step), d = load(m + (6 + j) * step);

		y[0][j] = a + b + c + bias, y[1][j] = b - c - d + bias;
	}
}

/* Channels go in vectors, the last of which begins at the last channel less VL, so that some channels are done twice. Vectors, and the first channel
   of one: */
static inline int64_t winograd_vectors(int64_t channels)
{
	return gather_parts(channels, VL);
}

static inline int64_t winograd_channel(int64_t channels, int64_t vector)
{
	return (vector + 1) * VL < channels ? vector * VL : channels - VL;
}

/* The first vector of block b of at most `most`, the last of two at least where there are two: both that have a channel are stored together. */
static inline int64_t winograd_block(int64_t channels, int64_t most, int64_t b)
{
	return winograd_vectors(channels) * b / gather_parts(winograd_vectors(channels), most);
}

/* Where half of the last vector would be of channels that the one before has: two tiles share a vector of the other half, whose weights are there
   twice. */
static inline int winograd_halved(const struct gather *g, int64_t vector, int nv)
{
	return VL == 16 && nv == 2 && vector + nv == winograd_vectors(g->co) && g->co % VL == VL / 2;
}

/* A tile's outputs of nv vectors, `next` floats from one to the next, m [element], step apart, added to what is there or not; the first voxel at y,
   `rows` and `cols` of them (1, 2); summed: m [row of elements][column] */
INLINE void winograd_leave(const struct gather *g, const float *m, int64_t step, const float *bias, int64_t vector, elem *y, int rows, int cols,
	int add, const int nv, const int64_t next, const int summed)
{
	vec out[3][2][2];

	UNROLL for (int j = 0; j < nv; j++) {
		const vec b = bias ? load(bias + winograd_channel(g->co, vector + j)) : (vec){0};

		if (summed)
			winograd_columns(m + j * next, step, b, out[j]);
		else
			winograd_output(m + j * next, step, b, out[j]);
	}
	for (int i = 0; i < 4; i++) {
		elem *to = y + (i / 2 * g->out[2] + i % 2) * g->outpitch;

		if (i / 2 >= rows || i % 2 >= cols)
			continue;
		UNROLL for (int j = 0; j < nv && add; j++)
			out[j][i / 2][i % 2] += load(to + winograd_channel(g->co, vector + j));
		UNROLL for (int j = 0; j < nv; j++)
			store(to + winograd_channel(g->co, vector + j), out[j][i / 2][i % 2]);
	}
}

/* Zeros before the input on an axis, at stride 1 */
static inline int64_t gather_pad(const struct gather *g, int axis)
{
	return g->fractional ? g->kernel[axis] - 1 - g->pad[axis] : g->pad[axis];
}

#endif
