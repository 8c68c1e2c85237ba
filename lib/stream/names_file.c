#include <stdio.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/table.h"
#include "lib/stream/names.h"

/* Into names; -1: the label or the name is there already; 1: the name is no text in UTF-8. */
static int add(json_t *names, json_t *seen, int64_t label, const char *name)
{
	char key[24];

	snprintf(key, sizeof key, "%lld", (long long)label);
	if (json_object_get(names, key) || json_object_get(seen, name))
		return -1;
	return json_object_set_new(seen, name, json_true()) || json_object_set_new(names, key, json_string(name));
}

static int add_row(json_t *names, json_t *seen, const struct table *t, int64_t row, const int64_t column[2], struct err *e)
{
	const char *name = table_cell(t, row, column[1]);
	const long long line = (long long)row + 2;
	int64_t label;
	int r;

	if (table_integer(t, row, column[0], &label, e))
		return -1;
	if (label < 1 || label > NAMES_MOST)
		return err_set(e, t->path, "line %lld: label %lld (expected 1 to %d)", line, (long long)label, NAMES_MOST);
	r = add(names, seen, label, name);
	if (r < 0)
		return err_set(e, t->path, "line %lld: label %lld, '%.80s': one of them is there twice", line, (long long)label, name);
	return r ? err_set(e, t->path, "line %lld: not a name", line) : 0;
}

static int from_table(json_t *names, json_t *seen, const char *path, struct err *e)
{
	static const char *const columns[] = {"label", "name"};
	int64_t column[2];
	struct table t = {0};
	int bad = table_read(path, &t, e);

	for (int i = 0; !bad && i < 2; i++)
		bad = (column[i] = table_need(&t, columns[i], e)) < 0;
	for (int64_t i = 0; !bad && i < t.rows; i++)
		bad = add_row(names, seen, &t, i, column, e);
	table_free(&t);
	return bad ? -1 : 0;
}

/* The number of a label; -1: none. A list of one is that one. */
static json_int_t number(const json_t *v)
{
	if (json_array_size(v) == 1)
		v = json_array_get(v, 0);
	return json_is_integer(v) ? json_integer_value(v) : -1;
}

json_t *names_dataset(const json_t *dataset, struct err *e)
{
	json_t *names = json_object(), *seen = json_object(), *labels = json_object_get(dataset, "labels"), *v;
	const char *name;
	int bad = json_object_size(labels) ? 0 : err_set(e, NULL, "has no labels");

	json_object_foreach(labels, name, v)
		if (!bad && strcmp(name, "ignore")) { /* no class of the network */
			if (number(v) < 0 || number(v) > NAMES_MOST)
				bad = err_set(e, NULL, "label '%.80s' is no number of 0 to %d", name, NAMES_MOST);
			else if (add(names, seen, number(v), name))
				bad = err_set(e, NULL, "label %lld has two names", (long long)number(v));
		}
	json_decref(seen);
	if (!bad)
		return names;
	json_decref(names);
	return NULL;
}

json_t *names_load(const char *path, struct err *e)
{
	const size_t n = strlen(path);
	json_t *names, *seen, *dataset;
	int bad;

	if (n > 5 && !strcmp(path + n - 5, ".json")) {
		dataset = json_of_file(path, e);
		names = dataset ? names_dataset(dataset, e) : NULL;
		if (dataset && !names)
			err_prefix(e, "%s", path);
		json_decref(dataset);
		return names;
	}
	names = json_object(), seen = json_object();
	bad = from_table(names, seen, path, e);
	json_decref(seen);
	if (!bad)
		return names;
	json_decref(names);
	return NULL;
}
