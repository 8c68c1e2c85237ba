#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/volume/nifti/nifti.h"

/* One FROM=TO; * is every label but 0 that is not named. */
static int add(struct nii_map *m, const char *pair, struct err *e)
{
	const char *eq = strchr(pair, '=');
	char *from = eq ? strndup(pair, (size_t)(eq - pair)) : NULL;
	int r, others = from && !strcmp(from, "*");

	if (!from)
		return err_set(e, NULL, "'%.80s' is not FROM=TO", pair);
	if (m->n == NII_MAP_MAX)
		r = err_set(e, NULL, "more than %d labels", NII_MAP_MAX);
	else if (others && m->rest >= 0)
		r = err_set(e, NULL, "* is there twice");
	else if (others)
		r = arg_int(eq + 1, 0, UINT8_MAX, &m->rest, e);
	else
		r = arg_int(from, 0, 0, &m->from[m->n], e) || arg_int(eq + 1, 0, UINT8_MAX, &m->to[m->n], e);
	for (int i = 0; !r && !others && i < m->n; i++)
		if (m->from[i] == m->from[m->n])
			r = err_set(e, NULL, "label %lld is there twice", (long long)m->from[i]);
	m->n += !r && !others;
	free(from);
	return r ? -1 : 0;
}

int nii_map_parse(struct nii_map *m, const char *text, struct err *e)
{
	char *copy = strdup(text), *p = copy, *pair;
	int r = copy ? 0 : err_set(e, NULL, "not enough memory");

	memset(m, 0, sizeof *m);
	m->rest = -1;
	m->text = text;
	while (!r && (pair = strsep(&p, ",")))
		r = add(m, pair, e);
	free(copy);
	return r;
}

int64_t nii_map_to(const struct nii_map *m, int64_t v)
{
	for (int i = 0; i < m->n; i++)
		if (m->from[i] == v)
			return m->to[i];
	return v && m->rest >= 0 ? m->rest : v;
}

static int too_large(int64_t from, int64_t to, enum dtype t, const char *file, struct err *e)
{
	return err_set(e, file, "label %lld becomes %lld, which its type %s does not hold", (long long)from, (long long)to, dtype_name(t));
}

/* Labels come in runs. */
#define MAPPED(type) \
	static int map_##type(const struct nii_map *m, void *data, enum dtype t, size_t n, const char *file, struct err *e) \
	{ \
		type *v = data, was = 0; \
		int64_t to = nii_map_to(m, 0); \
\
		for (size_t i = 0; i < n; i++) { \
			if (v[i] != was) { \
				was = v[i]; \
				to = nii_map_to(m, (int64_t)was); \
			} \
			v[i] = (type)to; \
			if ((int64_t)v[i] != to) \
				return too_large((int64_t)was, to, t, file, e); \
		} \
		return 0; \
	}

MAPPED(int8_t)
MAPPED(uint8_t)
MAPPED(int16_t)
MAPPED(uint16_t)
MAPPED(int32_t)
MAPPED(uint32_t)
MAPPED(int64_t)
MAPPED(uint64_t)

int nii_map_apply(const struct nii_map *m, void *data, enum dtype t, size_t n, const char *file, struct err *e)
{
	static int (*const by_type[])(const struct nii_map *, void *, enum dtype, size_t, const char *, struct err *) = {
		[DT_I8] = map_int8_t, [DT_U8] = map_uint8_t, [DT_I16] = map_int16_t, [DT_U16] = map_uint16_t,
		[DT_I32] = map_int32_t, [DT_U32] = map_uint32_t, [DT_I64] = map_int64_t, [DT_U64] = map_uint64_t,
	};

	return by_type[t](m, data, t, n, file, e);
}
