/* A convolution on a GPU, by what its passes are made. Private to conv*.c. */
#ifndef NIIPIPE_GPU_CONV_H
#define NIIPIPE_GPU_CONV_H

#include "kernels/geom.h"
#include "kernels/gpu/cudnn.h"
#include "kernels/gpu/kernels.h"

enum { FORWARD, DATA, WEIGHTS, PASSES };

/* What makes a pass: a product or a plan (the second one with a bias, or adding), kernels for few channels, or with none of them direct.c. dense: x
   and y through dense copies, where they are slices. narrow: tensor cores' kernels for few channels, of packed weights; few: those for at most
   four of y */
struct pass { struct product *product[2]; struct cudnn_conv *plan[2]; int narrow, few, dense, half_dw; void *packed; };

struct k_conv {
	struct k_conv_geom g;
	int bf16;
	struct k_conv_dims d;
	struct pass pass[PASSES];
	void *w, *bias;         /* [a][taps][b], [oc] on the device */
};

static inline size_t size_of(const struct k_conv *c)
{
	return c->bf16 ? 2 : 4;
}

static inline const struct gpu_kernels *own(const struct k_conv *c)
{
	return gpu_kernels(c->bf16);
}

static inline int64_t weights(const struct k_conv *c)
{
	return c->d.a * c->d.b * c->d.taps;
}

/* Are all axes of this kernel, odd, with step 1 and y as large as x? */
static inline int is_cube(const struct k_conv_geom *g, int kernel)
{
	int yes = 1;

	for (int i = 0; i < 3; i++)
		yes &= g->kernel[i] == kernel && g->stride[i] == 1 && g->pad[i] == kernel / 2;
	return yes;
}

struct gpu_direct gpu_conv_direct(const struct k_conv *c);

/* Few channels (conv_narrow.c): pass.narrow, if a pass is theirs, and memory for packed weights; weights packed; a pass made, of aligned values. */
int gpu_narrow_take(struct k_conv *c, int which, struct err *e);
int gpu_narrow_pack(const struct k_conv *c, const float *w, struct err *e);
int gpu_narrow_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add, struct err *e);
size_t gpu_narrow_scratch(const struct k_conv *c); /* of the weights' gradient */
int gpu_narrow_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e);

/* At most four channels of y (conv_few.c): pass.few, if a pass is theirs, which is returned; and the passes made, of 1x1x1 from an aligned x, or to
   an aligned gradient of it. */
int gpu_few_take(struct k_conv *c, int which);
int gpu_few_forward(const struct k_conv *c, const void *x, const float *bias, void *y, struct err *e);
int gpu_few_data(const struct k_conv *c, const void *dy, void *dx, int add, struct err *e);
size_t gpu_few_scratch(const struct k_conv *c); /* of the weights' gradient */
int gpu_few_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e);

#endif
