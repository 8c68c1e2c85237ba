#include "lib/stream/names.h"

#include <stdio.h>
#include <strings.h>

#include "lib/base/arg.h"

int names_get(const struct frame *f, json_t **names, struct err *e)
{
	const char *text = frame_meta(f, "labels"), *key;
	int64_t label;
	json_t *v;
	int r = 0;

	*names = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (text && !json_object_size(*names))
		r = err_set(e, NULL, "metadata labels is not {NUMBER: NAME, ...}");
	json_object_foreach(*names, key, v)
		if (!r && (!json_is_string(v) || arg_int(key, 0, NAMES_MOST, &label, e) || names_of(*names, label) != json_string_value(v)))
			r = err_set(e, NULL, "metadata labels: '%.40s' is not the number of a label (0 to %d) with a name", key, NAMES_MOST);
	if (!r)
		return 0;
	json_decref(*names);
	*names = NULL;
	return -1;
}

static const char *key_of(int64_t label, char key[24])
{
	snprintf(key, 24, "%lld", (long long)label);
	return key;
}

const char *names_of(const json_t *names, int64_t label)
{
	char key[24];

	return json_string_value(json_object_get(names, key_of(label, key)));
}

void names_set(json_t *names, int64_t label, const json_t *name)
{
	char key[24];
	const json_t *was = json_object_get(names, key_of(label, key));

	json_object_set(names, key, was && !json_equal(was, name) ? json_null() : (json_t *)name);
}

int names_put(struct frame *f, json_t *names, struct err *e)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(names, next, key, v)
		if (json_is_null(v))
			json_object_del(names, key);
	return json_object_size(names) > (names_of(names, 0) != NULL) ? frame_set_json(f, "labels", names, e) : frame_set_meta(f, "labels", NULL, e);
}

int names_other_channels(const char *a, const char *b)
{
	return a && b && strcasecmp(a, b);
}

int names_channels(const struct frame *f, const char *wanted, const char *whose, struct err *e)
{
	const char *names = frame_meta(f, "channels");

	return names_other_channels(names, wanted) ? err_set(e, NULL, "its channels are %s, %s %s", names, whose, wanted) : 0;
}
