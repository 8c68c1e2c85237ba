/* What the files that make operations share (graph.c, graph_transformer.c). Private to them. */
#ifndef NIIPIPE_GRAPH_PARTS_H
#define NIIPIPE_GRAPH_PARTS_H

#include "lib/net/graph/graph.h"

/* A new operation that reads a and b (-1: none) and, but for what the caller changes, makes a value like a. NULL after an error. */
struct graph_op *graph_add_op(struct graph *g, enum graph_kind kind, const char *name, int a, int b);

/* A new parameter NAME.LAST within the scope, of `like`'s shape and initial values; a vector filled with one value. -1 after an error. */
int graph_add_param(struct graph *g, const char *name, const char *last, const struct graph_param *like);
int graph_add_vector(struct graph *g, const char *name, const char *last, int64_t c, float fill);

/* Of two dimensions: nothing along the first axis, which is `to` there. */
void graph_flatten(const struct graph *g, int size[3], int to);

/* The value's resolution after a step by a stride, up or down. */
void graph_step_size(struct graph *g, struct graph_op *op, const int stride[3], int up);

#endif
