/* One convolution pass through cuDNN's graph API, channels innermost. The only door to cuDNN. */
#ifndef NIIPIPE_GPU_CUDNN_H
#define NIIPIPE_GPU_CUDNN_H

#include "kernels/backend.h"

enum { CUDNN_MOST = 100 }; /* plans of a shape */
enum cudnn_pass { CUDNN_PASS_FORWARD, CUDNN_PASS_DATA, CUDNN_PASS_WEIGHTS };

/* A convolution of n,c,d,h,w to k: the smaller end (of a strided one) is y. Pitches: of a voxel of x and of y; where one is that of a wider
   value, its place in that is a multiple of what both it and the channels are multiples of. x, y and w are fp32, or bf16; dw is fp32, or with
   half_dw bf16. tf32: products of fp32 may be of TF32. bias (forward): y is the convolution and a bias [k] of y's type. add (forward, data): what is
   written is added to what is there. */
struct cudnn_shape {
	int64_t n, c, k, x[3], y[3], kernel[3], stride[3], pad[3], xpitch, ypitch;
	int bf16, half_dw, tf32, bias, add;
};

struct cudnn_conv; /* an execution plan; opaque */

/* For tests where no GPU is: a device in cuDNN's JSON, for which plans are made that cannot be run; NULL: the one that gpu_open took. */
extern const char *cudnn_elsewhere;

/* The first plans, at most `most`, that cuDNN's heuristics name, best first, that are deterministic and, of fp32 without tf32, keep all its bits: how
   many, each freed by cudnn_conv_free. 0 and an error: there are none, or cuDNN does not start; *broken says which (may be NULL). */
int cudnn_conv_all(const struct cudnn_shape *s, enum cudnn_pass pass, int most, struct cudnn_conv **all, int *broken, struct err *e);

/* Number `which` of these, from 0; NULL and an error. */
struct cudnn_conv *cudnn_conv_new(const struct cudnn_shape *s, enum cudnn_pass pass, int which, int *broken, struct err *e);
void cudnn_conv_free(struct cudnn_conv *c); /* NULL is fine */
size_t cudnn_conv_workspace(const struct cudnn_conv *c);

/* Are these pointers aligned as the plan takes them? */
int cudnn_conv_fits(const struct cudnn_conv *c, const void *x, const void *w, const void *y);

/* x, w, y of the pass: two are read, the third is written; bias: at a multiple of its elements' size, not looked at where the shape has none */
int cudnn_conv_run(struct cudnn_conv *c, const void *x, const void *w, const void *y, const void *bias, void *workspace, struct err *e);

const char *cudnn_version(void);

#endif
