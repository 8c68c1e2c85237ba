/* Gathers from up to four channels to up to four at stride 1 along w: vectors over w, channels apart in the copied rows. */
#include "kernels/direct.h"

#include <string.h>

enum { THIN = 4, QV = 4, BLOCK = QV * VL }; /* outputs at a time */

int K(thin_plan)(struct gather *g)
{
	if (g->ci > THIN || g->co > THIN || g->stride[2] != 1 || g->out[2] < VL)
		return -1;
	g->most = (g->out[2] + BLOCK - 1) / BLOCK * BLOCK;
	g->plane = g->width > g->most + g->kernel[2] ? g->width : g->most + g->kernel[2];
	g->plane = (g->plane + VL - 1) / VL * VL;
	return 0;
}

INLINE void apart(float *to, int64_t plane, const elem *from, int64_t pitch, int64_t vox, const int ci)
{
	for (int64_t v = 0; v < vox; v++)
		for (int c = 0; c < ci; c++)
			to[c * plane + v] = widen(from[v * pitch + c]);
}

void K(thin_apart)(float *to, int64_t plane, int64_t left, const elem *from, int64_t pitch, int64_t body, int64_t ci)
{
	for (int64_t c = 0; c < ci; c++) {
		memset(to + c * plane, 0, sizeof *to * (size_t)left);
		memset(to + c * plane + left + body, 0, sizeof *to * (size_t)(plane - left - body));
	}
	to += left;
	if (ci == 1 && pitch == 1)
		apart(to, plane, from, 1, body, 1);
	else if (ci == 2 && pitch == 2)
		apart(to, plane, from, 2, body, 2);
	else
		apart(to, plane, from, pitch, body, (int)ci);
}

/* BLOCK outputs of all co channels from q */
INLINE void block(const struct gather *g, const struct gather_row *row, int rows, const float *bias, float *t, int64_t q, const int co)
{
	int taps = g->class[0].taps;
	vec acc[QV][THIN];

	UNROLL for (int v = 0; v < QV; v++)
		UNROLL for (int c = 0; c < co; c++)
			acc[v][c] = bias[c] - (vec){0};
	for (int r = 0; r < rows; r++) {
		const float *w = (const float *)g->w + row[r].k * g->ci * taps * co, *x = (const float *)row[r].x + g->class[0].first + q;

		for (int64_t ci = 0; ci < g->ci; ci++, x += g->plane)
			for (int k = 0; k < taps; k++, w += co) {
				vec in[QV];

				UNROLL for (int v = 0; v < QV; v++)
					in[v] = load(x + k + v * VL);
				UNROLL for (int v = 0; v < QV && co > 1; v++)
					KEEP(in[v]);
				UNROLL for (int c = 0; c < co; c++) {
					vec b = w[c] - (vec){0};

					UNROLL for (int v = 0; v < QV; v++)
						acc[v][c] += in[v] * b;
				}
			}
	}
	UNROLL for (int v = 0; v < QV; v++)
		UNROLL for (int c = 0; c < co; c++)
			store(t + c * g->most + q + v * VL, acc[v][c]);
}

INLINE void together(elem *y, int64_t pitch, const float *t, int64_t plane, int64_t vox, const int co, int add)
{
	if (add)
		for (int64_t v = 0; v < vox; v++)
			for (int c = 0; c < co; c++)
				y[v * pitch + c] = narrow(widen(y[v * pitch + c]) + t[c * plane + v]);
	else
		for (int64_t v = 0; v < vox; v++)
			for (int c = 0; c < co; c++)
				y[v * pitch + c] = narrow(t[c * plane + v]);
}

INLINE void output_rows(const struct gather_task *t, const int co)
{
	const struct gather *g = t->g;
	float *room = t->buffer + g->kernel[0] * g->hrows * g->ci * g->plane, bias[THIN] = {0};

	if (t->bias)
		memcpy(bias, t->bias, sizeof *bias * (size_t)co);
	for (int64_t h = t->h0; h < t->h1; h++) {
		struct gather_row row[MAX_ROWS];
		int rows = K(gather_rows)(t, h, row);
		elem *y = t->y + ((t->n * g->out[0] + t->od) * g->out[1] + h) * g->out[2] * g->outpitch;

		for (int64_t q = 0; q < g->out[2]; q += BLOCK)
			block(g, row, rows, bias, room, q, co);
		if (g->outpitch == co)
			together(y, co, room, g->most, g->out[2], co, t->add);
		else
			together(y, g->outpitch, room, g->most, g->out[2], co, t->add);
	}
}

void K(thin_task)(const struct gather_task *t)
{
	switch (t->g->co) {
	case 1: output_rows(t, 1); break;
	case 2: output_rows(t, 2); break;
	case 3: output_rows(t, 3); break;
	default: output_rows(t, 4);
	}
}
