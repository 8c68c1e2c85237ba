/* The grid of another file, and moving frames onto it. */
#ifndef NIIPIPE_LIKE_H
#define NIIPIPE_LIKE_H

#include "lib/volume/interp.h"

/* The grid of the NIfTI file (told by its name) or of the first frame of the stream at path. 0 or -1. */
int like_read(const char *path, struct grid *g, struct err *e);

/* Bring f from its grid *g onto `to`: axes swapped and reversed as it takes, then interpolated where `to` lies within half a voxel of f, else `fill`
   in image and background (box.h). how: image, label and coarse count. The affine becomes that of `to`, bit for bit. An error where the grids do not
   overlap, or where their axes are off by more than 0.05 voxels of f anywhere on `to`. 0 or -1. */
int like_apply(struct frame *f, const struct grid *g, const struct grid *to, const struct interp_map *how, double fill, struct err *e);

#endif
