/* JSON in files. */
#ifndef NIIPIPE_JSON_H
#define NIIPIPE_JSON_H

#include <jansson.h>

#include "lib/base/err.h"

/* A whole file, no key twice. Caller json_decref()s. NULL and an error that names the file, and the line where it is malformed. */
json_t *json_of_file(const char *path, struct err *e);

#endif
