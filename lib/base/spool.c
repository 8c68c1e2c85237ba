#define _GNU_SOURCE
#include "lib/base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/mem.h"

enum { PIECE = 4 << 20 };

/* For file systems that know no files without a name: one that loses it at once. */
static int open_named(const char *dir)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/.niipipe.%ld.tmp", dir, (long)getpid()) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

int spool_open(struct spool *s, struct err *e)
{
	const char *dir = getenv("TMPDIR");

	s->dir = dir && *dir ? dir : "/tmp";
	s->fd = open(s->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (s->fd < 0 && errno != ENOENT)
		s->fd = open_named(s->dir);
	return s->fd < 0 ? err_sys(e, s->dir, "cannot make a temporary file") : 0;
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

int spool_put(const struct spool *s, int64_t at, const void *p, size_t n, struct err *e)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pwrite(s->fd, (const char *)p + done, n - done, (off_t)at + (off_t)done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, s->dir, "cannot write a temporary file (offset %lld)", (long long)at + (long long)done);
		done += (size_t)k;
	}
	return 0;
}

static int get(const struct spool *s, int64_t at, char *p, size_t n, struct err *e)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(s->fd, p + done, n - done, (off_t)at + (off_t)done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? err_sys(e, s->dir, "cannot read a temporary file") : err_set(e, s->dir, "a temporary file became shorter");
		done += (size_t)k;
	}
	return 0;
}

int spool_out(const struct spool *s, int64_t at, size_t n, struct out *o, struct err *e)
{
	char *piece = mem_new(PIECE, 1, "a temporary file", e);
	int bad = !piece;

	for (size_t k; n && !bad; n -= k, at += (int64_t)k) {
		k = n < PIECE ? n : PIECE;
		bad = get(s, at, piece, k, e) || out_write(o, piece, k, e);
	}
	free(piece);
	return bad ? -1 : 0;
}

void *spool_map(const struct spool *s, size_t n, struct err *e)
{
	void *p = MAP_FAILED;

	errno = posix_fallocate(s->fd, 0, (off_t)n);
	if (!errno)
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p != MAP_FAILED)
		return p;
	err_sys(e, s->dir, "cannot have a temporary file of %zu MB", n >> 20);
	return NULL;
}

void spool_unmap(void *p, size_t n)
{
	munmap(p, n);
}

void spool_rest(void *p, size_t n)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), lo = (uintptr_t)p & ~(page - 1), hi = ((uintptr_t)p + n + page - 1) & ~(page - 1);

	madvise((void *)lo, hi - lo, MADV_DONTNEED);
}

void spool_zero(const struct spool *s, int64_t at, void *p, size_t n)
{
	if (fallocate(s->fd, FALLOC_FL_ZERO_RANGE, (off_t)at, (off_t)n)) /* not every file system can */
		memset(p, 0, n);
}
