#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/volume/nifti/nifti_parts.h"

enum { PIECE = 256 << 10 }; /* bytes */

/* As of one file, but arrays. */
static void files_of(const char *const *path, int n, const char *key, const char *hash_key, json_t *args)
{
	json_t *names = json_array(), *hashes = json_array();
	char hash[HASH_TEXT];

	for (int i = 0; i < n; i++) {
		json_array_append_new(names, shell_name(path[i]));
		if (!hash_file(path[i], hash))
			json_array_append_new(hashes, json_string(hash));
	}
	json_object_set_new(args, key, names);
	if (json_array_size(hashes) == (size_t)n)
		json_object_set_new(args, hash_key, json_incref(hashes));
	json_decref(hashes);
}

static void channels_of(const struct nii_case *c, json_t *args)
{
	json_object_set_new(args, "channels", c->channels && c->channels->names ? json_incref(c->channels->names) : json_integer(c->n_more + 1));
	if (c->n_more)
		files_of((const char *const *)c->more, c->n_more, "more", "more_hash", args);
}

static json_t *args_of(const struct nii_case *c, const struct nii_paths *with)
{
	const struct { const char *path, *key; } hashed[] = {{c->image, "hash"}, {c->label, "label_hash"}};
	json_t *args = json_object();
	char hash[HASH_TEXT];

	json_object_set_new(args, "file", shell_name(c->image && strcmp(c->image, "-") ? c->image : "standard input"));
	if (c->n_more || c->channels)
		channels_of(c, args);
	if (c->label)
		json_object_set_new(args, "label", shell_name(c->label));
	if (c->parts)
		files_of(c->parts->v, c->parts->n, "labels", "label_hash", args);
	if ((c->label || c->parts) && c->map)
		json_object_set_new(args, "map", json_string(c->map->text));
	if (c->with)
		nii_with_args(c->with, with, args);
	for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++)
		if (!hash_file(hashed[i].path, hash))
			json_object_set_new(args, hashed[i].key, json_string(hash));
	return args;
}

static int name_channels(struct frame *f, const struct nii_case *c, struct err *e)
{
	char *text = c->channels && c->channels->names ? json_dumps(c->channels->names, JSON_COMPACT) : NULL;
	int r = text ? frame_set_meta(f, "channels", text, e) : 0;

	free(text);
	return r;
}

/* Metadata of a frame read from a file; with: becomes the files of its further tensors. */
static int describe(struct frame *f, const struct nii_header *h, const struct nii_case *c, struct nii_paths *with, struct err *e)
{
	int std = !c->image || !strcmp(c->image, "-");
	char *stem = nii_stem(std ? "stdin" : c->image, 1);
	const char *id = c->id ? c->id : stem;
	int r = -1;

	memset(f, 0, sizeof *f);
	if (stem && c->n_more)
		nii_channel_of(stem, 1);
	if (!stem)
		err_set(e, c->image, "not enough memory");
	else
		r = frame_check_id(std ? "standard input" : c->image, id, e) || frame_init(f, "volume", id, e) || frame_set_affine(f, h->grid.affine, e) ||
		    name_channels(f, c, e) || (c->with && nii_with_find(c->with, id, with, e)) ||
		    history_push(f, "nii-read", args_of(c, with), nii_record(h), NULL, e);
	free(stem);
	return r ? -1 : 0;
}

static int add_image(struct frame *f, const struct nii_files *s, void *data, struct err *e)
{
	const int64_t *size = s->f->h.grid.size, shape[4] = {s->channels, size[2], size[1], size[0]};

	return frame_adopt(f, "image", s->dtype, 4, shape, data, e) ? 0 : -1;
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

static int stream_image(struct nii_files *s, struct out *o, struct err *e)
{
	size_t size = dtype_size(s->dtype);
	char *buf = mem_new(PIECE, 1, s->f->name, e);
	int64_t k = buf ? 1 : -1;

	while (k > 0) {
		k = nii_files_next(s, buf, PIECE / size, e);
		if (k > 0 && out_write(o, buf, (size_t)k * size, e))
			k = -1;
	}
	free(buf);
	return (int)k;
}

static int write_frame(struct frame *f, struct nii_files *s, struct out *o, struct err *e)
{
	if (frame_write_header(f, o, e))
		return -1;
	for (int i = 0; i < f->n; i++)
		if (f->t[i].data ? out_write(o, f->t[i].data, f->t[i].size, e) : stream_image(s, o, e))
			return -1;
	return 0;
}

/* What there is on the image's grid beside it */
static int load_rest(const struct nii_case *c, const struct nii_paths *with, const struct nii_file *n, struct frame *f, struct err *e)
{
	return load_label(c, n, f, e) || (c->with && nii_with_load(c->with, with, &n->h, n->name, f, e)) ? -1 : 0;
}

int nii_case_write(const struct nii_case *c, struct out *o, struct err *e)
{
	struct nii_files s;
	struct nii_paths with = {0};
	struct frame f = {0};
	int r = nii_files_open(&s, c, e) || describe(&f, &s.f->h, c, &with, e) || add_image(&f, &s, NULL, e) || load_rest(c, &with, s.f, &f, e) ||
	        write_frame(&f, &s, o, e);

	frame_free(&f);
	nii_paths_free(&with);
	nii_files_close(&s);
	return r ? -1 : 0;
}

static int load_image(struct nii_files *s, const struct nii_case *c, struct nii_paths *with, struct frame *f, struct err *e)
{
	size_t size = dtype_size(s->dtype), at = 0;
	char *data = mem_new(s->f->h.values * (size_t)s->n, size, s->f->name, e);
	int64_t k;

	if (!data)
		return -1;
	while ((k = nii_files_next(s, data + at * size, PIECE / size, e)) > 0)
		at += (size_t)k;
	if (!k && !describe(f, &s->f->h, c, with, e))
		return add_image(f, s, data, e);
	free(data);
	return -1;
}

int nii_case_load(const struct nii_case *c, struct frame *f, struct err *e)
{
	struct nii_files s;
	struct nii_paths with = {0};
	int r;

	memset(f, 0, sizeof *f);
	r = nii_files_open(&s, c, e) || load_image(&s, c, &with, f, e) || load_rest(c, &with, s.f, f, e);
	nii_paths_free(&with);
	nii_files_close(&s);
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
	if (!describe(f, &h, &c, NULL, e) && !nii_names_read(path, NULL, f, e))
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
