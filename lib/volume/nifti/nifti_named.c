/* The names of labels that a file has, as nifti_names.c writes them and TotalSegmentator: <Label Key="5" ...>liver</Label> in a table of Caret's;
   or 3D Slicer's of segments (nrrd_segments.c).
   What is not such a table is no error: programs put what they like into extensions. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/stream/names.h"
#include "lib/volume/nifti/nifti_parts.h"
#include "lib/volume/nifti/nrrd.h"

enum { EXTENDER = 4, BEGINS = 8 /* bytes of an extension before its content: size and code */, TABLE_MOST = 512 << 10 /* bytes: what fits again */ };

/* ---- XML ---- */

/* Code point c as UTF-8 behind *out. */
static void put_utf8(char **out, uint32_t c)
{
	const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; /* bytes behind the first */

	*(*out)++ = (char)(more ? (0xf00 >> (more + 1) & 0xff) | c >> 6 * more : c);
	for (int i = more - 1; i >= 0; i--)
		*(*out)++ = (char)(0x80 | (c >> 6 * i & 0x3f));
}

/* An entity at p: what it stands for behind *out, and its length; 0: it is none. */
static size_t entity(const char *p, char **out)
{
	static const struct { const char *name; char is; } known[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
	const char *digits = "0123456789abcdef", *at = p + 2 + !strncmp(p, "&#x", 3), *d;
	const uint32_t base = at > p + 2 ? 16 : 10;
	uint32_t c = 0;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strncmp(p, known[i].name, strlen(known[i].name))) {
			put_utf8(out, (uint32_t)known[i].is);
			return strlen(known[i].name);
		}
	if (strncmp(p, "&#", 2))
		return 0;
	while (*at && c <= 0x10ffff && (d = strchr(digits, tolower((unsigned char)*at))) && d < digits + base) {
		c = c * base + (uint32_t)(d - digits);
		at++;
	}
	if (*at != ';' || !c || c > 0x10ffff)
		return 0;
	put_utf8(out, c);
	return (size_t)(at + 1 - p);
}

/* Text up to the next tag, or CDATA, into out, which has room for all of it. Where it ends; NULL: it is neither. */
static const char *text(const char *p, char *out)
{
	const char *begin = "<![CDATA[", *end;
	size_t n;

	if (!strncmp(p, begin, strlen(begin))) {
		p += strlen(begin);
		end = strstr(p, "]]>");
		n = end ? (size_t)(end - p) : 0;
		memcpy(out, p, n);
		out[n] = 0;
		return end ? end + 3 : NULL;
	}
	while (*p && *p != '<') {
		n = *p == '&' ? entity(p, &out) : 1;
		if (!n)
			return NULL;
		if (*p != '&')
			*out++ = *p;
		p += n;
	}
	*out = 0;
	return *p ? p : NULL;
}

/* One label from behind "<Label " on; name has room for the rest of the table. Where it ends; NULL: it is none. */
static const char *label(const char *p, char *name, int64_t *key)
{
	const char *close = strchr(p, '>'), *k = strstr(p, "Key=\"");
	char number[24] = "";
	struct err unused;

	if (!close || !k || k > close)
		return NULL;
	k += strlen("Key=\"");
	for (size_t i = 0; i + 1 < sizeof number && k[i] && k[i] != '"'; i++)
		number[i] = k[i], number[i + 1] = 0;
	p = text(close + 1, name);
	return p && !strncmp(p, "</Label>", strlen("</Label>")) && !arg_int(number, INT32_MIN, INT32_MAX, key, &unused) ? p : NULL;
}

static json_t *table(const char *p, char *name)
{
	json_t *names = strstr(p, "<CaretExtension") ? json_object() : NULL;

	while (names && (p = strstr(p, "<Label "))) {
		char key[24];
		int64_t n;

		p = label(p + strlen("<Label "), name, &n);
		if (p && (n < 0 || n > NAMES_MOST)) /* no place for it: FreeSurfer has 1002 beside 2 */
			continue;
		if (!p || json_object_get(names, (snprintf(key, sizeof key, "%lld", (long long)n), key)) || json_object_set_new(names, key, json_string(name))) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}

/* ---- extensions ---- */

static uint32_t number(const uint8_t *p, int swapped)
{
	return swapped ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
	               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* The next extension's content, and a 0; left: bytes before the voxels. NULL: there is none. */
static char *content(struct nii_file *f, int64_t *left, struct err *e)
{
	uint8_t begins[BEGINS];
	int64_t n = *left >= BEGINS ? inflate_read(f->z, begins, BEGINS, e) : 0;
	char *p;

	n = n == BEGINS ? (int64_t)number(begins, f->h.swapped) : 0;
	if (n < BEGINS || n > *left)
		return NULL;
	*left -= n;
	p = mem_zero((size_t)(n - BEGINS) + 1, 1, "an extension", e);
	if (p && inflate_read(f->z, p, (size_t)(n - BEGINS), e) == n - BEGINS)
		return p;
	free(p);
	return NULL;
}

/* Behind a header of n bytes */
static json_t *first_table(struct nii_file *f, size_t n, struct err *e)
{
	int64_t left = f->h.h.vox_offset - (int64_t)n;
	uint8_t follows[EXTENDER];
	json_t *names = NULL;
	char *p;

	if (f->h.pair)
		left = 1 << 24; /* to the end of the .hdr */
	if (left < EXTENDER || inflate_read(f->z, follows, EXTENDER, e) != EXTENDER || !follows[0])
		return NULL;
	left -= EXTENDER;
	while (!names && (p = content(f, &left, e))) {
		char *name = mem_new(strlen(p) + 1, 1, "a name", e);

		names = name && strlen(p) <= TABLE_MOST ? table(p, name) : NULL;
		free(name);
		free(p);
	}
	return names;
}

static json_t *names_of_segments(const char *path, struct err *e)
{
	struct nii_file f;
	json_t *names;

	if (nii_open(&f, path, e))
		return NULL;
	names = f.segments ? nrrd_segment_names(f.segments, f.h.channels) : NULL;
	nii_close(&f);
	return names;
}

static json_t *names_in(const char *path, struct err *e)
{
	char *hdr = NULL, *img = NULL;
	struct nii_file f = {.fd = -1};
	uint8_t raw[sizeof(nifti_2_header)];
	json_t *names = NULL;
	int is_pair = 0, gzip;

	nii_name(path, &is_pair, &gzip);
	if ((!is_pair || !nii_pair(path, &hdr, &img, e)) && !nii_open_bytes(&f, is_pair ? hdr : path, e) && inflate_read(f.z, raw, 4, e) == 4) {
		size_t n = nii_header_size(raw);

		if (n && inflate_read(f.z, raw + 4, n - 4, e) == (int64_t)n - 4 && !nii_header_parse(&f.h, raw, path, e))
			names = first_table(&f, n, e);
		if (text_format_of(raw))
			names = names_of_segments(path, e);
	}
	nii_close_bytes(&f);
	free(hdr);
	free(img);
	return names;
}

/* ---- as a map has them ---- */

static int put(struct frame *f, const json_t *names, const struct nii_map *map, struct err *e)
{
	json_t *now = json_object(), *v;
	const char *key;
	int r;

	json_object_foreach((json_t *)names, key, v) {
		const int64_t from = strtoll(key, NULL, 10), to = map ? nii_map_to(map, from) : from;

		if (json_string_length(v) && (to || !from))
			names_set(now, to, v);
	}
	r = names_put(f, now, e);
	json_decref(now);
	return r;
}

int nii_names_read(const char *path, const struct nii_map *map, struct frame *f, struct err *e)
{
	struct err unused;
	struct stat st;
	json_t *names = path && !stat(path, &st) && S_ISREG(st.st_mode) ? names_in(path, &unused) : NULL; /* not a pipe: it was read */
	int r = names ? put(f, names, map, e) : 0;

	json_decref(names);
	return r;
}

int nii_names_of_parts(const struct arg_strs *parts, const struct nii_map *map, struct frame *f, struct err *e)
{
	json_t *names = json_object();
	int r = 0;

	for (int i = 0; i < parts->n && !r; i++) {
		char *stem = nii_stem(parts->v[i], 1), key[24];

		snprintf(key, sizeof key, "%d", i + 1);
		r = stem ? 0 : err_set(e, parts->v[i], "not enough memory");
		if (stem)
			json_object_set_new(names, key, json_string(stem)); /* not one that is no UTF-8 */
		free(stem);
	}
	r = r || put(f, names, map, e) ? -1 : 0;
	json_decref(names);
	return r;
}
