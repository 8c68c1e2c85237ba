/* Weight gradients of bf16 by AMX's tiles: 16x16 sums of floats += 16 channels' rows of 32 voxels of L times 16 pairs of voxels of S's channels.
   A plane of S is one run of voxels whose rows are as long as L's padded ones, zeros between: a tap is then an offset into L's run, whatever the
   row. L's run is turned, channel by channel, and at a stride of several there is one for each voxel to begin at. Parts as in wgrad.c. */
#include "kernels/amx.h"
#include "kernels/direct.h"

#ifdef HAS_AMX
enum { STEP = 32, MOST_L = 2 * SIDE, LEAST = 16, ROOM = 3 << 16 }; /* STEP: voxels a product; LEAST: channels, of one tap in a plane alone;
	ROOM: floats a thread, in its cache */

/* Voxels of a row of the run, even: pairs end with it */
static int64_t pitch_of(const struct wgrad *g)
{
	return round_up((g->width + g->stride[2] - 1) / g->stride[2], 2);
}

static int64_t run_of(const struct wgrad *g, int64_t rows)
{
	return round_up(rows * pitch_of(g), STEP);
}

/* Elements of a channel of L, an odd number of cache lines: 16 rows of a tile lie in as many sets */
static int64_t channel_of(const struct wgrad *g)
{
	int64_t rows = (g->hrows + g->stride[1] - 1) / g->stride[1], taps = (g->kernel[1] - 1) / g->stride[1] * pitch_of(g) + g->kernel[2];
	int64_t body = rows * pitch_of(g), products = run_of(g, g->hblock) + taps;

	return round_up(body > products ? body : products, 2 * STEP) + STEP;
}

static int64_t plane_of(const struct wgrad *g)
{
	return g->stride[1] * g->stride[2] * g->block * channel_of(g);
}

static int64_t room_of(const struct wgrad *g)
{
	return (g->planes * plane_of(g) + g->wide * run_of(g, g->hblock)) / 2;
}

int K(wgrad_amx_plan)(struct wgrad *g)
{
	if (!dnn_amx() || ((g->cl < LEAST || g->cs < LEAST) && g->kernel[1] * g->kernel[2] == 1))
		return -1;
	g->block = g->cl < MOST_L ? g->cl : MOST_L, g->blocks = (g->cl + g->block - 1) / g->block;
	g->khs = 1;
	g->planes = g->kernel[0];
	for (g->hblock = g->small[1];; g->hblock = (g->hblock + 1) / 2) {
		g->hrows = (g->hblock - 1) * g->stride[1] + g->kernel[1];
		g->room = round_up(room_of(g), SIDE);
		if (g->hblock == 1 || g->room <= ROOM)
			return 0;
	}
}

/* Tiles 0..3: sums of 2x2, 4 and 5: L, of `rows` channels, 6 and 7: S */
static void configure(int64_t rows)
{
	struct amx_tiles t = {.palette = 1};

	for (int i = 0; i < 8; i++)
		t.bytes[i] = 64, t.rows[i] = SIDE;
	t.rows[0] = t.rows[1] = t.rows[4] = (uint8_t)(rows < SIDE ? rows : SIDE);
	t.rows[2] = t.rows[3] = t.rows[5] = (uint8_t)(rows > SIDE ? rows - SIDE : 1);
	amx_configure(&t);
}

#define TILES(what, p, step, apart) \
	do { \
		TILE_##what(0, p, step); \
		if (s1) \
			TILE_##what(1, (p) + SIDE, step); \
		if (l1) \
			TILE_##what(2, (p) + (apart), step); \
		if (l1 && s1) \
			TILE_##what(3, (p) + (apart) + SIDE, step); \
	} while (0)

/* dw[32][32] += of a tap; l1, s1: are there more than 16 of L, of S? */
INLINE void tap(const elem *l, int64_t channel, const elem *s, int64_t run, float *dw, int64_t wide, const int l1, const int s1)
{
	const int64_t lstep = channel * (int64_t)sizeof *l, sstep = 64, dstep = wide * (int64_t)sizeof *dw;

	TILES(LOAD, dw, dstep, SIDE * wide);
	for (int64_t q = 0; q < run; q += STEP) {
		TILE_LOAD(4, l + q, lstep);
		TILE_LOAD(6, s + q * SIDE, sstep);
		TILE_MULTIPLY(0, 4, 6);
		if (s1) {
			TILE_LOAD(7, s + (run + q) * SIDE, sstep);
			TILE_MULTIPLY(1, 4, 7);
		}
		if (l1) {
			TILE_LOAD(5, l + SIDE * channel + q, lstep);
			TILE_MULTIPLY(2, 5, 6);
		}
		if (l1 && s1)
			TILE_MULTIPLY(3, 5, 7);
	}
	TILES(STORE, dw, dstep, SIDE * wide);
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
	int64_t c = g->cl - t->c0 < g->block ? g->cl - t->c0 : g->block, channel = channel_of(g);

	for (int64_t r = 0; r < rows; r++)
		for (int64_t w = 0; w < sw && from + r >= 0 && from + r < g->large[1]; w++) {
			int64_t at = w < g->left ? (g->left - w + sw - 1) / sw : 0, x = w + at * sw - g->left; /* the first inside */
			int64_t n = (g->large[2] - x + sw - 1) / sw, most = pitch_of(g) - at;

			copy_l(to + (r % sh * sw + w) * g->block * channel + r / sh * pitch_of(g) + at, channel,
				l + ((from + r) * g->large[2] + x) * g->lpitch + t->c0, sw * g->lpitch, n < most ? n : most, c);
		}
}

/* Rows of S: [16 channels][pair of voxels][channel][of two] */
static void pairs(const struct wgrad *g, int64_t rows, const elem *s, elem *to)
{
	int64_t run = run_of(g, rows), n = g->small[2];

	for (int64_t c = 0; c < g->wide; c += SIDE)
		for (int64_t r = 0; r < rows; r++)
			for (int64_t w = 0; w < n; w += 2)
				_mm512_storeu_si512(to + (c * run + (r * pitch_of(g) + w) * SIDE),
					two(s + (r * n + w) * g->spitch + c, g->spitch, n - w, first(g->cs - c)));
}

static void taps(const struct wgrad *g, const elem *l, int64_t c, const elem *s, int64_t run, float *dw)
{
	const int64_t channel = channel_of(g);

	for (int i = 0; i < g->kernel[1] * g->kernel[2]; i++) {
		int kh = i / g->kernel[2], kw = i % g->kernel[2];
		const elem *at = l + (kh % g->stride[1] * g->stride[2] + kw % g->stride[2]) * g->block * channel + kh / g->stride[1] * pitch_of(g) +
				 kw / g->stride[2];
		float *to = dw + i * c * g->wide;

		for (int64_t k = 0; k < g->wide; k += 2 * SIDE) {
			if (c > SIDE && g->wide - k > SIDE)
				tap(at, channel, s + k * run, run, to + k, g->wide, 1, 1);
			else if (c > SIDE)
				tap(at, channel, s + k * run, run, to + k, g->wide, 1, 0);
			else if (g->wide - k > SIDE)
				tap(at, channel, s + k * run, run, to + k, g->wide, 0, 1);
			else
				tap(at, channel, s + k * run, run, to + k, g->wide, 0, 0);
		}
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
	configure(c);
	for (int kd = 0; kd < g->kernel[0]; kd++) {
		int64_t id = t->d * g->stride[0] - g->pad[0] + kd, place = id % g->planes;

		if (id < 0 || id >= g->large[0])
			continue;
		if (t->held[place] != id)
			plane(g, t, l + (t->n * g->large[0] + id) * g->large[1] * g->large[2] * g->lpitch, planes + place * plane_of(g));
		t->held[place] = id;
		taps(g, planes + place * plane_of(g), c, sroom, run_of(g, rows), dw + t->c0 * kk * g->wide + kd * kk / g->kernel[0] * c * g->wide);
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
