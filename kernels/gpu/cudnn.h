/* One convolution pass through cuDNN's graph API, channels innermost. The only door to cuDNN. */
#ifndef NIIPIPE_GPU_CUDNN_H
#define NIIPIPE_GPU_CUDNN_H

#include "kernels/backend.h"

enum cudnn_pass { CUDNN_PASS_FORWARD, CUDNN_PASS_DATA, CUDNN_PASS_WEIGHTS };

/* A convolution of n,c,d,h,w to k: the smaller end (of a strided one) is y. Pitches: of a voxel of x and of y. dw is fp32, x, y and w fp32 or bf16.
   */
struct cudnn_shape {
	int64_t n, c, k, x[3], y[3], kernel[3], stride[3], pad[3], pad_end[3], xpitch, ypitch;
	int bf16;
};

struct cudnn_conv; /* an execution plan; opaque */

/* The first plan cuDNN's heuristics name that is deterministic and, of fp32, keeps all its bits. NULL and an error. */
struct cudnn_conv *cudnn_conv_new(const struct cudnn_shape *s, enum cudnn_pass pass, struct err *e);
void cudnn_conv_free(struct cudnn_conv *c); /* NULL is fine */
size_t cudnn_conv_workspace(const struct cudnn_conv *c);

/* x, w, y of the pass: two are read, the third is written. */
int cudnn_conv_run(struct cudnn_conv *c, const void *x, const void *w, const void *y, void *workspace, struct err *e);

const char *cudnn_version(void);

#endif
