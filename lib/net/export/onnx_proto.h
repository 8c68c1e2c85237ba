/* Protocol buffers, as much of them as ONNX takes: fields appended to a buffer that grows. After a failure (memory) a buffer stays `bad`.
   Source: protobuf.dev/programming-guides/encoding. */
#ifndef NIIPIPE_ONNX_PROTO_H
#define NIIPIPE_ONNX_PROTO_H

#include <stddef.h>
#include <stdint.h>

struct onnx_proto { uint8_t *p; size_t n, room; int bad; }; /* zeroed: empty; p is freed with free() */

void onnx_proto_varint(struct onnx_proto *b, uint64_t v);
void onnx_proto_int(struct onnx_proto *b, int field, int64_t v);
void onnx_proto_float(struct onnx_proto *b, int field, float v);
void onnx_proto_text(struct onnx_proto *b, int field, const char *s);
void onnx_proto_head(struct onnx_proto *b, int field, uint64_t len);              /* of a field of len bytes that follow */
void onnx_proto_message(struct onnx_proto *b, int field, struct onnx_proto *m);   /* m is emptied */
void onnx_proto_fields(struct onnx_proto *b, struct onnx_proto *m);               /* those of m, which is emptied */

#endif
