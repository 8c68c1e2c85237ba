#include "lib/net/onnx_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AttributeProto.AttributeType; numbers of fields in onnx.proto */
enum { FLOAT = 1, INT = 2, STRING = 3, FLOATS = 6, INTS = 7 };
enum { GRAPH_NODE = 1, NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTR = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_S = 4, ATTR_FLOATS = 7, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8 };

/* Where an operation's nodes are made: its input's name (the first), its output's, attributes of the node to come. */
struct site {
	struct onnx_writer *w;
	const struct graph_op *op;
	char x[ONNX_NAME], y[ONNX_NAME];
	struct onnx_proto attr;
};

/* Names of values between an operation's nodes, and of its own constants. */
struct name { char s[ONNX_NAME + 16]; };

static struct name inner(const struct site *s, const char *what)
{
	struct name n;

	snprintf(n.s, sizeof n.s, "%s:%s", s->y, what);
	return n;
}

static void value_name(const struct graph *g, int i, char name[ONNX_NAME])
{
	if (i == g->out)
		snprintf(name, ONNX_NAME, "logits");
	else if (g->op[i].kind == GRAPH_INPUT)
		snprintf(name, ONNX_NAME, "input");
	else
		snprintf(name, ONNX_NAME, "%d.%s", i, g->op[i].name);
}

/* -- attributes of the node to come -- */

static void attr_int(struct site *s, const char *name, int64_t v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_int(&a, ATTR_I, v);
	onnx_proto_int(&a, ATTR_TYPE, INT);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

static void attr_float(struct site *s, const char *name, float v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_float(&a, ATTR_F, v);
	onnx_proto_int(&a, ATTR_TYPE, FLOAT);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

static void attr_text(struct site *s, const char *name, const char *v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_text(&a, ATTR_S, v);
	onnx_proto_int(&a, ATTR_TYPE, STRING);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

static void attr_floats(struct site *s, const char *name, const float *v, int n)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	for (int k = 0; k < n; k++)
		onnx_proto_float(&a, ATTR_FLOATS, v[k]);
	onnx_proto_int(&a, ATTR_TYPE, FLOATS);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

/* Three whole numbers, `times` over: pads are those before, then those behind. */
static void attr_ints(struct site *s, const char *name, const int v[3], int times)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	for (int k = 0; k < 3 * times; k++)
		onnx_proto_int(&a, ATTR_INTS, v[k % 3]);
	onnx_proto_int(&a, ATTR_TYPE, INTS);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

/* -- nodes -- */

/* A node of this type; its inputs follow, "" one that is left out, NULL the end. */
static void emit(struct site *s, const char *type, const char *out, ...)
{
	struct onnx_proto node = {0};
	const char *in;
	va_list ap;

	va_start(ap, out);
	while ((in = va_arg(ap, const char *)))
		onnx_proto_text(&node, NODE_INPUT, in);
	va_end(ap);
	onnx_proto_text(&node, NODE_OUTPUT, out);
	onnx_proto_text(&node, NODE_NAME, out);
	onnx_proto_text(&node, NODE_OP, type);
	onnx_proto_fields(&node, &s->attr);
	onnx_proto_message(&s->w->nodes, GRAPH_NODE, &node);
}

static struct name number(struct site *s, const char *what, float v)
{
	struct name n = inner(s, what);

	attr_floats(s, "value_floats", &v, 1);
	emit(s, "Constant", n.s, NULL);
	return n;
}

/* -- constants -- */

static void constant(struct site *s, const char *name, const struct graph_param *p, float fill, int rank, const int64_t *shape)
{
	struct onnx_writer *w = s->w;
	struct onnx_constant *c = &w->constant[w->constants];

	for (int i = 0; i < w->constants; i++)
		if (w->constant[i].name && !strcmp(w->constant[i].name, name))
			return; /* shared slopes */
	*c = (struct onnx_constant){.name = strdup(name), .param = p, .fill = fill, .n = 1};
	for (int k = 0; k < rank; k++) {
		onnx_proto_int(&c->head, TENSOR_DIM, shape[k]);
		c->n *= shape[k];
	}
	onnx_proto_int(&c->head, TENSOR_TYPE, ONNX_FLOAT);
	onnx_proto_text(&c->head, TENSOR_NAME, name);
	c->head.bad |= !c->name;
	w->constants++;
}

/* The name of a parameter, which becomes a constant of its own shape, or, spread, of one [c,1,1,1] that meets channels. */
static const char *param(struct site *s, int i, int spread)
{
	const struct graph_param *p = &s->w->g->param[i];
	const int64_t shape[4] = {p->count, 1, 1, 1};

	constant(s, p->name, p, 0, spread ? 4 : p->rank, spread ? shape : p->shape);
	return p->name;
}

static struct name filled(struct site *s, const char *what, float v, int64_t n)
{
	struct name name = inner(s, what);

	constant(s, name.s, NULL, v, 1, &n);
	return name;
}

/* -- operations: 0, or -1: there is no form of it -- */

static int node_conv(struct site *s)
{
	const struct graph_conv *c = &s->op->conv;
	const char *w = param(s, s->op->w, 0), *b = s->op->b < 0 ? NULL : param(s, s->op->b, 0);
	int more[3];

	attr_ints(s, "kernel_shape", c->kernel, 1);
	attr_ints(s, "strides", c->stride, 1);
	attr_ints(s, "pads", c->pad, 2);
	for (int k = 0; k < 3; k++)
		more[k] = c->stride[k] - c->kernel[k] + 2 * c->pad[k]; /* so that the output is input times stride */
	if (c->transposed)
		attr_ints(s, "output_padding", more, 1);
	emit(s, c->transposed ? "ConvTranspose" : "Conv", s->y, s->x, w, b, NULL);
	return 0;
}

static int norm_group(struct site *s)
{
	const int groups[3] = {0, (int)s->op->norm.groups, -1}; /* batch as it is; the rest */
	const struct name to = inner(s, "to"), grouped = inner(s, "grouped"), normed = inner(s, "normed"), shape = inner(s, "shape");
	const struct name back = inner(s, "back"), scaled = inner(s, "scaled");
	struct name ones = filled(s, "ones", 1, groups[1]), zeros = filled(s, "zeros", 0, groups[1]);

	attr_ints(s, "value_ints", groups, 1);
	emit(s, "Constant", to.s, NULL);
	emit(s, "Reshape", grouped.s, s->x, to.s, NULL);
	attr_float(s, "epsilon", s->op->norm.eps);
	emit(s, "InstanceNormalization", normed.s, grouped.s, ones.s, zeros.s, NULL);
	emit(s, "Shape", shape.s, s->x, NULL);
	emit(s, "Reshape", s->op->norm.affine ? back.s : s->y, normed.s, shape.s, NULL);
	if (!s->op->norm.affine)
		return 0;
	emit(s, "Mul", scaled.s, back.s, param(s, s->op->w, 1), NULL);
	emit(s, "Add", s->y, scaled.s, param(s, s->op->b, 1), NULL);
	return 0;
}

static int node_norm(struct site *s)
{
	const struct graph_op *op = s->op;
	struct name ones, zeros;
	const char *gamma, *beta;

	if (op->norm.kind == K_NORM_GROUP)
		return norm_group(s);
	if (op->norm.kind != K_NORM_INSTANCE && (op->norm.kind != K_NORM_BATCH || op->running < 0))
		return -1;
	if (!op->norm.affine)
		ones = filled(s, "ones", 1, op->c), zeros = filled(s, "zeros", 0, op->c);
	gamma = op->norm.affine ? param(s, op->w, 0) : ones.s;
	beta = op->norm.affine ? param(s, op->b, 0) : zeros.s;
	attr_float(s, "epsilon", op->norm.eps);
	if (op->norm.kind == K_NORM_INSTANCE)
		emit(s, "InstanceNormalization", s->y, s->x, gamma, beta, NULL);
	else
		emit(s, "BatchNormalization", s->y, s->x, gamma, beta, param(s, op->running, 0), param(s, op->running + 1, 0), NULL);
	return 0;
}

/* x Phi(x) = x (1 + erf(x / sqrt 2)) / 2 */
static int act_gelu(struct site *s)
{
	const struct name root = number(s, "root", 0.70710678f), one = number(s, "one", 1), half = number(s, "half", 0.5f);
	const struct name t = inner(s, "t"), erf = inner(s, "erf"), sum = inner(s, "sum"), twice = inner(s, "twice");

	emit(s, "Mul", t.s, s->x, root.s, NULL);
	emit(s, "Erf", erf.s, t.s, NULL);
	emit(s, "Add", sum.s, erf.s, one.s, NULL);
	emit(s, "Mul", twice.s, s->x, sum.s, NULL);
	emit(s, "Mul", s->y, twice.s, half.s, NULL);
	return 0;
}

static int act_swish(struct site *s)
{
	const struct name t = inner(s, "sigmoid");

	emit(s, "Sigmoid", t.s, s->x, NULL);
	emit(s, "Mul", s->y, s->x, t.s, NULL);
	return 0;
}

static int act_mish(struct site *s)
{
	const struct name soft = inner(s, "softplus"), t = inner(s, "tanh");

	emit(s, "Softplus", soft.s, s->x, NULL);
	emit(s, "Tanh", t.s, soft.s, NULL);
	emit(s, "Mul", s->y, s->x, t.s, NULL);
	return 0;
}

static int act_prelu(struct site *s)
{
	emit(s, "PRelu", s->y, s->x, param(s, s->op->alpha, s->op->act.alphas > 1), NULL);
	return 0;
}

static int node_act(struct site *s)
{
	static const struct { const char *type; int alpha; int (*fn)(struct site *s); } acts[] = {
		[K_ACT_RELU] = {"Relu"}, [K_ACT_LRELU] = {"LeakyRelu", 1}, [K_ACT_PRELU] = {.fn = act_prelu}, [K_ACT_ELU] = {"Elu", 1},
		[K_ACT_GELU] = {.fn = act_gelu}, [K_ACT_SWISH] = {.fn = act_swish}, [K_ACT_MISH] = {.fn = act_mish}, [K_ACT_SIGMOID] = {"Sigmoid"},
		[K_ACT_TANH] = {"Tanh"},
	};
	const size_t kind = (size_t)s->op->act.kind;

	if (kind >= sizeof acts / sizeof *acts || (!acts[kind].type && !acts[kind].fn))
		return -1;
	if (acts[kind].fn)
		return acts[kind].fn(s);
	if (acts[kind].alpha)
		attr_float(s, "alpha", s->op->act.slope);
	emit(s, acts[kind].type, s->y, s->x, NULL);
	return 0;
}

static int node_two(struct site *s)
{
	static const char *const type[] = {[GRAPH_ADD] = "Add", [GRAPH_CONCAT] = "Concat", [GRAPH_GATE] = "Mul"};
	char second[ONNX_NAME];

	value_name(s->w->g, s->op->in[1], second);
	if (s->op->kind == GRAPH_CONCAT)
		attr_int(s, "axis", 1);
	emit(s, type[s->op->kind], s->y, s->x, second, NULL);
	return 0;
}

static int node_drop(struct site *s)
{
	emit(s, "Identity", s->y, s->x, NULL);
	return 0;
}

static int node_scale(struct site *s)
{
	const float scales[5] = {1, 1, (float)s->op->factor[0], (float)s->op->factor[1], (float)s->op->factor[2]};
	const struct name by = inner(s, "scales");

	if (s->op->scale == K_SCALE_MEAN) {
		attr_ints(s, "kernel_shape", s->op->factor, 1);
		attr_ints(s, "strides", s->op->factor, 1);
		emit(s, "AveragePool", s->y, s->x, NULL);
		return 0;
	}
	attr_floats(s, "value_floats", scales, 5);
	emit(s, "Constant", by.s, NULL);
	attr_text(s, "mode", "linear");
	attr_text(s, "coordinate_transformation_mode", "half_pixel");
	emit(s, "Resize", s->y, s->x, "", by.s, NULL);
	return 0;
}

static int (*const NODES[])(struct site *s) = {
	[GRAPH_CONV] = node_conv, [GRAPH_NORM] = node_norm, [GRAPH_ACT] = node_act, [GRAPH_ADD] = node_two, [GRAPH_CONCAT] = node_two,
	[GRAPH_DROP] = node_drop, [GRAPH_SCALE] = node_scale, [GRAPH_GATE] = node_two,
};

int onnx_node_add(struct onnx_writer *w, int i)
{
	struct site s = {.w = w, .op = &w->g->op[i]};
	const size_t kind = (size_t)s.op->kind;

	value_name(w->g, s.op->in[0], s.x);
	value_name(w->g, i, s.y);
	if (kind >= sizeof NODES / sizeof *NODES || !NODES[kind] || NODES[kind](&s))
		return err_set(w->e, NULL, "%.200s: this operation is not written as ONNX", s.op->name);
	return 0;
}
