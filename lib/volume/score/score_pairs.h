/* Scoring pairs of mask files, several at a time. */
#ifndef NIIPIPE_SCORE_PAIRS_H
#define NIIPIPE_SCORE_PAIRS_H

#include "lib/volume/score/pairs.h"
#include "lib/volume/score/score.h"

/* Every pair into t, in their order, read and scored by as many threads as there are; memory: as many pairs. Pairs that cannot be scored are
   problems, one each, and t is of no use then. 0, or -1 and an error: no memory. */
int score_pairs(struct score_table *t, struct pairs *p, const struct score_options *o, struct err *e);

#endif
