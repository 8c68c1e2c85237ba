/* Normalisation, activation and dropout by MONAI's words (networks/layers/factories.py) and nnU-Net's classes. */
#include "lib/net/arch/arch.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALL(a) (sizeof a / sizeof *a)

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
		return lo > -FLT_MAX ? err_set(e, NULL, "%s must be a number of at least %g", key, lo) : err_set(e, NULL, "%s must be a number", key);
	if (v)
		*to = (float)json_number_value(v);
	return 0;
}

/* Dropout: a rate, or MONAI's word and its options */
int arch_dropout(const json_t *arch, float *to, enum graph_dropped *what, struct err *e)
{
	static const char key[] = "dropout", *const known[] = {"p", "inplace", NULL};
	const json_t *v = json_object_get(arch, key), *options;
	const char *word;
	int ignored = 0;

	if (!json_is_string(v) && !json_is_array(v))
		return arch_rate(arch, key, to, e);
	if (word_options(v, key, &word, &options, e))
		return -1;
	if (strcasecmp(word, "dropout") && strcasecmp(word, "alphadropout"))
		return err_set(e, NULL, "%s '%.60s' is not known (there are DROPOUT, ALPHADROPOUT)", key, word);
	*what = strcasecmp(word, "dropout") ? GRAPH_ALPHA : GRAPH_VALUES;
	*to = 0.5f;
	return arch_known(options, known, e) || arch_flag(options, "inplace", &ignored, e) || arch_rate(options, "p", to, e) ? err_prefix(e, "%s", key) : 0;
}

/* An activation: MONAI's word, PyTorch's class, how it is by default, the options it takes; the one that is its number, and how low that may be */
struct act { const char *word, *name; struct graph_act act; const char *known[3], *number; float lowest; };

static const struct act ACTS[] = {
	{"PRELU", "PReLU", {K_ACT_PRELU, 0.25f, 1}, {"init", "num_parameters"}, "init", -FLT_MAX},
	{"RELU", "ReLU", {K_ACT_RELU, 0, 0}, {"inplace"}, NULL, 0},
	{"LEAKYRELU", "LeakyReLU", {K_ACT_LRELU, 0.01f, 0}, {"inplace", "negative_slope"}, "negative_slope", -FLT_MAX},
	{"RELU6", "ReLU6", {K_ACT_RELU6, 0, 0}, {"inplace"}, NULL, 0},
	{"ELU", "ELU", {K_ACT_ELU, 1, 0}, {"inplace", "alpha"}, "alpha", -FLT_MAX},
	{"SELU", "SELU", {K_ACT_SELU, 0, 0}, {"inplace"}, NULL, 0},
	{"CELU", "CELU", {K_ACT_CELU, 1, 0}, {"inplace", "alpha"}, "alpha", 1e-4f},
	{"GELU", "GELU", {K_ACT_GELU, 0, 0}, {"approximate"}, NULL, 0},
	{"SWISH", "SiLU", {K_ACT_SWISH, 1, 0}, {"alpha", "inplace"}, "alpha", -FLT_MAX},
	{"MEMSWISH", "SiLU", {K_ACT_SWISH, 1, 0}, {"inplace"}, NULL, 0},
	{"MISH", "Mish", {K_ACT_MISH, 0, 0}, {"inplace"}, NULL, 0},
	{"SIGMOID", "Sigmoid", {K_ACT_SIGMOID, 0, 0}, {NULL}, NULL, 0},
	{"TANH", "Tanh", {K_ACT_TANH, 0, 0}, {NULL}, NULL, 0},
	{"SOFTMAX", "Softmax", {K_ACT_NONE, 0, 0, K_SOFTMAX}, {"dim"}, NULL, 0},
	{"LOGSOFTMAX", "LogSoftmax", {K_ACT_NONE, 0, 0, K_LOG_SOFTMAX}, {"dim"}, NULL, 0},
};

/* MONAI's words that are refused, and why: it builds networks with them, which then fail in their first forward pass */
static const struct { const char *word, *why; } REFUSED[] = {
	{"GEGLU", "halves the last axis of a volume, and MONAI's own networks fail with it"},
	{"LAYER", "takes volumes of one size alone, its normalized_shape, and MONAI's own networks fail with it where a stride changes the size"},
};

static int refused(const char *key, const char *word, struct err *e)
{
	for (size_t i = 0; i < ALL(REFUSED); i++)
		if (!strcasecmp(word, REFUSED[i].word))
			return err_set(e, NULL, "%s %s %s", key, REFUSED[i].word, REFUSED[i].why);
	return 0;
}

/* PyTorch's GELU has two formulas. */
static int gelu_option(const json_t *o, struct graph_act *act, struct err *e)
{
	const json_t *v = json_object_get(o, "approximate");
	const char *word = json_string_value(v);

	if (!v)
		return 0;
	if (!word || (strcmp(word, "none") && strcmp(word, "tanh")))
		return err_set(e, NULL, "approximate must be \"none\" or \"tanh\"");
	act->kind = strcmp(word, "tanh") ? K_ACT_GELU : K_ACT_GELU_TANH;
	return 0;
}

/* Of a volume PyTorch's softmax takes the channels by default. */
static int dim_option(const json_t *o, struct err *e)
{
	const json_t *v = json_object_get(o, "dim");

	if (!v || json_is_null(v) || (json_is_integer(v) && (json_integer_value(v) == 1 || json_integer_value(v) == -4)))
		return 0;
	return err_set(e, NULL, "dim must be 1, the channels, or null");
}

static int act_options(const json_t *o, const struct act *a, struct graph_act *act, struct err *e)
{
	int parameters = 1, ignored = 0;
	const struct arch_int ints[] = {{"num_parameters", &parameters, 1, ARCH_CHANNELS, 0}, {0}};

	*act = a->act;
	if (!o)
		return 0;
	if (arch_known(o, a->known, e) || arch_ints(o, ints, e) || arch_flag(o, "inplace", &ignored, e) || gelu_option(o, act, e) ||
	    dim_option(o, e))
		return -1;
	act->alphas = a->act.alphas ? parameters : 0;
	return a->number ? real_option(o, a->number, a->lowest, &act->slope, e) : 0;
}

/* A normalisation likewise */
struct norm { const char *word, *name; struct graph_norm norm; const char *known[6]; };

#define INSTANCE {.kind = K_NORM_INSTANCE, .eps = 1e-5f, .momentum = 0.1f}, {"affine", "eps", "momentum", "track_running_stats"}
#define BATCH {.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1}, {"affine", "eps", "momentum", "track_running_stats"}

static const struct norm NORMS[] = {
	{"INSTANCE", "InstanceNorm3d", INSTANCE},
	{"INSTANCE_NVFUSER", NULL, INSTANCE},
	{"BATCH", "BatchNorm3d", BATCH},
	{"SYNCBATCH", "SyncBatchNorm", BATCH},
	{"GROUP", NULL, {.kind = K_NORM_GROUP, .eps = 1e-5f, .affine = 1}, {"num_groups", "affine", "eps"}},
	{"LOCALRESPONSE", NULL, {.across = {.kind = K_LOCAL, .alpha = 1e-4f, .beta = 0.75f, .k = 1}}, {"size", "alpha", "beta", "k"}},
};

static int local_options(const json_t *o, struct k_across *a, struct err *e)
{
	const struct arch_int ints[] = {{"size", &a->size, 1, K_LOCAL_MOST, 1}, {0}};

	return arch_ints(o, ints, e) || real_option(o, "alpha", 0, &a->alpha, e) || real_option(o, "beta", 0, &a->beta, e) ||
		real_option(o, "k", 0, &a->k, e) ? -1 : 0;
}

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
	norm->groups = groups;
	return norm->across.kind ? local_options(o, &norm->across, e) : 0;
}

/* Where a name is in a table of n entries that begin with MONAI's word and PyTorch's class; -1: nowhere, and the error says what is there, or why
   it is refused. which: 0 the words, whatever their case, 1 the classes. */
static int look_up(const char *key, const char *name, const void *table, size_t n, size_t size, int which, struct err *e)
{
	char there[200] = "";
	const char *last = NULL;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const char *entry = ((const char *const *)((const char *)table + i * size))[which];

		if (!entry)
			continue;
		if (!(which ? strcmp : strcasecmp)(name, entry))
			return (int)i;
		if (entry != last && used < sizeof there)
			used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "", entry);
		last = entry;
	}
	if (!which && refused(key, name, e))
		return -1;
	return err_set(e, NULL, "%s '%.60s' is not known (there are %s)", key, name, there);
}

#define LOOK_UP(key, name, table, which, e) look_up(key, name, table, ALL(table), sizeof *table, which, e)

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
	int at, given = given_word(arch, key, &word, &options, e);

	if (given != 1)
		return given;
	*act = (struct graph_act){K_ACT_NONE, 0, 0};
	if (!*word)
		return 0;
	at = LOOK_UP(key, word, ACTS, 0, e);
	return at < 0 ? -1 : act_options(options, &ACTS[at], act, e) ? err_prefix(e, "%s", key) : 0;
}

int arch_norm(const json_t *arch, const char *key, struct graph_norm *norm, struct err *e)
{
	const json_t *options;
	const char *word;
	int at, given = given_word(arch, key, &word, &options, e);

	if (given != 1)
		return given;
	*norm = (struct graph_norm){.kind = K_NORM_NONE};
	if (!*word)
		return 0;
	at = LOOK_UP(key, word, NORMS, 0, e);
	return at < 0 ? -1 : norm_options(options, &NORMS[at], norm, e) ? err_prefix(e, "%s", key) : 0;
}

const char *arch_class(const char *dotted)
{
	const char *dot = strrchr(dotted, '.');

	return dot ? dot + 1 : dotted;
}

/* A class by its dotted name: what follows the last dot; NULL: null or absent. -1 and an error for anything else. */
static int class_name(const json_t *arch, const char *key, const char **name, struct err *e)
{
	const json_t *v = json_object_get(arch, key);

	*name = json_string_value(v);
	if (v && !json_is_null(v) && !*name)
		return err_set(e, NULL, "%s must be the name of a class, or null", key);
	*name = *name ? arch_class(*name) : NULL;
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
	int at;

	*act = (struct graph_act){K_ACT_NONE, 0, 0};
	if (class_name(arch, "nonlin", &name, e) || keywords(arch, "nonlin_kwargs", &options, e))
		return -1;
	if (!name)
		return 0;
	at = LOOK_UP("nonlin", name, ACTS, 1, e);
	return at < 0 ? -1 : act_options(options, &ACTS[at], act, e) ? err_prefix(e, "nonlin_kwargs") : 0;
}

int arch_norm_op(const json_t *arch, struct graph_norm *norm, struct err *e)
{
	const char *name;
	const json_t *options;
	int at;

	*norm = (struct graph_norm){.kind = K_NORM_NONE};
	if (class_name(arch, "norm_op", &name, e) || keywords(arch, "norm_op_kwargs", &options, e))
		return -1;
	if (!name)
		return 0;
	at = LOOK_UP("norm_op", name, NORMS, 1, e);
	return at < 0 ? -1 : norm_options(options, &NORMS[at], norm, e) ? err_prefix(e, "norm_op_kwargs") : 0;
}
