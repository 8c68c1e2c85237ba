/* Writes to a struct out, gzipped on the way. No time and no name in the gzip header: the same bytes give the same file.
   What is compressed is cut into pieces of DEFLATE_PIECE bytes, which OpenMP's threads compress independently of each other, as pigz does: each
   ends on a byte (RFC 1951, an empty stored block), their CRCs are combined. It is one member, since some readers stop after the first. Where the
   cuts are depends on the number of bytes alone, so the file does not depend on the number of threads, nor on how the bytes were handed over. */
#ifndef NIIPIPE_DEFLATE_H
#define NIIPIPE_DEFLATE_H

#include "lib/base/outfile.h"

enum { DEFLATE_NONE = -1, DEFLATE_MOST = 9, DEFLATE_PIECE = 256 << 10 };

struct deflate; /* opaque */

/* level: DEFLATE_NONE passes bytes through, 0 to 3 are ISA-L's, 4 to 9 zlib's. o: borrowed. NULL and an error; closed with deflate_close. */
struct deflate *deflate_open(struct out *o, int level, struct err *e);

/* Hand over n bytes. 0 or -1. Threads share what one call brings: many pieces at once are fastest. */
int deflate_write(struct deflate *d, const void *p, size_t n, struct err *e);

/* Write what is pending and the end. o stays open. 0 or -1. */
int deflate_finish(struct deflate *d, struct err *e);
void deflate_close(struct deflate *d); /* frees; NULL is fine */

#endif
