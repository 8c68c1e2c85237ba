/* Which plan a convolution takes: the first one, or, while tuning, the quickest, which is measured once for each device and shape. */
#ifndef NIIPIPE_GPU_TUNE_H
#define NIIPIPE_GPU_TUNE_H

#include "kernels/gpu/cudnn.h"

/* From now on measure, and remember in `path` (NULL: in this process alone), a line a shape; what is there and not understood is written anew. */
void tune_begin(const char *path);

/* As cudnn_conv_new. */
struct cudnn_conv *tune_conv(const struct cudnn_shape *s, enum cudnn_pass pass, int *broken, struct err *e);

#endif
