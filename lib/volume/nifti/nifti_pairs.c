#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti.h"

/* What a name says: whose it is (a directory and an id), and what. */
struct named {
	char *path, *where, *id; /* path: borrowed */
	int label;               /* 0 image, 1 label, -1: it does not say */
};

static const struct { const char *ending; int label; } endings[] = {
	{"_ct", 0}, {"_image", 0}, {"_0000", 0}, {"_gtv", 1}, {"_label", 1}, {"_seg", 1}, {"_mask", 1},
};
static const struct { const char *beginning; int label; } directories[] = {{"images", 0}, {"labels", 1}};
/* Files of a directory a case, ID/ct */
static const struct { const char *name; int label; } names[] = {
	{"ct", 0}, {"image", 0}, {"imaging", 0}, {"gtv", 1}, {"label", 1}, {"seg", 1}, {"segmentation", 1}, {"mask", 1},
};

/* The ending of an id, cut off; labels are none of the endings' business in a directory of labels. */
static int cut_ending(char *id, int only)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t k = strlen(endings[i].ending);

		if (n > k && !strcmp(id + n - k, endings[i].ending) && (!only || !strcmp(endings[i].ending, "_0000"))) {
			id[n - k] = 0;
			return endings[i].label;
		}
	}
	return -1;
}

/* DIR/imagesTr becomes DIR/Tr. */
static int cut_directory(char *where)
{
	char *slash = strrchr(where, '/'), *name = slash ? slash + 1 : where;

	for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
		size_t k = strlen(directories[i].beginning);

		if (!strncmp(name, directories[i].beginning, k)) {
			memmove(name, name + k, strlen(name + k) + 1);
			return directories[i].label;
		}
	}
	return -1;
}

/* DIR/ID/ct becomes DIR, and its id ID. */
static int cut_name(struct named *n)
{
	char *slash = strrchr(n->where, '/'), *dir = slash ? slash + 1 : n->where, *id;

	for (size_t i = 0; i < sizeof names / sizeof *names && *dir && strcmp(dir, ".") && strcmp(dir, ".."); i++)
		if (!strcmp(n->id, names[i].name)) {
			id = strdup(dir);
			free(n->id);
			n->id = id;
			*dir = 0;
			return names[i].label;
		}
	return -1;
}

static int name_of(struct named *n, char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');

	n->path = path;
	n->where = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	n->id = nii_stem(path, 1);
	if (!n->where || !n->id)
		return err_set(e, path, "not enough memory");
	n->label = cut_directory(n->where);
	if (n->label < 0)
		n->label = cut_ending(n->id, 0);
	else if (!n->label)
		cut_ending(n->id, 1);
	if (n->label < 0)
		n->label = cut_name(n);
	return n->id ? 0 : err_set(e, path, "not enough memory");
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int by = strcmp(x->id, y->id);

	by = by ? by : strcmp(x->where, y->where);
	by = by ? by : x->label - y->label;
	return by ? by : strcmp(x->path, y->path);
}

static int is_pair(const struct named *a, const struct named *b)
{
	return !strcmp(a->id, b->id) && !strcmp(a->where, b->where) && !a->label && b->label == 1;
}

static void tell(const struct named *n, nii_say *say)
{
	static const char *const lacks[] = {"its name says neither image nor label", "an image without a label", "a label without an image"};
	char *line;

	if (asprintf(&line, "%s: %s", n->path, lacks[n->label + 1]) >= 0) {
		say(line);
		free(line);
	}
}

static int add_pair(struct nii_list *l, const struct named *n, struct err *e)
{
	struct nii_case *c = &l->c[l->n++];

	if (l->n > 1 && !strcmp(n->id, c[-1].id))
		return err_set(e, n[0].path, "a second case of the id '%.80s' (the first: %s)", n->id, c[-1].image);
	*c = (struct nii_case){strdup(n[0].id), strdup(n[0].path), strdup(n[1].path)};
	return c->id && c->image && c->label ? frame_check_id(n[0].path, c->id, e) : err_set(e, NULL, "not enough memory");
}

static int pair_up(struct nii_list *l, struct named *all, int n, nii_say *say, struct err *e)
{
	int alone = 0, r = 0;

	qsort(all, (size_t)n, sizeof *all, by_name);
	for (int i = 0; i < n && !r; i++)
		if (i + 1 < n && is_pair(&all[i], &all[i + 1]))
			r = add_pair(l, &all[i++], e);
		else {
			tell(&all[i], say);
			alone++;
		}
	return r || !alone ? r : err_set(e, NULL, "%d of %d files %s without a partner", alone, n, alone == 1 ? "is" : "are");
}

int nii_list_pairs(struct nii_list *l, char *const *path, int n, nii_say *say, struct err *e)
{
	struct named *all = mem_zero((size_t)n, sizeof *all, "names", e);
	int r = all ? 0 : -1;

	memset(l, 0, sizeof *l);
	l->c = all ? mem_zero((size_t)n, sizeof *l->c, "cases", e) : NULL;
	for (int i = 0; i < n && l->c && !r; i++)
		r = name_of(&all[i], path[i], e);
	r = r || !l->c ? -1 : pair_up(l, all, n, say, e);
	for (int i = 0; i < n && all; i++) {
		free(all[i].where);
		free(all[i].id);
	}
	free(all);
	return r;
}
