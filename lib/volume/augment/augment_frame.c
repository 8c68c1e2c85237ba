#include <math.h>

#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/volume/augment/augment_parts.h"

/* -- values -- */

/* Scalings and offsets that follow one another are one pass. */
static int change_channel(const struct augment_channel *c, const struct augment_draw *d, struct err *e)
{
	int64_t n = c->size[0] * c->size[1] * c->size[2];
	double mul = 1, add = 0;

	for (int t = 0; t < AUGMENT_COUNT; t++) {
		const struct augment_transform *row = &augment_table[t];

		if (!d->on[t])
			continue;
		if (row->linear)
			row->linear(d->v[t][0], &mul, &add);
		if (!row->apply)
			continue;
		if (mul != 1 || add != 0)
			augment_linear(c->v, n, mul, add);
		mul = 1, add = 0;
		if (row->apply(c, d->v[t], e))
			return -1;
	}
	if (mul != 1 || add != 0)
		augment_linear(c->v, n, mul, add);
	return 0;
}

static int changes(const struct augment_draw *d)
{
	for (int t = 0; t < AUGMENT_COUNT; t++)
		if (d->on[t] && (augment_table[t].linear || augment_table[t].apply))
			return 1;
	return 0;
}

static struct tensor *float_image(struct frame *f, struct err *e)
{
	struct tensor *t = frame_need(f, "image", e);
	float *v;

	if (!t || t->dtype == DT_F32)
		return t;
	v = tensor_to_f32(t, e);
	return v ? frame_adopt(f, "image", DT_F32, t->rank, (int64_t[FRAME_RANK]){t->shape[0], t->shape[1], t->shape[2], t->shape[3]}, v, e) : NULL;
}

/* -- what the history says -- */

static json_t *numbers(const double *v, int n)
{
	return n == 1 ? json_real(v[0]) : json_reals(v, n);
}

/* Add what was drawn for a channel: a value for all of them, or an array with one for each, null where it was left alone. */
static void note(json_t *drawn, const struct augment_draw *d, int64_t channel)
{
	for (int t = 0; t < AUGMENT_COUNT; t++) {
		const struct augment_transform *row = &augment_table[t];
		json_t *value = d->on[t] ? numbers(d->v[t], row->values) : json_null(), *all = json_object_get(drawn, row->name);

		if (row->relabel) {
			json_decref(value);
			continue;
		}
		if (!row->channels && channel == 0 && d->on[t])
			json_object_set(drawn, row->name, value);
		if (row->channels && !all && d->on[t]) {
			json_object_set_new(drawn, row->name, all = json_array());
			for (int64_t c = 0; c < channel; c++)
				json_array_append_new(all, json_null());
		}
		if (row->channels && all)
			json_array_append(all, value);
		json_decref(value);
	}
}

/* labels: is there something to relabel? */
static json_t *options(const struct augment *a, int64_t index, int labels)
{
	json_t *o = json_object();

	for (int t = 0; t < AUGMENT_COUNT; t++) {
		const struct augment_transform *row = &augment_table[t];

		if (isnan(a->v[t][0]) || (row->relabel && !labels))
			continue;
		json_object_set_new(o, row->name, numbers(a->v[t], row->count ? row->count : 3));
		json_object_set_new(o, row->prob_name, json_real(a->prob[t]));
		if (row->each_name)
			json_object_set_new(o, row->each_name, json_real(a->each[t]));
	}
	json_object_set_new(o, "seed", json_integer((json_int_t)a->seed));
	json_object_set_new(o, "index", json_integer((json_int_t)index));
	return o;
}

/* -- a frame -- */

static int change_image(const struct augment *a, struct frame *f, const struct grid *g, uint64_t index, json_t *drawn, struct err *e)
{
	const struct tensor *image = frame_find(f, "image");
	int64_t channels = image ? geo_planes(image) : 1;

	for (int64_t c = 0; c < channels; c++) {
		struct augment_channel one = {.size = {g->size[0], g->size[1], g->size[2]}, .channel = c, .index = index, .a = a};
		struct augment_draw d;

		augment_draw(a, g->size, index, c, &d);
		note(drawn, &d, c);
		if (!changes(&d))
			continue;
		image = float_image(f, e);
		if (!image)
			return -1;
		one.v = (float *)image->data + c * geo_voxels(g);
		if (change_channel(&one, &d, e))
			return -1;
	}
	return 0;
}

int augment_frame(const struct augment *a, struct frame *f, uint64_t ordinal, struct err *e)
{
	const char *patch = frame_meta(f, "patch");
	int64_t index = (int64_t)ordinal;
	struct augment_moved m;
	struct augment_draw d;
	struct grid before, g;
	json_t *args, *drawn;

	if (frame_grid(f, &g, e))
		return -1;
	if (patch && arg_int(patch, 0, INT64_MAX, &index, e))
		return err_prefix(e, "metadata patch");
	before = g;
	augment_draw(a, a->size[0] ? a->size : g.size, (uint64_t)index, 0, &d);
	if (augment_move(f, &g, a, &d, (uint64_t)index, &m, e))
		return -1;
	args = options(a, index, frame_find(f, "previous") != NULL);
	drawn = json_object();
	json_object_set_new(args, "drawn", drawn);
	if (change_image(a, f, &g, (uint64_t)index, drawn, e) || augment_previous(a, f, &g, (uint64_t)index, e)) {
		json_decref(args);
		json_decref(m.undo);
		return -1;
	}
	return history_push(f, "nii-augment", args, m.undo, m.moved ? &before : NULL, e);
}
