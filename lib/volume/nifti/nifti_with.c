#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/hash.h"
#include "lib/stream/shell.h"
#include "lib/volume/nifti/nifti_parts.h"

/* Tensors that mean something else. */
static const char *const taken[] = {"image", "label", "pred", "prob"};

static int check_name(const struct nii_with *w, const char *name, size_t n, struct err *e)
{
	if (!n || n >= NII_WITH_NAME)
		return err_set(e, NULL, "a name of %zu bytes (expected 1 to %d)", n, NII_WITH_NAME - 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 127)
			return err_set(e, NULL, "'%.*s' is no name of a tensor", (int)n, name);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strlen(taken[i]) == n && !memcmp(name, taken[i], n))
			return err_set(e, NULL, "'%s' is not for this: %s", taken[i], strcmp(taken[i], "label") ? "it has a meaning of its own" : "give --label");
	for (int i = 0; i < w->n; i++)
		if (strlen(w->one[i].name) == n && !memcmp(w->one[i].name, name, n))
			return err_set(e, NULL, "'%.*s' is there twice", (int)n, name);
	return 0;
}

int nii_with_parse(struct nii_with *w, const struct arg_strs *given, struct err *e)
{
	struct stat st;

	w->n = 0;
	for (int i = 0; i < given->n; i++) {
		const char *text = given->v[i], *eq = strchr(text, '=');
		struct nii_with_one *one = &w->one[w->n];

		if (!eq || !eq[1])
			return err_set(e, NULL, "'%.80s' is not NAME=FILE", text);
		if (check_name(w, text, (size_t)(eq - text), e))
			return -1;
		snprintf(one->name, sizeof one->name, "%.*s", (int)(eq - text), text);
		one->path = eq + 1;
		one->folder = !stat(one->path, &st) && S_ISDIR(st.st_mode);
		w->n++;
	}
	return 0;
}

/* The one mask of case id in a folder; caller frees. */
static char *find(const char *folder, const char *id, struct err *e)
{
	DIR *d = opendir(folder);
	char *found = NULL;
	const struct dirent *entry;
	int bad = !d ? err_sys(e, folder, "cannot open") : 0;

	while (!bad && (entry = readdir(d))) {
		char *stem = nii_is_mask(entry->d_name) ? nii_stem(entry->d_name, 1) : NULL;

		if (stem && !strcmp(stem, id)) {
			if (found)
				bad = err_set(e, folder, "has two files of '%.80s': %.80s and %.80s", id, found, entry->d_name);
			else
				found = strdup(entry->d_name);
		}
		free(stem);
	}
	if (d)
		closedir(d);
	if (!bad && !found)
		bad = err_set(e, folder, "has no file of '%.80s' (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)", id);
	if (!bad) {
		const size_t n = strlen(folder) + strlen(found) + 2;
		char *path = malloc(n);

		if (path)
			snprintf(path, n, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", found);
		free(found);
		return path;
	}
	free(found);
	return NULL;
}

static char *path_of(const struct nii_with_one *one, const char *id, struct err *e)
{
	return one->folder ? find(one->path, id, e) : strdup(one->path);
}

int nii_with_load(const struct nii_with *w, const struct nii_header *like, const char *image, struct frame *f, struct err *e)
{
	const int64_t shape[3] = {like->grid.size[2], like->grid.size[1], like->grid.size[0]};

	for (int i = 0; i < w->n; i++) {
		char *path = path_of(&w->one[i], frame_id(f), e);
		struct nii_header h;
		enum dtype t;
		void *data;
		int r = path ? nii_load_like(path, like, image, &h, &data, &t, e) : -1;

		free(path);
		if (r || !frame_adopt(f, w->one[i].name, t, 3, shape, data, e))
			return -1;
	}
	return 0;
}

void nii_with_args(const struct nii_with *w, const char *id, json_t *args)
{
	json_t *names = json_array(), *hashes = json_array();
	char hash[HASH_TEXT];
	struct err unused;

	for (int i = 0; i < w->n; i++) {
		char *path = path_of(&w->one[i], id, &unused);
		json_t *name = shell_name(path ? path : w->one[i].path);

		json_array_append_new(names, json_sprintf("%s=%s", w->one[i].name, json_string_value(name)));
		if (path && !hash_file(path, hash))
			json_array_append_new(hashes, json_string(hash));
		json_decref(name);
		free(path);
	}
	json_object_set_new(args, "with", names);
	if ((int)json_array_size(hashes) == w->n)
		json_object_set_new(args, "with_hash", json_incref(hashes));
	json_decref(hashes);
}
