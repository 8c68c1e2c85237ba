#define _GNU_SOURCE
#include "lib/base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/mem.h"

enum { BUF = 1 << 16, OPEN_MOST = 16, PIPE_SIZE = 1 << 20, SYNC_EVERY = 4 << 20, LARGE = 4 << 20 };

/* Unfinished files, for the signal handler and atexit: one slot each. */
static char *volatile pending[OPEN_MOST];
static pid_t owner;

static void forget(const char *tmp)
{
	for (int i = 0; i < OPEN_MOST; i++)
		if (pending[i] == tmp)
			pending[i] = NULL;
}

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	for (int i = 0; i < OPEN_MOST; i++)
		if (pending[i])
			unlink(pending[i]);
}

static void on_signal(int sig)
{
	remove_all();
	signal(sig, SIG_DFL);
	raise(sig);
}

static int guard(char *tmp, struct err *e)
{
	static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	int slot = 0;

	if (!owner) {
		owner = getpid();
		atexit(remove_all);
		for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
			struct sigaction old;

			/* A tool that handles the signal itself (seg-train) installed its handler before. */
			if (!sigaction(sigs[i], NULL, &old) && old.sa_handler == SIG_DFL)
				signal(sigs[i], on_signal);
		}
	}
	while (slot < OPEN_MOST && pending[slot])
		slot++;
	if (slot == OPEN_MOST)
		return err_set(e, NULL, "more than %d output files at once", OPEN_MOST);
	pending[slot] = tmp;
	return 0;
}

static char *beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path + 1) : 0;
	char *tmp;

	if (asprintf(&tmp, "%.*s.%.200s.%ld.tmp", dir, path, path + dir, (long)getpid()) < 0)
		return NULL;
	return tmp;
}

static int open_stdout(struct out *o, int binary, struct err *e)
{
	o->name = "standard output";
	o->fd = STDOUT_FILENO;
	if (binary && isatty(o->fd))
		return err_set(e, NULL, "standard output is a terminal: redirect it, or use -o FILE");
	(void)fcntl(o->fd, F_SETPIPE_SZ, PIPE_SIZE);
	return 0;
}

static int open_file(struct out *o, const char *path, struct err *e)
{
	struct stat st;
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC;

	o->name = path;
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		if (S_ISDIR(st.st_mode))
			return err_set(e, path, "is a directory");
		o->fd = open(path, O_WRONLY | O_CLOEXEC);
		return o->fd < 0 ? err_sys(e, path, "cannot open for writing") : 0;
	}
	o->path = strdup(path);
	o->tmp = beside(path);
	if (!o->path || !o->tmp)
		return err_set(e, path, "not enough memory");
	if (guard(o->tmp, e)) /* before it is there: a signal may come at any time */
		return -1;
	o->fd = open(o->tmp, flags | O_TRUNC, 0666);
	return o->fd < 0 ? err_sys(e, path, "cannot write beside it") : 0;
}

int out_open(struct out *o, const char *path, int binary, struct err *e)
{
	memset(o, 0, sizeof *o);
	o->fd = o->gives = -1;
	signal(SIGXFSZ, SIG_IGN); /* past ulimit -f: an error of write, as a full disk */
	if (!path || !strcmp(path, "-") ? open_stdout(o, binary, e) : open_file(o, path, e)) {
		out_abort(o);
		return -1;
	}
	o->buf = malloc(BUF);
	if (!o->buf) {
		out_abort(o);
		return err_set(e, o->name, "not enough memory");
	}
	return 0;
}

/* The disk works while the next bytes are made: little is left for fsync to wait for. */
static void begin_sync(struct out *o)
{
	if (!o->tmp || o->written - o->on_way < SYNC_EVERY)
		return;
#ifdef SYNC_FILE_RANGE_WRITE
	(void)sync_file_range(o->fd, o->on_way, o->written - o->on_way, SYNC_FILE_RANGE_WRITE);
#endif
	o->on_way = o->written;
}

static int put(struct out *o, const char *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = write(o->fd, p, n < SYNC_EVERY ? n : SYNC_EVERY);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, o->name, "cannot write (offset %lld)", (long long)o->written);
		p += k;
		n -= (size_t)k;
		o->written += k;
		begin_sync(o);
	}
	return 0;
}

static int flush(struct out *o, struct err *e)
{
	size_t n = o->used;

	o->used = 0;
	return put(o, o->buf, n, e);
}

int out_write(struct out *o, const void *p, size_t n, struct err *e)
{
	if (!n)
		return 0;
	if (n > BUF - o->used && flush(o, e))
		return -1;
	if (n >= BUF)
		return put(o, p, n, e);
	memcpy(o->buf + o->used, p, n);
	o->used += n;
	return 0;
}

static int gives(struct out *o)
{
	struct stat st;

	if (o->gives < 0)
		o->gives = !fstat(o->fd, &st) && S_ISFIFO(st.st_mode) && mem_large_pages();
	return o->gives;
}

/* How many bytes of these whole pages the pipe takes; what is left is to be written, which then says what is wrong. */
static size_t pass_pages(struct out *o, char *p, size_t n)
{
	size_t at = 0;

#ifdef SPLICE_F_MOVE
	while (at < n) {
		struct iovec v = {p + at, n - at};
		ssize_t k = vmsplice(o->fd, &v, 1, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		at += (size_t)k;
	}
#endif
	o->written += (int64_t)at;
	return at;
}

int out_give(struct out *o, void *p, size_t n, struct err *e)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (page - (uintptr_t)p % page) % page;
	char *from = (char *)p + first;
	size_t whole, given;
	int r;

	if (n < LARGE || !gives(o))
		return out_write(o, p, n, e);
	if (out_write(o, p, first, e) || flush(o, e))
		return -1;
	whole = (n - first) / page * page;
	given = pass_pages(o, from, whole);
	r = out_write(o, from + given, n - first - given, e);
	if (given && mem_forget(from, whole))
		return err_sys(e, o->name, "cannot let go of memory");
	return r;
}

static int print(struct out *o, int clean, const char *fmt, va_list ap, struct err *e)
{
	char *s;
	int n = vasprintf(&s, fmt, ap), r;

	if (n < 0)
		return err_set(e, o->name, "not enough memory");
	for (char *p = s; clean && *p; p++)
		if (((unsigned char)*p < ' ' || *p == 127) && (*p != '\n' || p[1]))
			*p = '?';
	r = out_write(o, s, (size_t)n, e);
	free(s);
	return r;
}

int out_printf(struct out *o, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = print(o, 0, fmt, ap, e);
	va_end(ap);
	return r;
}

int out_text(struct out *o, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = print(o, 1, fmt, ap, e);
	va_end(ap);
	return r;
}

static int finish(struct out *o, struct err *e)
{
	int fd = o->fd;

	if (flush(o, e))
		return -1;
	if (o->tmp && fsync(fd))
		return err_sys(e, o->name, "cannot sync");
	o->fd = -1;
	if (close(fd))
		return err_sys(e, o->name, "cannot close");
	if (!o->tmp)
		return 0;
	if (rename(o->tmp, o->path))
		return err_sys(e, o->name, "cannot rename into place");
	forget(o->tmp);
	free(o->tmp);
	o->tmp = NULL;
	return 0;
}

int out_close(struct out *o, struct err *e)
{
	int r = finish(o, e);

	out_abort(o);
	return r;
}

void out_abort(struct out *o)
{
	struct err ignored;

	if (!o->tmp && o->used)
		(void)flush(o, &ignored);
	if (o->fd > STDERR_FILENO)
		close(o->fd);
	if (o->tmp) {
		unlink(o->tmp);
		forget(o->tmp);
	}
	free(o->tmp);
	free(o->path);
	free(o->buf);
	o->tmp = o->path = o->buf = NULL;
	o->used = 0;
	o->fd = -1;
}
