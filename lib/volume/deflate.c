#include "lib/volume/deflate.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/base/mem.h"

enum { OUT = 256 << 10, PIECE = 1 << 30, ZLIB_FROM = 4, GZIP_WINDOW = 15 + 16 };

struct deflate {
	struct out *o;
	int level;
	uint8_t *buf, *level_buf;
	struct isal_zstream isal;
	z_stream z;
	int z_open;
};

static int begin_isal(struct deflate *d, struct err *e)
{
	static const uint32_t size[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

	isal_deflate_init(&d->isal);
	d->isal.gzip_flag = IGZIP_GZIP;
	d->isal.level = (uint32_t)d->level;
	d->isal.level_buf_size = size[d->level];
	if (!size[d->level])
		return 0;
	/* zeroed: ISA-L must not find a hash table of another process's memory there, whatever it does with it */
	d->level_buf = mem_zero(size[d->level], 1, "compression", e);
	d->isal.level_buf = d->level_buf;
	return d->level_buf ? 0 : -1;
}

static int begin_zlib(struct deflate *d, struct err *e)
{
	if (deflateInit2(&d->z, d->level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(e, d->o->name, "cannot begin to compress");
	d->z_open = 1;
	return 0;
}

struct deflate *deflate_open(struct out *o, int level, struct err *e)
{
	struct deflate *d = mem_zero(1, sizeof *d, "compression", e);

	if (!d)
		return NULL;
	d->o = o;
	d->level = level;
	if (level == DEFLATE_NONE)
		return d;
	d->buf = mem_new(OUT, 1, "compression", e);
	if (d->buf && !(level < ZLIB_FROM ? begin_isal(d, e) : begin_zlib(d, e)))
		return d;
	deflate_close(d);
	return NULL;
}

static int with_isal(struct deflate *d, const uint8_t *p, size_t n, int end, struct err *e)
{
	d->isal.end_of_stream = (uint16_t)end;
	d->isal.next_in = (uint8_t *)p;
	d->isal.avail_in = (uint32_t)n;
	do {
		d->isal.next_out = d->buf;
		d->isal.avail_out = OUT;
		if (isal_deflate(&d->isal) != COMP_OK)
			return err_set(e, d->o->name, "cannot compress");
		if (out_write(d->o, d->buf, OUT - d->isal.avail_out, e))
			return -1;
	} while (!d->isal.avail_out || d->isal.avail_in || (end && d->isal.internal_state.state != ZSTATE_END));
	return 0;
}

static int with_zlib(struct deflate *d, const uint8_t *p, size_t n, int end, struct err *e)
{
	int r;

	d->z.next_in = (uint8_t *)p;
	d->z.avail_in = (uInt)n;
	do {
		d->z.next_out = d->buf;
		d->z.avail_out = OUT;
		r = deflate(&d->z, end ? Z_FINISH : Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return err_set(e, d->o->name, "cannot compress");
		if (out_write(d->o, d->buf, OUT - d->z.avail_out, e))
			return -1;
	} while (!d->z.avail_out || (end && r != Z_STREAM_END));
	return 0;
}

static int with(struct deflate *d, const uint8_t *p, size_t n, int end, struct err *e)
{
	return d->level < ZLIB_FROM ? with_isal(d, p, n, end, e) : with_zlib(d, p, n, end, e);
}

int deflate_write(struct deflate *d, const void *p, size_t n, struct err *e)
{
	if (d->level == DEFLATE_NONE)
		return out_write(d->o, p, n, e);
	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < PIECE ? n - at : PIECE;
		if (with(d, (const uint8_t *)p + at, k, 0, e))
			return -1;
	}
	return 0;
}

int deflate_finish(struct deflate *d, struct err *e)
{
	return d->level == DEFLATE_NONE ? 0 : with(d, NULL, 0, 1, e);
}

void deflate_close(struct deflate *d)
{
	if (!d)
		return;
	if (d->z_open)
		deflateEnd(&d->z);
	free(d->level_buf);
	free(d->buf);
	free(d);
}
