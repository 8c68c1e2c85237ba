#include "lib/net/import/bundle.h"

#include <string.h>

#include "lib/net/arch/archfile.h"
#include "lib/net/import/script.h"

static const char *const SUFFIXES[] = {".pt", ".pth", ".ckpt", ".safetensors", ".ts"};

static int is_weights(const char *dir, const char *name, void *arg)
{
	const char *dot = strrchr(name, '.');

	(void)dir, (void)arg;
	for (size_t i = 0; dot && i < sizeof SUFFIXES / sizeof *SUFFIXES; i++)
		if (!strcmp(dot, SUFFIXES[i]))
			return 1;
	return 0;
}

static int choose_weights(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	const char *name = ask->weights ? ask->weights : "model.pt";
	char models[FOLDER_PATH], text[FOLDER_TEXT];
	struct folder_names l;

	if (folder_path(models, e, "%s/models", dir))
		return -1;
	folder_list(&l, models, is_weights, NULL);
	if (ask->weights && !folder_has(models, name))
		return err_set(e, models, "has no '%.200s' (there are: %s)", name, folder_text(&l, text));
	if (!folder_has(models, name) && l.n > 1)
		return err_set(e, models, "has no model.pt, but %d files of weights: say which with --weights (there are: %s)", l.n, folder_text(&l, text));
	if (!folder_has(models, name) && !l.n)
		return err_set(e, models, "has no weights: no model.pt");
	return folder_path(f->weights, e, "%s/%s", models, folder_has(models, name) ? name : l.name[0]);
}

static json_t *read_config(struct folder *f, const char *dir, struct err *e)
{
	static const char *const names[] = {"configs/inference.json", "configs/inference.yaml", "configs/inference.yml"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (folder_has(dir, names[i]))
			return folder_path(f->said, e, "%s/%s", dir, names[i]) ? NULL : archfile_json(f->said, e);
	err_set(e, dir, "has no configs/inference.json, .yaml or .yml");
	return NULL;
}

static int read_network(struct folder *f, const json_t *root, struct err *e)
{
	const char *key = json_object_get(root, "network_def") ? "network_def" : "network";
	struct err why;

	f->network = bundle_value(root, json_object_get(root, key), "it", &why);
	return f->network ? 0 : err_set(e, f->said, "%s: %.600s: say the network with --arch", key, why.text);
}

/* Names of classes: what the network puts out has them by channel. */
static void read_labels(struct folder *f, const json_t *root)
{
	json_t *outputs, *v;
	const char *name;

	outputs = json_object_get(json_object_get(root, "network_data_format"), "outputs");
	json_object_foreach(outputs, name, v)
		if (!f->labels && json_is_object(json_object_get(v, "channel_def")))
			f->labels = json_deep_copy(json_object_get(v, "channel_def"));
}

static int read_steps(struct folder *f, const json_t *root, struct err *e)
{
	struct err why;

	f->replay = bundle_steps(root, &why);
	return f->replay ? 0 : err_set(e, f->said, "preprocessing: %.600s: say how volumes are prepared with --replay", why.text);
}

/* All that the configs say, which lie in f->said. */
static int read_all(struct folder *f, const struct folder_ask *ask, const json_t *root, const json_t *metadata, struct err *e)
{
	for (int k = 0; k < 3; k++)
		f->axes[k] = 2 - k;
	if ((ask->network && read_network(f, root, e)) || (ask->replay && read_steps(f, root, e)))
		return -1;
	if (bundle_predict(f, root, ask->roi, e))
		return err_prefix(e, "%s", f->said);
	read_labels(f, metadata);
	return 0;
}

int bundle_open(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	json_t *root = NULL, *metadata;
	int r, missing;

	if (ask->fold || ask->configuration)
		return err_set(e, dir, "is a MONAI bundle: it has no %s", ask->fold ? "folds (--fold)" : "configurations of plans (--configuration)");
	if (choose_weights(f, ask, dir, e) || !(root = read_config(f, dir, e)))
		return -1;
	metadata = folder_json(dir, "configs/metadata.json", &missing, e);
	r = metadata || missing ? read_all(f, ask, root, metadata, e) : -1;
	json_decref(root);
	json_decref(metadata);
	return r;
}

int bundle_script(struct folder *f, const struct folder_ask *ask, struct err *e)
{
	json_t *root, *metadata = NULL;
	int r = script_json(ask->path, "inference.json", &root, e) || (root && script_json(ask->path, "metadata.json", &metadata, e)) ? -1 : 0;

	if (!r && root)
		r = folder_path(f->weights, e, "%s", ask->path) || folder_path(f->said, e, "%s: extra/inference.json", ask->path) ||
		    read_all(f, ask, root, metadata, e) ? -1 : 0;
	json_decref(root);
	json_decref(metadata);
	return r;
}
