/* The parts of a phantom. Private to lib/volume/phantom*.c. Lengths in mm, patient coordinates: x right, y anterior, z superior,
   origin in the middle of the chest. Distances are signed, negative inside, true near the surface only. */
#ifndef NIIPIPE_PHANTOM_PARTS_H
#define NIIPIPE_PHANTOM_PARTS_H

#include "lib/base/err.h"
#include "lib/base/rng.h"
#include "lib/volume/intensity/noise.h"

enum { PROFILE = 400, PROFILE_LOW = -200 }; /* the chest's width over z, a value a mm */
enum { RIGHT, LEFT };
#define SPINE_Y 0.66f /* the vertebrae's middle lies that part of b behind the origin */

struct patient {
	double rot[9], shift[3];  /* world = rot patient + shift */
	float a, b;               /* half axes of the rib cage inside, x and y */
	float top, equator;       /* z of the apex; z below which the cage no longer widens */
	float profile[PROFILE];
	float wall[2], fat;       /* thickness of the chest wall at the sides and in front; of its fat */
	float dome[2], dome_h;    /* z of the diaphragm's domes; how far the recesses go below */
	float heart[3], heart_r[3], heart_c, heart_s; /* centre, radii, cosine and sine of its axis */
	float mid;                /* half width of the mediastinum */
	float blood, lung, soft, liver, dependent; /* HU; the last: how much denser the lung is behind, HU */
	float wobble;             /* irregularity of outlines, mm */
	float noise_sd;           /* HU */
	uint64_t noise_seed;
	float table, curve;       /* y of the table's top in world coordinates, its curvature 1/mm */
	struct noise field;
};

/* What is around a point: distances to surfaces. */
struct around {
	float cavity, lung, solid, dome;
	int side;
};

void phantom_patient(struct patient *p, struct rng *r);
void phantom_to_world(const struct patient *p, const float q[3], float w[3]);
void phantom_from_world(const struct patient *p, const float w[3], float q[3]);

/* Distances at q to the rib cage's inside, the lung, what fills the middle, the diaphragm. */
void phantom_around(const struct patient *p, const float q[3], struct around *d);

/* Distance at q to the heart's outside. */
float phantom_heart(const struct patient *p, const float q[3]);

/* HU of everything that is not a tube or a tumour, at q (world point w); soft edges of hx, hz mm in the plane and across. */
float phantom_hu(const struct patient *p, const float q[3], const float w[3], float hx, float hz);

/* The uptake of FDG (SUV) that a PET of the patient shows, on the grid of its CT: hu and label, [Z,Y,X], to suv; voxel x,y,z is at world origin minus
   spacing times x, y and plus spacing times z. Heart and tumours take up as much as (seed, index) says. 0 or -1. (phantom_pet.c) */
struct phantom_pet {
	const struct patient *patient;
	int64_t size[3];
	float origin[3], spacing[3];
	uint64_t seed, index;
};
int phantom_pet(const struct phantom_pet *o, const float *hu, const uint8_t *label, float *suv, struct err *e);

/* A tube: a cone between two balls. Vessels, airways, ribs, spicules are made of them, painted in order. */
struct tube { float a[3], b[3], ra, rb, hu; };
struct tubes {
	struct tube *v; /* free() */
	int64_t n;
	int failed;     /* out of memory */
};
void phantom_tube_add(struct tubes *t, const float a[3], const float b[3], float ra, float rb, float hu);

void phantom_bones(const struct patient *p, struct rng *r, struct tubes *t);
void phantom_vessels(const struct patient *p, struct rng *r, struct tubes *t);

/* Paint one slice [ny][nx] of HU: voxel (x,y) is at world (origin[0] - sx x, origin[1] - sy y, origin[2]); tubes in world coordinates. */
struct slice {
	float *hu;
	uint8_t *label;    /* may be NULL */
	int64_t nx, ny;
	float origin[3], s[3];
};
void phantom_tube_paint(const struct tube *t, const struct slice *s);

/* A tumour: an ellipsoid with an irregular outline, kept within `reach` mm of the lung. */
enum { TUMOUR_MAX = 2 };
struct tumour {
	float c[3], axes[9], ratio[3]; /* patient coordinates -> ball */
	float r, rough, fine, reach;
	float off[3];        /* place in the noise field */
	float hu, mottle, core;
};

/* Tumour of a volume (mL) at a place of the lung; spicules are added to t. */
void phantom_tumour(const struct patient *p, double volume, struct rng *r, struct tumour *m, struct tubes *t);
/* What of it does not depend on the place: c and reach are the caller's. hu: of soft tissue. */
void phantom_tumour_shape(double volume, float hu, struct rng *r, struct tumour *m);

/* Distance at q to the outline without regard to the lung; HU inside, d being that distance. */
float phantom_outline(const struct noise *n, const struct tumour *m, const float q[3]);
float phantom_tumour_hu(const struct noise *n, const struct tumour *m, const float q[3], float d);

void phantom_tumour_paint(const struct patient *p, const struct tumour *m, const struct slice *s);

/* The fraction of a voxel of width h that lies behind a surface at signed distance d. */
static inline float phantom_cover(float d, float h)
{
	float c = 0.5f - d / h;

	return c < 0 ? 0 : c > 1 ? 1 : c;
}

#endif
