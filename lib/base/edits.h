/* How far words are apart. */
#ifndef NIIPIPE_EDITS_H
#define NIIPIPE_EDITS_H

#include <stddef.h>

/* Letters to be put in, left out, changed or swapped with their neighbour to make b, of m letters, of a, of n; whether they are large does not count.
   Beyond EDITS_MOST letters: as many as the longer one has. (Optimal string alignment: Damerau, CACM 7:171, 1964.) */
enum { EDITS_MOST = 80 };
size_t edits_between(const char *a, size_t n, const char *b, size_t m);

#endif
