#include "lib/stream/describe.h"

#include <math.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/stream/values.h"

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *describe_tensor(const struct tensor *t, int stats)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:I}", "name", t->name, "dtype", dtype_name(t->dtype), "shape", json_ints(t->shape, t->rank), "bytes",
	                      (json_int_t)t->size);
	struct tensor_stats s;

	if (!stats)
		return o;
	tensor_stats(t, &s);
	json_object_set_new(o, "min", number(s.min));
	json_object_set_new(o, "max", number(s.max));
	json_object_set_new(o, "mean", number(s.mean));
	json_object_set_new(o, "nan", json_integer(s.nan));
	return o;
}

/* Has it what frame_grid asks for? */
static int has_grid(const struct frame *f)
{
	static const char *const spatial[] = {"image", "label", "pred", "prob"};

	for (size_t i = 0; i < sizeof spatial / sizeof *spatial; i++)
		if (frame_meta(f, "affine") && frame_find(f, spatial[i]))
			return 1;
	return 0;
}

static int describe_grid(const struct frame *f, json_t *o, struct err *e)
{
	static const char names[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
	double spacing[3];
	char axes[4] = "";
	struct grid g;

	if (frame_grid(f, &g, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		double c[3] = {g.affine[i], g.affine[4 + i], g.affine[8 + i]};
		int k = 0;

		for (int j = 1; j < 3; j++)
			k = fabs(c[j]) > fabs(c[k]) ? j : k;
		spacing[i] = sqrt(c[0] * c[0] + c[1] * c[1] + c[2] * c[2]);
		axes[i] = names[k][c[k] > 0];
	}
	json_object_set_new(o, "size", json_ints(g.size, 3));
	json_object_set_new(o, "spacing", json_reals(spacing, 3));
	json_object_set_new(o, "axes", json_string(axes));
	json_object_set_new(o, "affine", json_reals(g.affine, 16));
	return 0;
}

static json_t *other_meta(const struct frame *f)
{
	json_t *o = json_copy(f->meta);

	json_object_del(o, "id");
	json_object_del(o, "kind");
	json_object_del(o, "history");
	if (has_grid(f))
		json_object_del(o, "affine");
	return o;
}

json_t *frame_describe(const struct frame *f, int stats, struct err *e)
{
	json_t *history = history_get(f, e), *o, *tensors;

	if (!history)
		return NULL;
	o = json_object();
	json_object_set_new(o, "file", text_or_null(f->file));
	json_object_set_new(o, "offset", json_integer(f->offset));
	json_object_set_new(o, "id", text_or_null(frame_meta(f, "id")));
	json_object_set_new(o, "kind", text_or_null(frame_meta(f, "kind")));
	tensors = json_array();
	json_int_t bytes = 0;
	for (int i = 0; i < f->n; i++) {
		json_array_append_new(tensors, describe_tensor(&f->t[i], stats));
		bytes += (json_int_t)f->t[i].size;
	}
	json_object_set_new(o, "bytes", json_integer(bytes));
	json_object_set_new(o, "tensors", tensors);
	json_object_set_new(o, "history", history);
	json_object_set_new(o, "meta", other_meta(f));
	if (has_grid(f) && describe_grid(f, o, e)) {
		json_decref(o);
		return NULL;
	}
	return o;
}
