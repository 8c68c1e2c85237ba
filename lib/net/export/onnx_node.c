#include "lib/net/export/onnx_node.h"

#include <stdio.h>
#include <string.h>

/* -- operations: 0, or -1: there is no form of it -- */

/* A whole number for each axis, `times` over: pads are those before, then those behind. */
static void attr_size(struct onnx_site *s, const char *name, const int v[3], int times)
{
	int64_t all[6];
	int n = 0;

	for (int k = 0; k < 3 * times; k++)
		if (k % 3 || s->w->g->slices < 0)
			all[n++] = v[k % 3];
	onnx_attr_ints(s, name, all, n);
}

/* A linear layer's weight, whose channels are fastest, as a convolution's */
static struct onnx_name linear_weight(struct onnx_site *s)
{
	const struct graph_conv *c = &s->op->conv;
	const struct graph_param *p = &s->w->g->param[s->op->w];
	const int64_t second = p->count / p->shape[0] / (c->kernel[0] * c->kernel[1] * c->kernel[2]);
	const int n = onnx_axes(s->w->g), last = second > 1 && c->kernel[2] > 1;
	int64_t shape[5] = {p->shape[0]};
	struct onnx_name w;

	for (int k = 0; k < n; k++)
		shape[last ? 1 + k : 2 + k] = c->kernel[3 - n + k];
	shape[last ? 1 + n : 1] = second;
	snprintf(w.s, sizeof w.s, "%s", onnx_param_as(s, s->op->w, 2 + n, shape));
	if (!last)
		return w;
	onnx_attr_channels(s, 0);
	return onnx_node(s, "Transpose", w.s, NULL);
}

static int node_conv(struct onnx_site *s)
{
	const struct graph_conv *c = &s->op->conv;
	const char *w = c->linear ? NULL : onnx_param(s, s->op->w), *b = s->op->b < 0 ? NULL : onnx_param(s, s->op->b);
	struct onnx_name linear;
	int more[3];

	if (c->linear) {
		linear = linear_weight(s);
		w = linear.s;
	}
	attr_size(s, "kernel_shape", c->kernel, 1);
	attr_size(s, "strides", c->stride, 1);
	attr_size(s, "pads", c->pad, 2);
	for (int k = 0; k < 3; k++)
		more[k] = c->stride[k] - c->kernel[k] + 2 * c->pad[k]; /* so that the output is input times stride */
	if (c->transposed)
		attr_size(s, "output_padding", more, 1);
	onnx_last(s, c->transposed ? "ConvTranspose" : "Conv", s->x, w, b, NULL);
	return 0;
}

/* What is normalised becomes the result, by gamma and beta if there are any. */
static int scaled(struct onnx_site *s, const char *type, const char *a, const char *b)
{
	struct onnx_name x;

	if (!s->op->norm.affine) {
		onnx_last(s, type, a, b, NULL);
		return 0;
	}
	x = onnx_node(s, type, a, b, NULL);
	x = onnx_node(s, "Mul", x.s, onnx_param_spread(s, s->op->w), NULL);
	onnx_last(s, "Add", x.s, onnx_param_spread(s, s->op->b), NULL);
	return 0;
}

static int norm_group(struct onnx_site *s)
{
	const int64_t groups[3] = {0, s->op->norm.groups, -1}; /* batch as it is; the rest */
	struct onnx_name ones = onnx_filled(s, 1, groups[1]), zeros = onnx_filled(s, 0, groups[1]), x, shape;

	x = onnx_node(s, "Reshape", s->x, onnx_ints(s, groups, 3).s, NULL);
	onnx_attr_float(s, "epsilon", s->op->norm.eps);
	x = onnx_node(s, "InstanceNormalization", x.s, ones.s, zeros.s, NULL);
	shape = onnx_node(s, "Shape", s->x, NULL);
	return scaled(s, "Reshape", x.s, shape.s);
}

static struct onnx_name mean(struct onnx_site *s, const char *x)
{
	onnx_attr_ints(s, "axes", (const int64_t[]){0, 2, 3, 4}, 1 + onnx_axes(s->w->g));
	return onnx_node(s, "ReduceMean", x, NULL);
}

/* By the batch's own statistics: ONNX has it for training alone. */
static int norm_batch(struct onnx_site *s)
{
	struct onnx_name x = onnx_node(s, "Sub", s->x, mean(s, s->x).s, NULL), squares = onnx_node(s, "Mul", x.s, x.s, NULL), deviation;

	deviation = onnx_node(s, "Add", mean(s, squares.s).s, onnx_number(s, s->op->norm.eps).s, NULL);
	deviation = onnx_node(s, "Sqrt", deviation.s, NULL);
	return scaled(s, "Div", x.s, deviation.s);
}

static int node_norm(struct onnx_site *s)
{
	const struct graph_op *op = s->op;
	struct onnx_name ones, zeros;
	const char *gamma, *beta;

	if (op->norm.kind == K_NORM_GROUP)
		return norm_group(s);
	if (op->norm.kind == K_NORM_BATCH && op->running < 0)
		return norm_batch(s);
	if (op->norm.kind != K_NORM_INSTANCE && op->norm.kind != K_NORM_BATCH)
		return -1;
	if (!op->norm.affine)
		ones = onnx_filled(s, 1, op->c), zeros = onnx_filled(s, 0, op->c);
	gamma = op->norm.affine ? onnx_param(s, op->w) : ones.s;
	beta = op->norm.affine ? onnx_param(s, op->b) : zeros.s;
	onnx_attr_float(s, "epsilon", op->norm.eps);
	if (op->norm.kind == K_NORM_INSTANCE && op->running < 0)
		onnx_last(s, "InstanceNormalization", s->x, gamma, beta, NULL);
	else
		onnx_last(s, "BatchNormalization", s->x, gamma, beta, onnx_param(s, op->running), onnx_param(s, op->running + 1), NULL);
	return 0;
}

/* x Phi(x) = x (1 + erf(x / sqrt 2)) / 2 */
static int act_gelu(struct onnx_site *s)
{
	struct onnx_name t = onnx_node(s, "Mul", s->x, onnx_number(s, 0.70710678f).s, NULL);

	t = onnx_node(s, "Erf", t.s, NULL);
	t = onnx_node(s, "Add", t.s, onnx_number(s, 1).s, NULL);
	t = onnx_node(s, "Mul", s->x, t.s, NULL);
	onnx_last(s, "Mul", t.s, onnx_number(s, 0.5f).s, NULL);
	return 0;
}

/* x sigmoid(slope x) */
static int act_swish(struct onnx_site *s)
{
	struct onnx_name t = onnx_node(s, "Mul", s->x, onnx_number(s, s->op->act.slope).s, NULL);

	onnx_last(s, "Mul", s->x, onnx_node(s, "Sigmoid", t.s, NULL).s, NULL);
	return 0;
}

/* x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) */
static int act_gelu_tanh(struct onnx_site *s)
{
	struct onnx_name t = onnx_node(s, "Mul", s->x, s->x, NULL);

	t = onnx_node(s, "Mul", t.s, onnx_number(s, 1.59576912f * 0.044715f).s, NULL);
	t = onnx_node(s, "Add", t.s, onnx_number(s, 1.59576912f).s, NULL);
	t = onnx_node(s, "Mul", s->x, t.s, NULL);
	onnx_last(s, "Mul", s->x, onnx_node(s, "Sigmoid", t.s, NULL).s, NULL);
	return 0;
}

static int act_relu6(struct onnx_site *s)
{
	struct onnx_name zero = onnx_number(s, 0), six = onnx_number(s, 6), t = onnx_node(s, "Max", s->x, zero.s, NULL);

	onnx_last(s, "Min", t.s, six.s, NULL);
	return 0;
}

static int act_mish(struct onnx_site *s)
{
	struct onnx_name t = onnx_node(s, "Softplus", s->x, NULL);

	onnx_last(s, "Mul", s->x, onnx_node(s, "Tanh", t.s, NULL).s, NULL);
	return 0;
}

static int act_prelu(struct onnx_site *s)
{
	onnx_last(s, "PRelu", s->x, s->op->act.alphas > 1 ? onnx_param_spread(s, s->op->alpha) : onnx_param(s, s->op->alpha), NULL);
	return 0;
}

static int node_act(struct onnx_site *s)
{
	static const struct { const char *type; int alpha; int (*fn)(struct onnx_site *s); } acts[] = {
		[K_ACT_RELU] = {"Relu"}, [K_ACT_LRELU] = {"LeakyRelu", 1}, [K_ACT_PRELU] = {.fn = act_prelu}, [K_ACT_ELU] = {"Elu", 1},
		[K_ACT_GELU] = {.fn = act_gelu}, [K_ACT_SWISH] = {.fn = act_swish}, [K_ACT_MISH] = {.fn = act_mish}, [K_ACT_SIGMOID] = {"Sigmoid"},
		[K_ACT_TANH] = {"Tanh"}, [K_ACT_RELU6] = {.fn = act_relu6}, [K_ACT_SELU] = {"Selu"}, [K_ACT_CELU] = {"Celu", 1},
		[K_ACT_GELU_TANH] = {.fn = act_gelu_tanh},
	};
	const size_t kind = (size_t)s->op->act.kind;

	if (kind >= sizeof acts / sizeof *acts || (!acts[kind].type && !acts[kind].fn))
		return -1;
	if (acts[kind].fn)
		return acts[kind].fn(s);
	if (acts[kind].alpha)
		onnx_attr_float(s, "alpha", s->op->act.slope);
	onnx_last(s, acts[kind].type, s->x, NULL);
	return 0;
}

/* Means of the squares of neighbouring channels: ONNX's LRN has not PyTorch's window where its size is even. */
static int node_local(struct onnx_site *s, const struct k_across *a)
{
	const int64_t flat[4] = {0, 1, s->op->c, -1}, kernel[2] = {a->size, 1}, pads[4] = {a->size / 2, 0, (a->size - 1) / 2, 0};
	struct onnx_name x = onnx_node(s, "Mul", s->x, s->x, NULL), shape;

	x = onnx_node(s, "Reshape", x.s, onnx_ints(s, flat, 4).s, NULL);
	onnx_attr_ints(s, "kernel_shape", kernel, 2);
	onnx_attr_ints(s, "pads", pads, 4);
	onnx_attr_int(s, "count_include_pad", 1);
	x = onnx_node(s, "AveragePool", x.s, NULL);
	x = onnx_node(s, "Mul", x.s, onnx_number(s, a->alpha).s, NULL);
	x = onnx_node(s, "Add", x.s, onnx_number(s, a->k).s, NULL);
	x = onnx_node(s, "Pow", x.s, onnx_number(s, a->beta).s, NULL);
	shape = onnx_node(s, "Shape", s->x, NULL);
	x = onnx_node(s, "Reshape", x.s, shape.s, NULL);
	onnx_last(s, "Div", s->x, x.s, NULL);
	return 0;
}

static int node_across(struct onnx_site *s)
{
	if (s->op->across.kind == K_LOCAL)
		return node_local(s, &s->op->across);
	onnx_attr_int(s, "axis", 1);
	onnx_last(s, s->op->across.kind == K_SOFTMAX ? "Softmax" : "LogSoftmax", s->x, NULL);
	return 0;
}

static int node_two(struct onnx_site *s)
{
	static const char *const type[] = {[GRAPH_ADD] = "Add", [GRAPH_CONCAT] = "Concat", [GRAPH_GATE] = "Mul"};
	char second[ONNX_NAME];

	onnx_value_name(s->w->g, s->op->in[1], second);
	if (s->op->kind == GRAPH_CONCAT)
		onnx_attr_int(s, "axis", 1);
	onnx_last(s, type[s->op->kind], s->x, second, NULL);
	return 0;
}

static int node_drop(struct onnx_site *s)
{
	onnx_last(s, "Identity", s->x, NULL);
	return 0;
}

static int node_scale(struct onnx_site *s)
{
	float scales[5] = {1, 1};
	struct onnx_name by;
	int n = 2;

	if (s->op->scale == K_SCALE_MEAN) {
		attr_size(s, "kernel_shape", s->op->factor, 1);
		attr_size(s, "strides", s->op->factor, 1);
		onnx_last(s, "AveragePool", s->x, NULL);
		return 0;
	}
	for (int k = 0; k < 3; k++)
		if (k || s->w->g->slices < 0)
			scales[n++] = (float)s->op->factor[k];
	onnx_attr_floats(s, "value_floats", scales, n);
	by = onnx_node(s, "Constant", NULL);
	onnx_attr_text(s, "mode", "linear");
	onnx_attr_text(s, "coordinate_transformation_mode", "half_pixel");
	onnx_last(s, "Resize", s->x, "", by.s, NULL);
	return 0;
}

static int node_pool(struct onnx_site *s)
{
	attr_size(s, "kernel_shape", s->op->factor, 1);
	attr_size(s, "strides", s->op->factor, 1);
	onnx_last(s, "MaxPool", s->x, NULL);
	return 0;
}

/* By one behind where the other is larger: sizes are known when it runs. */
static int node_edge(struct onnx_site *s)
{
	char like[ONNX_NAME];
	struct onnx_name have, want, more;

	onnx_value_name(s->w->g, s->op->like, like);
	onnx_attr_int(s, "start", 2);
	have = onnx_node(s, "Shape", s->x, NULL);
	onnx_attr_int(s, "start", 2);
	want = onnx_node(s, "Shape", like, NULL);
	want = onnx_node(s, "Sub", want.s, have.s, NULL);
	more = onnx_ints(s, (const int64_t[7]){0}, 4 + onnx_axes(s->w->g));
	onnx_attr_int(s, "axis", 0);
	more = onnx_node(s, "Concat", more.s, want.s, NULL);
	onnx_attr_text(s, "mode", "edge");
	onnx_last(s, "Pad", s->x, more.s, NULL);
	return 0;
}

static int (*const NODES[])(struct onnx_site *s) = {
	[GRAPH_CONV] = node_conv, [GRAPH_NORM] = node_norm, [GRAPH_ACT] = node_act, [GRAPH_ADD] = node_two, [GRAPH_CONCAT] = node_two,
	[GRAPH_DROP] = node_drop, [GRAPH_SCALE] = node_scale, [GRAPH_GATE] = node_two, [GRAPH_LAYER] = onnx_layer,
	[GRAPH_ATTENTION] = onnx_attention, [GRAPH_MERGE] = onnx_merge, [GRAPH_ACROSS] = node_across,
	[GRAPH_POOL] = node_pool, [GRAPH_POSITION] = onnx_position, [GRAPH_EDGE] = node_edge,
};

int onnx_node_add(struct onnx_writer *w, int i)
{
	struct onnx_site s = {.w = w, .op = &w->g->op[i]};
	const size_t kind = (size_t)s.op->kind;

	onnx_value_name(w->g, s.op->in[0], s.x);
	onnx_value_name(w->g, i, s.y);
	if (kind >= sizeof NODES / sizeof *NODES || !NODES[kind] || NODES[kind](&s))
		return err_set(w->e, NULL, "%.200s: this operation is not written as ONNX", s.op->name);
	return 0;
}
