/* MetaImage headers (https://itk.org/Wiki/MetaIO/Documentation), .mha and .mhd, as MetaIO in ITK 5.4 reads them: 2 or 3 axes in space, channels by
   ElementNumberOfChannels (first in the file) or as a fourth axis; voxels in binary, plain or zlib, in the same file or in one other.
   What nii_open reads goes through here (meta_format) when it begins with "Obje" (ObjectType), "NDim" or "Comm" (Comment).
   Affine: the rows of TransformMatrix are the directions of x, y and z in a world of left, posterior, superior; turned to RAS. Keys that MetaIO does
   not know are ignored, and so are those that say nothing of values or places; what ITK ignores though it does say something of them is an error. */
#ifndef NIIPIPE_META_H
#define NIIPIPE_META_H

#include "lib/volume/nifti/text.h"

enum meta_field {
	META_OBJECT = TEXT_FIRST, META_VERSION, META_NDIMS, META_SIZES, META_TYPE, META_CHANNELS, META_BINARY, META_MSB, META_ELEMENT_MSB, META_COMPRESSED,
	META_COMPRESSED_SIZE, META_MATRIX, META_ROTATION, META_ORIENTATION, META_OFFSET, META_POSITION, META_ORIGIN, META_IMAGE_POSITION, META_SPACING,
	META_ELEMENT_SIZE, META_UNITS, META_SLOPE, META_INTERCEPT, META_HEADER_SIZE, META_DATA_FILE
};

#endif
