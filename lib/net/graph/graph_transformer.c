/* Operations of transformers. */
#include "lib/net/graph/graph_parts.h"

#include <string.h>

int graph_linear(struct graph *g, int x, const char *name, int64_t oc, int bias)
{
	return graph_conv(g, x, name, &(struct graph_conv){.oc = oc, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .bias = bias, .linear = 1});
}

int graph_layer(struct graph *g, int x, const char *name, int affine)
{
	struct graph_op *op = graph_add_op(g, GRAPH_LAYER, name, x, -1);

	if (!op)
		return -1;
	if (affine) {
		op->w = graph_add_vector(g, name, "weight", op->c, 1);
		op->b = graph_add_vector(g, name, "bias", op->c, 0);
	}
	return g->bad ? -1 : g->n - 1;
}

int graph_attention(struct graph *g, int x, const char *name, const struct graph_attention *a)
{
	struct graph_param table = {.rank = 2, .shape = {1, a->heads}, .deviation = 0.02};
	int mark = graph_enter(g, "%s", name);
	int64_t c = g->bad ? 0 : g->op[x].c;
	struct graph_op *op;

	x = graph_linear(g, x, "qkv", 3 * c, a->bias);
	op = graph_add_op(g, GRAPH_ATTENTION, "attention", x, -1);
	if (op) {
		op->attention = *a;
		op->c = c;
		op->rate = a->drop;
		graph_flatten(g, op->attention.window, 1);
		graph_flatten(g, op->attention.shift, 0);
		for (int k = 0; k < 3; k++)
			table.shape[0] *= 2 * op->attention.window[k] - 1;
		if (!a->bare)
			op->w = graph_add_param(g, "", "relative_position_bias_table", &table);
		x = g->n - 1;
	}
	x = graph_linear(g, x, a->bare ? "out_proj" : "proj", c, 1);
	graph_leave(g, mark);
	return x;
}

int graph_position(struct graph *g, int x, const char *name, const int size[3])
{
	struct graph_op *op = graph_add_op(g, GRAPH_POSITION, name, x, -1);
	struct graph_param like = {.rank = 3, .shape = {1, 1}, .deviation = 0.02};
	int own[3] = {size[0], size[1], size[2]};

	if (!op)
		return -1;
	graph_flatten(g, own, 1);
	for (int k = 0; k < 3; k++) {
		g->fixed[k] = own[k] * op->down[k];
		like.shape[1] *= own[k];
	}
	like.shape[2] = op->c;
	op->w = graph_add_param(g, name, "", &like);
	return g->bad ? -1 : g->n - 1;
}

int graph_merge(struct graph *g, int x, const char *name, const unsigned char order[8])
{
	struct graph_op *op = graph_add_op(g, GRAPH_MERGE, name, x, -1);
	int block[3] = {2, 2, 2};

	if (!op)
		return -1;
	graph_flatten(g, block, 1);
	op->c *= block[0] * block[1] * block[2];
	memcpy(op->order, order, sizeof op->order);
	graph_step_size(g, op, block, 0);
	return g->bad ? -1 : g->n - 1;
}
