/* Blocks of memory that are used again: what a stream of many frames of one size would else get from the system, page by page, and give back for
   each. */
#ifndef NIIPIPE_POOL_H
#define NIIPIPE_POOL_H

#include <stddef.h>

#include "lib/base/err.h"

/* So much is kept at most, and no block that is larger: bytes. */
#define POOL_MOST ((size_t)64 << 20)

/* As mem_new of bytes: a block that was given to the pool and is as large, or at most an eighth larger, else a new one. Contents undefined; freed by
   free(), or given back. From any thread. */
void *pool_take(size_t bytes, const char *what, struct err *e);

/* Keep p, of `bytes` bytes at least and from mem_new or pool_take, for pool_take, in place of free(); what was kept longest is freed where it is too
   much. NULL is fine. From any thread. */
void pool_give(void *p, size_t bytes);

#endif
