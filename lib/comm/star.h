/* The ranks' control line: a TCP connection of every rank with rank 0, served by a thread of its own in each process. Small things are gathered over
   it, a failure of one rank is told to all, and a rank that dies or falls silent is noticed at once, whatever the main threads are doing. One message
   says what ended the job, "rank 2 (host): ...": rank 0 prints it or, where rank 0 itself is gone, rank 1.
   Where a main thread does not come back after that, its process is ended: nothing waits for ever. */
#ifndef NIIPIPE_STAR_H
#define NIIPIPE_STAR_H

#include <signal.h>
#include <stddef.h>

#include "lib/base/err.h"

enum { STAR_PLACE = 1024, STAR_HOST = 64, STAR_SMALL = 8192, STAR_OVER = 127 };

struct star; /* opaque */

struct star_opts {
	int rank, size;
	double silence;  /* seconds without a sign of life after which a rank is given up */
	double patience; /* seconds that a rank may keep the others waiting */
	volatile sig_atomic_t *stop; /* set to STAR_OVER when the job has failed; NULL: not wanted */
};

/* Rank 0: listen; place becomes the text that tells the others where: a secret, the port, this host's addresses. NULL and an error. */
struct star *star_listen(const struct star_opts *o, char place[STAR_PLACE], struct err *e);

/* Rank 0: wait until all have come, `seconds` at most. 0 or -1. */
int star_accept(struct star *s, double seconds, struct err *e);

/* The others: connect, `seconds` at most. NULL and an error. */
struct star *star_join(const struct star_opts *o, const char *place, double seconds, struct err *e);

/* all[rank] = what that rank gave, n bytes each (the same n everywhere, at most STAR_SMALL). Waits for all. 0, or -1 where the
   job has failed; the message is printed, e is empty. */
int star_gather(struct star *s, const void *mine, size_t n, void *all, struct err *e);

/* This rank has failed: the job ends with this text, unless it has ended before. Where it is not rank 0 itself, waits until rank 0 is gone, which may
   have something to save. */
void star_fail(struct star *s, const struct err *why);

/* 0; 1: the job has failed, a rank said why; 2: a rank is gone. Cheap. */
int star_failed(const struct star *s);

/* For the others' patience: one more thing is begun that all ranks take part in; from now on, or no longer, this rank waits for the others. */
void star_begun(struct star *s);
void star_waits(struct star *s, int on);

/* Ends the thread and the connections, after a last gather or a failure. NULL is fine. */
void star_close(struct star *s);

#endif
