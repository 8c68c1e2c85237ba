#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti_parts.h"
#include "lib/volume/nifti/nrrd.h"

enum { STEP = 4096, PIECE = 64 << 10 };

int nrrd_is(const uint8_t first[4])
{
	return !memcmp(first, "NRRD", 4);
}

struct text {
	char *p;
	size_t n, room;
};

static int add(struct text *t, char c, const char *file, struct err *e)
{
	if (t->n == NRRD_HEADER_MAX)
		return err_at(e, file, NRRD_HEADER_MAX, "no blank line ends the NRRD header within %d bytes", NRRD_HEADER_MAX);
	if (t->n + 1 >= t->room) { /* one more than is used: nrrd_parse ends it */
		char *grown = realloc(t->p, t->room + STEP);

		if (!grown)
			return err_set(e, file, "not enough memory");
		t->p = grown;
		t->room += STEP;
	}
	t->p[t->n++] = c;
	return 0;
}

/* To the blank line; *used: all bytes taken, *ended: there was one. */
static int read_text(struct nii_file *f, struct text *t, int64_t *used, int *ended, struct err *e)
{
	size_t length = 4; /* of the line so far */
	char c;
	int64_t k;

	*used = 4;
	*ended = 0;
	for (const char *m = "NRRD"; *m; m++)
		if (add(t, *m, f->name, e))
			return -1;
	while ((k = inflate_read(f->z, &c, 1, e)) > 0) {
		++*used;
		if (c == '\n' && (!length || (length == 1 && t->p[t->n - 1] == '\r'))) {
			t->n -= length;
			*ended = 1;
			return 0;
		}
		length = c == '\n' ? 0 : length + 1;
		if (add(t, c, f->name, e))
			return -1;
	}
	return k < 0 ? -1 : 0;
}

/* After a detached header: blanks at most. */
static int nothing_more(struct nii_file *f, int64_t at, struct err *e)
{
	int64_t k;
	char c;

	for (; (k = inflate_read(f->z, &c, 1, e)) > 0; at++)
		if (!strchr(" \t\r\n", c) || !c)
			return err_at(e, f->name, at, "bytes after a NRRD header with a data file");
	return k < 0 ? -1 : 0;
}

static char *beside(const char *header, const char *data)
{
	const char *slash = strrchr(header, '/');
	char *out;

	if (*data == '/' || !slash)
		return strdup(data);
	return asprintf(&out, "%.*s%s", (int)(slash + 1 - header), header, data) < 0 ? NULL : out;
}

static int open_data(struct nii_file *f, const struct nrrd *r, const char *path, struct err *e)
{
	char *data;
	int failed;

	data = beside(path, r->data);
	if (!data)
		return err_set(e, f->name, "not enough memory");
	nii_close_bytes(f);
	failed = nii_open_bytes(f, data, e);
	free(data);
	if (!failed)
		inflate_plain(f->z);
	return failed;
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

/* Where the voxels begin, `at` bytes being read. */
static int find_voxels(struct nii_file *f, const struct nrrd *r, int64_t at, struct err *e)
{
	struct stat st;

	f->h.h.vox_offset = at + r->byte_skip;
	if (r->byte_skip >= 0)
		return 0;
	if (f->fd < 0 || inflate_is_gzip(f->z) || fstat(f->fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, f->name, "byte skip: -1 needs a plain file");
	if ((size_t)st.st_size < f->h.bytes || st.st_size - (int64_t)f->h.bytes < at)
		return err_at(e, f->name, (int64_t)st.st_size, "ends inside the voxels (expected %zu bytes, found %lld)", f->h.bytes,
		              (long long)(st.st_size - at));
	f->h.h.vox_offset = st.st_size - (int64_t)f->h.bytes;
	return 0;
}

static int to_data(struct nii_file *f, const struct nrrd *r, const char *path, int64_t used, int ended, struct err *e)
{
	int64_t at = used;

	f->h = r->h;
	f->mixed = r->first;
	if (r->data) {
		if (!path)
			return err_set(e, f->name, "a NRRD header with data file '%.400s', which is not looked for from here (name the header)", r->data);
		if ((ended && nothing_more(f, used, e)) || open_data(f, r, path, e))
			return -1;
		at = 0;
	} else if (!ended)
		return err_at(e, f->name, used, "ends inside the NRRD header (expected a blank line)");
	if (skip_lines(f, r->line_skip, &at, e))
		return -1;
	if (r->gzip && inflate_is_gzip(f->z))
		return err_set(e, f->name, "gzip inside gzip");
	if (r->gzip)
		inflate_gunzip(f->z);
	return find_voxels(f, r, at, e) || nii_to_voxels(f, at, e) ? -1 : 0;
}

int nrrd_open(struct nii_file *f, const char *path, struct err *e)
{
	struct text t = {0};
	struct nrrd r;
	int64_t used;
	int ended, failed;

	failed = read_text(f, &t, &used, &ended, e) || nrrd_parse(&r, t.p, t.n, f->name, e) || to_data(f, &r, path, used, ended, e);
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

int64_t nrrd_next(struct nii_file *f, void *p, size_t n, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&f->h));

	if (!f->planar && load_all(f, e))
		return -1;
	n = n < f->left ? n : f->left;
	memcpy(p, (char *)f->planar + (f->h.values - f->left) * size, n * size);
	f->left -= n;
	return (int64_t)n;
}
