#include "lib/stream/history.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/version.h"

/* The tools whose work a model asks for again on every volume. */
static const char *const replayed[] = {"nii-resample", "nii-normalize", "nii-crop", HISTORY_LATE};

json_t *json_ints(const int64_t *v, int n)
{
	json_t *a = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(a, json_integer(v[i]));
	return a;
}

json_t *json_reals(const double *v, int n)
{
	json_t *a = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(a, json_real(v[i]));
	return a;
}

int json_get_ints(const json_t *o, const char *key, int64_t *v, int n)
{
	const json_t *a = json_object_get(o, key);

	if (!json_is_array(a) || json_array_size(a) != (size_t)n)
		return -1;
	for (int i = 0; i < n; i++) {
		const json_t *x = json_array_get(a, (size_t)i);

		if (!json_is_integer(x))
			return -1;
		v[i] = json_integer_value(x);
	}
	return 0;
}

int json_get_reals(const json_t *o, const char *key, double *v, int n)
{
	const json_t *a = json_object_get(o, key);

	if (!json_is_array(a) || json_array_size(a) != (size_t)n)
		return -1;
	for (int i = 0; i < n; i++) {
		const json_t *x = json_array_get(a, (size_t)i);

		if (!json_is_number(x))
			return -1;
		v[i] = json_number_value(x);
	}
	return 0;
}

json_t *history_get(const struct frame *f, struct err *e)
{
	const char *text = frame_meta(f, "history"), *why = "an entry is not an object with a tool";
	json_error_t je;
	json_t *a, *entry;
	size_t i;

	if (!text)
		return json_array();
	a = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	if (!a)
		why = je.text;
	else if (!json_is_array(a))
		why = "not an array";
	else {
		json_array_foreach(a, i, entry)
			if (!json_is_string(json_object_get(entry, "tool")))
				break;
		if (i == json_array_size(a))
			return a;
	}
	err_set(e, NULL, "metadata history: %.200s", why);
	json_decref(a);
	return NULL;
}

int history_set(struct frame *f, const json_t *array, struct err *e)
{
	char *text = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_SORT_KEYS);
	int r = text ? frame_set_meta(f, "history", text, e) : err_set(e, NULL, "not enough memory for the history");

	free(text);
	return r;
}

int history_push(struct frame *f, const char *tool, json_t *args, json_t *undo, const struct grid *before, struct err *e)
{
	json_t *a = history_get(f, e), *entry = json_object();
	int r = -1;

	json_object_set_new(entry, "tool", json_string(tool));
	json_object_set_new(entry, "version", json_string(NIIPIPE_VERSION));
	json_object_set_new(entry, "args", args ? args : json_object());
	if (before) {
		json_object_set_new(entry, "size", json_ints(before->size, 3));
		json_object_set_new(entry, "affine", json_reals(before->affine, 16));
	}
	if (undo)
		json_object_set_new(entry, "undo", undo);
	if (a && !json_array_append(a, entry))
		r = history_set(f, a, e);
	json_decref(entry);
	json_decref(a);
	return r;
}

int history_grid(const json_t *entry, struct grid *g, struct err *e)
{
	const char *tool = json_string_value(json_object_get(entry, "tool"));

	if (!json_object_get(entry, "size"))
		return 0;
	if (json_get_ints(entry, "size", g->size, 3) || json_get_reals(entry, "affine", g->affine, 16))
		return err_set(e, NULL, "metadata history: %.80s: size or affine is malformed", tool);
	for (int i = 0; i < 3; i++)
		if (g->size[i] < 1 || g->size[i] > 1 << 20)
			return err_set(e, NULL, "metadata history: %.80s: size %lld is not in 1..2^20", tool, (long long)g->size[i]);
	return 1;
}

static int is_replayed(const char *tool)
{
	for (size_t i = 0; i < sizeof replayed / sizeof *replayed; i++)
		if (!strcmp(tool, replayed[i]))
			return 1;
	return 0;
}

json_t *history_replay(const struct frame *f, struct err *e)
{
	json_t *a = history_get(f, e), *out, *entry;
	int drawn = 0;
	size_t i;

	if (!a)
		return NULL;
	out = json_array();
	json_array_foreach(a, i, entry) {
		const char *tool = json_string_value(json_object_get(entry, "tool"));

		drawn |= !strcmp(tool, "nii-patch");
		if ((drawn ? !strcmp(tool, HISTORY_LATE) : is_replayed(tool)) && !json_object_get(entry, HISTORY_BY))
			json_array_append_new(out, json_pack("{s:s, s:O?}", "tool", tool, "args", json_object_get(entry, "args")));
	}
	json_decref(a);
	return out;
}

json_t *history_drawing(const struct frame *f, struct err *e)
{
	json_t *a = history_get(f, e), *out, *entry;
	int drawn = 0;
	size_t i;

	if (!a)
		return NULL;
	out = json_array();
	json_array_foreach(a, i, entry) {
		const char *tool = json_string_value(json_object_get(entry, "tool"));
		json_t *args = json_copy(json_object_get(entry, "args"));

		drawn |= !strcmp(tool, "nii-patch");
		json_object_del(args, "drawn");
		json_object_del(args, "index");
		if (drawn)
			json_array_append_new(out, json_pack("{s:s, s:O?}", "tool", tool, "args", args));
		json_decref(args);
	}
	json_decref(a);
	return out;
}
