#include "lib/volume/patch/patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream/values.h"

int64_t patch_start(int64_t centre, int64_t patch, int64_t length)
{
	int64_t half = patch / 2, end = (int64_t)((double)(length + 1) - (double)patch / 2.0);

	if (length < patch)
		return -((patch - length) / 2);
	if (half == end)
		end++;
	centre = centre < half ? half : centre > end - 1 ? end - 1 : centre;
	return centre - half;
}

void patch_centres(int64_t patch, int64_t length, int64_t *lo, int64_t *hi)
{
	*lo = length > patch ? patch / 2 : length / 2;
	*hi = length > patch ? length - patch + patch / 2 : length / 2 + 1;
}

void patch_starts(int64_t patch, int64_t final, int64_t length, int64_t *lo, int64_t *hi)
{
	int64_t pad = patch - (length < final ? length : final);

	*lo = -((pad + 1) / 2);
	*hi = length - patch + (pad + 1) / 2;
}

/* From one window to the next: truncated in double precision, as MONAI does (160 at overlap 0.9 is 15). */
static int64_t pitch(int64_t patch, int64_t length, double overlap)
{
	int64_t p = (int64_t)((double)patch * (1.0 - overlap));

	return patch == length ? patch : p < 1 ? 1 : p;
}

int64_t patch_grid_count(int64_t patch, int64_t length, double overlap)
{
	int64_t full = length < patch ? patch : length, step = pitch(patch, full, overlap);

	return (full - patch + step - 1) / step + 1;
}

int64_t patch_grid_start(int64_t i, int64_t patch, int64_t length, double overlap)
{
	int64_t full = length < patch ? patch : length, at = i * pitch(patch, full, overlap);

	return (at < full - patch ? at : full - patch) - (full - length) / 2;
}

/* What integers can hold; both 0: not an integer. */
static const struct { double lo, hi; } range[DT_COUNT] = {
	[DT_U8] = {0, 255}, [DT_I8] = {-128, 127}, [DT_U16] = {0, 65535}, [DT_I16] = {-32768, 32767}, [DT_U32] = {0, 4294967295.0},
	[DT_I32] = {-2147483648.0, 2147483647.0}, [DT_U64] = {0, 0x1p53}, [DT_I64] = {-0x1p53, 0x1p53},
};

/* v as one element of type t, little-endian as all data are. */
static int store(enum dtype t, double v, char out[8], struct err *e)
{
	float f = (float)v;
	int64_t i;

	memset(out, 0, 8);
	if (v == 0)
		return 0;
	if (t == DT_F32)
		memcpy(out, &f, sizeof f);
	else if (t == DT_F64)
		memcpy(out, &v, sizeof v);
	else if (v >= range[t].lo && v <= range[t].hi && v == floor(v)) {
		i = (int64_t)v;
		memcpy(out, &i, dtype_size(t));
	} else
		return err_set(e, NULL, "fill %g cannot be held by an image of %s", v, dtype_name(t));
	return 0;
}

static void fill_all(struct tensor *t, const char value[8])
{
	static const char zero[8];
	size_t size = dtype_size(t->dtype);

	if (!memcmp(value, zero, 8)) {
		memset(t->data, 0, t->size);
		return;
	}
	for (size_t i = 0; i < t->size; i += size)
		memcpy((char *)t->data + i, value, size);
}

/* The box and what of it lies inside the volume: [lo, hi) in the box's own coordinates. */
struct box { int64_t start[3], size[3], lo[3], hi[3]; };

static int box_make(struct box *b, const struct grid *g, const int64_t start[3], const int64_t size[3])
{
	int inside = 1;

	for (int a = 0; a < 3; a++) {
		b->start[a] = start[a];
		b->size[a] = size[a];
		b->lo[a] = start[a] < 0 ? -start[a] : 0;
		b->hi[a] = start[a] + size[a] > g->size[a] ? g->size[a] - start[a] : size[a];
		inside &= b->lo[a] == 0 && b->hi[a] == size[a];
	}
	return inside;
}

/* Where the box's row y of slice z begins, of the part of it that lies inside: elements. */
static int64_t row_at(const struct grid *g, const struct box *b, int64_t c, int64_t z, int64_t y)
{
	return ((c * g->size[2] + b->start[2] + z) * g->size[1] + b->start[1] + y) * g->size[0] + b->start[0] + b->lo[0];
}

/* Slice by slice from its first row to its last: rows lie too close together to be worth a request each. */
static void fetch_tensor(const struct tensor *t, const struct grid *g, const struct box *b)
{
	int64_t n = (b->hi[1] - b->lo[1] - 1) * g->size[0] + b->hi[0] - b->lo[0], planes = tensor_count(t) / (g->size[0] * g->size[1] * g->size[2]);

	for (int a = 0; a < 3; a++)
		if (b->hi[a] <= b->lo[a])
			return;
	for (int64_t c = 0; c < planes; c++)
		for (int64_t z = b->lo[2]; z < b->hi[2]; z++)
			tensor_fetch(t, row_at(g, b, c, z, b->lo[1]), n);
}

static void copy_rows(const struct tensor *from, struct tensor *to, const struct grid *g, const struct box *b)
{
	size_t size = dtype_size(from->dtype), n = (size_t)(b->hi[0] - b->lo[0]) * size;
	int64_t planes = tensor_count(to) / (b->size[0] * b->size[1] * b->size[2]);

	for (int64_t c = 0; c < planes; c++)
		for (int64_t z = b->lo[2]; z < b->hi[2]; z++)
			for (int64_t y = b->lo[1]; y < b->hi[1]; y++) {
				int64_t src = row_at(g, b, c, z, y);
				int64_t dst = ((c * b->size[2] + z) * b->size[1] + y) * b->size[0] + b->lo[0];

				memcpy((char *)to->data + (size_t)dst * size, (const char *)from->data + (size_t)src * size, n);
			}
}

static int cut_tensor(const struct tensor *t, const struct grid *g, const struct box *b, int inside, double fill, struct frame *out, struct err *e)
{
	int64_t shape[FRAME_RANK];
	struct tensor *to;
	char value[8];

	memcpy(shape, t->shape, sizeof shape);
	if (!tensor_on_grid(t, g)) {
		to = frame_add(out, t->name, t->dtype, t->rank, shape, e);
		if (to)
			memcpy(to->data, t->data, t->size);
		return to ? 0 : -1;
	}
	for (int a = 0; a < 3; a++)
		shape[t->rank - 1 - a] = b->size[a];
	if (store(t->dtype, strcmp(t->name, "image") ? 0 : fill, value, e))
		return -1;
	to = frame_add(out, t->name, t->dtype, t->rank, shape, e);
	if (!to)
		return -1;
	if (!inside)
		fill_all(to, value);
	if (b->hi[0] > b->lo[0])
		copy_rows(t, to, g, b);
	return 0;
}

static int metadata(const struct frame *f, const struct grid *g, const int64_t start[3], struct frame *out, struct err *e)
{
	double a[16];

	memcpy(a, g->affine, sizeof a);
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 3; c++)
			a[4 * r + 3] += g->affine[4 * r + c] * (double)start[c];
	memset(out, 0, sizeof *out);
	out->meta = json_deep_copy(f->meta); /* nothing shared: the patch may be another thread's */
	if (!out->meta)
		return err_set(e, NULL, "not enough memory for a patch");
	return frame_set_meta(out, "kind", "patch", e) || frame_set_affine(out, a, e) ? -1 : 0;
}

void patch_fetch(const struct frame *f, const struct grid *g, const int64_t start[3], const int64_t size[3])
{
	struct box b;

	box_make(&b, g, start, size);
	for (int i = 0; i < f->n; i++)
		if (tensor_on_grid(&f->t[i], g))
			fetch_tensor(&f->t[i], g, &b);
		else
			tensor_fetch(&f->t[i], 0, tensor_count(&f->t[i]));
}

int patch_cut(const struct frame *f, const struct grid *g, const int64_t start[3], const int64_t size[3], double fill, struct frame *out,
              struct err *e)
{
	struct box b;
	int inside = box_make(&b, g, start, size), r = metadata(f, g, start, out, e);

	for (int i = 0; i < f->n && !r; i++)
		r = cut_tensor(&f->t[i], g, &b, inside, fill, out, e);
	if (r)
		frame_free(out);
	return r;
}
