/* Augmentation of training patches: flips, intensity scale and shift (MONAI's RandFlip, RandScaleIntensity, RandShiftIntensity, in this order).
   A frame's random numbers come from (seed, RNG_AUGMENT, index) and are all drawn in a fixed order, so that one option does not change what another
   does. */
#ifndef NIIPIPE_AUGMENT_H
#define NIIPIPE_AUGMENT_H

#include "lib/stream/frame.h"

struct augment {
	int flip[3];               /* x,y,z: may be flipped */
	double flip_prob;          /* of each axis on its own */
	double scale, scale_prob;  /* image *= 1 + uniform[-scale, scale) */
	double shift, shift_prob;  /* image += uniform[-shift, shift) */
	uint64_t seed;
};

/* What is drawn for the frame of that index. */
struct augment_draw { int flip[3]; double scale, shift; /* factor (1: none), offset (0: none) */ };
void augment_draw(const struct augment *a, uint64_t index, struct augment_draw *d);

/* Flip the spatial tensors in place on the axes x,y,z that are set and move the affine so that every voxel stays where it is in the world. 0 or
   -1. */
int augment_flip(struct frame *f, const int flip[3], struct err *e);

/* Augment f: index is its metadata `patch` where there is one, else `ordinal`. The image becomes F32 where its values change. History: flips are
   recorded as undo {"flip": [x,y,z]}. 0 or -1. */
int augment_frame(const struct augment *a, struct frame *f, uint64_t ordinal, struct err *e);

#endif
