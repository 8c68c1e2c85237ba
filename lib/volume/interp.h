/* Interpolation of a frame's tensors on a grid whose axes run as before and have other voxels: separable, so axis by axis. Coordinates and
   weights are made in double, values in float32. */
#ifndef NIIPIPE_INTERP_H
#define NIIPIPE_INTERP_H

#include "lib/volume/geo.h"

enum interp { INTERP_LINEAR, INTERP_NEAREST };

/* Bring f from its grid `from` to `to`: voxel i of an axis has the value at i * ratio, or that of the last voxel beyond it. `interp` is the
   image's way; prob and other floats are linear, labels and other integers nearest (halves to even). What is linear becomes float32, what is
   nearest keeps its type. The same values for any number of threads; two slices of memory for each, beside the new tensors. 0 or -1. */
int interp_frame(struct frame *f, const struct grid *from, const struct grid *to, const double ratio[3], enum interp interp, struct err *e);

#endif
