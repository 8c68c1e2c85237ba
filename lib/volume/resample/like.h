/* The grid of another file, and moving frames onto it. */
#ifndef NIIPIPE_LIKE_H
#define NIIPIPE_LIKE_H

#include "lib/volume/resample/interp.h"

/* The grid of the NIfTI, NRRD or MetaImage file (told by its name) or of the first frame of the stream at path. 0 or -1. */
int like_read(const char *path, struct grid *g, struct err *e);

/* Bring f from its grid *g onto `to`: interpolated where `to` lies within half a voxel of f, else `fill` in image and background (box.h). Where the
   axes of both are at right angles and run alike, swapped and reversed as it takes, off by at most 0.05 voxels of f anywhere on `to`, that is done
   axis by axis (interp.h), else along the affine (warp.h). how: image, label, coarse and antialias count. The affine becomes that of `to`, bit for
   bit. An error where the grids do not overlap, or where the axes of one lie in a plane. 0 or -1. */
int like_apply(struct frame *f, const struct grid *g, const struct grid *to, const struct interp_map *how, double fill, struct err *e);

#endif
