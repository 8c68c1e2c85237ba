/* Zip archives in memory, as torch.save and torch.jit.save write them: entries are stored, not compressed, and their data lie in the archive's own
   bytes; but a program's, below code/, which are left out. Zip64 too.
   Source: PKWARE's APPNOTE.TXT. */
#ifndef NIIPIPE_ZIP_H
#define NIIPIPE_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct zip_entry {
	const char *name; /* in the archive, without a 0 at its end */
	size_t len;
	const uint8_t *data;
	size_t size;
};

struct zip { struct zip_entry *entry; size_t n; /* by name */ };

/* Read the directory of an archive of n bytes, which must outlive z. A compressed or encrypted entry, one that reaches out of the archive and a name
   that comes twice are errors. 0, or -1 and an error; freed with zip_free either way. */
int zip_open(struct zip *z, const uint8_t *b, size_t n, const char *file, struct err *e);
void zip_free(struct zip *z);

const struct zip_entry *zip_find(const struct zip *z, const char *name); /* NULL where there is none */

#endif
