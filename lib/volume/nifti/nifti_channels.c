#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti_parts.h"

enum { AT_ONCE = 4096, DIGITS = 4 /* of nnU-Net's _0000 */ };

/* -- names -- */

static int take_number(struct nii_channels *c, const char *text, struct err *e)
{
	int64_t n = 0;

	if (arg_int(text, 1, NII_CHANNELS_MOST, &n, e))
		return -1;
	c->n = (int)n;
	return 0;
}

static int take_names(struct nii_channels *c, const char *text, struct err *e)
{
	c->names = json_array();
	for (const char *p = text; p; p = *p ? p + 1 : NULL) {
		const size_t len = strcspn(p, ",");

		if (!len || json_array_append_new(c->names, json_stringn(p, len)))
			return err_set(e, NULL, "'%.80s' is no number, and names nothing or nothing in UTF-8 between two commas", text);
		p += len;
	}
	c->n = (int)json_array_size(c->names);
	return c->n <= NII_CHANNELS_MOST ? 0 : err_set(e, NULL, "%d names (at most %d)", c->n, NII_CHANNELS_MOST);
}

/* {"channel_names": {"0": "CT", "1": "PET"}}; before nnU-Net v2 it was called modality. */
static int take_data_set(struct nii_channels *c, const char *path, struct err *e)
{
	json_t *root = json_of_file(path, e), *all = json_object_get(root, "channel_names"), *one;
	int r = root ? 0 : -1;

	all = all ? all : json_object_get(root, "modality");
	c->names = json_array();
	c->n = (int)json_object_size(all);
	if (!r && (!c->n || c->n > NII_CHANNELS_MOST))
		r = err_set(e, path, "has no channel_names of 1 to %d channels", NII_CHANNELS_MOST);
	for (int i = 0; !r && i < c->n; i++) {
		char key[12];

		snprintf(key, sizeof key, "%d", i);
		one = json_object_get(all, key);
		r = json_is_string(one) ? json_array_append(c->names, one) : err_set(e, path, "channel_names: channel %s has no name", key);
	}
	json_decref(root);
	return r;
}

static int is_data_set(const char *text)
{
	const size_t n = strlen(text), k = strlen(".json");

	return n > k && !strcmp(text + n - k, ".json");
}

int nii_channels_parse(struct nii_channels *c, const char *text, struct err *e)
{
	const size_t n = strlen(text);
	int r;

	*c = (struct nii_channels){0};
	if (n && strspn(text, "0123456789") == n)
		r = take_number(c, text, e);
	else
		r = is_data_set(text) ? take_data_set(c, text, e) : take_names(c, text, e);
	if (r)
		nii_channels_free(c);
	return r;
}

void nii_channels_option(struct nii_channels *c, const char *text)
{
	struct err e;

	if (!nii_channels_parse(c, text, &e))
		return;
	if (is_data_set(text))
		err_die(&e);
	err_usage("--channels: %s", e.text);
}

void nii_channels_free(struct nii_channels *c)
{
	json_decref(c->names);
	*c = (struct nii_channels){0};
}

int nii_channel_of(char *stem, int cut)
{
	const size_t n = strlen(stem);
	int k = 0;

	if (n < DIGITS + 2 || stem[n - DIGITS - 1] != '_')
		return -1;
	for (size_t i = n - DIGITS; i < n; i++) {
		if (!isdigit((unsigned char)stem[i]))
			return -1;
		k = 10 * k + stem[i] - '0';
	}
	if (cut)
		stem[n - DIGITS - 1] = 0;
	return k;
}

int nii_channels_check(char *const *path, int n, struct err *e)
{
	char *first = nii_stem(path[0], 0);
	int r = first ? 0 : err_set(e, path[0], "not enough memory"), numbered = first ? nii_channel_of(first, 1) : -1;

	if (numbered > 0)
		r = err_set(e, path[0], "is channel %d of its case by its name (expected channel 0)", numbered);
	for (int i = 1; !r && i < n; i++) {
		char *stem = nii_stem(path[i], 0);
		int k = stem ? nii_channel_of(stem, 1) : -1;

		if (!stem)
			r = err_set(e, path[i], "not enough memory");
		else if ((numbered >= 0 || k >= 0) && (k != i || numbered < 0 || strcmp(stem, first)))
			r = err_set(e, path[i], "is not channel %d of the case of %s by its name", i, path[0]);
		free(stem);
	}
	free(first);
	return r;
}

/* -- a type that holds all -- */

/* bits of whole numbers that are held, below 0 too where there is a sign */
static const struct kind { enum dtype t; int bits, sign, real; } kinds[] = {
	{DT_U8, 8, 0, 0},   {DT_I8, 7, 1, 0},   {DT_U16, 16, 0, 0}, {DT_I16, 15, 1, 0}, {DT_U32, 32, 0, 0},
	{DT_I32, 31, 1, 0}, {DT_F32, 24, 1, 1}, {DT_U64, 64, 0, 0}, {DT_I64, 63, 1, 0}, {DT_F64, 53, 1, 1},
};

static const struct kind *kind_of(enum dtype t)
{
	const struct kind *k = kinds;

	while (k->t != t)
		k++;
	return k;
}

static int holds(const struct kind *k, const struct nii_files *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct kind *one = kind_of(nii_dtype(&s->f[i].h));

		if (one->bits > k->bits || one->sign > k->sign || one->real > k->real)
			return 0;
	}
	return 1;
}

static int join_types(struct nii_files *s, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (holds(&kinds[i], s)) {
			s->dtype = kinds[i].t;
			return 0;
		}
	return err_set(e, s->f[0].name, "has voxels of type %s, and those of its other channels fit no type with them without loss",
	               dtype_name(nii_dtype(&s->f[0].h)));
}

#define FROM(name, type) \
	static void from_##name(const void *in, int64_t *out, size_t n) \
	{ \
		const type *v = in; \
\
		for (size_t i = 0; i < n; i++) \
			out[i] = v[i]; \
	}
FROM(u8, uint8_t)
FROM(i8, int8_t)
FROM(u16, uint16_t)
FROM(i16, int16_t)
FROM(u32, uint32_t)
FROM(i32, int32_t)

#define TO(name, type) \
	static void to_##name(const int64_t *in, void *out, size_t n) \
	{ \
		type *v = out; \
\
		for (size_t i = 0; i < n; i++) \
			v[i] = (type)in[i]; \
	}
TO(u16, uint16_t)
TO(i16, int16_t)
TO(u32, uint32_t)
TO(i32, int32_t)
TO(u64, uint64_t)
TO(i64, int64_t)
TO(f32, float)
TO(f64, double)

static void (*const from_whole[DT_COUNT])(const void *, int64_t *, size_t) = {
	[DT_U8] = from_u8, [DT_I8] = from_i8, [DT_U16] = from_u16, [DT_I16] = from_i16, [DT_U32] = from_u32, [DT_I32] = from_i32,
};
static void (*const to_whole[DT_COUNT])(const int64_t *, void *, size_t) = {
	[DT_U16] = to_u16, [DT_I16] = to_i16, [DT_U32] = to_u32, [DT_I32] = to_i32,
	[DT_U64] = to_u64, [DT_I64] = to_i64, [DT_F32] = to_f32, [DT_F64] = to_f64,
};

/* n <= AT_ONCE. Floats become doubles; what else is held by a wider type are whole numbers of at most 32 bits. */
static void widen(const void *in, enum dtype from, void *out, enum dtype to, size_t n)
{
	int64_t v[AT_ONCE];

	if (from == DT_F32) {
		for (size_t i = 0; i < n; i++)
			((double *)out)[i] = ((const float *)in)[i];
		return;
	}
	from_whole[from](in, v, n);
	to_whole[to](v, out, n);
}

/* -- files -- */

static int open_one(struct nii_files *s, const char *path, struct err *e)
{
	const struct nii_file *first = s->f;
	struct nii_file *f = &s->f[s->n];

	if (nii_open(f, path, e))
		return -1;
	s->n++;
	s->channels += f->h.channels;
	return s->n > 1 && grid_match(&f->h.grid, &first->h.grid, NII_ONE_GRID, first->name, e) ? err_prefix(e, "%s", f->name) : 0;
}

int nii_files_open(struct nii_files *s, const struct nii_case *c, struct err *e)
{
	*s = (struct nii_files){.f = mem_zero((size_t)c->n_more + 1, sizeof *s->f, "files", e)};
	if (!s->f || open_one(s, c->image, e))
		return -1;
	for (int i = 0; i < c->n_more; i++)
		if (open_one(s, c->more[i], e))
			return -1;
	for (int i = 0; i < s->n && s->n > 1; i++)
		if (s->f[i].h.channels != 1)
			return err_set(e, s->f[i].name, "has %lld channels (expected one in each of a case's %d files)", (long long)s->f[i].h.channels, s->n);
	if (c->channels && c->channels->n != s->n)
		return err_set(e, s->f[0].name, "is a case of %d file%s (--channels says %d)", s->n, s->n == 1 ? "" : "s", c->channels->n);
	if (join_types(s, e))
		return -1;
	s->raw = s->n > 1 ? mem_new(AT_ONCE, sizeof(double), "values", e) : NULL;
	return s->n > 1 && !s->raw ? -1 : 0;
}

int64_t nii_files_next(struct nii_files *s, void *p, size_t n, struct err *e)
{
	int64_t k = 0;

	for (; !k && s->at < s->n; s->at += !k) {
		struct nii_file *f = &s->f[s->at];
		const enum dtype is = nii_dtype(&f->h);

		k = is == s->dtype ? nii_next(f, p, n, e) : nii_next(f, s->raw, n < AT_ONCE ? n : AT_ONCE, e);
		if (k > 0 && is != s->dtype)
			widen(s->raw, is, p, s->dtype, (size_t)k);
	}
	return k;
}

void nii_files_close(struct nii_files *s)
{
	for (int i = 0; i < s->n; i++)
		nii_close(&s->f[i]);
	free(s->f);
	free(s->raw);
	*s = (struct nii_files){0};
}
