/* The list of a bundle's transforms, of which nothing may be said that is not understood. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/net/import/bundle.h"
#include "lib/volume/history/replay.h"

static int is_only(const json_t *v, const char *only)
{
	const char *s = json_string_value(v);
	json_t *want;
	int r;

	if (*only == '*')
		return s && strlen(s) >= strlen(only + 1) && !strcmp(s + strlen(s) - strlen(only + 1), only + 1);
	want = json_loads(only, JSON_DECODE_ANY, NULL);
	r = json_equal(v, want);
	json_decref(want);
	return r;
}

/* Is this value the only one that is known? */
static int check_only(const json_t *v, const char *key, const char *only, struct err *e)
{
	char *text;

	if (is_only(v, only))
		return 0;
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	err_set(e, NULL, "%.80s is %.80s (known: %s)", key, text ? text : "", *only == '*' ? only + 1 : only);
	free(text);
	return -1;
}

/* Is this key's value one that is known? What the transform's function needs goes into a. */
static int take(const struct bundle_maker *m, const struct bundle_transform *t, const char *key, const json_t *v, json_t *a, struct err *e)
{
	const struct bundle_rule *r = bundle_rule(t, key);
	json_t *is;
	int known;

	if (!r)
		return err_set(e, NULL, "%.80s is not known", key);
	if (r->only && *r->only == '*') /* an expression, as $torch.float32 */
		return check_only(v, key, r->only, e);
	if (json_is_null(v) || (r->only && *r->only == '?'))
		return 0;
	if (r->only && *r->only == '$')
		return json_object_set(a, key, (json_t *)v);
	is = bundle_value(m->root, v, key, e);
	if (!is || !r->only)
		return is ? json_object_set_new(a, key, is) : -1;
	known = check_only(is, key, r->only, e);
	json_decref(is);
	return known;
}

/* Which of its keys is the image? -1: none; -2 and an error. */
static int place(const struct bundle_maker *m, const json_t *o, struct err *e)
{
	json_t *keys = bundle_value(m->root, json_object_get(o, "keys"), "keys", e), *v;
	int at = keys ? -1 : -2;
	size_t i;

	if (json_is_string(keys) && !strcmp(json_string_value(keys), m->image))
		at = 0;
	json_array_foreach(keys, i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), m->image))
			at = (int)i;
	json_decref(keys);
	return at;
}

/* 1, 0, or -1 and an error. */
static int is_disabled(const struct bundle_maker *m, const json_t *o, struct err *e)
{
	json_t *v = json_object_get(o, "_disabled_") ? bundle_value(m->root, json_object_get(o, "_disabled_"), "_disabled_", e) : json_false();
	int r = !v ? -1 : json_is_string(v) ? !strcasecmp(json_string_value(v), "true") : bundle_flag(v);

	json_decref(v);
	return r;
}

static int add_known(struct bundle_maker *m, const struct bundle_transform *t, const json_t *o, struct err *e)
{
	json_t *a, *v;
	const char *key;
	int r = 0;

	m->place = place(m, o, e);
	if (m->place < 0)
		return m->place == -2 ? -1 : 0;
	m->loaded |= !strcmp(t->name, "LoadImage");
	a = json_object();
	json_object_foreach((json_t *)o, key, v)
		r = r || take(m, t, key, v, a, e) ? -1 : 0;
	r = r || (t->make && t->make(m, a, e)) ? -1 : 0;
	json_decref(a);
	return r;
}

static int add(struct bundle_maker *m, const json_t *entry, struct err *e)
{
	json_t *o = json_is_string(entry) ? bundle_value(m->root, entry, "a transform", e) : json_incref((json_t *)entry);
	const char *name = json_string_value(json_object_get(o, "_target_"));
	const struct bundle_transform *t = bundle_transform(bundle_target(o));
	int r = o ? is_disabled(m, o, e) : -1;

	if (r >= 0 && !r)
		r = t ? add_known(m, t, o, e) : err_set(e, NULL, "no transform that is known");
	r = r < 0 ? o ? err_prefix(e, "%.80s", name ? name : "a transform without _target_") : -1 : 0;
	json_decref(o);
	return r;
}

json_t *bundle_steps(const json_t *root, struct err *e)
{
	const char *key = json_string_value(json_object_get(root, "image_key"));
	struct bundle_maker m = {.root = root, .image = key && *key != '@' && *key != '$' ? key : "image", .steps = json_array()};
	json_t *list = bundle_transforms(root, "preprocessing", e), *entry;
	int r = list ? 0 : -1;
	size_t i;

	json_array_foreach(list, i, entry)
		r = r || add(&m, entry, e) ? -1 : 0;
	if (!r && !m.loaded)
		r = err_set(e, NULL, "no LoadImaged of '%.80s': which key is the image is not known", m.image);
	r = r || replay_check(m.steps, e) ? -1 : 0;
	json_decref(list);
	if (!r)
		return m.steps;
	json_decref(m.steps);
	return NULL;
}
