#define _GNU_SOURCE
#include "lib/net/import/zip.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { END = 22, END64 = 56, LOCATOR = 20, CENTRAL = 46, LOCAL = 30, COMMENT_MOST = 65535 };

#define SHOWN(entry) (int)((entry)->len < 80 ? (entry)->len : 80), (entry)->name /* for %.*s */

struct archive {
	const uint8_t *b;
	size_t n;
	const char *file;
	struct err *e;
};

static uint64_t le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static int has(const struct archive *a, uint64_t at, uint64_t bytes)
{
	return at <= a->n && bytes <= a->n - at;
}

/* Where the directory lies: its offset, bytes and number of entries, from the record at the archive's end. */
static int find_directory(const struct archive *a, uint64_t *at, uint64_t *bytes, uint64_t *count)
{
	size_t end = a->n >= END ? a->n - END : 0, first = end > COMMENT_MOST ? end - COMMENT_MOST : 0;
	uint64_t at64;

	while (end > first && (memcmp(a->b + end, "PK\5\6", 4) || end + END + le(a->b + end + 20, 2) != a->n))
		end--;
	if (!has(a, end, END) || memcmp(a->b + end, "PK\5\6", 4))
		return err_at(a->e, a->file, (int64_t)a->n, "has no zip directory at its end: cut off?");
	*count = le(a->b + end + 10, 2);
	*bytes = le(a->b + end + 12, 4);
	*at = le(a->b + end + 16, 4);
	if (end < LOCATOR || memcmp(a->b + end - LOCATOR, "PK\6\7", 4))
		return 0;
	at64 = le(a->b + end - LOCATOR + 8, 8);
	if (!has(a, at64, END64) || memcmp(a->b + at64, "PK\6\6", 4))
		return err_at(a->e, a->file, (int64_t)end - LOCATOR, "zip64 directory is not where it should be (%llu)", (unsigned long long)at64);
	*count = le(a->b + at64 + 32, 8);
	*bytes = le(a->b + at64 + 40, 8);
	*at = le(a->b + at64 + 48, 8);
	return 0;
}

/* Sizes of 4 bytes that are all ones are in an extra field, in this order. */
static int wide(const uint8_t *extra, size_t n, uint64_t *v[3])
{
	while (n >= 4) {
		size_t size = (size_t)le(extra + 2, 2), k = 0;

		if (size > n - 4)
			return -1;
		if (le(extra, 2) == 1) {
			for (int i = 0; i < 3; i++) {
				if (*v[i] != UINT32_MAX)
					continue;
				if (k + 8 > size)
					return -1;
				*v[i] = le(extra + 4 + k, 8);
				k += 8;
			}
			return 0;
		}
		extra += 4 + size;
		n -= 4 + size;
	}
	return *v[0] == UINT32_MAX || *v[1] == UINT32_MAX || *v[2] == UINT32_MAX ? -1 : 0;
}

/* torch.jit.save's archives have a program in them, compressed. It is not looked at. */
static int is_program(const struct zip_entry *z)
{
	static const char program[] = "/code/";

	return memmem(z->name, z->len, program, strlen(program)) != NULL;
}

/* The entry whose header in the directory begins at `next`, which moves to the one behind it. 1: not for us. */
static int read_entry(const struct archive *a, uint64_t *next, struct zip_entry *to)
{
	const uint64_t at = *next;
	const uint8_t *h = a->b + at;
	uint64_t size, packed, local, data, *sizes[3] = {&size, &packed, &local};
	size_t extra;

	if (!has(a, at, CENTRAL) || memcmp(h, "PK\1\2", 4))
		return err_at(a->e, a->file, (int64_t)at, "zip directory: no entry where one should be");
	to->len = (size_t)le(h + 28, 2);
	extra = (size_t)le(h + 30, 2);
	if (!has(a, at, CENTRAL + to->len + extra + le(h + 32, 2)))
		return err_at(a->e, a->file, (int64_t)at, "zip directory: an entry reaches out of the file");
	to->name = (const char *)h + CENTRAL;
	packed = le(h + 20, 4), size = le(h + 24, 4), local = le(h + 42, 4);
	if (wide(h + CENTRAL + to->len, extra, sizes))
		return err_at(a->e, a->file, (int64_t)at, "zip directory: an entry without its zip64 sizes");
	*next += CENTRAL + to->len + extra + le(h + 32, 2);
	if (is_program(to))
		return 1;
	if (le(h + 8, 2) & 1 || le(h + 10, 2) || size != packed)
		return err_at(a->e, a->file, (int64_t)at, "zip entry '%.*s' is compressed or encrypted, as torch.save never does: a folder in an archive "
		              "is unpacked first", SHOWN(to));
	if (!has(a, local, LOCAL) || memcmp(a->b + local, "PK\3\4", 4))
		return err_at(a->e, a->file, (int64_t)at, "zip entry '%.*s' does not begin where its directory says", SHOWN(to));
	data = local + LOCAL + le(a->b + local + 26, 2) + le(a->b + local + 28, 2);
	if (!has(a, data, size))
		return err_at(a->e, a->file, (int64_t)at, "zip entry '%.*s' reaches out of the file", SHOWN(to));
	to->data = a->b + data;
	to->size = size;
	return 0;
}

static int compare(const char *a, size_t n, const char *b, size_t m)
{
	int d = memcmp(a, b, n < m ? n : m);

	return d ? d : n < m ? -1 : n > m;
}

static int by_name(const void *a, const void *b)
{
	const struct zip_entry *p = a, *q = b;

	return compare(p->name, p->len, q->name, q->len);
}

int zip_open(struct zip *z, const uint8_t *b, size_t n, const char *file, struct err *e)
{
	struct archive a = {b, n, file, e};
	uint64_t at = 0, bytes = 0, count = 0;

	memset(z, 0, sizeof *z);
	if (find_directory(&a, &at, &bytes, &count))
		return -1;
	if (!has(&a, at, bytes) || count > bytes / CENTRAL)
		return err_at(e, file, (int64_t)n, "zip directory of %llu bytes and %llu entries at %llu: does not fit the file", (unsigned long long)bytes,
		              (unsigned long long)count, (unsigned long long)at);
	z->entry = mem_zero(count, sizeof *z->entry, "a zip directory", e);
	if (!z->entry)
		return -1;
	for (uint64_t i = 0; i < count; i++) {
		int r = read_entry(&a, &at, &z->entry[z->n]);

		if (r < 0)
			return -1;
		z->n += !r;
	}
	qsort(z->entry, z->n, sizeof *z->entry, by_name);
	for (size_t i = 1; i < z->n; i++)
		if (!by_name(&z->entry[i - 1], &z->entry[i]))
			return err_set(e, file, "zip entry '%.*s' is there twice", SHOWN(&z->entry[i]));
	return 0;
}

void zip_free(struct zip *z)
{
	free(z->entry);
	memset(z, 0, sizeof *z);
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
	struct zip_entry key = {.name = name, .len = strlen(name)};

	return z->n ? bsearch(&key, z->entry, z->n, sizeof key, by_name) : NULL;
}
