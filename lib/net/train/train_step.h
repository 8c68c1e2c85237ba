/* The steps of a run: batches gathered, the optimizer's step, and what became of it. On a device that computes by itself a step is only issued; it is
   settled when the next one has been, so that the device always has something to do. What is wrong with a step keeps it and those behind it from
   changing anything. Private to lib/net/train*.c. */
#ifndef NIIPIPE_TRAIN_STEP_H
#define NIIPIPE_TRAIN_STEP_H

#include "lib/net/train/train_begin.h"

/* With the network planned and the optimizer open. 0 or -1; closed with train_step_close. */
int train_step_open(struct train *r, const struct feed_batch *b, struct err *e);
void train_step_close(struct train *r);

/* Add a batch's gradients, as its share of the step, to those of the step in the making. */
int train_step_gather(struct train *r, const struct feed_batch *b, struct err *e);

/* What was gathered becomes a step: the weights', but for its being settled. */
int train_step_issue(struct train *r, struct err *e);

/* The oldest step that is not settled: its row of the log but for the validation. A loss or a gradient that is not finite is an error, which says
   where the last good state is; the run is then again where it was before the step. */
int train_step_settle(struct train *r, struct trainlog_row *row, struct err *e);

int train_save(struct train *r, struct err *e); /* train.c: what there is to be kept */

#endif
