/* The grid of a volume: shape and affine of its spatial tensors (frame_grid). */
#ifndef NIIPIPE_GRID_H
#define NIIPIPE_GRID_H

#include <stdint.h>

#include "lib/base/err.h"

struct grid {
	int64_t size[3];    /* x, y, z: voxels */
	double affine[16];  /* voxel (x,y,z) to world RAS mm, row major */
};

/* The same size, and affines that differ by at most tol (mm) in every number? grid_match: 0, or -1 and an error that says where g differs from
   the grid of `name`. */
int grid_same(const struct grid *g, const struct grid *h, double tol);
int grid_match(const struct grid *g, const struct grid *want, double tol, const char *name, struct err *e);

#endif
