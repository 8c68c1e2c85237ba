/* One sum over the ranks, in host memory: every rank adds up one part of it, in the order of the ranks, and gives the result to all. Private to
   lib/comm. */
#ifndef NIIPIPE_SUM_H
#define NIIPIPE_SUM_H

#include "lib/comm/transport.h"

struct sum {
	float *x;
	int64_t n;
	int half, tag;
	int phase;       /* 0: idle, 1: parts are exchanged, 2: results are */
	void **request;  /* 2 (size - 1): NULL where one is done */
	int requests;
	char *room;
	size_t bytes;    /* of room */
};

/* Begin one in an idle sum (zeroed at first); tag: even, for this and the next one. 0 or -1. */
int sum_begin(struct sum *s, const struct transport *t, float *x, int64_t n, int half, int tag, struct err *e);

/* Go on: idle again when all is done. 0 or -1. */
int sum_turn(struct sum *s, const struct transport *t, struct err *e);

void sum_free(struct sum *s);

#endif
