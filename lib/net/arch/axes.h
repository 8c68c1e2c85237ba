/* Axes of a network's description. Arrays of three are z,y,x.

   A network of two dimensions sees a slice at a time: it is the network of three whose layers reach one voxel along the slices' axis. Its JSON is
   MONAI's ("spatial_dims": 2) or nnU-Net's ("conv_op": "...Conv2d"); where slices do not lie along z it has, of ours, "slice_axis": "y" or "x".
   Its sizes and weights are of the two others, the slower first. */
#ifndef NIIPIPE_AXES_H
#define NIIPIPE_AXES_H

#include <jansson.h>

#include "lib/base/err.h"

/* Give every size of kernels and strides the axes of ours: entry k becomes entry axes[k]. SwinUNETR's merging and windows then count x,y,z, or x,y,
   which its key "axes" says: axes_turned. axes_inside: the same of operations' axes: of a slice's 0,1,2 or, where two change places, 0,2,1. */
void axes_turn(json_t *arch, const int axes[3]);
int axes_turned(const json_t *arch);
const int *axes_inside(int slices, const int axes[3]);

/* The slices' axis; -1: of three dimensions. */
int axes_slices(const json_t *arch);
void axes_set_slices(json_t *arch, int slices);

/* One of three dimensions, without sizes of three numbers, becomes that of two. */
void axes_flatten(json_t *arch);

/* What a network of two dimensions is in three: sizes of two are of three, the first any, where its graph has 1. Caller json_decref()s.
   NULL and an error: a size of three, or a slice_axis that is none. */
json_t *axes_solid(const json_t *arch, struct err *e);

#endif
