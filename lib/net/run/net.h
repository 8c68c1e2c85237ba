/* A network: an architecture and its parameters on a device, planned for an input shape, run forward and backward.
   Written once by arch_*.c on lib/net/graph/graph.h; seg-train and seg-window know only this header.

   Arrays of three are d,h,w = z,y,x. Activations are [n,d,h,w,c]. */
#ifndef NIIPIPE_NET_H
#define NIIPIPE_NET_H

#include <jansson.h>

#include "kernels/backend.h"
#include "lib/stream/frame.h"

struct net; /* opaque */

/* Which values the backward pass makes again instead of having them kept (recomputation of activations; torch: activation checkpointing): none; what
   normalisations (with the statistics they had), activations and other passes over memory make of what is kept; all but what passes between
   segments, into which the network is cut so that memory is least: about one more forward pass. What comes out is the same, bit for bit. AUTO: the
   first of them that fits into the memory there is. */
enum net_recompute { NET_KEEP, NET_NORMS, NET_SEGMENTS, NET_AUTO };

/* A parameter, under the name MONAI gives it. w and g (NULL without training) are host memory on the CPU, device memory else;
   all w lie end to end in one block, all g likewise, in the same order (net_params_block). */
struct net_param {
	const char *name;
	int rank;
	int64_t shape[5];
	int64_t count;
	float *w, *g;
	int whole;     /* a count of batches: I64 in files */
};

/* arch: MONAI's own JSON, {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [...], "strides": [...],
   "num_res_units": 2, ...}; borrowed, kept by reference. An option that is not understood is an error that names it. Parameters are unset:
   net_init or net_load. NULL and an error; closed with net_free. */
struct net *net_new(json_t *arch, const struct k_backend *k, struct err *e);
void net_free(struct net *n); /* NULL is fine */

const json_t *net_arch(const struct net *n); /* borrowed */
int net_channels(const struct net *n);       /* of the input */
int net_classes(const struct net *n);        /* channels of the logits */
int net_labels(const struct net *n);         /* values a label may have: the classes; of one channel, a sigmoid, two */
void net_next_size(const struct net *n, const int64_t size[3], int64_t next[3]); /* the next input size that fits, z,y,x */
int net_takes(const struct net *n, int64_t channels, struct err *e); /* 0, or -1 and an error that names the layer */

/* Parameters. net_params: the array, borrowed; *count how many. net_block: all values end to end (w, g of *total floats). net_buffers: what is in a
   model beside them, running statistics that forward passes of a training plan change. */
const struct net_param *net_params(const struct net *n, int *count);
const struct net_param *net_buffers(const struct net *n, int *count);
void net_block(const struct net *n, float **w, float **g, int64_t *total);

/* Gradients are to lie there, `total` of them, zeroed; borrowed. Before the first net_plan for training. */
void net_gradients(struct net *n, float *g);

/* The buffers as they are now are put aside; net_exchange: those aside against those in use. What passes of a step that was not finished have done to
   them is undone so. 0 or -1. */
int net_aside(struct net *n, struct err *e);
int net_exchange(struct net *n, struct err *e);

/* PyTorch's default initialisation (nnU-Net's networks: theirs) from Philox (seed, RNG_INIT, parameter index). */
int net_init(struct net *n, uint64_t seed, struct err *e);

/* Weights from a model frame, under MONAI's names. Missing, extra and wrong-shaped tensors are one error that lists them (the first ten and their
   number); so is a weight that is not finite. */
int net_load(struct net *n, const struct frame *model, struct err *e);

/* The same of a model with other classes: what has another shape there stays as it is; left: its names, the first ten. */
int net_load_fitting(struct net *n, const struct frame *model, char left[ERR_MAX], struct err *e);

/* Add the parameters to a frame as F32 tensors. */
int net_store(const struct net *n, struct frame *model, struct err *e);

/* Tell that w was changed from outside (optimizer step, load): packed copies are renewed at the next forward. */
void net_changed(struct net *n);

/* Plan for inputs [batch, size, channels]: shapes, fusions, lifetimes, one arena. Same shape and mode as before: nothing is done; one plan for
   inference and one for training are kept, so that going to and fro costs nothing. The error of a size the strides don't divide says at
   which layer, and which sizes fit; that of too little memory (on the CPU: of what mem_available says is there) what is needed, and which
   recomputation would fit. */
int net_plan(struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e);

/* The same for net_summary alone: no memory is looked for. */
int net_plan_dry(struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e);

/* How training plans recompute (NET_KEEP unless told), and how many bytes others will take beside them (moments, averages): for the next net_plan. */
void net_recompute(struct net *n, enum net_recompute how);
void net_reserve(struct net *n, size_t bytes);

size_t net_arena(const struct net *n);       /* bytes of the activation arena of the current plan */
float *net_input(const struct net *n);       /* where the input goes, [batch,d,h,w,c]: device memory, filled anew before every net_forward */
const char *net_batch_norm(const struct net *n); /* a layer that takes statistics over the batch, borrowed; NULL: none */
int64_t net_vox(const struct net *n);        /* batch*d*h*w */

/* Forward: logits [batch,d,h,w,classes], valid until the next call. NULL and an error. */
const float *net_forward(struct net *n, struct err *e);

/* The same in inference for who takes the logits part by part: on the CPU, and where the last operation is a convolution, they are never whole.
   take: slices d to d + nd - 1 of sample i, [nd,h,w,classes], valid during the call; all of a sample in their order, then those of the next.
   0, or -1 and an error, which may be take's. */
typedef int net_take_fn(void *arg, int64_t i, int64_t d, int64_t nd, const float *logits, struct err *e);
int net_forward_parts(struct net *n, net_take_fn *take, void *arg, struct err *e);

/* The last operation of the current plan, where it is done part by part and is a convolution of one voxel (1x1x1) of `features` channels: w [classes,
   features] and b [classes] (NULL: none), borrowed. 0: it is not. net_forward_features: as net_forward_parts, but what it is given,
   [nd,h,w,features], goes to `take`, and it is left to who takes that. */
struct net_head { int64_t features; const float *w, *b; };
int net_head(const struct net *n, struct net_head *h);
int net_forward_features(struct net *n, net_take_fn *take, void *arg, struct err *e);

/* In training: the last forward's loss against labels [batch,d,h,w] (host memory on the CPU, device memory else; out: total, dice, ce). */
int net_loss(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e);

/* The same and backward, once a net_forward: gradients are added to every g. n, vox and k of terms are filled in here. A network with deep
   supervision: out's total, and the gradients, are those of the weighted sum over its heads, labels taken at each one's resolution
   (kernels/backend.h, label_down); dice and ce are the full resolution's. */
int net_backward(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e);
int net_zero_grad(struct net *n, struct err *e);

/* The same on a device with memory of its own, where nothing is waited for and `out` is not looked at: what the losses were stays in
   net_results, [net_losses][K_LOSS_RESULTS] of device memory until the next one; NULL: out is filled in at once. net_results_read: out, from a
   copy of them in host memory, with the plan, terms and labels that they are of. */
int net_backward_later(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e);
const double *net_results(const struct net *n);
int net_losses(const struct net *n);
int net_results_read(const struct net *n, const struct k_loss *terms, const uint8_t *label, const double *results, double out[3], struct err *e);

/* Why the device is told of every operation by itself though it can record them all as one; empty: it is not, or not asked to. */
const char *net_plain(const struct net *n);

/* Called within net_backward after every operation: the gradients from place `from` of the block (net_block) on are what they will be. NULL: no-one
   is. */
typedef int net_final_fn(void *arg, int64_t from, struct err *e);
void net_watch(struct net *n, net_final_fn *final, void *arg);

/* For batch normalisation the batches of several processes are one: all run the same forward and backward passes. Borrowed; NULL: they are not. */
void net_ranks(struct net *n, const struct k_ranks *ranks);

/* Which numbers dropout takes in a training plan's forward and backward: sample i of the batch those of this seed and first + i * stride (seg-train:
   the patch's index). */
void net_dropout(struct net *n, uint64_t seed, int64_t first, int64_t stride);

/* Table of layers: name, operation, output shape, parameters, multiply-adds, bytes; then totals and the arena. For seg-train --summary. */
int net_summary(const struct net *n, struct out *o, struct err *e);

/* Time by operation, for bench: on 1, then a table "operation, calls, seconds" of what ran since; on 2: a row for every call too. */
void net_profile(struct net *n, int on);
int net_profile_print(const struct net *n, struct out *o, struct err *e);

#endif
