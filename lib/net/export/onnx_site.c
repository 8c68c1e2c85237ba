/* Making nodes: names, attributes, constants. */
#include "lib/net/export/onnx_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AttributeProto.AttributeType; numbers of fields in onnx.proto */
enum { FLOAT = 1, INT = 2, STRING = 3, FLOATS = 6, INTS = 7 };
enum { GRAPH_NODE = 1, NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTR = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_S = 4, ATTR_FLOATS = 7, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8 };

int onnx_axes(const struct graph *g)
{
	return g->slices < 0 ? 3 : 2;
}

void onnx_value_name(const struct graph *g, int i, char name[ONNX_NAME])
{
	if (i == g->out)
		snprintf(name, ONNX_NAME, "logits");
	else if (g->op[i].kind == GRAPH_INPUT)
		snprintf(name, ONNX_NAME, "input");
	else
		snprintf(name, ONNX_NAME, "%d.%s", i, g->op[i].name);
}

/* -- attributes of the node to come -- */

void onnx_attr_int(struct onnx_site *s, const char *name, int64_t v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_int(&a, ATTR_I, v);
	onnx_proto_int(&a, ATTR_TYPE, INT);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

void onnx_attr_float(struct onnx_site *s, const char *name, float v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_float(&a, ATTR_F, v);
	onnx_proto_int(&a, ATTR_TYPE, FLOAT);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

void onnx_attr_text(struct onnx_site *s, const char *name, const char *v)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	onnx_proto_text(&a, ATTR_S, v);
	onnx_proto_int(&a, ATTR_TYPE, STRING);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

void onnx_attr_floats(struct onnx_site *s, const char *name, const float *v, int n)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	for (int k = 0; k < n; k++)
		onnx_proto_float(&a, ATTR_FLOATS, v[k]);
	onnx_proto_int(&a, ATTR_TYPE, FLOATS);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

void onnx_attr_ints(struct onnx_site *s, const char *name, const int64_t *v, int n)
{
	struct onnx_proto a = {0};

	onnx_proto_text(&a, ATTR_NAME, name);
	for (int k = 0; k < n; k++)
		onnx_proto_int(&a, ATTR_INTS, v[k]);
	onnx_proto_int(&a, ATTR_TYPE, INTS);
	onnx_proto_message(&s->attr, NODE_ATTR, &a);
}

void onnx_attr_channels(struct onnx_site *s, int last)
{
	const int n = onnx_axes(s->w->g);
	int64_t perm[5] = {0};

	for (int k = 0; k < n; k++)
		perm[last ? 1 + k : 2 + k] = last ? 2 + k : 1 + k;
	perm[last ? 1 + n : 1] = last ? 1 : 1 + n;
	onnx_attr_ints(s, "perm", perm, 2 + n);
}

/* -- nodes -- */

static void emit(struct onnx_site *s, const char *type, const char *out, const char *in, va_list more)
{
	struct onnx_proto node = {0};

	for (; in; in = va_arg(more, const char *))
		onnx_proto_text(&node, NODE_INPUT, in);
	onnx_proto_text(&node, NODE_OUTPUT, out);
	onnx_proto_text(&node, NODE_NAME, out);
	onnx_proto_text(&node, NODE_OP, type);
	onnx_proto_fields(&node, &s->attr);
	onnx_proto_message(&s->w->nodes, GRAPH_NODE, &node);
}

void onnx_last(struct onnx_site *s, const char *type, const char *in, ...)
{
	va_list ap;

	va_start(ap, in);
	emit(s, type, s->y, in, ap);
	va_end(ap);
}

struct onnx_name onnx_node(struct onnx_site *s, const char *type, const char *in, ...)
{
	struct onnx_name n;
	va_list ap;

	snprintf(n.s, sizeof n.s, "%s:%d", s->y, ++s->made);
	va_start(ap, in);
	emit(s, type, n.s, in, ap);
	va_end(ap);
	return n;
}

struct onnx_name onnx_number(struct onnx_site *s, float v)
{
	onnx_attr_floats(s, "value_floats", &v, 1);
	return onnx_node(s, "Constant", NULL);
}

struct onnx_name onnx_ints(struct onnx_site *s, const int64_t *v, int n)
{
	onnx_attr_ints(s, "value_ints", v, n);
	return onnx_node(s, "Constant", NULL);
}

/* -- constants -- */

static void constant(struct onnx_site *s, const char *name, const struct graph_param *p, float fill, int rank, const int64_t *shape)
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

const char *onnx_param_as(struct onnx_site *s, int i, int rank, const int64_t *shape)
{
	const struct graph_param *p = &s->w->g->param[i];

	constant(s, p->name, p, 0, rank, shape);
	return p->name;
}

const char *onnx_param(struct onnx_site *s, int i)
{
	return onnx_param_as(s, i, s->w->g->param[i].rank, s->w->g->param[i].shape);
}

const char *onnx_param_spread(struct onnx_site *s, int i)
{
	return onnx_param_as(s, i, 1 + onnx_axes(s->w->g), (const int64_t[]){s->w->g->param[i].count, 1, 1, 1});
}

struct onnx_name onnx_filled(struct onnx_site *s, float v, int64_t n)
{
	struct onnx_name name;

	snprintf(name.s, sizeof name.s, "%s=%g", s->y, v);
	constant(s, name.s, NULL, v, 1, &n);
	return name;
}
