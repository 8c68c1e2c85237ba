#include "lib/volume/nifti/deflate.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/mem.h"

enum { ROOM = DEFLATE_PIECE + DEFLATE_PIECE / 8 + 4096, ZLIB_FROM = 4, RAW_WINDOW = -15, WORKERS = 64 };

/* What one thread compresses with. */
struct worker {
	struct isal_zstream isal;
	z_stream z;
	int z_open;
	uint8_t *level_buf, *out;
	size_t level_size, n, room; /* n: bytes of out that are a piece */
	uint32_t crc;
	int failed;
};

struct deflate {
	struct out *o;
	int level, begun, workers;
	uint8_t *pending;  /* less than a piece */
	size_t used;
	uint32_t crc, length;
	struct worker *w[WORKERS];
};

static const char what[] = "compression";

static size_t level_size(int level)
{
	static const size_t size[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

	return level < ZLIB_FROM ? size[level] : 0;
}

static void worker_free(struct worker *w)
{
	if (!w)
		return;
	if (w->z_open)
		deflateEnd(&w->z);
	free(w->level_buf);
	free(w->out);
	free(w);
}

static struct worker *worker_new(int level, struct err *e)
{
	struct worker *w = mem_zero(1, sizeof *w, what, e);

	if (!w)
		return NULL;
	w->level_size = level_size(level);
	w->room = ROOM;
	w->out = mem_new(ROOM, 1, what, e);
	w->level_buf = mem_new(w->level_size, 1, what, e);
	if (level >= ZLIB_FROM)
		w->z_open = deflateInit2(&w->z, level, Z_DEFLATED, RAW_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (w->out && w->level_buf && (level < ZLIB_FROM || w->z_open))
		return w;
	worker_free(w);
	err_set(e, NULL, "not enough memory for %s", what);
	return NULL;
}

struct deflate *deflate_open(struct out *o, int level, struct err *e)
{
	struct deflate *d = mem_zero(1, sizeof *d, what, e);

	if (!d)
		return NULL;
	d->o = o;
	d->level = level;
	if (level == DEFLATE_NONE)
		return d;
	d->pending = mem_new(DEFLATE_PIECE, 1, what, e);
	d->w[0] = worker_new(level, e);
	d->workers = 1;
	if (d->pending && d->w[0])
		return d;
	deflate_close(d);
	return NULL;
}

static int grow(struct worker *w)
{
	uint8_t *p = realloc(w->out, w->room * 2);

	if (!p)
		return -1;
	w->out = p;
	w->room *= 2;
	return 0;
}

/* Everything zeroed: nothing of an earlier piece, or of another process's memory, may tell in the bytes. */
static int with_isal(struct worker *w, int level, const uint8_t *p, size_t n, int end)
{
	struct isal_zstream *s = &w->isal;

	memset(s, 0, sizeof *s);
	memset(w->level_buf, 0, w->level_size);
	isal_deflate_init(s);
	s->level = (uint32_t)level;
	s->level_buf = w->level_size ? w->level_buf : NULL;
	s->level_buf_size = (uint32_t)w->level_size;
	s->end_of_stream = (uint16_t)end;
	s->flush = end ? NO_FLUSH : SYNC_FLUSH;
	s->next_in = (uint8_t *)p;
	s->avail_in = (uint32_t)n;
	for (;;) {
		s->next_out = w->out + w->n;
		s->avail_out = (uint32_t)(w->room - w->n);
		if (isal_deflate(s) != COMP_OK)
			return -1;
		w->n = w->room - s->avail_out;
		if (s->avail_out && !s->avail_in && (!end || s->internal_state.state == ZSTATE_END))
			return 0;
		if (!s->avail_out && grow(w))
			return -1;
	}
}

static int with_zlib(struct worker *w, const uint8_t *p, size_t n, int end)
{
	int r;

	if (deflateReset(&w->z) != Z_OK)
		return -1;
	w->z.next_in = (uint8_t *)p;
	w->z.avail_in = (uInt)n;
	for (;;) {
		w->z.next_out = w->out + w->n;
		w->z.avail_out = (uInt)(w->room - w->n);
		r = deflate(&w->z, end ? Z_FINISH : Z_SYNC_FLUSH);
		w->n = w->room - w->z.avail_out;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return -1;
		if (end ? r == Z_STREAM_END : w->z.avail_out > 0)
			return 0;
		if (!w->z.avail_out && grow(w))
			return -1;
	}
}

static void compress_piece(struct worker *w, int level, const uint8_t *p, size_t n, int end)
{
	w->n = 0;
	w->crc = crc32_gzip_refl(0, p, n);
	w->failed = level < ZLIB_FROM ? with_isal(w, level, p, n, end) : with_zlib(w, p, n, end);
}

/* In order: the pieces' bytes, and their CRCs. */
static int put(struct deflate *d, const struct worker *w, size_t n, struct err *e)
{
	static const uint8_t header[10] = {0x1f, 0x8b, 8, [9] = 255}; /* RFC 1952: deflate, no time, no name, unknown system */

	if (w->failed)
		return err_set(e, d->o->name, "cannot compress");
	if (!d->begun && out_write(d->o, header, sizeof header, e))
		return -1;
	d->begun = 1;
	d->crc = (uint32_t)crc32_combine(d->crc, w->crc, (z_off_t)n);
	d->length += (uint32_t)n;
	return out_write(d->o, w->out, w->n, e);
}

static int one(struct deflate *d, const uint8_t *p, size_t n, int end, struct err *e)
{
	compress_piece(d->w[0], d->level, p, n, end);
	return put(d, d->w[0], n, e);
}

static int team(struct deflate *d, int64_t pieces, struct err *e)
{
	int64_t want = omp_get_max_threads();

	want = want < WORKERS ? want : WORKERS;
	want = want < pieces ? want : pieces;
	for (; d->workers < want; d->workers++)
		if (!(d->w[d->workers] = worker_new(d->level, e)))
			return -1;
	return (int)want;
}

/* Whole pieces at p. A thread's piece is written as soon as those before it are. */
static int many(struct deflate *d, const uint8_t *p, int64_t pieces, struct err *e)
{
	int n = team(d, pieces, e), failed = 0;

	if (n < 0)
		return -1;
#pragma omp parallel for ordered schedule(dynamic, 1) num_threads(n) if (n > 1)
	for (int64_t i = 0; i < pieces; i++) {
		struct worker *w = d->w[omp_get_thread_num()];
		int stop;

#pragma omp atomic read
		stop = failed;
		if (!stop)
			compress_piece(w, d->level, p + i * DEFLATE_PIECE, DEFLATE_PIECE, 0);
#pragma omp ordered
		if (!failed && put(d, w, DEFLATE_PIECE, e)) {
#pragma omp atomic write
			failed = 1;
		}
	}
	return failed ? -1 : 0;
}

int deflate_write(struct deflate *d, const void *from, size_t n, struct err *e)
{
	const uint8_t *p = from;

	if (d->level == DEFLATE_NONE)
		return out_write(d->o, p, n, e);
	if (d->used) {
		size_t k = n < DEFLATE_PIECE - d->used ? n : DEFLATE_PIECE - d->used;

		memcpy(d->pending + d->used, p, k);
		d->used += k;
		p += k;
		n -= k;
		if (d->used < DEFLATE_PIECE)
			return 0;
		d->used = 0;
		if (one(d, d->pending, DEFLATE_PIECE, 0, e))
			return -1;
	}
	if (n >= DEFLATE_PIECE && many(d, p, (int64_t)(n / DEFLATE_PIECE), e))
		return -1;
	d->used = n % DEFLATE_PIECE;
	if (d->used)
		memcpy(d->pending, p + n - d->used, d->used);
	return 0;
}

int deflate_finish(struct deflate *d, struct err *e)
{
	uint8_t end[8];

	if (d->level == DEFLATE_NONE)
		return 0;
	if (one(d, d->pending, d->used, 1, e))
		return -1;
	d->used = 0;
	for (int i = 0; i < 4; i++) {
		end[i] = (uint8_t)(d->crc >> 8 * i);
		end[4 + i] = (uint8_t)(d->length >> 8 * i);
	}
	return out_write(d->o, end, sizeof end, e);
}

void deflate_close(struct deflate *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->workers; i++)
		worker_free(d->w[i]);
	free(d->pending);
	free(d);
}
