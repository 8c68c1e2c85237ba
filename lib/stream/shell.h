/* A history as the shell line that does it again. */
#ifndef NIIPIPE_SHELL_H
#define NIIPIPE_SHELL_H

#include <jansson.h>

#include "lib/base/err.h"

/* Tools with their options, a pipe between them; what nii-invert undid stands where it was done. id: of the frame; borrowed. A grid that nii-resample
   took from a file is GRID; streams that were put into another are <(LINE) of bash. Caller frees; NULL and an error: no memory. */
char *shell_line(const json_t *history, const char *id, struct err *e);

/* What it read, where the history has its hash: an array of lines "HASH  FILE", as xxh64sum -c takes them; of a model "HASH  patches before N" too.
   Caller json_decref()s. */
json_t *shell_hashes(const json_t *history);

/* The histories, an array, of the streams that an entry put into the first one. Borrowed; NULL: none. */
const json_t *shell_streams(const json_t *entry);

/* Such a line, the name cleaned. New reference; NULL: no memory. */
json_t *shell_hash(const char *hash, const char *file);

/* A file's name for a history: as it is or, where it is no UTF-8, which JSON must be, cleaned. New reference; NULL: no memory. */
json_t *shell_name(const char *file);

/* Makes it one line of UTF-8, in place: control bytes become '?' and, where it is not UTF-8, all that is not ASCII. Returns text. */
char *shell_clean(char *text);

#endif
