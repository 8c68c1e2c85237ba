/* Operations of a network as ONNX nodes. Private to onnx*.c. */
#ifndef NIIPIPE_ONNX_NODE_H
#define NIIPIPE_ONNX_NODE_H

#include "lib/net/graph.h"
#include "lib/net/onnx_proto.h"

enum { ONNX_NAME = 320, ONNX_FLOAT = 1 /* TensorProto.DataType */ };

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

#endif
