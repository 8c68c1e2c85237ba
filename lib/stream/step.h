/* Streams that run in step: what several tools made of the same cases, in one order. Ids and grids of frames that come together agree, and all
   streams end together: what does not is an error. In memory is one frame of the first and one of another. */
#ifndef NIIPIPE_STEP_H
#define NIIPIPE_STEP_H

#include "lib/stream/stream.h"

/* Each returns 0, or -1 and an error, which gets the prefix "STREAM: ID". */
struct step_of {
	int (*begin)(struct frame *f, void *arg, struct err *e);                       /* a frame of the first stream; NULL: nothing */
	int (*add)(struct frame *f, struct frame *other, void *arg, struct err *e);    /* one of each other, in their order */
	int (*end)(struct frame *f, void *arg, struct err *e);                         /* then f is written */
};

/* The operands (none: standard input) to standard output or c->out; on failure nothing is left there. 0 or -1. */
struct arg_common;
int step_run(const struct arg_common *c, const struct step_of *of, void *arg, struct err *e);

/* Are both of one case: ids, sizes and affines (to 1e-4 mm)? 0, or -1 and an error. */
int step_agree(const struct frame *f, const struct frame *other, struct err *e);

#endif
