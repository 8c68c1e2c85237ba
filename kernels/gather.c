/* Gathers: out[o][co] = sum over taps k and ci of in[i(o,k)][ci] w[k][ci][co], see direct.h.
   This file plans, packs and hands out the work; the products are in gather_block.c, thin.c, gather_amx.c, tiles.c, cubes.c. */
#include "kernels/direct.h"

#include <omp.h>
#include <string.h>


enum { NR = 2 * VL, BUFFER = 1 << 15, BUFFER_AMX = 1 << 17, DEEP = 8, TASKS = 4, MANY = 200 }; /* columns at a time; slots of rows; planes of a task
	at most; tasks a thread at least, where there are as many; products of an output */

static void pack_thin(struct gather *g, const float *w);

/* What of it is in files of their own: all, asked in this order (plan; cubes of bfloat16 would be too inexact), or a task's planes */
static const struct other {
	int (*plan)(struct gather *);
	int64_t (*weights)(const struct gather *);
	void (*pack)(struct gather *, const float *);
	void (*run)(const struct gather *, const void *, const float *, void *, int, float *);
	void (*plane)(const struct gather_task *);
} others[GATHER_KINDS] = {
	[GATHER_AMX] = {.pack = K(gather_amx_pack), .plane = K(gather_amx_plane)},
	[GATHER_THIN] = {.pack = pack_thin, .plane = K(thin_task)},
#ifndef K_HALF
	[GATHER_CUBES] = {K(cubes_plan), K(cubes_weights), K(cubes_pack), K(cubes_run), NULL},
#endif
	[GATHER_TILES] = {K(tiles_plan), K(tiles_weights), K(tiles_pack), K(tiles_run), NULL},
};

/* -- the plan ----------------------------------------------------------------- */
static void plan_strided(struct gather *g)
{
	int64_t last = (g->out[2] - 1) * g->stride[2] + g->kernel[2];

	g->classes = 1;
	g->class[0] = (struct gather_class){.taps = g->kernel[2]};
	g->step = g->stride[2], g->left = g->pad[2];
	g->width = last > g->pad[2] + g->in[2] ? last : g->pad[2] + g->in[2];
}

/* Output q s + p is large; small q + (p + pad - k)/s for k = (p + pad) mod s, + s ... : the last of them comes first in memory. */
static void plan_fractional(struct gather *g)
{
	int s = g->stride[2];
	int64_t end = g->in[2];

	g->classes = s, g->step = 1, g->left = 0;
	for (int p = 0; p < s; p++) {
		int k0 = (p + g->pad[2]) % s, taps = k0 < g->kernel[2] ? (g->kernel[2] - 1 - k0) / s + 1 : 0, first = (p + g->pad[2]) / s - (taps - 1);

		g->class[p] = (struct gather_class){.taps = taps, .first = first};
		if (taps && -first > g->left)
			g->left = -first;
		if (taps && (g->out[2] - 1 - p) / s + first + taps > end)
			end = (g->out[2] - 1 - p) / s + first + taps;
	}
	for (int p = 0; p < s; p++)
		g->class[p].first += (int)g->left;
	g->width = g->left + end;
}

int K(gather_taps)(const struct gather *g, int axis, int64_t o, int64_t *in, int *k)
{
	int n = 0, s = g->stride[axis];

	for (int i = 0; i < g->kernel[axis]; i++) {
		int64_t at = g->fractional ? o + g->pad[axis] - i : o * s - g->pad[axis] + i;

		if (g->fractional && (at < 0 || at % s))
			continue;
		at = g->fractional ? at / s : at;
		if (at >= 0 && at < g->in[axis])
			in[n] = at, k[n++] = i;
	}
	return n;
}

static int64_t run_len(const struct gather *g, int c)
{
	return g->kind == GATHER_THIN ? g->class[c].taps * g->cslots : gather_slots(g, c);
}

static int64_t row_len(const struct gather *g)
{
	return g->kind == GATHER_THIN ? g->cslots * g->plane : round_up((g->width * g->ci + PAIR - 1) / PAIR + VL, VL);
}

/* Input rows that hblock output rows need on an axis. */
static int64_t rows_needed(const struct gather *g, int64_t h)
{
	return g->fractional ? (h + g->kernel[1] - 2) / g->stride[1] + 2 : (h - 1) * g->stride[1] + g->kernel[1];
}

static void plan_runs(struct gather *g)
{
	int64_t cols = g->kind == GATHER_THIN ? g->co : round_up(g->co, VL);

	for (int c = 0; c < g->classes; c++)
		g->class[c].before = g->slots, g->slots += run_len(g, c);
	g->weights = g->slots * g->kernel[0] * g->kernel[1] * cols + VL;
	g->in_place = g->kind != GATHER_THIN && g->ci % PAIR == 0 && !g->left && g->width <= g->in[2];
	for (int c = 0; c < g->classes; c++)
		g->in_place &= g->class[c].taps <= 1 && run_len(g, c) <= g->cslots;
}

static int64_t tasks_of(const struct gather *g)
{
	return g->n * ((g->out[0] + g->deep - 1) / g->deep) * ((g->out[1] + g->hblock - 1) / g->hblock) * ((g->co + g->group - 1) / g->group);
}

/* Thin channels of many products are AMX's, where that is: measured, 200 an output take as long there. */
static enum gather_kind first_of(struct gather *g)
{
	const int64_t strides = g->fractional ? g->stride[0] * g->stride[1] * g->stride[2] : 1;
	const int many = g->ci * g->co * g->kernel[0] * g->kernel[1] * g->kernel[2] >= MANY * strides;

	if (many && !K(gather_amx_plan)(g))
		return GATHER_AMX;
	if (!K(thin_plan)(g))
		return GATHER_THIN;
	return !K(gather_amx_plan)(g) ? GATHER_AMX : GATHER_WIDE;
}

int K(gather_plan)(struct gather *g)
{
	for (int i = 0; i < 3; i++)
		if (g->kernel[i] > MAX_KERNEL || g->stride[i] > MAX_STRIDE)
			return -1;
	g->threads = omp_get_max_threads();
	g->group = g->co;
	g->cslots = (g->ci + PAIR - 1) / PAIR;
	if (g->fractional)
		plan_fractional(g);
	else
		plan_strided(g);
	g->kind = first_of(g);
	for (int i = 0; i < (int)(sizeof others / sizeof *others) && g->kind == GATHER_WIDE; i++)
		if (others[i].plan && !others[i].plan(g)) {
			g->kind = i;
			g->weights = others[i].weights(g);
			return 0;
		}
	if (g->kind != GATHER_AMX)
		plan_runs(g);
	g->hblock = g->out[1];
	g->row = row_len(g);
	while (g->hblock > 1 && g->kernel[0] * rows_needed(g, g->hblock) * g->row > (g->kind == GATHER_AMX ? BUFFER_AMX : BUFFER))
		g->hblock = (g->hblock + 1) / 2;
	g->hrows = rows_needed(g, g->hblock);
	g->deep = g->out[0] < DEEP ? g->out[0] : DEEP;
	while (g->deep > 1 && tasks_of(g) < TASKS * g->threads)
		g->deep = (g->deep + 1) / 2;
	g->room = round_up(g->kernel[0] * g->hrows * g->row + (g->kind == GATHER_THIN ? g->classes * g->co * g->most : 0), 16);
	return 0;
}

/* -- weights: [block of co][class][kd][kh][slot of the run][co of the block], the half of a vector twice;
   thin: [kd][kh][slot of ci][class][tap][co] -- */
static int width_of(const struct gather *g, int64_t first)
{
	return g->co - first > VL ? NR : VL;
}

/* One input channel at a time: the caller's weights of its taps lie together. Elements of a run are [tap][ci]. */
static void pack_wide(struct gather *g, const float *w, int64_t first)
{
	int64_t kk = g->kernel[0] * g->kernel[1], next = gather_weight(g, 0, 0, 0, 0, 1);
	int nr = width_of(g, first), cols = g->co - first < nr ? (int)(g->co - first) : nr, half = HALF > 0 && cols == NR - HALF ? HALF : 0;

	for (int64_t ci = 0; ci < g->ci; ci++) {
		elem *run = (elem *)g->w + first * kk * g->slots * PAIR;

		for (int c = 0; c < g->classes; c++)
			for (int64_t k = 0; k < kk; k++, run += run_len(g, c) * nr * PAIR)
				for (int64_t t = 0, i = ci; t < g->class[c].taps; t++, i += g->ci) {
					const float *from = w + gather_weight(g, (int)(k / g->kernel[1]), (int)(k % g->kernel[1]), gather_kw(g, c, (int)t), ci, first);
					elem *to = run + i / PAIR * nr * PAIR + i % PAIR;

					for (int co = 0; co < cols + half; co++)
						to[co * PAIR] = narrow(from[(co < cols ? co : co - half) * next]);
				}
	}
}

static void pack_thin(struct gather *g, const float *w)
{
	int64_t kk = g->kernel[0] * g->kernel[1];
	elem *to = g->w;

	for (int64_t k = 0; k < kk; k++)
		for (int64_t s = 0; s < g->cslots; s++)
			for (int c = 0; c < g->classes; c++)
				for (int t = 0; t < g->class[c].taps; t++)
					for (int64_t co = 0; co < g->co; co++)
						for (int64_t ci = s * PAIR; ci < (s + 1) * PAIR; ci++, to++)
							if (ci < g->ci)
								*to = narrow(w[gather_weight(g, (int)(k / g->kernel[1]), (int)(k % g->kernel[1]), gather_kw(g, c, t), ci, co)]);
}

void K(gather_pack)(struct gather *g, const float *w)
{
	if (others[g->kind].pack) {
		others[g->kind].pack(g, w);
	} else {
#pragma omp parallel for schedule(static)
		for (int64_t b = 0; b < (g->co + NR - 1) / NR; b++)
			pack_wide(g, w, b * NR);
	}
}

/* -- running ------------------------------------------------------------------- */
static const elem *input_row(const struct gather_task *t, int64_t d, int64_t h)
{
	const struct gather *g = t->g;

	return t->x + ((t->n * g->in[0] + d) * g->in[1] + h) * g->in[2] * g->inpitch;
}

static void copy_row(const struct gather *g, float *room, const elem *from)
{
	int64_t body = g->in[2] < g->width - g->left ? g->in[2] : g->width - g->left, len = g->row * PAIR, ci = g->ci;
	elem *to = (elem *)room;

	if (g->kind == GATHER_THIN) {
		K(thin_row)(g, (slot *)room, from, body);
		return;
	}

	memset(to, 0, sizeof *to * (size_t)(g->left * ci));
	to += g->left * ci, len -= g->left * ci;
	if (g->inpitch == ci)
		memcpy(to, from, sizeof *to * (size_t)(body * ci));
	else
		for (int64_t v = 0; v < body; v++)
			memcpy(to + v * ci, from + v * g->inpitch, sizeof *to * (size_t)ci);
	memset(to + body * ci, 0, sizeof *to * (size_t)(len - body * ci));
}

/* The input rows that output rows h0..h1 need; no plane is there yet. */
static void begin(struct gather_task *t)
{
	const struct gather *g = t->g;
	int64_t ih[MAX_KERNEL], hi = -1;
	int kh[MAX_KERNEL];

	t->ih0 = g->in[1];
	for (int64_t h = t->h0; h < t->h1; h++)
		for (int i = K(gather_taps)(g, 1, h, ih, kh) - 1; i >= 0; i--) {
			t->ih0 = ih[i] < t->ih0 ? ih[i] : t->ih0;
			hi = ih[i] > hi ? ih[i] : hi;
		}
	t->ihs = hi + 1 - t->ih0;
	for (int i = 0; i < g->kernel[0]; i++)
		t->held[i] = -1;
}

/* The taps along d of plane od, and copies of those planes' rows that are not there from the plane before */
static void bring(struct gather_task *t)
{
	const struct gather *g = t->g;
	int64_t id[MAX_KERNEL];

	t->dtaps = K(gather_taps)(g, 0, t->od, id, t->kd);
	for (int i = 0; i < t->dtaps; i++) {
		int64_t at = id[i] % g->kernel[0];
		float *to = t->buffer + at * g->hrows * g->row;

		t->plane[i] = g->in_place ? (const void *)input_row(t, id[i], t->ih0) : to;
		if (g->in_place || t->held[at] == id[i])
			continue;
		t->held[at] = id[i];
		for (int64_t h = 0; h < t->ihs; h++)
			copy_row(g, to + h * g->row, input_row(t, id[i], t->ih0 + h));
	}
}

int K(gather_rows)(const struct gather_task *t, int64_t oh, struct gather_row *row)
{
	const struct gather *g = t->g;
	int64_t ih[MAX_KERNEL], next = g->in_place ? g->in[2] * g->inpitch * (int64_t)sizeof(elem) : g->row * (int64_t)sizeof(float);
	int kh[MAX_KERNEL], htaps = K(gather_taps)(g, 1, oh, ih, kh);

	for (int j = 0; j < htaps; j++) /* outside: vectors of kh would wait for what is just written */
		for (int i = 0; i < t->dtaps; i++)
			row[i * htaps + j] = (struct gather_row){(const char *)t->plane[i] + (ih[j] - t->ih0) * next, t->kd[i] * g->kernel[1] + kh[j]};
	return t->dtaps * htaps;
}

static void output_row(const struct gather_task *t, int64_t oh, int64_t first)
{
	const struct gather *g = t->g;
	struct gather_row row[MAX_ROWS];
	int nr = width_of(g, first);
	int64_t pitch = g->in_place ? g->inpitch : g->ci;
	float bias[NR] = {0};
	elem *y = t->y + (((t->n * g->out[0] + t->od) * g->out[1] + oh) * g->out[2]) * g->outpitch + first;
	struct gather_call a = {.row = row, .rows = K(gather_rows)(t, oh, row), .bias = bias, .ystep = g->classes * g->outpitch, .add = t->add};

	a.cols = g->co - first < nr ? (int)(g->co - first) : nr;
	a.step = g->step * pitch;
	if (t->bias)
		memcpy(bias, t->bias + first, sizeof *bias * (size_t)a.cols);
	if (HALF > 0 && a.cols == NR - HALF)
		memcpy(bias + a.cols, bias + VL, sizeof *bias * HALF);
	for (int c = 0; c < g->classes; c++) {
		int64_t count = (g->out[2] - c + g->classes - 1) / g->classes, kk = g->kernel[0] * g->kernel[1];

		a.len = run_len(g, c), a.wstep = a.len * nr;
		a.w = (const slot *)g->w + kk * (first * g->slots + nr * g->class[c].before);
		a.at = g->class[c].first * pitch;
		a.y = y + c * g->outpitch;
		K(gather_wide)(&a, nr, count);
	}
}

static void output_plane(const struct gather_task *t)
{
	const struct gather *g = t->g;

	if (others[g->kind].plane) {
		others[g->kind].plane(t);
		return;
	}
	for (int64_t first = 0; first < g->co; first += NR)
		for (int64_t h = t->h0; h < t->h1; h++)
			output_row(t, h, first);
}

void K(gather_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch)
{
	if (others[g->kind].run) {
		others[g->kind].run(g, x, bias, y, add, scratch);
		return;
	}
#pragma omp parallel for schedule(dynamic) num_threads(g->threads)
	for (int64_t i = 0; i < tasks_of(g); i++) {
		struct gather_task t = {.g = g, .x = x, .bias = bias, .y = y, .add = add, .buffer = scratch + omp_get_thread_num() * g->room};
		int64_t hblocks = (g->out[1] + g->hblock - 1) / g->hblock, chunks = (g->out[0] + g->deep - 1) / g->deep, d = i / hblocks % chunks * g->deep;

		t.n = i / hblocks / chunks % g->n, t.c0 = i / hblocks / chunks / g->n * g->group, t.c1 = t.c0 + g->group < g->co ? t.c0 + g->group : g->co;
		t.h0 = i % hblocks * g->hblock;
		t.h1 = t.h0 + g->hblock < g->out[1] ? t.h0 + g->hblock : g->out[1];
		begin(&t);
		for (t.od = d; t.od < d + g->deep && t.od < g->out[0]; t.od++) {
			bring(&t);
			output_plane(&t);
		}
	}
}
