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

#endif
