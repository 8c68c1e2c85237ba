/* How the ranks' control lines find each other. Private to lib/comm. */
#ifndef NIIPIPE_MEET_H
#define NIIPIPE_MEET_H

#include "lib/comm/star.h"
#include "lib/comm/transport.h"

/* Rank 0 tells where it is by a broadcast. *s (caller closes with star_close, after a failure, too, where it is not NULL) tells the others of what
   fails from then on. 0 or -1. */
int meet_over(struct star **s, const struct star_opts *o, const struct transport *t, struct err *e);

/* Through a file that rank 0 writes; one of a run before may lie there, whose rank 0 does not answer. */
int meet_by_file(struct star **s, const struct star_opts *o, const char *path, struct err *e);

#endif
