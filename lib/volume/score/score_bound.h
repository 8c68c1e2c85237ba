/* Bounds that the mean of a metric must keep. */
#ifndef NIIPIPE_SCORE_BOUND_H
#define NIIPIPE_SCORE_BOUND_H

#include "lib/volume/score/score.h"

struct score_bound { int column; double v; };

/* METRIC=VALUE, with a metric of the columns. 0, or -1 and an error. */
int score_bound_parse(struct score_bound *b, const struct score_columns *c, const char *text, struct err *e);

/* The mean of every label must keep each of n bounds: least: it is not below; else: not above. 0, or -1 and an error that names the first one. */
int score_bound_check(const struct score_bound *b, int n, int least, const struct score_table *t, const struct score_columns *c, struct err *e);

#endif
