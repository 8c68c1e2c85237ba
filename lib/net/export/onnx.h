/* A network as an ONNX model: opset 17, float32, input `input` [n,C,d,h,w] and output `logits` [n,K,d,h,w] of any batch and any size that
   the network's strides divide. Source: onnx.ai/onnx (onnx.proto, Operators.md). */
#ifndef NIIPIPE_ONNX_H
#define NIIPIPE_ONNX_H

#include "lib/net/graph/graph.h"
#include "lib/net/import/weights.h"

/* Metadata of the model, ends with a zero entry; borrowed. */
struct onnx_prop { const char *key, *value; };

/* Write the network with its weights, which are under its parameters' names. An operation that has no form in ONNX here is an error that names
   it, and so is a network above 2 GiB, the limit of such files. 0 or -1. */
int onnx_write(const struct graph *g, const struct weights *w, const struct onnx_prop *prop, struct out *o, struct err *e);

#endif
