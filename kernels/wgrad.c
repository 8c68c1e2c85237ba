/* Weight gradients: dw[s][l][k] += sum over voxels v of S[v][s] L[v stride - pad + k][l], see direct.h.
   For one (kd, kh) a row of L gives kernel[2]*cl consecutive floats j = (kw, l) to every voxel of S: registers hold MR of them times NR of s, and go along the
   rows of a task. Voxels are cut into a fixed number of parts with sums of their own, added in their order: the same whatever the threads. */
#include "kernels/direct.h"

#include <omp.h>
#include <string.h>

#include "kernels/vec.h"

enum { MR = VL == 16 ? 12 : 6, NR = 2 * VL, BUFFER = 1 << 14, PARTS = 16, PARTS_LEN = 1 << 21 }; /* floats */

struct rows { const float *l[64], *s[64]; int n; };

typedef void kernel(const struct rows *r, int64_t vox, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step);

INLINE void block(const struct rows *r, int64_t vox, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step, const int mr, const int nv)
{
	vec acc[2 * MR][2];

	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++)
			acc[m][v] = load(dw + m * step + v * VL);
	for (int i = 0; i < r->n; i++) {
		const float *l = r->l[i] + at, *s = r->s[i];

		for (int64_t q = 0; q < vox; q++, l += lstep, s += sstep) {
			vec s0 = load(s), s1 = nv > 1 ? load(s + VL) : s0;

			UNROLL for (int m = 0; m < mr; m++) {
				vec b = l[m] - (vec){0};

				acc[m][0] += b * s0;
				if (nv > 1)
					acc[m][1] += b * s1;
			}
		}
	}
	UNROLL for (int m = 0; m < mr; m++)
		UNROLL for (int v = 0; v < nv; v++)
			store(dw + m * step + v * VL, acc[m][v]);
}

#define ARGS const struct rows *r, int64_t vox, int64_t at, int64_t lstep, int64_t sstep, float *dw, int64_t step
#define BLOCK(mr) \
	static void one_##mr(ARGS) { block(r, vox, at, lstep, sstep, dw, step, mr, 1); } static void two_##mr(ARGS) { block(r, vox, at, lstep, sstep, dw, step, mr, 2); }
BLOCK(1) BLOCK(2) BLOCK(3) BLOCK(4) BLOCK(5) BLOCK(6) BLOCK(7) BLOCK(8) BLOCK(9) BLOCK(10) BLOCK(11) BLOCK(12)

static kernel *const ones[] = {NULL, one_1, one_2, one_3, one_4, one_5, one_6, one_7, one_8, one_9, one_10, one_11, one_12};
static kernel *const twos[] = {NULL, two_1, two_2, two_3, two_4, two_5, two_6, two_7, two_8, two_9, two_10, two_11, two_12};

static int64_t round_up(int64_t n, int64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static int64_t lrow(const struct wgrad *g)
{
	return round_up(g->width * g->cl + VL, VL);
}

static int64_t srow(const struct wgrad *g)
{
	return g->small[2] * g->wide;
}

static int64_t dw_len(const struct wgrad *g)
{
	return (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2] * g->cl * g->wide;
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
	g->hblock = g->small[1] < 64 ? g->small[1] : 64;
	while (g->hblock > 1 && ((g->hblock - 1) * g->stride[1] + g->kernel[1]) * lrow(g) + g->hblock * srow(g) > BUFFER)
		g->hblock = (g->hblock + 1) / 2;
	g->hrows = (g->hblock - 1) * g->stride[1] + g->kernel[1];
	g->room = round_up(g->hrows * lrow(g) + (g->wide != g->cs ? g->hblock * srow(g) : 0), 16);
	rows = g->n * g->small[0] * ((g->small[1] + g->hblock - 1) / g->hblock);
	g->parts = PARTS_LEN / dw_len(g) < 1 ? 1 : PARTS_LEN / dw_len(g) > PARTS ? PARTS : PARTS_LEN / dw_len(g);
	g->parts = g->parts > rows ? rows : g->parts;
	g->groups = g->parts < 8 ? g->kernel[0] * g->kernel[1] : g->kernel[0];
	return 0;
}

size_t K(wgrad_scratch)(const struct wgrad *g)
{
	return sizeof(float) * (size_t)(g->parts * dw_len(g) + g->threads * g->room);
}

static void copy_l(const struct wgrad *g, float *to, const float *from)
{
	int64_t body = g->large[2] < g->width - g->left ? g->large[2] : g->width - g->left, len = lrow(g) - g->left * g->cl, c = g->cl;

	memset(to, 0, sizeof *to * (size_t)(g->left * c));
	to += g->left * c;
	if (g->lpitch == c)
		memcpy(to, from, sizeof *to * (size_t)(body * c));
	else
		for (int64_t v = 0; v < body; v++)
			for (int64_t i = 0; i < c; i++)
				to[v * c + i] = from[v * g->lpitch + i];
	memset(to + body * c, 0, sizeof *to * (size_t)(len - body * c));
}

static void copy_s(const struct wgrad *g, float *to, const float *from)
{
	for (int64_t v = 0; v < g->small[2]; v++, to += g->wide, from += g->spitch) {
		for (int64_t i = 0; i < g->cs; i++)
			to[i] = from[i];
		for (int64_t i = g->cs; i < g->wide; i++)
			to[i] = 0;
	}
}

/* All (j, s) of one (kd, kh), over the rows given. */
static void taps(const struct wgrad *g, const struct rows *r, int64_t sstep, float *dw)
{
	int64_t js = g->kernel[2] * g->cl;
	struct rows at = {.n = r->n};

	memcpy(at.l, r->l, sizeof *r->l * (size_t)r->n);
	for (int64_t s = 0; s < g->wide; s += NR) {
		int two = g->wide - s > VL;
		int64_t mr = two ? MR : 12, blocks = (js + mr - 1) / mr;

		for (int i = 0; i < r->n; i++)
			at.s[i] = r->s[i] + s;
		for (int64_t b = 0; b < blocks; b++) {
			int64_t j = js * b / blocks, n = js * (b + 1) / blocks - j;

			(two ? twos : ones)[n](&at, g->small[2], j, g->stride[2] * g->cl, sstep, dw + j * g->wide + s, g->wide);
		}
	}
}

/* One block of rows h0..h1 of plane d, one group: kd, or kd and kh. */
static void task(const struct wgrad *g, const float *l, const float *s, int64_t n, int64_t d, int64_t h0, int64_t h1, int group, float *dw, float *room)
{
	int both = g->groups > g->kernel[0], kd = both ? group / g->kernel[1] : group, kh0 = both ? group % g->kernel[1] : 0, kh1 = both ? kh0 + 1 : g->kernel[1];
	int64_t id = d * g->stride[0] - g->pad[0] + kd, first = h0 * g->stride[1] - g->pad[1], rows = (h1 - h0 - 1) * g->stride[1] + g->kernel[1];
	float *sroom = room + g->hrows * lrow(g);

	if (id < 0 || id >= g->large[0])
		return;
	s += ((n * g->small[0] + d) * g->small[1] + h0) * g->small[2] * g->spitch;
	for (int64_t i = 0; i < rows; i++)
		if (first + i >= 0 && first + i < g->large[1])
			copy_l(g, room + i * lrow(g), l + ((n * g->large[0] + id) * g->large[1] + first + i) * g->large[2] * g->lpitch);
	for (int64_t i = 0; g->wide != g->cs && i < h1 - h0; i++)
		copy_s(g, sroom + i * srow(g), s + i * g->small[2] * g->spitch);
	for (int kh = kh0; kh < kh1; kh++) {
		struct rows r = {.n = 0};

		for (int64_t i = 0; i < h1 - h0; i++) {
			int64_t at = i * g->stride[1] + kh;

			if (first + at < 0 || first + at >= g->large[1])
				continue;
			r.l[r.n] = room + at * lrow(g);
			r.s[r.n++] = g->wide != g->cs ? sroom + i * srow(g) : s + i * g->small[2] * g->spitch;
		}
		taps(g, &r, g->wide != g->cs ? g->wide : g->spitch, dw + (int64_t)(kd * g->kernel[1] + kh) * g->kernel[2] * g->cl * g->wide);
	}
}

static void gather_parts(const struct wgrad *g, const float *part, float *dw)
{
	int64_t taps_n = (int64_t)g->kernel[0] * g->kernel[1] * g->kernel[2], len = dw_len(g);

#pragma omp parallel for schedule(static) num_threads(g->threads)
	for (int64_t s = 0; s < g->cs; s++)
		for (int64_t c = 0; c < g->cl; c++)
			for (int64_t k = 0; k < taps_n; k++) {
				const float *p = part + (k * g->cl + c) * g->wide + s;
				float sum = 0;

				for (int64_t i = 0; i < g->parts; i++)
					sum += p[i * len];
				dw[(s * g->cl + c) * taps_n + k] += sum;
			}
}

void K(wgrad_run)(const struct wgrad *g, const float *l, const float *s, float *dw, float *scratch)
{
	int64_t hblocks = (g->small[1] + g->hblock - 1) / g->hblock, rows = g->n * g->small[0] * hblocks, len = dw_len(g), group = len / g->groups;
	float *rooms = scratch + g->parts * len;

#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(g->threads)
	for (int64_t p = 0; p < g->parts; p++)
		for (int k = 0; k < g->groups; k++) {
			memset(scratch + p * len + k * group, 0, sizeof *scratch * (size_t)group);
			for (int64_t i = rows * p / g->parts; i < rows * (p + 1) / g->parts; i++) {
				int64_t h0 = i % hblocks * g->hblock, h1 = h0 + g->hblock < g->small[1] ? h0 + g->hblock : g->small[1];

				task(g, l, s, i / hblocks / g->small[0], i / hblocks % g->small[0], h0, h1, k, scratch + p * len, rooms + omp_get_thread_num() * g->room);
			}
		}
	gather_parts(g, scratch, dw);
}
