/* What a device does for the engine: one table of functions, filled by a shared object (niipipe-cpu.so, niipipe-cuda.so) that tools load
   with dlopen (lib/net/device.h); its one exported symbol is k_backend_get.

   Layout: activations are N,D,H,W,C, channels innermost, D,H,W = Z,Y,X, fp32. `vox` is n*d*h*w. A pitch is the number of elements from one voxel to
   the next, >= c: a value may live in a slice of a wider one (concat without copy). Pitch 0 means dense (= c).
   Parameters and their gradients are fp32 in PyTorch's layouts: convolution [OC,IC,D,H,W], transposed [IC,OC,D,H,W], vectors [C].
   Pointers are device memory unless said otherwise. Scratch is device memory of the size the matching *_scratch function says; it carries nothing
   from
   one call to the next. Functions return 0, or -1 and an error; they are called from one thread.
   Results depend on the input alone, not on the number of threads, where a comment does not say otherwise. Levels of instruction sets differ in
   rounding.
   A convolution keeps the number of threads it was made with: conv_scratch is for these. */
#ifndef NIIPIPE_BACKEND_H
#define NIIPIPE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { K_ABI = 2 }; /* raised with every change of this header */

enum k_copy { K_TO_DEVICE, K_TO_HOST, K_ON_DEVICE };

/* A convolution's geometry; arrays are d,h,w. Cross-correlation as in PyTorch:
   conv:        out = (in + 2 pad - kernel) / stride + 1
   transposed:  out = (in - 1) stride - 2 pad + kernel + output_padding, 0 <= output_padding < stride (given by `out`). */
struct k_conv_geom {
	int64_t n, ic, oc;
	int64_t in[3], out[3];
	int kernel[3], stride[3], pad[3];
	int transposed;
	int train;               /* backward will be called */
	int64_t xpitch, ypitch;  /* of x (and dx) and of y (and dy) */
};

struct k_conv; /* opaque: primitives and packed weights */

/* y = act(norm(x)) + res, any of the three absent; and, where y2 is not NULL, the same written there too (a concat's slice).
   instance: mean and biased variance per (n, c) over d*h*w; rstd = 1/sqrt(var + eps). Accumulated so that 1e-6 relative holds at 1e8 voxels.
   prelu:  x > 0 ? x : alpha[c or 0] x;  lrelu: the same with the constant slope.
   y may be x, or res (written in place), where their pitches are equal. */
enum k_norm_kind { K_NORM_NONE, K_NORM_INSTANCE };
enum k_act_kind { K_ACT_NONE, K_ACT_RELU, K_ACT_LRELU, K_ACT_PRELU };
struct k_norm {
	int64_t n, vox, c;    /* vox here: d*h*w of one n */
	enum k_norm_kind norm;
	enum k_act_kind act;
	float eps, slope;
	int64_t alphas;       /* length of alpha: 1 or c */
	int64_t xpitch, ypitch, rpitch, y2pitch;
};

/* The pointers of one application. Statistics: mean, rstd [n,c], written forward, read backward. gamma, beta NULL: no affine. */
struct k_norm_fwd { const float *x, *gamma, *beta, *alpha, *res; float *y, *y2, *mean, *rstd; };

/* dy (ypitch), optionally + dy2 (y2pitch): the gradient of y. dx is written (dx_add: added to). dgamma, dbeta, dalpha are added to; NULL: not wanted.
   The gradient of res is dy + dy2: dres (rpitch; NULL: not wanted) is written, or added to with dres_add. dres may be dy itself (rpitch = ypitch):
   then dy2
   is added to it in place, and where dy2 is NULL nothing is to be done for it. dx (xpitch) may be dy (xpitch = ypitch), when dres is not. */
struct k_norm_bwd {
	const float *dy, *dy2, *x, *gamma, *beta, *alpha, *mean, *rstd;
	float *dx, *dres, *dgamma, *dbeta, *dalpha;
	int dx_add, dres_add;
};

/* Losses over logits [n,vox,k] (k classes, dense) and labels [n,vox], as MONAI defines them (DEFINITIONS 5.4): softmax over k, then
   dice: 1 - (2 I + smooth) / (D + smooth) per (n, class), mean; D of squares where squared; batch: sums over n first;
   ce: mean over voxels of -log softmax. total = w_dice dice + w_ce ce. */
struct k_loss {
	int64_t n, vox, k;
	float w_dice, w_ce;      /* 0: term absent */
	int squared, batch, background; /* background: class 0 counts in dice */
	float smooth_nr, smooth_dr;
};

/* One AdamW step (Loshchilov & Hutter; PyTorch's order of operations): w -= lr wd w; m, v; w -= lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + eps) */
struct k_adamw { double lr, beta1, beta2, eps, decay; int64_t step; /* t, from 1 */ };

/* Sliding windows over an image [c,Z,Y,X] (host memory on the CPU, device memory else), see lib/net/window.h. flip: bit a says that axis a
   (d,h,w = 0,1,2) runs backwards in the window's input and logits. */
enum k_pad { K_PAD_CONSTANT, K_PAD_REFLECT, K_PAD_REPLICATE, K_PAD_CIRCULAR }; /* as PyTorch's; reflect: less than the size, circular: at most it */
struct k_gather {
	int64_t c, size[3];    /* image: Z,Y,X */
	int64_t roi[3];        /* window: d,h,w */
	int64_t start[3];      /* of the window in the image, may be negative or reach outside: there `pad` says what stands */
	int flip;
	enum k_pad pad;
	float fill;            /* of K_PAD_CONSTANT */
};
struct k_blend {
	int64_t k, roi[3];
	int64_t slab[3];       /* accumulator [slab z][y][x][k] and weight sum [slab z][y][x] */
	int64_t start[3];      /* of the window in the slab; parts outside are left out */
	int flip;
	int soft;              /* not the logits count but their probabilities: softmax over k, of a single class the sigmoid */
};
struct k_unsure {
	int64_t k, slab[3];    /* as k_blend */
	int64_t start[3], size[3]; /* a box of the slab; it goes round the slab's end in z */
	float lead;            /* unsure: the best class leads the next by less (of a single class: it is that near to `middle`) */
	float middle;
};

struct k_backend {
	int abi;
	const char *name;      /* "cpu" */
	char device[128];      /* what runs it, for --verbose: "avx2, 2 threads, oneDNN 2.6.3" */

	void *(*alloc)(size_t bytes, struct err *e); /* aligned to 64; free with release */
	void (*release)(void *p);
	int (*copy)(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e);
	int (*zero)(void *p, size_t bytes, struct err *e);

	/* Convolutions. conv_pack takes the weights into the object's own layout: after every change of w, before forward or backward_data.
	   bias may be NULL. dx: written, or added to. dw, db (NULL: not wanted): added to. dx_add like dres_add.
	   On the CPU kernels above 16 or strides above 8 on an axis are oneDNN's, whose weight gradients may depend on the number of threads. */
	struct k_conv *(*conv_new)(const struct k_conv_geom *g, struct err *e);
	void (*conv_free)(struct k_conv *c);
	size_t (*conv_scratch)(const struct k_conv *c);
	int (*conv_pack)(struct k_conv *c, const float *w, struct err *e);
	int (*conv_forward)(struct k_conv *c, const float *x, const float *bias, float *y, void *scratch, struct err *e);
	int (*conv_backward_data)(struct k_conv *c, const float *dy, float *dx, int dx_add, void *scratch, struct err *e);
	int (*conv_backward_weights)(struct k_conv *c, const float *x, const float *dy, float *dw, float *db, void *scratch, struct err *e);

	size_t (*norm_scratch)(const struct k_norm *g);
	int (*norm_forward)(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e);
	int (*norm_backward)(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e);

	/* y[v][0..c) = x[v][0..c), or += ; pitches in elements */
	int (*slice_copy)(float *y, int64_t ypitch, const float *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e);

	/* label: one byte a voxel. out (host): total, dice, ce. dlogits NULL: the value only. A label >= k is an error that names the voxel. */
	size_t (*loss_scratch)(const struct k_loss *g);
	int (*loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e);

	int (*adamw)(const struct k_adamw *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e);
	int (*sum_squares)(const float *x, int64_t n, double *out, struct err *e); /* out: host */

	int (*window_gather)(const struct k_gather *g, const float *image, float *x, struct err *e);
	int (*window_blend)(const struct k_blend *g, const float *logits, const float *weight, float *acc, float *sum, struct err *e);
	/* acc[v][:] /= sum[v]; where the sum is 0 no window came: class 0 gets none[0], the others none[1] */
	int (*window_divide)(float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e);
	/* *found (host): is a voxel of the box unsure? Voxels no window came to are not. */
	int (*window_unsure)(const struct k_unsure *g, const float *acc, const float *sum, int *found, struct err *e);
};

/* The one exported symbol. index: which device (0 on the CPU). The table is valid for the life of the process. NULL and an error. */
typedef const struct k_backend *k_backend_get_fn(int abi, int index, struct err *e);
k_backend_get_fn k_backend_get;

#endif
