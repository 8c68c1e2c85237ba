#include "lib/net/import/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/import/pickle.h"
#include "lib/net/import/torch_tree.h"
#include "lib/net/import/zip.h"

enum { VERSION = 1001 };

/* Bytes that a storage's key stands for. */
struct storage {
	const char *key;
	size_t len;
	int value;           /* that names it */
	const uint8_t *data; /* NULL: not in the file */
	size_t size;
};

struct torch {
	const uint8_t *b;
	size_t n;
	const char *file;
	struct pickle p;
	struct zip z;
	struct storage *storage; /* by key */
	size_t storages;
};

static const struct { const char *type; enum dtype dtype; } TYPES[] = {
	{"FloatStorage", DT_F32}, {"DoubleStorage", DT_F64}, {"HalfStorage", DT_F16}, {"BFloat16Storage", DT_BF16}, {"LongStorage", DT_I64},
	{"IntStorage", DT_I32}, {"ShortStorage", DT_I16}, {"CharStorage", DT_I8}, {"ByteStorage", DT_U8}, {"BoolStorage", DT_BOOL},
};

static const uint8_t MAGIC[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'}; /* after the pickle's protocol */

int torch_is(const uint8_t *b, size_t n)
{
	return n >= 4 && (!memcmp(b, "PK\3\4", 4) || (n >= 2 + sizeof MAGIC && b[0] == 0x80 && !memcmp(b + 2, MAGIC, sizeof MAGIC)));
}

/* -- storages -- */

/* Type, number of elements and key of the storage that value v names. */
static int read_storage(const struct torch *t, int v, enum dtype *dtype, int64_t *count, int *key, struct err *e)
{
	const char *type = pickle_type(&t->p, pickle_item(&t->p, v, 1));
	int n = pickle_item(&t->p, v, 4), view = pickle_item(&t->p, v, 5);
	size_t i = 0;

	*key = pickle_item(&t->p, v, 2);
	while (i < sizeof TYPES / sizeof *TYPES && (!type || strcmp(type, TYPES[i].type)))
		i++;
	if (i == sizeof TYPES / sizeof *TYPES)
		return err_set(e, t->file, "a storage of type '%.80s', which is not known", type ? type : "");
	if (!pickle_is(&t->p, *key, PICKLE_TEXT) || !pickle_is(&t->p, n, PICKLE_INT) || t->p.v[n].i < 0 ||
	    (view >= 0 && !pickle_is(&t->p, view, PICKLE_NONE)))
		return err_set(e, t->file, "a storage without a key or a size, or a view of one");
	*dtype = TYPES[i].dtype;
	*count = t->p.v[n].i;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct storage *p = a, *q = b;
	int d = memcmp(p->key, q->key, p->len < q->len ? p->len : q->len);

	return d ? d : p->len < q->len ? -1 : p->len > q->len;
}

/* The storage whose key is this value of a pickle; NULL: none, or no text. */
static struct storage *find_storage(const struct torch *t, const struct pickle *p, int key)
{
	struct storage s = {0};

	if (!pickle_is(p, key, PICKLE_TEXT) || !t->storages)
		return NULL;
	s.key = p->v[key].s, s.len = (size_t)p->v[key].n;
	return bsearch(&s, t->storage, t->storages, sizeof s, by_key);
}

/* Every storage that the pickle names, once. */
static int list_storages(struct torch *t, struct err *e)
{
	size_t n = 0, k = 0;

	for (int i = 0; i < t->p.n; i++)
		n += t->p.v[i].kind == PICKLE_STORAGE;
	t->storage = mem_zero(n, sizeof *t->storage, "storages", e);
	if (!t->storage)
		return -1;
	for (int i = 0; i < t->p.n; i++) {
		int key = pickle_item(&t->p, i, 2);

		if (t->p.v[i].kind != PICKLE_STORAGE)
			continue;
		if (!pickle_is(&t->p, key, PICKLE_TEXT))
			return err_set(e, t->file, "a storage whose key is no text");
		t->storage[k++] = (struct storage){.key = t->p.v[key].s, .len = (size_t)t->p.v[key].n, .value = i};
	}
	qsort(t->storage, n, sizeof *t->storage, by_key);
	for (size_t i = 0; i < n; i++)
		if (!t->storages || by_key(&t->storage[t->storages - 1], &t->storage[i]))
			t->storage[t->storages++] = t->storage[i];
	return 0;
}

/* -- zip archives: NAME/data.pkl, NAME/byteorder, NAME/data/KEY -- */

static const struct zip_entry *entry(const struct torch *t, const struct zip_entry *root, const char *name, size_t len)
{
	char full[512];
	size_t n = root->len - strlen("data.pkl");

	if (n + len >= sizeof full)
		return NULL;
	memcpy(full, root->name, n);
	memcpy(full + n, name, len);
	full[n + len] = 0;
	return zip_find(&t->z, full);
}

static int read_zip(struct torch *t, struct err *e)
{
	const struct zip_entry *root = NULL, *order;

	if (zip_open(&t->z, t->b, t->n, t->file, e))
		return -1;
	for (size_t i = 0; i < t->z.n && !root; i++) {
		const struct zip_entry *z = &t->z.entry[i];

		if (z->len > 9 && !memcmp(z->name + z->len - 9, "/data.pkl", 9))
			root = z;
	}
	if (!root)
		return err_set(e, t->file, "is a zip archive, but has no data.pkl: not written by torch.save");
	order = entry(t, root, "byteorder", 9);
	if (order && (order->size != 6 || memcmp(order->data, "little", 6)))
		return err_set(e, t->file, "its byte order is '%.*s' (expected little)", (int)(order->size < 20 ? order->size : 20), (const char *)order->data);
	if (pickle_load(&t->p, root->data, root->size, t->file, root->data - t->b, e) || list_storages(t, e))
		return -1;
	for (size_t i = 0; i < t->storages; i++) {
		struct storage *s = &t->storage[i];
		char name[256] = "data/";
		const struct zip_entry *z;

		if (s->len + 5 >= sizeof name)
			return err_set(e, t->file, "a storage's key of %zu bytes", s->len);
		memcpy(name + 5, s->key, s->len);
		z = entry(t, root, name, s->len + 5);
		if (z)
			s->data = z->data, s->size = z->size;
	}
	return 0;
}

/* -- the older form: pickles of a magic number, 1001, a dict about the machine, the object, a list of keys; then for each key its number of elements
   and its data -- */

static int skip_pickle(const struct torch *t, size_t *at, int version, struct err *e)
{
	struct pickle p;
	int r = pickle_load(&p, t->b + *at, t->n - *at, t->file, (int64_t)*at, e), little = r ? -1 : pickle_get(&p, p.root, "little_endian");

	if (!r && version && (!pickle_is(&p, p.root, PICKLE_INT) || p.v[p.root].i != VERSION))
		r = err_at(e, t->file, (int64_t)*at, "its protocol is not %d", VERSION);
	else if (!r && !version && little >= 0 && !(pickle_is(&p, little, PICKLE_BOOL) && p.v[little].i))
		r = err_at(e, t->file, (int64_t)*at, "its byte order is not little");
	*at += r ? 0 : p.used;
	pickle_free(&p);
	return r;
}

/* The data of the storage that the next of the keys names. */
static int place_storage(struct torch *t, const struct pickle *keys, int key, size_t *at, struct err *e)
{
	struct storage *to = find_storage(t, keys, key);
	enum dtype dtype;
	uint64_t n = 0;
	int64_t count;

	if (!to)
		return err_at(e, t->file, (int64_t)*at, "a storage that belongs to no tensor");
	if (read_storage(t, to->value, &dtype, &count, &key, e))
		return -1;
	if (t->n - *at < 8)
		return err_at(e, t->file, (int64_t)t->n, "ends inside its storages");
	for (int i = 0; i < 8; i++)
		n |= (uint64_t)t->b[*at + (size_t)i] << 8 * i;
	*at += 8;
	if (n > (t->n - *at) / dtype_size(dtype))
		return err_at(e, t->file, (int64_t)t->n, "ends inside a storage of %llu values", (unsigned long long)n);
	to->data = t->b + *at;
	to->size = n * dtype_size(dtype);
	*at += to->size;
	return 0;
}

static int read_legacy(struct torch *t, struct err *e)
{
	size_t at = 2 + sizeof MAGIC;
	struct pickle keys = {0};
	int r;

	if (skip_pickle(t, &at, 1, e) || skip_pickle(t, &at, 0, e))
		return -1;
	if (pickle_load(&t->p, t->b + at, t->n - at, t->file, (int64_t)at, e) || list_storages(t, e))
		return -1;
	at += t->p.used;
	r = pickle_load(&keys, t->b + at, t->n - at, t->file, (int64_t)at, e);
	if (!r && !pickle_is(&keys, keys.root, PICKLE_LIST))
		r = err_at(e, t->file, (int64_t)at, "has no list of storages");
	at += keys.used;
	for (int i = 0; !r && i < keys.v[keys.root].n; i++)
		r = place_storage(t, &keys, pickle_item(&keys, keys.root, i), &at, e);
	if (!r && at != t->n)
		r = err_at(e, t->file, (int64_t)at, "%zu bytes after the last storage", t->n - at);
	pickle_free(&keys);
	return r;
}

/* -- tensors -- */

/* Whole numbers of 0 or more, of a tuple of at most FRAME_RANK. */
static int read_sizes(const struct torch *t, int tuple, int64_t v[FRAME_RANK], struct err *e)
{
	const struct pickle_value *x = tuple >= 0 ? &t->p.v[tuple] : NULL;

	if (!x || x->kind != PICKLE_TUPLE || x->n > FRAME_RANK)
		return err_set(e, NULL, "its size or stride is not a tuple of at most %d", FRAME_RANK);
	for (int i = 0; i < x->n; i++) {
		if (!pickle_is(&t->p, x->item[i], PICKLE_INT) || t->p.v[x->item[i]].i < 0)
			return err_set(e, NULL, "its size or stride is not whole numbers");
		v[i] = t->p.v[x->item[i]].i;
	}
	return x->n;
}

/* Does the tensor, which begins `offset` elements into a storage of `count`, stay inside it? */
static int check_extent(const struct weight *w, int64_t offset, int64_t count, struct err *e)
{
	int64_t last = offset, total = 1, step;

	for (int k = 0; k < w->rank; k++) {
		if (__builtin_mul_overflow(total, w->shape[k], &total) || total > INT64_MAX / 8)
			return err_set(e, NULL, "its size overflows");
		if (w->shape[k] && (__builtin_mul_overflow(w->shape[k] - 1, w->stride[k], &step) || __builtin_add_overflow(last, step, &last)))
			return err_set(e, NULL, "its strides overflow");
	}
	if (offset < 0 || (total && last >= count))
		return err_set(e, NULL, "it reaches out of its storage (element %lld of %lld)", (long long)last, (long long)count);
	return 0;
}

static int read_tensor(const struct torch *t, int v, struct weight *w, struct err *e)
{
	int storage = pickle_item(&t->p, v, 0), offset = pickle_item(&t->p, v, 1), key;
	const struct storage *s;
	int64_t count;

	if (read_storage(t, storage, &w->dtype, &count, &key, e))
		return -1;
	s = find_storage(t, &t->p, key);
	if (!s || !s->data)
		return err_set(e, NULL, "its storage '%.*s' is not in the file", t->p.v[key].n < 80 ? t->p.v[key].n : 80, t->p.v[key].s);
	if ((uint64_t)count > s->size / dtype_size(w->dtype))
		return err_set(e, NULL, "its storage has %zu bytes (expected %lld values of %s)", s->size, (long long)count, dtype_name(w->dtype));
	w->rank = read_sizes(t, pickle_item(&t->p, v, 2), w->shape, e);
	if (w->rank < 0)
		return -1;
	if (read_sizes(t, pickle_item(&t->p, v, 3), w->stride, e) != w->rank || !pickle_is(&t->p, offset, PICKLE_INT))
		return err_set(e, NULL, "its stride or offset does not belong to its size");
	if (check_extent(w, t->p.v[offset].i, count, e))
		return -1;
	w->data = s->data + (size_t)(weights_count(w) ? t->p.v[offset].i : 0) * dtype_size(w->dtype);
	return 0;
}

/* For torch_tree_walk: tensor v, called name, of weights arg. */
static int add_tensor(void *arg, const char *name, size_t len, int v, struct err *e)
{
	struct weights *to = arg;
	struct weight w = {0};

	if (read_tensor(to->torch, v, &w, e))
		return err_prefix(e, "%s: tensor '%.*s'", to->file, (int)(len < 200 ? len : 200), name);
	return weights_add(to, name, len, &w, e);
}

int torch_read(struct weights *w, const uint8_t *b, size_t n, const char *key, int all, struct err *e)
{
	struct torch *t = w->torch = mem_zero(1, sizeof *t, "a file of weights", e);
	int dict;

	if (!t)
		return -1;
	t->b = b, t->n = n, t->file = w->file;
	if (memcmp(b, "PK", 2) ? read_legacy(t, e) : read_zip(t, e))
		return -1;
	if (all)
		return torch_tree_all(&t->p, add_tensor, w, w->file, e);
	dict = torch_tree_choose(&t->p, key, &w->from, w->file, e);
	return dict < 0 ? -1 : torch_tree_dict(&t->p, dict, add_tensor, w, w->file, e);
}

int torch_ints(const struct torch *t, const char *key, int64_t *v, int most)
{
	int list = pickle_get(&t->p, t->p.root, key), n = 0;

	if (pickle_is(&t->p, list, PICKLE_TUPLE) || pickle_is(&t->p, list, PICKLE_LIST))
		while (n < most && pickle_is(&t->p, pickle_item(&t->p, list, n), PICKLE_INT)) {
			v[n] = t->p.v[pickle_item(&t->p, list, n)].i;
			n++;
		}
	return n;
}

void torch_free(struct torch *t)
{
	if (!t)
		return;
	pickle_free(&t->p);
	zip_free(&t->z);
	free(t->storage);
	free(t);
}
