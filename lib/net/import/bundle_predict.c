/* How a bundle predicts: its inferer and its postprocessing as options of seg-window and what follows it. Source: monai/inferers/inferer.py,
   monai/transforms/post/dictionary.py. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/arch/axes.h"
#include "lib/net/import/bundle.h"

static void put(char text[FOLDER_TEXT], const char *fmt, ...) ERR_PRINTF(2, 3);

static void put(char text[FOLDER_TEXT], const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, FOLDER_TEXT - n, fmt, ap);
	va_end(ap);
}

static void not_known(struct folder *f, const char *what)
{
	put(f->more, "%s%.80s", *f->more ? ", " : "", what);
}

/* -- the inferer -- */

/* What becomes of its keys but roi_size. Of words: which are known, as seg-window has them. */
static const struct { const char *key, *option, *words; } options[] = {
	{"overlap", "overlap", NULL}, {"mode", "mode", "constant gaussian"}, {"sigma_scale", "sigma", NULL},
	{"padding_mode", "padding", "constant reflect replicate circular"}, {"cval", "fill", NULL},
};

static int is_one(const char *word, const char *words)
{
	const char *at = *word ? strstr(words, word) : NULL;
	size_t n = strlen(word);

	return at && (at == words || at[-1] == ' ') && (!at[n] || at[n] == ' ');
}

static void put_option(struct folder *f, const json_t *root, const json_t *inferer, size_t i)
{
	const json_t *said = json_object_get(inferer, options[i].key);
	struct err e;
	json_t *v = said ? bundle_value(root, said, options[i].key, &e) : NULL;

	if (json_is_number(v) && !options[i].words)
		put(f->predict, " --%s %.9g", options[i].option, json_number_value(v));
	else if (json_is_string(v) && options[i].words && is_one(json_string_value(v), options[i].words))
		put(f->predict, " --%s %s", options[i].option, json_string_value(v));
	else if (said)
		not_known(f, options[i].key);
	else if (!strcmp(options[i].key, "mode")) /* ours is another */
		put(f->predict, " --mode constant");
	json_decref(v);
}

/* Into roi as x,y,z; 0: the whole axis. slices: of two dimensions, along which of them; -1. */
static int read_roi(const json_t *v, int slices, int64_t roi[3])
{
	if (json_is_array(v) && json_array_size(v) != (slices < 0 ? 3 : 2))
		return -1;
	for (int k = 0, at = 0; k < 3; k++) {
		const json_t *one = k == slices ? NULL : json_is_array(v) ? json_array_get(v, (size_t)at++) : v;

		roi[k] = k == slices ? 1 : json_integer_value(one) > 0 ? json_integer_value(one) : 0;
		if ((one && !json_is_integer(one) && !json_is_null(one)) || roi[k] > 4096)
			return -1;
	}
	return 0;
}

/* Along which of x,y,z a network of two dimensions has its slices, which its description says from then on; of a single image z. -1: it has three. */
static int read_slices(struct folder *f, const json_t *root, const json_t *inferer, int *slices, struct err *e)
{
	const int slicing = !strcmp(bundle_target(inferer), "SliceInferer");
	const json_t *said = slicing ? json_object_get(inferer, "spatial_dim") : NULL;
	json_t *v = !slicing ? json_integer(2) : said ? bundle_value(root, said, "inferer: spatial_dim", e) : json_integer(0);
	const json_int_t at = json_is_integer(v) ? json_integer_value(v) : -1;
	const int read = v != NULL;

	json_decref(v);
	*slices = -1;
	if (slicing && f->network && axes_slices(f->network) < 0)
		return err_set(e, NULL, "inferer: SliceInferer is of networks of two dimensions");
	if (!slicing && (!f->network || axes_slices(f->network) < 0))
		return 0;
	if (at < 0 || at > 2)
		return read ? err_set(e, NULL, "inferer: spatial_dim is not 0, 1 or 2") : -1;
	*slices = (int)at;
	if (f->network)
		axes_set_slices(f->network, 2 - *slices);
	return 0;
}

static int read_windows(struct folder *f, const json_t *root, const json_t *inferer, int needed, struct err *e)
{
	json_t *v = bundle_value(root, json_object_get(inferer, "roi_size"), "inferer: roi_size", e);
	int64_t roi[3] = {0};
	int slices, r = !v || read_slices(f, root, inferer, &slices, e) ? -1 : 0;

	if (!r && read_roi(v, slices, roi))
		r = err_set(e, NULL, "inferer: roi_size is not one or %s numbers of voxels", slices < 0 ? "three" : "two");
	json_decref(v);
	if (r && needed)
		return -1;
	if (!r && roi[0] && roi[1] && roi[2])
		for (int k = 0; k < 3; k++)
			f->roi[k] = roi[2 - k];
	else if (!r)
		put(f->predict, " --roi %lld,%lld,%lld", (long long)roi[0], (long long)roi[1], (long long)roi[2]);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		put_option(f, root, inferer, i);
	return 0;
}

static int read_inferer(struct folder *f, const json_t *root, int needed, struct err *e)
{
	const json_t *inferer = json_object_get(root, "inferer");
	const char *name = bundle_target(inferer), *said = json_string_value(json_object_get(inferer, "_target_"));

	put(f->predict, "seg-window");
	if (!strcmp(name, "SlidingWindowInferer") || !strcmp(name, "SliceInferer"))
		return read_windows(f, root, inferer, needed, e);
	if (!strcmp(name, "SimpleInferer"))
		put(f->predict, " --roi 0,0,0");
	else if (inferer && needed)
		return err_set(e, NULL, "inferer: %.80s is not known: say the windows with --roi", said ? said : "one without a name");
	return 0;
}

/* -- the postprocessing -- */

/* linear: scores are interpolated; largest: what keeps components, before nii-invert and behind it */
struct post { int softmax, sigmoid, argmax, invert, linear; double threshold; char largest[2][FOLDER_TEXT]; };

static int begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* A flag or a number of a transform. */
static double option(struct folder *f, const json_t *root, const json_t *o, const char *key, double without)
{
	const json_t *said = json_object_get(o, key);
	struct err e;
	json_t *v = said ? bundle_value(root, said, key, &e) : NULL;
	const double is = json_is_real(v) ? json_real_value(v) : bundle_flag(v);

	if (said && !v)
		not_known(f, key);
	json_decref(v);
	return v ? is : without;
}

/* A whole number that a transform says: without, where it says none or null; -1: something else. */
static json_int_t whole(const json_t *root, const json_t *o, const char *key, json_int_t without)
{
	const json_t *said = json_object_get(o, key);
	struct err e;
	json_t *v = said ? bundle_value(root, said, key, &e) : json_null();
	const json_int_t n = json_is_integer(v) ? json_integer_value(v) : json_is_null(v) ? without : -1;

	json_decref(v);
	return n;
}

/* The one label of a list of one, or a number: 0, where there is no list, all of them; -1: something else. */
static json_int_t only(const json_t *root, const json_t *o)
{
	const json_t *said = json_object_get(o, "applied_labels");
	struct err e;
	json_t *v = said ? bundle_value(root, said, "applied_labels", &e) : json_null();
	const json_t *first = json_is_array(v) && json_array_size(v) == 1 ? json_array_get(v, 0) : v;
	const json_int_t n = json_is_null(v) ? 0 : json_is_integer(first) && json_integer_value(first) > 0 ? json_integer_value(first) : -1;

	json_decref(v);
	return n;
}

/* KeepLargestConnectedComponent of labels, as cc-largest: 0, or -1: what that has not. */
static int largest(struct folder *f, const json_t *root, struct post *p, const json_t *o)
{
	static const int near[] = {0, 6, 18, 26};
	const json_int_t hops = whole(root, o, "connectivity", 3), keep = whole(root, o, "num_components", 1), label = only(root, o);
	const int each = option(f, root, o, "independent", 1) != 0 && option(f, root, o, "is_onehot", 0) == 0;
	char *to = p->largest[p->invert];

	if ((!p->argmax && p->threshold == 0) || *to || !each || hops < 1 || hops > 3 || keep < 1 || keep > 1000 || label < 0 || label > 65535)
		return -1;
	put(to, " | cc-largest");
	if (hops < 3)
		put(to, " -c %d", near[hops]);
	if (keep > 1)
		put(to, " -k %d", (int)keep);
	if (label)
		put(to, " --only %d", (int)label);
	return 0;
}

/* One transform, in its order. */
static void take(struct folder *f, const json_t *root, struct post *p, const json_t *o)
{
	const char *name = bundle_target(o), *said = json_string_value(json_object_get(o, "_target_"));

	if (begins(name, "Activations")) {
		p->sigmoid |= option(f, root, o, "sigmoid", 0) != 0;
		p->softmax |= option(f, root, o, "softmax", 0) != 0;
	} else if (begins(name, "AsDiscrete")) {
		p->argmax |= option(f, root, o, "argmax", 0) != 0;
		p->threshold = option(f, root, o, "threshold", 0);
	} else if (begins(name, "Invert")) {
		p->invert = 1;
		p->linear = !p->argmax && p->threshold == 0 && option(f, root, o, "nearest_interp", 1) == 0;
	} else if (begins(name, "KeepLargestConnectedComponent")) {
		if (largest(f, root, p, o))
			not_known(f, said);
	} else if (!begins(name, "EnsureType") && !begins(name, "ToTensor") && !begins(name, "SaveImage"))
		not_known(f, said ? said : "what is not listed");
}

static void put_post(struct folder *f, const struct post *p)
{
	const int scores = p->linear && (p->argmax || p->threshold != 0);

	f->apart = p->sigmoid || (p->threshold != 0 && !p->argmax);
	if (f->apart && !p->sigmoid)
		not_known(f, "a threshold without a sigmoid");
	if (scores)
		put(f->predict, " --output %s", p->softmax || p->sigmoid ? "prob" : "logits");
	else if (p->sigmoid && p->threshold != 0 && p->threshold != 0.5)
		put(f->predict, " --threshold %.9g", p->threshold);
	put(f->predict, "%s", p->largest[0]);
	if (p->invert)
		put(f->predict, " | nii-invert%s", scores && p->argmax ? " --argmax" : "");
	if (scores && !p->argmax)
		put(f->predict, " | seg-argmax --threshold %.9g", p->threshold);
	put(f->predict, "%s", p->largest[1]);
}

int bundle_predict(struct folder *f, const json_t *root, int roi, struct err *e)
{
	struct post p = {0};
	struct err none;
	json_t *list = json_object_get(root, "postprocessing") ? bundle_transforms(root, "postprocessing", &none) : json_array(), *v;
	size_t i;
	int r = read_inferer(f, root, roi, e);

	json_array_foreach(list, i, v)
		take(f, root, &p, v);
	if (list)
		put_post(f, &p);
	else
		not_known(f, "postprocessing");
	json_decref(list);
	return r;
}
