/* Reading an architecture's options. */
#include "lib/net/arch.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define ALL(a) (sizeof a / sizeof *a)

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

/* "WORD" or ["WORD", {options}]: 0, the word and its options (NULL: none). */
static int word_options(const json_t *v, const char *key, const char **word, const json_t **options, struct err *e)
{
	const json_t *w = json_is_array(v) ? json_array_get(v, 0) : v;

	*options = NULL;
	*word = json_string_value(w);
	if (*word && json_is_array(v) && json_array_size(v) == 2)
		*options = json_array_get(v, 1);
	if (!*word || (json_is_array(v) && (json_array_size(v) > 2 || (json_array_size(v) == 2 && !json_is_object(*options)))))
		return err_set(e, NULL, "%s must be a word, or a list of a word and its options", key);
	return 0;
}

static int real_option(const json_t *options, const char *key, float lo, float *to, struct err *e)
{
	const json_t *v = json_object_get(options, key);

	if (v && (!json_is_number(v) || !(json_number_value(v) >= lo) || !isfinite((float)json_number_value(v))))
		return err_set(e, NULL, "%s must be a number of at least %g", key, lo);
	if (v)
		*to = (float)json_number_value(v);
	return 0;
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

/* An activation: MONAI's word, PyTorch's class, how it is by default, the options it takes; the one that is its slope. */
struct act { const char *word, *name; struct graph_act act; const char *known[3], *slope; };

static const struct act ACTS[] = {
	{"PRELU", "PReLU", {K_ACT_PRELU, 0.25f, 1}, {"init", "num_parameters"}, "init"},
	{"RELU", "ReLU", {K_ACT_RELU, 0, 0}, {"inplace"}, NULL},
	{"LEAKYRELU", "LeakyReLU", {K_ACT_LRELU, 0.01f, 0}, {"inplace", "negative_slope"}, "negative_slope"},
	{"ELU", "ELU", {K_ACT_ELU, 1, 0}, {"inplace", "alpha"}, "alpha"},
	{"GELU", "GELU", {K_ACT_GELU, 0, 0}, {NULL}, NULL},
	{"SWISH", "SiLU", {K_ACT_SWISH, 0, 0}, {"inplace"}, NULL},
	{"MEMSWISH", "SiLU", {K_ACT_SWISH, 0, 0}, {"inplace"}, NULL},
	{"MISH", "Mish", {K_ACT_MISH, 0, 0}, {"inplace"}, NULL},
	{"SIGMOID", "Sigmoid", {K_ACT_SIGMOID, 0, 0}, {NULL}, NULL},
	{"TANH", "Tanh", {K_ACT_TANH, 0, 0}, {NULL}, NULL},
};

static int act_options(const json_t *o, const struct act *a, struct graph_act *act, struct err *e)
{
	int one = 1, ignored = 0;
	const struct arch_int ints[] = {{"num_parameters", &one, 1, 1, 0}, {0}};

	*act = a->act;
	if (!o)
		return 0;
	if (arch_known(o, a->known, e) || arch_ints(o, ints, e) || arch_flag(o, "inplace", &ignored, e))
		return -1;
	return a->slope ? real_option(o, a->slope, 0, &act->slope, e) : 0;
}

/* A normalisation likewise */
struct norm { const char *word, *name; struct graph_norm norm; const char *known[6]; };

static const struct norm NORMS[] = {
	{"INSTANCE", "InstanceNorm3d", {.kind = K_NORM_INSTANCE, .eps = 1e-5f}, {"affine", "eps", "momentum", "track_running_stats"}},
	{"BATCH", "BatchNorm3d", {.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1},
		{"affine", "eps", "momentum", "track_running_stats"}},
	{"SYNCBATCH", "SyncBatchNorm", {.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1},
		{"affine", "eps", "momentum", "track_running_stats"}},
	{"GROUP", "GroupNorm", {.kind = K_NORM_GROUP, .eps = 1e-5f, .affine = 1}, {"num_groups", "affine", "eps"}},
};

static int norm_options(const json_t *o, const struct norm *n, struct graph_norm *norm, struct err *e)
{
	int groups = 0;
	const struct arch_int ints[] = {{"num_groups", &groups, 1, ARCH_CHANNELS, 1}, {0}};

	*norm = n->norm;
	if (arch_known(o, n->known, e) || arch_flag(o, "affine", &norm->affine, e) || real_option(o, "eps", 0, &norm->eps, e) ||
	    real_option(o, "momentum", 0, &norm->momentum, e) || arch_flag(o, "track_running_stats", &norm->running, e))
		return -1;
	if (norm->kind == K_NORM_GROUP && arch_ints(o, ints, e))
		return -1;
	if (norm->kind == K_NORM_INSTANCE && norm->running)
		return err_set(e, NULL, "track_running_stats must be false");
	norm->groups = groups;
	return 0;
}

/* "NAME" is not in a table: say what is. */
static int not_known(const char *key, const char *name, const char *there, struct err *e)
{
	return err_set(e, NULL, "%s '%.60s' is not known (there are %s)", key, name, there);
}

/* 1 and the word at key ("" where it is null) with its options; 0: the key is not there; -1. */
static int given_word(const json_t *arch, const char *key, const char **word, const json_t **options, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	*word = "";
	*options = NULL;
	if (!v || json_is_null(v))
		return v != NULL;
	return word_options(v, key, word, options, e) ? -1 : 1;
}

int arch_act(const json_t *arch, const char *key, struct graph_act *act, struct err *e)
{
	const json_t *options;
	const char *word;
	int given = given_word(arch, key, &word, &options, e);

	if (given != 1)
		return given;
	*act = (struct graph_act){K_ACT_NONE, 0, 0};
	for (size_t i = 0; *word && i < ALL(ACTS); i++)
		if (!strcasecmp(word, ACTS[i].word))
			return act_options(options, &ACTS[i], act, e) ? err_prefix(e, "%s", key) : 0;
	return *word ? not_known(key, word, "PRELU, RELU, LEAKYRELU, ELU, GELU, SWISH, MEMSWISH, MISH, SIGMOID, TANH", e) : 0;
}

int arch_norm(const json_t *arch, const char *key, struct graph_norm *norm, struct err *e)
{
	const json_t *options;
	const char *word;
	int given = given_word(arch, key, &word, &options, e);

	if (given != 1)
		return given;
	*norm = (struct graph_norm){.kind = K_NORM_NONE};
	for (size_t i = 0; *word && i < ALL(NORMS); i++)
		if (!strcasecmp(word, NORMS[i].word))
			return norm_options(options, &NORMS[i], norm, e) ? err_prefix(e, "%s", key) : 0;
	return *word ? not_known(key, word, "INSTANCE, BATCH, SYNCBATCH, GROUP", e) : 0;
}

/* A class by its dotted name: what follows the last dot; NULL: null or absent. -1 and an error for anything else. */
static int class_name(const json_t *arch, const char *key, const char **name, struct err *e)
{
	const json_t *v = json_object_get(arch, key);
	const char *dot;

	*name = json_string_value(v);
	if (v && !json_is_null(v) && !*name)
		return err_set(e, NULL, "%s must be the name of a class, or null", key);
	dot = *name ? strrchr(*name, '.') : NULL;
	if (dot)
		*name = dot + 1;
	return 0;
}

/* Keyword arguments: an object, null or absent. */
static int keywords(const json_t *arch, const char *key, const json_t **to, struct err *e)
{
	*to = json_object_get(arch, key);
	if (json_is_null(*to))
		*to = NULL;
	return *to && !json_is_object(*to) ? err_set(e, NULL, "%s must be an object, or null", key) : 0;
}

int arch_class_is(const json_t *arch, const char *key, const char *only, struct err *e)
{
	const json_t *v = json_object_get(arch, key);
	const char *name;

	if (!v || json_is_null(v))
		return 0;
	if (!only)
		return err_set(e, NULL, "%s must be null", key);
	if (class_name(arch, key, &name, e))
		return -1;
	return strcmp(name, only) ? err_set(e, NULL, "%s must be %s", key, only) : 0;
}

int arch_nonlin(const json_t *arch, struct graph_act *act, struct err *e)
{
	const char *name;
	const json_t *options;

	*act = (struct graph_act){K_ACT_NONE, 0, 0};
	if (class_name(arch, "nonlin", &name, e) || keywords(arch, "nonlin_kwargs", &options, e))
		return -1;
	for (size_t i = 0; name && i < ALL(ACTS); i++)
		if (!strcmp(name, ACTS[i].name))
			return act_options(options, &ACTS[i], act, e) ? err_prefix(e, "nonlin_kwargs") : 0;
	return name ? not_known("nonlin", name, "PReLU, ReLU, LeakyReLU, ELU, GELU, SiLU, Mish, Sigmoid, Tanh", e) : 0;
}

int arch_norm_op(const json_t *arch, struct graph_norm *norm, struct err *e)
{
	const char *name;
	const json_t *options;

	*norm = (struct graph_norm){.kind = K_NORM_NONE};
	if (class_name(arch, "norm_op", &name, e) || keywords(arch, "norm_op_kwargs", &options, e))
		return -1;
	for (size_t i = 0; name && i < ALL(NORMS); i++)
		if (!strcmp(name, NORMS[i].name) && NORMS[i].norm.kind != K_NORM_GROUP)
			return norm_options(options, &NORMS[i], norm, e) ? err_prefix(e, "norm_op_kwargs") : 0;
	return name ? not_known("norm_op", name, "InstanceNorm3d, BatchNorm3d, SyncBatchNorm", e) : 0;
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

int arch_levels(const json_t *arch, int lo, int *n, int *channels, int stride[][3], struct err *e)
{
	const json_t *c = json_object_get(arch, "channels"), *s = json_object_get(arch, "strides");

	if (!json_is_array(c) || json_array_size(c) < 2 || json_array_size(c) > ARCH_LEVELS)
		return err_set(e, NULL, "channels must be a list of 2 to %d whole numbers", ARCH_LEVELS);
	*n = (int)json_array_size(c);
	if (!json_is_array(s) || json_array_size(s) != (size_t)*n - 1)
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
