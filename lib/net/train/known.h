/* Which labels a network can be trained and validated on. */
#ifndef NIIPIPE_KNOWN_H
#define NIIPIPE_KNOWN_H

#include "lib/stream/regions.h"

/* Those below `classes`, or of regions (borrowed; NULL: none) 0 and what these have; and `ignore` (-1: none), which counts nowhere. */
struct known { int64_t classes; const struct regions *regions; int ignore; };

int known_ignored(const struct known *k, double label);
int known_is(const struct known *k, double label); /* also what is ignored */

/* "label 7 at PLACE is none"; place: what stands behind the number, "" or " at ...". Returns -1. */
int known_refuse(const struct known *k, double label, const char *place, struct err *e);

#endif
