#include "lib/net/arch.h"

#include <math.h>
#include <string.h>
#include <strings.h>

struct arch { const char *target; int (*build)(struct graph *g, const json_t *arch, struct err *e); };

static const struct arch ARCHS[] = {
	{"UNet", arch_unet}, {"SwinUNETR", arch_swinunetr},
};

struct graph *arch_graph(const json_t *arch, struct err *e)
{
	const char *target = json_string_value(json_object_get(arch, "_target_"));
	const char *last = target ? strrchr(target, '.') : NULL;
	struct graph *g;

	if (!target) {
		err_set(e, NULL, "the architecture has no \"_target_\"");
		return NULL;
	}
	for (size_t i = 0; i < sizeof ARCHS / sizeof *ARCHS; i++) {
		if (strcmp(last ? last + 1 : target, ARCHS[i].target))
			continue;
		g = graph_new(e);
		if (g && ARCHS[i].build(g, arch, e)) {
			err_prefix(e, "%s", ARCHS[i].target);
			graph_free(g);
			g = NULL;
		}
		return g;
	}
	err_set(e, NULL, "architecture '%.80s' is not known (there is UNet)", target);
	return NULL;
}

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

static int act_options(const json_t *o, enum k_act_kind kind, struct graph_act *act, struct err *e)
{
	static const char *const known[][4] = {
		[K_ACT_RELU] = {"inplace", NULL},
		[K_ACT_LRELU] = {"inplace", "negative_slope", NULL},
		[K_ACT_PRELU] = {"init", "num_parameters", NULL},
	};
	int one = 1;
	const struct arch_int ints[] = {{"num_parameters", &one, 1, 1, 0}, {0}};

	if (arch_known(o, known[kind], e) || arch_ints(o, ints, e))
		return -1;
	return real_option(o, kind == K_ACT_PRELU ? "init" : "negative_slope", 0, &act->slope, e);
}

int arch_act(const json_t *arch, struct graph_act *act, struct err *e)
{
	static const struct { const char *word; struct graph_act act; } acts[] = {
		{"PRELU", {K_ACT_PRELU, 0.25f, 1}}, {"LEAKYRELU", {K_ACT_LRELU, 0.01f, 0}}, {"RELU", {K_ACT_RELU, 0, 0}},
	};
	const json_t *v = json_object_get(arch, "act"), *options;
	const char *word;

	if (!v)
		return 0;
	if (word_options(v, "act", &word, &options, e))
		return -1;
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		if (strcasecmp(word, acts[i].word))
			continue;
		*act = acts[i].act;
		if (options && act_options(options, act->kind, act, e))
			return err_prefix(e, "act");
		return 0;
	}
	return err_set(e, NULL, "act '%.40s' is not known (there are PRELU, RELU, LEAKYRELU)", word);
}

int arch_norm(const json_t *arch, struct graph_norm *norm, struct err *e)
{
	static const char *const known[] = {"affine", "eps", NULL};
	const json_t *v = json_object_get(arch, "norm"), *options;
	const char *word;

	if (!v)
		return 0;
	if (word_options(v, "norm", &word, &options, e))
		return -1;
	if (strcasecmp(word, "INSTANCE"))
		return err_set(e, NULL, "norm '%.40s' is not known (there is INSTANCE)", word);
	if (options && (arch_known(options, known, e) || arch_flag(options, "affine", &norm->affine, e) || real_option(options, "eps", 0, &norm->eps, e)))
		return err_prefix(e, "norm");
	return 0;
}
