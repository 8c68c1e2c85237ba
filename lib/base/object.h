/* Shared objects of the project, niipipe-NAME.so: found and loaded when a tool needs one. */
#ifndef NIIPIPE_OBJECT_H
#define NIIPIPE_OBJECT_H

#include "lib/base/err.h"

/* The function `symbol` of niipipe-NAME.so, which is looked for in $NIIPIPE_BACKENDS or, without it, beside the executable and in ../lib/niipipe of
   it. Valid for the life of the process. NULL and an error. */
void *object_symbol(const char *name, const char *symbol, struct err *e);

/* Is there a shared library of that file name, as libcuda.so.1? It stays loaded. */
int object_is_there(const char *library);

#endif
