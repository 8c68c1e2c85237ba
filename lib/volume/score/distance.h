/* Distances to the nearest of a set of points on a grid: exact, any spacing, in time linear in the grid. */
#ifndef NIIPIPE_DISTANCE_H
#define NIIPIPE_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { DISTANCE_SIDE = 65534 }; /* the most points along x or y */

/* Points of a grid, row by row. */
struct distance_points {
	int32_t size[3]; /* x, y, z of the grid */
	size_t *row;     /* row y of slice z: x[row[z * size[1] + y]] up to the next row's; size[1] * size[2] + 1 of them */
	int32_t *x;      /* ascending in a row */
};

/* d[i]: mm from point i of `from` to the nearest point of `to`, on the same grid; infinite where `to` has none. spacing: mm, above 0. A separable
   transform: along x in each row, then lower envelopes of parabolas along y and along z (Maurer, Qi and Raghavan, IEEE PAMI 2003;25:265), which
   have no division in them; but most points of a surface have the other near by, and for them the first rows around are searched. Offsets are kept
   as whole numbers, so that sqrt((sx dx)^2 + (sy dy)^2 + (sz dz)^2) is rounded only then, as scipy.ndimage.distance_transform_edt has it. Points
   may be all of a grid: then d is its distance map. Memory: 2 bytes for every x of the rows where `to` has points, and where some are far 4 for
   every x and y of the slices. Any number of threads gives the same bytes. 0, or -1 and an error. */
int distance_nearest(const struct distance_points *from, const struct distance_points *to, const double spacing[3], double *d, struct err *e);

#endif
