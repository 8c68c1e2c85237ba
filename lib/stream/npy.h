/* NumPy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef NIIPIPE_NPY_H
#define NIIPIPE_NPY_H

#include "lib/stream/frame.h"

/* Write t as .npy, format 1.0, little endian, C order, byte for byte as numpy.save. BF16, which NumPy has not, is written as F32, exactly.
   0, or -1 and an error. */
int npy_write(const struct tensor *t, struct out *o, struct err *e);

#endif
