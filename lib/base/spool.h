/* A file without a name, for what has to wait its turn: in $TMPDIR, or /tmp. */
#ifndef NIIPIPE_SPOOL_H
#define NIIPIPE_SPOOL_H

#include "lib/base/outfile.h"

struct spool { int fd; const char *dir; };

/* 0, or -1 and an error; given up with spool_close, or with the process. */
int spool_open(struct spool *s, struct err *e);
void spool_close(struct spool *s);

/* n bytes to byte `at` of it, in any order; and n from there on into o, through a buffer of 4 MiB. 0, or -1 and an error that names the directory, or
   the output. */
int spool_put(const struct spool *s, int64_t at, const void *p, size_t n, struct err *e);
int spool_out(const struct spool *s, int64_t at, size_t n, struct out *o, struct err *e);

/* Its first n bytes (at least one) as memory, 0 until they are written; room for them is taken on the disk at once. NULL and an error that names the
   directory. Given up with spool_unmap. */
void *spool_map(const struct spool *s, size_t n, struct err *e);
void spool_unmap(void *p, size_t n);

/* n bytes at p, of what is mapped, need not be in this process's memory until they are looked at again: the system keeps them, or the disk does. */
void spool_rest(void *p, size_t n);

/* n bytes from `at` on, which are mapped at p, become 0, and what was there is not written to the disk if it was not yet. */
void spool_zero(const struct spool *s, int64_t at, void *p, size_t n);

#endif
