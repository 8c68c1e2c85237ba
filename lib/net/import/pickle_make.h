/* What a pickle may name, and what stands for the result of calling it. Private to pickle*.c. */
#ifndef NIIPIPE_PICKLE_MAKE_H
#define NIIPIPE_PICKLE_MAKE_H

#include "lib/net/import/pickle.h"

/* The entry of the list; NULL: not on it. */
const struct pickle_name *pickle_make_find(const char *module, size_t module_len, const char *name, size_t name_len);

/* name(*args), args the index of a tuple: the index of a value of p, or *room for a new one: *made, and -1. -2 and an error text without a place. */
enum { PICKLE_MAKE_NEW = -1, PICKLE_MAKE_BAD = -2 };
int pickle_make(const struct pickle *p, const struct pickle_name *name, int args, struct pickle_value *made, struct err *e);

#endif
