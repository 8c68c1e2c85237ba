/* Sums over the ranks of one host, where the values lie: the memory of each rank's can be read by the others, every rank adds up some stretches of
   all, in the order of the ranks, in its own place, and where the sums lie is known. No message is sent and nothing is copied; how far each rank is
   stands behind its values. Private to lib/comm. */
#ifndef NIIPIPE_SHARE_H
#define NIIPIPE_SHARE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/comm/comm.h"

struct share {
	int rank, size;         /* size 0: there is none */
	int64_t n, piece;       /* values of a rank; so many in a row are one rank's to add up */
	size_t bytes;           /* mapped of each rank: */
	char **at;              /* [size], its values and its head; an element NULL: not yet */
	int fd;                 /* the own memory's; -1 */
	struct share_sum { int64_t at, n; } *sum; /* since share_end: */
	int begun, summed;      /* begun; of so many this rank's part is added up */
	int64_t before;         /* all sums until then */
	double squares;         /* of what this rank has added up since */
};

/* Memory for n values of this rank's, zeroed, where all ranks can have it and want to; all at once. 0, also where there is none then, or -1: the job
   has failed. Freed with share_free (safe on a zeroed one). */
int share_open(struct share *s, struct comm *c, int wanted, int64_t n, struct err *e);
void share_free(struct share *s);

/* This rank's values; NULL: there is none. */
float *share_values(const struct share *s);

/* Begin with n of them from `at` on: they are as they are to be added up. 0 or -1. */
int share_begin(struct share *s, int64_t at, int64_t n, struct err *e);

/* Add up what all have begun. 1: there is something left, for this rank or for others. */
int share_turn(struct share *s);

/* With nothing left: the sum of squares of what this rank has added up since the last share_end. */
double share_end(struct share *s);

/* Where the sum of value `at` lies, and of those behind it: *n of them at most. */
const float *share_summed(const struct share *s, int64_t at, int64_t *n);

#endif
