/* Gathers with 3x3x3 taps at stride 1, by Winograd's F(2x2x2, 3x3x3), winograd.h's along d too: cubes of 2x2x2 outputs from 4x4x4 inputs, 64 products
   instead of 216. Element k along d (0..3) of 16 of a plane; what A' makes of the four of them is added up in registers:
   two planes of outputs, M(0) + M(1) + M(2) and M(1) - M(2) - M(3), the weights of M(3) being negative already. */
#include "kernels/winograd.h"

#include <omp.h>
#include <string.h>

enum {
	ALONG = 4, MOST_NV = 3, ACCS = VL == 16 ? 12 : 6, /* vectors of each of two sums in registers */
	PAIRS = 4, BUFFER = 1 << 17,                      /* floats of V */
	LEAST = 12, MOST = 24, RUN = 8,                   /* cubes of a task; along w */
	TASKS = 4, WIDEST = 512 * 256, FEWEST = 64        /* WIDEST: ci*co; FEWEST: cubes */
};

static int64_t cubes_of(const struct gather *g)
{
	return gather_parts(g->out[0], 2) * g->tiles;
}

static int64_t tasks_of(const struct gather *g)
{
	return g->n * gather_parts(cubes_of(g), g->strip);
}

/* Floats from one element along d to the next: of an odd number of cubes, so that they do not share cache sets */
static int64_t along_step(const struct gather *g)
{
	return (g->strip | 1) * g->ci;
}

/* Floats from one plane of M to the next */
static int64_t plane_step(const struct gather *g, int64_t nr)
{
	return (g->strip | 1) * nr;
}

/* Few cubes would cost more memory, of weights 2.4 times as many, than they save time. */
int K(cubes_plan)(struct gather *g)
{
	for (int i = 0; i < 3; i++)
		if (g->kernel[i] != 3 || g->stride[i] != 1)
			return -1;
	g->across = gather_parts(g->out[2], 2);
	g->tiles = gather_parts(g->out[1], 2) * g->across;
	if (g->ci < VL || g->co < VL || g->ci * g->co > WIDEST || cubes_of(g) < FEWEST ||
	    cubes_of(g) * ELEMENTS * ALONG * 2 > g->out[0] * g->out[1] * g->out[2] * 27)
		return -1;
	g->strip = BUFFER / (ELEMENTS * ALONG * g->ci);
	g->strip = g->strip < LEAST ? LEAST : g->strip > MOST ? MOST : g->strip;
	while (g->strip > LEAST && tasks_of(g) < TASKS * g->threads)
		g->strip = (g->strip + 1) / 2;
	g->room = ELEMENTS * (ALONG * along_step(g) + 2 * plane_step(g, MOST_NV * VL));
	return 0;
}

int64_t K(cubes_weights)(const struct gather *g)
{
	return ELEMENTS * ALONG * g->ci * winograd_vectors(g->co) * VL;
}

static int64_t block_at(const struct gather *g, int64_t b)
{
	return winograd_block(g->co, MOST_NV, b);
}

static int64_t blocks_of(const struct gather *g)
{
	return gather_parts(winograd_vectors(g->co), MOST_NV);
}

/* U of one input channel and VL output channels */
static void transform_weights(const struct gather *g, const float *w, int64_t ci, int64_t co, vec u[ELEMENTS][ALONG])
{
	vec of[3][ELEMENTS], half = (vec){0} + 0.5f;

	for (int kd = 0; kd < 3; kd++) {
		float k[9 * VL];

		winograd_taps(g, w, g->fractional ? 2 - kd : kd, ci, co, k);
		winograd_weights(k, of[kd]);
	}
	for (int i = 0; i < ELEMENTS; i++) {
		u[i][0] = half * (of[0][i] + of[1][i] + of[2][i]), u[i][1] = half * (of[0][i] - of[1][i] + of[2][i]);
		u[i][2] = of[0][i], u[i][3] = -of[2][i];
	}
}

/* [block of co][element][along d][ci][co of the block] */
void K(cubes_pack)(struct gather *g, const float *w)
{
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t b = 0; b < blocks_of(g); b++)
		for (int64_t ci = 0; ci < g->ci; ci++)
			for (int64_t first = block_at(g, b), v = first; v < block_at(g, b + 1); v++) {
				int64_t nr = (block_at(g, b + 1) - first) * VL;
				float *to = (float *)g->w + first * VL * ELEMENTS * ALONG * g->ci + ci * nr + (v - first) * VL;
				vec u[ELEMENTS][ALONG];

				transform_weights(g, w, ci, winograd_channel(g->co, v), u);
				for (int i = 0; i < ELEMENTS * ALONG; i++, to += g->ci * nr) {
					store(to, u[i / ALONG][i % ALONG]);
					if (v > first && winograd_halved(g, first, (int)(nr / VL)))
						memcpy(to, to + VL / 2, sizeof *to * VL / 2);
				}
			}
}

/* `count` cubes of n from `first` */
struct task {
	const struct gather *g;
	const float *x, *bias;
	float *y, *v, *m; /* v [element][along d][cube][ci], m [element][plane][cube][co of the block] */
	int add;
	int64_t n, first, count;
};

struct place { int64_t d, h, w; };

/* First output of a cube */
static struct place place_of(const struct gather *g, int64_t cube)
{
	int64_t tile = cube % g->tiles;

	return (struct place){cube / g->tiles * 2, tile / g->across * 2, tile % g->across * 2};
}

/* The 4x4 rows of a run of cubes along w, at the first column (may be outside) and channel; NULL: outside */
struct band { const float *row[ALONG][4]; int64_t column, columns, step; int whole; };

static struct band band_of(const struct task *t, struct place p)
{
	const struct gather *g = t->g;
	struct band b = {.column = p.w - gather_pad(g, 2), .columns = g->in[2], .step = g->inpitch, .whole = 1};

	for (int i = 0; i < ALONG * 4; i++) {
		int64_t d = p.d - gather_pad(g, 0) + i / 4, h = p.h - gather_pad(g, 1) + i % 4;

		if (d >= 0 && d < g->in[0] && h >= 0 && h < g->in[1])
			b.row[i / 4][i % 4] = t->x + (((t->n * g->in[0] + d) * g->in[1] + h) * g->in[2] + b.column) * b.step;
		else
			b.whole = 0;
	}
	return b;
}

/* B' along d, element k of it, and along h of VL channels from c of a column */
INLINE void column(const struct band *b, const int k, int64_t at, int64_t c, vec t[4], const int whole)
{
	const int first = k == 0 ? 0 : k == 2 ? 2 : 1, second = k == 3 ? 3 : k == 2 ? 1 : 2;
	vec e[4] = {{0}};

	for (int h = 0; h < 4 && b->column + at >= 0 && b->column + at < b->columns; h++) {
		const float *p = b->row[first][h], *q = b->row[second][h];
		vec x = whole || p ? load(p + at * b->step + c) : (vec){0}, y = whole || q ? load(q + at * b->step + c) : (vec){0};

		e[h] = k == 1 ? x + y : x - y;
	}
	winograd_column(e, t);
}

/* n cubes along w, element k along d: element i to v + i * step */
INLINE void bring_run(const struct gather *g, const struct band *b, int64_t n, float *v, int64_t step, const int k, const int whole)
{
	for (int64_t i = 0; i < winograd_vectors(g->ci); i++) {
		int64_t c = winograd_channel(g->ci, i);
		vec t[4][4];

		column(b, k, 0, c, t[0], whole), column(b, k, 1, c, t[1], whole);
		for (int64_t j = 0; j < n; j++) {
			column(b, k, 2 * j + 2, c, t[2], whole), column(b, k, 2 * j + 3, c, t[3], whole);
			winograd_input(t, v + j * g->ci + c, step);
		}
	}
}

typedef void bringer(const struct gather *g, const struct band *b, int64_t n, float *v, int64_t step);
#define BRING(k) \
	static void bring_##k(const struct gather *g, const struct band *b, int64_t n, float *v, int64_t step) \
	{ \
		if (b->whole) \
			bring_run(g, b, n, v, step, k, 1); \
		else \
			bring_run(g, b, n, v, step, k, 0); \
	}
BRING(0) BRING(1) BRING(2) BRING(3)

/* What the next run along w reads */
static void fetch(const struct band *b, int64_t n)
{
	enum { LINE = 16 };

	for (int i = 0; i < ALONG * 4; i++)
		for (int64_t at = (2 * n + 2) * b->step, end = at + 2 * n * b->step; at < end && b->row[i / 4][i % 4]; at += LINE)
			__builtin_prefetch(b->row[i / 4][i % 4] + at);
}

/* Cubes that share a row, a few at a time */
static void bring(const struct task *t)
{
	static bringer *const bring_along[ALONG] = {bring_1, bring_2, bring_0, bring_3};
	const int64_t along = along_step(t->g);
	int64_t n;

	for (int64_t i = 0; i < t->count; i += n) {
		struct place p = place_of(t->g, t->first + i);
		struct band b = band_of(t, p);

		n = t->g->across - p.w / 2;
		n = n > RUN ? RUN : n;
		n = n > t->count - i ? t->count - i : n;
		fetch(&b, n);
		for (int k = 0; k < ALONG; k++)
			bring_along[k](t->g, &b, n, t->v + i * t->g->ci + k * along, ALONG * along);
	}
}

/* One element of up to ACCS / nv cubes: v and u of the first along d, others `along` and `ustep` on; both planes to m and m + plane. */
struct call { const float *v, *u; float *m; int64_t ci, along, ustep, plane; };
typedef void kernel(const struct call *a);

/* acc[p] += V U of k + p along d */
INLINE void multiply(const struct call *a, int k, vec acc[2][ACCS], const int mr, const int nv)
{
	const float *v[2] = {a->v + k * a->along, a->v + (k + 1) * a->along}, *u[2] = {a->u + k * a->ustep, a->u + (k + 1) * a->ustep};

	for (int64_t c = 0; c < a->ci; c++)
		UNROLL for (int p = 0; p < 2; p++) {
			vec w[MOST_NV];

			UNROLL for (int j = 0; j < nv; j++)
				w[j] = load(u[p] + (c * nv + j) * VL);
			UNROLL for (int m = 0; m < mr; m++)
				UNROLL for (int j = 0; j < nv; j++)
					acc[p][m * nv + j] += v[p][c + m * a->ci] * w[j];
		}
}

INLINE void to_sums(vec *a, vec *b)
{
	vec difference = *a - *b;

	*a += *b, *b = difference;
}

INLINE void two_planes(const struct call *a, const int mr, const int nv)
{
	vec acc[2][ACCS];

	UNROLL for (int i = 0; i < mr * nv; i++)
		acc[0][i] = acc[1][i] = (vec){0};
	multiply(a, 0, acc, mr, nv);
	UNROLL for (int i = 0; i < mr * nv; i++)
		to_sums(&acc[0][i], &acc[1][i]);
	multiply(a, 2, acc, mr, nv);
	UNROLL for (int i = 0; i < mr * nv; i++)
		store(a->m + i * VL, acc[0][i]), store(a->m + a->plane + i * VL, acc[1][i]);
}

#if VL_ == 16
/* acc: a vector of each cube; tail: half a vector of each, two in one */
INLINE void multiply_halves(const struct call *a, int k, vec acc[2][PAIRS * 2], vec tail[2][PAIRS], const int mr)
{
	const float *v[2] = {a->v + k * a->along, a->v + (k + 1) * a->along}, *u[2] = {a->u + k * a->ustep, a->u + (k + 1) * a->ustep};

	for (int64_t c = 0; c < a->ci; c++)
		UNROLL for (int p = 0; p < 2; p++) {
			vec w = load(u[p] + 2 * c * VL), t = load(u[p] + (2 * c + 1) * VL);

			UNROLL for (int m = 0; m < mr; m += 2) {
				vec x = v[p][c + m * a->ci] - (vec){0}, y = m + 1 < mr ? v[p][c + (m + 1) * a->ci] - (vec){0} : x;

				KEEP(x);
				KEEP(y);
				acc[p][m] += x * w, acc[p][m + 1] += y * w;
				tail[p][m / 2] += (vec)_mm512_mask_blend_ps(0xff00, (__m512)x, (__m512)y) * t;
			}
		}
}

INLINE void two_planes_halves(const struct call *a, const int mr)
{
	vec acc[2][PAIRS * 2], tail[2][PAIRS];

	UNROLL for (int m = 0; m < PAIRS * 2; m++)
		acc[0][m] = acc[1][m] = tail[0][m / 2] = tail[1][m / 2] = (vec){0};
	multiply_halves(a, 0, acc, tail, mr);
	UNROLL for (int m = 0; m < mr; m++)
		to_sums(&acc[0][m], &acc[1][m]);
	UNROLL for (int m = 0; m < mr; m += 2)
		to_sums(&tail[0][m / 2], &tail[1][m / 2]);
	multiply_halves(a, 2, acc, tail, mr);
	UNROLL for (int p = 0; p < 2; p++)
		UNROLL for (int m = 0; m < mr; m++) {
			float *to = a->m + p * a->plane + 2 * m * VL;

			store(to, acc[p][m]);
			_mm256_storeu_ps(to + VL, m % 2 ? _mm512_extractf32x8_ps((__m512)tail[p][m / 2], 1) : _mm512_castps512_ps256((__m512)tail[p][m / 2]));
		}
}
#endif

#define KERNEL(nv, mr) static void two_planes_##nv##_##mr(const struct call *a) { two_planes(a, mr, nv); }
#define NAME(nv, mr) two_planes_##nv##_##mr
KERNEL(1, 1) KERNEL(1, 2) KERNEL(1, 3) KERNEL(1, 4) KERNEL(1, 5) KERNEL(1, 6) KERNEL(2, 1) KERNEL(2, 2) KERNEL(2, 3) KERNEL(3, 1) KERNEL(3, 2)
#if VL_ == 16
KERNEL(1, 7) KERNEL(1, 8) KERNEL(1, 9) KERNEL(1, 10) KERNEL(1, 11) KERNEL(1, 12) KERNEL(2, 4) KERNEL(2, 5) KERNEL(2, 6) KERNEL(3, 3) KERNEL(3, 4)
#define HALVES(mr) static void halves_##mr(const struct call *a) { two_planes_halves(a, mr); }
HALVES(1) HALVES(2) HALVES(3) HALVES(4) HALVES(5) HALVES(6) HALVES(7) HALVES(8)
static kernel *const halved_kernels[PAIRS * 2 + 1] = {NULL, halves_1, halves_2, halves_3, halves_4, halves_5, halves_6, halves_7, halves_8};
static kernel *const kernels[MOST_NV + 1][ACCS + 1] = {{NULL},
	{NULL, NAME(1, 1), NAME(1, 2), NAME(1, 3), NAME(1, 4), NAME(1, 5), NAME(1, 6), NAME(1, 7), NAME(1, 8), NAME(1, 9), NAME(1, 10), NAME(1, 11),
		NAME(1, 12)},
	{NULL, NAME(2, 1), NAME(2, 2), NAME(2, 3), NAME(2, 4), NAME(2, 5), NAME(2, 6)}, {NULL, NAME(3, 1), NAME(3, 2), NAME(3, 3), NAME(3, 4)}};
#else
static kernel *const halved_kernels[PAIRS * 2 + 1]; /* none */
static kernel *const kernels[MOST_NV + 1][ACCS + 1] = {{NULL}, {NULL, NAME(1, 1), NAME(1, 2), NAME(1, 3), NAME(1, 4), NAME(1, 5), NAME(1, 6)},
	{NULL, NAME(2, 1), NAME(2, 2), NAME(2, 3)}, {NULL, NAME(3, 1), NAME(3, 2)}};
#endif

/* A block of output channels of all cubes, in even groups */
static void products(const struct task *t, int64_t vector, int nv)
{
	const struct gather *g = t->g;
	const int half = winograd_halved(g, vector, nv);
	const int64_t nr = nv * VL, groups = gather_parts(t->count, half ? PAIRS * 2 : ACCS / nv);
	kernel *const *table = half ? halved_kernels : kernels[nv];
	struct call a = {.ci = g->ci, .along = along_step(g), .ustep = g->ci * nr, .plane = plane_step(g, nr)};

	for (int i = 0; i < ELEMENTS; i++) {
		a.u = (const float *)g->w + (vector * VL * ELEMENTS + i * nr) * ALONG * g->ci;
		for (int64_t k = 0; k < groups; k++) {
			int64_t from = t->count * k / groups;

			a.v = t->v + i * ALONG * a.along + from * g->ci;
			a.m = t->m + 2 * i * a.plane + from * nr;
			table[t->count * (k + 1) / groups - from](&a);
		}
	}
}

INLINE void leave_all(const struct task *t, int64_t vector, const int nv, const int64_t next)
{
	const struct gather *g = t->g;
	const int64_t plane = plane_step(g, nv * VL);

	for (int64_t i = 0; i < t->count; i++) {
		struct place p = place_of(g, t->first + i);
		int rows = g->out[1] - p.h > 1 ? 2 : 1, cols = g->out[2] - p.w > 1 ? 2 : 1;

		for (int k = 0; k < 2 && p.d + k < g->out[0]; k++)
			winograd_leave(g, t->m + k * plane + i * nv * VL, 2 * plane, t->bias, vector,
				t->y + (((t->n * g->out[0] + p.d + k) * g->out[1] + p.h) * g->out[2] + p.w) * g->outpitch, rows, cols, t->add, nv, next, 0);
	}
}

static void leave(const struct task *t, int64_t vector, int nv)
{
	if (nv == 1)
		leave_all(t, vector, 1, VL);
	else if (winograd_halved(t->g, vector, nv))
		leave_all(t, vector, 2, VL / 2);
	else if (nv == 2)
		leave_all(t, vector, 2, VL);
	else
		leave_all(t, vector, 3, VL);
}

void K(cubes_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch)
{
	int64_t cubes = cubes_of(g), strips = gather_parts(cubes, g->strip);

#pragma omp parallel for schedule(dynamic) num_threads(g->threads)
	for (int64_t i = 0; i < g->n * strips; i++) {
		float *room = scratch + omp_get_thread_num() * g->room;
		struct task t = {.g = g, .x = x, .bias = bias, .y = y, .v = room, .m = room + ELEMENTS * ALONG * along_step(g), .add = add, .n = i / strips};

		t.first = cubes * (i % strips) / strips, t.count = cubes * (i % strips + 1) / strips - t.first;
		bring(&t);
		for (int64_t b = 0; b < blocks_of(g); b++) {
			products(&t, block_at(g, b), (int)(block_at(g, b + 1) - block_at(g, b)));
			leave(&t, block_at(g, b), (int)(block_at(g, b + 1) - block_at(g, b)));
		}
	}
}
