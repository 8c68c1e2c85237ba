#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/import/bundle.h"

enum { DEPTH = 32, PART = 256 };

static int is_reference(const char *s)
{
	s += *s == '$';
	if (*s++ != '@' || !*s)
		return 0;
	while (isalnum((unsigned char)*s) || *s == '_' || *s == '#' || *s == ':')
		s++;
	return !*s;
}

/* Entry `part` of an object or a list. */
static const json_t *child(const json_t *v, const char *part)
{
	size_t i = 0;

	if (!json_is_array(v))
		return json_object_get(v, part);
	for (const char *s = part; isdigit((unsigned char)*s) && i < 1 << 20; s++)
		i = 10 * i + (size_t)(*s - '0');
	return isdigit((unsigned char)*part) ? json_array_get(v, i) : NULL;
}

/* What follows the '@'. NULL: there is nothing of that name. */
static const json_t *look_up(const json_t *root, const char *name)
{
	while (root && *name) {
		size_t n = strcspn(name, "#:");
		char part[PART];

		if (n >= sizeof part)
			return NULL;
		memcpy(part, name, n);
		part[n] = 0;
		root = child(root, part);
		name += n;
		name += *name == '#' ? 1 : !strncmp(name, "::", 2) ? 2 : 0;
		if (*name == ':')
			return NULL;
	}
	return root;
}

static json_t *resolve(const json_t *root, const json_t *v, const char *what, int depth, struct err *e);

static json_t *resolve_text(const json_t *root, const char *s, const char *what, int depth, struct err *e)
{
	const json_t *v;

	if (*s != '@' && *s != '$' && *s != '%')
		return json_string(s);
	v = is_reference(s) ? look_up(root, strchr(s, '@') + 1) : NULL;
	if (v)
		return resolve(root, v, what, depth + 1, e);
	if (is_reference(s))
		err_set(e, NULL, "%.80s is '%.80s', which is not there", what, s);
	else
		err_set(e, NULL, "%.80s is '%.200s': expressions are not followed", what, s);
	return NULL;
}

static json_t *resolve(const json_t *root, const json_t *v, const char *what, int depth, struct err *e)
{
	json_t *out, *one;
	const char *key;
	size_t i;

	if (depth > DEPTH) {
		err_set(e, NULL, "%.80s refers to itself, or is nested more than %d deep", what, DEPTH);
		return NULL;
	}
	if (json_is_string(v))
		return resolve_text(root, json_string_value(v), what, depth, e);
	if (!json_is_object(v) && !json_is_array(v))
		return json_deep_copy(v);
	out = json_is_object(v) ? json_object() : json_array();
	json_object_foreach((json_t *)v, key, one)
		if (json_object_set_new(out, key, resolve(root, one, key, depth + 1, e)))
			goto bad;
	json_array_foreach((json_t *)v, i, one)
		if (json_array_append_new(out, resolve(root, one, what, depth + 1, e)))
			goto bad;
	return out;
bad:
	json_decref(out);
	return NULL;
}

json_t *bundle_value(const json_t *root, const json_t *v, const char *what, struct err *e)
{
	json_t *out = v ? resolve(root, v, what, 0, e) : NULL;

	if (!v)
		err_set(e, NULL, "%.80s is not there", what);
	return out;
}

int bundle_flag(const json_t *v)
{
	return json_is_true(v) || json_number_value(v) != 0 || json_string_length(v) || json_array_size(v) || json_object_size(v);
}

const char *bundle_target(const json_t *o)
{
	const char *s = json_string_value(json_object_get(o, "_target_")), *dot = s ? strrchr(s, '.') : NULL;

	return !s || (dot && strncmp(s, "monai.", 6)) ? "" : dot ? dot + 1 : s;
}

json_t *bundle_transforms(const json_t *root, const char *key, struct err *e)
{
	const json_t *v = json_object_get(root, key), *list;
	const json_t *compose = json_is_string(v) && is_reference(json_string_value(v)) ? look_up(root, strchr(json_string_value(v), '@') + 1) : v;
	const char *text;

	if (json_is_object(compose) && strcmp(bundle_target(compose), "Compose")) {
		err_set(e, NULL, "is no Compose of transforms");
		return NULL;
	}
	if (bundle_flag(json_object_get(compose, "lazy"))) {
		err_set(e, NULL, "lazy transforms, which are done together, are not known");
		return NULL;
	}
	list = json_is_object(compose) ? json_object_get(compose, "transforms") : compose;
	text = json_string_value(list);
	if (text && is_reference(text))
		list = look_up(root, strchr(text, '@') + 1);
	if (json_is_array(list))
		return json_incref((json_t *)list);
	if (text && !is_reference(text))
		err_set(e, NULL, "transforms is '%.200s': expressions are not followed", text);
	else
		err_set(e, NULL, "has no list of transforms");
	return NULL;
}
