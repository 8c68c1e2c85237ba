#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Endings of what nii_is_mask knows, as programs write them. */
static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".hdr.gz", ".nrrd", ".seg.nrrd", ".nhdr", ".mha", ".mhd"};

static char *inside(const char *folder, const char *id, const char *ending, struct err *e)
{
	char *path;

	if (asprintf(&path, "%s%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", id, ending) >= 0)
		return path;
	err_set(e, folder, "not enough memory");
	return NULL;
}

static const char *base(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* path, which is the case's, becomes *found; there must be no other. 0 or -1. */
static int take(char **found, char *path, const char *folder, const char *id, struct err *e)
{
	int bad = !path;

	if (path && *found)
		bad = err_set(e, folder, "has two files of '%.80s': %.80s and %.80s", id, base(*found), base(path));
	else
		*found = path;
	if (bad && path)
		free(path);
	return bad ? -1 : 0;
}

/* By the usual endings: so that a folder of thousands is not listed for each of them. 0 or -1. */
static int look(const char *folder, const char *id, char **found, struct err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < sizeof endings / sizeof *endings; i++) {
		char *path = inside(folder, id, endings[i], e);

		if (path && access(path, F_OK))
			free(path);
		else
			r = take(found, path, folder, id, e);
	}
	return r;
}

/* By all, as .NII. */
static int list(const char *folder, const char *id, char **found, struct err *e)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;
	int r = d ? 0 : err_sys(e, folder, "cannot open");

	while (!r && (entry = readdir(d))) {
		char *stem = nii_is_mask(entry->d_name) ? nii_stem(entry->d_name, 1) : NULL;

		if (stem && !strcmp(stem, id))
			r = take(found, inside(folder, entry->d_name, "", e), folder, id, e);
		free(stem);
	}
	if (d)
		closedir(d);
	return r;
}

/* nnU-Net's mask of image ID_0000 is ID. */
static int look_for_numbered(const char *folder, const char *id, char **found, struct err *e)
{
	char *own = strdup(id);
	int r = own ? 0 : err_set(e, folder, "not enough memory");

	if (own && !nii_channel_of(own, 1))
		r = look(folder, own, found, e);
	free(own);
	return r;
}

/* The one mask of case id in a folder; caller frees. */
static char *find(const char *folder, const char *id, struct err *e)
{
	char *found = NULL;
	int r = look(folder, id, &found, e);

	if (!r && !found)
		r = look_for_numbered(folder, id, &found, e);
	if (!r && !found)
		r = list(folder, id, &found, e);
	if (!r && !found)
		err_set(e, folder, "has no file of '%.80s' (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)", id);
	if (!r)
		return found;
	free(found);
	return NULL;
}

int nii_with_find(const struct nii_with *w, const char *id, struct nii_paths *p, struct err *e)
{
	for (int i = 0; i < w->n; i++) {
		const struct nii_with_one *one = &w->one[i];
		char *path = one->folder ? find(one->path, id, e) : strdup(one->path);

		if (!path)
			return one->folder ? -1 : err_set(e, one->path, "not enough memory");
		p->v[p->n++] = path;
	}
	return 0;
}

void nii_paths_free(struct nii_paths *p)
{
	while (p->n)
		free(p->v[--p->n]);
}

int nii_with_load(const struct nii_with *w, const struct nii_paths *p, const struct nii_header *like, const char *image, struct frame *f,
                  struct err *e)
{
	const int64_t shape[3] = {like->grid.size[2], like->grid.size[1], like->grid.size[0]};

	for (int i = 0; i < w->n; i++) {
		struct nii_header h;
		enum dtype t;
		void *data;

		if (nii_load_like(p->v[i], like, image, &h, &data, &t, e) || !frame_adopt(f, w->one[i].name, t, 3, shape, data, e))
			return -1;
	}
	return 0;
}

void nii_with_args(const struct nii_with *w, const struct nii_paths *p, json_t *args)
{
	json_t *names = json_array(), *hashes = json_array();
	char hash[HASH_TEXT];

	for (int i = 0; i < w->n; i++) {
		json_t *name = shell_name(p->v[i]);

		json_array_append_new(names, json_sprintf("%s=%s", w->one[i].name, json_string_value(name)));
		if (!hash_file(p->v[i], hash))
			json_array_append_new(hashes, json_string(hash));
		json_decref(name);
	}
	json_object_set_new(args, "with", names);
	if ((int)json_array_size(hashes) == w->n)
		json_object_set_new(args, "with_hash", json_incref(hashes));
	json_decref(hashes);
}
