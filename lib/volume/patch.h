/* Patches: boxes cut out of volumes for training. Coordinates are voxels, triples x,y,z; a box may reach outside its volume, where `fill` stands.
   Centres, clamping and grids are MONAI's (RandCropByPosNegLabel, generate_pos_neg_label_crop_centers, correct_crop_centers and
   dense_patch_slices; DEFINITIONS 5.1, 5.2); random numbers are Philox's. */
#ifndef NIIPIPE_PATCH_H
#define NIIPIPE_PATCH_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

/* Where a volume's foreground (label != 0) is: counts by slice, so that the k-th voxel is found by scanning one slice. 8 bytes a slice. */
struct patch_index {
	int64_t size[3];  /* x,y,z; size[2] 0: not made yet */
	int64_t *fg;      /* [size[2] + 1]: foreground voxels before slice z; NULL where the volume has no label */
};

/* Index f's tensor label, which must be integer [Z,Y,X] on the grid (absent: every voxel is background); data need not be aligned. The index is
   released with patch_index_free. 0, or -1 and an error. */
int patch_index_make(struct patch_index *ix, const struct frame *f, const struct grid *g, struct err *e);
void patch_index_free(struct patch_index *ix);

/* Draw a centre: a uniformly drawn foreground voxel with probability pos, else a background voxel. Where there is none of the one kind, the
   other is taken. r: two draws. */
void patch_centre(const struct patch_index *ix, const struct frame *f, double pos, struct rng *r, int64_t centre[3]);

/* First voxel of a patch around a centre, moved so that it lies within 0..length; a volume shorter than the patch lies in its middle
   (start = -floor((patch - length) / 2)). One axis. */
int64_t patch_start(int64_t centre, int64_t patch, int64_t length);

/* MONAI's dense grid on one axis: how many starts, and the i-th of them (relative to the volume; negative where it is shorter than the patch). */
int64_t patch_grid_count(int64_t patch, int64_t length, double overlap);
int64_t patch_grid_start(int64_t i, int64_t patch, int64_t length, double overlap);

/* Cut the box out of volume f into *out (kind patch; the same metadata, affine moved, tensors off the grid copied): image is padded with fill, all
   else with 0.
   Data of f need not be aligned. *out is released with frame_free. 0, or -1 and an error. */
int patch_cut(const struct frame *f, const struct grid *g, const int64_t start[3], const int64_t size[3], double fill, struct frame *out,
              struct err *e);

#endif
