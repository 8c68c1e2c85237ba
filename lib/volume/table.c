#include "lib/volume/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

enum { COLUMNS = 4096 };

static int no_memory(const struct table *t, struct err *e)
{
	return err_set(e, t->path, "not enough memory");
}

static int count_fields(const char *line)
{
	int n = 1;

	for (; *line; line++)
		n += *line == '\t';
	return n;
}

/* Room for a row more, all its cells NULL. */
static int grow(struct table *t, struct err *e)
{
	size_t room = t->room ? 2 * t->room : 16, cells;
	char **cell;
	int64_t *line;

	if (t->rows + 1 < t->room)
		return 0;
	if (mem_mul(&cells, room, (size_t)t->columns) || mem_mul(&cells, cells, sizeof *cell))
		return no_memory(t, e);
	cell = realloc(t->cell, cells);
	t->cell = cell ? cell : t->cell;
	line = cell ? realloc(t->line, room * sizeof *line) : NULL;
	t->line = line ? line : t->line;
	if (!line)
		return no_memory(t, e);
	memset(t->cell + t->room * (size_t)t->columns, 0, (room - t->room) * (size_t)t->columns * sizeof *cell);
	t->room = room;
	return 0;
}

static int fill(struct table *t, char **cell, char *text, struct err *e)
{
	for (char *field; (field = strsep(&text, "\t")); cell++) {
		*cell = strdup(field);
		if (!*cell)
			return no_memory(t, e);
	}
	return 0;
}

static int heading(struct table *t, char *text, struct err *e)
{
	t->columns = count_fields(text);
	if (t->columns > COLUMNS)
		return err_set(e, t->path, "line 1: %d columns (at most %d)", t->columns, COLUMNS);
	if (grow(t, e) || fill(t, t->cell, text, e))
		return -1;
	for (int i = 0; i < t->columns; i++)
		if (table_column(t, t->cell[i], strlen(t->cell[i])) < i)
			return err_set(e, t->path, "line 1: column '%.80s' is there twice", t->cell[i]);
	return 0;
}

static int row(struct table *t, char *text, int64_t no, struct err *e)
{
	int fields = count_fields(text);

	if (fields != t->columns)
		return err_set(e, t->path, "line %lld: %d field%s, but the first line has %d", (long long)no, fields, fields == 1 ? "" : "s", t->columns);
	if (grow(t, e))
		return -1;
	t->line[t->rows++] = no;
	return fill(t, t->cell + t->rows * (size_t)t->columns, text, e);
}

static int lines(struct table *t, FILE *in, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = 0;

	for (int64_t no = 1; !r && (n = getline(&line, &room, in)) >= 0; no++) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (strlen(line) != (size_t)n)
			r = err_set(e, t->path, "line %lld: has a zero byte in it", (long long)no);
		else if (no == 1)
			r = heading(t, line, e);
		else if (n)
			r = row(t, line, no, e);
	}
	if (!r && ferror(in))
		r = err_sys(e, t->path, "cannot read");
	free(line);
	return r;
}

int table_read(struct table *t, const char *path, struct err *e)
{
	int std = !strcmp(path, "-"), r;
	FILE *in = std ? stdin : fopen(path, "re");

	*t = (struct table){.path = std ? "standard input" : path};
	if (!in)
		return err_sys(e, path, "cannot open");
	r = lines(t, in, e);
	if (!std)
		fclose(in);
	return !r && !t->rows ? err_set(e, t->path, "no row in it") : r;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->room * (size_t)t->columns; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t->line);
	memset(t, 0, sizeof *t);
}

int table_column(const struct table *t, const char *name, size_t n)
{
	for (int i = 0; i < t->columns; i++)
		if (t->cell[i] && strlen(t->cell[i]) == n && !strncmp(t->cell[i], name, n))
			return i;
	return -1;
}

int table_need(const struct table *t, const char *name, struct err *e)
{
	int i = table_column(t, name, strlen(name));

	return i < 0 ? err_set(e, t->path, "has no column '%s'", name) : i;
}

const char *table_cell(const struct table *t, size_t r, int column)
{
	return t->cell[(r + 1) * (size_t)t->columns + (size_t)column];
}

static int where(const struct table *t, size_t r, int column, struct err *e)
{
	return err_prefix(e, "%s: line %lld: %.80s", t->path, (long long)t->line[r], t->cell[column]);
}

int table_number(const struct table *t, size_t r, int column, double *v, struct err *e)
{
	static const struct { const char *text; double v; } words[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(table_cell(t, r, column), words[i].text)) {
			*v = words[i].v;
			return 0;
		}
	return arg_float(table_cell(t, r, column), 0, 0, v, e) ? where(t, r, column, e) : 0;
}

int table_integer(const struct table *t, size_t r, int column, int64_t *v, struct err *e)
{
	return arg_int(table_cell(t, r, column), 0, 0, v, e) ? where(t, r, column, e) : 0;
}
