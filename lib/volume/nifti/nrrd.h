/* NRRD headers (https://teem.sourceforge.net/nrrd/format.html), NRRD0001 to NRRD0005, as far as a volume of a patient needs them: three axes in space
   and at most one of channels, the first or the last; encodings raw and gzip; the voxels in the same file or in one other.
   What nii_open reads goes through here when it begins with "NRRD". */
#ifndef NIIPIPE_NRRD_H
#define NIIPIPE_NRRD_H

#include "lib/volume/nifti/nifti.h"

enum { NRRD_HEADER_MAX = 1 << 20 }; /* bytes */

struct nrrd {
	struct nii_header h; /* what a NIfTI header of the same volume would say; vox_offset 0 */
	int gzip;            /* the voxels are compressed; the header never is */
	int first;           /* the channels are the first axis of the file: c,x,y,z */
	int64_t line_skip;   /* lines before the voxels, not compressed */
	int64_t byte_skip;   /* then bytes, once inflated; -1: the voxels are the last bytes of the file */
	char *data;          /* "data file" as the header says it, into text; NULL: they follow the header */
};

/* Fill *r from the n bytes at text, magic and all lines up to the blank one that ends them; text[n] must be writable, and text is cut to pieces.
   Affine: space directions and origin of left-posterior-superior, left-anterior-superior or right-anterior-superior, turned to RAS; spacings
   without a space: as ITK has it, axes to left, posterior and superior from the origin 0. What is not understood, or would have to be
   ignored though it says something of values or places, is an error. 0 or -1. */
int nrrd_parse(struct nrrd *r, char *text, size_t n, const char *file, struct err *e);

/* ---- between the files of this module ---- */

/* Fields that are used, and what is said of each: its text and the offset of its line; text NULL where absent. */
enum nrrd_field {
	NRRD_IGNORED, NRRD_REFUSED, NRRD_DIMENSION, NRRD_TYPE, NRRD_SIZES, NRRD_ENCODING, NRRD_ENDIAN, NRRD_SPACE, NRRD_SPACE_DIMENSION, NRRD_DIRECTIONS,
	NRRD_ORIGIN, NRRD_SPACE_UNITS, NRRD_SPACINGS, NRRD_KINDS, NRRD_DATA_FILE, NRRD_LINE_SKIP, NRRD_BYTE_SKIP, NRRD_FIELDS
};

struct nrrd_text {
	const char *file;
	char *v[NRRD_FIELDS];
	int64_t at[NRRD_FIELDS];
	int axes;        /* dimension: 3 or 4 */
	int64_t size[4];
	int channel;     /* the axis of the channels, -1: none */
};

const char *nrrd_name(enum nrrd_field f); /* "space directions" */

/* Which axis is the channels', and the affine. (nrrd_affine.c) 0 or -1. */
int nrrd_affine(struct nrrd_text *t, double affine[16], struct err *e);

#endif
