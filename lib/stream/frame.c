#include "lib/stream/frame.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/pool.h"
#include "lib/base/version.h"

int frame_init(struct frame *f, const char *kind, const char *id, struct err *e)
{
	memset(f, 0, sizeof *f);
	f->meta = json_object();
	if (!f->meta)
		return err_set(e, NULL, "not enough memory for a frame");
	if (frame_set_meta(f, "niipipe", NIIPIPE_FORMAT, e) || frame_set_meta(f, "kind", kind, e) || (id && frame_set_meta(f, "id", id, e))) {
		frame_free(f);
		return -1;
	}
	return 0;
}

int frame_is_patch(const struct frame *f)
{
	const char *kind = frame_meta(f, "kind");
	size_t left = POOL_MOST;

	for (int i = 0; i < f->n; i++) {
		if (f->t[i].size > left)
			return 0;
		left -= f->t[i].size;
	}
	return kind && !strcmp(kind, "patch");
}

static void tensor_free(struct tensor *t, int patch)
{
	if (t->later)
		tensor_free(&t->later->from, patch);
	free(t->later);
	if (t->owned && patch)
		pool_give(t->data, t->size);
	else if (t->owned)
		free(t->data);
	free(t->name);
}

void frame_free(struct frame *f)
{
	const int patch = frame_is_patch(f);

	for (int i = 0; i < f->n; i++)
		tensor_free(&f->t[i], patch);
	free(f->t);
	free(f->file);
	json_decref(f->meta);
	memset(f, 0, sizeof *f);
}

uint64_t frame_hash(const struct frame *f)
{
	struct hash h = {{0}};

	for (int i = 0; i < f->n; i++)
		hash_add(&h, f->t[i].data, f->t[i].size);
	return hash_end(&h);
}

const char *frame_meta(const struct frame *f, const char *key)
{
	return json_string_value(json_object_get(f->meta, key));
}

int frame_set_meta(struct frame *f, const char *key, const char *value, struct err *e)
{
	if (!value) {
		json_object_del(f->meta, key);
		return 0;
	}
	if (json_object_set_new(f->meta, key, json_string(value)))
		return err_set(e, NULL, "metadata %s is not UTF-8, or there is not enough memory", key);
	return 0;
}

int frame_set_json(struct frame *f, const char *key, const json_t *value, struct err *e)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	int r = text ? frame_set_meta(f, key, text, e) : err_set(e, NULL, "not enough memory for metadata %s", key);

	free(text);
	return r;
}

const char *frame_id(const struct frame *f)
{
	const char *id = frame_meta(f, "id");

	return id ? id : "?";
}

int frame_check_id(const char *file, const char *id, struct err *e)
{
	size_t n = strlen(id);
	json_t *text = json_string(id);
	const int utf8 = text != NULL;

	json_decref(text);
	if (n < 1 || n > 255)
		return err_set(e, file, "id of %zu bytes (expected 1 to 255)", n);
	if (!strcmp(id, ".") || !strcmp(id, ".."))
		return err_set(e, file, "id '%s' is a directory's name", id);
	for (const char *s = id; *s; s++)
		if (*s == '/' || (unsigned char)*s < ' ' || *s == 127)
			return err_set(e, file, "id '%.80s' has a '/' or a control character in it", id);
	if (!utf8)
		return err_set(e, file, "id '%.80s' is not UTF-8", id);
	return 0;
}

struct tensor *frame_find(const struct frame *f, const char *name)
{
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->t[i].name, name))
			return &f->t[i];
	return NULL;
}

struct tensor *frame_need(const struct frame *f, const char *name, struct err *e)
{
	struct tensor *t = frame_find(f, name);

	if (!t)
		err_set(e, NULL, "no tensor '%.80s' in this frame", name);
	return t;
}

void frame_drop(struct frame *f, const char *name)
{
	struct tensor *t = frame_find(f, name);

	if (!t)
		return;
	tensor_free(t, frame_is_patch(f));
	memmove(t, t + 1, (size_t)(f->t + f->n - (t + 1)) * sizeof *t);
	f->n--;
}

static int measure(struct tensor *t, struct err *e)
{
	size_t n = dtype_size(t->dtype);

	for (int i = 0; i < t->rank; i++)
		if (t->shape[i] < 0 || mem_mul(&n, n, (size_t)t->shape[i]) || n > INT64_MAX)
			return err_set(e, NULL, "tensor '%.80s' is too large", t->name);
	t->size = n;
	return 0;
}

/* Room for one more, or the slot of that name emptied. */
static struct tensor *slot(struct frame *f, const char *name, struct err *e)
{
	struct tensor *t = frame_find(f, name), *grown;

	if (t) {
		tensor_free(t, frame_is_patch(f));
		memset(t, 0, sizeof *t);
	} else {
		grown = realloc(f->t, (size_t)(f->n + 1) * sizeof *grown);
		if (!grown) {
			err_set(e, NULL, "not enough memory for a frame");
			return NULL;
		}
		f->t = grown;
		t = &f->t[f->n++];
		memset(t, 0, sizeof *t);
	}
	t->name = strdup(name);
	if (!t->name) {
		err_set(e, NULL, "not enough memory for a frame");
		t->name = calloc(1, 1); /* keeps the frame consistent; the caller gives up anyway */
		return NULL;
	}
	return t;
}

struct tensor *frame_adopt(struct frame *f, const char *name, enum dtype dtype, int rank, const int64_t *shape, void *data, struct err *e)
{
	struct tensor *t = slot(f, name, e);

	if (!t) {
		free(data);
		return NULL;
	}
	t->dtype = dtype;
	t->rank = rank;
	memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
	t->data = data;
	t->owned = 1;
	return measure(t, e) ? NULL : t;
}

struct tensor *frame_add(struct frame *f, const char *name, enum dtype dtype, int rank, const int64_t *shape, struct err *e)
{
	struct tensor t = {.name = (char *)name, .dtype = dtype, .rank = rank};
	void *data;

	memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
	if (measure(&t, e))
		return NULL;
	data = pool_take(t.size, name, e);
	return data ? frame_adopt(f, name, dtype, rank, shape, data, e) : NULL;
}

int tensor_later(struct tensor *t, enum dtype dtype, int rank, const int64_t *shape, struct later *l, struct err *e)
{
	struct tensor now = {.name = t->name, .dtype = dtype, .rank = rank, .later = l};

	memcpy(now.shape, shape, (size_t)rank * sizeof *shape);
	if (measure(&now, e)) {
		free(l);
		return -1;
	}
	l->from = *t;
	l->from.name = NULL;
	*t = now;
	return 0;
}

static int settle(struct tensor *t, int patch, struct err *e)
{
	struct later *l = t->later;
	int reuse = l->in_place && l->from.owned;
	void *data = reuse ? l->from.data : pool_take(t->size, t->name, e);

	if (!data)
		return -1;
	l->make(t, 0, tensor_count(t), data);
	l->from.owned &= !reuse;
	tensor_free(&l->from, patch);
	free(l);
	t->later = NULL;
	t->data = data;
	t->owned = 1;
	return 0;
}

int frame_settle(struct frame *f, struct err *e)
{
	const int patch = frame_is_patch(f);

	for (int i = 0; i < f->n; i++)
		if (f->t[i].later && settle(&f->t[i], patch, e))
			return -1;
	return 0;
}
