#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti_parts.h"
#include "lib/volume/nifti/text.h"

enum { STEP = 4096, PIECE = 64 << 10 };

static const struct text_format *const formats[] = {&nrrd_format, &meta_format};

const struct text_format *text_format_of(const uint8_t first[4])
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (formats[i]->begins(first))
			return formats[i];
	return NULL;
}

/* A header: all bytes up to the end of its last line. */
struct header {
	const struct text_format *format;
	char *p;
	size_t n, room;
	int ended; /* there was a last line */
};

static int add(struct header *t, char c, const char *file, struct err *e)
{
	if (t->n == TEXT_HEADER_MAX)
		return err_at(e, file, TEXT_HEADER_MAX, "no %s ends the %s header within %d bytes", t->format->last, t->format->name, TEXT_HEADER_MAX);
	if (t->n + 1 >= t->room) { /* one more than is used: text_lines ends it */
		char *grown = realloc(t->p, t->room + STEP);

		if (!grown)
			return err_set(e, file, "not enough memory");
		t->p = grown;
		t->room += STEP;
	}
	t->p[t->n++] = c;
	return 0;
}

static int read_header(struct nii_file *f, struct header *t, const uint8_t first[4], struct err *e)
{
	size_t line = 0; /* where it begins */
	char c;
	int64_t k;

	for (int i = 0; i < 4; i++)
		if (add(t, (char)first[i], f->name, e))
			return -1;
	while (!t->ended && (k = inflate_read(f->z, &c, 1, e)) > 0) {
		if (add(t, c, f->name, e))
			return -1;
		if (c != '\n')
			continue;
		t->ended = t->format->ends(t->p + line, t->n - line);
		line = t->n;
	}
	if (!t->ended && !k)
		t->ended = t->format->ends(t->p + line, t->n - line);
	return !t->ended && k < 0 ? -1 : 0;
}

/* After a detached header: blanks at most. */
static int nothing_more(struct nii_file *f, const struct text_format *format, int64_t at, struct err *e)
{
	int64_t k;
	char c;

	for (; (k = inflate_read(f->z, &c, 1, e)) > 0; at++)
		if (!strchr(" \t\r\n", c) || !c)
			return err_at(e, f->name, at, "bytes after a %s header with a data file", format->name);
	return k < 0 ? -1 : 0;
}

static int open_data(struct nii_file *f, const struct text_volume *v, const char *path, struct err *e)
{
	char *data;
	int failed;

	data = nii_beside(path, v->data);
	if (!data)
		return err_set(e, f->name, "not enough memory");
	nii_close_bytes(f);
	failed = nii_open_bytes(f, data, e);
	free(data);
	if (!failed)
		inflate_plain(f->z);
	return failed;
}

/* The file that has the voxels; *at: bytes of it that are read. */
static int find_file(struct nii_file *f, const struct header *t, const struct text_volume *v, const char *path, int64_t *at, struct err *e)
{
	*at = v->data ? 0 : (int64_t)t->n;
	if (!v->data && !t->ended)
		return err_at(e, f->name, *at, "ends inside the %s header (expected a %s)", t->format->name, t->format->last);
	if (!v->data)
		return 0;
	if (!path)
		return err_set(e, f->name, "a %s header with data file '%.400s', which is not looked for from here (name the header)", t->format->name, v->data);
	return (t->ended && nothing_more(f, t->format, (int64_t)t->n, e)) || open_data(f, v, path, e) ? -1 : 0;
}

static int skip_to(struct nii_file *f, const struct text_format *format, int64_t to, int64_t *at, struct err *e)
{
	int64_t k;

	if (to < *at)
		return err_at(e, f->name, to, "%s: inside the header (expected at least %lld)", format->skip, (long long)*at);
	k = inflate_skip(f->z, to - *at, e);
	if (k < 0)
		return -1;
	if (k < to - *at)
		return err_at(e, f->name, *at + k, "ends before the voxels (expected them at offset %lld)", (long long)to);
	*at = to;
	return 0;
}

static int skip_lines(struct nii_file *f, int64_t lines, int64_t *at, struct err *e)
{
	char c = 0;

	for (int64_t n = 0; n < lines; n += c == '\n') {
		int64_t k = inflate_read(f->z, &c, 1, e);

		if (k < 0)
			return -1;
		if (!k)
			return err_at(e, f->name, *at, "ends inside the lines to be skipped (expected %lld, found %lld)", (long long)lines, (long long)n);
		++*at;
	}
	return 0;
}

static int unpack(struct nii_file *f, const struct text_volume *v, struct err *e)
{
	if (v->packed == TEXT_PLAIN)
		return 0;
	if (inflate_is_gzip(f->z))
		return err_set(e, f->name, "%s inside gzip", v->packed == TEXT_GZIP ? "gzip" : "zlib");
	f->packed = v->packed_size;
	if (v->packed == TEXT_ZLIB)
		return inflate_zlib(f->z, e);
	inflate_gunzip(f->z);
	return 0;
}

/* Where the voxels begin, `at` bytes being read. */
static int find_voxels(struct nii_file *f, const struct text_format *format, const struct text_volume *v, int64_t at, struct err *e)
{
	struct stat st;

	f->h.h.vox_offset = at + v->byte_skip;
	if (v->byte_skip >= 0)
		return 0;
	if (f->fd < 0 || inflate_is_gzip(f->z) || fstat(f->fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, f->name, "%s: -1 needs a plain file", format->skip);
	if ((size_t)st.st_size < f->h.bytes || st.st_size - (int64_t)f->h.bytes < at)
		return err_at(e, f->name, (int64_t)st.st_size, "ends inside the voxels (expected %zu bytes, found %lld)", f->h.bytes,
		              (long long)(st.st_size - at));
	f->h.h.vox_offset = st.st_size - (int64_t)f->h.bytes;
	return 0;
}

static int to_data(struct nii_file *f, const struct header *t, const struct text_volume *v, const char *path, struct err *e)
{
	int64_t at;

	f->h = v->h;
	f->mixed = v->first;
	if (find_file(f, t, v, path, &at, e) || (v->from && skip_to(f, t->format, v->from, &at, e)) || skip_lines(f, v->line_skip, &at, e) ||
	    unpack(f, v, e) || find_voxels(f, t->format, v, at, e))
		return -1;
	return nii_to_voxels(f, at, e);
}

int text_open(struct nii_file *f, const struct text_format *format, const uint8_t first[4], const char *path, struct err *e)
{
	struct header t = {.format = format};
	struct text_volume v;
	int failed = read_header(f, &t, first, e) || format->parse(&v, t.p, t.n, f->name, e);

	if (!failed) {
		f->segments = v.segments;
		failed = to_data(f, &t, &v, path, e);
	}
	free(t.p);
	return failed ? -1 : 0;
}

/* n values c,x,y,z that begin at voxel `at`, each to its channel's volume. */
#define SPREAD(bits) \
	static void spread##bits(void *to, const void *from, size_t at, size_t n, size_t channels, size_t voxels) \
	{ \
		const uint##bits##_t *v = from; \
\
		for (size_t c = 0; c < channels; c++) \
			for (size_t i = 0; i < n / channels; i++) \
				((uint##bits##_t *)to)[c * voxels + at + i] = v[i * channels + c]; \
	}
SPREAD(8)
SPREAD(16)
SPREAD(32)
SPREAD(64)

static int load_all(struct nii_file *f, struct err *e)
{
	static void (*const spread[9])(void *, const void *, size_t, size_t, size_t, size_t) = {
		[1] = spread8, [2] = spread16, [4] = spread32, [8] = spread64,
	};
	size_t size = dtype_size(nii_dtype(&f->h)), channels = (size_t)f->h.channels, voxels = f->h.values / channels, at = 0;
	size_t most = (PIECE / channels ? PIECE / channels : 1) * channels;
	void *piece = mem_new(most, size, f->name, e);
	int64_t k = piece ? 1 : -1;

	f->planar = piece ? mem_new(f->h.values, size, f->name, e) : NULL;
	if (!f->planar)
		k = -1;
	while (k > 0) {
		k = nii_values(f, piece, most, e);
		if (k > 0)
			spread[size](f->planar, piece, at, (size_t)k, channels, voxels);
		at += k > 0 ? (size_t)k / channels : 0;
	}
	free(piece);
	f->left = f->h.values; /* from here on: values not given yet */
	return (int)k;
}

int64_t text_next(struct nii_file *f, void *p, size_t n, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&f->h));

	if (!f->planar && load_all(f, e))
		return -1;
	n = n < f->left ? n : f->left;
	memcpy(p, (char *)f->planar + (f->h.values - f->left) * size, n * size);
	f->left -= n;
	return (int64_t)n;
}
