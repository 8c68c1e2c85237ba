#include "lib/net/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/net/onnx_proto.h"

enum { IR_VERSION = 8, OPSET = 17, NAME = 320 };
enum { ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_INTS = 7, ELEM_FLOAT = 1 };

/* Numbers of the fields in onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_PROP = 14 };
enum { GRAPH_PROTO_NODE = 1, GRAPH_PROTO_NAME = 2, GRAPH_PROTO_INITIALIZER = 5, GRAPH_PROTO_INPUT = 11, GRAPH_PROTO_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTR = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_INTS_FIELD = 8, ATTR_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

/* A constant of the model: a parameter, or, without one, n times `fill`. */
struct constant {
	const struct graph_param *param;
	float fill;
	int64_t n;
	struct onnx_proto head; /* its TensorProto but for the data */
};

struct writer {
	const struct graph *g;
	char *needed;            /* operations that the logits depend on */
	struct onnx_proto nodes; /* the GraphProto but for the constants */
	struct constant *constant;
	int constants;           /* at most 3 an operation */
	struct err *e;
};

/* -- names -- */

static void value_name(const struct writer *w, int i, char name[NAME])
{
	if (i == w->g->out)
		snprintf(name, NAME, "logits");
	else if (w->g->op[i].kind == GRAPH_INPUT)
		snprintf(name, NAME, "input");
	else
		snprintf(name, NAME, "%d.%s", i, w->g->op[i].name);
}

/* -- constants -- */

static void begin_constant(struct writer *w, const struct graph_param *p, float fill, int rank, const int64_t *shape, const char *name)
{
	struct constant *c = &w->constant[w->constants++];

	*c = (struct constant){.param = p, .fill = fill, .n = 1};
	for (int k = 0; k < rank; k++) {
		onnx_proto_int(&c->head, TENSOR_DIM, shape[k]);
		c->n *= shape[k];
	}
	onnx_proto_int(&c->head, TENSOR_TYPE, ELEM_FLOAT);
	onnx_proto_text(&c->head, TENSOR_NAME, name);
}

static void use_param(struct writer *w, struct onnx_proto *node, int param, int rank, const int64_t *shape)
{
	const struct graph_param *p = &w->g->param[param];

	begin_constant(w, p, 0, rank, shape, p->name);
	onnx_proto_text(node, NODE_INPUT, p->name);
}

static void use_fill(struct writer *w, struct onnx_proto *node, int i, float fill, const char *what)
{
	char name[NAME];

	snprintf(name, sizeof name, "%d.%s", i, what);
	begin_constant(w, NULL, fill, 1, &w->g->op[i].c, name);
	onnx_proto_text(node, NODE_INPUT, name);
}

/* -- attributes -- */

static void attr_int(struct onnx_proto *node, const char *name, int64_t v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_int(&a, ATTR_I, v);
	onnx_proto_int(&a, ATTR_TYPE, ATTR_INT);
	onnx_proto_message(node, NODE_ATTR, &a);
}

static void attr_float(struct onnx_proto *node, const char *name, float v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_float(&a, ATTR_F, v);
	onnx_proto_int(&a, ATTR_TYPE, ATTR_FLOAT);
	onnx_proto_message(node, NODE_ATTR, &a);
}

/* v `times` over: pads are those before, then those behind. */
static void attr_ints(struct onnx_proto *node, const char *name, const int v[3], int times)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	for (int k = 0; k < 3 * times; k++)
		onnx_proto_int(&a, ATTR_INTS_FIELD, v[k % 3]);
	onnx_proto_int(&a, ATTR_TYPE, ATTR_INTS);
	onnx_proto_message(node, NODE_ATTR, &a);
}

/* -- operations: node has its inputs from values and its output; each returns ONNX's name for it, NULL: there is none -- */

static const char *node_conv(struct writer *w, int i, struct onnx_proto *node)
{
	const struct graph_op *op = &w->g->op[i];
	const struct graph_conv *c = &op->conv;
	int more[3];

	use_param(w, node, op->w, 5, w->g->param[op->w].shape);
	if (op->b >= 0)
		use_param(w, node, op->b, 1, w->g->param[op->b].shape);
	attr_ints(node, "kernel_shape", c->kernel, 1);
	attr_ints(node, "strides", c->stride, 1);
	attr_ints(node, "pads", c->pad, 2);
	if (!c->transposed)
		return "Conv";
	for (int k = 0; k < 3; k++)
		more[k] = c->stride[k] - c->kernel[k] + 2 * c->pad[k]; /* so that the output is input times stride */
	attr_ints(node, "output_padding", more, 1);
	return "ConvTranspose";
}

static const char *node_norm(struct writer *w, int i, struct onnx_proto *node)
{
	const struct graph_op *op = &w->g->op[i];

	if (op->norm.kind != K_NORM_INSTANCE)
		return NULL;
	if (op->norm.affine) {
		use_param(w, node, op->w, 1, &op->c);
		use_param(w, node, op->b, 1, &op->c);
	} else {
		use_fill(w, node, i, 1, "ones");
		use_fill(w, node, i, 0, "zeros");
	}
	attr_float(node, "epsilon", op->norm.eps);
	return "InstanceNormalization";
}

static const char *node_act(struct writer *w, int i, struct onnx_proto *node)
{
	static const char *const name[] = {[K_ACT_RELU] = "Relu", [K_ACT_LRELU] = "LeakyRelu", [K_ACT_PRELU] = "PRelu"};
	const struct graph_op *op = &w->g->op[i];
	const int64_t slope[4] = {op->act.alphas, 1, 1, 1}; /* one a channel: [C,1,1,1] */

	if ((size_t)op->act.kind >= sizeof name / sizeof *name)
		return NULL;
	if (op->act.kind == K_ACT_PRELU)
		use_param(w, node, op->alpha, op->act.alphas > 1 ? 4 : 1, slope);
	if (op->act.kind == K_ACT_LRELU)
		attr_float(node, "alpha", op->act.slope);
	return name[op->act.kind];
}

static const char *node_add(struct writer *w, int i, struct onnx_proto *node)
{
	(void)w, (void)i, (void)node;
	return "Add";
}

static const char *node_concat(struct writer *w, int i, struct onnx_proto *node)
{
	(void)w, (void)i;
	attr_int(node, "axis", 1);
	return "Concat";
}

typedef const char *node_fn(struct writer *w, int i, struct onnx_proto *node);
static node_fn *const NODES[] = {
	[GRAPH_CONV] = node_conv, [GRAPH_NORM] = node_norm, [GRAPH_ACT] = node_act, [GRAPH_ADD] = node_add, [GRAPH_CONCAT] = node_concat,
};

static int add_node(struct writer *w, int i)
{
	const struct graph_op *op = &w->g->op[i];
	struct onnx_proto node = {0};
	const char *type = NULL;
	char name[NAME];

	for (int k = 0; k < 2; k++)
		if (op->in[k] >= 0) {
			value_name(w, op->in[k], name);
			onnx_proto_text(&node, NODE_INPUT, name);
		}
	if ((size_t)op->kind < sizeof NODES / sizeof *NODES && NODES[op->kind])
		type = NODES[op->kind](w, i, &node);
	if (!type) {
		free(node.p);
		return err_set(w->e, NULL, "%.200s: this operation is not written as ONNX", op->name);
	}
	value_name(w, i, name);
	onnx_proto_text(&node, NODE_OUTPUT, name);
	onnx_proto_text(&node, NODE_NAME, name);
	onnx_proto_text(&node, NODE_OP, type);
	onnx_proto_message(&w->nodes, GRAPH_PROTO_NODE, &node);
	return 0;
}

/* -- the model -- */

static void add_value_info(struct onnx_proto *b, int field, const char *name, int64_t c)
{
	static const char *const axis[] = {"n", "", "d", "h", "w"};
	struct onnx_proto info = {0}, type = {0}, tensor = {0}, shape = {0}, dim = {0};

	for (int k = 0; k < 5; k++) {
		if (k == 1)
			onnx_proto_int(&dim, 1, c);
		else
			onnx_proto_text(&dim, 2, axis[k]);
		onnx_proto_message(&shape, 1, &dim);
	}
	onnx_proto_int(&tensor, 1, ELEM_FLOAT);
	onnx_proto_message(&tensor, 2, &shape);
	onnx_proto_message(&type, 1, &tensor);
	onnx_proto_text(&info, 1, name);
	onnx_proto_message(&info, 2, &type);
	onnx_proto_message(b, field, &info);
}

static int add_nodes(struct writer *w)
{
	const struct graph *g = w->g;

	w->needed[g->out] = 1;
	for (int i = g->out; i >= 0; i--)
		for (int k = 0; k < 2; k++)
			if (w->needed[i] && g->op[i].in[k] >= 0)
				w->needed[g->op[i].in[k]] = 1;
	for (int i = 0; i <= g->out; i++) {
		if (!w->needed[i])
			continue;
		if (g->op[i].kind == GRAPH_INPUT)
			add_value_info(&w->nodes, GRAPH_PROTO_INPUT, "input", g->op[i].c);
		else if (add_node(w, i))
			return -1;
	}
	add_value_info(&w->nodes, GRAPH_PROTO_OUTPUT, "logits", g->op[g->out].c);
	onnx_proto_text(&w->nodes, GRAPH_PROTO_NAME, "network");
	return 0;
}

/* The data's field closes a TensorProto: *len its bytes. */
static void close_heads(struct writer *w, uint64_t *total)
{
	*total = w->nodes.n;
	for (int i = 0; i < w->constants; i++) {
		struct constant *c = &w->constant[i];
		struct onnx_proto head = {0};
		uint64_t data = (uint64_t)c->n * sizeof(float);

		onnx_proto_head(&c->head, TENSOR_RAW, data);
		onnx_proto_head(&head, GRAPH_PROTO_INITIALIZER, c->head.n + data);
		*total += head.n + c->head.n + data;
		free(head.p);
	}
}

static int write_constant(struct writer *w, const struct constant *c, const struct weights *from, struct out *o)
{
	float *v = mem_new((size_t)c->n, sizeof *v, "a parameter", w->e);
	struct onnx_proto head = {0};
	int r = -1;

	if (v && c->param)
		weights_load(weights_find(from, c->param->name), v);
	for (int64_t i = 0; v && !c->param && i < c->n; i++)
		v[i] = c->fill;
	onnx_proto_head(&head, GRAPH_PROTO_INITIALIZER, c->head.n + (uint64_t)c->n * sizeof *v);
	if (v && !head.bad)
		r = out_write(o, head.p, head.n, w->e) || out_write(o, c->head.p, c->head.n, w->e) || out_write(o, v, (size_t)c->n * sizeof *v, w->e) ? -1 : 0;
	else if (v)
		err_set(w->e, NULL, "not enough memory for ONNX");
	free(head.p);
	free(v);
	return r;
}

static int write_model(struct writer *w, const struct weights *from, const struct onnx_prop *prop, struct out *o)
{
	struct onnx_proto m = {0}, part = {0};
	uint64_t total;
	int r, bad = w->nodes.bad;

	onnx_proto_int(&m, MODEL_IR, IR_VERSION);
	onnx_proto_text(&m, MODEL_PRODUCER, "niipipe");
	onnx_proto_text(&m, MODEL_PRODUCER_VERSION, NIIPIPE_VERSION);
	onnx_proto_text(&part, 1, "");
	onnx_proto_int(&part, 2, OPSET);
	onnx_proto_message(&m, MODEL_OPSET, &part);
	for (; prop->key; prop++) {
		onnx_proto_text(&part, 1, prop->key);
		onnx_proto_text(&part, 2, prop->value);
		onnx_proto_message(&m, MODEL_PROP, &part);
	}
	close_heads(w, &total);
	onnx_proto_head(&m, MODEL_GRAPH, total);
	for (int i = 0; i < w->constants; i++)
		bad |= w->constant[i].head.bad;
	if (bad || m.bad)
		r = err_set(w->e, NULL, "not enough memory for ONNX");
	else if (total > INT32_MAX - m.n)
		r = err_set(w->e, NULL, "a model of %llu bytes: ONNX holds 2 GiB at most", (unsigned long long)total);
	else
		r = out_write(o, m.p, m.n, w->e) || out_write(o, w->nodes.p, w->nodes.n, w->e) ? -1 : 0;
	for (int i = 0; i < w->constants && !r; i++)
		r = write_constant(w, &w->constant[i], from, o);
	free(m.p);
	return r;
}

int onnx_write(const struct graph *g, const struct weights *w, const struct onnx_prop *prop, struct out *o, struct err *e)
{
	struct writer x = {.g = g, .e = e};
	int r = -1;

	x.needed = mem_zero((size_t)g->n, 1, "ONNX", e);
	x.constant = mem_zero((size_t)g->n * 3, sizeof *x.constant, "ONNX", e);
	if (x.needed && x.constant && !add_nodes(&x))
		r = write_model(&x, w, prop, o);
	for (int i = 0; i < x.constants; i++)
		free(x.constant[i].head.p);
	free(x.constant);
	free(x.needed);
	free(x.nodes.p);
	return r;
}
