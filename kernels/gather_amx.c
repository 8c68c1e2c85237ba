/* Gathers of bf16 by AMX's tiles: sums of up to 16 outputs along w and 16 output channels += runs of the outputs' inputs, as they lie in the rows,
   times weights. Four tiles of sums are in registers, of output rows one below the other, which share most of their inputs, or, where there are few,
   of several sixteens of channels: a product waits for the one before it of the same sums. */
#include "kernels/amx.h"
#include "kernels/direct.h"

#include <string.h>

#ifdef HAS_AMX
enum { SLOTS = 16, AT_ONCE = 4, WEIGHTS = 1 << 17, FEW = 4, THREE = 3 }; /* slots of a step of a run at most; tiles of sums in registers; slots of a
	task's weights, which stay in its cache; channels that are few; taps */

/* -- the plan ----------------------------------------------------------------- */
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
		const int64_t need = gather_slots(g, c), even = need ? gather_parts(need, gather_parts(need, SLOTS)) : 0;
		const int64_t each = need > SLOTS && g->step * g->ci % (SLOTS * PAIR) == 0 ? SLOTS : even; /* whole cache lines, where outputs lie so */
		const int64_t end = g->class[c].first + (count_of(g, 0) - 1) * g->step + g->class[c].taps; /* a tile is as wide for a class with an output less */

		g->tall = each > g->tall ? each : g->tall;
		g->width = end > g->width ? end : g->width;
	}
	g->in_place = g->ci % PAIR == 0 && !g->left && g->width <= g->in[2];
	for (int c = 0; c < g->classes; c++) {
		const int64_t run = gather_amx_run(g, c);

		g->in_place &= g->class[c].taps <= 1 && run == gather_slots(g, c); /* where rows are, nothing behind them is read */
		g->class[c].before = g->slots, g->slots += run;
	}
	g->weights = gather_parts(g->co, SIDE) * g->kernel[0] * g->kernel[1] * g->slots * SIDE;
	g->tile = gather_parts(count_of(g, 0), gather_parts(count_of(g, 0), SIDE));
	g->group = WEIGHTS / (g->weights / gather_parts(g->co, SIDE)) * SIDE;
	g->group = g->group < SIDE ? SIDE : g->group > g->co ? g->co : g->group;
	return 0;
}

/* -- products ------------------------------------------------------------------- */
/* Tiles 0..3: sums, 4: inputs, 5 to 7: weights */
static void configure(const struct gather *g)
{
	struct amx_tiles t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.bytes[i] = 64, t.rows[i] = (uint8_t)(i < 5 ? g->tile : g->tall);
	t.bytes[4] = (uint16_t)(g->tall * 4);
	amx_configure(&t);
}

/* Runs of `len` slots, `tall` a step, from byte `at` of each row on, outputs' `apart` bytes apart, output rows' inputs `next`; weights of 16 columns,
   k after k, and `beside` slots to the next 16 */
struct call {
	const struct gather_row *row;
	int64_t rows, at, apart, next, len, tall, beside;
	const slot *w;
};

INLINE void zero_sums(void)
{
	TILE_ZERO(0);
	TILE_ZERO(1);
	TILE_ZERO(2);
	TILE_ZERO(3);
}

INLINE void store_sums(float *sum, const int n)
{
	const int64_t lines = 64;

	TILE_STORE(0, sum, lines);
	if (n > 1)
		TILE_STORE(1, sum + SIDE * SIDE, lines);
	if (n > 2)
		TILE_STORE(2, sum + 2 * SIDE * SIDE, lines);
	if (n > 3)
		TILE_STORE(3, sum + 3 * SIDE * SIDE, lines);
}

/* sum [m][n][16][16] of n tiles, `off` bytes from the rows' first, and m sixteens of columns; n m is at most 4 */
INLINE void products(const struct call *a, const int64_t *off, float *sum, const int n, const int m)
{
	const int64_t o0 = off[0], o1 = n > 1 ? off[1] : 0, o2 = n > 2 ? off[2] : 0, o3 = n > 3 ? off[3] : 0;
	const int64_t lines = 64, apart = a->apart, beside = a->beside;

	zero_sums();
	for (int64_t r = 0; r < a->rows; r++) {
		const char *x = (const char *)a->row[r].x + a->at, *end = x + a->len * (int64_t)sizeof(slot);
		const slot *w = a->w + a->row[r].k * a->len * SIDE;

		for (; x < end; x += a->tall * (int64_t)sizeof(slot), w += a->tall * SIDE) {
			TILE_LOAD(5, w, lines);
			TILE_LOAD(4, x + o0, apart);
			TILE_MULTIPLY(0, 4, 5);
			if (m > 1)
				TILE_LOAD(6, w + beside, lines);
			if (n == 1 && m > 1)
				TILE_MULTIPLY(1, 4, 6);
			if (n == 2 && m > 1)
				TILE_MULTIPLY(2, 4, 6);
			if (n == 1 && m > 2) {
				TILE_LOAD(7, w + 2 * beside, lines);
				TILE_MULTIPLY(2, 4, 7);
			}
			if (n == 1 && m > 3) {
				TILE_LOAD(5, w + 3 * beside, lines);
				TILE_MULTIPLY(3, 4, 5);
			}
			if (n > 1) {
				TILE_LOAD(4, x + o1, apart);
				TILE_MULTIPLY(1, 4, 5);
			}
			if (n == 2 && m > 1)
				TILE_MULTIPLY(3, 4, 6);
			if (n > 2) {
				TILE_LOAD(4, x + o2, apart);
				TILE_MULTIPLY(2, 4, 5);
			}
			if (n > 3) {
				TILE_LOAD(4, x + o3, apart);
				TILE_MULTIPLY(3, 4, 5);
			}
		}
	}
	store_sums(sum, n * m);
}

/* sum [n][16][16] of n tiles of output rows one below the other, with THREE taps along h, rows [kd][kh]: what they read is loaded once for
   all of them. */
INLINE void shared(const struct call *a, const int64_t *off, float *sum, const int n)
{
	const int64_t lines = 64, apart = a->apart, next = a->next, step = a->tall * SIDE;

	zero_sums();
	for (const struct gather_row *r = a->row; r < a->row + a->rows; r += THREE) {
		const int top = r[0].x < r[2].x ? 0 : 2;
		const char *x = (const char *)r[top].x + a->at + off[0], *end = x + a->len * (int64_t)sizeof(slot);
		const slot *w0 = a->w + r[top].k * a->len * SIDE, *w1 = a->w + r[1].k * a->len * SIDE, *w2 = a->w + r[2 - top].k * a->len * SIDE;

		for (; x < end; x += a->tall * (int64_t)sizeof(slot), w0 += step, w1 += step, w2 += step) {
			TILE_LOAD(5, w0, lines);
			TILE_LOAD(4, x, apart);
			TILE_MULTIPLY(0, 4, 5);
			TILE_LOAD(6, w1, lines);
			TILE_LOAD(4, x + next, apart);
			TILE_MULTIPLY(1, 4, 5);
			TILE_MULTIPLY(0, 4, 6);
			TILE_LOAD(7, w2, lines);
			TILE_LOAD(4, x + 2 * next, apart);
			if (n > 2)
				TILE_MULTIPLY(2, 4, 5);
			TILE_MULTIPLY(1, 4, 6);
			TILE_MULTIPLY(0, 4, 7);
			TILE_LOAD(4, x + 3 * next, apart);
			if (n > 3)
				TILE_MULTIPLY(3, 4, 5);
			if (n > 2)
				TILE_MULTIPLY(2, 4, 6);
			TILE_MULTIPLY(1, 4, 7);
			if (n > 2)
				TILE_LOAD(4, x + 4 * next, apart);
			if (n > 3)
				TILE_MULTIPLY(3, 4, 6);
			if (n > 2)
				TILE_MULTIPLY(2, 4, 7);
			if (n > 3) {
				TILE_LOAD(4, x + 5 * next, apart);
				TILE_MULTIPLY(3, 4, 7);
			}
		}
	}
	store_sums(sum, n);
}

#define PRODUCTS(n, m) \
	static void products_##n##m(const struct call *a, const int64_t *off, float *sum) { products(a, off, sum, n, m); }
#define SHARED(n) \
	static void shared_##n(const struct call *a, const int64_t *off, float *sum) { shared(a, off, sum, n); }
PRODUCTS(1, 1) PRODUCTS(1, 2) PRODUCTS(1, 3) PRODUCTS(1, 4) PRODUCTS(2, 1) PRODUCTS(2, 2) PRODUCTS(3, 1) PRODUCTS(4, 1)
SHARED(2) SHARED(3) SHARED(4)

typedef void some_fn(const struct call *, const int64_t *, float *);
/* [tiles - 1][sixteens - 1] */
static some_fn *const some[AT_ONCE][AT_ONCE] = {
	{products_11, products_12, products_13, products_14}, {products_21, products_22}, {products_31}, {products_41},
};
/* [tiles - 1] */
static some_fn *const some_shared[AT_ONCE] = {NULL, shared_2, shared_3, shared_4};

/* -- sums leave -------------------------------------------------------------------- */
/* A tile: its output row, the output of that row that it begins with, and how many of its outputs another has, too */
struct place { int64_t h, q, skip; };

/* As much of a vector as m says += what is there, where that is wanted; and to memory */
INLINE void leave_some(const struct gather_task *t, elem *y, __mmask16 m, vec v)
{
	if (t->add)
		v += (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, y)), 16);
	_mm256_mask_storeu_epi16(y, m, (__m256i)to_halves(v));
}

INLINE elem *output_at(const struct gather_task *t, const struct place *p, int c)
{
	const struct gather *g = t->g;

	return t->y + (((t->n * g->out[0] + t->od) * g->out[1] + p->h) * g->out[2] + (p->q + p->skip) * g->classes + c) * g->outpitch;
}

/* Channels from `first` on of class c */
static void leave(const struct gather_task *t, const struct place *p, int c, int64_t first, const float *sum)
{
	const struct gather *g = t->g;
	const int64_t step = g->classes * g->outpitch, most = g->tile - p->skip, left = count_of(g, c) - p->q - p->skip;
	const __mmask16 m = amx_first(g->co - first);
	const vec bias = t->bias ? (vec)_mm512_maskz_loadu_ps(m, t->bias + first) : (vec){0};
	elem *y = output_at(t, p, c) + first;

	sum += p->skip * SIDE;
	for (int64_t i = 0; i < (left < most ? left : most); i++, y += step, sum += SIDE)
		leave_some(t, y, m, load(sum) + bias);
}

/* A few channels, dense, go by vectors of several outputs: of a class to where it is among all, */
static void collect(const struct gather_task *t, int c, const float *sum, float *few)
{
	const struct gather *g = t->g;
	const __mmask8 m = (__mmask8)amx_first(g->co);
	const __m128 bias = t->bias ? _mm_maskz_loadu_ps(m, t->bias) : _mm_setzero_ps();

	few += c * g->co;
	for (int64_t i = 0; i < g->tile; i++, sum += SIDE, few += g->classes * g->co)
		_mm_mask_storeu_ps(few, m, _mm_add_ps(_mm_load_ps(sum), bias));
}

/* and then all of them */
static void leave_few(const struct gather_task *t, const struct place *p, const float *few)
{
	const struct gather *g = t->g;
	const int64_t first = (p->q + p->skip) * g->classes, end = (p->q + g->tile) * g->classes;
	const int64_t n = ((end < g->out[2] ? end : g->out[2]) - first) * g->co;
	elem *y = output_at(t, p, 0);

	few += p->skip * g->classes * g->co;
	for (int64_t i = 0; i < n; i += SIDE)
		leave_some(t, y + i, amx_first(n - i), (vec)_mm512_maskz_loadu_ps(amx_first(n - i), few + i));
}

/* -- a task's plane ------------------------------------------------------------------ */
/* Output rows h, h + apart .. of a plane that have the same taps; do those below each other share most of them? */
struct band { int64_t h, apart, rows; int shares; };

static int same_taps(const struct gather *g, int64_t h, int64_t other)
{
	int64_t in[MAX_KERNEL];
	int k[MAX_KERNEL], l[MAX_KERNEL], n = K(gather_taps)(g, 1, h, in, k);

	return K(gather_taps)(g, 1, other, in, l) == n && !memcmp(k, l, (size_t)n * sizeof *k);
}

/* All three taps along h, at stride 1 */
static int shares(const struct gather_task *t, const struct band *b, const struct call *a)
{
	int64_t gap;

	if (t->g->classes > 1 || b->apart > 1 || b->rows < 2 || t->g->kernel[1] != THREE || a->rows != THREE * t->dtaps)
		return 0;
	gap = (const char *)a->row[1].x - (const char *)a->row[0].x;
	return gap == a->next || gap == -a->next;
}

/* Tile i of a band; they go down first: those at once share rows */
static struct place place_of(const struct gather *g, const struct band *b, int64_t i)
{
	const int64_t at = i / b->rows * g->tile, last = count_of(g, 0) - g->tile, q = at < last ? at : last;

	return (struct place){b->h + i % b->rows * b->apart, q, at - q};
}

/* n tiles from i on */
static void block(const struct gather_task *t, const struct band *b, struct call *a, int64_t i, int64_t n)
{
	const struct gather *g = t->g;
	const int64_t pitch = (g->in_place ? g->inpitch : g->ci) * (int64_t)sizeof(elem), kk = g->kernel[0] * g->kernel[1];
	const int few = g->co <= FEW && g->outpitch == g->co;
	float sum[AT_ONCE * SIDE * SIDE] __attribute__((aligned(64))), side[AT_ONCE][FEW * SIDE * MAX_STRIDE];
	struct place p[AT_ONCE];
	int64_t off[AT_ONCE];

	a->apart = g->step * pitch;
	for (int64_t k = 0; k < n; k++)
		p[k] = place_of(g, b, i + k), off[k] = (p[k].h - b->h) / b->apart * a->next + p[k].q * a->apart;
	for (int c = 0; c < g->classes; c++) {
		a->len = gather_amx_run(g, c), a->at = g->class[c].first * pitch;
		for (int64_t first = t->c0, m; first < t->c1; first += m * SIDE) {
			m = b->shares ? 1 : gather_parts(t->c1 - first, SIDE) < AT_ONCE / n ? gather_parts(t->c1 - first, SIDE) : AT_ONCE / n;
			a->w = (const slot *)g->w + (first * g->slots + g->class[c].before * SIDE) * kk;
			(b->shares ? some_shared[n - 1] : some[n - 1][m - 1])(a, off, sum);
			for (int64_t k = 0; k < n * m; k++)
				if (few)
					collect(t, c, sum + k * SIDE * SIDE, side[k]);
				else
					leave(t, &p[k % n], c, first + k / n * SIDE, sum + k * SIDE * SIDE);
		}
	}
	for (int64_t k = 0; few && k < n; k++)
		leave_few(t, &p[k], side[k]);
}

/* Tiles i0..i1 of a band, in blocks as even as can be */
static void blocks(const struct gather_task *t, const struct band *b, struct call *a, int64_t i0, int64_t i1)
{
	const int64_t n = i1 - i0, parts = gather_parts(n, AT_ONCE);

	for (int64_t j = 0; j < parts; j++)
		block(t, b, a, i0 + n * j / parts, n * (j + 1) / parts - n * j / parts);
}

void K(gather_amx_plane)(const struct gather_task *t)
{
	const struct gather *g = t->g;
	const int64_t apart = g->fractional ? g->stride[1] : 1, columns = gather_parts(count_of(g, 0), g->tile);
	const int64_t next = g->in_place ? g->in[2] * g->inpitch * (int64_t)sizeof(elem) : g->row * (int64_t)sizeof(slot);
	struct gather_row row[MAX_ROWS];
	struct call a = {.row = row, .next = g->fractional ? next : next * g->stride[1], .tall = g->tall};

	a.beside = g->slots * SIDE * g->kernel[0] * g->kernel[1];
	configure(g);
	for (int64_t first = t->h0; first < t->h0 + apart; first++)
		for (struct band b = {.h = first, .apart = apart}; b.h < t->h1; b.h += b.rows * apart) {
			a.rows = K(gather_rows)(t, b.h, row);
			for (b.rows = 1; b.h + b.rows * apart < t->h1 && same_taps(g, b.h, b.h + b.rows * apart);)
				b.rows++;
			b.shares = shares(t, &b, &a);
			for (int64_t i = 0; b.shares && i < columns; i++)
				blocks(t, &b, &a, i * b.rows, (i + 1) * b.rows);
			if (!b.shares)
				blocks(t, &b, &a, 0, columns * b.rows);
		}
	amx_release();
}

#else

int K(gather_amx_plan)(struct gather *g)
{
	(void)g;
	return -1;
}

void K(gather_amx_plane)(const struct gather_task *t)
{
	(void)t;
}

#endif
