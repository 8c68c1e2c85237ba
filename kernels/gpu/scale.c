/* Changes of resolution, as kernels/backend.h has them: an output voxel is the weighted sum of the input voxels that its taps name on each axis. */
#include "kernels/backend.h"
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

KERNEL(scale, (struct k_scale g, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t n),
	(g, from_small, x, xpitch, y, ypitch, add, n), items(n))
{
	int64_t in[3], out[3];

	for (int a = 0; a < 3; a++) {
		in[a] = from_small ? g.small[a] : g.small[a] * g.factor[a];
		out[a] = from_small ? g.small[a] * g.factor[a] : g.small[a];
	}
	ITEM_FOR(i, n) {
		int64_t c = i % g.c, v = i / g.c, o[3] = {v / out[2] / out[1] % out[0], v / out[2] % out[1], v % out[2]}, s = v / out[2] / out[1] / out[0];
		struct tap t[3];
		int64_t to = v * ypitch + c;
		float sum = 0;

		for (int a = 0; a < 3; a++)
			t[a] = tap_of(g.kind, from_small, o[a], g.small[a], g.factor[a]);
		for (int64_t d = t[0].first; d < t[0].first + t[0].n; d++) {
			float wd = weight_of(g.kind, from_small, o[0], d, g.small[0], g.factor[0]);

			for (int64_t h = t[1].first; h < t[1].first + t[1].n; h++) {
				float wh = wd * weight_of(g.kind, from_small, o[1], h, g.small[1], g.factor[1]);

				for (int64_t w = t[2].first; w < t[2].first + t[2].n; w++)
					sum += wh * weight_of(g.kind, from_small, o[2], w, g.small[2], g.factor[2]) *
					       get(x, (((s * in[0] + d) * in[1] + h) * in[2] + w) * xpitch + c);
			}
		}
		put(y, to, add ? get(y, to) + sum : sum);
	}
}
