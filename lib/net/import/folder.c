#include "lib/net/import/folder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/net/import/bundle.h"
#include "lib/net/import/results.h"

int folder_is(const char *path)
{
	struct stat st;

	return path && !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int has_plans(const char *dir, const char *name, void *arg)
{
	char path[FOLDER_PATH];
	struct err e;

	(void)arg;
	return !folder_path(path, &e, "%s/%s", dir, name) && folder_has(path, "plans.json");
}

/* nnU-Net's folder of a data set holds one of results for each trainer, plans and configuration. */
static int open_below(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e)
{
	struct folder_names l;
	const char *name = strrchr(dir, '/');
	char text[FOLDER_TEXT], path[FOLDER_PATH];

	folder_list(&l, dir, has_plans, NULL);
	if (l.n > 1)
		return err_set(e, dir, "holds %d folders of results: name one of them (there are: %s)", l.n, folder_text(&l, text));
	if (!l.n && !folder_path(path, e, "%s/..", dir) && folder_has(path, "plans.json") && !strncmp(name ? name + 1 : dir, "fold_", 5))
		return err_set(e, dir, "is one fold of results of nnU-Net: give the folder above it, and its number with --fold");
	if (!l.n)
		return err_set(e, dir, "is a folder of neither kind: it has no plans.json (results of nnU-Net), here or one below, and no "
		                       "configs/inference.json (a MONAI bundle)");
	return folder_path(path, e, "%s/%s", dir, l.name[0]) ? -1 : results_open(f, ask, path, e);
}

int folder_open(struct folder *f, const struct folder_ask *ask, struct err *e)
{
	char dir[FOLDER_PATH];
	size_t n;

	memset(f, 0, sizeof *f);
	if (!folder_is(ask->path))
		return ask->path && strcmp(ask->path, "-") ? bundle_script(f, ask, e) : 0;
	if (folder_path(dir, e, "%s", ask->path))
		return -1;
	for (n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
		dir[n - 1] = 0;
	if (folder_has(dir, "plans.json"))
		return results_open(f, ask, dir, e);
	if (ask->totalsegmentator && folder_has(dir, "configs"))
		return err_set(e, dir, "is a MONAI bundle: --totalsegmentator is of results of nnU-Net");
	return folder_has(dir, "configs") ? bundle_open(f, ask, dir, e) : open_below(f, ask, dir, e);
}

void folder_predict(struct folder *f, const struct weights *w, const int axes[3], int flat, json_t *replay)
{
	if (*f->configuration && f->totalsegmentator)
		results_totalsegmentator(f, replay);
	else if (*f->configuration)
		results_predict(f, w, axes, flat);
}

void folder_free(struct folder *f)
{
	json_decref(f->network);
	json_decref(f->replay);
	json_decref(f->channels);
	json_decref(f->labels);
	f->network = f->replay = f->channels = f->labels = NULL;
}
