/* Gathers with 3x3x3 taps at stride 1, by Winograd's F(2x2x2, 3x3x3), winograd.h's along d too: cubes of 2x2x2 outputs from 4x4x4 inputs, 64 products
   instead of 216. Element k along d (0..3) of 16 of a plane; what A' makes of the four of them is added up in registers:
   two planes of outputs, M(0) + M(1) + M(2) and M(1) - M(2) - M(3), the weights of M(3) being negative already. */
#include "kernels/winograd.h"

#include <omp.h>
#include <string.h>

enum { ALONG = 4, MOST_NV = 3, ACCS = VL == 16 ? 12 : 6, BUFFER = 1 << 17, LEAST = 12, MOST = 24, TASKS = 4, WIDEST = 512 * 256,
	FEWEST = 64 }; /* ACCS: vectors of each of two sums in registers; BUFFER: floats of V; LEAST, MOST: cubes of a task; WIDEST: ci*co; FEWEST: cubes */

static const int order[ALONG] = {1, 2, 0, 3}; /* along d, as V and U have them */

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
				for (int i = 0; i < ELEMENTS * ALONG; i++, to += g->ci * nr)
					store(to, u[i / ALONG][i % ALONG]);
			}
}

/* B' along d, h and w of one cube of VL channels: element i of k to v + (i * ALONG + k) * along */
INLINE void transform(const float *x, const int64_t next[3], float *v, int64_t along)
{
	const int64_t hs = next[1], ws = next[2];

	UNROLL for (int k = 0; k < ALONG; k++, v += along) {
		const float *a = x + (order[k] == 0 ? 0 : order[k] == 2 ? 2 : 1) * next[0], *b = x + (order[k] == 3 ? 3 : order[k] == 2 ? 1 : 2) * next[0];
		vec e[4][4];

		UNROLL for (int h = 0; h < 4; h++, a += hs, b += hs) {
			KEEP_ADDRESS(a);
			KEEP_ADDRESS(b);
			UNROLL for (int w = 0; w < 4; w++)
				e[h][w] = order[k] == 1 ? load(a + w * ws) + load(b + w * ws) : load(a + w * ws) - load(b + w * ws);
		}
		winograd_input(e, v, ALONG * along);
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

static int inside(int64_t at, int64_t n)
{
	return at >= 0 && at + 4 <= n;
}

/* One cube, its first input voxel (d0, h0, w0): to v. What is partly outside is copied first, zeros around it. */
static void bring_cube(const struct task *t, int64_t d0, int64_t h0, int64_t w0, float *v)
{
	const struct gather *g = t->g;
	const int64_t ws = g->inpitch, hs = g->in[2] * ws, next[3] = {g->in[1] * hs, hs, ws}, near[3] = {16 * VL, 4 * VL, VL};
	const float *x = t->x + ((t->n * g->in[0] + d0) * g->in[1] + h0) * hs + w0 * ws;
	const int whole = inside(d0, g->in[0]) && inside(h0, g->in[1]) && inside(w0, g->in[2]);
	float copy[ALONG * ELEMENTS * VL];

	for (int64_t i = 0; i < winograd_vectors(g->ci); i++) {
		int64_t c = winograd_channel(g->ci, i);

		for (int j = 0; j < ALONG * ELEMENTS && !whole; j++) {
			int64_t d = d0 + j / 16, h = h0 + j / 4 % 4, w = w0 + j % 4;

			if (d < 0 || d >= g->in[0] || h < 0 || h >= g->in[1] || w < 0 || w >= g->in[2])
				memset(copy + j * VL, 0, sizeof *copy * VL);
			else
				memcpy(copy + j * VL, x + j / 16 * next[0] + j / 4 % 4 * hs + j % 4 * ws + c, sizeof *copy * VL);
		}
		transform(whole ? x + c : copy, whole ? next : near, v + c, along_step(g));
	}
}

static void bring(const struct task *t)
{
	for (int64_t i = 0; i < t->count; i++) {
		struct place p = place_of(t->g, t->first + i);

		bring_cube(t, p.d - gather_pad(t->g, 0), p.h - gather_pad(t->g, 1), p.w - gather_pad(t->g, 2), t->v + i * t->g->ci);
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

INLINE void two_planes(const struct call *a, const int mr, const int nv)
{
	vec acc[2][ACCS];

	UNROLL for (int i = 0; i < mr * nv; i++)
		acc[0][i] = acc[1][i] = (vec){0};
	multiply(a, 0, acc, mr, nv);
	UNROLL for (int i = 0; i < mr * nv; i++) {
		vec difference = acc[0][i] - acc[1][i];

		acc[0][i] += acc[1][i], acc[1][i] = difference;
	}
	multiply(a, 2, acc, mr, nv);
	UNROLL for (int i = 0; i < mr * nv; i++)
		store(a->m + i * VL, acc[0][i]), store(a->m + a->plane + i * VL, acc[1][i]);
}

#define KERNEL(nv, mr) static void two_planes_##nv##_##mr(const struct call *a) { two_planes(a, mr, nv); }
#define NAME(nv, mr) two_planes_##nv##_##mr
KERNEL(1, 1) KERNEL(1, 2) KERNEL(1, 3) KERNEL(1, 4) KERNEL(1, 5) KERNEL(1, 6) KERNEL(2, 1) KERNEL(2, 2) KERNEL(2, 3) KERNEL(3, 1) KERNEL(3, 2)
#if VL_ == 16
KERNEL(1, 7) KERNEL(1, 8) KERNEL(1, 9) KERNEL(1, 10) KERNEL(1, 11) KERNEL(1, 12) KERNEL(2, 4) KERNEL(2, 5) KERNEL(2, 6) KERNEL(3, 3) KERNEL(3, 4)
static kernel *const kernels[MOST_NV + 1][ACCS + 1] = {{NULL},
	{NULL, NAME(1, 1), NAME(1, 2), NAME(1, 3), NAME(1, 4), NAME(1, 5), NAME(1, 6), NAME(1, 7), NAME(1, 8), NAME(1, 9), NAME(1, 10), NAME(1, 11),
		NAME(1, 12)},
	{NULL, NAME(2, 1), NAME(2, 2), NAME(2, 3), NAME(2, 4), NAME(2, 5), NAME(2, 6)}, {NULL, NAME(3, 1), NAME(3, 2), NAME(3, 3), NAME(3, 4)}};
#else
static kernel *const kernels[MOST_NV + 1][ACCS + 1] = {{NULL}, {NULL, NAME(1, 1), NAME(1, 2), NAME(1, 3), NAME(1, 4), NAME(1, 5), NAME(1, 6)},
	{NULL, NAME(2, 1), NAME(2, 2), NAME(2, 3)}, {NULL, NAME(3, 1), NAME(3, 2)}};
#endif

/* A block of output channels of all cubes, in even groups */
static void products(const struct task *t, int64_t vector, int nv)
{
	const struct gather *g = t->g;
	const int64_t nr = nv * VL, groups = gather_parts(t->count, ACCS / nv);
	struct call a = {.ci = g->ci, .along = along_step(g), .ustep = g->ci * nr, .plane = plane_step(g, nr)};

	for (int i = 0; i < ELEMENTS; i++) {
		a.u = (const float *)g->w + (vector * VL * ELEMENTS + i * nr) * ALONG * g->ci;
		for (int64_t k = 0; k < groups; k++) {
			int64_t from = t->count * k / groups;

			a.v = t->v + i * ALONG * a.along + from * g->ci;
			a.m = t->m + 2 * i * a.plane + from * nr;
			kernels[nv][t->count * (k + 1) / groups - from](&a);
		}
	}
}

INLINE void leave_all(const struct task *t, int64_t vector, const int nv)
{
	const struct gather *g = t->g;
	const int64_t plane = plane_step(g, nv * VL);

	for (int64_t i = 0; i < t->count; i++) {
		struct place p = place_of(g, t->first + i);
		int rows = g->out[1] - p.h > 1 ? 2 : 1, cols = g->out[2] - p.w > 1 ? 2 : 1;

		for (int k = 0; k < 2 && p.d + k < g->out[0]; k++)
			winograd_leave(g, t->m + k * plane + i * nv * VL, 2 * plane, t->bias, vector,
				t->y + (((t->n * g->out[0] + p.d + k) * g->out[1] + p.h) * g->out[2] + p.w) * g->outpitch, rows, cols, t->add, nv);
	}
}

static void leave(const struct task *t, int64_t vector, int nv)
{
	if (nv == 1)
		leave_all(t, vector, 1);
	else if (nv == 2)
		leave_all(t, vector, 2);
	else
		leave_all(t, vector, 3);
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
