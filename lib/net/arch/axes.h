/* Axes of a network's description. Arrays of three are z,y,x.

   A network of two dimensions sees a slice at a time: it is the network of three whose layers reach one voxel along the slices' axis. Its JSON is
   MONAI's ("spatial_dims": 2) or nnU-Net's ("conv_op": "...Conv2d"); where slices do not lie along z it has, of ours, "slice_axis": "y" or "x".
   Its sizes and weights are of the two others, the slower first. */
#ifndef NIIPIPE_AXES_H
#define NIIPIPE_AXES_H

#include <jansson.h>

#include "lib/base/err.h"

/* Give every size of kernels and strides the axes of ours: entry k becomes entry axes[k]. SwinUNETR's merging and windows then count x,y,z, which its
   key "axes" says: axes_turned. Of two dimensions the two change places where axes_swap says so. */
void axes_turn(json_t *arch, const int axes[3]);
int axes_turned(const json_t *arch);
int axes_swap(int slices, const int axes[3]);

/* The slices' axis; -1: of three dimensions. */
int axes_slices(const json_t *arch);
void axes_set_slices(json_t *arch, int slices);

/* One of three dimensions, without sizes of three numbers, becomes that of two. 0: it is neither MONAI's nor nnU-Net's way to say three. */
int axes_flatten(json_t *arch);

/* What a network of two dimensions is in three: sizes of two are of three, the first any, where its graph has 1. Caller json_decref()s.
   NULL and an error: a size of three, or a slice_axis that is none. */
json_t *axes_solid(const json_t *arch, struct err *e);

#endif
