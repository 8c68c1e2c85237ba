#include "lib/net/export/onnx_proto.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 }; /* wire types */

static void add(struct onnx_proto *b, const void *p, size_t n)
{
	if (n > b->room - b->n && !b->bad) {
		size_t room = 2 * b->room + n + 64;
		uint8_t *grown = realloc(b->p, room);

		b->bad = !grown;
		b->p = grown ? grown : b->p;
		b->room = grown ? room : b->room;
	}
	if (b->bad || !n)
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void onnx_proto_varint(struct onnx_proto *b, uint64_t v)
{
	uint8_t byte[10];
	size_t n = 0;

	do
		byte[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
	while (v >>= 7);
	add(b, byte, n);
}

void onnx_proto_int(struct onnx_proto *b, int field, int64_t v)
{
	onnx_proto_varint(b, (uint64_t)(field << 3 | VARINT));
	onnx_proto_varint(b, (uint64_t)v);
}

void onnx_proto_float(struct onnx_proto *b, int field, float v)
{
	uint8_t le[4];
	uint32_t bits;

	memcpy(&bits, &v, 4);
	for (int i = 0; i < 4; i++)
		le[i] = (uint8_t)(bits >> 8 * i);
	onnx_proto_varint(b, (uint64_t)(field << 3 | FIXED32));
	add(b, le, 4);
}

void onnx_proto_head(struct onnx_proto *b, int field, uint64_t len)
{
	onnx_proto_varint(b, (uint64_t)(field << 3 | BYTES));
	onnx_proto_varint(b, len);
}

void onnx_proto_text(struct onnx_proto *b, int field, const char *s)
{
	onnx_proto_head(b, field, strlen(s));
	add(b, s, strlen(s));
}

void onnx_proto_fields(struct onnx_proto *b, struct onnx_proto *m)
{
	add(b, m->p, m->n);
	b->bad |= m->bad;
	free(m->p);
	memset(m, 0, sizeof *m);
}

void onnx_proto_message(struct onnx_proto *b, int field, struct onnx_proto *m)
{
	onnx_proto_head(b, field, m->n);
	onnx_proto_fields(b, m);
}
