#include "lib/volume/phantom/phantom_parts.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"

void phantom_tube_add(struct tubes *t, const float a[3], const float b[3], float ra, float rb, float hu)
{
	const struct tube own = {{a[0], a[1], a[2]}, {b[0], b[1], b[2]}, ra, rb, hu}; /* before t->v moves, where a and b may lie */

	t->failed |= mem_more(&t->v, (size_t)t->n, sizeof *t->v, "tubes", NULL);
	if (t->failed)
		return;
	t->v[t->n++] = own;
}

/* What a voxel of width h sees of a tube of radius r at distance d from its surface; thin tubes fill it by area, not by width. */
static float tube_cover(float d, float r, float h)
{
	float c = phantom_cover(d, h), wide = fminf(1, 0.5f + r / h), area = 3.14159f * r * r / (h * h);

	return area < wide ? c * area / wide : c;
}

/* The part [t0, t1] of the axis that comes within `far` of height z. 0: none. */
static int near_slice(const struct tube *t, float z, float far, float *t0, float *t1)
{
	float a = t->a[2] - z, d = t->b[2] - t->a[2], u, v;

	*t0 = 0, *t1 = 1;
	if (fabsf(d) < 1e-6f)
		return fabsf(a) <= far;
	u = (-far - a) / d, v = (far - a) / d;
	*t0 = fmaxf(0, fminf(u, v)), *t1 = fminf(1, fmaxf(u, v));
	return *t0 <= *t1;
}

/* Voxels lo..hi (both in) of an axis that runs against the world's, within far of the span. */
static void span(float a, float b, float far, float origin, float s, int64_t n, int64_t *lo, int64_t *hi)
{
	float first = ceilf((origin - fmaxf(a, b) - far) / s), last = floorf((origin - fminf(a, b) + far) / s);

	*lo = first < 0 ? 0 : first > (float)n ? n : (int64_t)first;
	*hi = last < 0 ? -1 : last >= (float)n ? n - 1 : (int64_t)last;
}

void phantom_tube_paint(const struct tube *t, const struct slice *s)
{
	float far = fmaxf(t->ra, t->rb) + 0.5f * (s->s[0] + s->s[1] + s->s[2]) + 1, ax[3], len2 = 0, t0, t1;
	int64_t x0, x1, y0, y1;

	if (!near_slice(t, s->origin[2], far, &t0, &t1))
		return;
	for (int i = 0; i < 3; i++)
		ax[i] = t->b[i] - t->a[i], len2 += ax[i] * ax[i];
	span(t->a[0] + t0 * ax[0], t->a[0] + t1 * ax[0], far, s->origin[0], s->s[0], s->nx, &x0, &x1);
	span(t->a[1] + t0 * ax[1], t->a[1] + t1 * ax[1], far, s->origin[1], s->s[1], s->ny, &y0, &y1);
	for (int64_t y = y0; y <= y1; y++) {
		float *hu = s->hu + y * s->nx;

		for (int64_t x = x0; x <= x1; x++) {
			float v[3] = {s->origin[0] - s->s[0] * (float)x - t->a[0], s->origin[1] - s->s[1] * (float)y - t->a[1], s->origin[2] - t->a[2]};
			float u = len2 > 0 ? (v[0] * ax[0] + v[1] * ax[1] + v[2] * ax[2]) / len2 : 0, d2 = 0, h = 0, d, r, c;

			u = u < 0 ? 0 : u > 1 ? 1 : u;
			r = t->ra + u * (t->rb - t->ra);
			for (int i = 0; i < 3; i++)
				v[i] -= u * ax[i], d2 += v[i] * v[i], h += fabsf(v[i]) * s->s[i];
			if (d2 > far * far)
				continue;
			d = sqrtf(d2);
			h = fmaxf(1, d > 1e-3f ? h / d : s->s[0]);
			c = tube_cover(d - r, r, h);
			hu[x] += c * (t->hu - hu[x]);
		}
	}
}
