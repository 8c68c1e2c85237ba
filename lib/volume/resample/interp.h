/* Interpolation of a frame's tensors on a grid whose axes run as before and have other voxels: separable, so axis by axis. Coordinates and
   weights are made in double, values in float32. */
#ifndef NIIPIPE_INTERP_H
#define NIIPIPE_INTERP_H

#include "lib/volume/geometry/geo.h"

/* Of image. Cubic: B-spline of order 3 through the voxels, the volume going on with its border's values (as scipy.ndimage, mode "nearest"; a voxel
   outside and farther, where that still swings a little, those values themselves). */
enum interp { INTERP_LINEAR, INTERP_NEAREST, INTERP_CUBIC };
#define INTERP_WORDS "linear|nearest|cubic"

/* Of label, pred and previous (nii-onehot): nearest; or every label's share, linear in between, and then the label whose share is 0.5 or more (of
   two the larger; 0 where there is none; batchgenerators' resize_segmentation before 0.25.5), or the one with the largest share (of several the
   nearest voxel's, halfway the one farther on, where it is one of them, else the smallest; the same since then). */
enum interp_label { INTERP_LABEL_NEAREST, INTERP_LABEL_LINEAR, INTERP_LABEL_ARGMAX };
#define INTERP_LABEL_WORDS "nearest|linear|argmax"

struct interp_map {
	double scale[3], shift[3]; /* voxel i of an axis has the value at i * scale + shift of the old ones, or that of the border beyond it */
	enum interp image;
	enum interp_label label;
	int up;     /* nearest: halves go up, as in scipy; else to even, as in MONAI */
	int coarse; /* axis along which all is nearest, 0 to 2; -1: none */
	int mirror; /* cubic: the volume goes on mirrored at its outermost voxels (scipy.ndimage, mode "mirror") */
	int clip;   /* cubic: to the least and greatest value of a channel (coarse z: of a slice), as skimage's resize */
	int antialias; /* what is linear or cubic is smoothed first along axes that become coarser by f > 1: a Gaussian of (f - 1) / 2 voxels, cut at 4 of
	                  them, the border's values going on, as skimage's resize(mode="edge", anti_aliasing=True) */
	int argmax; /* prob, linear, becomes pred U8 as prob_labels makes it by PROB_ARGMAX, by slabs of 8 slices a thread: nothing of all
	               classes is made on the new grid. A score that is not finite is an error */
};

/* Bring f from its grid `from` to `to`. Prob and other floats are linear, integers that are not labels nearest. What is interpolated becomes
   float32 but for labels, what is nearest keeps its type. The same values for any number of threads; two slices of memory for each, beside the
   new tensors; cubic: a channel as float32 on the new x and y and the old z; antialias: a channel as float32. 0 or -1. */
int interp_frame(struct frame *f, const struct grid *from, const struct grid *to, const struct interp_map *m, struct err *e);

#endif
