/* Changes of resolution, as kernels/backend.h has them: an output voxel is the weighted sum of the input voxels that its taps name on each axis.
   Where they can be read at once a lane makes WIDE channels, else one. Bytes: every input voxel comes from memory once, its other readers find it in
   the cache. Here means, and whatever cannot be read at once; linear interpolation of the rest: scale_linear.c. */
#include "kernels/gpu/scale.h"

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

/* One channel of an output voxel to a lane, for whatever cannot be read several at a time */
KERNEL(scale_voxels, (struct k_scale g, struct grid s, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, from_small, x, xpitch, y, ypitch, add, all), items(all))
{
	const uint32_t c = (uint32_t)g.c, w = (uint32_t)s.out[2], h = (uint32_t)s.out[1], d = (uint32_t)s.out[0];

	ITEM_FOR(i, all) {
		const int64_t vox = over(i, c), at = i - vox * c, line = over(vox, w), plane = over(line, h), n = over(plane, d);
		const int64_t o[3] = {plane - n * d, line - plane * h, vox - line * w};
		struct tap t[3];
		float u = 0;

		for (int a = 0; a < 3; a++)
			t[a] = tap_of(g.kind, from_small, o[a], g.small[a], g.factor[a]);
		for (int64_t p = t[0].first; p < t[0].first + t[0].n; p++) {
			float wd = weight_of(g.kind, from_small, o[0], p, g.small[0], g.factor[0]);

			for (int64_t q = t[1].first; q < t[1].first + t[1].n; q++) {
				float wh = wd * weight_of(g.kind, from_small, o[1], q, g.small[1], g.factor[1]);

				for (int64_t r = t[2].first; r < t[2].first + t[2].n; r++)
					u += wh * weight_of(g.kind, from_small, o[2], r, g.small[2], g.factor[2]) *
						get(x, (((n * s.in[0] + p) * s.in[1] + q) * s.in[2] + r) * xpitch + at);
			}
		}
		put(y, vox * ypitch + at, add ? get(y, vox * ypitch + at) + u : u);
	}
}

/* -- WIDE channels to a lane ---------------------------------------------------------- */
/* An output voxel of a mean. Bytes: every input voxel is read once. */
SCALE_KERNEL(scale_mean, 2, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, x, xpitch, y, ypitch, add, all), items(all))
{
	ITEM_FOR(i, all) {
		const struct place o = place_of(i, g.c, s.out);
		float u[WIDE] = {0}, v[WIDE];

		UNROLLED for (int p = 0; p < g.factor[0]; p++)
			UNROLLED for (int q = 0; q < g.factor[1]; q++)
				UNROLLED for (int r = 0; r < g.factor[2]; r++) {
					get_wide(x, scale_at(s.in, o.n, o.at[0] * g.factor[0] + p, o.at[1] * g.factor[1] + q, o.at[2] * g.factor[2] + r) * xpitch + o.c, v);
					EACH(j)
						u[j] += v[j];
				}
		EACH(j)
			u[j] *= s.each[0] * s.each[1] * s.each[2];
		scale_put(y, scale_at(s.out, o.n, o.at[0], o.at[1], o.at[2]) * ypitch + o.c, add, u);
	}
}

/* Back: an input voxel, small, to all it was the mean of */
SCALE_KERNEL(scale_spread, 2, (struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t all),
	(g, s, x, xpitch, y, ypitch, add, all), items(all))
{
	ITEM_FOR(i, all) {
		const struct place o = place_of(i, g.c, s.in);
		float u[WIDE], v[WIDE];

		get_wide(x, scale_at(s.in, o.n, o.at[0], o.at[1], o.at[2]) * xpitch + o.c, u);
		UNROLLED for (int p = 0; p < g.factor[0]; p++)
			UNROLLED for (int q = 0; q < g.factor[1]; q++)
				UNROLLED for (int r = 0; r < g.factor[2]; r++) {
					EACH(j)
						v[j] = u[j] * (s.each[0] * s.each[1] * s.each[2]);
					scale_put(y, scale_at(s.out, o.n, o.at[0] * g.factor[0] + p, o.at[1] * g.factor[1] + q, o.at[2] * g.factor[2] + r) * ypitch + o.c,
						add, v);
				}
	}
}

int G(scale)(struct k_scale g, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t n)
{
	const int whole = wide_rows(x, g.c) && wide_rows(y, g.c) && xpitch % WIDE == 0 && ypitch % WIDE == 0 && /* and 32 bits are enough in a line */
		g.small[2] * g.factor[2] * xpitch < INT32_MAX;
	int64_t small = g.n * g.c / WIDE;
	struct grid s;

	for (int a = 0; a < 3; a++) {
		s.in[a] = (int)g.small[a] * (from_small ? 1 : g.factor[a]);
		s.out[a] = (int)g.small[a] * (from_small ? g.factor[a] : 1);
		s.each[a] = 1 / (float)g.factor[a];
		small *= g.small[a];
	}
	if (!whole)
		return G(scale_voxels)(g, s, from_small, x, xpitch, y, ypitch, add, n);
	if (g.kind == K_SCALE_MEAN)
		return from_small ? scale_spread(g, s, x, xpitch, y, ypitch, add, small) : scale_mean(g, s, x, xpitch, y, ypitch, add, small);
	return G(scale_linear)(g, s, from_small, x, xpitch, y, ypitch, add);
}
