#include "lib/volume/nifti/nifti.h"

#define SWAP(bits) \
	static void swap##bits(void *p, size_t n) \
	{ \
		uint##bits##_t *v = p; \
\
		for (size_t i = 0; i < n; i++) \
			v[i] = __builtin_bswap##bits(v[i]); \
	}
SWAP(16)
SWAP(32)
SWAP(64)

#define SCALE(name, type) \
	static void name(float *out, const void *raw, size_t n, double slope, double inter) \
	{ \
		const type *v = raw; \
\
		for (size_t i = 0; i < n; i++) \
			out[i] = (float)((double)v[i] * slope + inter); \
	}
SCALE(scale_u8, uint8_t)
SCALE(scale_i8, int8_t)
SCALE(scale_u16, uint16_t)
SCALE(scale_i16, int16_t)
SCALE(scale_u32, uint32_t)
SCALE(scale_i32, int32_t)
SCALE(scale_u64, uint64_t)
SCALE(scale_i64, int64_t)
SCALE(scale_f32, float)
SCALE(scale_f64, double)

typedef void scale_fn(float *out, const void *raw, size_t n, double slope, double inter);

static scale_fn *const scale[DT_COUNT] = {
	[DT_U8] = scale_u8,   [DT_I8] = scale_i8,   [DT_U16] = scale_u16, [DT_I16] = scale_i16, [DT_U32] = scale_u32,
	[DT_I32] = scale_i32, [DT_U64] = scale_u64, [DT_I64] = scale_i64, [DT_F32] = scale_f32, [DT_F64] = scale_f64,
};

void nii_convert(const struct nii_header *h, void *out, void *raw, size_t n)
{
	static void (*const swap[9])(void *, size_t) = {[2] = swap16, [4] = swap32, [8] = swap64};
	size_t size = dtype_size(h->dtype);

	if (h->swapped && size > 1)
		swap[size](raw, n);
	if (h->scaled)
		scale[h->dtype](out, raw, n, h->slope, h->inter);
}
