/* oneDNN's convolutions on dense n,d,h,w,c activations. The only door to oneDNN: onednn.c alone knows its 2.x and 3.x C interfaces. */
#ifndef NIIPIPE_ONEDNN_H
#define NIIPIPE_ONEDNN_H

#include "kernels/backend.h"

struct dnn_conv; /* primitives, packed weights */

/* Geometry as in backend.h; pitches are not looked at. half: activations are bfloat16, for which oneDNN wants AVX-512. weights: its gradients
   are asked for, which in bf16 takes copies of x and dy. NULL and an error where oneDNN has no such convolution. */
struct dnn_conv *dnn_conv_new(const struct k_conv_geom *g, int half, int weights, struct err *e);
void dnn_conv_free(struct dnn_conv *c);
size_t dnn_conv_scratch(const struct dnn_conv *c);

/* bias NULL: none. y and dx are written; dw [as w] is added to. Weight gradients depend on the number of threads. */
int dnn_conv_pack(struct dnn_conv *c, const float *w, struct err *e);
int dnn_conv_forward(struct dnn_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e);
int dnn_conv_backward_data(struct dnn_conv *c, const void *dy, void *dx, void *scratch, struct err *e);
int dnn_conv_backward_weights(struct dnn_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e);

/* Has the processor AMX, and may oneDNN use it (DNNL_MAX_CPU_ISA)? */
int dnn_amx(void);

/* "2.6.3" */
const char *dnn_version(void);

#endif
