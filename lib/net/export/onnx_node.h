/* Operations of a network as ONNX nodes. Private to onnx*.c. */
#ifndef NIIPIPE_ONNX_NODE_H
#define NIIPIPE_ONNX_NODE_H

#include "lib/net/export/onnx_proto.h"
#include "lib/net/graph/graph.h"

enum { ONNX_NAME = 320, ONNX_FLOAT = 1, ONNX_INT64 = 7 /* TensorProto.DataType */ };

/* A constant of the model: a parameter, or, without one, n times `fill`. */
struct onnx_constant {
	char *name;
	const struct graph_param *param;
	float fill;
	int64_t n;
	struct onnx_proto head; /* its TensorProto but for the data */
};

struct onnx_writer {
	const struct graph *g;
	char *needed;            /* operations that the logits depend on */
	struct onnx_proto nodes; /* the GraphProto but for the constants */
	struct onnx_constant *constant;
	int constants;           /* at most the parameters and two an operation */
	struct err *e;
};

/* Append the nodes of operation i and the constants they take. 0, or -1 and an error: it has no form in ONNX. */
int onnx_node_add(struct onnx_writer *w, int i);

/* -- onnx_site.c: making nodes -- */

/* Where an operation's nodes are made: its input's name (the first), its output's, attributes of the node to come. */
struct onnx_site {
	struct onnx_writer *w;
	const struct graph_op *op;
	char x[ONNX_NAME], y[ONNX_NAME];
	struct onnx_proto attr;
	int made;
};
struct onnx_name { char s[ONNX_NAME + 16]; };

/* Of values, beside batch and channels: three, or those of a slice. */
int onnx_axes(const struct graph *g);
void onnx_value_name(const struct graph *g, int i, char name[ONNX_NAME]);

/* Attributes of the node to come */
void onnx_attr_int(struct onnx_site *s, const char *name, int64_t v);
void onnx_attr_float(struct onnx_site *s, const char *name, float v);
void onnx_attr_text(struct onnx_site *s, const char *name, const char *v);
void onnx_attr_floats(struct onnx_site *s, const char *name, const float *v, int n);
void onnx_attr_ints(struct onnx_site *s, const char *name, const int64_t *v, int n);
void onnx_attr_channels(struct onnx_site *s, int last); /* perm of a Transpose: channels go behind the axes, or back */

/* A node of this type: its result's name; onnx_last: of the operation's own result. Inputs: "" one that is left out, NULL the end. */
struct onnx_name onnx_node(struct onnx_site *s, const char *type, const char *in, ...);
void onnx_last(struct onnx_site *s, const char *type, const char *in, ...);

/* Numbers, whole numbers */
struct onnx_name onnx_number(struct onnx_site *s, float v);
struct onnx_name onnx_ints(struct onnx_site *s, const int64_t *v, int n);

/* Parameter i as a constant: its name. As it is, of another shape, as one [c,1,1,1] or [c,1,1] that meets channels. */
const char *onnx_param(struct onnx_site *s, int i);
const char *onnx_param_as(struct onnx_site *s, int i, int rank, const int64_t *shape);
const char *onnx_param_spread(struct onnx_site *s, int i);

/* n times v as a constant */
struct onnx_name onnx_filled(struct onnx_site *s, float v, int64_t n);

/* -- onnx_swin.c: what transformers are made of -- */
int onnx_layer(struct onnx_site *s);
int onnx_attention(struct onnx_site *s);
int onnx_merge(struct onnx_site *s);
int onnx_position(struct onnx_site *s);

#endif
