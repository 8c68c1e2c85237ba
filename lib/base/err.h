/* Errors: what went wrong, as one line a person can act on.
   Library functions fill a struct err and return -1 (or NULL); only tools print it and exit. */
#ifndef NIIPIPE_ERR_H
#define NIIPIPE_ERR_H

#include <stddef.h>
#include <stdint.h>

#define ERR_MAX 1024

#ifdef __cplusplus /* nvcc reads kernels/backend.h */
#define _Noreturn [[noreturn]]
#endif

struct err {
	char text[ERR_MAX]; /* "file: what is wrong (offset, expected, found)", lower case, no newline */
};

#define ERR_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Fill e with "file: message"; file NULL leaves the prefix out. Control bytes in the text become '?'.
   Always returns -1, so that `return err_set(...)` reads as what it is. */
int err_set(struct err *e, const char *file, const char *fmt, ...) ERR_PRINTF(3, 4);

/* As err_set, closing with " (offset N)": where in the file, counted from its first byte. */
int err_at(struct err *e, const char *file, int64_t offset, const char *fmt, ...) ERR_PRINTF(4, 5);

/* As err_set, closing with ": " and what errno says. */
int err_sys(struct err *e, const char *file, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Put "prefix: " in front of a text already set. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* For tools. The name that messages begin with; arg_parse sets it. Borrowed. */
void err_tool(const char *name);
const char *err_tool_name(void);

/* For tools. Print "tool: text" on standard error; err_die also ends the process: 1 failed, 2 misuse. */
void err_warn(const char *fmt, ...) ERR_PRINTF(1, 2);
_Noreturn void err_die(const struct err *e);
_Noreturn void err_usage(const char *fmt, ...) ERR_PRINTF(1, 2);

#endif
