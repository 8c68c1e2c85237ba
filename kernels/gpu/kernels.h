/* The kernels' launchers, once for fp32 and once for bf16 activations. Each returns 0 or CUDA's error code; shapes and meanings as in
   kernels/backend.h, pitches never 0. */
#ifndef NIIPIPE_GPU_KERNELS_H
#define NIIPIPE_GPU_KERNELS_H

#include "kernels/backend.h"
#include "kernels/gpu/direct.h"

/* slice .. scale: as backend.h; n: elements of y.
   layer_bwd: scratch of column_bytes. pack: weights [a][b][taps] to [a][taps][b] of activations' type; unpack: fp32 back, added. column_sum: out[c]
   += the sum over v of x[v][c]. Of few channels, bf16 alone: narrow: y = x * w + bias (may be NULL), or with `add` y += that, of weights that
   narrow_pack made; narrow_weights: dw [oc][ic][27] +=, scratch of narrow_weights_bytes; first and first_weights (dw [a][b][taps] +=): from a large
   end of few channels, any kernel, step and padding; grow: to it; g: of the small end as y. Of at most GPU_FEW channels of y, w as `pack` makes it:
   few: 3x3x3, as many of x (back: the data's gradient, of w turned around); point: 1x1x1. twos: 2x2x2 with step 2 and those transposed, bf16 alone,
   of weights that twos_pack made: grow: to the large end; g is of the small one (twos.c). */
enum { GPU_FEW = 4 };

#define GPU_KERNELS(F) \
	F(int, slice, (void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add)) \
	F(int, drop, (struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add)) \
	F(int, gate, (const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch, int64_t vox, int64_t c)) \
	F(int, gate_back, (const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate, int add, int gate_add, \
		int64_t vox, int64_t c)) \
	F(int, across, (struct k_across g, const void *x, void *y)) \
	F(int, across_back, (struct k_across g, const void *dy, const void *x, void *dx, int add)) \
	F(int, merge, (struct k_merge g, const void *x, void *y)) \
	F(int, merge_back, (struct k_merge g, const void *dy, void *dx, int add)) \
	F(int, pool, (struct k_pool g, const void *x, void *y)) \
	F(int, pool_back, (struct k_pool g, const void *dy, const void *x, void *dx, int add)) \
	F(int, scale, (struct k_scale g, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add, int64_t n)) \
	F(size_t, norm_bytes, (const struct k_norm *g)) \
	F(int, norm_fwd, (const struct k_norm *g, const struct k_norm_fwd *a, void *scratch)) \
	F(int, norm_bwd, (const struct k_norm *g, const struct k_norm_bwd *a, void *scratch)) \
	F(int, layer, (struct k_layer g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd)) \
	F(int, layer_bwd, (const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx, \
		int add, float *dgamma, float *dbeta, void *scratch)) \
	F(size_t, attention_bytes, (const struct k_attention *g, int back)) \
	F(int, attention_fwd, (const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch)) \
	F(int, attention_bwd, (const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch)) \
	F(int, pack, (const float *w, void *to, int64_t a, int64_t b, int64_t taps)) \
	F(int, unpack, (const float *from, float *dw, int64_t a, int64_t b, int64_t taps)) \
	F(int, direct_shrink, (struct gpu_direct g, const void *x, const void *w, void *y, int add)) \
	F(int, direct_grow, (struct gpu_direct g, const void *y, const void *w, void *x, int add)) \
	F(int, direct_weights, (struct gpu_direct g, const void *x, const void *y, float *dw)) \
	F(int, narrow, (struct gpu_narrow g, const void *x, const void *packed, const float *bias, void *y, int add)) \
	F(int, narrow_pack, (struct gpu_narrow g, const float *w, void *to, int back)) \
	F(size_t, narrow_weights_bytes, (struct gpu_narrow g)) \
	F(int, narrow_weights, (struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)) \
	F(int, first, (struct gpu_narrow g, struct gpu_direct d, const void *x, const void *packed, const float *bias, void *y, int add)) \
	F(int, first_pack, (int64_t a, int64_t b, int64_t taps, const float *w, void *to)) \
	F(int, grow_fits, (struct gpu_narrow g, struct gpu_direct d)) \
	F(int, grow, (struct gpu_narrow g, struct gpu_direct d, const void *x, const void *packed, const float *bias, void *y, int add)) \
	F(int, grow_pack, (int64_t a, int64_t b, int64_t taps, const float *w, void *to)) \
	F(size_t, first_weights_bytes, (struct gpu_narrow g, struct gpu_direct d)) \
	F(int, first_weights, (struct gpu_narrow g, struct gpu_direct d, const void *large, const void *small, float *dw, void *scratch)) \
	F(int, few, (struct gpu_narrow g, const void *x, const void *w, const float *bias, void *y, int add, int back)) \
	F(size_t, few_weights_bytes, (struct gpu_narrow g)) \
	F(int, few_weights, (struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)) \
	F(int, point, (struct gpu_narrow g, const void *x, const void *w, const float *bias, void *y)) \
	F(int, point_back, (struct gpu_narrow g, const void *dy, const void *w, void *dx, int add)) \
	F(size_t, point_weights_bytes, (struct gpu_narrow g)) \
	F(int, point_weights, (struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)) \
	F(int, twos, (struct gpu_narrow g, int grow, const void *from, const void *packed, const float *bias, void *to, int add)) \
	F(int, twos_pack, (struct gpu_narrow g, int grow, const float *w, void *to)) \
	F(size_t, twos_bytes, (struct gpu_narrow g)) \
	F(int, twos_weights, (struct gpu_narrow g, const void *small, const void *large, float *dw, void *scratch)) \
	F(int, add_bias, (void *y, int64_t pitch, const float *bias, int64_t vox, int64_t c)) \
	F(size_t, column_bytes, (int64_t vox, int64_t c)) \
	F(int, column_sum, (const void *x, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch)) \
	F(int, to_floats, (float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c)) \
	F(int, from_floats, (void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add))

#define GPU_FIELD(ret, name, args) ret (*name) args;
#define GPU_DECLARE(ret, name, args) ret gpu_##name##_f32 args; ret gpu_##name##_bf16 args;

struct gpu_kernels { GPU_KERNELS(GPU_FIELD) };

#ifdef __cplusplus
extern "C" {
#endif

GPU_KERNELS(GPU_DECLARE)

const struct gpu_kernels *gpu_kernels(int bf16);

/* Of fp32 alone */
enum { GPU_SQUARES = 65536 }; /* values a partial sum */
int gpu_fold(int64_t parts, int64_t a, int64_t taps, int64_t b, const float *part, float *dw); /* dw [a][b][taps] += part [parts][a][taps][b] */
int gpu_identity(float *w, int64_t oc, int64_t taps);
size_t gpu_loss_bytes(const struct k_loss *g);
float *gpu_loss_weights(const struct k_loss *g, void *scratch); /* where weights of classes are put before, if there are any */
float *gpu_loss_regions(const struct k_loss *g, void *scratch); /* and the table of regions, its bits */
/* K_LOSS_RESULTS go to out, of the device; NULL: to the beginning of scratch */
int gpu_loss_run(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double *out, void *scratch);
int gpu_window_gather(struct k_gather g, const float *image, float *x);
int gpu_window_blend(struct k_blend g, const float *logits, float *acc, float *sum);
int gpu_pace(const struct k_optim *a, double t, struct k_pace *to);
int gpu_optimize(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n);
int gpu_lerp(float *y, const float *x, float part, int64_t n);
int gpu_average(float *y, const float *x, int64_t n, const struct k_pace *pace, const struct k_verdict *v);
int gpu_squares(const float *x, int64_t n, double *part); /* [n / GPU_SQUARES, rounded up] */
int gpu_judge(const double *part, int64_t parts, double scale, double clip, const double *loss, int64_t losses, struct k_verdict *v);
int gpu_number(uint64_t *to, uint64_t first, uint64_t step, int64_t n);
struct gpu_few { float v[256]; };
int gpu_put_few(struct gpu_few from, float *to, int64_t n); /* the host's numbers, without a copy that would be waited for */
int gpu_window_divide(float *y, const float *acc, const float *sum, int64_t vox, int64_t k, float first, float rest);
int gpu_window_decide(struct k_decide g, const float *acc, const float *sum, int64_t vox, uint8_t *pred);
int64_t gpu_window_parts(const int64_t roi[3]); /* sums that a window's are first */
int gpu_window_spread(struct k_blend g, float near, const float *logits, const float *acc, const float *sum, int64_t parts,
	double *part); /* [2][parts] */
int gpu_window_apart(const double *part, int64_t parts, struct k_apart *apart); /* what window_spread left is added */
enum { GPU_DOUBTS = 8 };
struct gpu_doubts { struct k_doubt of[GPU_DOUBTS]; };
int gpu_window_doubt(struct gpu_doubts g, int64_t n, int64_t parts, double *part); /* [n][parts] */
int gpu_window_count(struct k_unsure u, const float *acc, const float *sum, int64_t vox, int64_t k, double *part);
int gpu_label_down(uint8_t *to, const uint8_t *label, int64_t planes, int64_t h, int64_t w, int fd, int fh, int fw);

#ifdef __cplusplus
}
#endif

#endif
