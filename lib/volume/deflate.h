/* Writes to a struct out, gzipped on the way. No time and no name in the gzip header: the same bytes give the same file. */
#ifndef NIIPIPE_DEFLATE_H
#define NIIPIPE_DEFLATE_H

#include "lib/base/outfile.h"

enum { DEFLATE_NONE = -1, DEFLATE_MOST = 9 };

struct deflate; /* opaque */

/* level: DEFLATE_NONE passes bytes through, 0 to 3 are ISA-L's, 4 to 9 zlib's. o: borrowed. NULL and an error; closed with deflate_close. */
struct deflate *deflate_open(struct out *o, int level, struct err *e);

/* Hand over n bytes. 0 or -1. Large n is fastest. */
int deflate_write(struct deflate *d, const void *p, size_t n, struct err *e);

/* Write what is pending and the end. o stays open. 0 or -1. */
int deflate_finish(struct deflate *d, struct err *e);
void deflate_close(struct deflate *d); /* frees; NULL is fine */

#endif
