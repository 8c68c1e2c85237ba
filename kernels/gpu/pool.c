/* Max pooling: a lane's `step` channels of a voxel are WIDE that can be read at once, or one. Bytes an element of x: forward it is read once; back it
   is read, and its gradient written, and both a second time where they have left the first cache. */
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"
#include "kernels/pool.h"

/* A lane's channels: where y has them, and x the first of the factor's voxels */
struct pool_place { int64_t y, x; };

DEVICE struct pool_place pool_place(const struct k_pool *g, int64_t i, int step)
{
	const uint32_t parts = (uint32_t)(g->c / step);
	const int64_t c = i % parts * step, v = i / parts;

	return (struct pool_place){v * g->c + c, pool_corner(g, v) * g->c + c};
}

/* Where member k of the factor's voxels lies from the first, d, h, w in order */
DEVICE int64_t pool_member(const struct k_pool *g, int k)
{
	const int w = k % g->factor[2], h = k / g->factor[2] % g->factor[1], d = k / g->factor[2] / g->factor[1];

	return ((d * g->large[1] + h) * g->large[2] + w) * g->c;
}

/* What is no number is larger than what is one. */
DEVICE int pool_more(float a, float b)
{
	return a > b || a != a;
}

static int64_t pool_items(const struct k_pool *g, int step)
{
	return g->n * g->small[0] * g->small[1] * g->small[2] * (g->c / step);
}

KERNEL(pool_most, (struct k_pool g, int step, int64_t n, const void *x, void *y), (g, step, n, x, y), items(n))
{
	const int all = g.factor[0] * g.factor[1] * g.factor[2];

	ITEM_FOR(i, n) {
		const struct pool_place p = pool_place(&g, i, step);
		float most[WIDE], u[WIDE];

		get_some(x, p.x, step, 1, most);
		for (int k = 1; k < all; k++) {
			get_some(x, p.x + pool_member(&g, k), step, 1, u);
			EACH(j)
				most[j] = pool_more(u[j], most[j]) ? u[j] : most[j];
		}
		put_some(y, p.y, step, 1, most);
	}
}

int G(pool)(struct k_pool g, const void *x, void *y)
{
	const int step = wide_rows(x, g.c) && wide_rows(y, g.c) ? WIDE : 1;

	return G(pool_most)(g, step, pool_items(&g, step), x, y);
}

KERNEL(pool_most_back, (struct k_pool g, int step, int64_t n, const void *dy, const void *x, void *dx, int add), (g, step, n, dy, x, dx, add),
	items(n))
{
	const int all = g.factor[0] * g.factor[1] * g.factor[2];

	ITEM_FOR(i, n) {
		const struct pool_place p = pool_place(&g, i, step);
		float most[WIDE], u[WIDE], d[WIDE];
		int own[WIDE] = {0};

		get_some(x, p.x, step, 1, most);
		for (int k = 1; k < all; k++) {
			get_some(x, p.x + pool_member(&g, k), step, 1, u);
			EACH(j)
				if (pool_more(u[j], most[j]))
					most[j] = u[j], own[j] = k;
		}
		get_some(dy, p.y, step, 1, d);
		for (int k = 0; k < all; k++) {
			float old[WIDE] = {0};

			if (add)
				get_some(dx, p.x + pool_member(&g, k), step, 1, old);
			EACH(j)
				old[j] += own[j] == k ? d[j] : 0;
			put_some(dx, p.x + pool_member(&g, k), step, 1, old);
		}
	}
}

int G(pool_back)(struct k_pool g, const void *dy, const void *x, void *dx, int add)
{
	const int step = wide_rows(dy, g.c) && wide_rows(x, g.c) && wide_rows(dx, g.c) ? WIDE : 1;

	return G(pool_most_back)(g, step, pool_items(&g, step), dy, x, dx, add);
}
