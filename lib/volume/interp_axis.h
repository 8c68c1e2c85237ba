/* The axes of an interpolation, and its kinds. Private to interp.c, interp_label.c and interp_cubic.c. */
#ifndef NIIPIPE_INTERP_AXIS_H
#define NIIPIPE_INTERP_AXIS_H

#include "lib/volume/interp.h"

/* Where each voxel of an axis comes from.
   Linear: in[at] * (1 - w) + in[at + 1] * w; at + 1 exists, but for an axis of one voxel, which is doubled.
   Cubic: the sum of in[at + k] * w[4 i + k], k 0 to 3, of the axis with INTERP_PAD voxels more at both ends. */
struct axis {
	int64_t from, n; /* voxels before and after */
	int32_t *at;
	float *w;
	int filter;      /* cubic: values to coefficients first */
};

enum { INTERP_PAD = 2 };

/* Cubic: t, floats or integers, into dst [C, n z, n y, n x]. clip: as in struct interp_map; slices: by slice. 0 or -1. */
int interp_cubic(const struct tensor *t, float *dst, const struct axis a[3], int clip, int slices, struct err *e);

/* Labels by their linear shares, into dst, of t's type. 0 or -1. */
int interp_labels(const struct tensor *t, char *dst, const struct axis a[3], enum interp_label how, struct err *e);

#endif
