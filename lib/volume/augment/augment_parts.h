/* Between the files of augment. */
#ifndef NIIPIPE_AUGMENT_PARTS_H
#define NIIPIPE_AUGMENT_PARTS_H

#include "lib/volume/augment/augment.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/geometry/geo.h"

/* A channel of the image, and whose it is. */
struct augment_channel {
	float *v;
	int64_t size[3];
	int64_t channel;
	uint64_t index;
	const struct augment *a;
};

extern const int augment_shears[AUGMENT_VALUES][2]; /* which axis moves, along which */

/* Over all finite voxels of n; the same bits for any number of threads. count 0: the rest is 0. */
struct augment_stats { int64_t count; float min, max; double mean, sd; };
struct augment_stats augment_stats(const float *v, int64_t n);

void augment_linear(float *v, int64_t n, double mul, double add); /* v = v mul + add, in float32 */

/* Displacements of the voxels of a grid: on each axis a cubic B-spline through control points in [-most, most], which lie `spacing` voxels apart. */
struct augment_elastic {
	int64_t points[3], spacing; /* points: along x,y,z */
	float *p;                   /* [3][z][y][x]; NULL: no field. Caller frees with free() */
	float *w;                   /* [4][spacing]: weights of the four points around a voxel, by its place between two; in p's block */
};

/* A field over size voxels from (a->seed, index); none across the flat axis, -1: there is none. 0 or -1. */
int augment_elastic_make(struct augment_elastic *f, const int64_t size[3], const struct augment *a, int flat, double most, uint64_t index,
                         struct err *e);

/* Displacements of row y of slice z, voxels x0 to x0 + n - 1 (n <= AUGMENT_ROW): out[i * n + k] is that on axis i of voxel x0 + k. */
enum { AUGMENT_ROW = 64 };
void augment_elastic_row(const struct augment_elastic *f, int64_t z, int64_t y, int64_t x0, int64_t n, float *out);

/* A warp: voxel p of the result has the value at m p + origin + bend d(p) of the source, d the displacement. */
struct augment_warp {
	double m[9], origin[3], bend[9];
	float fill;             /* of image, beyond the source; 0 of all else, but */
	struct box_scores prob; /* of prob, set by augment_warp */
	struct augment_elastic field;
};

/* Warp the spatial tensors of f from grid *g to size voxels; *g becomes the new grid. Image and other floats linear, F32 afterwards; integers
   nearest. 0 or -1. */
int augment_warp(struct frame *f, struct grid *g, const int64_t size[3], struct augment_warp *w, struct err *e);

#endif
