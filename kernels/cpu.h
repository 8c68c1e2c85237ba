/* The CPU backend inside. Files of own kernels are compiled once for each instruction set level and each type of activations (kernels.mk; vec.h),
   every global name in them through K(); level.c gathers a level's kernels in a table, backend_cpu.c takes the best table that the processor can
   run. */
#ifndef NIIPIPE_CPU_H
#define NIIPIPE_CPU_H

#include "kernels/backend.h"

struct gather;
struct wgrad;

#ifndef K_LEVEL
#define K_LEVEL plain
#endif
#define K_JOIN_(name, level) name##_##level
#define K_JOIN(name, level) K_JOIN_(name, level)
#define K(name) K_JOIN(name, K_LEVEL)

/* As the functions of the same name in backend.h. */
struct cpu_level {
	const char *name;
	int half; /* activations are bfloat16 */
	int amx;  /* its products are AMX's where the processor has that */
	size_t (*norm_scratch)(const struct k_norm *);
	int (*norm_forward)(const struct k_norm *, const struct k_norm_fwd *, void *, struct err *);
	int (*norm_backward)(const struct k_norm *, const struct k_norm_bwd *, void *, struct err *);
	int (*scale)(const struct k_scale *, int, const void *, void *, int, struct err *);
	int (*drop)(const struct k_drop *, const void *, int64_t, void *, int64_t, int64_t, int64_t, int, struct err *);
	int (*gate)(const void *, int64_t, const void *, void *, int64_t, int64_t, int64_t, struct err *);
	int (*gate_back)(const void *, int64_t, const void *, int64_t, const void *, void *, void *, int, int, int64_t, int64_t, struct err *);
	int (*slice_copy)(void *, int64_t, const void *, int64_t, int64_t, int64_t, int, struct err *);
	int (*to_floats)(float *, const void *, int64_t, int64_t, int64_t, struct err *);
	int (*from_floats)(void *, int64_t, const float *, int64_t, int64_t, int, struct err *);
	int (*layer_forward)(const struct k_layer *, const void *, const float *, const float *, void *, float *, float *, struct err *);
	size_t (*layer_scratch)(const struct k_layer *);
	int (*layer_backward)(const struct k_layer *, const void *, const void *, const float *, const float *, const float *, void *, int, float *,
	                      float *, void *, struct err *);
	int (*across_forward)(const struct k_across *, const void *, void *, struct err *);
	int (*across_backward)(const struct k_across *, const void *, const void *, void *, int, struct err *);
	int (*merge_forward)(const struct k_merge *, const void *, void *, struct err *);
	int (*merge_backward)(const struct k_merge *, const void *, void *, int, struct err *);
	int (*pool_forward)(const struct k_pool *, const void *, void *, struct err *);
	int (*pool_backward)(const struct k_pool *, const void *, const void *, void *, int, struct err *);
	size_t (*attention_scratch)(const struct k_attention *, int);
	int (*attention_forward)(const struct k_attention *, const struct k_attention_args *, void *, void *, struct err *);
	int (*attention_backward)(const struct k_attention *, const struct k_attention_args *, const struct k_attention_grads *, void *, struct err *);
	/* out[c] += sum over voxels of x[v][c], the same whatever the threads; scratch of column_scratch bytes */
	size_t (*column_scratch)(int64_t vox, int64_t c);
	void (*column_sum)(const void *x, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch);
	/* direct.h */
	int (*gather_plan)(struct gather *);
	void (*gather_pack)(struct gather *, const float *);
	void (*gather_run)(const struct gather *, const void *, const float *, void *, int, float *);
	int (*wgrad_plan)(struct wgrad *);
	size_t (*wgrad_scratch)(const struct wgrad *);
	void (*wgrad_run)(const struct wgrad *, const void *, const void *, float *, float *);
	/* of fp32's table alone */
	size_t (*loss_scratch)(const struct k_loss *);
	int (*loss)(const struct k_loss *, const float *, const uint8_t *, float *, double *, void *, struct err *);
	int (*optimize)(const struct k_optim *, float *, const float *, float *, float *, int64_t, struct err *);
	int (*lerp)(float *, const float *, double, int64_t, struct err *);
	int (*sum_squares)(const float *, int64_t, double *, struct err *);
};

extern const struct cpu_level cpu_level_plain, cpu_level_v3, cpu_level_v4;
extern const struct cpu_level cpu_level_plain_half, cpu_level_v3_half, cpu_level_v4_half, cpu_level_v4b_half;

size_t K(norm_scratch)(const struct k_norm *g);
int K(norm_forward)(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e);
int K(norm_backward)(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e);
int K(scale)(const struct k_scale *g, int back, const void *from, void *to, int add, struct err *e);
int K(drop)(const struct k_drop *g, const void *from, int64_t xpitch, void *to, int64_t ypitch, int64_t vox, int64_t c, int add, struct err *e);
int K(gate)(const void *from, int64_t xpitch, const void *by, void *to, int64_t ypitch, int64_t vox, int64_t c, struct err *e);
int K(gate_back)(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *gate, void *dx, void *dgate, int add, int gate_add,
	int64_t vox, int64_t c, struct err *e);
int K(slice_copy)(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e);
int K(to_floats)(float *y, const void *from, int64_t xpitch, int64_t vox, int64_t c, struct err *e);
int K(from_floats)(void *to, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add, struct err *e);
int K(layer_forward)(const struct k_layer *g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd,
                     struct err *e);
size_t K(layer_scratch)(const struct k_layer *g);
int K(layer_backward)(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx,
                      int dx_add, float *dgamma, float *dbeta, void *scratch, struct err *e);
int K(across_forward)(const struct k_across *g, const void *x, void *y, struct err *e);
int K(across_backward)(const struct k_across *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e);
int K(merge_forward)(const struct k_merge *g, const void *from, void *to, struct err *e);
int K(merge_backward)(const struct k_merge *g, const void *behind, void *before, int dx_add, struct err *e);
int K(pool_forward)(const struct k_pool *g, const void *x, void *y, struct err *e);
int K(pool_backward)(const struct k_pool *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e);
size_t K(attention_scratch)(const struct k_attention *g, int back);
int K(attention_forward)(const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch, struct err *e);
int K(attention_backward)(const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch,
                          struct err *e);
size_t K(loss_scratch)(const struct k_loss *g);
int K(loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e);
int K(optimize)(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e);
int K(lerp)(float *y, const float *x, double t, int64_t n, struct err *e);
int K(sum_squares)(const float *x, int64_t n, double *out, struct err *e);
size_t K(column_scratch)(int64_t vox, int64_t c);
void K(column_sum)(const void *from, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch);

/* kernels/label.c */
int k_label_down(uint8_t *to, const uint8_t *label, int64_t n, const int64_t small[3], const int factor[3], struct err *e);

/* kernels/conv.c */
struct k_conv *conv_new(const struct k_conv_geom *g, const struct cpu_level *cpu, struct err *e);
void conv_free(struct k_conv *c);
size_t conv_scratch(const struct k_conv *c);
int conv_pack(struct k_conv *c, const float *w, struct err *e);
int conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e);
int conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e);
int conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e);
int conv_identity(float *w, int64_t oc, int64_t taps, struct err *e);

#endif
