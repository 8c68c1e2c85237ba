#include "lib/net/import/pickle_make.h"

#include <string.h>

enum makes {
	NOTHING, /* a type that is only mentioned */
	DICT, MODULE, FIRST /* its first argument */, TENSOR, OPAQUE,
	TYPED /* _rebuild_from_type_v2(function, type, arguments, state): what function makes */
};

struct pickle_name {
	const char *module, *name;
	enum makes makes;
};

static const struct pickle_name NAMES[] = {
	{"collections", "OrderedDict", DICT},
	{"collections", "defaultdict", DICT},
	{"torch._utils", "_rebuild_tensor_v2", TENSOR},
	{"torch._utils", "_rebuild_tensor", TENSOR},
	{"torch._utils", "_rebuild_parameter", FIRST},
	{"torch._utils", "_rebuild_parameter_with_state", FIRST},
	{"torch._tensor", "_rebuild_from_type_v2", TYPED},
	{"torch", "Size", FIRST},
	{"torch", "device", OPAQUE},
	{"torch", "Tensor", NOTHING},
	{"torch.nn.parameter", "Parameter", NOTHING},
	{"torch", "FloatStorage", NOTHING},
	{"torch", "DoubleStorage", NOTHING},
	{"torch", "HalfStorage", NOTHING},
	{"torch", "BFloat16Storage", NOTHING},
	{"torch", "LongStorage", NOTHING},
	{"torch", "IntStorage", NOTHING},
	{"torch", "ShortStorage", NOTHING},
	{"torch", "CharStorage", NOTHING},
	{"torch", "ByteStorage", NOTHING},
	{"torch", "BoolStorage", NOTHING},
	{"torch", "float16", NOTHING},
	{"torch", "bfloat16", NOTHING},
	{"torch", "float32", NOTHING},
	{"torch", "float64", NOTHING},
	{"torch", "uint8", NOTHING},
	{"torch", "int8", NOTHING},
	{"torch", "int16", NOTHING},
	{"torch", "int32", NOTHING},
	{"torch", "int64", NOTHING},
	{"torch", "bool", NOTHING},
	{"numpy", "dtype", OPAQUE},
	{"numpy", "ndarray", NOTHING},
	{"numpy.core.multiarray", "scalar", OPAQUE},
	{"numpy._core.multiarray", "scalar", OPAQUE},
	{"numpy.core.multiarray", "_reconstruct", OPAQUE},
	{"numpy._core.multiarray", "_reconstruct", OPAQUE},
	{"numpy.core.numeric", "_frombuffer", OPAQUE},
	{"numpy._core.numeric", "_frombuffer", OPAQUE},
	{"torch.jit._pickle", "build_intlist", FIRST},
	{"torch.jit._pickle", "build_doublelist", FIRST},
	{"torch.jit._pickle", "build_boollist", FIRST},
	{"torch.jit._pickle", "build_tensorlist", FIRST},
	{"torch.jit._pickle", "restore_type_tag", FIRST},
	{"_codecs", "encode", FIRST},
	{"builtins", "set", OPAQUE},
	{"builtins", "frozenset", OPAQUE},
	{"builtins", "complex", OPAQUE},
	{"builtins", "bytearray", OPAQUE},
	{"builtins", "int", NOTHING},
	{"builtins", "float", NOTHING},
	{"builtins", "bool", NOTHING},
	{"builtins", "str", NOTHING},
	{"builtins", "list", NOTHING},
	{"builtins", "dict", NOTHING},
	{"builtins", "tuple", NOTHING},
};

/* TorchScript's modules: classes of the program in the archive, which is not run. */
static const struct pickle_name SCRIPT = {"__torch__", "*", MODULE};

static int same(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(s, word, len);
}

const struct pickle_name *pickle_make_find(const char *module, size_t module_len, const char *name, size_t name_len)
{
	int builtin = same(module, module_len, "__builtin__"); /* its name until protocol 2 */

	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
		if (same(name, name_len, NAMES[i].name) &&
		    (same(module, module_len, NAMES[i].module) || (builtin && !strcmp(NAMES[i].module, "builtins"))))
			return &NAMES[i];
	return module_len >= 9 && !memcmp(module, SCRIPT.module, 9) && (module_len == 9 || module[9] == '.') ? &SCRIPT : NULL;
}

const char *pickle_type(const struct pickle *p, int v)
{
	return pickle_is(p, v, PICKLE_NAME) ? p->v[v].name->name : NULL;
}

static int bad_call(const struct pickle_name *name, struct err *e)
{
	err_set(e, NULL, "calls %s.%s in a way that is not understood", name->module, name->name);
	return PICKLE_MAKE_BAD;
}

int pickle_make(const struct pickle *p, const struct pickle_name *name, int args, struct pickle_value *made, struct err *e)
{
	int n = p->v[args].n, first = pickle_item(p, args, 0);

	if (name->makes == TYPED && n == 4 && pickle_is(p, first, PICKLE_NAME) && pickle_is(p, pickle_item(p, args, 2), PICKLE_TUPLE)) {
		name = p->v[first].name;
		args = pickle_item(p, args, 2);
		n = p->v[args].n, first = pickle_item(p, args, 0);
		if (name->makes != TENSOR && name->makes != FIRST)
			return bad_call(name, e);
	}
	memset(made, 0, sizeof *made);
	switch (name->makes) {
	case DICT: /* defaultdict(factory) */
		made->kind = PICKLE_DICT;
		return !n || (n == 1 && !pickle_is(p, first, PICKLE_LIST)) ? PICKLE_MAKE_NEW : bad_call(name, e);
	case MODULE:
		made->kind = n ? PICKLE_OPAQUE : PICKLE_MODULE;
		return PICKLE_MAKE_NEW;
	case FIRST:
		return n ? first : bad_call(name, e);
	case TENSOR:
		made->kind = PICKLE_TENSOR;
		made->n = n;
		made->item = p->v[args].item;
		return n >= 4 && pickle_is(p, first, PICKLE_STORAGE) ? PICKLE_MAKE_NEW : bad_call(name, e);
	case OPAQUE:
		made->kind = PICKLE_OPAQUE;
		return PICKLE_MAKE_NEW;
	default:
		return bad_call(name, e);
	}
}
