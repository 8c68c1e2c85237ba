/* The machine that a pickle's operations work on: a stack with marks, a memo, values. Private to pickle*.c. Functions that can fail return -1 (NULL)
   and an error with the operation's place. */
#ifndef NIIPIPE_PICKLE_MACHINE_H
#define NIIPIPE_PICKLE_MACHINE_H

#include "lib/net/import/pickle.h"

enum { PICKLE_LINE = 256 };

struct pickle_ints { int *v; int n; };

struct pickle_machine {
	struct pickle *p;
	const uint8_t *b;
	size_t n, at, op; /* bytes, the next one, where the current operation stands */
	struct pickle_ints stack, mark, memo; /* mark: heights of the stack */
	int remembered;   /* memos that are set */
	const char *file;
	int64_t offset;
	struct err *e;
};

#define PICKLE_BAD(m, ...) err_at((m)->e, (m)->file, (m)->offset + (int64_t)(m)->op, __VA_ARGS__)

int pickle_add_int(struct pickle_machine *m, struct pickle_ints *a, int value);

/* Bytes: the next k; the next few as a number, little endian; a line without its newline. */
const uint8_t *pickle_take(struct pickle_machine *m, uint64_t k);
int pickle_number(struct pickle_machine *m, int bytes, uint64_t *v);
int pickle_line(struct pickle_machine *m, const char **s, int *len);

/* The stack: push a value, a copy of v as a new one; move n from the top into container v; are there n above the last mark; the value that lies
   `below` from the top (unchecked); how many lie above the last mark, which goes, below it `under` more. */
int pickle_push(struct pickle_machine *m, int v);
int pickle_push_new(struct pickle_machine *m, struct pickle_value v);
int pickle_move(struct pickle_machine *m, int v, int n);
int pickle_floor(const struct pickle_machine *m);
int pickle_need(struct pickle_machine *m, int n);
int pickle_top(const struct pickle_machine *m, int below);
int pickle_since_mark(struct pickle_machine *m, int under);

#endif
