/* Masks: what is not 0 in a tensor of integers [Z,Y,X]. Those made here are U8, 1 inside, 0 outside. */
#ifndef NIIPIPE_MASK_H
#define NIIPIPE_MASK_H

#include "lib/stream/frame.h"
#include "lib/volume/component/organ.h"

/* A mask of t's size; caller frees data with free(). name is borrowed from t. 0, or -1 and an error. */
int mask_new(const struct tensor *t, struct tensor *mask, struct err *e);

/* The voxels of t with one of n values. As mask_new. */
int mask_values(const struct tensor *t, int n, const int64_t *value, struct tensor *mask, struct err *e);

/* All voxels whose centre lies within mm (a millionth of rounding allowed) of the centre of a voxel of t that is not 0; t is on grid g.
   As mask_new. */
int mask_grow(const struct tensor *t, const struct grid *g, double mm, struct tensor *mask, struct err *e);

/* The organ in a CT in HU (organ.h), in every slice filled: what is outside of it and touches no side of the slice (x, y) belongs to it. So vessels
   and nodules that a lung surrounds belong to the lungs, air in the body to the body. As mask_new. */
int mask_organ(const struct tensor *image, const struct grid *g, enum organ which, struct tensor *mask, struct err *e);

#endif
