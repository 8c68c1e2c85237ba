/* Changes of resolution, as kernels/backend.h has them: an output voxel is the weighted sum of the input voxels that its taps name on each axis.
   A lane makes `step` channels of a voxel: WIDE, where they can be read at once, or one. Bytes: every input voxel comes from memory once, its other
   readers find it in the cache. */
#include "kernels/backend.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"

/* The taps of output place `o` on an axis: input places first .. first + n - 1, and the weight of each. */
struct tap { int64_t first; int n; };

/* Linear interpolation's weight of small place s in large place l */
DEVICE float hat(int64_t l, int64_t s, int64_t small, int factor)
{
	float x = ((float)l + 0.5f) / (float)factor - 0.5f, part;
	int64_t lo;

	x = x < 0 ? 0 : x;
	lo = (int64_t)x;
	part = x - (float)lo;
	if (lo + 1 >= small)
		return s == lo ? 1 : 0;
	return s == lo ? 1 - part : s == lo + 1 ? part : 0;
}

/* from_small: the input is the small one. */
DEVICE struct tap tap_of(enum k_scale_kind kind, int from_small, int64_t o, int64_t small, int factor)
{
	struct tap t;
	int64_t last;

	if (kind == K_SCALE_MEAN) {
		t.first = from_small ? o / factor : o * factor;
		t.n = from_small ? 1 : factor;
		return t;
	}
	if (from_small) { /* two neighbours */
		float x = ((float)o + 0.5f) / (float)factor - 0.5f;

		t.first = x < 0 ? 0 : (int64_t)x;
		t.n = t.first + 1 < small ? 2 : 1;
		return t;
	}
	t.first = (o - 1) * factor;
	last = (o + 2) * factor - 1;
	t.first = t.first < 0 ? 0 : t.first;
	last = last < small * factor ? last : small * factor - 1;
	t.n = (int)(last - t.first + 1);
	return t;
}

DEVICE float weight_of(enum k_scale_kind kind, int from_small, int64_t o, int64_t i, int64_t small, int factor)
{
	if (kind == K_SCALE_MEAN)
		return 1 / (float)factor;
	return from_small ? hat(o, i, small, factor) : hat(i, o, small, factor);
}

struct grid { int64_t in[3], out[3]; };

/* u += w x of a voxel's channels from `at` on */
DEVICE void scale_take(const void *x, int64_t at, int whole, float w, float u[WIDE])
{
	float v[WIDE];

	if (!whole) {
		u[0] += w * get(x, at);
		return;
	}
	get_wide(x, at, v);
	EACH(j)
		u[j] += w * v[j];
}

/* Linear interpolation has two taps on an axis at most, whose weights are made once. */
DEVICE void scale_near(const struct k_scale *g, const struct grid *s, const int64_t o[3], int64_t from, const void *x, int64_t xpitch, int64_t c,
	int whole, float u[WIDE])
{
	int64_t at[3][2];
	float w[3][2];

	UNROLLED for (int a = 0; a < 3; a++) {
		const struct tap t = tap_of(K_SCALE_LINEAR, 1, o[a], g->small[a], g->factor[a]);

		UNROLLED for (int k = 0; k < 2; k++) {
			at[a][k] = t.first + (k < t.n ? k : 0);
			w[a][k] = k < t.n ? hat(o[a], at[a][k], g->small[a], g->factor[a]) : 0;
		}
	}
	UNROLLED for (int k = 0; k < 8; k++)
		scale_take(x, (((from + at[0][k / 4]) * s->in[1] + at[1][k / 2 % 2]) * s->in[2] + at[2][k % 2]) * xpitch + c, whole,
			w[0][k / 4] * w[1][k / 2 % 2] * w[2][k % 2], u);
}

DEVICE void scale_far(const struct k_scale *g, const struct grid *s, int from_small, const int64_t o[3], int64_t from, const void *x, int64_t xpitch,
	int64_t c, int whole, float u[WIDE])
{
	struct tap t[3];

	for (int a = 0; a < 3; a++)
		t[a] = tap_of(g->kind, from_small, o[a], g->small[a], g->factor[a]);
	for (int64_t p = t[0].first; p < t[0].first + t[0].n; p++) {
		float wd = weight_of(g->kind, from_small, o[0], p, g->small[0], g->factor[0]);

		for (int64_t q = t[1].first; q < t[1].first + t[1].n; q++) {
			float wh = wd * weight_of(g->kind, from_small, o[1], q, g->small[1], g->factor[1]);

			for (int64_t r = t[2].first; r < t[2].first + t[2].n; r++)
				scale_take(x, (((from + p) * s->in[1] + q) * s->in[2] + r) * xpitch + c, whole,
					wh * weight_of(g->kind, from_small, o[2], r, g->small[2], g->factor[2]), u);
		}
	}
}

KERNEL(scale_voxels, (struct k_scale g, struct grid s, int from_small, int whole, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add,
	int64_t all), (g, s, from_small, whole, x, xpitch, y, ypitch, add, all), items(all))
{
	const uint32_t step = whole ? WIDE : 1, parts = (uint32_t)g.c / step, w = (uint32_t)s.out[2], h = (uint32_t)s.out[1], d = (uint32_t)s.out[0];

	ITEM_FOR(i, all) {
		const int64_t vox = over(i, parts), c = (i - vox * parts) * step, line = over(vox, w), plane = over(line, h), n = over(plane, d);
		const int64_t o[3] = {plane - n * d, line - plane * h, vox - line * w};
		float u[WIDE] = {0};

		if (from_small && g.kind == K_SCALE_LINEAR)
			scale_near(&g, &s, o, n * s.in[0], x, xpitch, c, whole, u);
		else
			scale_far(&g, &s, from_small, o, n * s.in[0], x, xpitch, c, whole, u);
		if (!whole) {
			put(y, vox * ypitch + c, add ? get(y, vox * ypitch + c) + u[0] : u[0]);
			continue;
		}
		if (add)
			scale_take(y, vox * ypitch + c, 1, 1, u);
		put_wide(y, vox * ypitch + c, u);
	}
}

int G(scale)(struct k_scale g, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t n)
{
	const int whole = wide_rows(x, g.c) && wide_rows(y, g.c) && xpitch % WIDE == 0 && ypitch % WIDE == 0;
	struct grid s;

	for (int a = 0; a < 3; a++) {
		s.in[a] = from_small ? g.small[a] : g.small[a] * g.factor[a];
		s.out[a] = from_small ? g.small[a] * g.factor[a] : g.small[a];
	}
	return G(scale_voxels)(g, s, from_small, whole, x, xpitch, y, ypitch, add, whole ? n / WIDE : n);
}
