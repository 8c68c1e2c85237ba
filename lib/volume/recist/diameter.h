/* Longest diameters of a set of voxels, exactly: in space, and RECIST 1.1's in an axial plane (Eisenhauer et al., EJC 2009;45:228).
   The diameter of a set is that of its convex hull, and only the first and the last point of a row can be a vertex of it. */
#ifndef NIIPIPE_DIAMETER_H
#define NIIPIPE_DIAMETER_H

#include "lib/volume/component/component.h"

/* Between which points. */
enum diameter_by {
	DIAMETER_MESH,   /* vertices of the marching-cubes mesh: the middle between a voxel and a neighbour (by face) outside. What pyradiomics calls
	                    Maximum3DDiameter and Maximum2DDiameterSlice (radiomics/src/cshape.c): its slices are z and z + 1/2 */
	DIAMETER_CENTRE, /* centres of voxels */
	DIAMETER_CORNER  /* corners of voxels; in a slice, of its pixels */
};

struct diameter {
	double longest; /* mm, in space */
	double axial;   /* mm, the longest in one slice across z */
	double slice;   /* its z, voxels: the lowest of those that have it; a half where it lies between two slices */
	double line;    /* mm, the longest in one slice of voxels: axial where that is in such a slice. RECIST 1.1's longest diameter */
	int32_t z;      /* its slice: the lowest of those that have it */
	double end[2][2]; /* its ends, voxels x, y */
};

/* line: n runs in the order of z, y, x, none touching another (component_lines). affine: voxel to mm; shear is taken into account. n 0: all is 0.
   Memory in proportion to the rows of the bounding box. 0, or -1 and an error: the affine is singular, no memory. */
int diameter_measure(const struct component_line *line, size_t n, const double affine[16], enum diameter_by by, struct diameter *d, struct err *e);

#endif
