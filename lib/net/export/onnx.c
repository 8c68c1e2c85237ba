#include "lib/net/export/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/net/export/onnx_node.h"

enum { IR_VERSION = 8, OPSET = 17 };

/* Numbers of the fields in onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_PROP = 14 };
enum { GRAPH_PROTO_NAME = 2, GRAPH_PROTO_INITIALIZER = 5, GRAPH_PROTO_INPUT = 11, GRAPH_PROTO_OUTPUT = 12 };
enum { TENSOR_RAW = 9 };

static void add_value_info(struct onnx_writer *w, int field, const char *name, int64_t c)
{
	static const char *const axis[] = {"n", "", "d", "h", "w"};
	struct onnx_proto info = {0}, type = {0}, tensor = {0}, shape = {0}, dim = {0};

	for (int k = 0; k < 5; k++) {
		if (w->g->slices >= 0 && k == 2)
			continue;
		if (k == 1)
			onnx_proto_int(&dim, 1, c);
		else
			onnx_proto_text(&dim, 2, axis[k]);
		onnx_proto_message(&shape, 1, &dim);
	}
	onnx_proto_int(&tensor, 1, ONNX_FLOAT);
	onnx_proto_message(&tensor, 2, &shape);
	onnx_proto_message(&type, 1, &tensor);
	onnx_proto_text(&info, 1, name);
	onnx_proto_message(&info, 2, &type);
	onnx_proto_message(&w->nodes, field, &info);
}

static int add_nodes(struct onnx_writer *w)
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
			add_value_info(w, GRAPH_PROTO_INPUT, "input", g->op[i].c);
		else if (onnx_node_add(w, i))
			return -1;
	}
	add_value_info(w, GRAPH_PROTO_OUTPUT, "logits", g->op[g->out].c);
	onnx_proto_text(&w->nodes, GRAPH_PROTO_NAME, "network");
	return 0;
}

/* The data's field closes a TensorProto: *len its bytes. */
static void close_heads(struct onnx_writer *w, uint64_t *total)
{
	*total = w->nodes.n;
	for (int i = 0; i < w->constants; i++) {
		struct onnx_constant *c = &w->constant[i];
		struct onnx_proto head = {0};
		uint64_t data = (uint64_t)c->n * sizeof(float);

		onnx_proto_head(&c->head, TENSOR_RAW, data);
		onnx_proto_head(&head, GRAPH_PROTO_INITIALIZER, c->head.n + data);
		*total += head.n + c->head.n + data;
		free(head.p);
	}
}

static int write_constant(struct onnx_writer *w, const struct onnx_constant *c, const struct weights *from, struct out *o)
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

static int write_model(struct onnx_writer *w, const struct weights *from, const struct onnx_prop *prop, struct out *o)
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
	struct onnx_writer x = {.g = g, .e = e};
	int r = -1;

	x.needed = mem_zero((size_t)g->n, 1, "ONNX", e);
	x.constant = mem_zero((size_t)g->params + 2 * (size_t)g->n, sizeof *x.constant, "ONNX", e);
	if (x.needed && x.constant && !add_nodes(&x))
		r = write_model(&x, w, prop, o);
	for (int i = 0; i < x.constants; i++) {
		free(x.constant[i].head.p);
		free(x.constant[i].name);
	}
	free(x.constant);
	free(x.needed);
	free(x.nodes.p);
	return r;
}
