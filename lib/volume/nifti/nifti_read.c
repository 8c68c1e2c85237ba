#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/stream/foreign.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/nifti/nifti_parts.h"
#include "lib/volume/nifti/text.h"

enum { RAW = 32 << 10 }; /* values converted at a time: stays in the first caches */

int nii_open_bytes(struct nii_file *f, const char *path, struct err *e)
{
	struct stat st;
	int std = !path || !strcmp(path, "-");

	f->name = strdup(std ? "standard input" : path);
	if (!f->name)
		return err_set(e, path, "not enough memory");
	f->fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return err_sys(e, f->name, "cannot open");
	if (std && isatty(f->fd))
		return err_set(e, f->name, "is a terminal: name a file, or pipe one in");
	if (!fstat(f->fd, &st) && S_ISDIR(st.st_mode))
		return err_set(e, f->name, "is a directory: name its files (of DICOM files from-dicom.sh makes NIfTI)");
	f->z = inflate_open(f->fd, f->name, e);
	return f->z ? 0 : -1;
}

void nii_close_bytes(struct nii_file *f)
{
	inflate_close(f->z);
	if (f->fd > STDERR_FILENO)
		close(f->fd);
	free(f->name);
	f->z = NULL;
	f->fd = -1;
	f->name = NULL;
}

/* The first four bytes tell what it is; of what it is not, those behind them. */
static int read_magic(struct nii_file *f, uint8_t *raw, struct err *e)
{
	int64_t n = inflate_read(f->z, raw, 4, e);
	uint8_t more[FOREIGN_BYTES - 4];

	if (n < 0)
		return -1;
	if (!n)
		return err_set(e, f->name, "is empty (expected a NIfTI header)");
	if (n == 4 && (nii_header_size(raw) || text_format_of(raw)))
		return 0;
	n = n < 4 ? 0 : inflate_read(f->z, more, sizeof more, e);
	if (n > 4) {
		memcpy(raw + 4, more, 4);
		if (foreign_image(f->name, raw, more + 4, (size_t)n - 4, e))
			return -1;
	}
	return err_at(e, f->name, 0, "neither NIfTI (a header of size 348 or 540) nor NRRD nor MetaImage");
}

static int read_header(struct nii_file *f, uint8_t *raw, struct err *e)
{
	size_t size = nii_header_size(raw);
	int64_t k;

	k = inflate_read(f->z, raw + 4, size - 4, e);
	if (k < 0)
		return -1;
	if ((size_t)k < size - 4)
		return err_at(e, f->name, 4 + k, "ends inside the header (expected %zu bytes, found %lld)", size, (long long)(4 + k));
	return nii_header_parse(&f->h, raw, f->name, e);
}

static int missing(const struct nii_file *f, int64_t found, struct err *e)
{
	return err_at(e, f->name, f->h.h.vox_offset + found, "ends inside the voxels (expected %zu bytes, found %lld)", f->h.bytes, (long long)found);
}

/* The size of a plain file tells before anything is written whether its header lies. */
static int check_size(const struct nii_file *f, struct err *e)
{
	int64_t from = f->h.h.vox_offset, have;
	struct stat st;

	if (f->fd < 0 || inflate_is_gzip(f->z) || fstat(f->fd, &st) || !S_ISREG(st.st_mode) || f->fd == STDIN_FILENO)
		return 0;
	have = (int64_t)st.st_size - from;
	if (have < 0)
		return err_at(e, f->name, (int64_t)st.st_size, "ends before the voxels (expected them at offset %lld)", (long long)from);
	if ((size_t)have < f->h.bytes)
		return missing(f, have, e);
	if ((size_t)have > f->h.bytes)
		return err_at(e, f->name, from + (int64_t)f->h.bytes, "%lld bytes after the voxels", (long long)have - (long long)f->h.bytes);
	return 0;
}

/* Past extensions, to the first voxel. `at` bytes were read. */
int nii_to_voxels(struct nii_file *f, int64_t at, struct err *e)
{
	int64_t n = f->h.h.vox_offset - at, k;

	if (check_size(f, e))
		return -1;
	k = inflate_skip(f->z, n, e);
	if (k < 0)
		return -1;
	if (k < n)
		return err_at(e, f->name, at + k, "ends before the voxels (expected them at offset %lld)", (long long)f->h.h.vox_offset);
	f->left = f->h.values;
	if (f->h.scaled)
		f->raw = mem_new(RAW, dtype_size(f->h.dtype), f->name, e);
	return f->h.scaled && !f->raw ? -1 : 0;
}

static int64_t header_size(const struct nii_file *f)
{
	return f->h.version == 1 ? sizeof(nifti_1_header) : sizeof(nifti_2_header);
}

static int single(struct nii_file *f, const char *path, struct err *e)
{
	uint8_t raw[sizeof(nifti_2_header)];
	const struct text_format *text;

	if (read_magic(f, raw, e))
		return -1;
	text = text_format_of(raw);
	if (text)
		return text_open(f, text, raw, path, e);
	if (read_header(f, raw, e))
		return -1;
	if (f->h.pair)
		return err_at(e, f->name, f->h.version == 1 ? 344 : 4, "is the header of a .hdr/.img pair (expected a single file)");
	return nii_to_voxels(f, header_size(f), e);
}

/* Extensions may follow the header; they are read to the end, so that a damaged file is found. */
static int pair_header(struct nii_file *f, struct err *e)
{
	const struct text_format *text;
	uint8_t raw[sizeof(nifti_2_header)];
	int64_t n;

	if (read_magic(f, raw, e))
		return -1;
	text = text_format_of(raw);
	if (text)
		return err_at(e, f->name, 0, "is a %s file (expected the header of a .hdr/.img pair)", text->name);
	if (read_header(f, raw, e))
		return -1;
	if (!f->h.pair)
		return err_at(e, f->name, f->h.version == 1 ? 344 : 4, "is a single NIfTI file (expected the header of a .hdr/.img pair)");
	do
		n = inflate_skip(f->z, 1 << 20, e);
	while (n > 0);
	return n < 0 ? -1 : 0;
}

static int pair(struct nii_file *f, const char *path, struct err *e)
{
	char *hdr, *img;
	int r;

	if (nii_pair(path, &hdr, &img, e))
		return -1;
	r = nii_open_bytes(f, hdr, e) || pair_header(f, e);
	nii_close_bytes(f);
	r = r || nii_open_bytes(f, img, e) || nii_to_voxels(f, 0, e);
	free(hdr);
	free(img);
	return r ? -1 : 0;
}

int nii_open(struct nii_file *f, const char *path, struct err *e)
{
	int is_pair = 0, gzip, r;

	memset(f, 0, sizeof *f);
	f->fd = -1;
	if (path && strcmp(path, "-"))
		nii_name(path, &is_pair, &gzip);
	r = is_pair ? pair(f, path, e) : nii_open_bytes(f, path, e) || single(f, path && strcmp(path, "-") ? path : NULL, e);
	if (!r)
		return 0;
	nii_close(f);
	return -1;
}

int nii_open_mem(struct nii_file *f, const void *data, size_t n, const char *name, struct err *e)
{
	memset(f, 0, sizeof *f);
	f->fd = -1;
	f->name = strdup(name);
	f->z = f->name ? inflate_open_mem(data, n, f->name, e) : NULL;
	if (f->z && !single(f, NULL, e))
		return 0;
	nii_close(f);
	return -1;
}

void nii_close(struct nii_file *f)
{
	nii_close_bytes(f);
	free(f->raw);
	free(f->planar);
	json_decref(f->segments);
	memset(f, 0, sizeof *f);
	f->fd = -1;
}

static int at_end(struct nii_file *f, struct err *e)
{
	uint8_t byte;
	int64_t n = inflate_read(f->z, &byte, 1, e);

	if (n > 0)
		return err_at(e, f->name, f->h.h.vox_offset + (int64_t)f->h.bytes, "bytes after the voxels");
	if (!n && f->packed && inflate_offset(f->z) - f->packed != f->h.h.vox_offset)
		return err_at(e, f->name, inflate_offset(f->z), "the compressed voxels end here (expected %lld bytes, found %lld)", (long long)f->packed,
		              (long long)(inflate_offset(f->z) - f->h.h.vox_offset));
	return n < 0 ? -1 : 0;
}

static int64_t piece(struct nii_file *f, void *p, void *raw, size_t n, struct err *e)
{
	size_t size = dtype_size(f->h.dtype);
	int64_t got = inflate_read(f->z, raw, n * size, e);

	if (got < 0)
		return -1;
	if ((size_t)got < n * size)
		return missing(f, (int64_t)((f->h.values - f->left) * size) + got, e);
	f->left -= n;
	if (!f->left && at_end(f, e))
		return -1;
	nii_convert(&f->h, p, raw, n);
	return (int64_t)n;
}

int64_t nii_values(struct nii_file *f, void *p, size_t n, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&f->h)), want = n < f->left ? n : f->left;

	if (!f->raw)
		return want ? piece(f, p, p, want, e) : 0;
	for (size_t done = 0; done < want;) {
		size_t k = want - done < RAW ? want - done : RAW;

		if (piece(f, (char *)p + done * size, f->raw, k, e) < 0)
			return -1;
		done += k;
	}
	return (int64_t)want;
}

int64_t nii_next(struct nii_file *f, void *p, size_t n, struct err *e)
{
	return f->mixed ? text_next(f, p, n, e) : nii_values(f, p, n, e);
}
