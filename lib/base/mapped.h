/* A regular file's bytes, mapped to be read. */
#ifndef NIIPIPE_MAPPED_H
#define NIIPIPE_MAPPED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct mapped {
	const uint8_t *b; /* NULL: the file is empty or none that can be mapped (a pipe, a folder) */
	size_t n;
};

/* 0, or -1 and an error. Released with mapped_close, which is safe on a zeroed one. */
int mapped_open(struct mapped *m, const char *path, struct err *e);
void mapped_close(struct mapped *m);

#endif
