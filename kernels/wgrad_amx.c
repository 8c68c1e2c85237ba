/* Weight gradients of bf16 by AMX's tiles: 16x16 sums of floats += 16 channels' rows of 32 voxels of L times 16 pairs of voxels of S's channels.
   A plane of S is one run of voxels whose rows are as long as L's padded ones, zeros between: a tap is then an offset between the two runs, whatever
   the row. It is S that is moved, whose pairs are whole cache lines, with a copy for odd offsets: rows of a tile that cross cache lines take three
   times as long. L's run is turned, channel by channel, and at a stride of several there is one for each voxel to begin at. Parts as in wgrad.c. */
#include "kernels/amx.h"
#include "kernels/direct.h"

#ifdef HAS_AMX
enum { STEP = 32, EDGE = 48, MOST_L = 2 * SIDE, LEAST = 16, ROOM = 1 << 18 }; /* STEP: voxels a product; EDGE: zeros around S, for taps and steps;
	LEAST: channels, of one tap in a plane alone; ROOM: floats a thread, in its cache */

/* Along h, along w: how far a tap moves the run */
static int64_t moved(const struct wgrad *g, int kh, int kw)
{
	return kh / g->stride[1] * g->pitch + kw / g->stride[2];
}

static int64_t run_of(const struct wgrad *g, int64_t rows)
{
	return rows * g->pitch;
}

static int64_t plane_of(const struct wgrad *g)
{
	return g->stride[1] * g->stride[2] * g->block * g->channel;
}

/* What a task of hblock rows needs */
static void lengths(struct wgrad *g)
{
	int64_t body, products;

	g->hrows = (g->hblock - 1) * g->stride[1] + g->kernel[1];
	body = (g->hrows + g->stride[1] - 1) / g->stride[1] * g->pitch;
	products = moved(g, g->kernel[1] - 1, g->kernel[2] - 1) + run_of(g, g->hblock) + STEP;
	g->channel = round_up(body > products ? body : products, 2 * STEP) + STEP;
	g->sixteen = EDGE + run_of(g, g->hblock) + EDGE;
	g->room = round_up((g->planes * plane_of(g) + g->copies * g->wide * g->sixteen) / 2, SIDE);
}

int K(wgrad_amx_plan)(struct wgrad *g)
{
	if (!dnn_amx() || ((g->cl < LEAST || g->cs < LEAST) && g->kernel[1] * g->kernel[2] == 1))
		return -1;
	g->block = g->cl < MOST_L ? g->cl : MOST_L, g->blocks = (g->cl + g->block - 1) / g->block;
	g->khs = 1;
	g->planes = g->kernel[0];
	g->pitch = round_up((g->width + g->stride[2] - 1) / g->stride[2], 2);
	g->copies = moved(g, 0, g->kernel[2] - 1) > 0 ? 2 : 1;
	for (g->hblock = g->small[1], lengths(g); g->hblock > 1 && g->room > ROOM; lengths(g))
		g->hblock = (g->hblock + 1) / 2;
	return 0;
}

/* Tiles 0..3: sums, 4 and 5: L, of `rows` channels, 6 and 7: S */
static void configure(int64_t rows)
{
	struct amx_tiles t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.bytes[i] = 64, t.rows[i] = (uint8_t)(i < 6 ? rows : SIDE);
	amx_configure(&t);
}

/* 16 channels of S under a tap, what they are added to: a product waits for the one before it of the same sums, so there are several at a time. */
struct sums { const elem *s; float *dw; };

/* Of up to 2 of them with 32 channels of L, `both`, or up to 4 with 16 */
#define SUMS(what) \
	do { \
		TILE_##what(0, to[0].dw, dstep); \
		if (n > 1) \
			TILE_##what(1, to[1].dw, dstep); \
		if (both) \
			TILE_##what(2, to[0].dw + SIDE * wide, dstep); \
		if (both && n > 1) \
			TILE_##what(3, to[1].dw + SIDE * wide, dstep); \
		if (!both && n > 2) \
			TILE_##what(2, to[2].dw, dstep); \
		if (!both && n > 3) \
			TILE_##what(3, to[3].dw, dstep); \
	} while (0)

INLINE void products(const struct sums *to, const elem *l, int64_t channel, int64_t run, int64_t wide, const int n, const int both)
{
	const int64_t lstep = channel * (int64_t)sizeof *l, sstep = 64, dstep = wide * (int64_t)sizeof(float);

	SUMS(LOAD);
	for (int64_t q = 0; q < run; q += STEP) {
		TILE_LOAD(4, l + q, lstep);
		TILE_LOAD(6, to[0].s + q * SIDE, sstep);
		TILE_MULTIPLY(0, 4, 6);
		if (both) {
			TILE_LOAD(5, l + SIDE * channel + q, lstep);
			TILE_MULTIPLY(2, 5, 6);
		}
		if (n > 1) {
			TILE_LOAD(7, to[1].s + q * SIDE, sstep);
			TILE_MULTIPLY(1, 4, 7);
		}
		if (both && n > 1)
			TILE_MULTIPLY(3, 5, 7);
		if (!both && n > 2) {
			TILE_LOAD(6, to[2].s + q * SIDE, sstep);
			TILE_MULTIPLY(2, 4, 6);
		}
		if (!both && n > 3) {
			TILE_LOAD(7, to[3].s + q * SIDE, sstep);
			TILE_MULTIPLY(3, 4, 7);
		}
	}
	SUMS(STORE);
}

/* The first c channels, 16 at most, of a voxel and, in the upper halves, of the one `next` elements behind it, if it is there */
INLINE __m512i two(const elem *from, int64_t next, int64_t there, __mmask16 c)
{
	__m512i low = there > 0 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(c, from)) : _mm512_setzero_si512();

	return there > 1 ? _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(c, from + next)), 16)) : low;
}

static __mmask16 first(int64_t c)
{
	return (__mmask16)(c < SIDE ? (1 << c) - 1 : 0xffff);
}

/* n voxels of c channels, `next` elements apart, channel by channel */
static void copy_l(elem *to, int64_t channel, const elem *from, int64_t next, int64_t n, int64_t c)
{
	for (int64_t k = 0; k < c; k += SIDE)
		for (int64_t v = 0; v < n; v += STEP) {
			const __mmask32 there = n - v < STEP ? (1U << (n - v)) - 1 : 0xffffffff;
			const elem *p = from + v * next + k;
			__m512i r[SIDE];

			for (int i = 0; i < SIDE; i++)
				r[i] = two(p + 2 * i * next, next, n - v - 2 * i, first(c - k));
			amx_transpose(r);
			for (int i = 0; i < SIDE && k + i < c; i++)
				_mm512_mask_storeu_epi16(to + (k + i) * channel + v, there, r[i]);
		}
}

/* What is written of a plane is the same for all of a block of rows: the zeros between stay. */
static void plane(const struct wgrad *g, const struct wgrad_task *t, const elem *l, elem *to)
{
	int64_t from = t->h0 * g->stride[1] - g->pad[1], rows = (t->h1 - t->h0 - 1) * g->stride[1] + g->kernel[1], sh = g->stride[1], sw = g->stride[2];
	int64_t c = g->cl - t->c0 < g->block ? g->cl - t->c0 : g->block, channel = g->channel;

	for (int64_t r = 0; r < rows; r++)
		for (int64_t w = 0; w < sw && from + r >= 0 && from + r < g->large[1]; w++) {
			int64_t at = w < g->left ? (g->left - w + sw - 1) / sw : 0, x = w + at * sw - g->left; /* the first inside */
			int64_t n = (g->large[2] - x + sw - 1) / sw, most = g->pitch - at;

			copy_l(to + (r % sh * sw + w) * g->block * channel + r / sh * g->pitch + at, channel,
				l + ((from + r) * g->large[2] + x) * g->lpitch + t->c0, sw * g->lpitch, n < most ? n : most, c);
		}
}

/* Rows of S: [copy][16 channels][pair of voxels][channel][of two]; the second copy's pairs begin a voxel earlier. */
static void pairs(const struct wgrad *g, int64_t rows, const elem *s, elem *to)
{
	const int64_t sixteen = g->sixteen * SIDE, copy = g->wide / SIDE * sixteen, n = g->small[2], next = g->spitch;
	const int odd = g->copies > 1;

	for (int64_t c = 0; c < g->wide; c += SIDE)
		for (int64_t r = 0; r < rows; r++) {
			const elem *from = s + r * n * next + c;
			elem *at = to + c / SIDE * sixteen + (EDGE + r * g->pitch) * SIDE;
			const __mmask16 m = first(g->cs - c);

			for (int64_t w = 0; w < n; w += 2) {
				__m512i pair = two(from + w * next, next, n - w, m);

				_mm512_storeu_si512(at + w * SIDE, pair);
				if (odd)
					_mm512_storeu_si512(at + copy + w * SIDE, w ? two(from + (w - 1) * next, next, n - w + 1, m) : _mm512_slli_epi32(pair, 16));
			}
			if (odd && n % 2 == 0)
				_mm512_storeu_si512(at + copy + n * SIDE, two(from + (n - 1) * next, next, 1, m));
		}
}

static void add(const struct wgrad *g, const struct sums *to, int64_t n, const elem *l, int64_t run, int both)
{
	const int64_t channel = g->channel;

	if (both)
		n > 1 ? products(to, l, channel, run, g->wide, 2, 1) : products(to, l, channel, run, g->wide, 1, 1);
	else if (n > 2)
		n > 3 ? products(to, l, channel, run, g->wide, 4, 0) : products(to, l, channel, run, g->wide, 3, 0);
	else
		n > 1 ? products(to, l, channel, run, g->wide, 2, 0) : products(to, l, channel, run, g->wide, 1, 0);
}

/* Channels c0.. of L, 16 or 32 of them, and a row's taps kw, kw + stride .., which begin at the same voxel of L */
static void row_of_taps(const struct wgrad *g, const elem *l, int64_t c, int both, int kh, int kw, const elem *s, int64_t rows, float *dw)
{
	const int64_t from = moved(g, kh, 0) / STEP * STEP, end = round_up(moved(g, kh, g->kernel[2] - 1) + run_of(g, rows), STEP);
	const int64_t most = both ? 2 : 4, sixteen = g->sixteen * SIDE, sixteens = g->wide / SIDE;
	int64_t all = (g->kernel[2] - kw + g->stride[2] - 1) / g->stride[2] * sixteens, blocks = (all + most - 1) / most;

	for (int64_t b = 0; b < blocks; b++) {
		const int64_t i = all * b / blocks, n = all * (b + 1) / blocks - i;
		struct sums to[4];

		for (int64_t j = 0; j < n; j++) {
			const int64_t k = kw + (i + j) / sixteens * g->stride[2], by = moved(g, kh, (int)k), at = (i + j) % sixteens;

			to[j].s = s + ((by % 2) * sixteens + at) * sixteen + (EDGE + from - by + by % 2) * SIDE;
			to[j].dw = dw + k * c * g->wide + at * SIDE;
		}
		add(g, to, n, l + from, end - from, both);
	}
}

/* All of a plane; channels of L that are no 16 have tiles of their own height. */
static void taps(const struct wgrad *g, const elem *l, int64_t c, const elem *s, int64_t rows, float *dw)
{
	int64_t count;

	for (int64_t c0 = 0; c0 < c; c0 += count) {
		count = c - c0 < SIDE ? c - c0 : (c - c0) / SIDE * SIDE;
		configure(count < SIDE ? count : SIDE);
		for (int kh = 0; kh < g->kernel[1]; kh++)
			for (int kw = 0; kw < g->kernel[2] && kw < g->stride[2]; kw++)
				row_of_taps(g, l + ((kh % g->stride[1] * g->stride[2] + kw) * g->block + c0) * g->channel, c, count > SIDE, kh, kw, s, rows,
					dw + kh * g->kernel[2] * c * g->wide + c0 * g->wide);
	}
}

void K(wgrad_amx)(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room)
{
	int64_t kk = g->kernel[0] * g->kernel[1] * g->kernel[2], rows = t->h1 - t->h0, c = g->cl - t->c0 < g->block ? g->cl - t->c0 : g->block, held = 0;
	elem *planes = (elem *)room, *sroom = planes + g->planes * plane_of(g);

	for (int64_t i = 0; i < g->planes; i++)
		held += t->held[i] >= 0;
	if (!held)
		memset(room, 0, (size_t)g->room * sizeof *room);
	pairs(g, rows, s + ((t->n * g->small[0] + t->d) * g->small[1] + t->h0) * g->small[2] * g->spitch, sroom);
	for (int kd = 0; kd < g->kernel[0]; kd++) {
		int64_t id = t->d * g->stride[0] - g->pad[0] + kd, place = id % g->planes;

		if (id < 0 || id >= g->large[0])
			continue;
		if (t->held[place] != id)
			plane(g, t, l + (t->n * g->large[0] + id) * g->large[1] * g->large[2] * g->lpitch, planes + place * plane_of(g));
		t->held[place] = id;
		taps(g, planes + place * plane_of(g), c, sroom, rows, dw + t->c0 * kk * g->wide + kd * kk / g->kernel[0] * c * g->wide);
	}
	amx_release();
}

#else

int K(wgrad_amx_plan)(struct wgrad *g)
{
	(void)g;
	return -1;
}

void K(wgrad_amx)(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room)
{
	(void)g, (void)t, (void)l, (void)s, (void)dw, (void)room;
}

#endif
