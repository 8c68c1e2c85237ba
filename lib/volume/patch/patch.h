/* Patches: boxes cut out of volumes for training. Coordinates are voxels, triples x,y,z; a box may reach outside its volume, where `fill` stands.
   One axis at a time: what MONAI (correct_crop_centers, weighted_patch_samples, dense_patch_slices; DEFINITIONS 5.1, 5.2) and nnU-Net
   (nnUNetDataLoader.get_bbox; DEFINITIONS 5.4) allow a patch of a volume of some length. */
#ifndef NIIPIPE_PATCH_H
#define NIIPIPE_PATCH_H

#include "lib/stream/frame.h"

/* First voxel of a patch around a centre, moved so that it lies within 0..length; a volume shorter than the patch lies in its middle
   (start = -floor((patch - length) / 2)). MONAI's for centres of some kind of voxel. */
int64_t patch_start(int64_t centre, int64_t patch, int64_t length);

/* Centres lo..hi (hi excluded) that MONAI draws from by weight: one fewer than there are places for the patch; a volume not longer than the patch
   has one, its middle. */
void patch_centres(int64_t patch, int64_t length, int64_t *lo, int64_t *hi);

/* First voxels lo..hi (both ends in) that nnU-Net draws from. final: what is left of the patch after augmentation, at most patch. The
   volume is thought padded by as much as the patch is larger than that or than the volume, half of it, rounded up, at either end. Around a voxel
   chosen first nnU-Net's patch begins at max(lo, voxel - floor(patch / 2)), hi or not. */
void patch_starts(int64_t patch, int64_t final, int64_t length, int64_t *lo, int64_t *hi);

/* MONAI's dense grid: how many starts, and the i-th of them (relative to the volume; negative where it is shorter than the patch). */
int64_t patch_grid_count(int64_t patch, int64_t length, double overlap);
int64_t patch_grid_start(int64_t i, int64_t patch, int64_t length, double overlap);

/* Have what patch_cut will read of a mapped file fetched from the disk, all of it at once. */
void patch_fetch(const struct frame *f, const struct grid *g, const int64_t start[3], const int64_t size[3]);

/* Cut the box out of volume f into *out (kind patch; the same metadata, affine moved, tensors off the grid copied): image is padded with fill, all
   else with 0.
   Data of f need not be aligned. *out is released with frame_free. 0, or -1 and an error. */
int patch_cut(const struct frame *f, const struct grid *g, const int64_t start[3], const int64_t size[3], double fill, struct frame *out,
              struct err *e);

#endif
