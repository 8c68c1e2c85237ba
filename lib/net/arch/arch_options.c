/* Reading an architecture's options. */
#include "lib/net/arch/arch.h"

#include <string.h>
#include <strings.h>

int arch_known(const json_t *arch, const char *const *keys, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)arch, key, value) {
		int i = 0;

		while (keys[i] && strcmp(keys[i], key))
			i++;
		if (!keys[i] && strcmp(key, "_target_"))
			return err_set(e, NULL, "option '%.80s' is not known", key);
	}
	return 0;
}

int arch_ints(const json_t *arch, const struct arch_int *table, struct err *e)
{
	for (; table->key; table++) {
		const json_t *v = json_object_get(arch, table->key);

		if (!v && !table->required)
			continue;
		if (!v)
			return err_set(e, NULL, "option '%s' is missing", table->key);
		if (!json_is_integer(v) || json_integer_value(v) < table->lo || json_integer_value(v) > table->hi) {
			if (table->lo == table->hi)
				return err_set(e, NULL, "%s must be %d", table->key, table->lo);
			return err_set(e, NULL, "%s must be a whole number in %d..%d", table->key, table->lo, table->hi);
		}
		*table->to = (int)json_integer_value(v);
	}
	return 0;
}

int arch_flag(const json_t *arch, const char *key, int *to, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (v && !json_is_boolean(v))
		return err_set(e, NULL, "%s must be true or false", key);
	if (v)
		*to = json_is_true(v);
	return 0;
}

int arch_triple(const json_t *value, const char *key, int hi, int odd, int to[3], struct err *e)
{
	for (size_t k = 0; k < 3; k++) {
		const json_t *v = json_is_array(value) && json_array_size(value) == 3 ? json_array_get(value, k) : value;
		json_int_t n = json_integer_value(v);

		if (!json_is_integer(v) || n < 1 || n > hi || (odd && n % 2 == 0))
			return err_set(e, NULL, "%s must be one or three %s numbers in 1..%d", key, odd ? "odd" : "whole", hi);
		to[k] = (int)n;
	}
	return 0;
}

int arch_word(const json_t *arch, const char *key, const char *only, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (!v || (json_is_string(v) && !strcasecmp(json_string_value(v), only)))
		return 0;
	return err_set(e, NULL, "%s must be \"%s\"", key, only);
}

int arch_rate(const json_t *arch, const char *key, float *to, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_number(v) || !(json_number_value(v) >= 0) || json_number_value(v) >= 1)
		return err_set(e, NULL, "%s must be a number from 0 to below 1", key);
	*to = (float)json_number_value(v);
	return 0;
}

int arch_list(const json_t *arch, const char *key, int n, int lo, int hi, int *to, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (json_is_array(v) && json_array_size(v) != (size_t)n)
		return err_set(e, NULL, "%s must have %d entries, not %zu", key, n, json_array_size(v));
	for (int i = 0; i < n; i++) {
		const json_t *one = json_is_array(v) ? json_array_get(v, (size_t)i) : v;

		if (!json_is_integer(one) || json_integer_value(one) < lo || json_integer_value(one) > hi)
			return err_set(e, NULL, "%s must be a whole number in %d..%d, or a list of them", key, lo, hi);
		to[i] = (int)json_integer_value(one);
	}
	return 0;
}

int arch_triples(const json_t *arch, const char *key, int n, int hi, int odd, int to[][3], struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (json_is_array(v) && json_array_size(v) != (size_t)n)
		return err_set(e, NULL, "%s must have %d entries, not %zu", key, n, json_array_size(v));
	for (int i = 0; i < n; i++)
		if (arch_triple(json_is_array(v) ? json_array_get(v, (size_t)i) : v, key, hi, odd, to[i], e))
			return -1;
	return 0;
}

int arch_counts(const json_t *arch, const char *key, int least, int *to, int *n, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	if (!v)
		return 0;
	if (!json_is_array(v) || json_array_size(v) < (size_t)least || json_array_size(v) > ARCH_LEVELS)
		return err_set(e, NULL, "%s must be a list of %d to %d whole numbers", key, least, ARCH_LEVELS);
	*n = (int)json_array_size(v);
	return arch_list(arch, key, *n, 1, ARCH_BLOCKS, to, e);
}

int arch_up_mode(const json_t *arch, int *deconv, struct err *e)
{
	const json_t *v = json_object_get(arch, "upsample_mode");
	const char *mode = json_string_value(v);

	if (!v)
		return 0;
	*deconv = mode && !strcasecmp(mode, "deconv");
	if (*deconv || (mode && !strcasecmp(mode, "nontrainable")))
		return 0;
	return err_set(e, NULL, "upsample_mode must be \"nontrainable\" or \"deconv\"");
}

int arch_levels(const json_t *arch, int lo, int *n, int *channels, int stride[][3], struct err *e)
{
	const json_t *c = json_object_get(arch, "channels"), *s = json_object_get(arch, "strides");

	if (!json_is_array(c) || json_array_size(c) < 2 || json_array_size(c) > ARCH_LEVELS)
		return err_set(e, NULL, "channels must be a list of 2 to %d whole numbers", ARCH_LEVELS);
	*n = (int)json_array_size(c);
	if (!json_is_array(s) || json_array_size(s) < (size_t)*n - 1)
		return err_set(e, NULL, "strides must be a list of %d, one fewer than channels", *n - 1);
	for (int i = 0; i < *n; i++) {
		json_int_t v = json_integer_value(json_array_get(c, (size_t)i));

		if (v < lo || v > ARCH_CHANNELS)
			return err_set(e, NULL, "channels must be whole numbers in %d..%d", lo, ARCH_CHANNELS);
		channels[i] = (int)v;
		if (i + 1 < *n && arch_triple(json_array_get(s, (size_t)i), "strides", 8, 0, stride[i], e))
			return -1;
	}
	return 0;
}
