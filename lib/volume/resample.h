/* Resampling a frame to another orientation and spacing. Definition: MONAI's Spacing(diagonal=False) (monai/transforms/spatial/array.py,
   compute_shape_offset in monai/data/utils.py): voxel 0 stays where it is, n' = round_half_even((n - 1) * old / new + 1), x = x' * new / old,
   border values beyond the last voxel. */
#ifndef NIIPIPE_RESAMPLE_H
#define NIIPIPE_RESAMPLE_H

#include "lib/volume/interp.h"

struct resample {
	char orient[4];    /* first turn the axes to run so, as "RAS" (orient.h); "": not */
	int respace;       /* then, if set, to this spacing */
	double spacing[3]; /* x,y,z (as turned), mm, above 0 */
	enum interp interp; /* of image; labels and other integers: nearest; prob and other floats: linear */
};

json_t *resample_json(const struct resample *o); /* args of a history entry; caller json_decref()s */
int resample_parse(struct resample *o, const json_t *args, struct err *e);

/* Turn and resample f and record it in the history as nii-resample. What is interpolated linearly becomes float32, what is taken from the nearest
   voxel (halves to even) keeps its type. Axes that are not at right angles are an error. Where no spacing differs by more than 1e-3 mm and no
   size changes, all is left as it is, bit for bit. 0 or -1. */
int resample_apply(struct frame *f, const struct resample *o, struct err *e);

/* Put f, which came from grid `to` by resample_apply with the same options, on it again: x = x' * (spacing of to) / (spacing of f), then turned back.
   The affine becomes that of `to`, bit for bit. 0 or -1. */
int resample_back(struct frame *f, const struct grid *to, const struct resample *o, struct err *e);

#endif
