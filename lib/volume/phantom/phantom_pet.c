#include <math.h>

#include "lib/volume/augment/augment.h"
#include "lib/volume/phantom/phantom_parts.h"

/* Standardised uptake values of FDG at rest, about the means that are published for these tissues. */
static const float AIR = 0, LUNG = 0.45f, SOFT = 0.9f, BONE = 1.1f, BLOOD = 1.6f, LIVER = 2.1f;
static const float AIR_MOST = -950, LUNG_MOST = -300, SOFT_MOST = 200;  /* HU */
static const float WALL = 12, INSIDE = -5;                              /* mm: of the heart; below the diaphragm's dome */
static const double SIGMA = 2.5, NOISE = 0.12;                          /* mm, a resolution of 6 mm; SUV */
static const float MYOCARDIUM[2] = {0.8f, 6}, TUMOUR[2] = {3.5f, 14};

struct uptake { float myocardium, tumour; };

/* Evenly on a logarithmic scale. */
static float draw(struct rng *r, const float range[2])
{
	return (float)exp(rng_range(r, log((double)range[0]), log((double)range[1])));
}

static float tissue(const struct patient *p, const float q[3], float hu, const struct uptake *u)
{
	float wall = phantom_heart(p, q);
	struct around d;

	if (hu < LUNG_MOST)
		return hu < AIR_MOST ? AIR : LUNG;
	if (wall < 0)
		return wall > -WALL ? u->myocardium : BLOOD;
	phantom_around(p, q, &d);
	if (d.dome < INSIDE && d.cavity < 0 && d.side == RIGHT)
		return LIVER;
	return hu < SOFT_MOST ? SOFT : BONE;
}

int phantom_pet(const struct phantom_pet *o, const float *hu, const uint8_t *label, float *suv, struct err *e)
{
	const int64_t *n = o->size, all = n[0] * n[1] * n[2];
	double sigma[3];
	struct uptake u;
	struct rng r;

	rng_init(&r, o->seed, RNG_PHANTOM_PET, o->index);
	u.myocardium = draw(&r, MYOCARDIUM);
	u.tumour = draw(&r, TUMOUR);
	for (int i = 0; i < 3; i++)
		sigma[i] = fmin(SIGMA / (double)o->spacing[i], AUGMENT_SIGMA);
#pragma omp parallel for schedule(dynamic)
	for (int64_t row = 0; row < n[1] * n[2]; row++)
		for (int64_t x = 0, i = row * n[0]; x < n[0]; x++, i++) {
			const float w[3] = {o->origin[0] - o->spacing[0] * (float)x, o->origin[1] - o->spacing[1] * (float)(row % n[1]),
			                    o->origin[2] + o->spacing[2] * (float)(row / n[1])};
			float q[3];

			phantom_from_world(o->patient, w, q);
			suv[i] = label[i] ? u.tumour : tissue(o->patient, q, hu[i], &u);
		}
	if (augment_blur(suv, n, sigma, e))
		return -1;
	augment_noise(suv, n, NOISE, o->seed, o->index, 1);
	for (int64_t i = 0; i < all; i++)
		suv[i] = suv[i] > 0 ? suv[i] : 0;
	return 0;
}
