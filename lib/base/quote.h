/* Words as a POSIX shell reads them. */
#ifndef NIIPIPE_QUOTE_H
#define NIIPIPE_QUOTE_H

#include <stdio.h>

/* Print s so that a shell takes it as one word: as it is where that is harmless, else in quotes. */
void quote_put(FILE *f, const char *s);

#endif
