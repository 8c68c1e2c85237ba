/* What the GPU backend needs of a device: CUDA's (cuda.c) or, in tests, this machine in a GPU's place (tests/sim). */
#ifndef NIIPIPE_GPU_RUNTIME_H
#define NIIPIPE_GPU_RUNTIME_H

#include "kernels/backend.h"

extern struct k_backend gpu_table_f32, gpu_table_bf16; /* table.c */
extern void *gpu_stream; /* of K_COMPUTE, on which all kernels run */
extern int gpu_tf32;     /* products of fp32 may be of TF32 */

/* Is a word among those of NIIPIPE_CUDA (separated by commas)? sync: every call is waited for, so that an error names its kernel; managed: the
   same, and memory that the host reaches too, so that unit tests may look into it; direct: no library for convolutions; plain: no cuBLASLt;
   libraries: no kernels for few channels; report: who makes which convolution, on standard error; serial: the three lines are one, and every copy is
   waited for; nographs: nothing is recorded. */
int gpu_asked(const char *word);

/* Take device `index`: its name into gpu_name. 0, or -1 and an error that says what is missing. */
int gpu_open(int index, struct err *e);
extern char gpu_name[120];

void *gpu_alloc(size_t bytes, struct err *e);
void gpu_release(void *p);
int gpu_copy(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e); /* done when it returns, but K_ON_DEVICE */
int gpu_zero(void *p, size_t bytes, struct err *e);

size_t gpu_available(void); /* bytes; 0: not known */
void *gpu_host_alloc(size_t bytes, struct err *e); /* on any thread; copies go straight to and from it */
void gpu_host_release(void *p);

/* Stop watch of what runs on the stream: NULL starts it, else milliseconds since. */
int gpu_clock(double *ms, struct err *e);

/* A kernel's code: 0, or -1 and an error that names `what`. Kernels are done later: what they do wrong comes out wherever something is waited for,
   and is said to be of `what` was last checked, or before. */
int gpu_check(int code, const char *what, struct err *e);

int gpu_failed(int code, const char *what, struct err *e); /* -1 and the error of a code */
int gpu_lost(struct err *e);

/* lines.c: as backend.h has them. */
int gpu_queue(enum k_line l, void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e);
struct k_mark *gpu_mark_new(struct err *e);
void gpu_mark_free(struct k_mark *m);
int gpu_mark(struct k_mark *m, enum k_line l, struct err *e);
int gpu_follow(enum k_line l, struct k_mark *m, struct err *e);
int gpu_await(struct k_mark *m, struct err *e);
int gpu_between(struct k_mark *from, struct k_mark *to, double *seconds, struct err *e);
int gpu_record(struct err *e);
struct k_record *gpu_recorded(struct err *e);
int gpu_replay(struct k_record *r, struct err *e);
void gpu_record_free(struct k_record *r);

/* Convolutions: kernels/gpu/conv.c. As backend.h has them. */
struct k_conv *gpu_conv_new(const struct k_conv_geom *g, int bf16, struct err *e);
void gpu_conv_free(struct k_conv *c);
size_t gpu_conv_scratch(const struct k_conv *c);
int gpu_conv_pack(struct k_conv *c, const float *w, struct err *e);
int gpu_conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e);
int gpu_conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e);
int gpu_conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e);
const char *gpu_conv_version(void);

#endif
