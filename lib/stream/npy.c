#include "lib/stream/npy.h"

#include <stdio.h>
#include <string.h>

#include "lib/stream/values.h"

enum { HEAD = 384, ALIGN = 64, GROWTH = 21, BLOCK = 4096 };

static const char *const descr[DT_COUNT] = {
	[DT_BOOL] = "|b1", [DT_U8] = "|u1",  [DT_I8] = "|i1",  [DT_U16] = "<u2", [DT_I16] = "<i2", [DT_F16] = "<f2", [DT_BF16] = "<f4",
	[DT_U32] = "<u4",  [DT_I32] = "<i4", [DT_F32] = "<f4", [DT_U64] = "<u8", [DT_I64] = "<i8", [DT_F64] = "<f8",
};

/* Magic, version, length of what follows, and a Python dictionary filled up with spaces, as many as NumPy puts there (the first size may
   grow to 21 digits). FRAME_RANK numbers of 20 digits fit. */
static size_t head(const struct tensor *t, char p[HEAD])
{
	int n = 10, length, first = t->rank ? snprintf(NULL, 0, "%lld", (long long)t->shape[0]) : GROWTH;

	memset(p, ' ', HEAD);
	n += snprintf(p + n, (size_t)(HEAD - n), "{'descr': '%s', 'fortran_order': False, 'shape': (", descr[t->dtype]);
	for (int i = 0; i < t->rank; i++)
		n += snprintf(p + n, (size_t)(HEAD - n), "%s%lld", i ? ", " : "", (long long)t->shape[i]);
	n += snprintf(p + n, (size_t)(HEAD - n), "%s), }", t->rank == 1 ? "," : "");
	p[n] = ' ';
	n += GROWTH - first + 1;
	n += ALIGN - n % ALIGN;
	p[n - 1] = '\n';
	length = n - 10;
	memcpy(p, "\x93NUMPY\1\0", 8);
	p[8] = (char)(length & 255);
	p[9] = (char)(length >> 8);
	return (size_t)n;
}

int npy_write(const struct tensor *t, struct out *o, struct err *e)
{
	char p[HEAD];
	float v[BLOCK];
	int64_t n = tensor_count(t);

	if (out_write(o, p, head(t, p), e))
		return -1;
	if (t->dtype != DT_BF16)
		return out_write(o, t->data, t->size, e);
	for (int64_t at = 0; at < n; at += BLOCK) {
		int64_t k = n - at < BLOCK ? n - at : BLOCK;

		tensor_load_f32(t, at, k, v);
		if (out_write(o, v, (size_t)k * sizeof *v, e))
			return -1;
	}
	return 0;
}
