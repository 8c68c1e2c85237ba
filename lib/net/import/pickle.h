/* Python pickles as torch.save and torch.jit.save write them (protocols 1 to 5; 0 cannot hold tensors), read without running anything: what comes
   out is a tree of containers, numbers, texts and tensors yet without data. What a pickle may name is a short list (pickle_make.c); a pickle that
   asks for anything else is refused by that name. No recursion; numbers of values, of stacked and of remembered ones are limited.
   Source: Python's pickletools.py. */
#ifndef NIIPIPE_PICKLE_H
#define NIIPIPE_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { PICKLE_MOST = 1 << 22 }; /* values, stack, memo */

enum pickle_kind {
	PICKLE_NONE, PICKLE_BOOL, PICKLE_INT, PICKLE_REAL, PICKLE_TEXT, /* bytes too */
	PICKLE_TUPLE, PICKLE_LIST, PICKLE_DICT,
	PICKLE_MODULE,  /* torch.jit.save's: its attributes, as a dict's items */
	PICKLE_NAME,    /* one of the list: a type, not called */
	PICKLE_STORAGE, /* items: "storage", its type, key, location, number of elements, ... */
	PICKLE_TENSOR,  /* items: storage, offset, size, stride, ... */
	PICKLE_OPAQUE   /* harmless and of no interest: sets, numpy's numbers and arrays, devices, integers of more than 64 bits */
};

struct pickle_name;

struct pickle_value {
	enum pickle_kind kind;
	int n;                 /* items, bytes of a text */
	int owned;             /* item; 0: it belongs to another value */
	union {
		int64_t i;     /* bool, int */
		double d;
		const char *s; /* text: in the pickle's own bytes, without a 0 at its end */
		int *item;     /* indices of values; of a dict or module key, value, key, value */
		const struct pickle_name *name;
	};
};

struct pickle {
	struct pickle_value *v;
	int n;
	int root;    /* the value the pickle is */
	size_t used; /* bytes read: another pickle may follow */
};

/* Read one pickle from n bytes, which must outlive p; file and offset (of the first byte there) are for messages. 0, or -1 and an error; freed with
   pickle_free either way. */
int pickle_load(struct pickle *p, const void *bytes, size_t n, const char *file, int64_t offset, struct err *e);
void pickle_free(struct pickle *p); /* safe on a zeroed one */

/* Looking around; v is the index of a value. pickle_get: the value of a text key in a dict or module, the last if there are more, -1 where v is
   neither or has none. pickle_item: item i, -1 where v has none. pickle_type: the last part of a name, "FloatStorage", NULL where v is no name. */
int pickle_get(const struct pickle *p, int v, const char *key);
int pickle_item(const struct pickle *p, int v, int i);
int pickle_is(const struct pickle *p, int v, enum pickle_kind kind);
int pickle_is_text(const struct pickle *p, int v, const char *text);
const char *pickle_type(const struct pickle *p, int v);

#endif
