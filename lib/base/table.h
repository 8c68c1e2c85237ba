/* Tables as the tools write them: lines of cells with tabs between them, the first line naming the columns. All of one is held in memory. */
#ifndef NIIPIPE_TABLE_H
#define NIIPIPE_TABLE_H

#include <stdint.h>

#include "lib/base/err.h"

struct table {
	const char *path;       /* borrowed, for messages */
	char *text;             /* what the cells point into */
	const char **cell;      /* [rows + 1][columns]; row 0 is the heading */
	int64_t rows, columns;  /* rows without the heading */
};

/* path: a file. 0, or -1 and an error: no heading, a row with another number of cells, a column named twice, a byte 0, more than 1 GiB.
   Released with table_free, which is safe on a zeroed one. */
int table_read(const char *path, struct table *t, struct err *e);
void table_free(struct table *t);

/* The column of that name, or -1; table_need: or -1 and an error. */
int64_t table_find(const struct table *t, const char *column);
int64_t table_need(const struct table *t, const char *column, struct err *e);

/* Row 0 is the first below the heading. Borrowed. */
const char *table_cell(const struct table *t, int64_t row, int64_t column);

/* As a number: NaN where the cell is empty or says nan, infinite where it says inf or -inf. 0, or -1 and an error that names line and column. */
int table_number(const struct table *t, int64_t row, int64_t column, double *v, struct err *e);

/* As a whole number. 0, or -1 and the same error. */
int table_integer(const struct table *t, int64_t row, int64_t column, int64_t *v, struct err *e);

#endif
