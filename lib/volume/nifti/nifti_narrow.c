#include "lib/volume/nifti/nifti.h"

struct range { int64_t lo; uint64_t hi; };

#define RANGE(name, type) \
	static void name(const void *data, size_t n, struct range *r) \
	{ \
		const type *v = data; \
		type lo = 0, hi = 0; \
\
		for (size_t i = 0; i < n; i++) { \
			lo = v[i] < lo ? v[i] : lo; \
			hi = v[i] > hi ? v[i] : hi; \
		} \
		r->lo = (int64_t)lo; \
		r->hi = (uint64_t)hi; \
	}
RANGE(range_i32, int32_t)
RANGE(range_i64, int64_t)
RANGE(range_u32, uint32_t)
RANGE(range_u64, uint64_t)

typedef void range_fn(const void *data, size_t n, struct range *r);
static range_fn *const range[DT_COUNT] = {[DT_I32] = range_i32, [DT_I64] = range_i64, [DT_U32] = range_u32, [DT_U64] = range_u64};

/* The low bytes of a number that fits are the number, whatever the signs (two's complement, little endian). */
#define LOW(to, from) \
	for (size_t i = 0; i < n; i++) \
		((to *)out)[i] = (to)((const from *)data)[i];

static void low(void *out, size_t to, const void *data, size_t from, size_t n)
{
	if (from == 4 && to == 1)
		LOW(uint8_t, uint32_t)
	else if (from == 4 && to == 2)
		LOW(uint16_t, uint32_t)
	else if (from == 4)
		LOW(uint32_t, uint32_t)
	else if (to == 1)
		LOW(uint8_t, uint64_t)
	else if (to == 2)
		LOW(uint16_t, uint64_t)
	else
		LOW(uint32_t, uint64_t)
}

static const struct { enum dtype t; int64_t lo; uint64_t hi; } fits[] = {
	{DT_U8, 0, UINT8_MAX}, {DT_I16, INT16_MIN, INT16_MAX}, {DT_I32, INT32_MIN, INT32_MAX},
};

enum dtype nii_narrow(const struct tensor *t)
{
	struct range r;

	if (!range[t->dtype])
		return t->dtype;
	range[t->dtype](t->data, (size_t)tensor_count(t), &r);
	for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
		if (r.lo >= fits[i].lo && r.hi <= fits[i].hi)
			return fits[i].t;
	return t->dtype;
}

void nii_narrowed(const struct tensor *t, enum dtype to, int64_t first, int64_t n, void *out)
{
	size_t size = dtype_size(t->dtype);

	low(out, dtype_size(to), (const char *)t->data + (size_t)first * size, size, (size_t)n);
}
