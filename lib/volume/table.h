/* A table of text: lines of fields with tabs between them, the first line names the columns. */
#ifndef NIIPIPE_TABLE_H
#define NIIPIPE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct table {
	const char *path; /* for messages; borrowed */
	int columns;
	char **cell;      /* names, then row by row: cell[(row + 1) * columns + column] */
	int64_t *line;    /* of each row, counted from 1 */
	size_t rows;
	size_t room;
};

/* Empty lines are passed over. Refused: lines of another number of fields, a column twice, no row, zero bytes. path "-": standard input.
   Freed with table_free, which is safe on a zeroed one, also after failure. 0 or -1. */
int table_read(struct table *t, const char *path, struct err *e);
void table_free(struct table *t);

/* The column of that name (n bytes of it): its index, or -1; table_need: -1 and an error. */
int table_column(const struct table *t, const char *name, size_t n);
int table_need(const struct table *t, const char *name, struct err *e);

const char *table_cell(const struct table *t, size_t row, int column);

/* A cell as a number: nan, inf and -inf are some. 0, or -1 and an error with line and column. */
int table_number(const struct table *t, size_t row, int column, double *v, struct err *e);
int table_integer(const struct table *t, size_t row, int column, int64_t *v, struct err *e);

#endif
