/* What a voxel's channels make of each other (kernels/across.h): of few, and the local response's, a lane a voxel; else a group of lanes, WIDE
   channels to a lane. Bytes an element: x (and dy) once, from then on it is in the cache, y once. */
#include "kernels/gpu/par.h"

#include "kernels/across.h"
#include "kernels/gpu/kernels.h"

KERNEL(across_each, (struct k_across g, const void *x, void *y), (g, x, y), items(g.vox))
{
	ITEM_FOR(v, g.vox)
		across_row(&g, x, v, y);
}

KERNEL(across_each_back, (struct k_across g, const void *dy, const void *x, void *dx, int add), (g, dy, x, dx, add), items(g.vox))
{
	ITEM_FOR(v, g.vox)
		across_row_back(&g, dy, x, v, dx, add);
}

/* Of w lanes; whole: WIDE channels are read at once */
struct across_group { int w, whole; };

DEVICE struct across_sum group_soft(const struct k_across *g, struct across_group l, const void *x, int64_t v)
{
	const int64_t parts = (g->c + WIDE - 1) / WIDE;
	struct across_sum s = {-INFINITY, 0};
	float u[WIDE];

	MEMBER_FOR(k, 0, parts, l.w) {
		get_some(x, v * g->c + k * WIDE, part_of(g->c, k), l.whole, u);
		EACH(j)
			s.most = j < part_of(g->c, k) && u[j] > s.most ? u[j] : s.most;
	}
	s.most = group_most(s.most, l.w);
	MEMBER_FOR(k, 0, parts, l.w) {
		get_some(x, v * g->c + k * WIDE, part_of(g->c, k), l.whole, u);
		EACH(j)
			s.sum += j < part_of(g->c, k) ? expf(u[j] - s.most) : 0;
	}
	s.sum = group_sum(s.sum, l.w);
	return s;
}

KERNEL(across_soft_rows, (struct k_across g, struct across_group l, const void *x, void *y), (g, l, x, y), items(g.vox * l.w))
{
	GROUP_FOR(v, g.vox, l.w) {
		const struct across_sum s = group_soft(&g, l, x, v);
		const float lower = logf(s.sum);
		float u[WIDE];

		MEMBER_FOR(k, 0, (g.c + WIDE - 1) / WIDE, l.w) {
			get_some(x, v * g.c + k * WIDE, part_of(g.c, k), l.whole, u);
			EACH(j)
				u[j] = g.kind == K_SOFTMAX ? expf(u[j] - s.most) / s.sum : u[j] - s.most - lower;
			put_some(y, v * g.c + k * WIDE, part_of(g.c, k), l.whole, u);
		}
	}
}

/* dx may be dy: a lane reads what it then writes. */
KERNEL(across_soft_rows_back, (struct k_across g, struct across_group l, const void *dy, const void *x, void *dx, int add), (g, l, dy, x, dx, add),
	items(g.vox * l.w))
{
	const int64_t parts = (g.c + WIDE - 1) / WIDE;
	const int soft = g.kind == K_SOFTMAX;

	GROUP_FOR(v, g.vox, l.w) {
		const struct across_sum s = group_soft(&g, l, x, v);
		float u[WIDE], d[WIDE], old[WIDE] = {0}, sum = 0;

		MEMBER_FOR(k, 0, parts, l.w) {
			get_some(dy, v * g.c + k * WIDE, part_of(g.c, k), l.whole, d);
			get_some(x, v * g.c + k * WIDE, part_of(g.c, k), l.whole, u);
			EACH(j)
				sum += soft && d[j] != 0 ? d[j] * expf(u[j] - s.most) / s.sum : d[j];
		}
		sum = group_sum(sum, l.w);
		MEMBER_FOR(k, 0, parts, l.w) {
			get_some(dy, v * g.c + k * WIDE, part_of(g.c, k), l.whole, d);
			get_some(x, v * g.c + k * WIDE, part_of(g.c, k), l.whole, u);
			if (add)
				get_some(dx, v * g.c + k * WIDE, part_of(g.c, k), l.whole, old);
			EACH(j) {
				u[j] = expf(u[j] - s.most) / s.sum;
				d[j] = old[j] + (soft ? u[j] * (d[j] - sum) : d[j] - u[j] * sum);
			}
			put_some(dx, v * g.c + k * WIDE, part_of(g.c, k), l.whole, d);
		}
	}
}

static struct across_group group_for(const struct k_across *g, const void *x, const void *y, const void *z)
{
	struct across_group l;

	l.w = g->kind == K_LOCAL || g->c < WIDE ? 0 : group_of(g->c);
	l.whole = wide_rows(x, g->c) && wide_rows(y, g->c) && wide_rows(z, g->c);
	return l;
}

int G(across)(struct k_across g, const void *x, void *y)
{
	const struct across_group l = group_for(&g, x, y, y);

	return l.w ? G(across_soft_rows)(g, l, x, y) : G(across_each)(g, x, y);
}

int G(across_back)(struct k_across g, const void *dy, const void *x, void *dx, int add)
{
	const struct across_group l = group_for(&g, dy, x, dx);

	return l.w ? G(across_soft_rows_back)(g, l, dy, x, dx, add) : G(across_each_back)(g, dy, x, dx, add);
}
