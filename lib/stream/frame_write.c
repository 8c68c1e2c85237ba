#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/frame.h"

enum { PIECE = 4 << 20 }; /* bytes of values made later */
enum { HEADER_ALIGN = 64 }; /* so that, in a file of one frame, the data are aligned for any vector */

static void sort_tensors(struct frame *f)
{
	/* insertion sort: stable, and few tensors */
	for (int i = 1; i < f->n; i++) {
		struct tensor t = f->t[i];
		int j = i;

		for (; j && dtype_size(f->t[j - 1].dtype) < dtype_size(t.dtype); j--)
			f->t[j] = f->t[j - 1];
		f->t[j] = t;
	}
}

static json_t *header_json(const struct frame *f)
{
	json_t *h = json_object();
	size_t at = 0;

	if (json_object_size(f->meta))
		json_object_set(h, "__metadata__", f->meta);
	for (int i = 0; i < f->n; i++) {
		const struct tensor *t = &f->t[i];
		json_t *shape = json_array();

		for (int k = 0; k < t->rank; k++)
			json_array_append_new(shape, json_integer(t->shape[k]));
		json_object_set_new(h, t->name, json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype), "shape", shape, "data_offsets",
		                                          (json_int_t)at, (json_int_t)(at + t->size)));
		at += t->size;
	}
	return h;
}

int frame_write_header(struct frame *f, struct out *o, struct err *e)
{
	static const char spaces[HEADER_ALIGN + 1] = "                                                                ";
	uint8_t len8[8];
	json_t *h;
	char *text;
	size_t n, pad;
	int r = -1;

	sort_tensors(f);
	h = header_json(f);
	text = json_dumps(h, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(h);
	if (!text)
		return err_set(e, o->name, "cannot make the header of frame %.80s", frame_id(f));
	n = strlen(text);
	pad = (HEADER_ALIGN - (8 + n) % HEADER_ALIGN) % HEADER_ALIGN;
	if (n + pad > FRAME_HEADER_MAX)
		err_set(e, o->name, "header of %zu bytes (at most %llu)", n + pad, (unsigned long long)FRAME_HEADER_MAX);
	else {
		for (int i = 0; i < 8; i++)
			len8[i] = (uint8_t)((uint64_t)(n + pad) >> 8 * i);
		r = out_write(o, len8, 8, e) || out_write(o, text, n, e) || out_write(o, spaces, pad, e) ? -1 : 0;
	}
	free(text);
	return r;
}

static int write_later(const struct tensor *t, struct out *o, struct err *e)
{
	int64_t size = (int64_t)dtype_size(t->dtype), n = tensor_count(t), most = PIECE / size;
	void *piece = mem_new(PIECE, 1, t->name, e);
	int r = piece ? 0 : -1;

	for (int64_t at = 0; at < n && !r; at += most) {
		int64_t k = n - at < most ? n - at : most;

		t->later->make(t, at, k, piece);
		r = out_write(o, piece, (size_t)(k * size), e);
	}
	free(piece);
	return r;
}

static int write_frame(struct frame *f, struct out *o, int give, struct err *e)
{
	if (frame_write_header(f, o, e))
		return -1;
	for (struct tensor *t = f->t; t < f->t + f->n; t++)
		if (t->later ? write_later(t, o, e) : give && t->owned ? out_give(o, t->data, t->size, e) : out_write(o, t->data, t->size, e))
			return -1;
	return 0;
}

int frame_write(struct frame *f, struct out *o, struct err *e)
{
	return write_frame(f, o, 0, e);
}

int frame_give(struct frame *f, struct out *o, struct err *e)
{
	return write_frame(f, o, 1, e);
}
