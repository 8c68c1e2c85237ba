#define _GNU_SOURCE
#include "lib/stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/stream/foreign.h"
#include "lib/stream/frame_parse.h"

enum { PIPE_SIZE = 1 << 20, SKIP = 1 << 16 };

struct stream {
	int fd;
	char *name;
	char *map;        /* a regular file, from its current offset's page on; NULL for a pipe */
	size_t size;      /* of the file */
	size_t begun;     /* offset of the stream's first byte: not 0 where standard input is a file read in part */
	size_t at;        /* offset of the next byte */
	size_t in_hand;   /* of a mapped file: where the data of the last frame begin */
	size_t coming;    /* bytes of the last frame that stayed on their way, */
	size_t data;      /* of so many in all */
	int64_t frames;   /* read so far */
	uint8_t first[8]; /* of the last frame: the length of its header, */
	char *head;       /* and the buffer of that */
	size_t head_size;
	size_t *index;    /* offsets of all frames of a mapped file */
	int64_t count;    /* -1: not indexed */
};

static int map_file(struct stream *s, struct err *e)
{
	struct stat st;
	off_t pos;

	if (fstat(s->fd, &st))
		return err_sys(e, s->name, "cannot stat");
	if (S_ISDIR(st.st_mode))
		return err_set(e, s->name, "is a directory");
	if (!S_ISREG(st.st_mode)) {
		(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_SIZE);
		return 0;
	}
	pos = lseek(s->fd, 0, SEEK_CUR);
	s->size = (size_t)st.st_size;
	s->at = s->begun = pos > 0 ? (size_t)pos : 0;
	if (!s->size)
		return 0;
	s->map = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return err_sys(e, s->name, "cannot map");
	}
	return 0;
}

struct stream *stream_open(const char *path, struct err *e)
{
	int std = !path || !strcmp(path, "-");
	struct stream *s = calloc(1, sizeof *s);

	if (!s || !(s->name = strdup(std ? "standard input" : path))) {
		free(s);
		err_set(e, path, "not enough memory");
		return NULL;
	}
	s->count = -1;
	s->fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		err_sys(e, s->name, "cannot open");
	else if (std && isatty(s->fd))
		err_set(e, s->name, "is a terminal: name a file, or pipe a stream in");
	else if (!map_file(s, e))
		return s;
	stream_close(s);
	return NULL;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	if (s->map)
		munmap(s->map, s->size);
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	free(s->index);
	free(s->head);
	free(s->name);
	free(s);
}

const char *stream_name(const struct stream *s)
{
	return s->name;
}

int stream_nothing(const struct stream *s)
{
	return !s->frames && s->at == s->begun;
}

int stream_mapped(const struct stream *s)
{
	return s->map != NULL;
}

/* n bytes into p; *got < n only at the end of the stream. */
static int get(struct stream *s, void *p, size_t n, size_t *got, struct err *e)
{
	*got = 0;
	if (!n)
		return 0; /* p may be NULL */
	if (s->map) {
		size_t have = s->size > s->at ? s->size - s->at : 0;

		*got = have < n ? have : n;
		memcpy(p, s->map + s->at, *got);
		s->at += *got;
		return 0;
	}
	while (*got < n) {
		ssize_t k = read(s->fd, (char *)p + *got, n - *got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, s->name, "cannot read (offset %zu)", s->at);
		if (!k)
			break;
		*got += (size_t)k;
		s->at += (size_t)k;
	}
	return 0;
}

static int truncated(struct stream *s, const char *what, size_t expected, size_t found, struct err *e)
{
	return err_set(e, s->name, "ends inside a frame's %s (offset %zu, expected %zu bytes, found %zu)", what, s->at, expected, found);
}

/* 1 and the header parsed, 0 at the end, -1. */
static int header(struct stream *s, struct frame *f, size_t **begin, size_t *data, struct err *e)
{
	uint64_t len = 0;
	size_t got, start = s->at;

	if (get(s, s->first, 8, &got, e))
		return -1;
	if (!got)
		return 0;
	if (got < 8)
		return truncated(s, "length", 8, got, e);
	for (int i = 0; i < 8; i++)
		len |= (uint64_t)s->first[i] << 8 * i;
	if (len > FRAME_HEADER_MAX)
		return err_at(e, s->name, (int64_t)start, "header length %llu (at most %llu): not a safetensors frame", (unsigned long long)len,
		              (unsigned long long)FRAME_HEADER_MAX);
	if (len > s->head_size) {
		free(s->head);
		s->head_size = 0;
		if (!(s->head = mem_new((size_t)len, 1, "a header", e)))
			return err_prefix(e, "%s", s->name);
		s->head_size = (size_t)len;
	}
	if (get(s, s->head, (size_t)len, &got, e))
		return -1;
	if (got < len)
		return truncated(s, "header", (size_t)len, got, e);
	return frame_parse(f, s->head, (size_t)len, s->name, (int64_t)start + 8, begin, data, e) ? -1 : 1;
}

/* Pages of a mapped file, as it is on the disk when they are read again. */
static void drop_pages(struct stream *s, size_t from, size_t to)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	from = from / page * page;
	to = to / page * page;
	if (to > from)
		(void)madvise(s->map + from, to - from, MADV_DONTNEED);
}

/* The last frame's, which the caller may have written to, so that a stream of many frames never lies in memory whole. */
static void drop_frame(struct stream *s)
{
	if (s->map && s->in_hand)
		drop_pages(s, s->in_hand, s->at);
	s->in_hand = 0;
}

void stream_done(struct stream *s, const void *p, size_t n)
{
	uintptr_t at = (uintptr_t)p, map = (uintptr_t)s->map;

	if (s->map && at >= map && at + n <= map + s->size)
		drop_pages(s, at - map, at - map + n);
}

int stream_flow(struct stream *s, void *p, size_t n, struct err *e)
{
	size_t got;

	if (get(s, p, n, &got, e))
		return -1;
	s->coming -= got;
	return got < n ? truncated(s, "data", s->data, s->data - s->coming, e) : 0;
}

/* What the caller left of the last frame. */
static int leave(struct stream *s, struct err *e)
{
	char buf[SKIP];

	while (s->coming)
		if (stream_flow(s, buf, s->coming < SKIP ? s->coming : SKIP, e))
			return -1;
	return 0;
}

/* t from byte `at` of a mapped file, but not through the map: its pages would stay beside the copy. */
static int copy(const struct stream *s, struct tensor *t, size_t at, struct err *e)
{
	t->data = pool_take(t->size, t->name, e);
	if (!t->data)
		return -1;
	t->owned = 1;
	for (size_t got = 0; got < t->size;) {
		ssize_t k = pread(s->fd, (char *)t->data + got, t->size - got, (off_t)(at + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? err_sys(e, s->name, "cannot read (offset %zu)", at + got) : err_at(e, s->name, (int64_t)(at + got), "became shorter");
		got += (size_t)k;
	}
	return 0;
}

static int body_mapped(struct stream *s, struct frame *f, const size_t *begin, size_t n, int align, struct err *e)
{
	size_t have = s->size - s->at, base = s->at;
	const int own = align && frame_is_patch(f);

	s->in_hand = align && !own ? base : 0;
	s->at += have < n ? have : n;
	if (have < n)
		return truncated(s, "data", n, have, e);
	for (int i = 0; i < f->n; i++) {
		struct tensor *t = &f->t[i];

		t->data = s->map + base + begin[i];
		if ((own || (align && (uintptr_t)t->data % dtype_size(t->dtype))) && copy(s, t, base + begin[i], e))
			return -1;
	}
	return 0;
}

static int take(struct stream *s, struct tensor *t, struct err *e)
{
	t->data = pool_take(t->size, t->name, e);
	if (!t->data)
		return err_prefix(e, "%s", s->name);
	t->owned = 1;
	return stream_flow(s, t->data, t->size, e);
}

/* Tensors stand in the order of their data. */
static int body_pipe(struct stream *s, struct frame *f, size_t n, const char *flow, struct err *e)
{
	s->coming = s->data = n;
	for (int i = 0; i < f->n; i++)
		if (flow && i == f->n - 1 && !strcmp(f->t[i].name, flow))
			return 0;
		else if (take(s, &f->t[i], e))
			return -1;
	return 0;
}

int stream_take(struct stream *s, struct frame *f, struct err *e)
{
	struct tensor *t = f->n ? &f->t[f->n - 1] : NULL;

	return t && !t->data && !t->later ? take(s, t, e) : 0;
}

static int skip(struct stream *s, size_t n, struct err *e)
{
	size_t have = s->size - s->at;

	if (!s->map) {
		s->coming = s->data = n;
		return leave(s, e);
	}
	s->at += have < n ? have : n;
	return have < n ? truncated(s, "data", n, have, e) : 0;
}

enum how { ALL, IN_PLACE, HEADER_ONLY };

struct filter { stream_want *want; void *arg; const char *flow; };
static const struct filter all;

/* 1 a frame, 2 one that `filter` did not want, 0 the end, -1. */
static int next(struct stream *s, struct frame *f, enum how how, const struct filter *filter, struct err *e)
{
	size_t *begin = NULL, n = 0;
	int r, drop = 0;

	memset(f, 0, sizeof *f);
	if (how != IN_PLACE)
		drop_frame(s);
	r = leave(s, e) ? -1 : header(s, f, &begin, &n, e);
	if (r < 0 && !s->frames && s->at >= s->begun + 8)
		(void)foreign_stream(s->name, s->first, s->map ? s->map + s->begun + 8 : s->head, (s->map ? s->size : s->at) - s->begun - 8, e);
	if (!r && !s->frames)
		r = err_set(e, s->name, "no frame at all: empty, or what should have written it failed");
	if (r == 1) {
		drop = filter->want && !filter->want(f, filter->arg);
		r = drop || how == HEADER_ONLY ? skip(s, n, e)
		    : s->map           ? body_mapped(s, f, begin, n, how == ALL, e)
		                       : body_pipe(s, f, n, filter->flow, e);
		r = r ? -1 : 1;
		s->frames++;
	}
	free(begin);
	if (r < 0 || drop)
		frame_free(f);
	return r == 1 && drop ? 2 : r;
}

int stream_next(struct stream *s, struct frame *f, struct err *e)
{
	return next(s, f, ALL, &all, e);
}

int stream_next_flow(struct stream *s, struct frame *f, const char *name, struct err *e)
{
	return next(s, f, ALL, &(struct filter){.flow = name}, e);
}

int stream_next_header(struct stream *s, struct frame *f, struct err *e)
{
	return next(s, f, HEADER_ONLY, &all, e);
}

int stream_next_if(struct stream *s, struct frame *f, stream_want *want, void *arg, struct err *e)
{
	struct filter filter = {want, arg, NULL};
	int r;

	while ((r = next(s, f, ALL, &filter, e)) == 2)
		;
	return r;
}

int64_t stream_count(struct stream *s, struct err *e)
{
	size_t keep = s->at;
	int64_t n = 0, read = s->frames;
	struct frame f;
	int r;

	if (s->count >= 0)
		return s->count;
	if (!s->map)
		return err_set(e, s->name, "is not a file with frames in it");
	(void)madvise(s->map, s->size, MADV_RANDOM);
	s->at = s->begun;
	s->frames = 0;
	for (size_t at = s->at; (r = stream_next_header(s, &f, e)) == 1; at = s->at, n++) {
		frame_free(&f);
		if (mem_more(&s->index, (size_t)n, sizeof *s->index, "an index", e))
			return err_prefix(e, "%s", s->name);
		s->index[n] = at;
	}
	s->at = keep;
	s->frames = read;
	return r < 0 ? -1 : (s->count = n);
}

int stream_at(struct stream *s, int64_t i, struct frame *f, struct err *e)
{
	size_t keep = s->at;
	int64_t n = stream_count(s, e);
	int r;

	if (i < 0 || i >= n)
		return n < 0 ? -1 : err_set(e, s->name, "no frame %lld (there are %lld)", (long long)i, (long long)n);
	s->at = s->index[i];
	r = next(s, f, IN_PLACE, &all, e);
	s->at = keep;
	return r == 1 ? 0 : -1;
}
