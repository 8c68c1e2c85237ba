/* Convex hulls of points on an integer grid, and the two points farthest apart: exactly. */
#ifndef NIIPIPE_HULL_H
#define NIIPIPE_HULL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* Points of a plane, row by row: in row key[i] they reach from lo[i] to hi[i]; key ascending. */
struct hull_rows { int32_t *key, *lo, *hi; size_t n; };

/* Vertices of the hull into out (room for 2 n): {key, other}; corners on a straight edge are left out, others may come twice. Returns how many.
   Monotone chain (Andrew 1979) in whole numbers. Coordinates within +-2^22. */
size_t hull_plane(const struct hull_rows *r, int32_t (*out)[2]);

struct hull_point { int32_t p[3]; };

/* The largest distance between two of n points, squared, in the metric of r: x' = r0 x + r1 y + r2 z, y' = r3 y + r4 z, z' = r5 z.
   Points that are no hull vertex of their planes are dropped, the rest is searched from the outermost inwards. p is reordered.
   0, or -1 and an error. */
int hull_farthest(struct hull_point *p, size_t n, const double r[6], double *squared, struct err *e);

#endif
