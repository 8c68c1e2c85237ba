/* Files that are often given in another's place. */
#ifndef NIIPIPE_FOREIGN_H
#define NIIPIPE_FOREIGN_H

#include "lib/base/err.h"

enum { FOREIGN_BYTES = 352 }; /* of a file's beginning that tell it */

/* An error that says which program should have it, by its first 8 bytes and n behind them: where a stream is expected, or (image) a NIfTI, NRRD
   or MetaImage file. -1, or 0 and no error: not known. */
int foreign_stream(const char *file, const void *first, const void *rest, size_t n, struct err *e);
int foreign_image(const char *file, const void *first, const void *rest, size_t n, struct err *e);

#endif
