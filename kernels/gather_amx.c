/* Gathers of bf16 by AMX's tiles: sums of up to 16 outputs along w and 16 output channels += runs of the outputs' inputs, as they lie in the rows,
   times weights. Four tiles of sums are in registers, of output rows one below the other, which share most of their inputs, or, where there are few,
   of several sixteens of channels: a product waits for the one before it of the same sums. */
#include "kernels/amx.h"
#include "kernels/direct.h"

#include <string.h>

#ifdef HAS_AMX
enum { SLOTS = 16, AT_ONCE = 4, WEIGHTS = 1 << 17 }; /* slots of a step of a run at most; tiles of sums in registers; slots of a task's weights, which
	stay in its cache */

/* -- the plan ----------------------------------------------------------------- */
static int64_t slots_of(const struct gather *g, int taps)
{
	return gather_parts(taps * g->ci, PAIR);
}

/* The same in whole steps */
static int64_t run_of(const struct gather *g, int taps)
{
	return round_up(slots_of(g, taps), g->tall);
}

/* Outputs of a class */
static int64_t count_of(const struct gather *g, int c)
{
	return (g->out[2] - c + g->classes - 1) / g->classes;
}

int K(gather_amx_plan)(struct gather *g)
{
	if (!dnn_amx())
		return -1;
	g->tall = 1;
	for (int c = 0; c < g->classes; c++) {
		const int64_t need = slots_of(g, g->class[c].taps), each = need ? gather_parts(need, gather_parts(need, SLOTS)) : 0;
		const int64_t end = g->class[c].first + (count_of(g, 0) - 1) * g->step + g->class[c].taps; /* a tile is as wide for a class with an output less */

		g->tall = each > g->tall ? each : g->tall;
		g->width = end > g->width ? end : g->width;
	}
	g->in_place = g->ci % PAIR == 0 && !g->left && g->width <= g->in[2];
	for (int c = 0; c < g->classes; c++) {
		const int taps = g->class[c].taps;

		g->in_place &= taps <= 1 && run_of(g, taps) == slots_of(g, taps); /* where rows are, nothing behind them is read */
		g->class[c].before = g->slots, g->slots += run_of(g, taps);
	}
	g->weights = gather_parts(g->co, SIDE) * g->kernel[0] * g->kernel[1] * g->slots * SIDE;
	g->tile = gather_parts(count_of(g, 0), gather_parts(count_of(g, 0), SIDE));
	g->group = WEIGHTS / (g->weights / gather_parts(g->co, SIDE)) * SIDE;
	g->group = g->group < SIDE ? SIDE : g->group > g->co ? g->co : g->group;
	return 0;
}

/* -- weights: [16 columns][class][kd][kh][slot][column] --------------------------- */
/* Where the weights of a tap along w are: elements of 16 columns before them and, from one k to the next, between them */
struct tap { int64_t at, k; };

static void find_taps(const struct gather *g, struct tap *tap)
{
	const int64_t kk = g->kernel[0] * g->kernel[1];

	for (int c = 0; c < g->classes; c++)
		for (int t = 0; t < g->class[c].taps; t++)
			tap[gather_kw(g, c, t)] = (struct tap){kk * g->class[c].before * PAIR + t * g->ci, run_of(g, g->class[c].taps) * PAIR};
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
		const __mmask16 there = (__mmask16)(all - i < SIDE ? (1 << (all - i)) - 1 : 0xffff);
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

/* -- products ------------------------------------------------------------------- */
/* Tiles 0..3: sums, 4 and 5: inputs, 6 and 7: weights */
static void configure(const struct gather *g)
{
	struct amx_tiles t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.bytes[i] = 64, t.rows[i] = (uint8_t)(i < 6 ? g->tile : g->tall);
	t.bytes[4] = t.bytes[5] = (uint16_t)(g->tall * 4);
	amx_configure(&t);
}

/* Runs of `len` slots, `tall` a step, from byte `at` of each row on, outputs' `apart` bytes apart; weights of 16 columns, k after k, and `beside`
   slots to the next 16 */
struct call {
	const struct gather_row *row;
	int64_t rows, at, apart, len, tall, beside;
	const slot *w;
};

/* sum [m][n][16][16] of n tiles, `off` bytes from the rows' first, and m sixteens of columns; n m is at most 4 */
INLINE void products(const struct call *a, const int64_t *off, float *sum, const int n, const int m)
{
	const int64_t o0 = off[0], o1 = n > 1 ? off[1] : 0, o2 = n > 2 ? off[2] : 0, o3 = n > 3 ? off[3] : 0;
	const int64_t lines = 64, apart = a->apart, beside = a->beside;

	TILE_ZERO(0);
	TILE_ZERO(1);
	TILE_ZERO(2);
	TILE_ZERO(3);
	for (int64_t r = 0; r < a->rows; r++) {
		const char *x = (const char *)a->row[r].x + a->at, *end = x + a->len * (int64_t)sizeof(slot);
		const slot *w = a->w + a->row[r].k * a->len * SIDE;

		for (; x < end; x += a->tall * (int64_t)sizeof(slot), w += a->tall * SIDE) {
			TILE_LOAD(6, w, lines);
			TILE_LOAD(4, x + o0, apart);
			TILE_MULTIPLY(0, 4, 6);
			if (n > 1) {
				TILE_LOAD(5, x + o1, apart);
				TILE_MULTIPLY(1, 5, 6);
			}
			if (n > 2) {
				TILE_LOAD(4, x + o2, apart);
				TILE_MULTIPLY(2, 4, 6);
			}
			if (n > 3) {
				TILE_LOAD(5, x + o3, apart);
				TILE_MULTIPLY(3, 5, 6);
			}
			if (n == 2 && m > 1) {
				TILE_LOAD(7, w + beside, lines);
				TILE_MULTIPLY(2, 4, 7);
				TILE_MULTIPLY(3, 5, 7);
			}
			if (n == 1 && m > 1) {
				TILE_LOAD(7, w + beside, lines);
				TILE_MULTIPLY(1, 4, 7);
			}
			if (n == 1 && m > 2) {
				TILE_LOAD(6, w + 2 * beside, lines);
				TILE_MULTIPLY(2, 4, 6);
			}
			if (n == 1 && m > 3) {
				TILE_LOAD(7, w + 3 * beside, lines);
				TILE_MULTIPLY(3, 4, 7);
			}
		}
	}
	TILE_STORE(0, sum, lines);
	if (n * m > 1)
		TILE_STORE(1, sum + SIDE * SIDE, lines);
	if (n * m > 2)
		TILE_STORE(2, sum + 2 * SIDE * SIDE, lines);
	if (n * m > 3)
		TILE_STORE(3, sum + 3 * SIDE * SIDE, lines);
}

#define PRODUCTS(n, m) \
	static void products_##n##m(const struct call *a, const int64_t *off, float *sum) { products(a, off, sum, n, m); }
PRODUCTS(1, 1) PRODUCTS(1, 2) PRODUCTS(1, 3) PRODUCTS(1, 4) PRODUCTS(2, 1) PRODUCTS(2, 2) PRODUCTS(3, 1) PRODUCTS(4, 1)

/* [tiles - 1][sixteens - 1] */
static void (*const some[AT_ONCE][AT_ONCE])(const struct call *, const int64_t *, float *) = {
	{products_11, products_12, products_13, products_14}, {products_21, products_22}, {products_31}, {products_41},
};

/* Output rows h, h + apart .. of a plane that have the same taps, `next` bytes from one's inputs to the next's */
struct band { int64_t h, apart, rows, next; };

/* A tile: its output row, the output of that row that it begins with, and how many of its outputs another has, too; where its inputs are */
struct place { int64_t h, q, skip, off; };

/* Tile i of a band; they go down first: those at once share rows */
static struct place place_of(const struct gather *g, const struct band *b, const struct call *a, int64_t i)
{
	const int64_t row = i % b->rows, at = i / b->rows * g->tile, last = count_of(g, 0) - g->tile, q = at < last ? at : last;

	return (struct place){b->h + row * b->apart, q, at - q, row * b->next + q * a->apart};
}

static void leave(const struct gather_task *t, const struct place *p, int c, int64_t first, const float *sum)
{
	const struct gather *g = t->g;
	const int64_t q = p->q + p->skip, step = g->classes * g->outpitch, most = g->tile - p->skip, left = count_of(g, c) - q;
	const int64_t n = left < most ? left : most;
	const __mmask16 m = (__mmask16)((1 << (g->co - first < SIDE ? g->co - first : SIDE)) - 1);
	const vec bias = t->bias ? (vec)_mm512_maskz_loadu_ps(m, t->bias + first) : (vec){0};
	elem *y = t->y + ((((t->n * g->out[0] + t->od) * g->out[1] + p->h) * g->out[2]) + q * g->classes + c) * g->outpitch + first;

	sum += p->skip * SIDE;
	for (int64_t i = 0; i < n; i++, y += step, sum += SIDE) {
		vec v = load(sum) + bias;

		if (t->add)
			v += (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, y)), 16);
		_mm256_mask_storeu_epi16(y, m, (__m256i)to_halves(v));
	}
}

/* -- a task's plane ------------------------------------------------------------------ */
static int same_taps(const struct gather *g, int64_t h, int64_t other)
{
	int64_t in[MAX_KERNEL];
	int k[MAX_KERNEL], l[MAX_KERNEL], n = K(gather_taps)(g, 1, h, in, k);

	return K(gather_taps)(g, 1, other, in, l) == n && !memcmp(k, l, (size_t)n * sizeof *k);
}

static void class(const struct gather_task *t, const struct band *b, int c, struct call *a)
{
	const struct gather *g = t->g;
	const int64_t pitch = g->in_place ? g->inpitch : g->ci, kk = g->kernel[0] * g->kernel[1], tiles = b->rows * gather_parts(count_of(g, 0), g->tile);
	const int64_t blocks = gather_parts(tiles, AT_ONCE);
	float sum[AT_ONCE * SIDE * SIDE] __attribute__((aligned(64)));

	a->len = run_of(g, g->class[c].taps), a->tall = g->tall, a->beside = g->slots * SIDE * kk;
	a->at = g->class[c].first * pitch * (int64_t)sizeof(elem), a->apart = g->step * pitch * (int64_t)sizeof(elem);
	for (int64_t j = 0; j < blocks; j++) {
		const int64_t i0 = tiles * j / blocks, n = tiles * (j + 1) / blocks - i0;
		struct place p[AT_ONCE];
		int64_t off[AT_ONCE];

		for (int64_t i = 0; i < n; i++)
			p[i] = place_of(g, b, a, i0 + i), off[i] = p[i].off;
		for (int64_t first = t->c0, m; first < t->c1; first += m * SIDE) {
			m = gather_parts(t->c1 - first, SIDE) < AT_ONCE / n ? gather_parts(t->c1 - first, SIDE) : AT_ONCE / n;
			a->w = (const slot *)g->w + (first * g->slots + g->class[c].before * SIDE) * kk;
			some[n - 1][m - 1](a, off, sum);
			for (int64_t i = 0; i < n * m; i++)
				leave(t, &p[i % n], c, first + i / n * SIDE, sum + i * SIDE * SIDE);
		}
	}
}

void K(gather_amx_plane)(const struct gather_task *t)
{
	const struct gather *g = t->g;
	const int64_t apart = g->fractional ? g->stride[1] : 1;
	const int64_t next = g->in_place ? g->in[2] * g->inpitch * (int64_t)sizeof(elem) : g->row * (int64_t)sizeof(slot);
	struct gather_row row[MAX_ROWS];

	configure(g);
	for (int64_t first = t->h0; first < t->h0 + apart; first++)
		for (struct band b = {.h = first, .apart = apart, .next = g->fractional ? next : next * g->stride[1]}; b.h < t->h1; b.h += b.rows * apart) {
			struct call a = {.row = row, .rows = K(gather_rows)(t, b.h, row)};

			for (b.rows = 1; b.h + b.rows * apart < t->h1 && same_taps(g, b.h, b.h + b.rows * apart);)
				b.rows++;
			for (int c = 0; c < g->classes; c++)
				class(t, &b, c, &a);
		}
	amx_release();
}

#else

int K(gather_amx_plan)(struct gather *g)
{
	(void)g;
	return -1;
}

void K(gather_amx_pack)(struct gather *g, const float *w)
{
	(void)g, (void)w;
}

void K(gather_amx_plane)(const struct gather_task *t)
{
	(void)t;
}

#endif
