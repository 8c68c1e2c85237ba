/* A plan: a graph made ready to run for one input shape. Shapes, fused steps, a list of backend calls (forward, loss, backward), and one arena in
   which every value, gradient and scratch space has a place for as long as it lives. Nothing is allocated while the calls run.

   Fused: convolution + bias (+ its own input added: folded into the weights); norm + activation + residual add (before or behind the activation)
   in one call; concat without copy: what a norm step makes is written into its slice of the concatenation, where convolutions read it too (and
   beside it where another step wants it dense); so is what a convolution makes for a concatenation alone. A bias in front of an instance norm
   without running statistics, which takes it away again, is left out; its gradient is 0. In inference dropout is nothing, running statistics are
   taken where there are any, and what only heads need is not computed.
   In inference on a CPU a last convolution is done part by part, a few slices at a time, for who takes the logits: they are never whole.
   Values and their gradients are elements of the backend's precision; the input, the outputs' logits and their gradients are floats at the plan's
   edges, statistics and scratch floats throughout.
   Backward: the gradient of an add is passed on, not copied; sums of gradients are made by the calls that write them; of the input there is none. */
#ifndef NIIPIPE_PLAN_H
#define NIIPIPE_PLAN_H

#include "lib/net/graph/graph.h"
#include "lib/net/run/net.h"

/* A stretch of the arena, alive from call `first` to call `last`. */
struct plan_buf { size_t bytes, at; int first, last; };

/* Where something lies: elements from the beginning of a buffer (buf -1: nowhere), and from voxel to voxel. What is floats begins its buffer. */
struct plan_ref { int buf; int64_t at, pitch; };

enum plan_kind { PLAN_CONV, PLAN_NORM, PLAN_CONCAT, PLAN_DROP, PLAN_SCALE, PLAN_GATE, PLAN_LAYER, PLAN_ATTENTION, PLAN_MERGE, PLAN_ACROSS,
	PLAN_POOL, PLAN_POSITION, PLAN_EDGE, PLAN_KINDS };

/* A fused forward operation: out = conv(x), or act(norm(x)) + res, or the concatenation of x and res, or x dropped out, scaled, gated by res,
   layer-normalised, attended to, merged, its channels taken together, its largest values,
   with its position added, or larger by its edge. */
struct plan_step {
	enum plan_kind kind;
	int op;             /* of the graph, which it is named after */
	int x, res, out;    /* values; -1: none */
	int w, b, alpha;    /* parameters; -1: none */
	int identity;       /* convolution: its input is added to its output */
	float *folded;      /* its weights with that folded in, NULL: not made yet; device memory */
	struct k_conv_geom geom;
	struct k_conv *conv; /* NULL: the plan's tail has it */
	struct k_norm norm;
	struct plan_ref mean, rstd;
	int segment;        /* of recomputation */
	int running;        /* batch normalisation's buffers, -1: none */
	struct k_scale scale;
	struct k_layer layer;
	struct k_attention attention; /* w: its table, b: the bias of the projection before it */
	struct k_merge merge;
	struct k_across across;
	struct k_pool pool;
	float rate;
};

enum plan_do { PLAN_DO_CONV, PLAN_DO_DATA, PLAN_DO_WEIGHTS, PLAN_DO_NORM, PLAN_DO_NORM_BACK, PLAN_DO_SLICE, PLAN_DO_DROP, PLAN_DO_SCALE, PLAN_DO_GATE,
	PLAN_DO_GATE_BACK, PLAN_DO_LAYER, PLAN_DO_LAYER_BACK, PLAN_DO_ATTENTION, PLAN_DO_ATTENTION_BACK, PLAN_DO_MERGE, PLAN_DO_MERGE_BACK,
	PLAN_DO_ACROSS, PLAN_DO_ACROSS_BACK, PLAN_DO_POOL, PLAN_DO_POOL_BACK, PLAN_DO_POSITION, PLAN_DO_POSITION_BACK, PLAN_DO_EDGE, PLAN_DO_EDGE_BACK,
	PLAN_DO_TAIL, PLAN_DO_TO_FLOATS, PLAN_DO_FROM_FLOATS, PLAN_DO_LOSS, PLAN_DOES };

/* One call of the backend; the tail: of one part. */
struct plan_call {
	enum plan_do what;
	int step;           /* -1: the loss */
	int head;           /* whose loss: 0 the logits', else of head - 1 */
	struct plan_ref x, y, y2, res, dy, dy2, dx, dres, scratch;
	int add, dres_add;
	struct k_norm norm; /* with the pitches of this call */
	int64_t vox, c;     /* of a slice, or of what changes its type */
	int64_t final;      /* after this call the gradients from this one on are what they will be: of the block of all */
	int back;           /* of a scale */
	double seconds;     /* while profiling */
	int64_t times;
};

struct plan_value {
	int64_t size[3], vox, c; /* vox: n d h w */
	int step;            /* that makes it; -1: the input, or fused away */
	int last;            /* last step that reads it */
	int live, uses;      /* something needs it; how many operations read it */
	int output;          /* logits, of any resolution */
	int concats;         /* how many concatenations it is part of */
	int in;              /* the first of them, -1: none */
	int64_t in_at;       /* its first channel there */
	int dense;           /* some step wants it dense */
	int kept;            /* the backward pass reads it */
	int dropped;         /* not kept for it, but made again when it is asked for; 0 from then on */
	int cheap;           /* dropped again where it was made for others */
	int stays;           /* not to be dropped: while that is decided */
	int apart;           /* lies beside its concatenation, which is dropped without it */
	int grad;            /* a gradient is wanted */
	struct plan_ref at;
	struct plan_ref floats; /* of an output: its logits */
	struct plan_ref g, g2; /* while the backward list is made: its gradient is the sum of the two */
	int shared;          /* the gradient's buffer is another value's too: not to be written to */
};

/* The last step, where it is a convolution that is done part by part: `slices` of a sample of the batch at a time (0: it is not), `parts` a sample.
   Edges are where the sample ends, not where a part does: so there are three, of the first part, of those between (NULL: none), of the last. */
struct plan_tail { int step; int64_t slices, parts; struct k_conv *conv[3]; };

struct plan {
	const struct graph *graph;
	const struct k_backend *k;
	int64_t batch, size[3];
	int train, packed;   /* packed: the convolutions have the current weights */
	enum net_recompute recompute;
	size_t segment;      /* bytes of its values, without cheap ones */
	int again;           /* the calls that are made now are of the backward pass */
	size_t elem;         /* bytes of an element */
	struct plan_value *value; /* one an operation of the graph */
	struct plan_step *step;
	struct plan_call *call;   /* forward, loss, backward */
	struct plan_buf *buf;
	int steps, calls, forward, losses, bufs; /* forward, losses: how many calls; behind the forward ones comes the tail's, if there is one */
	struct plan_tail tail;
	struct plan_ref input; /* floats */
	size_t arena;        /* bytes */
};

/* how: not NET_AUTO; segment: bytes of a segment, 0: what needs least memory. NULL and an error; freed with plan_free. */
struct plan *plan_new(const struct graph *g, const struct k_backend *k, int64_t batch, const int64_t size[3], int train, enum net_recompute how,
	size_t segment, struct err *e);
void plan_free(struct plan *p);

/* Parts of plan_new. */
int plan_steps(struct plan *p, struct err *e);    /* fusion */
int plan_shape(struct plan *p, struct plan_step *s, struct err *e);      /* in it: a step's */
int plan_conv_shape(struct plan *p, struct plan_step *s, struct err *e); /* in that: a convolution's */
void plan_drop(struct plan *p);                   /* in it: which values are dropped */
int plan_forward(struct plan *p, struct err *e);  /* calls */
int plan_backward(struct plan *p, struct err *e);
int plan_step_calls(struct plan *p, int step, struct err *e); /* forward calls of one step */
void plan_pack(struct plan *p);                   /* places in the arena */
int plan_conv(struct plan *p, struct plan_step *s, struct err *e); /* in steps: the convolution of its geometry, or the tail's. 0 or -1 */

/* Of a part of the tail: the slices lo to hi - 1 that it makes, from first to end - 1; its convolution. */
struct plan_span { int64_t lo, hi, first, end; };
struct plan_span plan_tail_span(const struct plan *p, int64_t part);
struct k_conv *plan_tail_conv(const struct plan *p, int64_t part);
int plan_tail_pack(const struct plan *p, const float *w, struct err *e); /* gives them their weights */
size_t plan_tail_scratch(const struct plan *p);
void plan_tail_free(const struct plan *p);

/* New buffer of vox voxels of c elements, or floats; -1 and an error. A dense reference to it. */
int plan_buf(struct plan *p, int64_t vox, int64_t c, struct plan_ref *r, struct err *e);
int plan_floats(struct plan *p, int64_t vox, int64_t c, struct plan_ref *r, struct err *e);

/* Of a value */
size_t plan_bytes(const struct plan *p, int i);

/* Append a call: its buffers live at least until then; scratch of so many bytes is added. */
int plan_emit(struct plan *p, const struct plan_call *c, size_t scratch, struct err *e);

/* An empty call for a step. */
struct plan_call plan_call_new(enum plan_do what, int step);

/* Does a convolution write value i straight into the concatenation that alone reads it? */
int plan_conv_slice(const struct plan *p, int i);

/* The concatenation in which value i lies, and not beside it; or -1. */
int plan_in_slice(const struct plan *p, int i);

/* For the backward pass: if value i was dropped, the calls that make it again. */
int plan_again(struct plan *p, int i, struct err *e);

/* What a norm step makes for a concatenation and, before it, for convolutions alone: these read it in its slice. The concatenation, or -1. */
int plan_read_in_slice(const struct plan *p, int i);

/* Append y[:] = x[:] or += for a value's voxels. */
int plan_slice(struct plan *p, int step, int value, struct plan_ref x, struct plan_ref y, int add, struct err *e);

/* Append y = x for a value's voxels, from elements to floats or the other way. */
int plan_convert(struct plan *p, enum plan_do what, int value, struct plan_ref x, struct plan_ref y, struct err *e);

extern const struct plan_ref plan_nowhere;

#endif
