#include <stdio.h>

#include "lib/base/hash.h"
#include "lib/net/train/train_begin.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"

static void note_file(json_t *a, const char *key, const char *path)
{
	char name[32], hash[HASH_TEXT];

	json_object_set_new(a, key, shell_name(path));
	snprintf(name, sizeof name, "%s_hash", key);
	if (!hash_file(path, hash))
		json_object_set_new(a, name, json_string(hash));
}

static int other(const json_t *before, const json_t *now, const char *key)
{
	const json_t *a = json_object_get(before, key), *b = json_object_get(now, key);

	return (a || b) && !json_equal(a, b);
}

void train_note_inputs(struct train *r)
{
	static const char *const kept[] = {"init", "init_hash", "labels", "labels_hash", "val", "val_hash", "val_every", "val_overlap", "val_roi"};
	const struct train_opts *o = r->o;
	const struct window_opts plain = WINDOW_DEFAULTS, *w = &o->window;
	const int64_t roi[3] = {w->roi[2], w->roi[1], w->roi[0]};
	json_t *a = json_object(), *before = r->at.inputs;

	for (size_t i = 0; i < (o->val ? 4 : sizeof kept / sizeof *kept); i++)
		if (json_object_get(before, kept[i]))
			json_object_set(a, kept[i], json_object_get(before, kept[i]));
	if (o->init)
		note_file(a, "init", o->init);
	if (o->names_file)
		note_file(a, "labels", o->names_file);
	if (o->val)
		note_file(a, "val", o->val);
	if (o->val_every)
		json_object_set_new(a, "val_every", json_integer(o->val_every));
	if (o->patience)
		json_object_set_new(a, "patience", json_integer(o->patience));
	if (o->val && w->overlap != plain.overlap)
		json_object_set_new(a, "val_overlap", json_real(w->overlap));
	if (roi[0])
		json_object_set_new(a, "val_roi", json_ints(roi, 3));
	r->otherwise = json_object_get(before, "val_hash") &&
	               (other(before, a, "val_hash") || other(before, a, "val_overlap") || other(before, a, "val_roi"));
	json_decref(before);
	r->at.inputs = a;
}
