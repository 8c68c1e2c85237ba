/* Options of preprocessing steps as JSON objects: read strictly, since a replayed step that is half understood is another step. */
#ifndef NIIPIPE_OPTION_H
#define NIIPIPE_OPTION_H

#include <jansson.h>

#include "lib/base/err.h"

enum option_kind { OPTION_END, OPTION_BOOL, OPTION_REALS, OPTION_INTS, OPTION_WORD, OPTION_TEXT, OPTION_LIST };

struct option {
	const char *key;
	enum option_kind kind;
	void *to;          /* int * (OPTION_BOOL 0 or 1, OPTION_WORD index), double *, int64_t *, char * (OPTION_TEXT) */
	int count;         /* OPTION_REALS, OPTION_INTS: how many; 1 is a bare number, more an array; OPTION_TEXT: bytes there are;
	                      OPTION_LIST: reals at most, an array of 1 or more */
	const char *words; /* OPTION_WORD: "linear|nearest" */
	int *given;        /* if set: becomes 1 where the key is there, else 0, and the key may be missing; OPTION_LIST: how many there are */
};

/* Fill from an object that has every key of the table (those with `given` may be missing) and no other. 0, or -1 and an error that names the key. */
int option_parse(const json_t *o, const struct option *table, struct err *e);

/* Word i of "a|b|c". Caller json_decref()s. NULL: there are not so many. */
json_t *option_word(const char *words, int i);

/* The object of a table, keys in its order; keys with *given 0 are left out. Caller json_decref()s. */
json_t *option_json(const struct option *table);

#endif
