/* Two tables of scores of the same cases: how the second differs from the first. */
#ifndef NIIPIPE_SCORE_COMPARE_H
#define NIIPIPE_SCORE_COMPARE_H

#include "lib/base/table.h"
#include "lib/volume/score/score.h"

/* A table as score_write_tsv writes it, without its summary. */
struct score_file {
	struct table t;
	const char *const *name; /* of the columns after id and label */
	int columns;
	struct score_line { const char *id, *label; double *v; } *line; /* by id, then label */
	size_t n;
	double *v;
};

/* Refused: what table_read refuses, other first columns, a label that is empty, numbers that are none, a case and label twice, no case. Freed with
   score_file_free, which is safe on a zeroed one, also after failure. 0 or -1. */
int score_file_read(struct score_file *f, const char *path, struct err *e);
void score_file_free(struct score_file *f);

/* For every label and every column, or those of the names in `only` (commas between; NULL: all), over the cases where both are numbers: how many,
   both means, mean, median and interval of the differences b - a (summary.h), Wilcoxon's signed-rank test. Cases or columns that only one table has
   are an error that names them. json: an object with what `about` (borrowed) has in it. 0 or -1. */
int score_compare(const struct score_file *a, const struct score_file *b, const char *only, const struct score_summary_options *o, int json,
                  json_t *about, struct out *out, struct err *e);

#endif
