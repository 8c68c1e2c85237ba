#define _GNU_SOURCE
#include "lib/volume/nifti/inflate.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/mem.h"

enum { IN = 256 << 10, SKIP = 64 << 10, PIECE = 1 << 30, PIPE_SIZE = 1 << 20 };

enum where { PLAIN, MEMBER, BETWEEN, PADDING, END };

struct inflate {
	int fd;              /* -1: memory */
	const char *name;
	uint8_t *own;        /* input buffer; NULL for memory */
	const uint8_t *in;   /* bytes not used yet */
	size_t have;
	int64_t taken;       /* bytes taken from the file so far */
	int eof, gzip, zlib; /* gzip: compressed at all */
	enum where where;
	struct inflate_state z;
};

static int fill(struct inflate *z, struct err *e)
{
	ssize_t k;

	if (z->eof || z->have)
		return 0;
	while ((k = read(z->fd, z->own, IN)) < 0 && errno == EINTR)
		;
	if (k < 0)
		return err_sys(e, z->name, "cannot read (offset %lld)", (long long)z->taken);
	z->in = z->own;
	z->have = (size_t)k;
	z->taken += k;
	z->eof = !k;
	return 0;
}

/* A pipe may give one byte at a time. */
static int fill_two(struct inflate *z, struct err *e)
{
	while (!z->eof && z->have < 2) {
		ssize_t k = read(z->fd, z->own + z->have, IN - z->have);

		if (k < 0 && errno != EINTR)
			return err_sys(e, z->name, "cannot read (offset %lld)", (long long)z->taken);
		if (k < 0)
			continue;
		z->have += (size_t)k;
		z->taken += k;
		z->eof = !k;
	}
	return 0;
}

static void begin_member(struct inflate *z)
{
	isal_inflate_init(&z->z);
	z->z.crc_flag = z->zlib ? ISAL_ZLIB : ISAL_GZIP;
	z->where = MEMBER;
}

static struct inflate *begin(struct inflate *z)
{
	z->gzip = z->have >= 2 && z->in[0] == 0x1f && z->in[1] == 0x8b;
	if (z->gzip)
		begin_member(z);
	return z;
}

static struct inflate *make(int fd, const char *name, struct err *e)
{
	struct inflate *z = mem_zero(1, sizeof *z, name, e);

	if (z) {
		z->fd = fd;
		z->name = name;
	}
	return z;
}

struct inflate *inflate_open(int fd, const char *name, struct err *e)
{
	struct inflate *z = make(fd, name, e);

	if (!z)
		return NULL;
	z->own = mem_new(IN, 1, name, e);
	if (!z->own || fill_two(z, e)) {
		inflate_close(z);
		return NULL;
	}
	z->in = z->own;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	return begin(z);
}

struct inflate *inflate_open_mem(const void *data, size_t n, const char *name, struct err *e)
{
	struct inflate *z = make(-1, name, e);

	if (!z)
		return NULL;
	z->in = data;
	z->have = n;
	z->taken = (int64_t)n;
	z->eof = 1;
	return begin(z);
}

void inflate_close(struct inflate *z)
{
	if (!z)
		return;
	free(z->own);
	free(z);
}

void inflate_plain(struct inflate *z)
{
	z->gzip = 0;
	z->where = PLAIN;
}

void inflate_gunzip(struct inflate *z)
{
	z->gzip = 1;
	begin_member(z);
}

int inflate_zlib(struct inflate *z, struct err *e)
{
	if (fill(z, e))
		return -1;
	z->zlib = !z->have || *z->in != 0x1f;
	inflate_gunzip(z);
	return 0;
}

int inflate_is_gzip(const struct inflate *z)
{
	return z->gzip;
}

int64_t inflate_offset(const struct inflate *z)
{
	return z->taken - (int64_t)z->have;
}

static int bad(const struct inflate *z, int code, struct err *e)
{
	static const struct { int code; const char *what; } table[] = {
		{ISAL_INVALID_BLOCK, "no such block type"},
		{ISAL_INVALID_SYMBOL, "no such code"},
		{ISAL_INVALID_LOOKBACK, "refers to bytes before its beginning"},
		{ISAL_INVALID_WRAPPER, "malformed member header"},
		{ISAL_UNSUPPORTED_METHOD, "a method that is not deflate"},
		{ISAL_INCORRECT_CHECKSUM, "CRC or length is not what the member's end says"},
		{ISAL_NEED_DICT, "needs a dictionary"},
	};
	const char *kind = z->zlib ? "zlib" : "gzip";

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].code == code)
			return err_at(e, z->name, inflate_offset(z), "corrupt %s: %s", kind,
			              z->zlib && code == ISAL_INCORRECT_CHECKSUM ? "Adler-32 is not what its end says" : table[i].what);
	return err_at(e, z->name, inflate_offset(z), "corrupt %s", kind);
}

/* After a member: another one, zeroes to the end, or the end. */
static int between(struct inflate *z, struct err *e)
{
	while (z->where == BETWEEN || z->where == PADDING) {
		if (fill(z, e))
			return -1;
		if (!z->have)
			z->where = END;
		else if (z->zlib)
			return err_at(e, z->name, inflate_offset(z), "bytes after the end of the zlib data");
		else if (z->where == BETWEEN && *z->in == 0x1f)
			begin_member(z);
		else if (*z->in)
			return err_at(e, z->name, inflate_offset(z), "bytes after the end of the gzip data (expected the end or zeroes, found 0x%02x)", *z->in);
		else {
			z->where = PADDING;
			z->in++;
			z->have--;
		}
	}
	return 0;
}

/* Up to n bytes out of the member; 0 is no end. */
static int64_t member(struct inflate *z, uint8_t *p, size_t n, struct err *e)
{
	struct inflate_state *s = &z->z;
	uint32_t out = n < PIECE ? (uint32_t)n : PIECE, in;
	int r;

	if (fill(z, e))
		return -1;
	in = z->have < PIECE ? (uint32_t)z->have : PIECE;
	s->next_out = p;
	s->avail_out = out;
	s->next_in = (uint8_t *)z->in;
	s->avail_in = in;
	r = isal_inflate(s);
	z->in += in - s->avail_in;
	z->have -= in - s->avail_in;
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT && r != ISAL_OUT_OVERFLOW)
		return bad(z, r, e);
	if (s->block_state == ISAL_BLOCK_FINISH)
		z->where = BETWEEN;
	else if (z->eof && !z->have && s->avail_out)
		return err_at(e, z->name, inflate_offset(z), "ends inside the %s data: truncated", z->zlib ? "zlib" : "gzip");
	return out - s->avail_out;
}

static int64_t plain(struct inflate *z, uint8_t *p, size_t n, struct err *e)
{
	ssize_t k;

	if (z->have) {
		k = (ssize_t)(z->have < n ? z->have : n);
		for (ssize_t i = 0; i < k; i++)
			p[i] = z->in[i];
		z->in += k;
		z->have -= (size_t)k;
		return k;
	}
	if (!z->eof) {
		while ((k = read(z->fd, p, n < PIECE ? n : PIECE)) < 0 && errno == EINTR)
			;
		if (k < 0)
			return err_sys(e, z->name, "cannot read (offset %lld)", (long long)z->taken);
		z->taken += k;
		z->eof = !k;
		if (k)
			return k;
	}
	z->where = END;
	return 0;
}

int64_t inflate_read(struct inflate *z, void *p, size_t n, struct err *e)
{
	size_t got = 0;

	while (got < n) {
		int64_t k;

		if (between(z, e))
			return -1;
		if (z->where == END)
			break;
		k = z->gzip ? member(z, (uint8_t *)p + got, n - got, e) : plain(z, (uint8_t *)p + got, n - got, e);
		if (k < 0)
			return -1;
		got += (size_t)k;
	}
	return (int64_t)got;
}

int64_t inflate_skip(struct inflate *z, int64_t n, struct err *e)
{
	uint8_t *buf = mem_new(SKIP, 1, z->name, e);
	int64_t got = 0, k = buf ? 1 : -1;

	while (k > 0 && got < n) {
		k = inflate_read(z, buf, (size_t)(n - got < SKIP ? n - got : SKIP), e);
		if (k > 0)
			got += k;
	}
	free(buf);
	return k < 0 ? -1 : got;
}
