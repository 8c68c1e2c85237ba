/* Weight gradients of 3x3 taps along h and w at stride 1, by Winograd's F(3x3, 2x2), the transpose of tiles.c's F(2x2, 3x3): for tiles of 2x2 voxels
   s of S under 4x4 voxels d of L, dw = G' [sum over tiles of (A s A') . (B' d B)] G, 16 products a tile instead of 36. The sum is a matrix product
   for each of the 16 elements and each tap along d. A, B, G: winograd.h. Channels are in fours.
   A task's tiles lie in runs of slots, plane after plane: a tap along d is an offset. Parts as in wgrad.c. */
#include "kernels/direct.h"

#include <omp.h>
#include <string.h>

enum { NR = 2 * VL, MR = VL == 16 ? 12 : 6, ELEMENTS = 16, BLOCK = 16 * PAIR, RUN = 240, DEEP = 4, FEWEST = 64, PARTS = 16, PARTS_LEN = 1 << 21,
	TASKS = 8, ZEROS = 64 + VL, OUTSIDE = 1 << 30 }; /* RUN: tiles of a task; ZEROS: a vector, then at least NR and a block of
	channels */

int K(wgrad_tiles_plan)(struct wgrad *g)
{
	int64_t tiles, units;

	if (g->kernel[1] != 3 || g->kernel[2] != 3 || g->stride[0] != 1 || g->stride[1] != 1 || g->stride[2] != 1 || g->cl < VL || g->cs < VL ||
	    g->cl % 4 || g->cs % 4 || (g->blocks > 1 && g->cl % BLOCK && g->cl % BLOCK < VL))
		return -1;
	g->across = (g->small[2] + 1) / 2, g->down = (g->small[1] + 1) / 2;
	if (g->across * g->down * g->small[0] * g->n < FEWEST)
		return -1;
	if (g->blocks > 1)
		g->block = BLOCK, g->blocks = (g->cl + BLOCK - 1) / BLOCK;
	g->tall = RUN / DEEP / g->across;
	g->tall = g->tall < 1 ? 1 : g->tall > g->down ? g->down : g->tall;
	tiles = (g->tall * g->across + PAIR - 1) / PAIR * PAIR;
	g->deep = RUN / tiles < 1 ? 1 : RUN / tiles > g->small[0] ? g->small[0] : RUN / tiles;
	g->len = (int64_t)g->kernel[0] * ELEMENTS * g->cl * g->wide;
	g->room = ELEMENTS * tiles / PAIR * ((g->deep + g->kernel[0] - 1) * g->block + g->deep * NR) + ZEROS;
	units = g->n * ((g->small[0] + g->deep - 1) / g->deep) * ((g->down + g->tall - 1) / g->tall);
	g->parts = PARTS_LEN / g->len < PARTS ? PARTS_LEN / g->len : PARTS;
	while (g->parts > 1 && units / g->parts < 4 && g->parts * g->blocks > TASKS)
		g->parts--;
	g->parts = g->parts > units ? units : g->parts;
	g->parts = g->parts < 1 ? 1 : g->parts;
	return 0;
}

/* Planes d0..d1 of S, rows h0..h1 of tiles, `slots` a plane; channels c0.. (c of them) of L. v [element][plane of L from d0 - pad][slot][c], u
   [element][plane][slot][nr]: elements vstep and ustep slots apart. zero: voxels outside */
struct task { const struct wgrad *g; int64_t n, d0, d1, h0, h1, c0, c, slots, vstep, ustep; slot *v, *u; const elem *zero; };

/* The channel that the vector from k begins at, of c: the last one has some that are in the one before too, which may lie before channel 0. */
static int64_t channel(int64_t k, int64_t c)
{
	return k + VL > c ? c - VL : k;
}

/* B' d B of a slot's tiles p and c channels, d[h][w] being D(p, h, w) */
#define TRANSFORM_LARGE(D) \
	for (int64_t next = 0; next < c; next += VL) { \
		const int64_t k = channel(next, c); \
		vec e[ELEMENTS][PAIR]; \
		UNROLL for (int p = 0; p < PAIR; p++) { \
			vec d[4][4]; \
			UNROLL for (int i = 0; i < ELEMENTS; i++) \
				d[i / 4][i % 4] = load(D(p, i / 4, i % 4) + k); \
			UNROLL for (int i = 0; i < 4; i++) { \
				vec t[4]; \
				UNROLL for (int j = 0; j < 4; j++) \
					t[j] = i == 0 ? d[0][j] - d[2][j] : i == 1 ? d[1][j] + d[2][j] : i == 2 ? d[2][j] - d[1][j] : d[1][j] - d[3][j]; \
				e[4 * i][p] = t[0] - t[2], e[4 * i + 1][p] = t[1] + t[2]; \
				e[4 * i + 2][p] = t[2] - t[1], e[4 * i + 3][p] = t[1] - t[3]; \
			} \
		} \
		UNROLL for (int i = 0; i < ELEMENTS; i++) \
			store_slots(v + k + i * step, join(e[i])); \
	}

static void large_inside(const elem *const *x, int64_t hstep, int64_t wstep, int64_t c, slot *v, int64_t step)
{
#define D(p, h, w) (x[p] + (h) * hstep + (w) * wstep)
	TRANSFORM_LARGE(D)
#undef D
}

static void large_edge(const elem *const (*at)[ELEMENTS], int64_t c, slot *v, int64_t step)
{
#define D(p, h, w) at[p][4 * (h) + (w)]
	TRANSFORM_LARGE(D)
#undef D
}

/* A s A' of c channels, nr at most in whole vectors: s[p][2 h + w] */
static void transform_small(const elem *const (*s)[4], int64_t c, int nr, slot *u, int64_t step)
{
	for (int64_t next = 0; next < nr; next += VL, u += VL) {
		const int64_t k = channel(next, c);
		vec e[ELEMENTS][PAIR];

		UNROLL for (int p = 0; p < PAIR; p++) {
			vec a[2] = {load(s[p][0] + k), load(s[p][1] + k)}, b[2] = {load(s[p][2] + k), load(s[p][3] + k)};

			UNROLL for (int i = 0; i < 4; i++) {
				vec x = i == 0 ? a[0] : i == 1 ? a[0] + b[0] : i == 2 ? a[0] - b[0] : -b[0];
				vec y = i == 0 ? a[1] : i == 1 ? a[1] + b[1] : i == 2 ? a[1] - b[1] : -b[1];

				e[4 * i][p] = x, e[4 * i + 1][p] = x + y, e[4 * i + 2][p] = x - y, e[4 * i + 3][p] = -y;
			}
		}
		UNROLL for (int i = 0; i < ELEMENTS; i++)
			store_slots(u + i * step, join(e[i]));
	}
}

/* The first voxel in S of tile i of a plane; of one behind the last it is outside. */
static void place(const struct task *t, int64_t i, int64_t *h, int64_t *w)
{
	*h = i < (t->h1 - t->h0) * t->g->across ? (t->h0 + i / t->g->across) * 2 : OUTSIDE;
	*w = i % t->g->across * 2;
}

static const elem *voxel(const struct task *t, const elem *plane, const int64_t side[3], int64_t pitch, int64_t h, int64_t w)
{
	return h < 0 || h >= side[1] || w < 0 || w >= side[2] ? t->zero : plane + (h * side[2] + w) * pitch;
}

static void bring_large_slot(const struct task *t, const elem *plane, int64_t i, slot *v)
{
	const struct wgrad *g = t->g;
	const elem *x[PAIR], *at[PAIR][ELEMENTS];
	int64_t h[PAIR], w[PAIR];
	int inside = 1;

	for (int p = 0; p < PAIR; p++) {
		place(t, i * PAIR + p, &h[p], &w[p]);
		h[p] -= g->pad[1], w[p] -= g->pad[2];
		inside &= h[p] >= 0 && h[p] + 4 <= g->large[1] && w[p] >= 0 && w[p] + 4 <= g->large[2];
	}
	for (int p = 0; p < PAIR && inside; p++)
		x[p] = voxel(t, plane, g->large, g->lpitch, h[p], w[p]);
	for (int k = 0; k < PAIR * ELEMENTS && !inside; k++) {
		int p = k / ELEMENTS, e = k % ELEMENTS;

		at[p][e] = voxel(t, plane, g->large, g->lpitch, h[p] + e / 4, w[p] + e % 4);
	}
	if (inside)
		large_inside(x, g->large[2] * g->lpitch, g->lpitch, t->c, v, t->vstep);
	else
		large_edge(at, t->c, v, t->vstep);
}

static void bring_large(const struct task *t, const elem *l)
{
	const struct wgrad *g = t->g;
	int64_t first = t->d0 - g->pad[0], plane = g->large[1] * g->large[2] * g->lpitch;

	for (int64_t d = first < 0 ? 0 : first; d < t->d1 - g->pad[0] + g->kernel[0] - 1 && d < g->large[0]; d++)
		for (int64_t i = 0; i < t->slots; i++)
			bring_large_slot(t, l + (t->n * g->large[0] + d) * plane + t->c0, i, t->v + ((d - first) * t->slots + i) * t->c);
}

static void bring_small(const struct task *t, const elem *s, int64_t s0, int nr)
{
	const struct wgrad *g = t->g;
	slot *u = t->u;

	for (int64_t d = t->d0; d < t->d1; d++)
		for (int64_t i = 0; i < t->slots; i++, u += nr) {
			const elem *at[PAIR][4], *plane = s + (t->n * g->small[0] + d) * g->small[1] * g->small[2] * g->spitch + s0;

			for (int p = 0; p < PAIR; p++) {
				int64_t h, w;

				place(t, i * PAIR + p, &h, &w);
				for (int k = 0; k < 4; k++)
					at[p][k] = voxel(t, plane, g->small, g->spitch, h + k / 2, w + k % 2);
			}
			transform_small(at, g->cs - s0, nr, u, t->ustep);
		}
}

/* sums [kd][element][c][cs in whole vectors] of a block of channels */
static void products(const struct task *t, int64_t s0, int nr, float *sums)
{
	const struct wgrad *g = t->g;
	int64_t mr = nr > VL ? MR : 12, blocks = (t->c + mr - 1) / mr;

	for (int e = 0; e < ELEMENTS; e++)
		for (int kd = 0; kd < g->kernel[0]; kd++) {
			int64_t first = t->d0, end = t->d1, low = g->pad[0] - kd, high = g->large[0] + g->pad[0] - kd;

			first = first < low ? low : first, end = end > high ? high : end;
			for (int64_t b = 0; b < blocks && first < end; b++) {
				int64_t m = t->c * b / blocks, n = t->c * (b + 1) / blocks - m;

				K(wgrad_products)(t->v + e * t->vstep + (first - t->d0 + kd) * t->slots * t->c + m, t->c, t->u + e * t->ustep + (first - t->d0) * t->slots * nr,
					nr, (end - first) * t->slots, sums + ((kd * ELEMENTS + e) * t->c + m) * g->wide + s0, g->wide, (int)n, nr);
			}
		}
}

static void work(struct task *t, const elem *l, const elem *s, float *sums)
{
	const struct wgrad *g = t->g;

	t->slots = ((t->h1 - t->h0) * g->across + PAIR - 1) / PAIR;
	t->vstep = (t->d1 - t->d0 + g->kernel[0] - 1) * t->slots * t->c;
	t->u = t->v + ELEMENTS * t->vstep;
	bring_large(t, l);
	for (int64_t s0 = 0; s0 < g->cs; s0 += NR) {
		int nr = g->cs - s0 > VL ? NR : VL;

		t->ustep = (t->d1 - t->d0) * t->slots * nr;
		bring_small(t, s, s0, nr);
		products(t, s0, nr, sums);
	}
}

/* G' m G of VL channels of S less those that are done, m the sums of all parts at element * step; added to dw's kernel at k, of kk weights */
static void leave(const struct wgrad *g, const float *m, int64_t step, float *dw, int64_t next, int64_t k, int64_t kk, int64_t done)
{
	vec e[ELEMENTS], t[3][4], half = (vec){0} + 0.5f;

	for (int i = 0; i < ELEMENTS; i++) {
		e[i] = load(m + i * step);
		for (int64_t p = 1; p < g->parts; p++)
			e[i] += load(m + p * g->len + i * step);
	}
	UNROLL for (int j = 0; j < 4; j++) {
		vec a = half * (e[4 + j] + e[8 + j]);

		t[0][j] = e[j] + a, t[1][j] = half * (e[4 + j] - e[8 + j]), t[2][j] = a + e[12 + j];
	}
	for (int i = 0; i < 3; i++) {
		vec a = half * (t[i][1] + t[i][2]), w[3] = {t[i][0] + a, half * (t[i][1] - t[i][2]), a + t[i][3]};

		for (int j = 0; j < 3; j++)
			for (int64_t c = done; c < VL; c++)
				dw[c * next + (g->mirror ? kk - 1 - (k + 3 * i + j) : k + 3 * i + j)] += w[j][c];
	}
}

static void add_parts(const struct wgrad *g, const float *part, float *dw)
{
	int64_t kk = 9 * (int64_t)g->kernel[0];

#pragma omp parallel for collapse(2) schedule(static) num_threads(g->threads)
	for (int64_t l = 0; l < g->cl; l++)
		for (int64_t i = 0; i < g->wide; i += VL) {
			int64_t c0 = l / g->block * g->block, c = g->cl - c0 < g->block ? g->cl - c0 : g->block, s = channel(i, g->cs);

			for (int64_t kd = 0; kd < g->kernel[0]; kd++)
				leave(g, part + ((c0 * g->kernel[0] + kd * c) * ELEMENTS + l - c0) * g->wide + i, c * g->wide,
					dw + (g->mirror ? l * g->cs + s : s * g->cl + l) * kk, g->mirror ? kk : g->cl * kk, 9 * kd, kk, i - s);
		}
}

void K(wgrad_tiles_run)(const struct wgrad *g, const elem *l, const elem *s, float *dw, float *scratch)
{
	int64_t strips = (g->down + g->tall - 1) / g->tall, chunks = (g->small[0] + g->deep - 1) / g->deep, units = g->n * chunks * strips;

#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(g->threads)
	for (int64_t p = 0; p < g->parts; p++)
		for (int64_t b = 0; b < g->blocks; b++) {
			struct task t = {.g = g, .c0 = b * g->block, .c = g->cl - b * g->block < g->block ? g->cl - b * g->block : g->block};
			float *room = scratch + g->parts * g->len + omp_get_thread_num() * g->room;
			float *sums = scratch + p * g->len + t.c0 * g->kernel[0] * ELEMENTS * g->wide;

			t.zero = (const elem *)(room + VL), t.v = (slot *)(room + ZEROS);
			memset(room, 0, sizeof *room * ZEROS);
			memset(sums, 0, sizeof *sums * (size_t)(g->kernel[0] * ELEMENTS * t.c * g->wide));
			for (int64_t i = units * p / g->parts; i < units * (p + 1) / g->parts; i++) {
				t.n = i / strips / chunks, t.d0 = i / strips % chunks * g->deep, t.h0 = i % strips * g->tall;
				t.d1 = t.d0 + g->deep < g->small[0] ? t.d0 + g->deep : g->small[0];
				t.h1 = t.h0 + g->tall < g->down ? t.h0 + g->tall : g->down;
				work(&t, l, s, sums);
			}
		}
	add_parts(g, scratch, dw);
}
