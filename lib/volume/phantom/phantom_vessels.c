/* Trees: a set of places in the lung is halved again and again; each half is reached by a branch towards its middle. */
#include "lib/volume/phantom/phantom_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VESSEL_ENDS = 260, AIRWAY_ENDS = 70, TRIES = 40 };
static const float TWIG = 0.55f, MURRAY = 0.37f; /* radius of an end, mm; radius ~ ends^MURRAY */
static const float LUMEN = -1000;

struct tree {
	struct tubes *t;
	struct rng *r;
	float hu, twig;
};

static int by_x(const void *a, const void *b) { float d = ((const float *)a)[0] - ((const float *)b)[0]; return (d > 0) - (d < 0); }
static int by_y(const void *a, const void *b) { float d = ((const float *)a)[1] - ((const float *)b)[1]; return (d > 0) - (d < 0); }
static int by_z(const void *a, const void *b) { float d = ((const float *)a)[2] - ((const float *)b)[2]; return (d > 0) - (d < 0); }

static void middle(float (*q)[3], int n, float c[3], float var[3])
{
	for (int k = 0; k < 3; k++) {
		double sum = 0, sq = 0;

		for (int i = 0; i < n; i++)
			sum += q[i][k], sq += (double)q[i][k] * q[i][k];
		c[k] = (float)(sum / n);
		var[k] = (float)(sq / n - sum / n * (sum / n));
	}
}

/* Two pieces with a bend: it leaves in the direction it came from. */
static void branch(struct tree *w, const float from[3], const float dir[3], const float to[3], float ra, float rb)
{
	float len = 0, m[3];

	for (int k = 0; k < 3; k++)
		len += (to[k] - from[k]) * (to[k] - from[k]);
	len = sqrtf(len);
	for (int k = 0; k < 3; k++)
		m[k] = from[k] + 0.3f * (to[k] - from[k]) + 0.22f * len * dir[k] + (float)rng_range(w->r, -0.06, 0.06) * len;
	phantom_tube_add(w->t, from, m, ra, (ra + rb) / 2, w->hu);
	phantom_tube_add(w->t, m, to, (ra + rb) / 2, rb, w->hu);
}

static void grow(struct tree *w, const float from[3], const float dir[3], float (*q)[3], int n, float radius)
{
	static int (*const order[3])(const void *, const void *) = {by_x, by_y, by_z};
	float c[3], var[3], to[3], d[3], len = 0, share = n == 1 ? 1 : (float)rng_range(w->r, 0.35, 0.6), thin = w->twig * powf((float)n, MURRAY);
	int axis, cut;

	middle(q, n, c, var);
	for (int k = 0; k < 3; k++)
		to[k] = from[k] + share * (c[k] - from[k]), d[k] = to[k] - from[k], len += d[k] * d[k];
	len = sqrtf(len) + 1e-3f;
	for (int k = 0; k < 3; k++)
		d[k] /= len;
	branch(w, from, dir, to, fminf(radius, 1.1f * thin), n == 1 ? 0.6f * thin : thin);
	if (n == 1)
		return;
	axis = var[0] > var[1] ? (var[0] > var[2] ? 0 : 2) : var[1] > var[2] ? 1 : 2;
	qsort(q, (size_t)n, sizeof *q, order[axis]);
	cut = (int)rng_range(w->r, 0.3 * n, 0.7 * n);
	cut = cut < 1 ? 1 : cut > n - 1 ? n - 1 : cut;
	grow(w, to, d, q, cut, thin);
	grow(w, to, d, q + cut, n - cut, thin);
}

/* n places well inside of the lung of one side */
static void scatter(const struct patient *p, struct rng *r, int side, float (*q)[3], int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < TRIES; k++) {
			struct around d;

			q[i][0] = (float)rng_range(r, 0.08, 1) * p->a * (side == RIGHT ? 1.0f : -1.0f);
			q[i][1] = (float)rng_range(r, -1, 1) * p->b;
			q[i][2] = (float)rng_range(r, p->dome[side] - 0.8f * p->dome_h, p->top);
			phantom_around(p, q[i], &d);
			if (d.lung < -3)
				break;
		}
}

static void hilum(const struct patient *p, int side, float q[3], float dir[3])
{
	float s = side == RIGHT ? 1 : -1;

	q[0] = s * (p->mid + 8) - 4, q[1] = -0.1f * p->b, q[2] = side == RIGHT ? 0.0f : 6.0f;
	dir[0] = s, dir[1] = 0, dir[2] = -0.2f;
}

/* arteries or veins of a lung, and the trunk that leads to them */
static void vessel_tree(const struct patient *p, struct rng *r, int side, int vein, struct tubes *t)
{
	struct tree w = {t, r, p->blood, TWIG * (float)rng_range(r, 0.9, 1.2)};
	float q[VESSEL_ENDS][3], from[3], dir[3], trunk[3];

	scatter(p, r, side, q, VESSEL_ENDS);
	hilum(p, side, from, dir);
	from[2] += vein ? -14.0f : 6.0f, from[1] += vein ? 6.0f : 0.0f;
	trunk[0] = -6, trunk[1] = vein ? -14.0f : 2.0f, trunk[2] = from[2] + (vein ? -6.0f : 4.0f);
	phantom_tube_add(t, trunk, from, vein ? 6.5f : 10, 5.5f, p->blood);
	grow(&w, from, dir, q, VESSEL_ENDS, 6);
}

/* the walls first, then all lumens, so that branches are open to each other */
static void open_airways(struct tubes *t, int64_t first)
{
	int64_t last = t->n;

	for (int64_t i = first; i < last; i++) {
		struct tube *v = &t->v[i];
		struct tube in = *v;

		v->ra += 0.5f + 0.17f * v->ra, v->rb += 0.5f + 0.17f * v->rb;
		phantom_tube_add(t, in.a, in.b, in.ra, in.rb, LUMEN);
	}
}

static void airways(const struct patient *p, struct rng *r, struct tubes *t)
{
	struct tree w = {t, r, p->soft, 0.62f};
	float q[AIRWAY_ENDS][3], from[3], dir[3], z = (float)rng_range(r, 22, 34), bore = (float)rng_range(r, 7.5, 9.5);
	const float top[3] = {0, 0.12f * p->b, 170}, carina[3] = {2, -0.22f * p->b, z};
	int64_t first = t->n;

	phantom_tube_add(t, top, carina, bore, bore, p->soft);
	for (int side = 0; side < 2; side++) {
		scatter(p, r, side, q, AIRWAY_ENDS);
		hilum(p, side, from, dir);
		from[1] -= 6;
		phantom_tube_add(t, carina, from, 0.75f * bore, 0.6f * bore, p->soft);
		grow(&w, from, dir, q, AIRWAY_ENDS, 4.5f);
	}
	open_airways(t, first);
}

/* aorta with its arch, superior vena cava, trunk of the pulmonary artery, gullet */
static void great_vessels(const struct patient *p, struct rng *r, struct tubes *t)
{
	float w = (float)rng_range(r, 11, 14.5), b = p->b, arch = (float)rng_range(r, 42, 54);
	const float path[][3] = {{2, 4, -10}, {10, 0.1f * b, arch - 22}, {6, 0.08f * b, arch - 6}, {-8, -0.1f * b, arch}, {-20, -0.32f * b, arch - 4},
	                         {-24, -0.5f * b, arch - 22}, {-23, -0.52f * b, -20}, {-14, -0.52f * b, -190}};
	const float cava[2][3] = {{24, 0.05f * b, -10}, {18, 0.1f * b, 130}}, gullet[2][3] = {{-6, -0.42f * b, -160}, {-4, -0.36f * b, 170}};
	const float trunk[2][3] = {{-14, 14, -8}, {-10, -4, 14}};

	for (size_t i = 0; i + 1 < sizeof path / sizeof *path; i++)
		phantom_tube_add(t, path[i], path[i + 1], w, i > 3 ? w - 1.5f : w, p->blood);
	for (int s = -1; s < 2; s++) { /* branches of the arch */
		const float a[3] = {4 - 8 * (float)(s + 1), 0, arch + 4}, c[3] = {18.0f * (float)s, 0.1f * b, 170};

		phantom_tube_add(t, a, c, 5, 4, p->blood);
	}
	phantom_tube_add(t, cava[0], cava[1], 9, 7.5f, p->blood + 10);
	phantom_tube_add(t, trunk[0], trunk[1], 13, 11, p->blood);
	phantom_tube_add(t, gullet[0], gullet[1], 7, 6, p->soft - 10);
	phantom_tube_add(t, gullet[0], gullet[1], 1.5f, 1.5f, -300);
}

void phantom_vessels(const struct patient *p, struct rng *r, struct tubes *t)
{
	great_vessels(p, r, t);
	for (int side = 0; side < 2; side++)
		for (int vein = 0; vein < 2; vein++)
			vessel_tree(p, r, side, vein, t);
	airways(p, r, t);
}
