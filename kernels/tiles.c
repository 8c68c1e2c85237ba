/* Gathers with 3x3 taps along h and w at stride 1, by Winograd's F(2x2, 3x3), winograd.h: the sum over kd and ci is a matrix product for each of the
   16 elements (summed: tiles_block.c). Rounding is about twice that of the plain sum. */
#include "kernels/tiles.h"

#include <omp.h>
#include <string.h>


enum { MOST_NV = 2, NR = MOST_NV * VL, BUFFER = 1 << 17, WIDEST = 256 * 256, FEWEST = 20, DEEP = 8, LEAST = 12, TASKS = 4,
	PIECE = 60 }; /* BUFFER: slots of a task; WIDEST: slots of ci*co; FEWEST: tiles of a plane; PIECE: tiles of products that wait for A */

static int64_t planes(const struct gather *g)
{
	return g->deep + g->kernel[0] - 1 < g->in[0] ? g->deep + g->kernel[0] - 1 : g->in[0];
}

/* An odd number of tiles: the elements do not share cache sets. */
static int64_t element_slots(const struct gather *g)
{
	return (planes(g) * g->strip | 1) * g->cslots;
}

static int few_tasks(const struct gather *g)
{
	return g->n * gather_parts(g->tiles, g->strip) * gather_parts(g->out[0], g->deep) < TASKS * g->threads;
}

int K(tiles_plan)(struct gather *g)
{
	if (g->kernel[1] != 3 || g->kernel[2] != 3 || g->stride[0] != 1 || g->stride[1] != 1 || g->stride[2] != 1 || g->ci < VL || g->co < VL ||
	    g->ci % PAIR)
		return -1;
	g->across = (g->out[2] + 1) / 2;
	g->tiles = (g->out[1] + 1) / 2 * g->across;
	if (g->ci * g->co / PAIR > WIDEST || g->tiles < FEWEST)
		return -1;
	g->deep = g->out[0] < DEEP ? g->out[0] : DEEP;
	g->strip = BUFFER / (ELEMENTS * planes(g) * g->cslots);
	g->strip = g->strip < 1 ? 1 : g->strip > g->tiles ? g->tiles : g->strip;
	while (g->strip > LEAST && few_tasks(g))
		g->strip = (g->strip + 1) / 2;
	while (g->deep > 1 && few_tasks(g))
		g->deep = (g->deep + 1) / 2;
	g->room = ELEMENTS * (element_slots(g) + (PIECE + 1) * NR);
	return 0;
}

int64_t K(tiles_weights)(const struct gather *g)
{
	return ELEMENTS * g->kernel[0] * g->cslots * winograd_vectors(g->co) * VL;
}

static int64_t blocks_of(const struct gather *g)
{
	return gather_parts(winograd_vectors(g->co), MOST_NV);
}

static int64_t block_at(const struct gather *g, int64_t b)
{
	return winograd_block(g->co, MOST_NV, b);
}

/* Slot s of VL output channels from co: every element to u + element * step */
static void pack_slots(const struct gather *g, const float *w, int kd, int64_t s, int64_t co, slot *u, int64_t step)
{
	vec all[PAIR][ELEMENTS];

	for (int p = 0; p < PAIR; p++) {
		float k[9 * VL];

		winograd_taps(g, w, kd, s * PAIR + p, co, k);
		winograd_weights(k, all[p]);
	}
	for (int i = 0; i < ELEMENTS; i++) {
		vec v[PAIR];

		for (int p = 0; p < PAIR; p++)
			v[p] = TILES_SUMMED && i % 4 == 3 ? -all[p][i] : all[p][i];
		store_slots(u + i * step, join(v));
	}
}

/* [block of co][element][kd in the order of input planes][slot of ci][co of the block]; taps are mirrored where the gather is fractional */
void K(tiles_pack)(struct gather *g, const float *w)
{
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t s = 0; s < g->cslots; s++)
		for (int64_t b = 0; b < blocks_of(g); b++)
			for (int64_t first = block_at(g, b), v = first; v < block_at(g, b + 1); v++)
				for (int kd = 0; kd < g->kernel[0]; kd++) {
					int64_t nr = (block_at(g, b + 1) - first) * VL, at = g->fractional ? g->kernel[0] - 1 - kd : kd;
					slot *u = (slot *)g->w + first * VL * ELEMENTS * g->kernel[0] * g->cslots + (at * g->cslots + s) * nr + (v - first) * VL;

					pack_slots(g, w, kd, s, winograd_channel(g->co, v), u, g->kernel[0] * g->cslots * nr);
					for (int i = 0; i < ELEMENTS && v > first && winograd_halved(g, first, 2); i++, u += g->kernel[0] * g->cslots * nr)
						memcpy(u, u + VL / 2, sizeof *u * VL / 2);
				}
}

/* Output planes d0..d1 of n, `count` tiles of each from `first`. v [element][input plane from i0][tile][ci], elements vstep slots apart: a tap
   along d is an offset. */
struct task {
	const struct gather *g;
	const elem *x;
	const float *bias;
	elem *y, *v;
	float *m;
	int add;
	int64_t n, d0, d1, first, count, i0, i1, vstep;
};

/* The 4 rows of a run of tiles along w, at the first column (may be outside); NULL: outside */
struct band { const elem *row[4]; int64_t column, columns, step, plane; int whole; };

/* What the next plane has where this one has two columns of channels from c on */
INLINE void fetch(const struct band *b, int64_t at, int64_t c)
{
	for (int h = 0; h < 4; h++)
		__builtin_prefetch(b->row[h] + b->plane + at * b->step + c), __builtin_prefetch(b->row[h] + b->plane + (at + 1) * b->step + c);
}

/* B' along h of VL channels from c of a column */
INLINE void column(const struct band *b, int64_t at, int64_t c, vec t[4], const int whole)
{
	vec e[4] = {{0}};

	for (int h = 0; h < 4 && b->column + at >= 0 && b->column + at < b->columns; h++)
		if (whole || b->row[h])
			e[h] = load(b->row[h] + at * b->step + c);
	winograd_column(e, t);
}

/* n tiles along w to v, elements `step` apart */
INLINE void bring_run(const struct gather *g, const struct band *b, int64_t n, elem *v, int64_t step, const int whole)
{
	for (int64_t i = 0; i < winograd_vectors(g->ci); i++) {
		int64_t c = winograd_channel(g->ci, i);
		vec t[4][4];

		column(b, 0, c, t[0], whole), column(b, 1, c, t[1], whole);
		for (int64_t j = 0; j < n; j++) {
			if (whole)
				fetch(b, 2 * j + 2, c);
			column(b, 2 * j + 2, c, t[2], whole), column(b, 2 * j + 3, c, t[3], whole);
			winograd_input(t, v + j * g->ci + c, step);
		}
	}
}

static void bring(const struct task *t)
{
	const struct gather *g = t->g;
	elem *v = t->v;
	int64_t n;

	for (int64_t d = t->i0; d < t->i1; d++)
		for (int64_t i = t->first; i < t->first + t->count; i += n, v += n * g->ci) {
			struct band b = {.column = i % g->across * 2 - gather_pad(g, 2), .columns = g->in[2], .step = g->inpitch,
				.plane = g->in[1] * g->in[2] * g->inpitch, .whole = 1};

			for (int k = 0; k < 4; k++) {
				int64_t h = i / g->across * 2 - gather_pad(g, 1) + k;

				b.whole &= h >= 0 && h < g->in[1];
				if (h >= 0 && h < g->in[1])
					b.row[k] = t->x + (((t->n * g->in[0] + d) * g->in[1] + h) * g->in[2] + b.column) * b.step;
			}
			n = g->across - i % g->across;
			n = n > t->first + t->count - i ? t->first + t->count - i : n;
			if (b.whole)
				bring_run(g, &b, n, v, t->vstep * PAIR, 1);
			else
				bring_run(g, &b, n, v, t->vstep * PAIR, 0);
		}
}

/* n tiles of the run of the task's planes from its tile `at`: they have the taps k0..k1 along d. */
struct piece { int64_t at, n; int k0, k1; };

static void leave(const struct task *t, const struct piece *p, int64_t vector, int nr)
{
	const struct gather *g = t->g;

	for (int64_t i = 0; i < p->n; i++) {
		int64_t od = t->d0 + (p->at + i) / t->count, tile = t->first + (p->at + i) % t->count, h0 = tile / g->across * 2, w0 = tile % g->across * 2;
		elem *y = t->y + (((t->n * g->out[0] + od) * g->out[1] + h0) * g->out[2] + w0) * g->outpitch;
		int rows = g->out[1] - h0 > 1 ? 2 : 1, cols = g->out[2] - w0 > 1 ? 2 : 1;

		if (nr == VL)
			winograd_leave(g, t->m + i * nr, (PIECE + 1) * nr, t->bias, vector, y, rows, cols, t->add, 1, VL, TILES_SUMMED);
		else if (winograd_halved(g, vector, 2))
			winograd_leave(g, t->m + i * nr, (PIECE + 1) * nr, t->bias, vector, y, rows, cols, t->add, 2, VL / 2, TILES_SUMMED);
		else
			winograd_leave(g, t->m + i * nr, (PIECE + 1) * nr, t->bias, vector, y, rows, cols, t->add, 2, VL, TILES_SUMMED);
	}
}

#if TILES_SUMMED
static void products(const struct task *t, const struct piece *p, int64_t vector, int nr)
{
	const struct gather *g = t->g;
	const int64_t tile = (t->d0 + p->k0 - gather_pad(g, 0) - t->i0) * t->count + p->at, wstep = g->kernel[0] * g->cslots * nr;

	for (int row = 0; row < 4; row++) {
		const struct tiles_call a = {.v = t->v + row * 4 * t->vstep * PAIR + tile * g->ci, .vstep = t->vstep * PAIR, .plane = t->count * g->ci,
			.ci = g->ci, .taps = p->k1 - p->k0, .wstep = wstep, .m = t->m + 2 * row * (PIECE + 1) * nr, .column = (PIECE + 1) * nr,
			.w = (const slot *)g->w + vector * VL * ELEMENTS * g->kernel[0] * g->cslots + row * 4 * wstep + p->k0 * g->cslots * nr};

		K(tiles_products)(&a, nr / VL, winograd_halved(g, vector, nr / VL), p->n);
	}
}
#else
static void products(const struct task *t, const struct piece *p, int64_t vector, int nr)
{
	static const float none[NR];
	const struct gather *g = t->g;

	for (int i = 0; i < ELEMENTS; i++) {
		struct gather_row row[MAX_KERNEL];
		struct gather_call a = {.row = row, .rows = p->k1 - p->k0, .len = g->cslots, .step = g->ci, .wstep = g->cslots * nr, .bias = none,
			.y = t->m + i * (PIECE + 1) * nr, .ystep = nr, .cols = winograd_halved(g, vector, nr / VL) ? nr - HALF : nr, .floats = 1};

		for (int k = p->k0; k < p->k1; k++) {
			int64_t tile = (t->d0 + k - gather_pad(g, 0) - t->i0) * t->count + p->at;

			row[k - p->k0] = (struct gather_row){t->v + (i * t->vstep + tile * g->cslots) * PAIR, k};
		}
		a.w = (const slot *)g->w + (vector * VL * ELEMENTS + i * nr) * g->kernel[0] * g->cslots;
		K(gather_wide)(&a, nr, p->n);
	}
}
#endif

/* The next piece after p: of planes that have the same taps */
static int next(const struct task *t, struct piece *p)
{
	const struct gather *g = t->g;
	int64_t dp = gather_pad(g, 0), end = 0;

	p->at += p->n;
	for (int64_t d = t->d0 + p->at / t->count; d < t->d1; d++) {
		int k0 = d < dp ? (int)(dp - d) : 0, k1 = d - dp + g->kernel[0] > g->in[0] ? (int)(g->in[0] + dp - d) : g->kernel[0];

		k1 = k1 < k0 ? k0 : k1;
		if (end && (k0 != p->k0 || k1 != p->k1))
			break;
		p->k0 = k0, p->k1 = k1;
		end = (d + 1 - t->d0) * t->count;
	}
	p->n = end - p->at < PIECE ? end - p->at : PIECE;
	return end > 0;
}

void K(tiles_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch)
{
	int64_t strips = gather_parts(g->tiles, g->strip), chunks = gather_parts(g->out[0], g->deep), dp = gather_pad(g, 0);

#pragma omp parallel for schedule(dynamic) num_threads(g->threads)
	for (int64_t i = 0; i < g->n * chunks * strips; i++) {
		float *room = scratch + omp_get_thread_num() * g->room;
		int64_t chunk = i / strips % chunks, strip = i % strips;
		struct task t = {.g = g, .x = x, .bias = bias, .y = y, .add = add, .m = room, .n = i / strips / chunks};

		t.v = (elem *)(t.m + ELEMENTS * (PIECE + 1) * NR);
		t.d0 = g->out[0] * chunk / chunks, t.d1 = g->out[0] * (chunk + 1) / chunks;
		t.first = g->tiles * strip / strips, t.count = g->tiles * (strip + 1) / strips - t.first;
		t.i0 = t.d0 > dp ? t.d0 - dp : 0, t.i1 = t.d1 - dp + g->kernel[0] - 1 < g->in[0] ? t.d1 - dp + g->kernel[0] - 1 : g->in[0];
		t.vstep = element_slots(g);
		bring(&t);
		for (int64_t b = 0; b < blocks_of(g); b++)
			for (struct piece p = {0}; next(&t, &p);) {
				int nr = (int)(block_at(g, b + 1) - block_at(g, b)) * VL;

				products(&t, &p, block_at(g, b), nr);
				leave(&t, &p, block_at(g, b), nr);
			}
	}
}
