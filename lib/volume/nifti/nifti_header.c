#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti.h"

/* Fields that both versions have under one name. */
#define FIELDS(X) \
	X(datatype) X(bitpix) X(intent_p1) X(intent_p2) X(intent_p3) X(scl_slope) X(scl_inter) X(cal_max) X(cal_min) X(slice_duration) X(toffset) \
	X(slice_start) X(slice_end) X(qform_code) X(sform_code) X(quatern_b) X(quatern_c) X(quatern_d) X(qoffset_x) X(qoffset_y) X(qoffset_z) \
	X(slice_code) X(xyzt_units) X(intent_code) X(dim_info)
#define ARRAYS(X) X(dim, 8) X(pixdim, 8) X(srow_x, 4) X(srow_y, 4) X(srow_z, 4)
#define TEXTS(X) X(descrip) X(aux_file) X(intent_name)

/* Where a field stands in the file. */
#define AT(h, field) (int64_t)((h)->version == 1 ? offsetof(nifti_1_header, field) : offsetof(nifti_2_header, field))

static const struct { int code, bits; int dtype; const char *why; } types[] = {
	{2, 8, DT_U8, NULL},      {4, 16, DT_I16, NULL},    {8, 32, DT_I32, NULL},    {16, 32, DT_F32, NULL},   {64, 64, DT_F64, NULL},
	{256, 8, DT_I8, NULL},    {512, 16, DT_U16, NULL},  {768, 32, DT_U32, NULL},  {1024, 64, DT_I64, NULL}, {1280, 64, DT_U64, NULL},
	{1, 1, -1, "1-bit voxels"},              {32, 64, -1, "complex voxels"},          {1792, 128, -1, "complex voxels"},
	{2048, 256, -1, "complex voxels"},       {128, 24, -1, "RGB voxels"},             {2304, 32, -1, "RGBA voxels"},
	{1536, 128, -1, "128-bit floating-point voxels"},
};

size_t nii_header_size(const uint8_t b[4])
{
	uint32_t le = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
	uint32_t be = b[3] | (uint32_t)b[2] << 8 | (uint32_t)b[1] << 16 | (uint32_t)b[0] << 24;

	if (le == sizeof(nifti_1_header) || be == sizeof(nifti_1_header))
		return sizeof(nifti_1_header);
	if (le == sizeof(nifti_2_header) || be == sizeof(nifti_2_header))
		return sizeof(nifti_2_header);
	return 0;
}

static void widen(nifti_2_header *to, const nifti_1_header *from)
{
#define ONE(f) to->f = from->f;
#define MANY(f, n) for (int i = 0; i < n; i++) to->f[i] = from->f[i];
#define TEXT(f) memcpy(to->f, from->f, sizeof from->f);
	FIELDS(ONE)
	ARRAYS(MANY)
	TEXTS(TEXT)
	memcpy(to->magic, from->magic, 4);
	to->sizeof_hdr = sizeof *from;
}

static void narrow(nifti_1_header *to, const nifti_2_header *from)
{
	FIELDS(ONE)
	ARRAYS(MANY)
	TEXTS(TEXT)
	memcpy(to->magic, from->magic, 4);
	to->sizeof_hdr = sizeof *to;
	to->vox_offset = (float)from->vox_offset;
	to->regular = 'r';
}

static int offset_1(struct nii_header *h, float v, const char *file, struct err *e)
{
	if (!(v >= 0 && v <= 1 << 24) || v != floorf(v))
		return err_at(e, file, AT(h, vox_offset), "vox_offset is %g (expected a whole number from %d to 2^24)", (double)v, h->pair ? 0 : 352);
	h->h.vox_offset = (int64_t)v;
	return 0;
}

static int magic_1(struct nii_header *h, const char *m, const char *file, struct err *e)
{
	h->pair = !memcmp(m, "ni1", 4);
	if (!h->pair && memcmp(m, "n+1", 4))
		return err_at(e, file, AT(h, magic), "not NIfTI: no magic (expected \"n+1\" or \"ni1\", found \"%.4s\")", m);
	return 0;
}

static int magic_2(struct nii_header *h, const char *m, const char *file, struct err *e)
{
	static const char rest[5] = {0, '\r', '\n', 032, '\n'};

	h->pair = !memcmp(m, "ni2", 3);
	if ((!h->pair && memcmp(m, "n+2", 3)) || memcmp(m + 3, rest, sizeof rest))
		return err_at(e, file, AT(h, magic), "not NIfTI: no magic (expected \"n+2\" or \"ni2\" and \\0 \\r \\n ^Z \\n, found \"%.3s\")", m);
	return 0;
}

static int parse_1(struct nii_header *h, const uint8_t *raw, const char *file, struct err *e)
{
	nifti_1_header one;

	memcpy(&one, raw, sizeof one);
	if (h->swapped)
		nifti_swap_as_nifti1(&one);
	if (magic_1(h, one.magic, file, e))
		return -1;
	widen(&h->h, &one);
	return offset_1(h, one.vox_offset, file, e);
}

static int parse_2(struct nii_header *h, const uint8_t *raw, const char *file, struct err *e)
{
	memcpy(&h->h, raw, sizeof h->h);
	if (h->swapped)
		nifti_swap_as_nifti2(&h->h);
	return magic_2(h, h->h.magic, file, e);
}

int nii_header_parse(struct nii_header *h, const uint8_t *raw, const char *file, struct err *e)
{
	size_t n = nii_header_size(raw);
	int32_t size;

	memset(h, 0, sizeof *h);
	memcpy(&size, raw, 4);
	assert(n);
	h->version = n == sizeof(nifti_2_header) ? 2 : 1;
	h->swapped = size != (int32_t)n;
	if (h->version == 1 ? parse_1(h, raw, file, e) : parse_2(h, raw, file, e))
		return -1;
	return nii_header_check(h, file, e);
}

static int check_type(struct nii_header *h, const char *file, struct err *e)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (types[i].code != h->h.datatype)
			continue;
		if (types[i].why)
			return err_at(e, file, AT(h, datatype), "%s (datatype %d): only integers and floats of 8 to 64 bits are read", types[i].why,
			              h->h.datatype);
		if (types[i].bits != h->h.bitpix)
			return err_at(e, file, AT(h, bitpix), "bitpix is %d (expected %d for datatype %d)", h->h.bitpix, types[i].bits, h->h.datatype);
		h->dtype = (enum dtype)types[i].dtype;
		return 0;
	}
	return err_at(e, file, AT(h, datatype), "datatype %d is not one of NIfTI's", h->h.datatype);
}

static int check_dims(struct nii_header *h, const char *file, struct err *e)
{
	int64_t step = h->version == 1 ? 2 : 8, axes = h->h.dim[0], d;
	size_t n = 1;

	if (axes < 1 || axes > 7)
		return err_at(e, file, AT(h, dim), "dim[0] is %lld (expected 1 to 7 axes)", (long long)axes);
	h->channels = 1;
	for (int i = 1; i <= 7; i++) {
		d = i <= axes ? h->h.dim[i] : 1;
		if (d < 1 || (i <= 3 && d > NII_SIDE_MAX))
			return err_at(e, file, AT(h, dim) + i * step, "dim[%d] is %lld (expected 1 to %d)", i, (long long)d, h->version == 1 ? 32767 : NII_SIDE_MAX);
		if (i <= 3)
			h->grid.size[i - 1] = d;
		else if (d > 1 && h->channels > 1)
			return err_at(e, file, AT(h, dim) + i * step, "dim[%d] is %lld: two axes beyond x, y, z (only one can become the channels)", i,
			              (long long)d);
		else
			h->channels *= d;
		if (mem_mul(&n, n, (size_t)d) || n > (size_t)1 << 56)
			return err_at(e, file, AT(h, dim), "dim: more than 2^56 voxels");
	}
	h->values = n;
	h->bytes = n * dtype_size(h->dtype);
	return 0;
}

static int check_offset(struct nii_header *h, const char *file, struct err *e)
{
	int64_t least = h->pair ? 0 : h->version == 1 ? 352 : 544;

	if (h->h.vox_offset < least || h->h.vox_offset > INT64_MAX / 2)
		return err_at(e, file, AT(h, vox_offset), "vox_offset is %lld, inside the header (expected at least %lld)", (long long)h->h.vox_offset,
		              (long long)least);
	return 0;
}

static int check_scale(struct nii_header *h, const char *file, struct err *e)
{
	double slope = h->h.scl_slope, inter = h->h.scl_inter;

	if (isinf(slope))
		return err_at(e, file, AT(h, scl_slope), "scl_slope is infinite");
	if (slope == 0 || isnan(slope)) /* none; nibabel writes NaN for it */
		return 0;
	if (!isfinite(inter))
		return err_at(e, file, AT(h, scl_inter), "scl_inter is %g with scl_slope %g", inter, slope);
	h->scaled = slope != 1 || inter != 0;
	h->slope = slope;
	h->inter = inter;
	return 0;
}

static int check_pixdim(const struct nii_header *h, const char *file, struct err *e)
{
	int64_t step = h->version == 1 ? 4 : 8;

	for (int i = 0; i <= 3; i++)
		if (!isfinite(h->h.pixdim[i]))
			return err_at(e, file, AT(h, pixdim) + i * step, "pixdim[%d] is %g", i, h->h.pixdim[i]);
	return 0;
}

int nii_header_check(struct nii_header *h, const char *file, struct err *e)
{
	if (check_type(h, file, e) || check_dims(h, file, e) || check_offset(h, file, e) || check_scale(h, file, e) || check_pixdim(h, file, e))
		return -1;
	return nii_affine(h, file, e);
}

size_t nii_header_bytes(const struct nii_header *h, uint8_t *raw)
{
	nifti_1_header one;

	if (h->version == 2) {
		memcpy(raw, &h->h, sizeof h->h);
		return sizeof h->h;
	}
	memset(&one, 0, sizeof one);
	narrow(&one, &h->h);
	memcpy(raw, &one, sizeof one);
	return sizeof one;
}

int nii_type_bits(int code)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].code == code)
			return types[i].bits;
	return 0;
}

int nii_type_code(enum dtype t)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].dtype == (int)t)
			return types[i].code;
	return 0;
}

enum dtype nii_dtype(const struct nii_header *h)
{
	return h->scaled ? DT_F32 : h->dtype;
}
