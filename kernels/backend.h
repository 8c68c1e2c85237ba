/* What a device does for the engine: one table of functions, filled by a shared object (niipipe-cpu.so, niipipe-cuda.so) that tools load
   with dlopen (lib/net/run/device.h); its one exported symbol is k_backend_get.

   Layout: activations and their gradients are N,D,H,W,C, channels innermost, D,H,W = Z,Y,X, and of the table's precision: void * here, floats or
   bfloat16. Everything else is fp32, and so is all arithmetic but for the factors of a convolution's products. `vox` is n*d*h*w. A pitch is the
   number of elements from one voxel to the next, >= c: a value may live in a slice of a wider one (concat without copy). Pitch 0 means dense (= c).
   Parameters and their gradients are fp32 in PyTorch's layouts: convolution [OC,IC,D,H,W], transposed [IC,OC,D,H,W], vectors [C].
   Pointers are device memory unless said otherwise. Scratch is device memory of the size the matching *_scratch function says; it carries nothing
   from one call to the next. Functions return 0, or -1 and an error; they are called from one thread.
   Results depend on the input alone, not on the number of threads, where a comment does not say otherwise. Levels of instruction sets differ in
   rounding. A convolution keeps the number of threads it was made with: conv_scratch is for these. */
#ifndef NIIPIPE_BACKEND_H
#define NIIPIPE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "kernels/slide.h"

enum { K_ABI = 20 }; /* raised with every change of this header, whose other lines have the cksum 980548766 */

/* Where a GPU's backend cannot be, said by it and by who need not load it to know */
#define K_NO_DRIVER "cuda: there is no NVIDIA driver here"

/* auto: bf16 where the device is quicker with it; tf32: fp32, but factors of convolutions' and matrices' products are rounded to TF32 (a GPU's) */
enum k_precision { K_AUTO, K_FP32, K_BF16, K_TF32 };

enum k_copy { K_TO_DEVICE, K_TO_HOST, K_ON_DEVICE };

/* A device with memory of its own has three lines; what is put on one is done in this order, beside what is on the others, and after the call has
   returned. All that this table does is put on K_COMPUTE, but for `queue`. A mark is a place on a line. */
enum k_line { K_COMPUTE, K_IN, K_OUT };
struct k_mark;   /* opaque */
struct k_record; /* opaque: calls that are done again as one */

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
	int part;                /* a stretch of a convolution's planes: along d, what is missing behind `in` is zeros too, or not needed. The CPU's alone */
};

struct k_conv; /* opaque: primitives and packed weights */

/* y = act(norm(x)) + res, or, where `after`, act(norm(x) + res); any of the three absent; and, where y2 is not NULL, the same written there too
   (a concat's slice).
   Mean and biased variance, rstd = 1/sqrt(var + eps), accumulated so that 1e-6 relative holds at 1e8 voxels, are taken over
     instance: d*h*w of one n and channel;  group: the same, c / groups channels together;  batch: one channel of all n;
     running: nothing, they are given (batch normalisation in inference).
   relu; lrelu: x > 0 ? x : slope x;  prelu: x > 0 ? x : alpha[c or 0] x;  elu: x > 0 ? x : slope (exp(x) - 1);  gelu: x Phi(x), the exact one;
   swish: x sigmoid(slope x);  mish: x tanh(log(1 + exp(x)));  sigmoid;  tanh;  relu6: min(max(x, 0), 6);  selu: 1.0507.. elu of slope 1.6732..;
   celu: x > 0 ? x : slope (exp(x / slope) - 1), slope > 0;  gelu_tanh: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
   y may be x, or res (written in place), where their pitches are equal. */
enum k_norm_kind { K_NORM_NONE, K_NORM_INSTANCE, K_NORM_GROUP, K_NORM_BATCH, K_NORM_RUNNING };
enum k_act_kind { K_ACT_NONE, K_ACT_RELU, K_ACT_LRELU, K_ACT_PRELU, K_ACT_ELU, K_ACT_GELU, K_ACT_SWISH, K_ACT_MISH, K_ACT_SIGMOID, K_ACT_TANH,
	K_ACT_RELU6, K_ACT_SELU, K_ACT_CELU, K_ACT_GELU_TANH };
/* batch, of several processes together: adds sums[n] (host memory) up over all of them, in place. */
struct k_ranks { int (*add)(void *arg, double *sums, int64_t n, struct err *e); void *arg; };
struct k_norm {
	int64_t n, vox, c;    /* vox here: d*h*w of one n */
	enum k_norm_kind norm;
	enum k_act_kind act;
	int after;
	int single;           /* sums go voxel by voxel even where pitches are c: the same bits as with wider ones */
	int given;            /* mean and rstd are not taken but read: the y of before once more */
	float eps, slope;
	float momentum;       /* batch, instance (the mean of all n): running = (1 - momentum) running + momentum (mean, or variance with n - 1) */
	int64_t groups;       /* group: divides c */
	int64_t alphas;       /* length of alpha: 1 or c */
	const struct k_ranks *ranks; /* batch: whose statistics are taken together; NULL: this process's alone. Parameters' gradients are its own. */
	int64_t xpitch, ypitch, rpitch, dpitch, y2pitch; /* dpitch: of dres */
};

/* The pointers of one application. Statistics: mean, rstd [n,c], written forward, read backward. gamma, beta NULL: no affine.
   running_mean, running_var [c]: read by `running`, brought up to date by `batch` and `instance` (NULL: not wanted). */
struct k_norm_fwd {
	const void *x, *res;
	void *y, *y2;
	const float *gamma, *beta, *alpha;
	float *mean, *rstd, *running_mean, *running_var;
};

/* dy (ypitch), optionally + dy2 (y2pitch): the gradient of y. dx is written (dx_add: added to). dgamma, dbeta, dalpha are added to; NULL: not wanted.
   The gradient of res is dy + dy2: dres (dpitch; NULL: not wanted) is written, or added to with dres_add. dres may be dy itself (dpitch = ypitch):
   then dy2 is added to it in place, and where dy2 is NULL nothing is to be done for it. dx (xpitch) may be dy (xpitch = ypitch), when dres is not.
   With `after` res is read again, its gradient is that behind the activation, and dres is neither dy nor dx. */
struct k_norm_bwd {
	const void *dy, *dy2, *x, *res; /* res: with `after`, else NULL */
	void *dx, *dres;
	int dx_add, dres_add;
	const float *gamma, *beta, *alpha, *mean, *rstd;
	float *dgamma, *dbeta, *dalpha;
};

/* Layer normalisation over the channels of each voxel (PyTorch's LayerNorm): y = gamma (x - mean) rstd + beta, biased variance. Dense, of vox voxels
   of c channels. gamma, beta NULL: none. */
struct k_layer { int64_t vox, c; float eps; };

/* What a voxel's channels x make of each other; dense, of vox voxels of c channels.
   softmax: exp(x[i]) / sum exp(x);  log_softmax: its logarithm;  local (torch local_response_norm):
   x[i] / (k + alpha / size sum x[j]^2)^beta over the j from i - size / 2 to i + (size - 1) / 2 that there are. */
enum k_across_kind { K_ACROSS_NONE, K_SOFTMAX, K_LOG_SOFTMAX, K_LOCAL };
enum { K_LOCAL_MOST = 255 }; /* size, at most */
struct k_across { enum k_across_kind kind; int64_t vox, c; int size; float alpha, beta, k; };

/* y = x m, m = 1 / (1 - rate) or, with probability rate, 0: element i of [vox,c] takes word i % 4 of Philox 4x32-10 at (key, counter i/4, at).
   span > 0: one draw for each channel of span voxels, i = their number * (c rounded up to 4) + channel.
   alpha (PyTorch's AlphaDropout; not with a span): what would be 0 becomes SELU's lowest value, A = -1.7581, and then, so that mean 0 and variance 1
   stay, y = s (x or A) - s A rate with s = 1 / sqrt((1 - rate) (1 + rate A^2)); K_ALPHA_BACK: of a gradient, y = s (x or 0).
   more (device memory; NULL, as always on the CPU: nothing) is added to at[1], at[2] as one number: calls that are recorded draw others each time. */
enum k_alpha { K_ALPHA_NONE, K_ALPHA, K_ALPHA_BACK };
#define K_ALPHA_LOWEST (-1.7580993408473766f)
struct k_drop { float rate; uint32_t key[2], at[3]; int64_t span; enum k_alpha alpha; const uint64_t *more; };

/* Windowed multi-head self-attention with relative position bias (MONAI's SwinTransformerBlock, forward_part1 between its norm and its projection):
   the volume is padded with zeros to whole windows at its ends, rolled by -shift, and cut into windows; within each, softmax(scale q k' + bias)
   weighs v; where shift is above 0 on some axis, tokens of regions that were not neighbours are kept apart by -100; then rolled back and cropped.
   Channels of qkv: [3][heads][c / heads]; padding's q, k, v are the projection's bias. */
struct k_attention {
	int64_t n, c, heads, size[3]; /* tokens: n, D,H,W */
	int64_t window[3], shift[3];  /* in use; shift 0 <= shift < window */
	int64_t table[3];             /* the window that the table of position bias ([(2 d - 1)(2 h - 1)(2 w - 1)][heads]) was made for, >= window;
	                                 where there is no table, window */
	float scale;
	int turned;                   /* tokens of a window, and rows of the table, count w,h,d: d runs fastest */
};
/* qkv [n,D,H,W,3c], bias [3c] (NULL: 0), table (NULL: 0). drop.rate > 0: dropout of what weighs v; key j of query i of a window and head is element
   ((window heads + head) T + i) U + j, window counting n,D,H,W, T and U the tokens of a window rounded up to 4 and 64; span is not looked at. */
struct k_attention_args { const void *qkv; const float *bias, *table; struct k_drop drop; };
struct k_attention_grads { const void *dy; void *dqkv; float *dbias, *dtable; }; /* written; added to: padding's share (NULL: no); likewise */

/* Patch merging: y [n,D/2,H/2,W/2][8][c]: part i of a voxel is the voxel of its 2x2x2 block that order[i] says: 4 d + 2 h + w. D,H,W are even.
   parts 4, not 8: y [n,D,H/2,W/2][4][c], of blocks of 1x2x2. */
struct k_merge { int64_t n, c, size[3]; int parts; unsigned char order[8]; };

/* Max pooling: y [n,small,c] = the largest of the factor's voxels of x [n,large,c], large / factor rounded down = small; dense. What is left over at
   the ends is read by none. Back, dy is the first's of those that are as large, d, h, w in order. */
enum { K_POOL_MOST = 64 }; /* of a voxel's factor, all axes together, at most */
struct k_pool { int64_t n, c, small[3], large[3]; int factor[3]; };

/* A change of resolution by whole factors, small * factor = large on each axis.
   mean: y (small) = mean over the factor's voxels (average pooling);  linear: y (large) = trilinear interpolation, half-pixel centres, the edge
   repeated (PyTorch's interpolate with align_corners False). */
enum k_scale_kind { K_SCALE_MEAN, K_SCALE_LINEAR };
struct k_scale {
	enum k_scale_kind kind;
	int64_t n, c, small[3];
	int factor[3];           /* 1..16 */
	int64_t xpitch, ypitch;
};

/* Losses over logits l [n,vox,k] (k channels, dense) and labels [n,vox], as MONAI, PyTorch and nnU-Net define them:
   total = w_dice overlap + w_ce entropy. p = softmax(l) over the channels and g = the one-hot label; of k = 1: p = sigmoid(l), g = label (0 or 1).
   Of regions, which overlap: p = sigmoid(l), each channel by itself, g = is the label in the channel's region; ce is bce, and all channels count.

   overlap (monai/losses/dice.py, tversky.py), with I = sum p g, P = sum p (squared: p^2), G = sum g over a volume (batch: over all n), the
   channels without 0 where not `background` (k > 1):
     dice, jaccard, tversky: mean over (n, c) of weight[c] (1 - (s I + nr) / (s (I + a (P - I) + b (G - I)) + dr))
                             with s, a, b = 2, 1/2, 1/2; 2, 1, 1; 1, alpha, beta; weight counts for dice and jaccard, k > 1
     generalised:            mean over n of 1 - (2 sum_c v I + nr) / (sum_c v (P + G) + dr), v = G^-power, where G = 0 the largest v of the others
   entropy:
     ce (torch cross_entropy): sum over voxels of (1 - smoothing) weight[y] (-log p_y) + smoothing/k sum_c weight[c] (-log p_c), over sum weight[y]
     bce, and ce of k = 1 (torch binary_cross_entropy_with_logits, pos_weight = weight): mean over (n, v, c), against the one-hot label
     focal (monai/losses/focal_loss.py): with z = l or, where g = 0, -l: mean over (n, v, c) of weight[c] (pos or, g = 0, neg)
                             (1 - sigmoid(z))^gamma (-log sigmoid(z)), c without 0 where not `background`
     focal_softmax (the same with use_softmax, k > 1): mean over (n, v, c) of weight[c] (pos or, c = 0, neg) g (1 - p)^gamma (-log p), c without 0,
                             and p the softmax without channel 0, where not `background`
   Voxels labelled `ignore` (where `masked`; nnU-Net's ignore label, MONAI's ignore_index) are in none of the sums; bce and the focal losses are
   then divided by the number of the others, not times k, as both peers do. Where all are ignored the entropy is 0. */
enum k_overlap { K_DICE, K_JACCARD, K_TVERSKY, K_GENERALISED };
enum k_entropy { K_CE, K_BCE, K_FOCAL, K_FOCAL_SOFTMAX };
#define K_NO_REGION 0x80000000u
struct k_loss {
	int64_t n, vox, k;
	float w_dice, w_ce;      /* 0: term absent */
	enum k_overlap overlap;
	enum k_entropy entropy;
	int squared, batch, background;
	float smooth_nr, smooth_dr;
	float alpha, beta;       /* tversky */
	int power;               /* generalised: 2 (MONAI's square), 1 (simple), 0 (uniform) */
	float smoothing;         /* ce */
	float gamma, pos, neg;   /* focal */
	const float *weight;     /* [k], host memory; NULL: 1 each */
	const uint32_t *regions; /* [256], host memory: of a label the channels whose regions it is in, a bit each, or K_NO_REGION: it is no label; NULL:
	                            channels are classes. k < 32 */
	int masked;
	uint8_t ignore;
};

/* What losses leave in device memory; wrong: labels that are no class */
enum { K_LOSS_TOTAL, K_LOSS_OVERLAP, K_LOSS_ENTROPY, K_LOSS_WRONG, K_LOSS_RESULTS };

/* What a step's gradients become part of, found on the device: squares, their sum; factor, what they are multiplied with, so that the norm is at most
   clip's; not a number: the step is left out, and with `stopped` all that follow. Cleared at the beginning. */
struct k_verdict { double squares; float factor; int32_t stopped; };

/* An optimizer's numbers, as `pace` puts them into device memory: steps that are recorded read others there each time. */
enum { K_PACE = 10 };
struct k_pace { float number[K_PACE]; };

/* One optimizer step on n parameters, with scale * g in g's place, in PyTorch's order of operations (torch/optim/{adam,adamw,sgd}.py):
   adamw: w -= lr wd w; m, v: means of g, g^2; w -= lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + eps);  adam: the same, but g += wd w instead
   sgd:   g += wd w; m = momentum m + g; w -= lr (nesterov ? g + momentum m : m)    v unused */
enum k_optimizer { K_ADAMW, K_ADAM, K_SGD };
struct k_optim {
	enum k_optimizer kind;
	double lr, decay;
	double beta1, beta2, eps; /* adam, adamw */
	double momentum;          /* sgd */
	int nesterov;
	int64_t step;             /* t, from 1 */
	float scale;
	const struct k_verdict *verdict; /* device memory: its factor in scale's place; or NULL */
	const struct k_pace *pace;       /* device memory: in place of all numbers above; or NULL */
};

struct k_backend {
	int abi;
	const char *name;      /* "cpu" */
	enum k_precision precision; /* of activations: K_FP32 (K_TF32) or K_BF16 */
	char device[160];      /* what runs it, for --verbose: "avx2, fp32, 2 threads, oneDNN 2.6.3" */

	void *(*alloc)(size_t bytes, struct err *e); /* aligned to 64; free with release */
	void (*release)(void *p);
	int (*copy)(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e);
	int (*zero)(void *p, size_t bytes, struct err *e);

	/* NULL where device memory is the host's: bytes still to be had (0: not known); host memory for quick copies, on any thread, which is
	   given back when no copy is under way; the stream of K_COMPUTE, a cudaStream_t, for who moves data between devices. */
	size_t (*available)(void);
	void *(*host_alloc)(size_t bytes, struct err *e);
	void (*host_release)(void *p);
	void *(*stream)(void);

	/* NULL there, too. lost: 1 and its text where the device has an error that stays, of whatever was done before. */
	int (*lost)(struct err *e);

	/* queue: a copy on a line; host memory is of host_alloc, and in use until a mark behind the copy was awaited. mark: behind all that is on the line
	   so far. follow: what is put on the line from now on waits for the mark, as it was last set (never: for nothing). await: the host does.
	   between: seconds from one to the other, both passed. */
	int (*queue)(enum k_line l, void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e);
	struct k_mark *(*mark_new)(struct err *e);
	void (*mark_free)(struct k_mark *m); /* NULL is fine */
	int (*mark)(struct k_mark *m, enum k_line l, struct err *e);
	int (*follow)(enum k_line l, struct k_mark *m, struct err *e);
	int (*await)(struct k_mark *m, struct err *e);
	int (*between)(struct k_mark *from, struct k_mark *to, double *seconds, struct err *e);

	/* record: calls are not done but noted from now on, until `recorded` gives what was noted (NULL and an error: nothing); replay does it all, with the
	   same arguments. Only calls that allocate nothing, copy nothing from or to the host, and have run before. 0; 1: it is not wanted; -1. */
	int (*record)(struct err *e);
	struct k_record *(*recorded)(struct err *e);
	int (*replay)(struct k_record *r, struct err *e);
	void (*record_free)(struct k_record *r); /* NULL is fine */

	/* to[i] = first + i step */
	int (*number)(uint64_t *to, uint64_t first, uint64_t step, int64_t n, struct err *e);

	/* From now on conv_new measures which of the library's ways is the quickest, and remembers it in a file (borrowed; NULL: in this process). Results
	   may then differ in rounding from one machine to the next. NULL: there is nothing to choose. */
	void (*tune)(const char *path);

	/* Convolutions. conv_pack takes the weights into the object's own layout: after every change of w, before forward or backward_data. In training
	   it may only note where they are, to pack them into scratch at every call: w stays as it is until the next conv_pack.
	   bias may be NULL. dx: written, or added to. dw, db (NULL: not wanted): added to. dx_add like dres_add.
	   On the CPU kernels above 16 or strides above 8 on an axis are oneDNN's, whose weight gradients may depend on the number of threads. */
	struct k_conv *(*conv_new)(const struct k_conv_geom *g, struct err *e);
	void (*conv_free)(struct k_conv *c);
	size_t (*conv_scratch)(const struct k_conv *c);
	int (*conv_pack)(struct k_conv *c, const float *w, struct err *e);
	int (*conv_forward)(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e);
	int (*conv_backward_data)(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e);
	int (*conv_backward_weights)(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e);
	/* Weights [oc,ic,taps] of a convolution that adds its input to its output: w[o][o][taps / 2] += 1, oc = ic. */
	int (*conv_identity)(float *w, int64_t oc, int64_t taps, struct err *e);

	size_t (*norm_scratch)(const struct k_norm *g);
	int (*norm_forward)(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e);
	int (*norm_backward)(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e);

	/* mean, rstd: [vox], written forward, read backward; NULL: not wanted. dx: written, or added to; dgamma, dbeta: added to */
	int (*layer_forward)(const struct k_layer *g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd,
	                     struct err *e);
	size_t (*layer_scratch)(const struct k_layer *g);
	int (*layer_backward)(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx,
	                      int dx_add, float *dgamma, float *dbeta, void *scratch, struct err *e);
	/* dx: written, or added to; may be dy */
	int (*across_forward)(const struct k_across *g, const void *x, void *y, struct err *e);
	int (*across_backward)(const struct k_across *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e);
	int (*merge_forward)(const struct k_merge *g, const void *x, void *y, struct err *e);
	int (*merge_backward)(const struct k_merge *g, const void *dy, void *dx, int dx_add, struct err *e);

	int (*pool_forward)(const struct k_pool *g, const void *x, void *y, struct err *e);
	int (*pool_backward)(const struct k_pool *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e);

	/* y [n,D,H,W,c]: written. Scratch is for the number of threads in effect; `back`: of the backward call. */
	size_t (*attention_scratch)(const struct k_attention *g, int back);
	int (*attention_forward)(const struct k_attention *g, const struct k_attention_args *a, void *y, void *scratch, struct err *e);
	int (*attention_backward)(const struct k_attention *g, const struct k_attention_args *a, const struct k_attention_grads *d, void *scratch,
	                          struct err *e);

	/* back 0: y from x; 1: the gradient, x (of y's shape) taken to y (of x's), pitches likewise. add: y += */
	int (*scale)(const struct k_scale *g, int back, const void *x, void *y, int add, struct err *e);
	/* The same forward and (but for `alpha`), on gradients, backward. y may be x. */
	int (*drop)(const struct k_drop *g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add, struct err *e);
	/* y = x gate[v], gate one channel, dense. Backward: dx (dense) and dgate are written, or added to */
	int (*gate)(const void *x, int64_t xpitch, const void *gate, void *y, int64_t ypitch, int64_t vox, int64_t c, struct err *e);
	int (*gate_back)(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *gate, void *dx, void *dgate, int add, int gate_add,
		int64_t vox, int64_t c, struct err *e);

	/* y[v][0..c) = x[v][0..c), or += ; pitches in elements */
	int (*slice_copy)(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e);
	/* The same between activations and dense floats */
	int (*to_floats)(float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c, struct err *e);
	int (*from_floats)(void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add, struct err *e);

	/* out[c] += the sum over voxels of x[v][c] */
	size_t (*column_scratch)(int64_t vox, int64_t c);
	int (*column_sum)(const void *x, int64_t xpitch, int64_t vox, int64_t c, float *out, void *scratch, struct err *e);

	/* to [n,small] = label [n, small * factor] at the voxel nearest to the middle (nnU-Net's nearest-exact) */
	int (*label_down)(uint8_t *to, const uint8_t *label, int64_t n, const int64_t small[3], const int factor[3], struct err *e);

	/* label: one byte a voxel. out (host): total, overlap, entropy. dlogits NULL: the value only. A label >= k (k = 1: >= 2; of regions:
	   in no entry) that is not ignored is an error that names the voxel. Scratch depends on n, vox and k alone. */
	size_t (*loss_scratch)(const struct k_loss *g);
	int (*loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e);
	/* NULL where device memory is the host's. The same with K_LOSS_RESULTS left in device memory, and the error about them once they are read. */
	int (*loss_later)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double *out, void *scratch, struct err *e);
	int (*loss_wrong)(const struct k_loss *g, const uint8_t *label, struct err *e);
	/* NULL likewise. The verdict over gradients g times scale, clip as torch's clip_grad_norm_ (0: none); also stopped where one of `losses` rows of
	   K_LOSS_RESULTS has a total that is not finite. */
	size_t (*judge_scratch)(int64_t n);
	int (*judge)(const float *g, int64_t n, double scale, double clip, const double *loss, int64_t losses, struct k_verdict *v, void *scratch,
		struct err *e);
	/* The numbers of a step, and the t of `average`: y += t (x - y), of t = 1 y = x; nothing where the verdict stops the step */
	int (*pace)(const struct k_optim *a, double t, struct k_pace *to, struct err *e);
	int (*average)(float *y, const float *x, int64_t n, const struct k_pace *pace, const struct k_verdict *v, struct err *e);
	int (*optimize)(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e);
	int (*lerp)(float *y, const float *x, double t, int64_t n, struct err *e); /* y += t (x - y) */
	int (*sum_squares)(const float *x, int64_t n, double *out, struct err *e); /* out: host */

	int (*window_gather)(const struct k_gather *g, const float *image, float *x, struct err *e);
	/* sum NULL: it is not kept. window_sum (NULL where device memory is not the host's): the same sums, written, of all windows at once */
	int (*window_blend)(const struct k_blend *g, const float *logits, float *acc, float *sum, struct err *e);
	int (*window_sum)(const struct k_cover *g, float *sum, struct err *e);
	/* NULL where device memory is not the host's. y [vox,k]: what window_blend would have made of logits; acc [vox,c]: what it made of their input */
	int (*window_head)(const struct k_head *g, const float *acc, const float *sum, int64_t vox, float *y, struct err *e);
	/* y[v][:] = acc[v][:] / sum[v], y elsewhere; where the sum is 0 no window came: class 0 gets none[0], the others none[1] */
	int (*window_divide)(float *y, const float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e);
	/* The slab's labels [z][y][x]; sum NULL (where there is window_sum): those of c's windows */
	int (*window_decide)(const struct k_decide *g, const struct k_cover *c, const float *acc, const float *sum, uint8_t *pred, struct err *e);
	/* Before a window is blended, in marked blocks where the best class leads by less than `near`: added to apart (device memory) sums of w by^2 and of
	   w, to 2^-16, and its spread by them, once there are any; `by` is what the two classes that lead (that single class) are apart in the window less
	   what they are in the mean so far. */
	int (*window_spread)(const struct k_blend *g, float near, const float *logits, const float *acc, const float *sum, struct k_apart *apart,
		struct err *e);
	/* doubt [n] (host): each window's share, t w / (all - sum), of the probabilities of k_doubt, summed over its voxels where windows came */
	int (*window_doubt)(const struct k_doubt *g, int64_t n, double *doubt, struct err *e);
	/* *n (host): voxels whose best class is not the first (of a single class, or each by itself: of which one is above u's `middle`) */
	int (*window_count)(const struct k_unsure *u, const float *acc, const float *sum, int64_t vox, int64_t k, int64_t *n, struct err *e);
};

/* The one exported symbol. index: which device (0 on the CPU). The table is valid for the life of the process. NULL and an error. */
typedef const struct k_backend *k_backend_get_fn(int abi, int index, enum k_precision precision, struct err *e);
k_backend_get_fn k_backend_get;

#endif
