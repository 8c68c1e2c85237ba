/* A network as a list of operations on named values, before any shape is known. Architectures (arch_*.c) build it; lib/net/graph/plan.h runs it.

   A value is the index of the operation that makes it. Building functions return the value, or -1 after an error (kept in g->err, the first one), and
   take -1 as an input, so an architecture checks once, at its end. Arrays of three are d,h,w. */
#ifndef NIIPIPE_GRAPH_H
#define NIIPIPE_GRAPH_H

#include <stdint.h>

#include "kernels/backend.h"

enum { GRAPH_NAME = 256, GRAPH_HEADS = 16 };

enum graph_kind { GRAPH_INPUT, GRAPH_CONV, GRAPH_NORM, GRAPH_ACT, GRAPH_ADD, GRAPH_CONCAT, GRAPH_DROP, GRAPH_SCALE, GRAPH_GATE, GRAPH_LAYER,
	GRAPH_ATTENTION, GRAPH_MERGE, GRAPH_ACROSS, GRAPH_POOL, GRAPH_POSITION, GRAPH_EDGE };

/* Out size: (in + 2 pad - kernel) / stride + 1; transposed: in * stride. */
struct graph_conv {
	int64_t oc;
	int kernel[3], stride[3], pad[3];
	int transposed, bias;
	int linear;      /* its weight is [oc, kernel * ic], channels fastest, as nn.Linear has it */
	int he;          /* initial weights: He's normal for a leaky slope of 0.01, biases 0, as nnU-Net has them; else PyTorch's default */
};

/* Normalisation and activation as the backend has them; `affine` and `alphas` say which parameters belong to it. across: not that, but this. */
struct graph_norm {
	enum k_norm_kind kind;
	float eps;
	int affine;
	int64_t groups;
	float momentum;
	int running;     /* batch, instance: running statistics are kept, for inference */
	int zero;        /* gamma begins at 0 */
	struct k_across across;
};
struct graph_act {
	enum k_act_kind kind;
	float slope;     /* its number, as the backend has it */
	int64_t alphas;  /* PReLU: 1 or c */
	enum k_across_kind across;
};

/* Windows, and by how much they are shifted; where the input is not larger than a window, the window is the input's size and not shifted. turned: see
   k_attention. bare: without a table. drop: rate of dropout within. */
struct graph_attention { int heads, window[3], shift[3], bias, turned, bare; float drop; };

/* Each value alone, whole channels, whole samples of the batch (stochastic depth); each value alone, as AlphaDropout has it */
enum graph_dropped { GRAPH_VALUES, GRAPH_CHANNELS, GRAPH_SAMPLES, GRAPH_ALPHA };

/* Buffers are not trained: running statistics, and the number of batches in them (one float here, an I64 in files). */
enum graph_param_kind { GRAPH_TRAINED, GRAPH_BUFFER, GRAPH_COUNTER };

struct graph_param {
	char *name;      /* under which MONAI keeps it */
	enum graph_param_kind kind;
	int rank;
	int64_t shape[5], count, at; /* at: floats before it in the block of all */
	double bound;    /* initial values: uniform in [-bound, bound), where bound > 0; */
	double deviation; /* normal, where > 0; */
	float fill;      /* else this */
};

struct graph_op {
	enum graph_kind kind;
	int in[2];       /* values, -1: none */
	int like;        /* of an edge: the value that is as large */
	int w, b, alpha; /* parameters, -1: none. w, b: weight and bias, or gamma and beta */
	int running;     /* the first of three: mean, variance, number of batches */
	int64_t c;       /* channels of the value it makes */
	int down[3];     /* how many times smaller than the input it is */
	char *name;      /* scope and name: "model.0.conv.unit0.conv" */
	struct graph_conv conv;
	struct graph_norm norm;
	struct graph_act act;
	float rate;      /* of dropout */
	enum graph_dropped dropped; /* what it drops */
	enum k_scale_kind scale;
	int factor[3];   /* of a scale, a pool */
	struct graph_attention attention;
	unsigned char order[8]; /* of a merge */
	struct k_across across; /* vox, c: 0 */
};

/* Beside the logits, in training: logits of a lower resolution whose loss counts by a weight. */
struct graph_head { int value; float weight; };

struct graph {
	struct graph_op *op;
	int n;
	struct graph_param *param;
	int params;
	int64_t floats;  /* of all trained parameters */
	struct graph_param *buffer; /* until graph_output, which puts them behind the parameters: from `trained` on */
	int buffers, trained;
	int64_t buffer_floats;
	int out;         /* the logits */
	float out_weight; /* of their loss, 1 but for deep supervision */
	struct graph_head head[GRAPH_HEADS];
	int heads;
	int loose;       /* any size fits that leaves a voxel at the lowest resolution: edges are repeated where it is odd */
	int slices;      /* of two dimensions: along which axis its input has slices; operations have that as their first, of 1, and weights do not; -1 */
	int fixed[3];    /* the one size of the input that fits, as operations have it, where a position is added; else 0 */
	char scope[GRAPH_NAME];
	int bad;         /* an error has happened */
	struct err err;
};

struct graph *graph_new(struct err *e); /* NULL and an error; graph_free takes NULL */
void graph_free(struct graph *g);

/* Names: enter a scope ("conv.unit%d"); what it returns is given back to graph_leave. */
int graph_enter(struct graph *g, const char *fmt, ...) ERR_PRINTF(2, 3);
void graph_leave(struct graph *g, int mark);

/* Operations. Of two dimensions sizes along the first axis do not count. Parameters are NAME.weight, NAME.bias (NAME.running_mean, ...) within the
   scope, initialised as PyTorch does by default. */
int graph_input(struct graph *g, int64_t c);
int graph_conv(struct graph *g, int x, const char *name, const struct graph_conv *conv);
int graph_norm(struct graph *g, int x, const char *name, const struct graph_norm *norm);
int graph_act(struct graph *g, int x, const char *name, const struct graph_act *act); /* a PReLU of a name that was there shares its slopes */
int graph_add(struct graph *g, int a, int b);
int graph_concat(struct graph *g, int a, int b); /* channels of a, then those of b */

int graph_drop(struct graph *g, int x, const char *name, float rate, enum graph_dropped what); /* in training */
int graph_scale(struct graph *g, int x, const char *name, enum k_scale_kind kind, const int factor[3]); /* mean: down, linear: up */
int graph_pool(struct graph *g, int x, const char *name, const int factor[3]); /* the largest of the factor's voxels */
/* Behind every step up: x, and where `like` is larger one more voxel, of its edge. It makes g loose. */
int graph_edge(struct graph *g, int x, int like);
int graph_across(struct graph *g, int x, const char *name, const struct k_across *a); /* what channels make of each other */
int graph_gate(struct graph *g, int x, int gate);  /* x times gate, which has one channel */

/* Transformers: nn.Linear over channels; LayerNorm over channels (affine: with weight and bias); attention within windows: projection NAME.qkv,
   NAME.relative_position_bias_table, projection NAME.proj (bare: NAME.out_proj); a position for each of size[] voxels, NAME [1,voxels,c]; 2x2x2
   voxels to one of 8 times the channels, in that order (backend.h, k_merge), of two dimensions 2x2 to one of 4 times. */
int graph_linear(struct graph *g, int x, const char *name, int64_t oc, int bias);
int graph_layer(struct graph *g, int x, const char *name, int affine);
int graph_attention(struct graph *g, int x, const char *name, const struct graph_attention *a);
int graph_position(struct graph *g, int x, const char *name, const int size[3]);
int graph_merge(struct graph *g, int x, const char *name, const unsigned char order[8]);

/* More logits, of a lower resolution, for the loss in training. Then graph_output's own weight is g->out_weight. */
void graph_head(struct graph *g, int x, float weight);

/* Declare the result. 0, or -1 and the first error that happened. */
int graph_output(struct graph *g, int x, struct err *e);

/* Input sizes that fit, z,y,x: the next that is not smaller; where one alone fits, that, as 1 along `slices`. graph_fits, graph_takes: is a size one
   of them, and a number of channels what the first layer takes? 0, or -1 and an error that names the layer and says what would fit. */
void graph_next_size(const struct graph *g, const int64_t size[3], int64_t next[3]);
int graph_fits(const struct graph *g, const int64_t size[3], struct err *e);
void graph_turn(const struct graph *g, const int64_t size[3], int64_t turned[3]); /* an input's, as operations have it: the same bytes */
int graph_takes(const struct graph *g, int64_t channels, struct err *e);

#endif
