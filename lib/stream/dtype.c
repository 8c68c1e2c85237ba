#include <string.h>

#include "lib/stream/frame.h"

static const struct { const char *name; size_t size; int is_float; } table[DT_COUNT] = {
	[DT_BOOL] = {"BOOL", 1, 0}, [DT_U8] = {"U8", 1, 0},   [DT_I8] = {"I8", 1, 0},     [DT_U16] = {"U16", 2, 0}, [DT_I16] = {"I16", 2, 0},
	[DT_F16] = {"F16", 2, 1},   [DT_BF16] = {"BF16", 2, 1}, [DT_U32] = {"U32", 4, 0}, [DT_I32] = {"I32", 4, 0}, [DT_F32] = {"F32", 4, 1},
	[DT_U64] = {"U64", 8, 0},   [DT_I64] = {"I64", 8, 0}, [DT_F64] = {"F64", 8, 1},
};

size_t dtype_size(enum dtype t)
{
	return table[t].size;
}

const char *dtype_name(enum dtype t)
{
	return table[t].name;
}

int dtype_is_float(enum dtype t)
{
	return table[t].is_float;
}

int dtype_parse(const char *name, enum dtype *out)
{
	for (int i = 0; i < DT_COUNT; i++)
		if (!strcmp(table[i].name, name)) {
			*out = (enum dtype)i;
			return 0;
		}
	return -1;
}
