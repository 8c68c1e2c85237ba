#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nrrd.h"

enum { PIECE = 128 << 10 };

/* Of a slope that is stored as float32 255 * (1/255) need not be 1. */
static const double scaled_tol = 1e-5;
/* nibabel stores labels of floats, saved with a scan's int16 header, in steps of a slope, the nearest one to each: off by half a step at most. Steps
   of a tenth keep whole numbers apart from all others. */
static const double small_step = 0.1;

struct range { double lo, hi; };

static double value(const void *data, enum dtype t, size_t i)
{
	float f;
	double d;

	if (t == DT_F32) {
		memcpy(&f, (const char *)data + 4 * i, 4);
		return f;
	}
	memcpy(&d, (const char *)data + 8 * i, 8);
	return d;
}

static int scan(const void *data, enum dtype t, size_t n, const struct nii_header *h, size_t *bad, struct range *r)
{
	const double tol = h->scaled ? scaled_tol : 0, step = h->scaled && fabs(h->slope) <= small_step ? fabs(h->slope) : 0;

	r->lo = r->hi = 0;
	for (size_t i = 0; i < n; i++) {
		double v = value(data, t, i), w = rint(v);

		if (!(fabs(v - w) <= tol * fmax(1, fabs(w)) + step / 2)) {
			*bad = i;
			return -1;
		}
		r->lo = w < r->lo ? w : r->lo;
		r->hi = w > r->hi ? w : r->hi;
	}
	return 0;
}

static const struct { enum dtype t; double lo, hi; } fits[] = {
	{DT_U8, 0, UINT8_MAX},   {DT_I8, INT8_MIN, INT8_MAX},    {DT_U16, 0, UINT16_MAX}, {DT_I16, INT16_MIN, INT16_MAX},
	{DT_U32, 0, UINT32_MAX}, {DT_I32, INT32_MIN, INT32_MAX},
};

/* In place, first to last: a label is never wider than the float it was. */
#define NARROW(type) \
	for (size_t i = 0; i < n; i++) { \
		type v = (type)(int64_t)rint(value(data, from, i)); \
\
		memcpy((char *)data + i * sizeof v, &v, sizeof v); \
	} \
	break

static void narrow(void *data, enum dtype from, enum dtype to, size_t n)
{
	switch (dtype_size(to) * (to == DT_I8 || to == DT_I16 || to == DT_I32 ? (size_t)10 : 1)) {
	case 1: NARROW(uint8_t);
	case 10: NARROW(int8_t);
	case 2: NARROW(uint16_t);
	case 20: NARROW(int16_t);
	case 4: NARROW(uint32_t);
	case 40: NARROW(int32_t);
	default: break;
	}
}

static int not_whole(const struct nii_file *f, const void *data, size_t i, struct err *e)
{
	const int64_t *s = f->h.grid.size;
	int64_t k = (int64_t)i;

	return err_set(e, f->name, "label is not a whole number (voxel %lld,%lld,%lld: found %.9g)", (long long)(k % s[0]), (long long)(k / s[0] % s[1]),
	               (long long)(k / s[0] / s[1]), value(data, nii_dtype(&f->h), i));
}

static int to_integers(const struct nii_file *f, void *data, enum dtype *t, struct err *e)
{
	size_t n = f->h.values, bad = 0;
	struct range r;

	if (scan(data, *t, n, &f->h, &bad, &r))
		return not_whole(f, data, bad, e);
	for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
		if (r.lo >= fits[i].lo && r.hi <= fits[i].hi) {
			narrow(data, *t, fits[i].t, n);
			*t = fits[i].t;
			return 0;
		}
	return err_set(e, f->name, "labels from %g to %g do not fit 32 bits", r.lo, r.hi);
}

static int all(struct nii_file *f, void *data, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&f->h)), at = 0;
	int64_t n;

	while ((n = nii_next(f, (char *)data + at * size, PIECE, e)) > 0)
		at += (size_t)n;
	return (int)n;
}

/* Segments in layers: one label a voxel of them, and f->h as of a file that has it. */
static int flatten(struct nii_file *f, void **data, enum dtype *t, struct err *e)
{
	int64_t shared;
	void *labels;

	f->h.values /= (size_t)f->h.channels;
	f->h.channels = 1;
	labels = nrrd_segment_labels(f->segments, *data, *t, f->h.values, &shared, e);
	free(*data);
	*data = labels;
	*t = DT_U8;
	if (labels && shared)
		err_warn("%s: %lld voxels are of several segments: the last of them counts", f->name, (long long)shared);
	return labels ? 0 : -1;
}

/* The same on the grid of its image. */
static int place(struct nii_file *f, const struct nii_header *like, const int64_t lo[3], void **data, enum dtype t, struct err *e)
{
	void *labels = nrrd_place(*data, dtype_size(t), &f->h.grid, &like->grid, lo, e);

	free(*data);
	*data = labels;
	f->h.grid = like->grid;
	f->h.values = like->values / (size_t)like->channels;
	return labels ? 0 : err_prefix(e, "%s", f->name);
}

/* All values as they are, or labels of segments: whole numbers alone will do. */
static int load_all(struct nii_file *f, int labels, void **data, enum dtype *t, struct err *e)
{
	const int layers = f->h.channels > 1 && json_array_size(f->segments);
	struct err unused;

	*t = nii_dtype(&f->h);
	*data = mem_new(f->h.values, dtype_size(*t), f->name, e);
	if (!*data)
		return -1;
	if (!all(f, *data, e) && (!dtype_is_float(*t) || !to_integers(f, *data, t, labels || layers ? e : &unused) || !(labels || layers)))
		return layers ? flatten(f, data, t, e) : 0;
	free(*data);
	*data = NULL;
	return -1;
}

static int load(struct nii_file *f, int labels, const struct nii_header *like, const char *image, void **data, enum dtype *t, struct err *e)
{
	const int same = !like || grid_same(&f->h.grid, &like->grid, NII_ONE_GRID);
	int64_t lo[3];

	if (f->h.channels != 1 && !json_array_size(f->segments))
		return err_set(e, f->name, "has %lld volumes (a label has one)", (long long)f->h.channels);
	if (!same && (!f->segments || !nrrd_box(&f->h.grid, &like->grid, lo)))
		return grid_match(&f->h.grid, &like->grid, NII_ONE_GRID, image, e) ? err_prefix(e, "%s", f->name) : -1;
	return load_all(f, labels, data, t, e) || (!same && place(f, like, lo, data, *t, e)) ? -1 : 0;
}

static int load_path(const char *path, int labels, const struct nii_header *like, const char *image, struct nii_header *h, void **data,
                     enum dtype *t, struct err *e)
{
	struct nii_file f;
	int r;

	*data = NULL;
	if (nii_open(&f, path, e))
		return -1;
	r = load(&f, labels, like, image, data, t, e);
	*h = f.h;
	nii_close(&f);
	return r;
}

int nii_load_label(const char *path, const struct nii_header *like, const char *image, struct nii_header *h, void **data, enum dtype *t,
                   struct err *e)
{
	return load_path(path, 1, like, image, h, data, t, e);
}

int nii_load_like(const char *path, const struct nii_header *like, const char *image, struct nii_header *h, void **data, enum dtype *t,
                  struct err *e)
{
	return load_path(path, 0, like, image, h, data, t, e);
}

/* claims: a bit a voxel, or NULL; returns how many voxels became such that several claim. */
static int64_t paint(uint8_t *to, uint8_t label, const char *from, size_t size, size_t n, uint8_t *claims)
{
	int64_t shared = 0;

	for (size_t i = 0; i < n; i++) {
		const char *v = from + i * size;
		size_t b = 0;

		while (b < size && !v[b])
			b++;
		if (b == size)
			continue;
		if (claims && to[i] && !(claims[i / 8] >> i % 8 & 1)) {
			claims[i / 8] |= (uint8_t)(1 << i % 8);
			shared++;
		}
		to[i] = label;
	}
	return shared;
}

int nii_load_parts(const struct arg_strs *parts, const struct nii_header *like, const char *image, struct nii_header *h, void **data,
                   int64_t *shared, struct err *e)
{
	const size_t n = (size_t)(like->grid.size[0] * like->grid.size[1] * like->grid.size[2]);
	uint8_t *to = mem_zero(n, 1, "labels", e), *claims = shared && to ? mem_zero(n / 8 + 1, 1, "labels", e) : NULL;
	int64_t many = 0;
	int r = !to || (shared && !claims) ? -1 : 0;

	for (int i = 0; !r && i < parts->n; i++) {
		enum dtype t;
		void *part;

		r = nii_load_label(parts->v[i], like, image, h, &part, &t, e);
		if (!r)
			many += paint(to, (uint8_t)(i + 1), part, dtype_size(t), n, claims);
		free(part);
	}
	if (shared)
		*shared = many;
	free(claims);
	if (r)
		free(to);
	*data = r ? NULL : to;
	return r;
}
