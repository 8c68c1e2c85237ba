#include "lib/volume/crop/box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"

json_t *box_json(const struct box *b)
{
	const int64_t v[6] = {b->lo[0], b->lo[1], b->lo[2], b->hi[0], b->hi[1], b->hi[2]};

	return json_pack("{s:o}", "box", json_ints(v, 6));
}

int box_set(struct box *b, const int64_t v[6], struct err *e)
{
	memcpy(b->lo, v, sizeof b->lo);
	memcpy(b->hi, v + 3, sizeof b->hi);
	for (int i = 0; i < 3; i++)
		if (b->lo[i] < -GEO_MOST || b->lo[i] >= b->hi[i] || b->hi[i] > 2 * GEO_MOST || b->hi[i] - b->lo[i] > GEO_MOST)
			return err_set(e, NULL, "box %lld..%lld on axis %c is not 1 to %d voxels wide", (long long)b->lo[i], (long long)b->hi[i],
			               "xyz"[i], GEO_MOST);
	return 0;
}

int box_get(struct box *b, const json_t *undo, struct err *e)
{
	int64_t v[6];

	if (json_get_ints(undo, "box", v, 6))
		return err_set(e, NULL, "undo has no box of six whole numbers");
	return box_set(b, v, e);
}

/* -- one value of any type -- */

#define PUT(type, lo, hi) \
	do { \
		type x; \
\
		if (v != floor(v) || v < (lo) || v > (hi)) \
			return -1; \
		x = (type)v; \
		memcpy(out, &x, sizeof x); \
		return 0; \
	} while (0)

enum { LOGIT = 16 };

/* 16-bit floats that are wanted beside 0 */
static const struct { double v; uint16_t f16, bf16; } halves[] = {{1, 0x3c00, 0x3f80}, {LOGIT, 0x4c00, 0x4180}, {-LOGIT, 0xcc00, 0xc180}};

/* 0, or -1 where type cannot hold v. Of the 16-bit floats only some are wanted. */
static int put_value(enum dtype type, double v, void *out)
{
	const size_t n = sizeof halves / sizeof *halves;
	float f = (float)v;
	size_t i = 0;

	memset(out, 0, 8);
	switch (type) {
	case DT_BOOL: PUT(uint8_t, 0, 1);
	case DT_U8: PUT(uint8_t, 0, UINT8_MAX);
	case DT_I8: PUT(int8_t, INT8_MIN, INT8_MAX);
	case DT_U16: PUT(uint16_t, 0, UINT16_MAX);
	case DT_I16: PUT(int16_t, INT16_MIN, INT16_MAX);
	case DT_U32: PUT(uint32_t, 0, UINT32_MAX);
	case DT_I32: PUT(int32_t, INT32_MIN, INT32_MAX);
	case DT_U64: PUT(uint64_t, 0, 0x1p53);
	case DT_I64: PUT(int64_t, -0x1p53, 0x1p53);
	case DT_F16:
	case DT_BF16:
		while (i < n && halves[i].v != v)
			i++;
		if (i < n)
			memcpy(out, type == DT_F16 ? &halves[i].f16 : &halves[i].bf16, sizeof halves[i].f16);
		return v == 0 || i < n ? 0 : -1;
	case DT_F32: memcpy(out, &f, sizeof f); return 0;
	case DT_F64: memcpy(out, &v, sizeof v); return 0;
	case DT_COUNT: break;
	}
	return -1;
}

int box_background(enum geo_role role, enum dtype type, int64_t c, const struct box_scores *prob, double fill, char value[8], struct err *e)
{
	double v = role == ROLE_IMAGE ? fill : role != ROLE_PROB ? 0 : c ? prob->other : prob->first;

	if (put_value(type, v, value))
		return err_set(e, NULL, "an image of %s cannot hold %g outside of it", dtype_name(type), v);
	return 0;
}

struct box_scores box_scores(const struct frame *f)
{
	const char *what = frame_meta(f, "prob");
	const struct tensor *t = frame_find(f, "prob");
	const int background = t && geo_planes(t) > 1 && !frame_meta(f, "regions");

	if (!what)
		return (struct box_scores){0, 0};
	if (!strcmp(what, "probabilities"))
		return (struct box_scores){background, 0};
	return background ? (struct box_scores){LOGIT, 0} : (struct box_scores){-LOGIT, -LOGIT};
}

void box_fill(char *row, int64_t n, const char value[8], size_t size)
{
	int plain = 1;

	for (size_t i = 1; i < size; i++)
		plain &= value[i] == value[0];
	if (plain)
		memset(row, value[0], (size_t)n * size);
	else
		for (int64_t i = 0; i < n; i++)
			memcpy(row + (size_t)i * size, value, size);
}

/* -- moving -- */

/* Of the axis of a destination: [0, begin) and [end, n) are background, [begin, end) comes from voxel begin + shift on of the source. */
struct span { int64_t n, begin, end, shift, from; };

static struct span make_span(int64_t n, int64_t from, int64_t shift)
{
	int64_t begin = shift < 0 ? -shift : 0, end = from - shift < n ? from - shift : n;

	begin = begin < n ? begin : n;
	return (struct span){n, begin, end > begin ? end : begin, shift, from};
}

/* How a tensor's values follow from those of the one it was. */
struct move {
	struct later later;
	struct span s[3];
	size_t size;
	char value[2][8]; /* background: of the first volume, of the others */
};

/* Voxels x0 to x1 - 1 of row y of slice z of volume c. */
static void move_row(const struct move *m, int64_t c, int64_t z, int64_t y, int64_t x0, int64_t x1, char *out)
{
	const struct span *s = m->s;
	const char *value = m->value[c > 0];
	int inside = z >= s[2].begin && z < s[2].end && y >= s[1].begin && y < s[1].end;
	int64_t begin = inside ? s[0].begin : x1, end = inside ? s[0].end : x1, at;

	begin = begin < x0 ? x0 : begin < x1 ? begin : x1;
	end = end < begin ? begin : end < x1 ? end : x1;
	box_fill(out, begin - x0, value, m->size);
	if (begin < end) {
		at = ((c * s[2].from + z + s[2].shift) * s[1].from + y + s[1].shift) * s[0].from + begin + s[0].shift;
		memcpy(out + (size_t)(begin - x0) * m->size, (const char *)m->later.from.data + (size_t)at * m->size, (size_t)(end - begin) * m->size);
	}
	box_fill(out + (size_t)(end - x0) * m->size, x1 - end, value, m->size);
}

static void make(const struct tensor *t, int64_t first, int64_t n, void *out)
{
	const struct move *m = (const struct move *)t->later;
	int64_t nx = m->s[0].n, ny = m->s[1].n, nz = m->s[2].n;

#pragma omp parallel for schedule(static)
	for (int64_t row = first / nx; row <= (first + n - 1) / nx; row++) {
		int64_t from = row * nx < first ? first : row * nx, to = (row + 1) * nx < first + n ? (row + 1) * nx : first + n;

		move_row(m, row / ny / nz, row / ny % nz, row % ny, from - row * nx, to - row * nx, (char *)out + (size_t)(from - first) * m->size);
	}
}

/* What all tensors of a frame have in common. */
struct shift {
	int64_t by[3]; /* source voxel = destination voxel + by */
	double fill;   /* of image */
	struct box_scores prob;
};

static struct later *move_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, void *arg, struct err *e)
{
	const struct shift *how = arg;
	struct move *m = mem_new(1, sizeof *m, t->name, e);

	if (!m)
		return NULL;
	*m = (struct move){.later.make = make, .size = dtype_size(t->dtype)};
	for (int c = 0; c < 2; c++)
		if (box_background(role, t->dtype, c, &how->prob, how->fill, m->value[c], e)) {
			free(m);
			return NULL;
		}
	for (int i = 0; i < 3; i++)
		m->s[i] = make_span(to->size[i], from->size[i], how->by[i]);
	return &m->later;
}

static int is_whole(const struct box *b, const struct grid *g)
{
	int whole = 1;

	for (int i = 0; i < 3; i++)
		whole &= !b->lo[i] && b->hi[i] == g->size[i];
	return whole;
}

int box_cut_later(struct frame *f, struct grid *g, const struct box *b, double fill, struct err *e)
{
	struct shift how = {.fill = fill, .prob = box_scores(f)};
	struct grid to = *g;

	if (is_whole(b, g) && fill == 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		how.by[i] = b->lo[i];
		to.size[i] = b->hi[i] - b->lo[i];
	}
	geo_move(&to, b->lo);
	if (geo_regrid_later(f, g, &to, move_tensor, &how, e))
		return -1;
	*g = to;
	return 0;
}

int box_cut(struct frame *f, struct grid *g, const struct box *b, double fill, struct err *e)
{
	return box_cut_later(f, g, b, fill, e) || frame_settle(f, e) ? -1 : 0;
}

int box_paste(struct frame *f, const struct grid *whole, const struct box *b, struct err *e)
{
	struct shift how = {.prob = box_scores(f)};
	struct grid g;

	if (frame_grid(f, &g, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		if (g.size[i] != b->hi[i] - b->lo[i])
			return err_set(e, NULL, "%lld voxels on axis %c, but its box is %lld wide", (long long)g.size[i], "xyz"[i],
			               (long long)(b->hi[i] - b->lo[i]));
		how.by[i] = -b->lo[i];
	}
	if (is_whole(b, whole))
		return frame_set_affine(f, whole->affine, e);
	return geo_regrid_later(f, &g, whole, move_tensor, &how, e) || frame_settle(f, e) ? -1 : 0;
}
