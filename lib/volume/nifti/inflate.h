/* Bytes of a file, inflated while they are read if they are gzip (RFC 1952). What decides is the magic 1f 8b in the first two bytes, never a name.
   Several members end to end and zero padding after the last one are legal; any other byte after it is an error. CRC-32 and length of every
   member are checked. */
#ifndef NIIPIPE_INFLATE_H
#define NIIPIPE_INFLATE_H

#include "lib/base/err.h"

struct inflate; /* opaque */

/* Read from fd, which stays the caller's, from its current offset on. name: for messages; borrowed for the life of the reader.
   NULL and an error; closed with inflate_close. */
struct inflate *inflate_open(int fd, const char *name, struct err *e);

/* The same from memory, which is borrowed. */
struct inflate *inflate_open_mem(const void *data, size_t n, const char *name, struct err *e);
void inflate_close(struct inflate *z); /* NULL is fine */

/* For a file of which only a part is compressed. inflate_plain, before the first read: bytes are bytes, whatever the first two are.
   inflate_gunzip: from here to the end it is gzip, members as above; what was read so far was not. */
void inflate_plain(struct inflate *z);
void inflate_gunzip(struct inflate *z);

/* The same, but zlib (RFC 1950, one stream, and no byte after it; its Adler-32 is checked), or gzip where that is what begins. 0 or -1. */
int inflate_zlib(struct inflate *z, struct err *e);

int inflate_is_gzip(const struct inflate *z); /* compressed in either way */

/* Bytes of the file that were used so far, as they are in it. */
int64_t inflate_offset(const struct inflate *z);

/* The next n bytes of content into p: returns n, or fewer only at the end (then 0 for ever), or -1 and an error: truncated, corrupt, junk after the
   end. A member's CRC is known to be good only after a read went past its end. Large n is fastest: at least 64 KiB. */
int64_t inflate_read(struct inflate *z, void *p, size_t n, struct err *e);

/* Throw away n bytes: returns as inflate_read. */
int64_t inflate_skip(struct inflate *z, int64_t n, struct err *e);

#endif
