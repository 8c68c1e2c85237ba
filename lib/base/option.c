#include "lib/base/option.h"

#include <math.h>
#include <string.h>

static int word_index(const char *words, const char *text)
{
	size_t len = strlen(text);
	int i = 0;

	for (const char *w = words; w; i++) {
		const char *bar = strchr(w, '|');
		size_t n = bar ? (size_t)(bar - w) : strlen(w);

		if (n == len && !strncmp(w, text, n))
			return i;
		w = bar ? bar + 1 : NULL;
	}
	return -1;
}

json_t *option_word(const char *words, int i)
{
	for (; words && i > 0; i--) {
		words = strchr(words, '|');
		if (words)
			words++;
	}
	return words ? json_stringn(words, strcspn(words, "|")) : NULL;
}

static int take_number(const struct option *t, const json_t *v, int i)
{
	double d = json_number_value(v);

	if (t->kind == OPTION_INTS) {
		((int64_t *)t->to)[i] = json_integer_value(v);
		return json_is_integer(v) ? 0 : -1;
	}
	((double *)t->to)[i] = d;
	return json_is_number(v) && isfinite(d) ? 0 : -1;
}

static int take_list(const struct option *t, const json_t *v)
{
	size_t n = json_array_size(v);

	if (!n || n > (size_t)t->count)
		return -1;
	*t->given = (int)n;
	for (size_t i = 0; i < n; i++)
		if (take_number(t, json_array_get(v, i), (int)i))
			return -1;
	return 0;
}

static int take(const struct option *t, const json_t *v)
{
	switch (t->kind) {
	case OPTION_BOOL:
		*(int *)t->to = json_is_true(v);
		return json_is_boolean(v) ? 0 : -1;
	case OPTION_WORD:
		*(int *)t->to = json_is_string(v) ? word_index(t->words, json_string_value(v)) : -1;
		return *(int *)t->to < 0 ? -1 : 0;
	case OPTION_TEXT:
		if (json_string_length(v) >= (size_t)t->count)
			return -1;
		memcpy(t->to, json_is_string(v) ? json_string_value(v) : "", json_string_length(v) + 1);
		return json_is_string(v) ? 0 : -1;
	case OPTION_INTS:
	case OPTION_REALS:
		if (t->count == 1)
			return take_number(t, v, 0);
		if (!json_is_array(v) || json_array_size(v) != (size_t)t->count)
			return -1;
		for (int i = 0; i < t->count; i++)
			if (take_number(t, json_array_get(v, (size_t)i), i))
				return -1;
		return 0;
	case OPTION_LIST:
		return take_list(t, v);
	case OPTION_END:
		break;
	}
	return -1;
}

static const struct option *find(const struct option *t, const char *key)
{
	for (; t->kind != OPTION_END; t++)
		if (!strcmp(t->key, key))
			return t;
	return NULL;
}

int option_parse(const json_t *o, const struct option *table, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(e, NULL, "args is not an object");
	json_object_foreach((json_t *)o, key, v) {
		const struct option *t = find(table, key);

		if (!t)
			return err_set(e, NULL, "unknown argument '%.80s'", key);
		if (take(t, v))
			return err_set(e, NULL, "argument '%.80s' is malformed", key);
	}
	for (const struct option *t = table; t->kind != OPTION_END; t++) {
		int there = json_object_get(o, t->key) != NULL;

		if (t->given)
			*t->given = t->kind == OPTION_LIST && there ? *t->given : there;
		else if (!there)
			return err_set(e, NULL, "argument '%s' is missing", t->key);
	}
	return 0;
}

static json_t *number_json(const struct option *t, int i)
{
	return t->kind == OPTION_INTS ? json_integer(((int64_t *)t->to)[i]) : json_real(((double *)t->to)[i]);
}

static json_t *one_json(const struct option *t)
{
	int n = t->kind == OPTION_LIST ? *t->given : t->count;
	json_t *a;

	if (t->kind == OPTION_BOOL)
		return json_boolean(*(int *)t->to);
	if (t->kind == OPTION_WORD)
		return option_word(t->words, *(int *)t->to);
	if (t->kind == OPTION_TEXT)
		return json_string(t->to);
	if (t->count == 1)
		return number_json(t, 0);
	a = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(a, number_json(t, i));
	return a;
}

json_t *option_json(const struct option *table)
{
	json_t *o = json_object();

	for (const struct option *t = table; t->kind != OPTION_END; t++)
		if (!t->given || *t->given)
			json_object_set_new(o, t->key, one_json(t));
	return o;
}
