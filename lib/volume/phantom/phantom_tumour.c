#include "lib/volume/phantom/phantom_parts.h"

#include <math.h>

enum { SITES = 300, SAMPLES = 30, FITS = 4 };
enum site { INSIDE, PLEURA, MIDDLE };

/* -- shape ---------------------------------------------------------------- */

/* lobes: noise on the sphere of directions; grain: noise in space */
float phantom_outline(const struct noise *n, const struct tumour *m, const float q[3])
{
	float v[3] = {q[0] - m->c[0], q[1] - m->c[1], q[2] - m->c[2]}, u[3], len = 1e-3f, lobes, grain, f = 1 / m->r;

	for (int i = 0; i < 3; i++) {
		u[i] = (m->axes[3 * i] * v[0] + m->axes[3 * i + 1] * v[1] + m->axes[3 * i + 2] * v[2]) / m->ratio[i];
		len += u[i] * u[i];
	}
	len = sqrtf(len);
	if (len > 2.2f * m->r)
		return len - 1.5f * m->r;
	lobes = noise_at(n, 1.5f * u[0] / len + m->off[0], 1.5f * u[1] / len + m->off[1], 1.5f * u[2] / len + m->off[2]);
	grain = noise_at(n, 3.2f * f * u[0] + m->off[1], 3.2f * f * u[1] + m->off[2], 3.2f * f * u[2] + m->off[0]);
	return len - m->r * (1 + m->rough * lobes + m->fine * grain);
}

static float distance(const struct patient *p, const struct tumour *m, const float q[3])
{
	float d = phantom_outline(&p->field, m, q);
	struct around a;

	if (d > 4)
		return d;
	phantom_around(p, q, &a);
	return fmaxf(d, fmaxf(a.lung - m->reach, a.cavity - 2.5f));
}

static double volume_of(const struct patient *p, const struct tumour *m)
{
	float step = 3.6f * m->r / SAMPLES, q[3];
	int64_t hits = 0;

	for (int k = 0; k < SAMPLES; k++)
		for (int j = 0; j < SAMPLES; j++)
			for (int i = 0; i < SAMPLES; i++) {
				q[0] = m->c[0] + step * ((float)i - 0.5f * (SAMPLES - 1));
				q[1] = m->c[1] + step * ((float)j - 0.5f * (SAMPLES - 1));
				q[2] = m->c[2] + step * ((float)k - 0.5f * (SAMPLES - 1));
				hits += distance(p, m, q) <= 0;
			}
	return (double)hits * pow(step, 3);
}

static void turn(struct rng *r, float m[9])
{
	double q[4], n = 0;

	for (int i = 0; i < 4; i++)
		q[i] = rng_normal(r), n += q[i] * q[i];
	n = sqrt(n);
	for (int i = 0; i < 4; i++)
		q[i] /= n;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			int k = (i + 1) % 3, l = (i + 2) % 3;
			double v[3] = {q[1], q[2], q[3]};

			m[3 * i + j] = (float)(i == j ? 1 - 2 * (v[k] * v[k] + v[l] * v[l]) : 2 * (v[i] * v[j] + (j == k ? -1 : 1) * q[0] * v[3 - i - j]));
		}
}

/* -- place ---------------------------------------------------------------- */

/* How badly a place suits: the tumour's centre should be `deep` mm inside, and the wanted surface the nearest. */
static float misfit(const struct around *d, enum site site, float r)
{
	float deep = -d->lung, near = site == PLEURA ? -d->cavity : d->solid;

	if (site == INSIDE)
		return fmaxf(0, r + 3 - deep);
	return fabsf(deep - 0.55f * r) + 2 * fmaxf(0, near - deep - 2);
}

static void place(const struct patient *p, struct rng *r, enum site site, struct tumour *m)
{
	float best = INFINITY;

	for (int i = 0; i < SITES && best > 0; i++) {
		float q[3] = {(float)rng_range(r, -p->a, p->a), (float)rng_range(r, -p->b, p->b), (float)rng_range(r, p->dome[LEFT] - 25, p->top)}, bad;
		struct around d;

		phantom_around(p, q, &d);
		if (d.lung > -2 || (bad = misfit(&d, site, m->r)) >= best)
			continue;
		best = bad;
		for (int k = 0; k < 3; k++)
			m->c[k] = q[k];
	}
}

/* -- drawing one ------------------------------------------------------------ */

static void spicules(struct rng *r, const struct tumour *m, struct tubes *t)
{
	int n = rng_uniform(r) < 0.6 ? 8 + (int)rng_below(r, 20) : 0;

	for (int i = 0; i < n; i++) {
		float d[3], a[3], b[3], len = 0, reach = m->r * (float)rng_range(r, 1.3, 2.1);

		for (int k = 0; k < 3; k++)
			d[k] = (float)rng_normal(r), len += d[k] * d[k];
		len = sqrtf(len) + 1e-3f;
		for (int k = 0; k < 3; k++)
			a[k] = m->c[k] + 0.6f * m->r * d[k] / len, b[k] = m->c[k] + reach * d[k] / len;
		phantom_tube_add(t, a, b, 1.1f, 0.3f, m->hu - 40);
	}
}

void phantom_tumour_shape(double volume, float hu, struct rng *r, struct tumour *m)
{
	m->r = (float)cbrt(1000 * volume * 3 / (4 * 3.14159265));
	m->rough = (float)rng_range(r, 0.3, 0.75);
	m->fine = (float)rng_range(r, 0.1, 0.3);
	m->hu = hu - (float)rng_range(r, 5, 25);
	m->mottle = (float)rng_range(r, 15, 45);
	m->core = rng_uniform(r) < 0.3 ? (float)rng_range(r, 0.3, 0.6) : 0; /* dead tissue inside */
	turn(r, m->axes);
	for (int i = 0; i < 3; i++) {
		m->ratio[i] = (float)exp(rng_range(r, -0.25, 0.25));
		m->off[i] = (float)rng_range(r, 0, NOISE_SIDE);
	}
}

void phantom_tumour(const struct patient *p, double volume, struct rng *r, struct tumour *m, struct tubes *t)
{
	double where = rng_uniform(r), mm3 = 1000 * volume;
	enum site site = where < 0.55 ? INSIDE : where < 0.8 ? PLEURA : MIDDLE;

	phantom_tumour_shape(volume, p->blood > 60 ? p->soft + 15 : p->soft, r, m);
	m->reach = site == INSIDE ? 0 : site == PLEURA ? 2.5f : 6;
	place(p, r, site, m);
	for (int i = 0; i < FITS; i++)
		m->r *= (float)cbrt(fmin(3, mm3 / fmax(1, volume_of(p, m))));
	spicules(r, m, t);
}

/* -- painting --------------------------------------------------------------- */

float phantom_tumour_hu(const struct noise *n, const struct tumour *m, const float q[3], float d)
{
	float hu = m->hu + m->mottle * noise_at(n, 0.22f * q[0] + m->off[2], 0.22f * q[1], 0.22f * q[2]);

	return m->core > 0 ? hu - 25 * phantom_cover(d + m->r * (1 - m->core), 0.3f * m->r) : hu;
}

void phantom_tumour_paint(const struct patient *p, const struct tumour *m, const struct slice *s)
{
	float far = 2.2f * m->r + s->s[2], h = fmaxf(1, (s->s[0] + s->s[1] + s->s[2]) / 3), c[3];

	phantom_to_world(p, m->c, c);
	if (fabsf(c[2] - s->origin[2]) > far)
		return;
	for (int64_t y = 0; y < s->ny; y++) {
		float w[3] = {0, s->origin[1] - s->s[1] * (float)y, s->origin[2]};

		if (fabsf(w[1] - c[1]) > far)
			continue;
		for (int64_t x = 0; x < s->nx; x++) {
			float q[3], d, *hu = s->hu + y * s->nx + x;

			w[0] = s->origin[0] - s->s[0] * (float)x;
			if (fabsf(w[0] - c[0]) > far)
				continue;
			phantom_from_world(p, w, q);
			d = distance(p, m, q);
			if (d < h)
				*hu += phantom_cover(d, h) * (phantom_tumour_hu(&p->field, m, q, d) - *hu);
			if (d <= 0 && s->label)
				s->label[y * s->nx + x] = 1;
		}
	}
}
