/* Resampling a frame to another orientation and grid. Definitions, by name:
   monai   Spacing(diagonal=False) (monai/transforms/spatial/array.py, compute_shape_offset in monai/data/utils.py): voxel 0 stays where it is,
           n' = round_half_even((n - 1) * old / new + 1), x = x' * new / old, border values beyond the last voxel.
   nnunet  nnunetv2/preprocessing/resampling/default_resampling.py: the ends of the volume stay where they are (half pixels), n' =
           round_half_even(old / new * n), x = (x' + 0.5) * n / n' - 0.5; where the largest spacing is above 3 times the least (of the old
           grid, else of the new one) and one axis alone has it, that axis is nearest. The affine says n / n' times the old spacing: where
           the voxels are.
   zoom    scipy.ndimage.zoom, as TotalSegmentator calls it (totalsegmentator/resampling.py, change_spacing): the first and last voxel stay, n' =
           round_half_even(old / new * n), x = x' * (n - 1) / (n' - 1); cubic with mirrored ends. The affine says where the voxels are.
   Sheared volumes: monai drops the shear (zoom_affine, compute_shape_offset), interpolating along the affine (warp.h); nnunet and zoom work on
   voxels and keep it; turning keeps it. */
#ifndef NIIPIPE_RESAMPLE_H
#define NIIPIPE_RESAMPLE_H

#include "lib/volume/resample/interp.h"

enum resample_to { RESAMPLE_NOT, RESAMPLE_SPACING, RESAMPLE_SIZE, RESAMPLE_LIKE };
enum resample_align { RESAMPLE_MONAI, RESAMPLE_NNUNET, RESAMPLE_ZOOM };
#define RESAMPLE_ALIGN_WORDS "monai|nnunet|zoom"

struct resample {
	char orient[4];    /* first turn the axes to run so, as "RAS" (orient.h); "": not */
	enum resample_to to;
	double spacing[3]; /* RESAMPLE_SPACING: x,y,z (as turned), mm; 0: the axis keeps its own, but not all do */
	struct grid like;  /* RESAMPLE_SIZE: its size (monai, zoom: the first and last voxels stay); RESAMPLE_LIKE: this grid, whatever `align` */
	double fill;       /* RESAMPLE_LIKE: image outside of what was there; labels are 0 */
	enum resample_align align;
	enum interp interp;      /* of image; other integers: nearest; prob and other floats: linear */
	enum interp_label label;
	int antialias;     /* interp.h */
	int truncate;      /* what was interpolated of image is cut to whole numbers, towards 0, as TotalSegmentator's (astype) */
};

json_t *resample_json(const struct resample *o); /* args of a history entry; caller json_decref()s */
int resample_parse(struct resample *o, const json_t *args, struct err *e);

/* Turn and resample f and record it in the history as nii-resample. Types: see interp.h. Axes in a plane are an error, and so is a grid `like` that
   does not overlap. Where no spacing differs by more than 1e-3 mm and no size changes, and no shear is dropped, all is left as it is, bit for bit.
   0 or -1. */
int resample_apply(struct frame *f, const struct resample *o, struct err *e);

/* Put f, which came from grid `to` by resample_apply with the same options, on it again by the same rule, never smoothed, then turned back; what was
   outside of a grid `like` is background. argmax: what is interpolated of prob becomes pred (interp.h); where nothing is, prob stays. The affine
   becomes that of `to`, bit for bit. 0 or -1. */
int resample_back(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e);

#endif
