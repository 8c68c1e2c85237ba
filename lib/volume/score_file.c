#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/score_compare.h"

static int no_memory(const struct score_file *f, struct err *e)
{
	return err_set(e, f->path, "not enough memory");
}

static int count_fields(const char *line)
{
	int n = 1;

	for (; *line; line++)
		n += *line == '\t';
	return n;
}

static int heading(struct score_file *f, char *line, struct err *e)
{
	char *p = line, *field;

	if (strncmp(line, "id\tlabel\t", 9))
		return err_set(e, f->path, "line 1: expected the columns id and label and a metric at least, as seg-score writes them");
	f->columns = count_fields(line) - 2;
	f->name = mem_zero((size_t)f->columns, sizeof *f->name, "columns", e);
	if (!f->name)
		return -1;
	strsep(&p, "\t");
	strsep(&p, "\t");
	for (int i = 0; (field = strsep(&p, "\t")); i++) {
		f->name[i] = strdup(field);
		if (!f->name[i])
			return no_memory(f, e);
		for (int k = 0; k < i; k++)
			if (!strcmp(f->name[k], field))
				return err_set(e, f->path, "line 1: column '%.80s' is there twice", field);
	}
	return 0;
}

static int number(const char *text, double *v, struct err *e)
{
	static const struct { const char *text; double v; } words[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(text, words[i].text)) {
			*v = words[i].v;
			return 0;
		}
	return arg_float(text, 0, 0, v, e);
}

static int add_line(struct score_file *f, char *line, int64_t no, struct err *e)
{
	int fields = count_fields(line);
	char *p = line, *id = strsep(&p, "\t"), *label = strsep(&p, "\t"), *field;
	struct score_line *l, *grown;

	if (fields != f->columns + 2)
		return err_set(e, f->path, "line %lld: %d fields, but the first line has %d", (long long)no, fields, f->columns + 2);
	if (score_is_summary(id))
		return 0;
	grown = f->n & (f->n - 1) ? f->line : realloc(f->line, (f->n ? 2 * f->n : 1) * sizeof *grown); /* full at 0, 1, 2, 4, ... */
	if (!grown)
		return no_memory(f, e);
	f->line = grown;
	l = &f->line[f->n++];
	*l = (struct score_line){strdup(id), 0, mem_new((size_t)f->columns, sizeof *l->v, "scores", e)};
	if (!l->id || !l->v)
		return no_memory(f, e);
	if (frame_check_id(NULL, id, e) || arg_int(label, 0, 0, &l->label, e))
		return err_prefix(e, "%s: line %lld", f->path, (long long)no);
	for (int i = 0; (field = strsep(&p, "\t")); i++)
		if (number(field, &l->v[i], e))
			return err_prefix(e, "%s: line %lld: %.80s", f->path, (long long)no, f->name[i]);
	return 0;
}

static int by_case(const void *a, const void *b)
{
	const struct score_line *p = a, *q = b;
	int r = strcmp(p->id, q->id);

	return r ? r : p->label < q->label ? -1 : p->label > q->label;
}

static int lines(struct score_file *f, FILE *in, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = 0;

	for (int64_t no = 1; !r && (n = getline(&line, &room, in)) >= 0; no++) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (strlen(line) != (size_t)n)
			r = err_set(e, f->path, "line %lld: has a zero byte in it", (long long)no);
		else if (no == 1)
			r = heading(f, line, e);
		else if (n)
			r = add_line(f, line, no, e);
	}
	if (!r && ferror(in))
		r = err_sys(e, f->path, "cannot read");
	free(line);
	return r;
}

int score_file_read(struct score_file *f, const char *path, struct err *e)
{
	int std = !strcmp(path, "-"), r;
	FILE *in = std ? stdin : fopen(path, "re");

	*f = (struct score_file){.path = std ? "standard input" : path};
	if (!in)
		return err_sys(e, path, "cannot open");
	r = lines(f, in, e);
	if (!std)
		fclose(in);
	if (!r && !f->n)
		r = err_set(e, f->path, "no case in it");
	if (r)
		return -1;
	qsort(f->line, f->n, sizeof *f->line, by_case);
	for (size_t i = 1; i < f->n; i++)
		if (!by_case(&f->line[i - 1], &f->line[i]))
			return err_set(e, f->path, "case '%.80s', label %lld is there twice", f->line[i].id, (long long)f->line[i].label);
	return 0;
}

void score_file_free(struct score_file *f)
{
	for (int i = 0; i < f->columns && f->name; i++)
		free(f->name[i]);
	for (size_t i = 0; i < f->n; i++) {
		free(f->line[i].id);
		free(f->line[i].v);
	}
	free(f->name);
	free(f->line);
	memset(f, 0, sizeof *f);
}
