#include "lib/net/import/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/import/torch.h"
#include "lib/stream/names.h"

static const char *const CHECKPOINTS[] = {"checkpoint_final.pth", "checkpoint_best.pth"};

/* -- the weights -- */

/* The checkpoint of a fold's folder; NULL: none. */
static const char *checkpoint(const char *fold, const char *weights)
{
	if (weights)
		return folder_has(fold, weights) ? weights : NULL;
	for (size_t i = 0; i < sizeof CHECKPOINTS / sizeof *CHECKPOINTS; i++)
		if (folder_has(fold, CHECKPOINTS[i]))
			return CHECKPOINTS[i];
	return NULL;
}

static int is_fold(const char *dir, const char *name, void *weights)
{
	char path[FOLDER_PATH];
	struct err e;

	return !strncmp(name, "fold_", 5) && !folder_path(path, &e, "%s/%s", dir, name) && checkpoint(path, weights);
}

static int choose_fold(char fold[FOLDER_PATH], const struct folder_ask *ask, const char *dir, struct err *e)
{
	struct folder_names l;
	char text[FOLDER_TEXT];

	folder_list(&l, dir, is_fold, (char *)ask->weights);
	folder_text(&l, text);
	if (!l.n && ask->weights)
		return err_set(e, dir, "has no weights: no fold_N/%.200s", ask->weights);
	if (!l.n)
		return err_set(e, dir, "has no weights: no fold_N/%s nor %s", CHECKPOINTS[0], CHECKPOINTS[1]);
	if (!ask->fold && l.n > 1)
		return err_set(e, dir, "has weights of %d folds: say which with --fold, one model each; seg-window takes several (there are: %s)", l.n, text);
	for (int i = 0; i < l.n; i++)
		if (!ask->fold || !strcmp(ask->fold, l.name[i] + strlen("fold_")))
			return folder_path(fold, e, "%s/%s", dir, l.name[i]);
	return err_set(e, dir, "has no weights of fold '%.40s' (there are: %s)", ask->fold, text);
}

static int choose_weights(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	char fold[FOLDER_PATH];

	return choose_fold(fold, ask, dir, e) ? -1 : folder_path(f->weights, e, "%s/%s", fold, checkpoint(fold, ask->weights));
}

/* -- the configuration, of the folder's name -- */

static int choose_configuration(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	char *real = realpath(dir, NULL), *name = real ? strrchr(real, '/') : NULL, *plans = name ? strstr(name, "__") : NULL;
	char *configuration = plans ? strstr(plans + 2, "__") : NULL;
	const char *is = ask->configuration ? ask->configuration : configuration ? configuration + 2 : "";
	int r = 0;

	if (!*is || strlen(is) >= sizeof f->configuration)
		r = err_set(e, dir, "its name is not TRAINER__PLANS__CONFIGURATION: say which of the plans with --configuration");
	else
		memcpy(f->configuration, is, strlen(is) + 1);
	free(real);
	return r;
}

/* -- labels -- */

/* "modality" before nnU-Net v2, as "channel_names" by number. */
static json_t *channel_names(const json_t *root)
{
	const json_t *all = json_object_get(root, "channel_names"), *one;
	json_t *names = json_array();
	char key[32];

	all = all ? all : json_object_get(root, "modality");
	for (size_t i = 0; i < json_object_size(all); i++) {
		snprintf(key, sizeof key, "%zu", i);
		one = json_object_get(all, key);
		if (json_is_string(one))
			json_array_append(names, (json_t *)one);
	}
	if (json_array_size(names) && json_array_size(names) == json_object_size(all))
		return names;
	json_decref(names);
	return NULL;
}

static int read_labels(struct folder *f, const char *dir, struct err *e)
{
	json_t *root = folder_json(dir, "dataset.json", NULL, e);
	int r = root ? 0 : -1;

	if (root && regions_dataset(&f->regions, root, e))
		r = err_prefix(e, "%s: dataset.json", dir);
	if (!r && !f->regions.n) {
		f->labels = names_dataset(root, e);
		f->classes = (int64_t)json_object_size(f->labels);
		r = f->labels ? 0 : err_prefix(e, "%s: dataset.json", dir);
	}
	f->channels = channel_names(root);
	json_decref(root);
	return r;
}

int results_open(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	if (choose_weights(f, ask, dir, e) || choose_configuration(f, ask, dir, e) || read_labels(f, dir, e) ||
	    folder_path(f->said, e, "%s/plans.json", dir))
		return -1;
	f->totalsegmentator = ask->totalsegmentator;
	f->network = ask->network ? folder_json(dir, "plans.json", NULL, e) : NULL;
	return ask->network && !f->network ? -1 : 0;
}

/* The logits are interpolated, and every window is predicted in the flips that the checkpoint says, where it was trained with flips. */
void results_predict(struct folder *f, const struct weights *w, const int axes[3], int flat)
{
	int64_t flip[3];
	int n = w->torch ? torch_ints(w->torch, "inference_allowed_mirroring_axes", flip, 3) : 0;
	char mirror[4] = "", *at = mirror;

	for (int k = 2; k >= 0; k--)
		for (int i = 0; i < n; i++)
			if (flip[i] + flat == axes[k])
				*at++ = "zyx"[k];
	*at = 0;
	snprintf(f->predict, sizeof f->predict, "seg-window --overlap 0.5 --grid nnunet --mode nnunet%s%s --output logits | nii-invert --argmax",
	         *mirror ? " --mirror " : "", mirror);
}

/* Its tasks total, total_v3 and total_mr, at all their resolutions, step by 0.8 of a window, all others by 0.5. Source: totalsegmentator/nnunet.py,
   map_tasks_config.py (2.18). The plans say of which data set they are. */
static int steps_far(const json_t *plans)
{
	static const int64_t total[] = {291, 292, 293, 294, 295, 297, 298, 831, 832, 833, 834, 835, 836, 837, 850, 851, 852, 853};
	const char *name = json_string_value(json_object_get(plans, "dataset_name"));

	for (size_t i = 0; name && i < sizeof total / sizeof *total; i++) {
		char begins[32];

		snprintf(begins, sizeof begins, "Dataset%lld_", (long long)total[i]);
		if (!strncmp(name, begins, strlen(begins)))
			return 1;
	}
	return 0;
}

/* The step that resamples, which plans have, comes first there. */
void results_totalsegmentator(struct folder *f, json_t *replay)
{
	json_t *step;
	size_t i;

	json_array_foreach(replay, i, step) {
		json_t *args = json_object_get(step, "args");

		if (strcmp(json_string_value(json_object_get(step, "tool")), "nii-resample"))
			continue;
		json_object_set_new(args, "orient", json_string("RAS"));
		json_object_set_new(args, "align", json_string("zoom"));
		json_object_set_new(args, "interp", json_string("linear"));
		json_object_set_new(args, "truncate", json_true());
		json_object_del(args, "label_interp");
		json_incref(step);
		json_array_remove(replay, i);
		json_array_insert_new(replay, 0, step);
		break;
	}
	snprintf(f->predict, sizeof f->predict, "seg-window --overlap 0.%d --grid nnunet --mode nnunet | nii-invert", steps_far(f->network) ? 2 : 5);
}
