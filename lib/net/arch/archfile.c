#include "lib/net/arch/archfile.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/yamltree.h"

static int is_yaml(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

json_t *archfile_json(const char *text, struct err *e)
{
	const char *s = text;
	json_error_t why;
	json_t *j;

	while (isspace((unsigned char)*s))
		s++;
	if (*s != '{' && *s != '[')
		return is_yaml(text) ? yamltree_file(text, e) : json_of_file(text, e);
	j = json_loads(s, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		err_set(e, NULL, "JSON: line %d: %.200s", why.line, why.text);
	return j;
}

/* No string in j, which lies at `key`, may be one of the bundle's references. */
static int check_literal(const json_t *j, const char *key, struct err *e)
{
	const char *s = json_string_value(j), *k;
	json_t *v;
	size_t i;

	if (s && (*s == '@' || *s == '$' || *s == '%'))
		return err_set(e, NULL, "%.80s is '%.80s': references and expressions are not followed", key, s);
	if (json_is_object(j))
		json_object_foreach((json_t *)j, k, v)
			if (check_literal(v, k, e))
				return -1;
	json_array_foreach((json_t *)j, i, v)
		if (check_literal(v, key, e))
			return -1;
	return 0;
}

/* What has a _target_: root itself, else its `first` or `second`. */
static json_t *part(const json_t *root, const char *what, const char *first, const char *second, struct err *e)
{
	const json_t *tried[] = {root, json_object_get(root, first), json_object_get(root, second)}, *is = NULL;

	for (size_t i = 0; !is && i < sizeof tried / sizeof *tried; i++)
		if (json_object_get(tried[i], "_target_"))
			is = tried[i];
	if (!is) {
		err_set(e, NULL, "describes no %s: no \"_target_\" at its top, nor in %s or %s", what, first, second);
		return NULL;
	}
	return check_literal(is, "_target_", e) ? NULL : json_deep_copy(is);
}

json_t *archfile_network(const json_t *root, struct err *e)
{
	return part(root, "network", "network_def", "network", e);
}

json_t *archfile_loss(const json_t *root, struct err *e)
{
	return part(root, "loss", "loss", "loss_function", e);
}
