/* Cropping to the foreground, and padding. Definition: MONAI's CropForeground, SpatialPad and DivisiblePad (monai/transforms/croppad/array.py)
   and generate_spatial_bounding_box. */
#ifndef NIIPIPE_CROP_H
#define NIIPIPE_CROP_H

#include "lib/volume/crop/box.h"

/* What is foreground: any channel of image, or one, above `above`; label above 0; the body or the lungs in image (organ.h), of one channel; a given
   box; the whole volume, which can then only grow; any channel of image, or one, other than 0: nnU-Net's crop_to_nonzero
   (preprocessing/cropping/cropping.py). */
enum crop_to { CROP_ABOVE, CROP_LABEL, CROP_BODY, CROP_LUNGS, CROP_BOX, CROP_WHOLE, CROP_NONZERO };

struct crop {
	enum crop_to to;
	double above;      /* compared as float32, strictly */
	struct box box;    /* may reach out of the volume */
	double margin[3];  /* x,y,z: around the foreground, mm, rounded up to voxels; beside margin_voxels */
	int64_t margin_voxels[3];
	int inside;        /* cut the margin at the image's border; else what reaches out is filled */
	int64_t min_size[3], multiple[3]; /* then the box grows, floor(growth / 2) of it before the first voxel; multiple 1: none */
	double fill;       /* of image, outside of it */
	int alone;         /* of image channel `channel` alone says what is foreground */
	int64_t channel;
};

extern const struct crop crop_default; /* above 0, nothing around it */

json_t *crop_json(const struct crop *o); /* args of a history entry; caller json_decref()s */
int crop_parse(struct crop *o, const json_t *args, struct err *e);

/* The box, relative to f's grid *g. 0, or -1 and an error: no foreground, no such tensor, a box
   beside the volume. */
int crop_box(const struct frame *f, const struct grid *g, const struct crop *o, struct box *b, struct err *e);

/* Crop f to crop_box, its values made when it is written (tensor_later), and record it in the history as nii-crop: the grid before, undo: the box.
   0 or -1. */
int crop_apply(struct frame *f, const struct crop *o, struct err *e);

#endif
