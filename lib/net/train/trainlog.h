/* The log of a training run: tab-separated, one row a step, each written at once so that it can be watched.
   step lr loss dice ce grad_norm val_dice patches_per_s wait; val_dice is empty where there was no validation, wait is the fraction of time spent
   waiting for patches. */
#ifndef NIIPIPE_TRAINLOG_H
#define NIIPIPE_TRAINLOG_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct trainlog { int fd; const char *name; off_t row; /* where the last one begins; -1: nowhere */ };

struct trainlog_row {
	int64_t step;
	double lr, loss[3];      /* total, dice, ce; a term without weight is left empty: NaN */
	double grad_norm, val_dice, rate, wait;
};

/* Begin a log at path, or with `after` > 0 go on with one: rows of later steps are cut off. 0, or -1 and an error; closed with trainlog_close. */
int trainlog_open(struct trainlog *l, const char *path, int64_t after, struct err *e);
int trainlog_write(struct trainlog *l, const struct trainlog_row *r, struct err *e);

/* The last row's step has been validated, after the row was written. Nothing where the log is no file. 0, or -1 and an error. */
int trainlog_validated(struct trainlog *l, double dice, struct err *e);

int trainlog_close(struct trainlog *l, struct err *e); /* safe where it was not opened with fd -1 */

#endif
