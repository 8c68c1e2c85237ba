#include "lib/stream/frame_parse.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct at {
	const char *file;
	int64_t offset;
	struct err *e;
};

#define BAD(a, ...) err_at((a)->e, (a)->file, (a)->offset, __VA_ARGS__)

static int parse_shape(struct at *a, const json_t *shape, struct tensor *t)
{
	size_t n = dtype_size(t->dtype), rank = json_array_size(shape);

	if (!json_is_array(shape) || rank > FRAME_RANK)
		return BAD(a, "tensor '%.80s': shape is not an array of at most %d sizes", t->name, FRAME_RANK);
	t->rank = (int)rank;
	for (size_t i = 0; i < rank; i++) {
		const json_t *d = json_array_get(shape, i);

		if (!json_is_integer(d) || json_integer_value(d) < 0)
			return BAD(a, "tensor '%.80s': axis %zu of the shape is not a whole number", t->name, i);
		t->shape[i] = json_integer_value(d);
		if (mem_mul(&n, n, (size_t)t->shape[i]) || n > INT64_MAX)
			return BAD(a, "tensor '%.80s': shape overflows", t->name);
	}
	t->size = n;
	return 0;
}

static int parse_tensor(struct at *a, const char *name, const json_t *v, struct tensor *t, size_t *begin)
{
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	const json_t *off = json_object_get(v, "data_offsets"), *lo = json_array_get(off, 0), *hi = json_array_get(off, 1);

	t->name = strdup(name);
	if (!t->name)
		return BAD(a, "not enough memory for a header");
	if (!json_is_object(v) || json_object_size(v) != 3 || !dtype || json_array_size(off) != 2)
		return BAD(a, "tensor '%.80s': not an object of dtype, shape and data_offsets", name);
	if (dtype_parse(dtype, &t->dtype))
		return BAD(a, "tensor '%.80s': unknown dtype '%.40s'", name, dtype);
	if (parse_shape(a, json_object_get(v, "shape"), t))
		return -1;
	if (!json_is_integer(lo) || !json_is_integer(hi) || json_integer_value(lo) < 0 || json_integer_value(hi) < json_integer_value(lo))
		return BAD(a, "tensor '%.80s': data_offsets are not a range", name);
	*begin = (size_t)json_integer_value(lo);
	if ((size_t)json_integer_value(hi) - *begin != t->size)
		return BAD(a, "tensor '%.80s': data_offsets hold %lld bytes (expected %zu from dtype and shape)", name,
		           (long long)(json_integer_value(hi) - json_integer_value(lo)), t->size);
	return 0;
}

static int parse_meta(struct at *a, json_t *meta, struct frame *f)
{
	const char *key, *id;
	json_t *v;

	f->meta = meta ? json_incref(meta) : json_object();
	if (!json_is_object(f->meta))
		return BAD(a, "__metadata__ is not an object");
	json_object_foreach(f->meta, key, v)
		if (!json_is_string(v))
			return BAD(a, "__metadata__ '%.80s' is not a string", key);
	id = frame_meta(f, "id");
	return id ? frame_check_id(a->file, id, a->e) : 0;
}

struct place { size_t begin; struct tensor t; };

static int by_begin(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	if (p->begin != q->begin)
		return p->begin < q->begin ? -1 : 1;
	return p->t.size < q->t.size ? -1 : p->t.size > q->t.size; /* empty tensors first */
}

/* Into file order; no hole and no overlap. */
static int arrange(struct at *a, struct frame *f, size_t *begin, size_t *data)
{
	struct place *p = calloc((size_t)f->n + 1, sizeof *p);
	size_t end = 0;
	int r = 0;

	if (!p)
		return BAD(a, "not enough memory for a header");
	for (int i = 0; i < f->n; i++)
		p[i] = (struct place){begin[i], f->t[i]};
	qsort(p, (size_t)f->n, sizeof *p, by_begin);
	for (int i = 0; i < f->n; i++) {
		f->t[i] = p[i].t;
		begin[i] = p[i].begin;
		if (begin[i] != end && !r)
			r = BAD(a, "tensor '%.80s': data begin at %zu (expected %zu: no %s)", f->t[i].name, begin[i], end,
			        begin[i] < end ? "overlap" : "hole");
		if (mem_add(&end, begin[i], f->t[i].size) && !r)
			r = BAD(a, "tensor '%.80s': data_offsets overflow", f->t[i].name);
	}
	free(p);
	*data = end;
	return r;
}

static int parse_all(struct at *a, struct frame *f, json_t *h, size_t **begin, size_t *data)
{
	size_t count = json_object_size(h);
	const char *key;
	json_t *v;

	f->t = calloc(count + 1, sizeof *f->t);
	*begin = calloc(count + 1, sizeof **begin);
	f->file = strdup(a->file);
	f->offset = a->offset - 8;
	if (!f->t || !*begin || !f->file)
		return BAD(a, "not enough memory for a header");
	if (parse_meta(a, json_object_get(h, "__metadata__"), f))
		return -1;
	json_object_foreach(h, key, v) {
		if (!strcmp(key, "__metadata__"))
			continue;
		f->n++;
		if (parse_tensor(a, key, v, &f->t[f->n - 1], &(*begin)[f->n - 1]))
			return -1;
	}
	return arrange(a, f, *begin, data);
}

int frame_parse(struct frame *f, const char *text, size_t n, const char *file, int64_t offset, size_t **begin, size_t *data, struct err *e)
{
	struct at a = {file, offset, e};
	json_error_t je;
	json_t *h;
	int r;

	memset(f, 0, sizeof *f);
	*begin = NULL;
	if (!n || text[0] != '{')
		return BAD(&a, "header does not begin with '{': not a safetensors frame");
	h = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!h) {
		a.offset += je.position;
		return BAD(&a, "header is not JSON: %.200s", je.text);
	}
	r = parse_all(&a, f, h, begin, data);
	json_decref(h);
	return r;
}
