#include "lib/base/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

static const size_t MOST = (size_t)1 << 30;

static int load(struct table *t, size_t *n, struct err *e)
{
	FILE *f = fopen(t->path, "r");
	size_t room = 0, got = 1;

	*n = 0;
	if (!f)
		return err_sys(e, t->path, "cannot open");
	while (got && *n < MOST) {
		if (*n + 1 >= room) {
			char *grown = realloc(t->text, room = 2 * room + 65536);

			if (!grown) {
				fclose(f);
				return err_set(e, t->path, "not enough memory for a table");
			}
			t->text = grown;
		}
		got = fread(t->text + *n, 1, room - *n - 1, f);
		*n += got;
	}
	if (ferror(f)) {
		fclose(f);
		return err_sys(e, t->path, "cannot read");
	}
	fclose(f);
	t->text[*n] = 0;
	return *n >= MOST ? err_set(e, t->path, "a table of more than 1 GiB") : 0;
}

static int64_t count(const char *s, size_t n, char c)
{
	int64_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += s[i] == c;
	return k;
}

/* Cut one line at its tabs. */
static int cut(struct table *t, int64_t line, char *text, struct err *e)
{
	int64_t k = 0;
	size_t n = strlen(text);

	if (n && text[n - 1] == '\r')
		text[n - 1] = 0;
	for (char *p = text; p; k++) {
		char *tab = strchr(p, '\t');

		if (tab)
			*tab++ = 0;
		if (k < t->columns)
			t->cell[line * t->columns + k] = p;
		p = tab;
	}
	if (k != t->columns)
		return err_set(e, t->path, "line %lld has %lld cells, the heading has %lld", (long long)line + 1, (long long)k, (long long)t->columns);
	return 0;
}

static int twice(const struct table *t, struct err *e)
{
	for (int64_t i = 0; i < t->columns; i++)
		if (table_find(t, t->cell[i]) != i)
			return err_set(e, t->path, "two columns are named '%.80s'", t->cell[i]);
	return 0;
}

int table_read(const char *path, struct table *t, struct err *e)
{
	size_t n, cells;
	char *p, *end;

	*t = (struct table){.path = path};
	if (load(t, &n, e))
		return -1;
	if (memchr(t->text, 0, n))
		return err_set(e, path, "a byte 0: this is not a table");
	while (n && t->text[n - 1] == '\n')
		t->text[--n] = 0;
	if (!n)
		return err_set(e, path, "empty: a table begins with a line that names its columns");
	t->rows = count(t->text, n, '\n');
	t->columns = count(t->text, strcspn(t->text, "\n"), '\t') + 1;
	t->cell = mem_mul(&cells, (size_t)t->rows + 1, (size_t)t->columns) ? NULL : mem_new(cells, sizeof *t->cell, "a table", e);
	if (!t->cell)
		return err_set(e, path, "not enough memory for a table of %lld rows", (long long)t->rows);
	p = t->text;
	for (int64_t line = 0; line <= t->rows; line++, p = end) {
		end = p + strcspn(p, "\n");
		*end++ = 0;
		if (cut(t, line, p, e))
			return -1;
	}
	return twice(t, e);
}

void table_free(struct table *t)
{
	free(t->text);
	free(t->cell);
	memset(t, 0, sizeof *t);
}

int64_t table_find(const struct table *t, const char *column)
{
	for (int64_t i = 0; i < t->columns; i++)
		if (!strcmp(t->cell[i], column))
			return i;
	return -1;
}

int64_t table_need(const struct table *t, const char *column, struct err *e)
{
	int64_t i = table_find(t, column);

	return i >= 0 ? i : err_set(e, t->path, "no column '%s'", column);
}

const char *table_cell(const struct table *t, int64_t row, int64_t column)
{
	return t->cell[(row + 1) * t->columns + column];
}

static int where(const struct table *t, int64_t row, int64_t column, struct err *e)
{
	return err_prefix(e, "%s: line %lld, %s", t->path, (long long)row + 2, t->cell[column]);
}

int table_number(const struct table *t, int64_t row, int64_t column, double *v, struct err *e)
{
	const char *s = table_cell(t, row, column);

	*v = !*s || !strcmp(s, "nan") ? NAN : !strcmp(s, "inf") ? INFINITY : -INFINITY;
	if (!isnan(*v) && strcmp(s, "inf") && strcmp(s, "-inf") && arg_float(s, 0, 0, v, e))
		return where(t, row, column, e);
	return 0;
}

int table_integer(const struct table *t, int64_t row, int64_t column, int64_t *v, struct err *e)
{
	return arg_int(table_cell(t, row, column), 0, 0, v, e) ? where(t, row, column, e) : 0;
}
