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
	int channel;             /* of the image */
};

static const struct { const char *ending; int label, channel; } endings[] = {
	{"_ct", 0, 0}, {"_image", 0, 0}, {"_pet", 0, 1}, {"_gtv", 1, 0}, {"_label", 1, 0}, {"_seg", 1, 0}, {".seg", 1, 0}, {"_mask", 1, 0},
	/* BraTS, in nnU-Net's order: before 2023, and from then on */
	{"_t1", 0, 0}, {"_t1ce", 0, 1}, {"_t2", 0, 2}, {"_flair", 0, 3}, {"-t1n", 0, 0}, {"-t1c", 0, 1}, {"-t2w", 0, 2}, {"-t2f", 0, 3}, {"-seg", 1, 0},
};
static const struct { const char *beginning; int label; } directories[] = {{"images", 0}, {"labels", 1}};
/* Files of a directory a case, ID/ct */
static const struct { const char *name; int label, channel; } names[] = {
	{"ct", 0, 0},  {"image", 0, 0}, {"imaging", 0, 0},      {"pet", 0, 1}, {"gtv", 1, 0},
	{"label", 1, 0}, {"seg", 1, 0},   {"segmentation", 1, 0}, {"mask", 1, 0},
	{"CTres", 0, 0}, {"SUV", 0, 1},   {"SEG", 1, 0}, /* AutoPET */
};

/* The ending of an id, cut off. */
static int cut_ending(struct named *it)
{
	size_t n = strlen(it->id);
	int channel = nii_channel_of(it->id, 1);

	for (size_t i = 0; i < sizeof endings / sizeof *endings && channel < 0; i++) {
		size_t k = strlen(endings[i].ending);

		if (n > k && !strcmp(it->id + n - k, endings[i].ending)) {
			it->id[n - k] = 0;
			it->channel = endings[i].channel;
			return endings[i].label;
		}
	}
	it->channel = channel > 0 ? channel : 0;
	return channel < 0 ? -1 : 0;
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
			n->channel = names[i].channel;
			return names[i].label;
		}
	return -1;
}

static int name_of(struct named *n, char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	int segments;

	n->path = path;
	n->where = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	n->id = nii_stem(path, 1);
	if (!n->where || !n->id)
		return err_set(e, path, "not enough memory");
	nii_is_nrrd(path, &segments);
	n->label = cut_directory(n->where);
	if (n->label < 0)
		n->label = segments ? 1 : cut_ending(n);
	else if (!n->label)
		n->channel = -1; /* settle knows */
	if (n->label < 0)
		n->label = cut_name(n);
	return n->id ? 0 : err_set(e, path, "not enough memory");
}

static int by_case(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int by = strcmp(x->id, y->id);

	return by ? by : strcmp(x->where, y->where);
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int by = by_case(a, b);

	by = by ? by : x->label - y->label;
	by = by ? by : x->channel - y->channel;
	return by ? by : strcmp(x->path, y->path);
}

static int label_first(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int by = (y->label == 1) - (x->label == 1);

	return by ? by : by_case(a, b);
}

/* ID beside ID_seg is its image. In a directory of images: imagesTr/ID_0001 is channel 1 of labelsTr/ID, or else the image of labelsTr/ID_0001. */
static void settle(struct named *all, int n)
{
	size_t labels = 0;

	qsort(all, (size_t)n, sizeof *all, label_first);
	while (labels < (size_t)n && all[labels].label == 1)
		labels++;
	for (struct named *one = all + labels; one < all + n; one++) {
		char *number;
		int k = one->channel < 0 ? nii_channel_of(one->id, 1) : -1;

		if (one->label < 0 && bsearch(one, all, labels, sizeof *all, by_case))
			one->label = 0;
		if (one->channel < 0)
			one->channel = 0;
		if (k < 0)
			continue;
		number = one->id + strlen(one->id);
		if (k && !bsearch(one, all, labels, sizeof *all, by_case))
			*number = '_';
		else
			one->channel = k;
	}
}

static int tell(const struct named *n, const char *what, nii_say *say)
{
	char *line;

	if (asprintf(&line, "%s: %s", n->path, what) >= 0) {
		say(line);
		free(line);
	}
	return 1;
}

/* How many of n sorted files, from the first on, are images or labels. */
static int count(const struct named *f, int n, int label)
{
	int k = 0;

	while (k < n && f[k].label == label)
		k++;
	return k;
}

/* Sorted files of one id whose names say what they are: images of channels 0, 1, ... and one label? Returns how many are too many or too few. */
static int check_case(const struct named *f, int n, nii_say *say)
{
	const int images = count(f, n, 0), labels = n - images;
	int alone = 0, i = 0;
	char gap[64];

	for (int k = images && labels ? images + 1 : 0; k < n; k++)
		alone += tell(&f[k], f[k].label ? "a label without an image" : "an image without a label", say);
	while (labels && i < images && f[i].channel == i)
		i++;
	snprintf(gap, sizeof gap, "of its case there is no channel %d", i);
	return labels && i < images ? alone + tell(&f[i], f[i].channel > i ? gap : "a second image of one channel", say) : alone;
}

static int add_case(struct nii_list *l, const struct named *f, int n, struct err *e)
{
	struct nii_case *c = &l->c[l->n++];
	int known;

	if (l->n > 1 && !strcmp(f->id, c[-1].id))
		return err_set(e, f->path, "a second case of the id '%.80s' (the first: %s)", f->id, c[-1].image);
	*c = (struct nii_case){.id = strdup(f->id), .image = strdup(f->path), .label = strdup(f[n - 1].path)};
	known = c->id && c->image && c->label;
	c->more = n > 2 ? mem_zero((size_t)n - 2, sizeof *c->more, "images", e) : NULL;
	for (int i = 1; known && c->more && i < n - 1; i++)
		known = (c->more[c->n_more++] = strdup(f[i].path)) != NULL;
	return known && c->n_more == n - 2 ? frame_check_id(f->path, c->id, e) : err_set(e, NULL, "not enough memory");
}

/* All cases have as many channels as the one with most. */
static int check_channels(const struct nii_list *l, nii_say *say, struct err *e)
{
	int most = 0, less = 0;
	char what[96];

	for (int64_t i = 0; i < l->n; i++)
		most = l->c[i].n_more > most ? l->c[i].n_more : most;
	for (int64_t i = 0; i < l->n; i++)
		if (l->c[i].n_more < most) {
			snprintf(what, sizeof what, "of its case there is no channel %d, which others have", l->c[i].n_more + 1);
			less += tell(&(struct named){.path = l->c[i].image}, what, say);
		}
	return less ? err_set(e, NULL, "%d of %lld cases %s not %d channels", less, (long long)l->n, less == 1 ? "has" : "have", most + 1) : 0;
}

static int pair_up(struct nii_list *l, struct named *all, int n, nii_say *say, struct err *e)
{
	int alone = 0, r = 0, k;

	settle(all, n);
	qsort(all, (size_t)n, sizeof *all, by_name);
	for (int i = 0; i < n && !r; i += k) {
		int bad;

		for (k = 0; i + k < n && all[i + k].label < 0 && !by_case(&all[i], &all[i + k]); k++)
			alone += tell(&all[i + k], "its name says neither image nor label", say);
		if (k)
			continue;
		while (i + k < n && !by_case(&all[i], &all[i + k]))
			k++;
		bad = check_case(&all[i], k, say);
		alone += bad;
		if (!bad && k > NII_CHANNELS_MOST + 1)
			r = err_set(e, all[i].path, "a case of %d channels (at most %d)", k - 1, NII_CHANNELS_MOST);
		else if (!bad)
			r = add_case(l, &all[i], k, e);
	}
	if (!r && alone)
		r = err_set(e, NULL, "%d of %d files %s without a partner", alone, n, alone == 1 ? "is" : "are");
	return r ? r : check_channels(l, say, e);
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
