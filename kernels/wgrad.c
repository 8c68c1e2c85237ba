/* Weight gradients: dw[s][l][k] += sum over voxels v of S[v][s] L[v stride - pad + k][l], see direct.h.
   For one (kd, kh) a row of L gives kernel[2]*cl consecutive slots j = (kw, l) to every voxel of S, of bf16 to every two: registers hold MR of
   them times NR of s, and go along the rows of a task; where j are but 3 or 6, with those of the next kh. Wide L goes in blocks of channels, S in
   blocks of NR, both copied so that a block is one stream (far apart they would share few cache sets). Voxels are cut into a fixed number of parts
   with sums of their own, added in their order: the same whatever the threads. */
#include "kernels/direct.h"

#include <omp.h>
#include <string.h>

enum { MR = VL == 16 ? 12 : 6, NR = 2 * VL, BUFFER = 1 << 15, BLOCK_L = 16, PARTS = 16, PARTS_LEN = 1 << 21, PART_VOX = 1024,
	FEW = 8 }; /* BUFFER, PARTS_LEN: floats */

struct rows { const slot *l[64], *s[64]; int64_t at[64], apart; int n; }; /* apart: slots from a row of L to the next kh's */

typedef void kernel(const struct rows *r, int64_t vox, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step);

/* mr slots, `run` of each row of L */
INLINE void block(const struct rows *r, int64_t steps, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step, const int mr, const int nv,
	const int run)
{
	vec acc[2 * MR][2];

	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++)
			acc[m][v] = load(dw + m * step + v * VL);
	for (int i = 0; i < r->n; i++) {
		const slot *l = r->l[i] + at, *s = r->s[i];

		for (int64_t q = 0; q < steps; q++, l += lstep, s += sstep) {
			slots s0 = load_slots(s), s1 = nv > 1 ? load_slots(s + VL) : s0;

			UNROLL for (int m = 0; m < mr; m++) {
				slots b = spread_slot(l + m / run * r->apart + m % run);

				acc[m][0] = multiply_add(acc[m][0], b, s0);
				if (nv > 1)
					acc[m][1] = multiply_add(acc[m][1], b, s1);
			}
		}
	}
	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++)
			store(dw + m * step + v * VL, acc[m][v]);
}

#define ARGS const struct rows *r, int64_t vox, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step
#define BLOCK(mr) \
	static void one_##mr(ARGS) { block(r, vox, at, lstep, sstep, dw, step, mr, 1, mr); } \
	static void two_##mr(ARGS) { block(r, vox, at, lstep, sstep, dw, step, mr, 2, mr); }
BLOCK(1) BLOCK(2) BLOCK(3) BLOCK(4) BLOCK(5) BLOCK(6) BLOCK(7) BLOCK(8) BLOCK(9) BLOCK(10) BLOCK(11) BLOCK(12)

static kernel *const ones[] = {NULL, one_1, one_2, one_3, one_4, one_5, one_6, one_7, one_8, one_9, one_10, one_11, one_12};
static kernel *const twos[] = {NULL, two_1, two_2, two_3, two_4, two_5, two_6, two_7, two_8, two_9, two_10, two_11, two_12};

#define RUNS(rows, run) \
	static void one_##rows##x##run(ARGS) { block(r, vox, at, lstep, sstep, dw, step, rows * run, 1, run); } \
	static void two_##rows##x##run(ARGS) { block(r, vox, at, lstep, sstep, dw, step, rows * run, 2, run); }
RUNS(2, 3) RUNS(3, 3) RUNS(2, 6)

/* Of several kh: by their number and by a run's length over 3 */
enum { MOST_KH = 3 };
static kernel *const ones_of[MOST_KH + 1][3] = {{NULL}, {NULL, one_3, one_6}, {NULL, one_2x3, one_2x6}, {NULL, one_3x3}};
static kernel *const twos_of[MOST_KH + 1][3] = {{NULL}, {NULL, two_3, two_6}, {NULL, two_2x3, two_2x6}, {NULL, two_3x3}};

void K(wgrad_products)(const slot *l, int64_t lstep, const slot *s, int64_t sstep, int64_t steps, float *dw, int64_t step, int n, int nr)
{
	const struct rows r = {.l = {l}, .s = {s}, .n = 1};

	(nr > VL ? twos : ones)[n](&r, steps, 0, lstep, sstep, dw, step);
}

static int64_t lrow(const struct wgrad *g)
{
	return g->thin ? g->cl * g->lplane : round_up(g->width * g->block + VL, VL);
}

/* Slots along a row of S */
static int64_t steps_of(const struct wgrad *g)
{
	return (g->small[2] + PAIR - 1) / PAIR;
}

static int64_t srow(const struct wgrad *g)
{
	return g->thin ? g->cs * g->splane : steps_of(g) * g->wide;
}

static int64_t dw_len(const struct wgrad *g)
{
	return (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2] * g->cl * g->wide;
}

/* Enough work for every thread, few sums to add: a part has PART_VOX voxels at least where blocks of channels alone can be shared out. */
static int64_t parts_of(const struct wgrad *g, int64_t rows)
{
	int64_t parts = g->n * g->small[0] * g->small[1] * g->small[2] / PART_VOX, room = PARTS_LEN / dw_len(g);

	parts = parts * g->blocks < FEW ? FEW / g->blocks : parts;
	parts = parts > room ? room : parts;
	parts = parts > PARTS ? PARTS : parts;
	parts = parts > rows ? rows : parts;
	return parts < 1 ? 1 : parts;
}

/* How many kh at a time */
static int together(const struct wgrad *g)
{
	int64_t run = g->kernel[2] * g->block, most = (g->cs > VL ? MR : 12) / run;

	if (run != 3 && run != 6)
		return 1;
	return most < 1 ? 1 : most > MOST_KH ? MOST_KH : (int)most;
}

/* Of a task, which stay in the cache */
static void rows_of(struct wgrad *g)
{
	g->hblock = g->small[1] < 64 ? g->small[1] : 64;
	g->planes = g->thin ? g->kernel[0] : 1;
	while (g->hblock > 1 && g->planes * ((g->hblock - 1) * g->stride[1] + g->kernel[1]) * lrow(g) + g->hblock * srow(g) > BUFFER)
		g->hblock = (g->hblock + 1) / 2;
	g->hrows = (g->hblock - 1) * g->stride[1] + g->kernel[1];
	g->room = round_up(g->planes * g->hrows * lrow(g) + g->hblock * srow(g), 16);
}

int K(wgrad_plan)(struct wgrad *g)
{
	int64_t last = (g->small[2] - 1) * g->stride[2] + g->kernel[2], rows;

	for (int i = 0; i < 3; i++)
		if (g->kernel[i] > MAX_KERNEL || g->stride[i] > MAX_STRIDE)
			return -1;
	g->threads = omp_get_max_threads();
	g->left = g->pad[2];
	g->width = last > g->pad[2] + g->large[2] ? last : g->pad[2] + g->large[2];
	g->wide = round_up(g->cs, VL);
	g->block = g->cl > 2 * BLOCK_L ? BLOCK_L : g->cl;
	g->blocks = (g->cl + g->block - 1) / g->block;
	g->khs = together(g);
	g->thin = !K(wgrad_thin_plan)(g);
	g->amx = !g->thin && !K(wgrad_amx_plan)(g);
	g->tiled = !g->thin && !g->amx && !K(wgrad_tiles_plan)(g);
	if (g->tiled)
		return 0;
	if (!g->amx)
		rows_of(g);
	rows = g->n * g->small[0] * ((g->small[1] + g->hblock - 1) / g->hblock);
	g->parts = parts_of(g, rows);
	return 0;
}

size_t K(wgrad_scratch)(const struct wgrad *g)
{
	return sizeof(float) * (size_t)(g->parts * (g->tiled ? g->len : dw_len(g)) + g->threads * g->room);
}

/* c slots, of elements at a and those at b; the last vector may cover some of the one before */
static void copy_slots(slot *to, const elem *a, const elem *b, int64_t c)
{
	int64_t i = 0;

	for (; i + VL <= c; i += VL)
		store_slots(to + i, pair(a + i, b ? b + i : NULL));
	if (c > VL && i < c)
		i = c - VL, store_slots(to + i, pair(a + i, b ? b + i : NULL)), i = c;
	for (; i < c; i++)
		to[i] = pair_one(a + i, b ? b + i : NULL);
}

/* c channels of a row of L, voxel v with v + stride, which is its neighbour in S; zeros around. */
static void copy_l(const struct wgrad *g, slot *to, const elem *from, int64_t c)
{
	static const elem zero[BLOCK_L * 2];
	int64_t body = g->large[2] < g->width - g->left ? g->large[2] : g->width - g->left, len = lrow(g), next = g->stride[2];
	int64_t early = PAIR == 1 ? 0 : next < g->left ? next : g->left; /* only the second is inside */

	memset(to, 0, sizeof *to * (size_t)(g->left * c));
	to += g->left * c, len -= g->left * c;
	for (int64_t v = -early; v < 0; v++)
		if (v + next >= 0 && v + next < body)
			copy_slots(to + v * c, zero, from + (v + next) * g->lpitch, c);
	if (PAIR == 1 && g->lpitch == c)
		memcpy(to, from, sizeof *to * (size_t)(body * c));
	else if (g->lpitch == c && next < body)
		copy_slots(to, from, from + next * c, (body - next) * c), copy_slots(to + (body - next) * c, from + (body - next) * c, NULL, next * c);
	else
		for (int64_t v = 0; v < body; v++)
			copy_slots(to + v * c, from + v * g->lpitch, v + next < body ? from + (v + next) * g->lpitch : NULL, c);
	memset(to + body * c, 0, sizeof *to * (size_t)(len - body * c));
}

static int width_of(const struct wgrad *g, int64_t s)
{
	return g->wide - s > VL ? NR : VL;
}

/* Row i of `rows` of S, block after block of channels: [block][row][w][nr] */
static void copy_s(const struct wgrad *g, slot *to, int64_t row, const elem *from, int64_t rows)
{
	for (int64_t s = 0; s < g->wide; s += NR) {
		int nr = width_of(g, s), c = g->cs - s < nr ? (int)(g->cs - s) : nr;
		slot *t = to + (s * rows + row * nr) * steps_of(g);

		if (c < nr)
			memset(t, 0, sizeof *t * (size_t)(steps_of(g) * nr));
		for (int64_t v = 0; v < g->small[2]; v += PAIR, t += nr) {
			const elem *a = from + v * g->spitch + s;

			copy_slots(t, a, v + 1 < g->small[2] ? a + g->spitch : NULL, c);
		}
	}
}

/* All (j, s) of one kd and `khs` neighbouring kh, and c channels of L. */
static void taps(const struct wgrad *g, const struct rows *r, int khs, int64_t c, int64_t rows, float *dw)
{
	int64_t js = g->kernel[2] * c, steps = steps_of(g), lstep = PAIR * g->stride[2] * c;
	struct rows at = {.n = r->n, .apart = r->apart};

	memcpy(at.l, r->l, sizeof *r->l * (size_t)r->n);
	for (int64_t s = 0; s < g->wide; s += NR) {
		int nr = width_of(g, s);
		int64_t mr = nr > VL ? MR : 12, blocks = (js + mr - 1) / mr;

		for (int i = 0; i < r->n; i++)
			at.s[i] = r->s[i] + s * rows * steps + r->at[i] * steps * nr;
		if (g->khs > 1) {
			(nr > VL ? twos_of : ones_of)[khs][js / 3](&at, steps, 0, lstep, nr, dw + s, g->wide);
			continue;
		}
		for (int64_t b = 0; b < blocks; b++) {
			int64_t j = js * b / blocks, n = js * (b + 1) / blocks - j;

			(nr > VL ? twos : ones)[n](&at, steps, j, lstep, nr, dw + j * g->wide + s, g->wide);
		}
	}
}

/* One plane of L under the task's rows of S */
static void work_plane(const struct wgrad *g, const struct wgrad_task *t, int kd, const elem *l, slot *lroom, const slot *sroom, float *dw)
{
	int64_t first = t->h0 * g->stride[1] - g->pad[1], n = t->h1 - t->h0, rows = (n - 1) * g->stride[1] + g->kernel[1];
	int64_t c = g->cl - t->c0 < g->block ? g->cl - t->c0 : g->block;

	for (int64_t i = 0; i < rows; i++)
		if (first + i >= 0 && first + i < g->large[1])
			copy_l(g, lroom + i * lrow(g), l + (first + i) * g->large[2] * g->lpitch + t->c0, c);
		else
			memset(lroom + i * lrow(g), 0, sizeof *lroom * (size_t)lrow(g));
	for (int kh = 0; kh < g->kernel[1]; kh += g->khs) {
		struct rows r = {.apart = lrow(g)};

		for (int64_t i = 0; i < n; i++) {
			int64_t at = i * g->stride[1] + kh;

			if (g->khs == 1 && (first + at < 0 || first + at >= g->large[1]))
				continue;
			r.l[r.n] = lroom + at * lrow(g);
			r.s[r.n] = sroom, r.at[r.n++] = i;
		}
		taps(g, &r, g->kernel[1] - kh < g->khs ? g->kernel[1] - kh : g->khs, c, n, dw + (int64_t)(kd * g->kernel[1] + kh) * g->kernel[2] * c * g->wide);
	}
}

static void work(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room)
{
	int64_t kk = g->kernel[0] * g->kernel[1] * g->kernel[2], plane = g->large[1] * g->large[2] * g->lpitch;
	slot *lroom = (slot *)room, *sroom = lroom + g->hrows * lrow(g);

	s += ((t->n * g->small[0] + t->d) * g->small[1] + t->h0) * g->small[2] * g->spitch;
	for (int64_t i = 0; i < t->h1 - t->h0; i++)
		copy_s(g, sroom, i, s + i * g->small[2] * g->spitch, t->h1 - t->h0);
	for (int kd = 0; kd < g->kernel[0]; kd++) {
		int64_t id = t->d * g->stride[0] - g->pad[0] + kd;

		if (id >= 0 && id < g->large[0])
			work_plane(g, t, kd, l + (t->n * g->large[0] + id) * plane, lroom, sroom, dw + t->c0 * kk * g->wide);
	}
}

/* Of channel l and a vector of s */
static void add_some(const struct wgrad *g, const float *part, float *dw, int64_t l, int64_t s)
{
	const int64_t kk = (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2], len = dw_len(g);
	const int64_t c0 = l / g->block * g->block, c = g->cl - c0 < g->block ? g->cl - c0 : g->block, n = g->cs - s < VL ? g->cs - s : VL;

	for (int64_t k = 0; k < kk; k++) {
		const float *p = part + (c0 * kk + k * c + l - c0) * g->wide + s;
		vec sum = load(p);
		float t[VL];

		for (int64_t i = 1; i < g->parts; i++)
			sum += load(p + i * len);
		store(t, sum);
		for (int64_t i = 0; i < n; i++)
			dw[g->mirror ? (l * g->cs + s + i) * kk + kk - 1 - k : ((s + i) * g->cl + l) * kk + k] += t[i];
	}
}

/* dw [s][l][kd][kh][kw], or mirrored, from parts [block][kd][kh][kw][channel][wide]: some l at a time, so that each row of dw is a stretch */
static void add_parts(const struct wgrad *g, const float *part, float *dw)
{
#pragma omp parallel for collapse(2) schedule(static) num_threads(g->threads)
	for (int64_t l0 = 0; l0 < g->cl; l0 += BLOCK_L)
		for (int64_t s = 0; s < g->wide; s += VL)
			for (int64_t l = l0; l < g->cl && l < l0 + BLOCK_L; l++)
				add_some(g, part, dw, l, s);
}

/* Every part and block of channels is one thread's work. */
void K(wgrad_run)(const struct wgrad *g, const void *l, const void *s, float *dw, float *scratch)
{
	int64_t hblocks, rows, len = dw_len(g), kk = (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2];
	float *rooms = scratch + g->parts * len;

	if (g->tiled) {
		K(wgrad_tiles_run)(g, l, s, dw, scratch);
		return;
	}
	hblocks = (g->small[1] + g->hblock - 1) / g->hblock, rows = g->n * g->small[0] * hblocks;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(g->threads)
	for (int64_t p = 0; p < g->parts; p++)
		for (int64_t b = 0; b < g->blocks; b++) {
			int64_t c0 = b * g->block, c = g->cl - c0 < g->block ? g->cl - c0 : g->block;
			struct wgrad_task t = {.c0 = c0, .h0 = -1};

			memset(scratch + p * len + c0 * kk * g->wide, 0, sizeof *scratch * (size_t)(c * kk * g->wide));
			for (int64_t i = rows * p / g->parts; i < rows * (p + 1) / g->parts; i++) {
				t.d = i % g->small[0];
				if (t.d == 0 || t.h0 < 0) {
					t.n = i / g->small[0] / hblocks, t.h0 = i / g->small[0] % hblocks * g->hblock;
					t.h1 = t.h0 + g->hblock < g->small[1] ? t.h0 + g->hblock : g->small[1];
					memset(t.held, -1, sizeof t.held);
				}
				(g->thin ? K(wgrad_thin) : g->amx ? K(wgrad_amx) : work)(g, &t, l, s, scratch + p * len, rooms + omp_get_thread_num() * g->room);
			}
		}
	add_parts(g, scratch, dw);
}
