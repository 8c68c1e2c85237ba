/* Progress on standard error: a bar with rate and time left on a terminal, nothing when it is not one, JSON lines for machines. */
#ifndef NIIPIPE_PROGRESS_H
#define NIIPIPE_PROGRESS_H

#include <stdint.h>

#include "lib/base/arg.h"

struct progress {
	const char *unit;  /* "step", "window", "case": borrowed */
	int64_t total;     /* 0: not known */
	int64_t done;
	int mode;          /* 1 bar, 2 json, 3 none */
	double begun, shown;
};

/* Mode and -q from the common options. */
void progress_start(struct progress *p, const struct arg_common *c, const char *unit, int64_t total);

/* `done` of total; note (may be NULL) stands at the end of the bar: "loss 0.412". Drawn at most 10 times a second. */
void progress_to(struct progress *p, int64_t done, const char *note);

/* Draw the end state and leave the line. */
void progress_end(struct progress *p);

/* Monotonic seconds. */
double progress_now(void);

#endif
