/* A network as a list of operations on named values, before any shape is known. Architectures (arch_*.c) build it; lib/net/plan.h runs it.

   A value is the index of the operation that makes it. Building functions return the value, or -1 after an error (kept in g->err, the first one), and
   take -1 as an input, so an architecture checks once, at its end. Arrays of three are d,h,w. */
#ifndef NIIPIPE_GRAPH_H
#define NIIPIPE_GRAPH_H

#include <stdint.h>

#include "kernels/backend.h"

enum { GRAPH_NAME = 256 };

enum graph_kind { GRAPH_INPUT, GRAPH_CONV, GRAPH_NORM, GRAPH_ACT, GRAPH_ADD, GRAPH_CONCAT };

/* Out size: (in + 2 pad - kernel) / stride + 1; transposed: in * stride. */
struct graph_conv {
	int64_t oc;
	int kernel[3], stride[3], pad[3];
	int transposed, bias;
};

/* Normalisation and activation as the backend has them; `affine` and `alphas` say which parameters belong to it. */
struct graph_norm { enum k_norm_kind kind; float eps; int affine; };
struct graph_act { enum k_act_kind kind; float slope; int64_t alphas; /* PReLU: 1 or c */ };

struct graph_param {
	char *name;      /* under which MONAI keeps it */
	int rank;
	int64_t shape[5], count, at; /* at: floats before it in the block of all */
	double bound;    /* initial values: uniform in [-bound, bound), where bound > 0; */
	float fill;      /* else this */
};

struct graph_op {
	enum graph_kind kind;
	int in[2];       /* values, -1: none */
	int w, b, alpha; /* parameters, -1: none. w, b: weight and bias, or gamma and beta */
	int64_t c;       /* channels of the value it makes */
	int down[3];     /* how many times smaller than the input it is */
	int uses;        /* how many operations read the value */
	char *name;      /* scope and name: "model.0.conv.unit0.conv" */
	struct graph_conv conv;
	struct graph_norm norm;
	struct graph_act act;
};

struct graph {
	struct graph_op *op;
	int n, room;
	struct graph_param *param;
	int params, params_room;
	int64_t floats;  /* of all parameters */
	int out;         /* the logits */
	char scope[GRAPH_NAME];
	int bad;         /* an error has happened */
	struct err err;
};

struct graph *graph_new(struct err *e); /* NULL and an error; graph_free takes NULL */
void graph_free(struct graph *g);

/* Names: enter a scope ("conv.unit%d"); what it returns is given back to graph_leave. */
int graph_enter(struct graph *g, const char *fmt, ...) ERR_PRINTF(2, 3);
void graph_leave(struct graph *g, int mark);

/* Operations. Parameters are NAME.weight, NAME.bias within the scope, initialised as PyTorch does by default. */
int graph_input(struct graph *g, int64_t c);
int graph_conv(struct graph *g, int x, const char *name, const struct graph_conv *conv);
int graph_norm(struct graph *g, int x, const char *name, const struct graph_norm *norm);
int graph_act(struct graph *g, int x, const char *name, const struct graph_act *act);
int graph_add(struct graph *g, int a, int b);
int graph_concat(struct graph *g, int a, int b); /* channels of a, then those of b */

/* Declare the result. 0, or -1 and the first error that happened. */
int graph_output(struct graph *g, int x, struct err *e);

/* What input sizes must be multiples of. */
void graph_divisor(const struct graph *g, int64_t div[3]);

#endif
