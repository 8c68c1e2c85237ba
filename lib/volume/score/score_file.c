#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/score/score_compare.h"

static int add(struct score_file *f, int64_t row, struct err *e)
{
	const struct table *t = &f->t;
	struct score_line *l = &f->line[f->n];

	if (score_is_summary(table_cell(t, row, 0)))
		return 0;
	*l = (struct score_line){table_cell(t, row, 0), table_cell(t, row, 1), f->v + f->n * (size_t)f->columns};
	f->n++;
	if (frame_check_id(NULL, l->id, e))
		return err_prefix(e, "%s: line %lld", t->path, (long long)row + 2);
	if (!*l->label)
		return err_set(e, t->path, "line %lld: no label", (long long)row + 2);
	for (int i = 0; i < f->columns; i++)
		if (table_number(t, row, i + 2, &l->v[i], e))
			return -1;
	return 0;
}

static int by_case(const void *a, const void *b)
{
	const struct score_line *p = a, *q = b;
	int r = strcmp(p->id, q->id);

	return r ? r : score_label_order(p->label, q->label);
}

int score_file_read(struct score_file *f, const char *path, struct err *e)
{
	struct table *t = &f->t;

	memset(f, 0, sizeof *f);
	if (table_read(path, t, e))
		return -1;
	if (t->columns < 3 || strcmp(t->cell[0], "id") || strcmp(t->cell[1], "label"))
		return err_set(e, t->path, "line 1: expected the columns id and label and a metric at least, as seg-score writes them");
	f->columns = (int)t->columns - 2;
	f->name = t->cell + 2;
	f->line = mem_new((size_t)t->rows, sizeof *f->line, "scores", e);
	f->v = mem_new((size_t)t->rows * (size_t)f->columns, sizeof *f->v, "scores", e);
	if (!f->line || !f->v)
		return -1;
	for (int64_t i = 0; i < t->rows; i++)
		if (add(f, i, e))
			return -1;
	if (!f->n)
		return err_set(e, t->path, "no case in it");
	qsort(f->line, f->n, sizeof *f->line, by_case);
	for (size_t i = 1; i < f->n; i++)
		if (!by_case(&f->line[i - 1], &f->line[i]))
			return err_set(e, t->path, "case '%.80s', label %.80s is there twice", f->line[i].id, f->line[i].label);
	return 0;
}

void score_file_free(struct score_file *f)
{
	table_free(&f->t);
	free(f->line);
	free(f->v);
	memset(f, 0, sizeof *f);
}
