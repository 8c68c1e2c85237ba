/* Copies and products of elements: slices of a concatenation, dropout, gates, the nearest labels. Shapes as in kernels/backend.h. */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/philox.h"

/* Bytes an element: reads x once (and y, where it is added to), writes y. */
COLUMN_KERNEL(slice_spots, (struct columns r, void *y, int64_t ypitch, const void *x, int64_t xpitch, int add), (r, y, ypitch, x, xpitch, add),
	r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			float v[WIDE];

			spot_get(&r, &s, x, xpitch, v);
			spot_add(&r, &s, y, ypitch, add, v);
		}
}

int G(slice)(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add)
{
	return slice_spots(columns_map(vox, c, x, xpitch, y, ypitch), y, ypitch, x, xpitch, add);
}

/* Factors of WIDE elements from element `at` on: four share the four words of one block. */
DEVICE void drop_factors(const struct k_drop *g, int64_t at, float f[WIDE])
{
	uint32_t w[4] = {0};

	EACH(j) {
		if (at % 4) {
			f[j] = drop_at(g, at + j);
		} else {
			if (j % 4 == 0)
				philox(g, (uint32_t)((at + j) / 4), w);
			f[j] = drop_factor(g, w[j % 4]);
		}
	}
}

/* Voxels of a span share their draws, a channel each: those of a span begin at a multiple of 4. */
DEVICE void span_factors(const struct columns *r, const struct k_drop *g, const struct spot *s, float f[WIDE])
{
	const int64_t each = (r->c + 3) / 4 * 4;
	int64_t vox = s->v, c = s->c;

	if (r->whole && r->c % WIDE == 0) {
		drop_factors(g, vox / g->span * each + c, f);
		return;
	}
	EACH(j) {
		f[j] = j < s->n ? drop_at(g, vox / g->span * each + c) : 0;
		if (++c == r->c)
			c = 0, vox++;
	}
}

COLUMN_KERNEL(drop_spots, (struct columns r, struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add),
	(r, g, x, xpitch, y, ypitch, add), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			float v[WIDE], f[WIDE];

			spot_get(&r, &s, x, xpitch, v);
			if (g.span)
				span_factors(&r, &g, &s, f);
			else
				drop_factors(&g, s.v * r.c + s.c, f);
			EACH(j)
				v[j] = g.alpha ? drop_alpha_of(&g, v[j], f[j] > 0) : v[j] * f[j];
			spot_add(&r, &s, y, ypitch, add, v);
		}
}

int G(drop)(struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add)
{
	return drop_spots(columns_map(vox, c, x, xpitch, y, ypitch), g, x, xpitch, y, ypitch, add);
}

COLUMN_KERNEL(gate_spots, (struct columns r, const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch), (r, x, xpitch, g, y, ypitch),
	r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			int64_t vox = s.v, c = s.c;
			float v[WIDE];

			spot_get(&r, &s, x, xpitch, v);
			EACH(j) {
				v[j] *= j < s.n ? get(g, vox) : 0;
				if (++c == r.c)
					c = 0, vox++;
			}
			spot_put(&r, &s, y, ypitch, v);
		}
}

int G(gate)(const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch, int64_t vox, int64_t c)
{
	return gate_spots(columns_map(vox, c, x, xpitch, y, ypitch), x, xpitch, g, y, ypitch);
}

/* A group of lanes to a voxel. Bytes an element: reads dy and x once (and dx, where it is added to), writes dx. */
KERNEL(gate_back_rows, (int w, int whole, const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate,
	int add, int gate_add, int64_t vox, int64_t c), (w, whole, dy, ypitch, x, xpitch, g, dx, dgate, add, gate_add, vox, c), items(vox * w))
{
	const int64_t parts = (c + WIDE - 1) / WIDE;

	GROUP_FOR(v, vox, w) {
		const float own = get(g, v);
		float sum = 0;

		MEMBER_FOR(k, 0, parts, w) {
			const int n = part_of(c, k);
			float d[WIDE], u[WIDE], old[WIDE] = {0};

			get_some(dy, v * ypitch + k * WIDE, n, whole, d);
			get_some(x, v * xpitch + k * WIDE, n, whole, u);
			if (add)
				get_some(dx, v * c + k * WIDE, n, whole, old);
			EACH(j)
				sum += d[j] * u[j], d[j] = d[j] * own + old[j];
			put_some(dx, v * c + k * WIDE, n, whole, d);
		}
		sum = group_sum(sum, w);
		if (FIRST_OF_GROUP(w))
			put(dgate, v, gate_add ? get(dgate, v) + sum : sum);
	}
}

int G(gate_back)(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate, int add, int gate_add,
	int64_t vox, int64_t c)
{
	const int whole = wide_rows(dy, c) && wide_rows(x, c) && wide_rows(dx, c) && ypitch % WIDE == 0 && xpitch % WIDE == 0;

	return G(gate_back_rows)(group_of(c), whole, dy, ypitch, x, xpitch, g, dx, dgate, add, gate_add, vox, c);
}

/* Patch merging: a lane's `step` channels are WIDE that can be read at once, or one. */
KERNEL(merge_parts, (struct k_merge g, int step, const void *x, void *y), (g, step, x, y),
	items(g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step))
{
	const uint32_t half[2] = {(uint32_t)g.size[1] / 2, (uint32_t)g.size[2] / 2}, parts = (uint32_t)(g.c / step);

	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step) {
		const int64_t k = i % parts * step, part = i / parts % 8, v = i / parts / 8;
		const int64_t w = v % half[1], h = v / half[1] % half[0], nd = v / half[1] / half[0];
		const int bits = g.order[part];
		float u[WIDE];

		/* n and d together: every n has a whole number of blocks along d */
		get_some(x, (((2 * nd + (bits >> 2 & 1)) * g.size[1] + 2 * h + (bits >> 1 & 1)) * g.size[2] + 2 * w + (bits & 1)) * g.c + k, step, 1, u);
		put_some(y, i * step, step, 1, u);
	}
}

int G(merge)(struct k_merge g, const void *x, void *y)
{
	return G(merge_parts)(g, wide_rows(x, g.c) && wide_rows(y, g.c) ? WIDE : 1, x, y);
}

/* A voxel's gradient: of all parts that took it. */
KERNEL(merge_parts_back, (struct k_merge g, int step, const void *dy, void *dx, int add), (g, step, dy, dx, add),
	items(g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step))
{
	const uint32_t size[2] = {(uint32_t)g.size[1], (uint32_t)g.size[2]}, parts = (uint32_t)(g.c / step);

	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step) {
		const int64_t k = i % parts * step, v = i / parts, w = v % size[1], h = v / size[1] % size[0], nd = v / size[1] / size[0];
		const int64_t block = (nd / 2 * (size[0] / 2) + h / 2) * (size[1] / 2) + w / 2;
		const int own = (int)(4 * (nd & 1) + 2 * (h & 1) + (w & 1));
		float sum[WIDE] = {0}, u[WIDE];

		if (add)
			get_some(dx, i * step, step, 1, sum);
		for (int part = 0; part < 8; part++) {
			if (g.order[part] != own)
				continue;
			get_some(dy, (block * 8 + part) * g.c + k, step, 1, u);
			EACH(j)
				sum[j] += u[j];
		}
		put_some(dx, i * step, step, 1, sum);
	}
}

int G(merge_back)(struct k_merge g, const void *dy, void *dx, int add)
{
	return G(merge_parts_back)(g, wide_rows(dy, g.c) && wide_rows(dx, g.c) ? WIDE : 1, dy, dx, add);
}

/* y dense: the elements of a spot are neighbours there. */
COLUMN_KERNEL(to_floats_spots, (struct columns r, float *y, const void *x, int64_t xpitch), (r, y, x, xpitch), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			float v[WIDE], *to = y + s.v * r.c + s.c;

			spot_get(&r, &s, x, xpitch, v);
			for (int k = 0; k < WIDE && r.whole; k += 4)
				put_floats(to + k, v + k);
			EACH(j)
				if (!r.whole && j < s.n)
					to[j] = v[j];
		}
}

int G(to_floats)(float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c)
{
	struct columns r = columns_map(vox, c, x, xpitch, NULL, c);

	r.whole = r.whole && columns_floats(&r, y);
	return to_floats_spots(r, y, x, xpitch);
}

COLUMN_KERNEL(from_floats_spots, (struct columns r, void *y, int64_t ypitch, const float *x, int add), (r, y, ypitch, x, add), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			const float *from = x + s.v * r.c + s.c;
			float v[WIDE] = {0};

			for (int k = 0; k < WIDE && r.whole; k += 4)
				get_floats(from + k, v + k);
			EACH(j)
				if (!r.whole && j < s.n)
					v[j] = from[j];
			spot_add(&r, &s, y, ypitch, add, v);
		}
}

int G(from_floats)(void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add)
{
	struct columns r = columns_map(vox, c, NULL, c, y, ypitch);

	r.whole = r.whole && columns_floats(&r, x);
	return from_floats_spots(r, y, ypitch, x, add);
}
