#include "lib/net/import/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/import/torch.h"
#include "lib/stream/values.h"

int weights_add(struct weights *w, const char *name, size_t len, const struct weight *t, struct err *e)
{
	char *copy;

	if (!len || len > 255)
		return err_set(e, w->file, "a tensor's name of %zu bytes (expected 1 to 255)", len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			return err_set(e, w->file, "a tensor's name with a control character: '%.*s'", (int)len, name);
	if (mem_more(&w->w, (size_t)w->n, sizeof *w->w, "tensors", e))
		return err_prefix(e, "%s", w->file);
	copy = strndup(name, len);
	if (!copy)
		return err_set(e, w->file, "not enough memory for a name");
	w->w[w->n] = *t;
	w->w[w->n++].name = copy;
	return 0;
}

/* -- safetensors -- */

static int read_frame(struct weights *w, const char *path, struct err *e)
{
	w->stream = stream_open(path, e);
	if (!w->stream || stream_next(w->stream, &w->frame, e) != 1)
		return -1;
	w->from = strdup("");
	if (!w->from)
		return err_set(e, w->file, "not enough memory for a name");
	for (int i = 0; i < w->frame.n; i++) {
		const struct tensor *t = &w->frame.t[i];
		struct weight x = {.dtype = t->dtype, .rank = t->rank, .data = t->data};
		int64_t stride = 1;

		for (int k = t->rank - 1; k >= 0; k--) {
			x.shape[k] = t->shape[k];
			x.stride[k] = stride;
			stride *= t->shape[k];
		}
		if (weights_add(w, t->name, strlen(t->name), &x, e))
			return -1;
	}
	return 0;
}

/* -- files -- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_twice(const struct weights *w, struct err *e)
{
	const char **name = mem_new((size_t)w->n, sizeof *name, "names", e);
	int r = name ? 0 : -1;

	for (int i = 0; i < w->n && name; i++)
		name[i] = w->w[i].name;
	if (name)
		qsort(name, (size_t)w->n, sizeof *name, by_name);
	for (int i = 1; i < w->n && !r; i++)
		if (!strcmp(name[i - 1], name[i]))
			r = err_set(e, w->file, "tensor '%.200s' is there twice", name[i]);
	free(name);
	return r;
}

int weights_open(struct weights *w, const char *path, const char *key, int all, struct err *e)
{
	int std = !path || !strcmp(path, "-");

	memset(w, 0, sizeof *w);
	w->file = std ? "standard input" : path;
	if (!std && mapped_open(&w->map, path, e))
		return -1;
	if (torch_is(w->map.b, w->map.n))
		return torch_read(w, w->map.b, w->map.n, key, all, e) ? -1 : all ? 0 : check_twice(w, e);
	if (w->map.b && (w->map.n < 9 || w->map.b[8] != '{'))
		return err_set(e, path, "is neither safetensors nor a file of torch.save");
	if (key)
		return err_set(e, w->file, "--key is for files of torch.save");
	return read_frame(w, path, e);
}

void weights_close(struct weights *w)
{
	for (int i = 0; i < w->n; i++)
		free(w->w[i].name);
	free(w->w);
	free(w->from);
	torch_free(w->torch);
	frame_free(&w->frame);
	stream_close(w->stream);
	mapped_close(&w->map);
	memset(w, 0, sizeof *w);
}

struct weight *weights_find(const struct weights *w, const char *name)
{
	for (int i = 0; i < w->n; i++)
		if (!strcmp(w->w[i].name, name))
			return &w->w[i];
	return NULL;
}

void weights_drop(struct weights *w, int i)
{
	free(w->w[i].name);
	memmove(&w->w[i], &w->w[i + 1], (size_t)(--w->n - i) * sizeof *w->w);
}

/* -- values -- */

int64_t weights_count(const struct weight *w)
{
	int64_t n = 1;

	for (int k = 0; k < w->rank; k++)
		n *= w->shape[k];
	return n;
}

/* The elements of axes k and up. */
static float *load_axes(const struct weight *w, int k, const uint8_t *data, float *out)
{
	struct tensor t = {.dtype = w->dtype, .data = (void *)data};
	int64_t step = k < w->rank ? w->stride[k] * (int64_t)dtype_size(w->dtype) : 0, n = k < w->rank ? w->shape[k] : 1;

	if (k >= w->rank - 1 && (n == 1 || w->stride[k] == 1)) {
		tensor_load_f32(&t, 0, n, out);
		return out + n;
	}
	for (int64_t i = 0; i < n; i++, data += step)
		out = load_axes(w, k + 1, data, out);
	return out;
}

static int is_dense(const struct weight *w)
{
	int64_t stride = 1;

	for (int k = w->rank - 1; k >= 0; k--) {
		if (w->shape[k] != 1 && w->stride[k] != stride)
			return 0;
		stride *= w->shape[k];
	}
	return 1;
}

void weights_load(const struct weight *w, float *out)
{
	struct tensor t = {.dtype = w->dtype, .data = (void *)w->data};

	if (is_dense(w))
		tensor_load_f32(&t, 0, weights_count(w), out);
	else
		load_axes(w, 0, w->data, out);
}

static int equal_axes(const struct weight *a, const struct weight *b, int k, const uint8_t *p, const uint8_t *q)
{
	size_t size = dtype_size(a->dtype);

	if (k == a->rank)
		return !memcmp(p, q, size);
	for (int64_t i = 0; i < a->shape[k]; i++)
		if (!equal_axes(a, b, k + 1, p + (size_t)(i * a->stride[k]) * size, q + (size_t)(i * b->stride[k]) * size))
			return 0;
	return 1;
}

int weights_equal(const struct weight *a, const struct weight *b)
{
	if (a->dtype != b->dtype || a->rank != b->rank || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape))
		return 0;
	if (a->data == b->data && !memcmp(a->stride, b->stride, (size_t)a->rank * sizeof *a->stride))
		return 1;
	if (is_dense(a) && is_dense(b))
		return !memcmp(a->data, b->data, (size_t)weights_count(a) * dtype_size(a->dtype));
	return equal_axes(a, b, 0, a->data, b->data);
}

const char *weights_text(const struct weight *w, char text[WEIGHT_TEXT])
{
	size_t n = (size_t)snprintf(text, WEIGHT_TEXT, "%s [", dtype_name(w->dtype));

	for (int k = 0; k < w->rank && n < WEIGHT_TEXT; k++)
		n += (size_t)snprintf(text + n, WEIGHT_TEXT - n, "%s%lld", k ? "," : "", (long long)w->shape[k]);
	if (n < WEIGHT_TEXT)
		snprintf(text + n, WEIGHT_TEXT - n, "]");
	return text;
}
