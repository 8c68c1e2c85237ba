/* Copies and products of elements: slices of a concatenation, dropout, gates, the nearest labels. Shapes as in kernels/backend.h. */
#include "kernels/backend.h"
#include "kernels/gpu/philox.h"

KERNEL(slice, (void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add),
	(y, ypitch, x, xpitch, vox, c, add), items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t v = i / c, k = i - v * c;
		int64_t to = v * ypitch + k;
		float t = get(x, v * xpitch + k);

		put(y, to, add ? get(y, to) + t : t);
	}
}

/* Four elements with the four words of one block */
KERNEL(drop, (struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add),
	(g, x, xpitch, y, ypitch, vox, c, add), items((vox * c + 3) / 4))
{
	ITEM_FOR(b, (vox * c + 3) / 4) {
		uint32_t w[4];

		philox(&g, (uint32_t)b, w);
		for (int j = 0; j < 4 && b * 4 + j < vox * c; j++) {
			int64_t v = (b * 4 + j) / c, k = b * 4 + j - v * c;
			float t = get(x, v * xpitch + k) * drop_factor(&g, w[j]);
			int64_t to = v * ypitch + k;

			put(y, to, add ? get(y, to) + t : t);
		}
	}
}

/* Voxels of a span share their draws, a channel each. */
KERNEL(drop_spans, (struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add),
	(g, x, xpitch, y, ypitch, vox, c, add), items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t v = i / c, k = i - v * c, to = v * ypitch + k;
		float t = get(x, v * xpitch + k) * drop_at(&g, v / g.span * ((c + 3) / 4 * 4) + k);

		put(y, to, add ? get(y, to) + t : t);
	}
}

KERNEL(drop_alpha, (struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add),
	(g, x, xpitch, y, ypitch, vox, c, add), items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t v = i / c, k = i - v * c, to = v * ypitch + k;
		float t = drop_alpha_of(&g, get(x, v * xpitch + k), drop_at(&g, i) > 0);

		put(y, to, add ? get(y, to) + t : t);
	}
}

KERNEL(gate, (const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch, int64_t vox, int64_t c), (x, xpitch, g, y, ypitch, vox, c),
	items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t v = i / c, k = i - v * c;

		put(y, v * ypitch + k, get(x, v * xpitch + k) * get(g, v));
	}
}

KERNEL(gate_back, (const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate, int add, int gate_add,
	int64_t vox,
	int64_t c), (dy, ypitch, x, xpitch, g, dx, dgate, add, gate_add, vox, c), rows(vox))
{
	ROW_FOR(v, vox) {
		float own = get(g, v), sum = 0;

		LINE_FOR(i, 0, c) {
			float d = get(dy, v * ypitch + i), t = d * own;
			int64_t to = v * c + i;

			sum += d * get(x, v * xpitch + i);
			put(dx, to, add ? get(dx, to) + t : t);
		}
		sum = warp_sum(sum);
		if (FIRST_OF_WARP)
			put(dgate, v, gate_add ? get(dgate, v) + sum : sum);
	}
}

KERNEL(merge, (struct k_merge g, const void *x, void *y), (g, x, y), items(g.n * g.c * g.size[0] * g.size[1] * g.size[2]))
{
	int64_t half[3] = {g.size[0] / 2, g.size[1] / 2, g.size[2] / 2};

	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2]) {
		int64_t k = i % g.c, part = i / g.c % 8, v = i / g.c / 8, w = v % half[2], h = v / half[2] % half[1], nd = v / half[2] / half[1];
		int bits = g.order[part];

		/* n and d together: every n has a whole number of blocks along d */
		put(y, i, get(x, (((2 * nd + (bits >> 2 & 1)) * g.size[1] + 2 * h + (bits >> 1 & 1)) * g.size[2] + 2 * w + (bits & 1)) * g.c + k));
	}
}

/* A voxel's gradient: of all parts that took it. */
KERNEL(merge_back, (struct k_merge g, const void *dy, void *dx, int add), (g, dy, dx, add), items(g.n * g.c * g.size[0] * g.size[1] * g.size[2]))
{
	int64_t half[3] = {g.size[0] / 2, g.size[1] / 2, g.size[2] / 2};

	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2]) {
		int64_t k = i % g.c, v = i / g.c, w = v % g.size[2], h = v / g.size[2] % g.size[1], nd = v / g.size[2] / g.size[1];
		int64_t block = (nd / 2 * half[1] + h / 2) * half[2] + w / 2;
		int own = (int)(4 * (nd & 1) + 2 * (h & 1) + (w & 1));
		float sum = add ? get(dx, i) : 0;

		for (int part = 0; part < 8; part++)
			if (g.order[part] == own)
				sum += get(dy, (block * 8 + part) * g.c + k);
		put(dx, i, sum);
	}
}

KERNEL(to_floats, (float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c), (y, x, xpitch, vox, c), items(vox * c))
{
	ITEM_FOR(i, vox * c)
		y[i] = get(x, i / c * xpitch + i % c);
}

KERNEL(from_floats, (void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add), (y, ypitch, x, vox, c, add), items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t to = i / c * ypitch + i % c;

		put(y, to, add ? get(y, to) + x[i] : x[i]);
	}
}
