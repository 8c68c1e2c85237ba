/* Output: standard output, or a file that appears whole or not at all.
   A named file is written beside its place as .NAME.PID.tmp, synced (which begins while it is written) and renamed by out_close; out_abort, exit(),
   SIGINT, SIGTERM and SIGHUP remove what was begun. A name that exists and is no regular file (/dev/null, a fifo) is written in place. */
#ifndef NIIPIPE_OUTFILE_H
#define NIIPIPE_OUTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct out {
	int fd;
	int64_t written;  /* bytes handed over so far */
	int64_t on_way;   /* so many of them are on their way to the disk */
	const char *name; /* for messages: the path or "standard output"; borrowed */
	char *path, *tmp; /* NULL for standard output or a name written in place */
	char *buf;        /* small writes are gathered here */
	size_t used;
	int gives;        /* a pipe that takes pages, not copies of them: 0 no, 1 yes, -1 not known yet */
};

/* path NULL or "-": standard output, which must not be a terminal (binary: 1) and is given the largest pipe buffer.
   0, or -1 and an error. */
int out_open(struct out *o, const char *path, int binary, struct err *e);

/* Hand over n bytes. 0, or -1 and an error (disk full, ...). */
int out_write(struct out *o, const void *p, size_t n, struct err *e);

/* The same for part of a block from mem_new that is not read again: its values are lost. What is large goes into a pipe uncopied: the pipe holds
   the pages themselves, and this process has let go of them (mem_forget) before the memory can be written to again. */
int out_give(struct out *o, void *p, size_t n, struct err *e);

int out_printf(struct out *o, struct err *e, const char *fmt, ...) ERR_PRINTF(3, 4);

/* As out_printf, for what comes out of files and must not play tricks with a terminal: control bytes, but a newline at the end, become '?'. */
int out_text(struct out *o, struct err *e, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Flush, sync, rename, close: the exit status of a tool hangs on this. 0, or -1, an error, and nothing left behind. */
int out_close(struct out *o, struct err *e);

/* Give up: close and remove what was begun; what goes to standard output, or is written in place, is handed over as far as it was made. Safe after
   out_close and on a zeroed struct. */
void out_abort(struct out *o);

#endif
