/* Small things of every rank to all, as messages of a transport: microseconds where all are there, while the control line takes a thread's waking on
   either side. Private to lib/comm. */
#ifndef NIIPIPE_GATHER_H
#define NIIPIPE_GATHER_H

#include "lib/comm/transport.h"

enum { GATHER_MOST = 8192 };

struct gather {
	size_t n;
	char *room;     /* a record of each rank */
	void **request; /* 2 (size - 1): NULL where one is done */
	int requests;
};

/* Begin one in an idle gather (zeroed at first): mine[n], n <= GATHER_MOST, is copied; tag: as for transport's send. 0 or -1. */
int gather_begin(struct gather *g, const struct transport *t, const void *mine, size_t n, int tag, struct err *e);

/* Go on: 1 where it is done, all[rank] = n bytes each; 0 not yet; -1 and an error. */
int gather_turn(struct gather *g, const struct transport *t, void *all, struct err *e);

void gather_free(struct gather *g);

#endif
