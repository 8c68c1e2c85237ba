/* A lesion as RECIST 1.1 measures it (Eisenhauer et al., EJC 2009;45:228): the longest diameter in an axial slice and the short axis across it; which
   lesions are measurable, which are targets, and what a later sum of diameters means. */
#ifndef NIIPIPE_RECIST_H
#define NIIPIPE_RECIST_H

#include "lib/volume/diameter.h"

struct recist_line {
	double longest;      /* mm, in one slice of voxels (diameter.h: line) */
	int32_t z;           /* the slice */
	double end[2][2];    /* ends of the longest diameter, voxels x, y */
	double width;        /* short axis as callipers see it: how far the lesion reaches across the longest diameter in that slice, mm */
	double chord;        /* short axis as a reader draws it: the longest straight line at right angles to the longest diameter with both ends in the
	                        lesion; holes and bays are crossed. Never more than width */
	double across[2][2]; /* its ends, voxels x, y */
	double inside;       /* which part of the longest diameter lies on voxels of the lesion, 0 to 1 */
};

/* d: what diameter_measure found for these lines, affine and `by`. The lesion's outline in the slice is, by `by`, marching squares through the middles
   between voxels, lines between centres of neighbouring voxels, or the pixels' edges. n > 0. 0, or -1 and an error: no memory. */
int recist_measure(const struct component_line *line, size_t n, const double affine[16], enum diameter_by by, const struct diameter *d,
                   struct recist_line *r, struct err *e);

#endif
