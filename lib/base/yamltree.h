/* YAML as the tree that its JSON would be: what MONAI, by PyYAML's safe loader, makes of it, where JSON can hold that. Keys that are whole numbers,
   truth values or null are texts, as Python writes them; aliases are copies.
   Refused, with line and column: tags but the core ones, '<<', several documents, a key or an anchor given twice, aliases of what they are in, more
   than YAMLTREE_DEPTH levels, more than YAMLTREE_VALUES values with aliases followed (YAMLTREE_TEXT bytes of a text are one more, lest a long one be
   copied often), files of more than YAMLTREE_BYTES bytes. */
#ifndef NIIPIPE_YAMLTREE_H
#define NIIPIPE_YAMLTREE_H

#include <jansson.h>

#include "lib/base/err.h"

enum { YAMLTREE_DEPTH = 32, YAMLTREE_VALUES = 100000, YAMLTREE_TEXT = 16, YAMLTREE_BYTES = 1 << 20 };

/* text: n bytes; name: of the file, for messages. An object or an array; NULL and an error; caller json_decref()s. */
json_t *yamltree_parse(const char *text, size_t n, const char *name, struct err *e);

/* The same of a file. */
json_t *yamltree_file(const char *path, struct err *e);

#endif
