#include "lib/volume/crop/crop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/option.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/component/organ.h"

const struct crop crop_default = {.multiple = {1, 1, 1}};

/* -- foreground -- */

struct bounds { int64_t lo[3], hi[3]; }; /* both ends in; hi below lo: none */

static void grow(struct bounds *b, int64_t x0, int64_t x1, int64_t y, int64_t z)
{
	const int64_t lo[3] = {x0, y, z}, hi[3] = {x1, y, z};

	for (int i = 0; i < 3; i++) {
		b->lo[i] = lo[i] < b->lo[i] ? lo[i] : b->lo[i];
		b->hi[i] = hi[i] > b->hi[i] ? hi[i] : b->hi[i];
	}
}

/* above NAN: what is not 0 */
static int is_foreground(float v, float above)
{
	return isnan(above) ? v != 0 : v > above;
}

static void row_bounds(const float *v, int64_t n, float above, int64_t y, int64_t z, struct bounds *b)
{
	int64_t first = 0, last = n - 1;

	while (first < n && !is_foreground(v[first], above))
		first++;
	if (first == n)
		return;
	while (!is_foreground(v[last], above))
		last--;
	grow(b, first, last, y, z);
}

/* Bounds of t > above, above NAN: of t other than 0, over all its channels. */
static int find(const struct tensor *t, const struct grid *g, float above, struct bounds *all, struct err *e)
{
	int64_t nx = g->size[0], ny = g->size[1], slices = geo_planes(t) * g->size[2];
	struct bounds *b = mem_new((size_t)slices, sizeof *b, "bounds", e);
	float *rows = b ? mem_new((size_t)slices, (size_t)nx * sizeof *rows, "rows", e) : NULL;
	const struct bounds none = {{INT64_MAX, INT64_MAX, INT64_MAX}, {-1, -1, -1}};

	*all = none;
	if (!rows) {
		free(b);
		return -1;
	}
#pragma omp parallel for schedule(static)
	for (int64_t s = 0; s < slices; s++) {
		float *v = rows + s * nx;

		b[s] = none;
		for (int64_t y = 0; y < ny; y++) {
			tensor_load_f32(t, (s * ny + y) * nx, nx, v);
			row_bounds(v, nx, above, y, s % g->size[2], &b[s]);
		}
	}
	for (int64_t s = 0; s < slices; s++)
		if (b[s].hi[0] >= 0) {
			grow(all, b[s].lo[0], b[s].hi[0], b[s].lo[1], b[s].lo[2]);
			grow(all, b[s].lo[0], b[s].hi[0], b[s].hi[1], b[s].hi[2]);
		}
	free(rows);
	free(b);
	return 0;
}

/* The image where foreground is looked for: all of it, or as one channel that of the options. 0 or -1. */
static int find_image(const struct frame *f, const struct crop *o, struct tensor *part, struct err *e)
{
	const struct tensor *t = frame_need(f, "image", e);

	if (!t)
		return -1;
	*part = *t;
	return o->alone ? geo_plane(t, o->channel, part, e) : 0;
}

static int find_above(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e)
{
	struct tensor t;

	if (find_image(f, o, &t, e) || find(&t, g, (float)o->above, b, e))
		return -1;
	return b->hi[0] >= 0 ? 0 : err_set(e, NULL, "no voxel above %g: nothing to crop to", o->above);
}

static int find_nonzero(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e)
{
	struct tensor t;

	if (find_image(f, o, &t, e) || find(&t, g, NAN, b, e))
		return -1;
	return b->hi[0] >= 0 ? 0 : err_set(e, NULL, "no voxel other than 0: nothing to crop to");
}

static int find_label(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e)
{
	const struct tensor *t = frame_labels(f, "label", e);

	(void)o;
	if (!t || find(t, g, 0, b, e))
		return -1;
	return b->hi[0] >= 0 ? 0 : err_set(e, NULL, "no voxel of label above 0: nothing to crop to");
}

static int find_organ(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e)
{
	struct tensor image, mask = {NULL, DT_U8, 3, {g->size[2], g->size[1], g->size[0]}, (size_t)geo_voxels(g), NULL, 0};
	uint8_t *voxels;
	int64_t n;
	int r;

	if (find_image(f, o, &image, e) || organ_find(&image, g, o->to == CROP_BODY ? ORGAN_BODY : ORGAN_LUNGS, &voxels, &n, e))
		return -1;
	mask.data = voxels;
	r = find(&mask, g, 0, b, e);
	free(voxels);
	return r;
}

static int find_box(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e)
{
	(void)f;
	for (int i = 0; i < 3; i++) {
		b->lo[i] = o->to == CROP_BOX ? o->box.lo[i] : 0;
		b->hi[i] = o->to == CROP_BOX ? o->box.hi[i] - 1 : g->size[i] - 1;
		if (b->lo[i] >= g->size[i] || b->hi[i] < 0)
			return err_set(e, NULL, "the box %lld..%lld on axis %c lies outside of the volume's %lld voxels", (long long)b->lo[i],
			               (long long)b->hi[i] + 1, "xyz"[i], (long long)g->size[i]);
	}
	return 0;
}

typedef int find_fn(const struct frame *f, const struct grid *g, const struct crop *o, struct bounds *b, struct err *e);

static find_fn *const finders[] = {find_above, find_label, find_organ, find_organ, find_box, find_box, find_nonzero};

int crop_box(const struct frame *f, const struct grid *g, const struct crop *o, struct box *b, struct err *e)
{
	struct bounds fg;
	double spacing[3];

	geo_spacing(g, spacing);
	if (finders[o->to](f, g, o, &fg, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		/* the tiny part less: 10 mm of 2.5 mm voxels are 4 of them, whatever the spacing's last bit */
		double mm = o->margin[i], around = (mm > 0 ? ceil(mm / spacing[i] - 1e-6) : 0) + (double)o->margin_voxels[i];
		int64_t m = around > 0 ? around < GEO_MOST ? (int64_t)around : GEO_MOST : 0, size, want;

		if (mm > 0 && !(spacing[i] > 0))
			return err_set(e, NULL, "affine: axis %c has no length: a margin in mm is not known in voxels", "xyz"[i]);
		b->lo[i] = fg.lo[i] - m;
		b->hi[i] = fg.hi[i] + 1 + m;
		if (o->inside) {
			b->lo[i] = b->lo[i] > 0 ? b->lo[i] : 0;
			b->hi[i] = b->hi[i] < g->size[i] ? b->hi[i] : g->size[i];
		}
		size = b->hi[i] - b->lo[i];
		want = size > o->min_size[i] ? size : o->min_size[i];
		want = (want + o->multiple[i] - 1) / o->multiple[i] * o->multiple[i];
		if (want > GEO_MOST)
			return err_set(e, NULL, "the box is %lld voxels wide on axis %c (at most %d)", (long long)want, "xyz"[i], GEO_MOST);
		b->lo[i] -= (want - size) / 2;
		b->hi[i] = b->lo[i] + want;
	}
	return 0;
}

int crop_apply(struct frame *f, const struct crop *o, struct err *e)
{
	struct grid before, g;
	struct box b;

	if (frame_grid(f, &before, e) || crop_box(f, &before, o, &b, e))
		return -1;
	g = before;
	if (box_cut_later(f, &g, &b, o->fill, e))
		return -1;
	return history_push(f, "nii-crop", crop_json(o), box_json(&b), &before, e);
}

/* -- options -- */

enum { OPTIONS = 15, WAYS = CROP_NONZERO + 1 };

/* given[to] is of what `to` says; flags: those of them that are plain true */
static void crop_table(struct crop *o, int64_t box[6], int flags[WAYS], int given[WAYS], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"above", OPTION_REALS, &o->above, 1, NULL, &given[CROP_ABOVE]},
		{"label", OPTION_BOOL, &flags[CROP_LABEL], 1, NULL, &given[CROP_LABEL]},
		{"body", OPTION_BOOL, &flags[CROP_BODY], 1, NULL, &given[CROP_BODY]},
		{"lungs", OPTION_BOOL, &flags[CROP_LUNGS], 1, NULL, &given[CROP_LUNGS]},
		{"box", OPTION_INTS, box, 6, NULL, &given[CROP_BOX]},
		{"pad", OPTION_BOOL, &flags[CROP_WHOLE], 1, NULL, &given[CROP_WHOLE]},
		{"nonzero", OPTION_BOOL, &flags[CROP_NONZERO], 1, NULL, &given[CROP_NONZERO]},
		{"channel", OPTION_INTS, &o->channel, 1, NULL, &o->alone},
		{"margin", OPTION_REALS, o->margin, 3},
		{"margin_voxels", OPTION_INTS, o->margin_voxels, 3},
		{"inside", OPTION_BOOL, &o->inside, 1},
		{"min_size", OPTION_INTS, o->min_size, 3},
		{"multiple", OPTION_INTS, o->multiple, 3},
		{"fill", OPTION_REALS, &o->fill, 1},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *crop_json(const struct crop *o)
{
	struct crop v = *o;
	int flags[WAYS], given[WAYS];
	int64_t box[6];
	struct option table[OPTIONS];

	memcpy(box, o->box.lo, sizeof o->box.lo);
	memcpy(box + 3, o->box.hi, sizeof o->box.hi);
	for (int i = 0; i < WAYS; i++)
		flags[i] = given[i] = (int)o->to == i;
	crop_table(&v, box, flags, given, table);
	return option_json(table);
}

static int check_args(const struct crop *o, struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (o->margin[i] < 0 || o->margin_voxels[i] < 0 || o->margin_voxels[i] > GEO_MOST || o->min_size[i] < 0 || o->min_size[i] > GEO_MOST ||
		    o->multiple[i] < 1 || o->multiple[i] > GEO_MOST)
			return err_set(e, NULL, "an argument of axis %c is out of range", "xyz"[i]);
	if (o->alone && (o->channel < 0 || o->to == CROP_LABEL || o->to == CROP_BOX || o->to == CROP_WHOLE))
		return err_set(e, NULL, "channel goes with above, nonzero, body and lungs, and is 0 or more");
	return 0;
}

int crop_parse(struct crop *o, const json_t *args, struct err *e)
{
	int flags[WAYS], given[WAYS], n = 0;
	int64_t box[6];
	struct option table[OPTIONS];

	*o = crop_default;
	crop_table(o, box, flags, given, table);
	if (option_parse(args, table, e))
		return -1;
	for (int i = 0; i < WAYS; i++) {
		int flag = i != CROP_ABOVE && i != CROP_BOX;

		if (!given[i])
			continue;
		n += flag && !flags[i] ? 2 : 1;
		o->to = (enum crop_to)i;
	}
	if (n != 1)
		return err_set(e, NULL, "one of the arguments above, label, body, lungs, box, pad and nonzero is needed");
	if (o->to == CROP_BOX && box_set(&o->box, box, e))
		return -1;
	return check_args(o, e);
}
