/* Ribs, sternum, collar bones, shoulder blades, the vertebrae's processes: tubes painted as cortex, then as marrow. */
#include "lib/volume/phantom/phantom_parts.h"

#include <math.h>

enum { RIBS = 11, PIECES = 28 };
static const float CORTEX = 550, MARROW = 220, CARTILAGE = 110, SHELL = 1.8f;

static void bone(struct tubes *t, const float a[3], const float b[3], float r)
{
	phantom_tube_add(t, a, b, r, r, CORTEX);
}

/* Where rib k is at angle th (0 behind, pi in front), just outside of the lung's cavity. */
static void rib_point(const struct patient *p, int side, int k, float th, float drop, float q[3])
{
	float z = p->top - 4 - 24.0f * (float)k, w, fall = th < 2.2f ? th / 2.2f : 1 - 0.45f * (th - 2.2f);
	int i;

	q[2] = z - drop * fall;
	i = (int)(q[2] - 0.35f * (z - q[2]) - PROFILE_LOW);
	i = i < 0 ? 0 : i >= PROFILE ? PROFILE - 1 : i;
	w = fmaxf(0.3f, p->profile[i]);
	q[0] = (side == RIGHT ? 1.0f : -1.0f) * (p->a * w + 6) * sinf(th);
	q[1] = -(p->b * (0.35f + 0.65f * w) + 5) * cosf(th) - 0.12f * p->b * (1 - w);
}

static void rib(const struct patient *p, int side, int k, float drop, float r, struct tubes *t)
{
	float from = 0.16f, to = k < 9 ? 2.9f : 2.9f - 0.55f * (float)(k - 8), a[3], b[3];
	int64_t first = t->n, last;

	rib_point(p, side, k, from, drop, a);
	for (int i = 1; i <= PIECES; i++) {
		float th = from + (to - from) * (float)i / PIECES;

		rib_point(p, side, k, th, drop, b);
		if (th < 2.35f)
			bone(t, a, b, r);
		else
			phantom_tube_add(t, a, b, r - 0.5f, r - 0.5f, CARTILAGE);
		a[0] = b[0], a[1] = b[1], a[2] = b[2];
	}
	last = t->n;
	for (int64_t i = first; i < last; i++)
		if (t->v[i].hu == CORTEX)
			phantom_tube_add(t, t->v[i].a, t->v[i].b, r - SHELL, r - SHELL, MARROW);
}

static void marrowed(struct tubes *t, const float a[3], const float b[3], float r)
{
	bone(t, a, b, r);
	phantom_tube_add(t, a, b, r - SHELL, r - SHELL, MARROW);
}

static void girdle(const struct patient *p, int side, float lift, struct tubes *t)
{
	float s = side == RIGHT ? 1 : -1, a = p->a * s, b = p->b, z = p->top + lift;
	const float in[3] = {14 * s, 0.45f * b, p->top - 4}, out[3] = {0.85f * a, 0, z + 16};
	const float tip[3] = {0.66f * a, -0.86f * b, z - 112}, mid[3] = {0.8f * a, -0.7f * b, z - 55};
	const float head[3] = {0.96f * a, -0.3f * b, z - 5}, edge[3] = {0.48f * a, -0.84f * b, z - 25};

	marrowed(t, in, out, 6);
	marrowed(t, tip, mid, 3.2f);
	marrowed(t, mid, head, 4.5f);
	marrowed(t, tip, edge, 3.2f);
	marrowed(t, edge, head, 4);
}

void phantom_bones(const struct patient *p, struct rng *r, struct tubes *t)
{
	float drop = (float)rng_range(r, 55, 80), thick = (float)rng_range(r, 4.6, 5.8), lift = (float)rng_range(r, -10, 10);

	for (int k = 0; k < RIBS; k++)
		for (int side = 0; side < 2; side++)
			rib(p, side, k, k < 2 ? drop * 0.6f : drop, thick, t);
	for (int side = 0; side < 2; side++)
		girdle(p, side, lift, t);
	for (int i = -6; i < 6; i++) { /* processes of the vertebrae, one every 24 mm */
		float z = (float)i * 24 + 12, y = -SPINE_Y * p->b - 30;
		const float root[3] = {0, y - 4, z}, spinous[3] = {0, y - 20, z - 14}, l[3] = {-30, y - 2, z + 2}, m[3] = {0, y, z}, rt[3] = {30, y - 2, z + 2};

		marrowed(t, root, spinous, 4.2f);
		marrowed(t, l, m, 4.5f);
		marrowed(t, m, rt, 4.5f);
	}
	for (int i = 0; i < 12; i++) { /* sternum: a row of short bars */
		float z = p->top - 25 - 11 * (float)i, y = p->b * (0.88f + 0.012f * (float)i) + 5, w = i < 3 ? 20 : 12;
		const float a[3] = {-w, y, z}, b[3] = {w, y, z};

		marrowed(t, a, b, 6.2f);
	}
}
