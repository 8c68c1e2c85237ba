/* NRRD headers (https://teem.sourceforge.net/nrrd/format.html), NRRD0001 to NRRD0005, as far as a volume of a patient needs them: three axes in space
   and at most one of channels, the first or the last; encodings raw and gzip; the voxels in the same file or in one other.
   What nii_open reads goes through here (nrrd_format) when it begins with "NRRD".
   Affine: space directions and origin of left-posterior-superior, left-anterior-superior or right-anterior-superior, turned to RAS; spacings
   without a space: as ITK has it, axes to left, posterior and superior from the origin 0. What is not understood, or would have to be
   ignored though it says something of values or places, is an error. */
#ifndef NIIPIPE_NRRD_H
#define NIIPIPE_NRRD_H

#include "lib/volume/nifti/text.h"

/* ---- between the files of this module ---- */

enum nrrd_field {
	NRRD_DIMENSION = TEXT_FIRST, NRRD_TYPE, NRRD_SIZES, NRRD_ENCODING, NRRD_ENDIAN, NRRD_SPACE, NRRD_SPACE_DIMENSION, NRRD_DIRECTIONS, NRRD_ORIGIN,
	NRRD_SPACE_UNITS, NRRD_SPACINGS, NRRD_KINDS, NRRD_DATA_FILE, NRRD_LINE_SKIP, NRRD_BYTE_SKIP
};

/* Which axis is the channels', and the affine. (nrrd_affine.c) 0 or -1. */
int nrrd_affine(struct text *t, double affine[16], struct err *e);

/* 3D Slicer's segments (nrrd_segments.c): a line key:=value, in place; other keys are ignored. Then, once the sizes are known, whether every layer is
   there; what is not said becomes Slicer's own defaults. 0 or -1. */
int nrrd_segment_key(struct text *t, const char *key, char *value, struct err *e);
int nrrd_segments_check(struct text *t, struct err *e);

/* ---- writing (nrrd_write.c) ---- */

/* The header of a file with t of f, whose voxels follow as little endian `as` through gzip. labels: NULL, or t's values where the file is a
   segmentation of 3D Slicer: those that are there, and those that have names, are its segments. history: NULL, or a text for it. 0 or -1. */
int nrrd_put_header(struct out *o, const struct frame *f, const struct tensor *t, enum dtype as, const uint8_t *labels, const char *history,
                    struct err *e);

/* ---- labels of segments ---- */

/* Their names by label, an object as metadata labels has it (names.h), of a file of so many layers; NULL: no memory. */
json_t *nrrd_segment_names(const json_t *segments, int64_t layers);

/* The labels of segments in several layers, [layers][voxels] of integer type t: those of segment k, from 0 on, are k + 1, the last one's where
   several have a voxel; *shared: how many these are. U8, caller frees; NULL and an error. */
uint8_t *nrrd_segment_labels(const json_t *segments, const void *data, enum dtype t, size_t voxels, int64_t *shared, struct err *e);

/* ---- boxes (nrrd_box.c) ---- */

/* Is the mask's grid a box of whole voxels of the image's, which may reach out of it? Its first voxel. One of a single voxel, as Slicer has it where
   there are no segments, is, at 0. */
int nrrd_box(const struct grid *mask, const struct grid *image, int64_t lo[3]);

/* That mask, of elements of `size` bytes, on the image's grid, 0 elsewhere; caller frees. NULL and an error: something but 0 is outside. */
void *nrrd_place(const void *data, size_t size, const struct grid *mask, const struct grid *image, const int64_t lo[3], struct err *e);

#endif
