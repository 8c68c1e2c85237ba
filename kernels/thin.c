/* Gathers to a few channels from neighbours along w (stride 1, or fractional): vectors over w. In the copied rows the slots of a voxel are apart, a
   plane each, and the body begins at a whole vector. Up to TAPS taps of all classes at a time, each with sums of its own: there is always one that
   waits for no other. */
#include "kernels/direct.h"

#include <string.h>

enum { FEW = 4, TAPS = 3, WIDEST = 4, PLANES = 16 }; /* WIDEST: vectors of outputs at a time; PLANES: in turn, at most */

int K(thin_plan)(struct gather *g)
{
	int64_t shift = (VL - g->left % VL) % VL, end = 0;

	if (g->co > FEW || g->step != 1 || g->out[2] < VL * g->classes)
		return -1;
	g->most = ((g->out[2] + g->classes - 1) / g->classes + VL - 1) / VL * VL;
	g->left += shift, g->width += shift;
	for (int c = 0; c < g->classes; c++) {
		g->class[c].first += shift;
		end = g->class[c].first + g->class[c].taps > end ? g->class[c].first + g->class[c].taps : end;
	}
	end += g->most;
	g->plane = ((end > g->width ? end : g->width) + VL - 1) / VL * VL;
	return 0;
}

/* -- copies of rows --------------------------------------------------------------- */
void K(thin_apart)(float *to, int64_t plane, int64_t left, const elem *from, int64_t pitch, int64_t body, int64_t ci)
{
	for (int64_t c = 0; c < ci; c++) {
		memset(to + c * plane, 0, sizeof *to * (size_t)left);
		memset(to + c * plane + left + body, 0, sizeof *to * (size_t)(plane - left - body));
	}
	to += left;
	if (ci == 2 && pitch == 2)
		for (int64_t v = 0; v < body; v++)
			to[v] = widen(from[2 * v]), to[plane + v] = widen(from[2 * v + 1]);
	else
		for (int64_t c = 0; c < ci; c++)
			for (int64_t v = 0; v < body; v++)
				to[c * plane + v] = widen(from[v * pitch + c]);
}

/* The elements of n vectors in turn: v[0][0], v[1][0], ...; VL vectors: the transpose */
INLINE void riffle(slots *v, const int n)
{
	for (int step = 1; step < n; step *= 2) {
		slots t[PLANES];

		UNROLL for (int i = 0; i < n; i++)
			t[i] = v[i];
		UNROLL for (int i = 0; i < n / 2; i++)
			SHUFFLE_BOTH(v + 2 * i, t[i], t[i + n / 2], IN_TURN);
	}
}

static void transpose(slot *to, int64_t plane, const elem *from, int64_t pitch)
{
	slots v[VL];

	UNROLL for (int i = 0; i < VL; i++) {
		v[i] = load_slots((const slot *)(from + i * pitch));
		__builtin_prefetch(from + (i + 3 * VL) * pitch);
	}
	riffle(v, VL);
	UNROLL for (int i = 0; i < VL; i++)
		store_slots(to + i * plane, v[i]);
}

static void some(slot *restrict to, int64_t plane, const elem *restrict from, int64_t pitch, int64_t ci, int64_t n)
{
	const slot *two = (const slot *)from;

	if (ci == 2 * PAIR && pitch == ci) {
		for (int64_t v = 0; v < n; v++)
			to[v] = two[2 * v], to[plane + v] = two[2 * v + 1];
		return;
	}
	for (int64_t s = 0; s * PAIR < ci; s++)
		for (int64_t v = 0; v < n; v++)
			to[s * plane + v] = one_slot(from + v * pitch + s * PAIR, ci - s * PAIR);
}

void K(thin_row)(const struct gather *g, slot *to, const elem *from, int64_t body)
{
	int64_t v = 0;

	for (int64_t s = 0; s < g->cslots; s++) {
		memset(to + s * g->plane, 0, sizeof *to * (size_t)g->left);
		memset(to + s * g->plane + g->left + body, 0, sizeof *to * (size_t)(g->plane - g->left - body));
	}
	to += g->left;
	if (g->ci == PAIR && g->inpitch == PAIR) {
		memcpy(to, from, sizeof *to * (size_t)body);
		return;
	}
	for (; g->ci >= VL * PAIR && g->ci % PAIR == 0 && v + VL <= body; v += VL)
		for (int64_t s = 0; s < g->cslots; s += VL) {
			int64_t at = s + VL <= g->cslots ? s : g->cslots - VL;

			transpose(to + at * g->plane + v, g->plane, from + v * g->inpitch + at * PAIR, g->inpitch);
		}
	some(to + v, g->plane, from + v * g->inpitch, g->inpitch, g->ci, body - v);
}

/* -- products ----------------------------------------------------------------------- */
/* Taps' outputs, [co][most] of their class, and where their inputs begin in a plane; taps of all classes */
struct taps { float *y[TAPS]; int64_t at[TAPS], all; const slot *w; };

typedef void kernel(const struct gather *g, const struct gather_row *row, int rows, const struct taps *t, int64_t q);

/* nt taps' part of nq vectors of outputs from q, added */
INLINE void block(const struct gather *g, const struct gather_row *row, int rows, const struct taps *t, int64_t q, const int nt, const int nq,
	const int co)
{
	const int64_t plane = g->plane, count = g->cslots, next = t->all * co;
	vec acc[TAPS][WIDEST][FEW];

	UNROLL for (int j = 0; j < nt; j++)
		UNROLL for (int v = 0; v < nq; v++)
			UNROLL for (int c = 0; c < co; c++)
				acc[j][v][c] = (vec){0};
	for (int r = 0; r < rows; r++) {
		const slot *w = t->w + row[r].k * count * next, *x[TAPS];

		UNROLL for (int j = 0; j < nt; j++)
			x[j] = (const slot *)row[r].x + q + t->at[j];
		for (int64_t s = 0; s < count; s++, w += next)
			UNROLL for (int j = 0; j < nt; j++) {
				slots in[WIDEST];

				KEEP_ADDRESS(x[j]);
				UNROLL for (int v = 0; v < nq; v++) {
					in[v] = load_slots(x[j] + v * VL);
					KEEP(in[v]);
				}
				x[j] += plane;
				UNROLL for (int c = 0; c < co; c++) {
					slots b = spread_slot(w + j * co + c);

					UNROLL for (int v = 0; v < nq; v++)
						acc[j][v][c] = multiply_add(acc[j][v][c], in[v], b);
				}
			}
	}
	UNROLL for (int j = 0; j < nt; j++)
		UNROLL for (int c = 0; c < co; c++)
			UNROLL for (int v = 0; v < nq; v++) {
				float *y = t->y[j] + c * g->most + q + v * VL;

				store(y, load(y) + acc[j][v][c]);
			}
}

#define BLOCK(nt, nq, co) \
	static void block_##nt##nq##co(const struct gather *g, const struct gather_row *row, int rows, const struct taps *t, int64_t q) \
	{ \
		block(g, row, rows, t, q, nt, nq, co); \
	}
#define BLOCKS(nt) BLOCK(nt, 1, 1) BLOCK(nt, 1, 2) BLOCK(nt, 1, 3) BLOCK(nt, 1, 4) BLOCK(nt, 2, 1) BLOCK(nt, 2, 2) BLOCK(nt, 2, 3) BLOCK(nt, 2, 4) \
	BLOCK(nt, 4, 1) BLOCK(nt, 4, 2)
BLOCKS(1) BLOCKS(2) BLOCKS(3)

/* [taps][vectors][channels] */
#define ENTRIES(nt) {{NULL}, {NULL, block_##nt##11, block_##nt##12, block_##nt##13, block_##nt##14}, {NULL, block_##nt##21, block_##nt##22, \
	block_##nt##23, block_##nt##24}, {NULL}, {NULL, block_##nt##41, block_##nt##42}}
static kernel *const blocks[TAPS + 1][WIDEST + 1][FEW + 1] = {{{NULL}}, ENTRIES(1), ENTRIES(2), ENTRIES(3)};

/* As many as there are registers for */
static int vectors(const struct gather *g, int64_t left)
{
	int most = (VL == 16 ? WIDEST : 2) / (g->co > 2 ? 2 : 1);

	while (most > 1 && left < most * VL)
		most /= 2;
	return most;
}

/* All outputs of a row: planes of y, [class][co][most], which have the bias */
static void products(const struct gather *g, const struct gather_row *row, int rows, float *y)
{
	struct taps t = {.w = g->w};
	int n = 0;

	for (int c = 0; c < g->classes; c++)
		t.all += g->class[c].taps;
	for (int c = 0; c < g->classes; c++)
		for (int k = 0; k < g->class[c].taps; k++) {
			t.y[n] = y + c * g->co * g->most, t.at[n++] = g->class[c].first + k;
			if (n < TAPS && (t.w - (const slot *)g->w) / g->co + n < t.all)
				continue;
			for (int64_t q = 0, nq; q < g->most; q += nq * VL)
				nq = vectors(g, g->most - q), blocks[n][nq][g->co](g, row, rows, &t, q);
			t.w += n * g->co, n = 0;
		}
}

/* -- outputs --------------------------------------------------------------------------- */
/* VL outputs of `planes` planes in turn */
INLINE void in_turn(elem *y, const float *t, int64_t most, const int planes, int add)
{
	slots v[PLANES];

	UNROLL for (int i = 0; i < planes; i++)
		v[i] = (slots)load(t + i * most);
	riffle(v, planes);
	UNROLL for (int i = 0; i < planes; i++)
		store(y + i * VL, add ? (vec)v[i] + load(y + i * VL) : (vec)v[i]);
}

INLINE int64_t whole(elem *y, const float *t, int64_t most, int64_t n, const int planes, int add)
{
	int64_t q = 0;

	for (; q + VL <= n; q += VL)
		in_turn(y + q * planes, t + q, most, planes, add);
	return q;
}

static void leave(const struct gather *g, elem *y, const float *t, int add)
{
	int64_t planes = g->co * g->classes, n = g->out[2] / g->classes, q = 0;

	if (g->outpitch == g->co && planes <= PLANES)
		q = planes == 1 ? whole(y, t, g->most, n, 1, add) : planes == 2 ? whole(y, t, g->most, n, 2, add) :
			planes == 4 ? whole(y, t, g->most, n, 4, add) : planes == 8 ? whole(y, t, g->most, n, 8, add) : 0;
	for (int64_t o = q * g->classes; o < g->out[2]; o++)
		for (int64_t c = 0; c < g->co; c++) {
			elem *to = y + o * g->outpitch + c;

			*to = narrow(t[(o % g->classes * g->co + c) * g->most + o / g->classes] + (add ? widen(*to) : 0));
		}
}

void K(thin_task)(const struct gather_task *t)
{
	const struct gather *g = t->g;
	float *room = t->buffer + g->kernel[0] * g->hrows * g->cslots * g->plane, bias[FEW] = {0};

	if (t->bias)
		memcpy(bias, t->bias, sizeof *bias * (size_t)g->co);
	for (int64_t h = t->h0; h < t->h1; h++) {
		struct gather_row row[MAX_ROWS];
		int rows = K(gather_rows)(t, h, row);

		for (int64_t p = 0; p < g->classes * g->co; p++)
			for (int64_t i = 0; i < g->most; i++)
				room[p * g->most + i] = bias[p % g->co];
		products(g, row, rows, room);
		leave(g, t->y + ((t->n * g->out[0] + t->od) * g->out[1] + h) * g->out[2] * g->outpitch, room, t->add);
	}
}
