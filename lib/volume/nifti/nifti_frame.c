#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/volume/nifti/nifti.h"

enum { PIECE = 256 << 10 }; /* bytes */

/* As of one label, but arrays. */
static void parts_of(const struct arg_strs *parts, json_t *args)
{
	json_t *names = json_array(), *hashes = json_array();
	char hash[HASH_TEXT];

	for (int i = 0; i < parts->n; i++) {
		json_array_append_new(names, shell_name(parts->v[i]));
		if (!hash_file(parts->v[i], hash))
			json_array_append_new(hashes, json_string(hash));
	}
	json_object_set_new(args, "labels", names);
	if (json_array_size(hashes) == (size_t)parts->n)
		json_object_set_new(args, "label_hash", json_incref(hashes));
	json_decref(hashes);
}

static json_t *args_of(const struct nii_case *c)
{
	const struct { const char *path, *key; } hashed[] = {{c->image, "hash"}, {c->label, "label_hash"}};
	json_t *args = json_object();
	char hash[HASH_TEXT];

	json_object_set_new(args, "file", shell_name(c->image && strcmp(c->image, "-") ? c->image : "standard input"));
	if (c->label)
		json_object_set_new(args, "label", shell_name(c->label));
	if (c->parts)
		parts_of(c->parts, args);
	if ((c->label || c->parts) && c->map)
		json_object_set_new(args, "map", json_string(c->map->text));
	for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++)
		if (!hash_file(hashed[i].path, hash))
			json_object_set_new(args, hashed[i].key, json_string(hash));
	return args;
}

/* Metadata of a frame read from a file. */
static int describe(struct frame *f, const struct nii_header *h, const struct nii_case *c, struct err *e)
{
	int std = !c->image || !strcmp(c->image, "-");
	char *stem = nii_stem(std ? "stdin" : c->image, 1);
	const char *id = c->id ? c->id : stem;
	int r = -1;

	memset(f, 0, sizeof *f);
	if (!stem)
		err_set(e, c->image, "not enough memory");
	else
		r = frame_check_id(std ? "standard input" : c->image, id, e) || frame_init(f, "volume", id, e) || frame_set_affine(f, h->grid.affine, e) ||
		    history_push(f, "nii-read", args_of(c), nii_record(h), NULL, e);
	free(stem);
	return r ? -1 : 0;
}

static int add_image(struct frame *f, const struct nii_header *h, void *data, struct err *e)
{
	const int64_t shape[4] = {h->channels, h->grid.size[2], h->grid.size[1], h->grid.size[0]};

	return frame_adopt(f, "image", nii_dtype(h), 4, shape, data, e) ? 0 : -1;
}

static int add_label(struct frame *f, const char *name, const struct nii_header *h, enum dtype t, void *data, struct err *e)
{
	const int64_t shape[3] = {h->grid.size[2], h->grid.size[1], h->grid.size[0]};

	return frame_adopt(f, name, t, 3, shape, data, e) ? 0 : -1;
}

/* The case's label, if it has one, as `label`; n: its image. */
static int load_label(const struct nii_case *c, const struct nii_file *n, struct frame *f, struct err *e)
{
	struct nii_header h;
	enum dtype t = DT_U8;
	void *label;

	if (!c->label && !c->parts)
		return 0;
	if (c->parts ? nii_load_parts(c->parts, &n->h, n->name, &h, &label, c->shared, e)
	             : nii_load_label(c->label, &n->h, n->name, &h, &label, &t, e))
		return -1;
	if ((!c->map || !nii_map_apply(c->map, label, t, h.values, c->label ? c->label : c->parts->v[0], e)) &&
	    !(c->parts ? nii_names_of_parts(c->parts, c->map, f, e) : nii_names_read(c->label, c->map, f, e)))
		return add_label(f, "label", &h, t, label, e);
	free(label);
	return -1;
}

static int stream_image(struct nii_file *n, struct out *o, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&n->h));
	char *buf = mem_new(PIECE, 1, n->name, e);
	int64_t k = buf ? 1 : -1;

	while (k > 0) {
		k = nii_next(n, buf, PIECE / size, e);
		if (k > 0 && out_write(o, buf, (size_t)k * size, e))
			k = -1;
	}
	free(buf);
	return (int)k;
}

static int write_frame(struct frame *f, struct nii_file *n, struct out *o, struct err *e)
{
	if (frame_write_header(f, o, e))
		return -1;
	for (int i = 0; i < f->n; i++)
		if (f->t[i].data ? out_write(o, f->t[i].data, f->t[i].size, e) : stream_image(n, o, e))
			return -1;
	return 0;
}

static int one_case(const struct nii_case *c, struct nii_file *n, struct frame *f, struct out *o, struct err *e)
{
	if (describe(f, &n->h, c, e) || add_image(f, &n->h, NULL, e) || load_label(c, n, f, e))
		return -1;
	return write_frame(f, n, o, e);
}

int nii_case_write(const struct nii_case *c, struct out *o, struct err *e)
{
	struct nii_file n;
	struct frame f = {0};
	int r;

	if (nii_open(&n, c->image, e))
		return -1;
	r = one_case(c, &n, &f, o, e);
	frame_free(&f);
	nii_close(&n);
	return r;
}

static int load_image(struct nii_file *n, const struct nii_case *c, struct frame *f, struct err *e)
{
	size_t size = dtype_size(nii_dtype(&n->h)), at = 0;
	char *data = mem_new(n->h.values, size, n->name, e);
	int64_t k;

	if (!data)
		return -1;
	while ((k = nii_next(n, data + at * size, PIECE / size, e)) > 0)
		at += (size_t)k;
	if (!k && !describe(f, &n->h, c, e))
		return add_image(f, &n->h, data, e);
	free(data);
	return -1;
}

int nii_case_load(const struct nii_case *c, struct frame *f, struct err *e)
{
	struct nii_file n;
	int r;

	memset(f, 0, sizeof *f);
	if (nii_open(&n, c->image, e))
		return -1;
	r = load_image(&n, c, f, e) || load_label(c, &n, f, e);
	nii_close(&n);
	return r ? -1 : 0;
}

static int load_label_file(const char *path, const char *tensor, struct frame *f, struct err *e)
{
	const struct nii_case c = {.image = (char *)path};
	struct nii_header h;
	enum dtype t;
	void *data;

	if (nii_load_label(path, NULL, NULL, &h, &data, &t, e))
		return -1;
	if (!describe(f, &h, &c, e) && !nii_names_read(path, NULL, f, e))
		return add_label(f, tensor, &h, t, data, e);
	free(data);
	return -1;
}

int nii_load(const char *path, const char *tensor, struct frame *f, struct err *e)
{
	const struct nii_case c = {.image = (char *)path};

	memset(f, 0, sizeof *f);
	if (!(strcmp(tensor, "image") ? load_label_file(path, tensor, f, e) : nii_case_load(&c, f, e)))
		return 0;
	frame_free(f);
	return -1;
}
