/* Interpolation of a frame's tensors on any other grid, rotated against its own or sheared. Coordinates are double, weights and values float32. */
#ifndef NIIPIPE_WARP_H
#define NIIPIPE_WARP_H

#include "lib/volume/resample/interp.h"

struct warp {
	double m[3][4]; /* voxel (x,y,z) of the new grid has the value at m[j][0] x + m[j][1] y + m[j][2] z + m[j][3] of each axis j of the old
	                   (geo_between) */
	int border;     /* outside of the old grid its border's values go on; else what is more than half a voxel outside is background: `fill` in
	                   image, 0 in labels and all else, in probabilities 1 in class 0 */
	double fill;
	struct interp_map how; /* image, label, up, argmax, antialias: as there. Cubic: the volume goes on with its border's values. antialias: an axis
	                          becomes coarser by the length of its row of m */
};

/* Bring f from grid `from` to `to`, types as interp_frame. An error where fill does not fit the type of an image that keeps it, and where
   nothing of `to` lies within half a voxel of `from` (without border). The same values for
   any number of threads; beside the new tensors memory for a row a thread, and for one channel as float32 where a tensor that is not nearest is
   neither of int16 nor of float32, or cubic, or smoothed (both: two). 0 or -1. */
int warp_frame(struct frame *f, const struct grid *from, const struct grid *to, const struct warp *w, struct err *e);

#endif
