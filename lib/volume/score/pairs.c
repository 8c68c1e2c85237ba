#define _GNU_SOURCE
#include "lib/volume/score/pairs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti.h"

static int no_memory(struct err *e)
{
	return err_set(e, NULL, "not enough memory for a list of cases");
}

/* Takes over id, truth and pred. */
static int add(struct pairs *p, char *id, char *truth, char *pred, struct err *e)
{
	if (!truth || !pred || mem_more(&p->p, p->n, sizeof *p->p, "cases", NULL)) {
		free(id);
		free(truth);
		free(pred);
		return no_memory(e);
	}
	p->p[p->n++] = (struct pair){id, truth, pred};
	return 0;
}

int pairs_add_problem(struct pairs *p, const struct err *what, struct err *e)
{
	if (mem_more(&p->problem, p->problems, sizeof *p->problem, "problems", e))
		return -1;
	p->problem[p->problems].text = strdup(what->text);
	return p->problem[p->problems++].text ? 0 : no_memory(e);
}

void pairs_free(struct pairs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->p[i].id);
		free(p->p[i].truth);
		free(p->p[i].pred);
	}
	for (size_t i = 0; i < p->problems; i++)
		free(p->problem[i].text);
	free(p->p);
	free(p->problem);
	memset(p, 0, sizeof *p);
}

int pairs_of_files(struct pairs *p, char *const *file, int n, struct err *e)
{
	for (int i = 0; i + 1 < n; i += 2)
		if (add(p, NULL, strdup(file[i]), strdup(file[i + 1]), e))
			return -1;
	return 0;
}

/* ---- a table ---- */

/* A file that is there, and has something in it. 0 or -1. */
static int is_there(const char *path, struct err *what)
{
	struct stat s;

	if (stat(path, &s))
		return err_sys(what, path, "cannot open");
	return S_ISREG(s.st_mode) && !s.st_size ? err_set(what, path, "is empty") : 0;
}

static int lacks(struct pairs *p, const char *path, const char *id, const char *what, const char *where, struct err *e)
{
	struct err problem;

	err_set(&problem, path, "case '%.80s' has no %s%.400s", id, what, where);
	return pairs_add_problem(p, &problem, e);
}

static int check(struct pairs *p, const char *path, const char *id, const char *truth, const char *pred, struct err *e)
{
	struct err what;

	for (int i = 0; i < 2; i++)
		if (is_there(i ? pred : truth, &what)) {
			err_prefix(&what, "%s: case '%.80s'", path, id);
			if (pairs_add_problem(p, &what, e))
				return -1;
		}
	return 0;
}

static const char *table_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

int pairs_of_table(struct pairs *p, const char *path, struct err *e)
{
	struct nii_list l;
	int r = nii_list_read(&l, path, e);

	for (const struct nii_case *c = l.c; c < l.c + l.n && !r; c++)
		if (c->n_more)
			r = err_set(e, table_name(path), "%.80s: has more than id, truth and prediction", c->id);
		else if (!c->label)
			r = lacks(p, table_name(path), c->id, "prediction", "", e);
		else if (!(r = check(p, table_name(path), c->id, c->image, c->label, e)))
			r = add(p, strdup(c->id), strdup(c->image), strdup(c->label), e);
	nii_list_free(&l);
	return r;
}

/* ---- two directories ---- */

int pairs_is_directory(const char *path)
{
	struct stat s;

	return !stat(path, &s) && S_ISDIR(s.st_mode);
}

struct file { char *name, *stem; int taken; };
struct folder { const char *path; struct file *f; size_t n; };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->stem, ((const struct file *)b)->stem);
}

static int by_stem(const void *a, const void *b)
{
	int r = by_name(a, b);

	return r ? r : strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int list(struct folder *f, struct err *e)
{
	DIR *d = opendir(f->path);
	const struct dirent *entry;
	int r = 0;

	if (!d)
		return err_sys(e, f->path, "cannot open");
	while (!r && (entry = readdir(d))) {
		if (!nii_is_mask(entry->d_name))
			continue;
		r = mem_more(&f->f, f->n, sizeof *f->f, "files", e);
		if (r)
			break;
		f->f[f->n] = (struct file){strdup(entry->d_name), nii_stem(entry->d_name, 1), 0};
		r = f->f[f->n].name && f->f[f->n].stem ? 0 : no_memory(e);
		f->n++;
	}
	closedir(d);
	if (!r && !f->n)
		r = err_set(e, f->path, "no masks in it (.nii, .nii.gz, .hdr, .nrrd, .nhdr, .mha, .mhd)");
	if (!r)
		qsort(f->f, f->n, sizeof *f->f, by_stem);
	return r;
}

static void folder_free(struct folder *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->f[i].name);
		free(f->f[i].stem);
	}
	free(f->f);
}

static int twice(struct pairs *p, const struct folder *f, struct err *e)
{
	struct err what;

	for (size_t i = 1; i < f->n; i++)
		if (!strcmp(f->f[i].stem, f->f[i - 1].stem)) {
			err_set(&what, f->path, "%.200s and %.200s are both case '%.80s'", f->f[i - 1].name, f->f[i].name, f->f[i].stem);
			if (pairs_add_problem(p, &what, e))
				return -1;
		}
	return 0;
}

static int alone(struct pairs *p, const struct folder *f, const struct file *file, const struct folder *other, const char *as, struct err *e)
{
	struct err what;

	err_set(&what, f->path, "%.200s has no %s in %.400s", file->name, as, other->path);
	return pairs_add_problem(p, &what, e);
}

/* Predictions named after nnU-Net's images, ID_0000, are of ID where a truth has that name and none the other. */
static void channel_off(const struct folder *t, struct folder *q)
{
	for (size_t i = 0; i < q->n; i++) {
		char *end = strrchr(q->f[i].stem, '_');

		if (!end || strcmp(end, "_0000") || bsearch(&q->f[i], t->f, t->n, sizeof *t->f, by_name))
			continue;
		*end = 0;
		if (!bsearch(&q->f[i], t->f, t->n, sizeof *t->f, by_name))
			*end = '_';
	}
	qsort(q->f, q->n, sizeof *q->f, by_stem);
}

static char *join(const struct folder *f, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", f->path, name) < 0 ? NULL : path;
}

static int match(struct pairs *p, const struct folder *t, const struct folder *q, struct err *e)
{
	size_t i = 0, j = 0;
	int r = 0;

	while ((i < t->n || j < q->n) && !r) {
		int order = i == t->n ? 1 : j == q->n ? -1 : strcmp(t->f[i].stem, q->f[j].stem);

		if (order < 0)
			r = alone(p, t, &t->f[i++], q, "prediction", e);
		else if (order > 0)
			r = alone(p, q, &q->f[j++], t, "truth", e);
		else {
			r = add(p, strdup(t->f[i].stem), join(t, t->f[i].name), join(q, q->f[j].name), e);
			i++;
			j++;
		}
	}
	return r;
}

int pairs_of_directories(struct pairs *p, const char *truth, const char *pred, struct err *e)
{
	struct folder t = {truth, NULL, 0}, q = {pred, NULL, 0};
	int r = list(&t, e) || list(&q, e) ? -1 : 0;

	if (!r) {
		channel_off(&t, &q);
		r = twice(p, &t, e) || twice(p, &q, e) ? -1 : 0;
	}
	if (!r && !p->problems)
		r = match(p, &t, &q, e);
	folder_free(&t);
	folder_free(&q);
	return r;
}

/* ---- a table of cases and a directory ---- */

/* The cases' ids as names of files, sorted; free what f is. */
static int ids(const struct nii_list *l, struct folder *t, struct err *e)
{
	t->f = calloc((size_t)l->n, sizeof *t->f);
	if (!t->f)
		return no_memory(e);
	t->n = (size_t)l->n;
	for (size_t i = 0; i < t->n; i++)
		t->f[i].name = t->f[i].stem = l->c[i].id;
	qsort(t->f, t->n, sizeof *t->f, by_stem);
	return 0;
}

static int take(struct pairs *p, const struct nii_case *c, const char *path, struct folder *q, struct err *e)
{
	struct file *found = bsearch(&(struct file){.stem = c->id}, q->f, q->n, sizeof *q->f, by_name);
	char *pred = found ? join(q, found->name) : NULL;

	if (found)
		found->taken = 1;
	if (found && !pred)
		return no_memory(e);
	if ((!c->label && lacks(p, path, c->id, "label", "", e)) || (!found && lacks(p, path, c->id, "mask in ", q->path, e)) ||
	    (c->label && found && check(p, path, c->id, c->label, pred, e))) {
		free(pred);
		return -1;
	}
	if (c->label && found)
		return add(p, strdup(c->id), strdup(c->label), pred, e);
	free(pred);
	return 0;
}

/* The first masks that are no case's, and how many */
static void say_left(const struct folder *q, const char *path, pairs_say *say)
{
	struct err line;
	char names[300] = "";
	size_t n = 0, used = 0;

	for (size_t i = 0; i < q->n; i++)
		if (!q->f[i].taken && n++ < 10 && used < sizeof names)
			used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", n > 1 ? ", " : "", q->f[i].name);
	err_set(&line, q->path, "%zu mask%s of no case in %.200s, not scored: %s%s", n, n == 1 ? "" : "s", path, names,
	        n > 10 || used >= sizeof names ? ", ..." : "");
	if (n)
		say(line.text);
}

int pairs_of_cases(struct pairs *p, const char *path, const char *pred, pairs_say *say, struct err *e)
{
	const char *table = table_name(path);
	struct folder t = {0}, q = {pred, NULL, 0};
	struct nii_list l;
	int r = nii_list_read(&l, path, e);

	if (!r && l.predicted)
		r = err_set(e, table, "has predictions (id, truth, pred): a table of cases has id, image, label beside a directory of masks");
	if (!r)
		r = ids(&l, &t, e) || list(&q, e) ? -1 : 0;
	if (!r) {
		channel_off(&t, &q);
		r = twice(p, &q, e);
	}
	for (int64_t i = 0, clear = !p->problems; i < l.n && clear && !r; i++)
		r = take(p, &l.c[i], table, &q, e);
	if (!r && p->n)
		say_left(&q, table, say);
	nii_list_free(&l);
	folder_free(&q);
	free(t.f);
	return r;
}
