#include "lib/volume/phantom/phantom_parts.h"

#include <math.h>

static const float AIR = -1000, FAT = -100, WATER = 5;
static const float BACK = 10; /* mm: muscle behind the spine */

/* -- drawing a patient -------------------------------------------------- */

static float range(struct rng *r, double lo, double hi)
{
	return (float)rng_range(r, lo, hi);
}

/* small rotations about the three axes */
static void pose(struct patient *p, struct rng *r)
{
	double a = rng_range(r, -0.04, 0.04), b = rng_range(r, -0.03, 0.03), c = rng_range(r, -0.09, 0.09);
	double m[9] = {cos(c) * cos(b), -sin(c) * cos(a) + cos(c) * sin(b) * sin(a), sin(c) * sin(a) + cos(c) * sin(b) * cos(a),
	               sin(c) * cos(b), cos(c) * cos(a) + sin(c) * sin(b) * sin(a),  -cos(c) * sin(a) + sin(c) * sin(b) * cos(a),
	               -sin(b),         cos(b) * sin(a),                              cos(b) * cos(a)};

	for (int i = 0; i < 9; i++)
		p->rot[i] = m[i];
	p->shift[0] = range(r, -8, 8);
	p->shift[1] = range(r, -10, 10);
	p->shift[2] = range(r, -8, 8);
}

/* Bullet shape: full width below the equator, closing to the apex. */
static void profile(struct patient *p, float power)
{
	for (int i = 0; i < PROFILE; i++) {
		float z = (float)(i + PROFILE_LOW), u = (z - p->equator) / (p->top - p->equator);

		p->profile[i] = u <= 0 ? 1 + 0.03f * (1 - expf(u)) : u >= 0.999f ? 0.045f : fmaxf(0.045f, powf(1 - powf(u, power), 0.55f));
	}
}

static void draw_heart(struct patient *p, struct rng *r, float scale)
{
	float tilt = range(r, 0.5, 0.9);

	p->heart[0] = -range(r, 14, 26) * scale;
	p->heart[1] = range(r, 8, 18) * scale;
	p->heart[2] = (p->dome[0] + p->dome[1]) / 2 + range(r, 18, 32);
	p->heart_r[0] = range(r, 52, 66) * scale;
	p->heart_r[1] = range(r, 38, 48) * scale;
	p->heart_r[2] = range(r, 42, 54) * scale;
	p->heart_c = cosf(tilt), p->heart_s = sinf(tilt);
}

void phantom_patient(struct patient *p, struct rng *r)
{
	float scale = range(r, 0.9, 1.06);
	int contrast = rng_uniform(r) < 0.6;

	noise_init(&p->field, r);
	pose(p, r);
	p->a = range(r, 118, 134) * scale;
	p->b = range(r, 82, 96) * scale;
	p->top = range(r, 104, 118);
	p->equator = range(r, -45, -15);
	profile(p, range(r, 2.0, 2.9));
	p->wall[0] = range(r, 16, 32);
	p->wall[1] = range(r, 15, 26);
	p->fat = range(r, 5, 15);
	p->dome[RIGHT] = range(r, -72, -48);
	p->dome[LEFT] = p->dome[RIGHT] - range(r, 0, 14);
	p->dome_h = range(r, 45, 60);
	draw_heart(p, r, scale);
	p->mid = range(r, 19, 27) * scale;
	p->blood = contrast ? range(r, 90, 190) : range(r, 35, 50);
	p->soft = range(r, 40, 60);
	p->liver = (contrast ? 100.0f : 58.0f) + range(r, -10, 10);
	p->lung = range(r, -910, -820);
	p->dependent = range(r, 30, 120);
	p->wobble = range(r, 3, 7);
	p->noise_sd = range(r, 9, 24);
	p->noise_seed = rng_u64(r);
	p->table = -(p->b + p->wall[1] + BACK) - range(r, 0, 14) + p->shift[1];
	p->curve = range(r, 0.0002, 0.0012);
}

void phantom_to_world(const struct patient *p, const float q[3], float w[3])
{
	const double *m = p->rot;

	for (int i = 0; i < 3; i++)
		w[i] = (float)(m[3 * i] * q[0] + m[3 * i + 1] * q[1] + m[3 * i + 2] * q[2] + p->shift[i]);
}

void phantom_from_world(const struct patient *p, const float w[3], float q[3])
{
	const double *m = p->rot;
	double v[3] = {w[0] - p->shift[0], w[1] - p->shift[1], w[2] - p->shift[2]};

	for (int i = 0; i < 3; i++)
		q[i] = (float)(m[i] * v[0] + m[3 + i] * v[1] + m[6 + i] * v[2]);
}

/* -- distances ------------------------------------------------------------ */

/* Approximate distance to an ellipse: k0 (k0 - 1) / k1 with k0 = |p/r|, k1 = |p/r^2| (Quilez). */
static float ellipse(float x, float y, float rx, float ry)
{
	float u = x / rx, v = y / ry, k0 = sqrtf(u * u + v * v), k1 = sqrtf(u * u / (rx * rx) + v * v / (ry * ry));

	return k1 > 0 ? k0 * (k0 - 1) / k1 : -fminf(rx, ry);
}

static float ellipsoid(float x, float y, float z, float rx, float ry, float rz)
{
	float u = x / rx, v = y / ry, w = z / rz, k0 = sqrtf(u * u + v * v + w * w);
	float k1 = sqrtf(u * u / (rx * rx) + v * v / (ry * ry) + w * w / (rz * rz));

	return k1 > 0 ? k0 * (k0 - 1) / k1 : -fminf(rx, fminf(ry, rz));
}

static float smin(float a, float b, float k)
{
	float h = fmaxf(k - fabsf(a - b), 0) / k;

	return fminf(a, b) - h * h * k * 0.25f;
}

static float smax(float a, float b, float k)
{
	return -smin(-a, -b, k);
}

static float at_profile(const struct patient *p, float z)
{
	float t = z - PROFILE_LOW;
	int i = t < 0 ? 0 : t >= PROFILE - 1 ? PROFILE - 2 : (int)t;
	float f = t < 0 ? 0 : t >= PROFILE - 1 ? 1 : t - (float)i;

	return p->profile[i] + f * (p->profile[i + 1] - p->profile[i]);
}

static float cavity(const struct patient *p, const float q[3])
{
	float w = at_profile(p, q[2]), lift = 0.12f * p->b * (1 - w); /* the apex leans back */

	float dent = p->wobble * noise_at(&p->field, q[0] * 0.016f, q[1] * 0.016f, q[2] * 0.012f);

	return ellipse(q[0], q[1] + lift, p->a * w, p->b * (0.35f + 0.65f * w)) + dent;
}

/* the dome's height over a place, and the distance below it */
static float below_dome(const struct patient *p, const float q[3], int side)
{
	float u = (q[0] - (side == RIGHT ? 0.46f : -0.46f) * p->a) / (0.6f * p->a), v = (q[1] - 0.1f * p->b) / (0.95f * p->b);
	float slope = 2 * p->dome_h * sqrtf(u * u / (0.36f * p->a * p->a) + v * v / (0.9f * p->b * p->b));
	float z = p->dome[side] - p->dome_h * (u * u + v * v) + 1.5f * p->wobble * noise_at(&p->field, q[0] * 0.02f, q[1] * 0.02f, 7.5f);

	return (z - q[2]) / sqrtf(1 + slope * slope);
}

float phantom_heart(const struct patient *p, const float q[3])
{
	float x = q[0] - p->heart[0], y = q[1] - p->heart[1], u = p->heart_c * x - p->heart_s * y, v = p->heart_s * x + p->heart_c * y;

	return ellipsoid(u, v, q[2] - p->heart[2], p->heart_r[0], p->heart_r[1], p->heart_r[2]);
}

static float spine(const struct patient *p, const float q[3])
{
	return ellipse(q[0], q[1] + SPINE_Y * p->b, 18, 17);
}

static float solid(const struct patient *p, const float q[3])
{
	const float *h = p->heart;
	float wide = p->mid * (1 + 0.25f * noise_at(&p->field, 3.3f, q[1] * 0.02f, q[2] * 0.03f));
	float core = ellipse(q[0] + 4, q[1] + 6, wide, 0.62f * p->b), line = fmaxf(fabsf(q[0] + 2) - 2, -q[1]);
	float aorta = ellipse(q[0] + 24, q[1] + 0.52f * p->b, 15, 15), back = ellipse(q[0], q[1] + p->b, 30, 0.42f * p->b);
	float s = smin(spine(p, q) - 2, core, 12);

	s = smin(smin(s, line, 6), back, 10);
	if (q[2] < 30)
		s = smin(s, aorta, 10);
	if (q[2] < h[2] + p->heart_r[2] + 20)
		s = smin(s, phantom_heart(p, q) - 4, 14);
	return s + 2 * noise_at(&p->field, q[0] * 0.05f, q[1] * 0.05f, q[2] * 0.05f);
}

void phantom_around(const struct patient *p, const float q[3], struct around *d)
{
	d->side = q[0] > -2 ? RIGHT : LEFT;
	d->cavity = cavity(p, q);
	d->solid = solid(p, q);
	d->dome = below_dome(p, q, d->side);
	d->lung = smax(smax(d->cavity, -d->solid, 8), smax(d->dome, q[2] - p->top, 8), 5);
}

/* -- what is there --------------------------------------------------------- */

static float mix(float a, float b, float t)
{
	return a + t * (b - a);
}

static float lung_hu(const struct patient *p, const float q[3])
{
	float coarse = noise_at(&p->field, q[0] * 0.05f, q[1] * 0.05f, q[2] * 0.05f), fine = noise_at(&p->field, q[0] * 0.3f, q[1] * 0.3f, q[2] * 0.3f);
	float hu = p->lung + p->dependent * (-q[1] / (2 * p->b)) + 45 * coarse + 45 * fine;

	/* where acini meet: thin brighter threads */
	return hu + 90 * fmaxf(0, 0.12f - fabsf(noise_at(&p->field, q[0] * 0.13f + 9, q[1] * 0.13f, q[2] * 0.13f))) / 0.12f;
}

static float heart_hu(const struct patient *p, const float q[3])
{
	float wall = fabsf(noise_at(&p->field, q[0] * 0.02f + 5, q[1] * 0.02f, q[2] * 0.02f));

	return mix(p->blood, p->soft + 15, phantom_cover(wall - 0.08f, 0.12f));
}

static float middle_hu(const struct patient *p, const float q[3], float h)
{
	float lump = noise_at(&p->field, q[0] * 0.07f, q[1] * 0.07f + 4, q[2] * 0.05f);
	float hu = mix(FAT + 10, p->soft, phantom_cover(0.05f - lump, 0.25f));

	return mix(hu, heart_hu(p, q), phantom_cover(phantom_heart(p, q), h));
}

static float belly_hu(const struct patient *p, const float q[3], const struct around *d, float h)
{
	float organ = noise_at(&p->field, q[0] * 0.018f + 2, q[1] * 0.018f, q[2] * 0.018f), hu;
	float stomach = ellipsoid(q[0] + 0.4f * p->a, q[1] - 0.3f * p->b, q[2] - p->dome[LEFT] + 38, 45, 36, 32);

	if (d->side == RIGHT)
		return mix(p->liver, p->blood, phantom_cover(0.03f - fabsf(noise_at(&p->field, q[0] * 0.04f, q[1] * 0.04f, q[2] * 0.04f + 6)) + 0.02f, 0.05f));
	hu = mix(FAT, p->liver - 5, phantom_cover(organ + 0.1f, 0.06f));
	hu = mix(hu, p->soft, phantom_cover(stomach - 4, h));
	return mix(hu, q[1] > 0.45f * p->b ? -980 : WATER + 20, phantom_cover(stomach, h));
}

/* vertebra: body and disc in turn every 24 mm, canal behind */
static float spine_hu(const struct patient *p, const float q[3], float hu, float d, float h)
{
	float t = q[2] / 24, in = t - floorf(t), disc = fabsf(in - 0.5f) * 24 - 9.5f, bone;
	float grain = noise_at(&p->field, q[0] * 0.25f, q[1] * 0.25f, q[2] * 0.25f);
	float canal = ellipse(q[0], q[1] + SPINE_Y * p->b + 22, 10, 8);

	bone = mix(mix(180 + 70 * grain, 420, phantom_cover(-3 - d, 2)), 80, phantom_cover(-disc, h));
	hu = mix(hu, 380, phantom_cover(canal - 4, h));
	hu = mix(hu, bone, phantom_cover(d, h));
	return mix(hu, 20, phantom_cover(canal, h));
}

static float wall_hu(const struct patient *p, const float q[3], float depth)
{
	float thick = p->fat * (1 + 0.8f * noise_at(&p->field, q[0] * 0.015f + 1, q[1] * 0.015f, q[2] * 0.015f));
	float streak = noise_at(&p->field, q[0] * 0.06f, q[1] * 0.06f, q[2] * 0.03f + 3);
	float muscle = mix(p->soft + 5, FAT, phantom_cover(0.28f - streak, 0.1f)), hu = mix(muscle, FAT, phantom_cover(depth - thick - 2, 2));

	return mix(hu, 20, phantom_cover(depth - 2, 2));
}

static float body(const struct patient *p, const float q[3])
{
	float low = q[2] - p->top + 60, shoulder = low <= 0 ? 0 : fminf(1, low / 70), w = fmaxf(0.9f, at_profile(p, q[2])) + 0.12f * shoulder * shoulder;
	float breast = noise_at(&p->field, q[0] * 0.012f, 0.5f, q[2] * 0.012f), swell = 6 * noise_at(&p->field, q[0] * 0.01f, q[1] * 0.01f, q[2] * 0.01f);
	float d = ellipse(q[0], q[1] + BACK, p->a * w + p->wall[0], p->b * (1 - 0.3f * shoulder) + p->wall[1] + (1 - shoulder) * BACK) + swell;

	if (q[1] > 0)
		d -= 10 * breast * q[1] / p->b;
	return smax(d, -q[1] - p->b - p->wall[1] - BACK, 10); /* flat on the table */
}

static float table_hu(const struct patient *p, const float w[3], float h)
{
	float depth = p->table + w[0] * w[0] * p->curve - w[1], shell = fabsf(depth - 12) - 12, inside;

	if (fabsf(w[0]) > 215 || depth < -h || depth > 24 + h)
		return AIR;
	inside = mix(-60, -940, phantom_cover(shell + 2.5f, h));
	return mix(AIR, inside, phantom_cover(shell, h));
}

float phantom_hu(const struct patient *p, const float q[3], const float w[3], float hx, float hz)
{
	float out = body(p, q), hu, air = AIR;
	struct around d;

	if (out > -hx)
		air = table_hu(p, w, hx);
	if (out > hx)
		return air;
	phantom_around(p, q, &d);
	hu = d.cavity > -hx - 4 ? wall_hu(p, q, -out) : 0;
	if (d.cavity < hx + 4) {
		float in = AIR;

		if (d.lung > -hz - hx)
			in = mix(middle_hu(p, q, hx), belly_hu(p, q, &d, hx), phantom_cover(-d.dome, hz));
		in = mix(in, lung_hu(p, q), phantom_cover(d.lung, d.dome > -6 ? hz : hx));
		hu = mix(hu, in, phantom_cover(d.cavity - 2, hx));
	}
	if (fabsf(q[0]) < 30 && q[1] < -SPINE_Y * p->b + 24)
		hu = spine_hu(p, q, hu, spine(p, q), hx);
	return mix(air, hu, phantom_cover(out, hx));
}
