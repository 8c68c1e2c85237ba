#include "lib/stream/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/mt19937.h"

int fold_add(struct fold_set *s, const char *id, struct err *e)
{
	if (mem_more(&s->id, s->n, sizeof *s->id, "ids", e))
		return -1;
	s->id[s->n] = strdup(id);
	if (!s->id[s->n])
		return err_set(e, NULL, "not enough memory for %zu ids", s->n);
	s->n++;
	return 0;
}

int fold_add_file(struct fold_set *s, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	if (!f)
		return err_sys(e, path, "cannot open");
	for (int first = 1; !r && getline(&line, &room, f) >= 0; first = 0) {
		if (first && !strncmp(line, "id\t", 3))
			continue;
		line[strcspn(line, "\t\r\n")] = 0;
		if (*line)
			r = fold_add(s, line, e);
	}
	if (!r && ferror(f))
		r = err_sys(e, path, "cannot read");
	free(line);
	fclose(f);
	return r;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct fold_set *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->id, s->n, sizeof *s->id, by_bytes);
	for (size_t i = 0; i < s->n; i++)
		if (n && !strcmp(s->id[n - 1], s->id[i]))
			free(s->id[i]);
		else
			s->id[n++] = s->id[i];
	s->n = n;
}

int fold_deal(struct fold_set *s, int64_t folds, uint32_t seed, struct err *e)
{
	int64_t *order, each, more;
	struct mt19937 m;
	size_t at = 0;

	sort_unique(s);
	if (folds > (int64_t)s->n)
		return err_set(e, NULL, "%lld folds of %zu ids: a fold would be empty", (long long)folds, s->n);
	s->fold = mem_new(s->n, sizeof *s->fold, "folds", e);
	order = s->fold ? mem_new(s->n, sizeof *order, "folds", e) : NULL;
	if (!order)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		order[i] = (int64_t)i;
	mt19937_init(&m, seed);
	mt19937_shuffle(&m, order, s->n);
	each = (int64_t)s->n / folds;
	more = (int64_t)s->n % folds;
	for (int64_t k = 0; k < folds; k++)
		for (int64_t i = 0; i < each + (k < more); i++)
			s->fold[order[at++]] = k;
	free(order);
	return 0;
}

int64_t fold_of(const struct fold_set *s, const char *id)
{
	char **p = bsearch(&id, s->id, s->n, sizeof *s->id, by_bytes);

	return p ? s->fold[p - s->id] : -1;
}

void fold_free(struct fold_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->id[i]);
	free(s->id);
	free(s->fold);
	memset(s, 0, sizeof *s);
}
