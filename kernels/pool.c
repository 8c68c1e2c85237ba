/* Max pooling. Backward finds each largest once more: it is quicker than to keep where it was. */
#include "kernels/cpu.h"

#include <string.h>

#include "kernels/pool.h"
#include "kernels/vmath.h"

/* Where the others lie from there, d, h, w in order; returns how many there are */
static int members(const struct k_pool *g, int64_t at[K_POOL_MOST])
{
	int n = 0;

	for (int64_t d = 0; d < g->factor[0]; d++)
		for (int64_t i = 0; i < g->factor[1]; i++)
			for (int64_t k = 0; k < g->factor[2]; k++)
				at[n++] = ((d * g->large[1] + i) * g->large[2] + k) * g->c;
	return n;
}

/* What is no number is larger than what is one. */
INLINE vec more(vec a, vec b)
{
	return vec_choose((a > b) | (a != a), a, b);
}

INLINE void pool(const elem *x, const int64_t *at, int n, elem *y, const int nv)
{
	vec most = load_some(x, nv);

	for (int k = 1; k < n; k++)
		most = more(load_some(x + at[k], nv), most);
	store_some(y, most, nv);
}

INLINE void pool_back(const elem *dy, const elem *x, const int64_t *at, int n, elem *dx, const int nv, const int add)
{
	const vec d = load_some(dy, nv);
	vec most = load_some(x, nv), own = {0};

	for (int k = 1; k < n; k++) {
		const vec u = load_some(x + at[k], nv);

		own = vec_choose((u > most) | (u != u), (vec){0} + (float)k, own);
		most = more(u, most);
	}
	for (int k = 0; k < n; k++) {
		const vec part = vec_choose(own == (vec){0} + (float)k, d, (vec){0});

		store_some(dx + at[k], add ? load_some(dx + at[k], nv) + part : part, nv);
	}
}

int K(pool_forward)(const struct k_pool *g, const void *x, void *y, struct err *e)
{
	const int64_t vox = g->n * g->small[0] * g->small[1] * g->small[2];
	int64_t at[K_POOL_MOST];
	const int n = members(g, at);

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++) {
		const elem *from = (const elem *)x + pool_corner(g, v) * g->c;
		elem *to = (elem *)y + v * g->c;
		int64_t i = 0;

		for (; i + VL <= g->c; i += VL)
			pool(from + i, at, n, to + i, 1);
		for (; i < g->c; i++)
			pool(from + i, at, n, to + i, 0);
	}
	return 0;
}

static void zero(elem *y, int64_t rows, int64_t n)
{
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < rows; i++)
		memset(y + i * n, 0, sizeof *y * (size_t)n);
}

int K(pool_backward)(const struct k_pool *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e)
{
	const int64_t vox = g->n * g->small[0] * g->small[1] * g->small[2];
	int64_t at[K_POOL_MOST];
	const int n = members(g, at);

	(void)e;
	if (!dx_add && pool_leaves(g))
		zero(dx, pool_voxels(g) / g->large[2], g->large[2] * g->c);
#pragma omp parallel for schedule(static)
	for (int64_t v = 0; v < vox; v++) {
		const elem *behind = (const elem *)dy + v * g->c, *from = (const elem *)x + pool_corner(g, v) * g->c;
		elem *to = (elem *)dx + pool_corner(g, v) * g->c;
		int64_t i = 0;

		for (; i + VL <= g->c; i += VL)
			pool_back(behind + i, from + i, at, n, to + i, 1, dx_add);
		for (; i < g->c; i++)
			pool_back(behind + i, from + i, at, n, to + i, 0, dx_add);
	}
	return 0;
}
