#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/html.h"
#include "lib/base/mem.h"
#include "lib/stream/names.h"
#include "lib/stream/story.h"
#include "lib/stream/values.h"
#include "lib/volume/nifti/deflate.h"
#include "lib/volume/nifti/nrrd.h"

enum { PIECE = 4 << 20, EXTENSION_MAX = 4 << 20 /* bytes */, UNITS_MM = 2, SHORT_SIDE = INT16_MAX };

static const double same_place = 1e-4; /* mm */

/* 1 and *h as read, where the first entry is nii-read's; 0 where it is not. */
static int as_read(const struct frame *f, struct nii_header *h, struct err *e)
{
	json_t *undo = nii_record_of(f, e);
	int r = !undo ? -1 : json_is_null(undo) ? 0 : nii_record_parse(undo, h, e) ? -1 : 1;

	json_decref(undo);
	return r;
}

static void fresh(struct nii_header *h, const struct grid *g)
{
	memset(h, 0, sizeof *h);
	h->version = 1;
	for (int i = 0; i < 8; i++)
		h->h.pixdim[i] = 1;
	h->h.dim[0] = 3;
	h->h.xyzt_units = UNITS_MM;
	nii_set_affine(&h->h, g->affine);
}

/* What a slope of the original meant is in the values now; a slope that meant nothing stays as it was. */
static void unscaled(struct nii_header *h)
{
	if (h->scaled || !isfinite(h->h.scl_slope))
		h->h.scl_slope = h->h.scl_inter = 0;
	h->scaled = 0;
}

/* The axes as read where t has them all; else x, y, z (as many as were read, if the rest is 1) and the channels. */
static void set_dims(struct nii_header *h, const struct grid *g, int64_t channels)
{
	int64_t d[8], was[8], n = 1;
	int axes, spatial;

	memcpy(was, h->h.dim, sizeof was);
	axes = (int)was[0];
	for (int i = 4; i <= axes; i++)
		n *= was[i];
	spatial = axes < 3 && g->size[2] == 1 ? axes : 3;
	if (spatial == 1 && g->size[1] > 1)
		spatial = 2;
	if (axes > 3 && n == channels)
		memcpy(d, was, sizeof d);
	else {
		for (int i = 1; i < 8; i++)
			d[i] = 1;
		d[0] = channels > 1 ? 4 : spatial;
		d[4] = channels;
	}
	for (int i = 0; i < 3; i++)
		d[i + 1] = g->size[i];
	for (int i = 1; i < 8; i++)
		if (d[i] > SHORT_SIDE)
			h->version = 2;
	memcpy(h->h.dim, d, sizeof d);
}

static void set_kind(struct nii_header *h, const struct tensor *t, enum dtype as)
{
	h->h.datatype = (int16_t)nii_type_code(as);
	h->h.bitpix = (int16_t)nii_type_bits(h->h.datatype);
	if (strcmp(t->name, "image")) {
		h->h.intent_code = 0;
		h->h.intent_p1 = h->h.intent_p2 = h->h.intent_p3 = 0;
		memset(h->h.intent_name, 0, sizeof h->h.intent_name);
	}
	h->h.vox_offset = h->version == 1 ? 352 : 544;
	h->h.sizeof_hdr = h->version == 1 ? (int32_t)sizeof(nifti_1_header) : (int32_t)sizeof(nifti_2_header);
	memcpy(h->h.magic, h->version == 1 ? "n+1\0\0\0\0\0" : "n+2\0\r\n\032\n", 8);
}

int nii_header_for(const struct frame *f, const struct tensor *t, enum dtype as, struct nii_header *h, struct err *e)
{
	struct grid g;
	int r;

	if (frame_grid(f, &g, e))
		return -1;
	if (t->rank > 4 || !tensor_on_grid(t, &g))
		return err_set(e, NULL, "tensor '%s' is not [Z,Y,X] or [C,Z,Y,X] on the frame's grid", t->name);
	r = as_read(f, h, e);
	if (r < 0)
		return -1;
	if (!r || !grid_same(&g, &h->grid, same_place))
		fresh(h, &g);
	unscaled(h);
	set_dims(h, &g, t->rank == 4 ? t->shape[0] : 1);
	set_kind(h, t, as);
	return nii_header_check(h, "header to be written", e);
}

/* ---- files ---- */

struct part {
	struct out out;
	struct deflate *gz;
};

struct nii_out {
	struct part main, hdr; /* hdr: of a pair */
	char *img_name, *hdr_name;
	int pair, history;
	int nrrd, segments; /* NRRD; of 3D Slicer's segments */
};

static int open_part(struct part *p, const char *path, int level, struct err *e)
{
	if (out_open(&p->out, path, 1, e))
		return -1;
	p->gz = deflate_open(&p->out, level, e);
	return p->gz ? 0 : -1;
}

static int open_named(struct nii_out *o, const char *path, int level, struct err *e)
{
	struct stat st;
	int gzip = 1;

	o->nrrd = nii_is_nrrd(path, &o->segments);
	if (!o->nrrd && !nii_name(path, &o->pair, &gzip)) {
		if (stat(path, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
			return err_set(e, path, "name of what? (expected .nii, .nii.gz, .hdr, .img, .nrrd or .seg.nrrd at its end)");
		gzip = 1;
	}
	if (!gzip && !o->nrrd)
		level = DEFLATE_NONE;
	if (!o->pair)
		return open_part(&o->main, path, level, e);
	if (nii_pair(path, &o->hdr_name, &o->img_name, e))
		return -1;
	return open_part(&o->main, o->img_name, level, e) || open_part(&o->hdr, o->hdr_name, level, e) ? -1 : 0;
}

struct nii_out *nii_out_open(const char *path, int level, struct err *e)
{
	struct nii_out *o = mem_zero(1, sizeof *o, "output", e);

	if (!o)
		return NULL;
	o->main.out.fd = o->hdr.out.fd = -1;
	if (!(!path || !strcmp(path, "-") ? open_part(&o->main, NULL, level, e) : open_named(o, path, level, e)))
		return o;
	nii_out_abort(o);
	return NULL;
}

void nii_out_history(struct nii_out *o)
{
	o->history = 1;
}

/* What follows the header, in this order: each padded to 16 bytes; without text there is none. */
struct extension { int32_t code; const char *text; };
enum { EXTENSIONS = 2 };

static size_t extension_size(const struct extension *x)
{
	return x->text ? (8 + strlen(x->text) + 15) / 16 * 16 : 0;
}

static int put_extension(struct deflate *gz, const struct extension *x, struct err *e)
{
	const size_t n = extension_size(x);
	const int32_t begins[2] = {(int32_t)n, x->code};
	char *data = n ? mem_zero(n - sizeof begins, 1, "an extension", e) : NULL;
	int bad;

	if (!data)
		return n ? -1 : 0;
	memcpy(data, x->text, strlen(x->text));
	bad = deflate_write(gz, begins, sizeof begins, e) || deflate_write(gz, data, n - sizeof begins, e);
	free(data);
	return bad ? -1 : 0;
}

static int put_header(struct nii_out *o, struct nii_header *h, const struct extension x[EXTENSIONS], struct err *e)
{
	struct deflate *gz = o->pair ? o->hdr.gz : o->main.gz;
	uint8_t raw[sizeof(nifti_2_header) + 4] = {0}; /* the last four: is there an extension? */
	size_t n, more = 0;
	int bad;

	for (int i = 0; i < EXTENSIONS; i++) {
		more += extension_size(&x[i]);
		if (extension_size(&x[i]) > EXTENSION_MAX)
			return err_set(e, NULL, "a history of %zu bytes does not go into a header", strlen(x[i].text));
	}
	h->h.vox_offset += (int64_t)more;
	if (o->pair) {
		h->h.vox_offset = 0;
		h->h.magic[1] = 'i';
	}
	n = nii_header_bytes(h, raw);
	raw[n] = more > 0;
	bad = deflate_write(gz, raw, n + 4, e);
	for (int i = 0; !bad && i < EXTENSIONS; i++)
		bad = put_extension(gz, &x[i], e);
	return bad ? -1 : 0;
}

static enum dtype stored_as(const struct tensor *t)
{
	if (t->dtype == DT_BOOL)
		return DT_U8;
	if (t->dtype == DT_F16 || t->dtype == DT_BF16)
		return DT_F32;
	return strcmp(t->name, "image") ? nii_narrow(t) : t->dtype;
}

/* In another type: a piece at a time. */
static int put_converted(struct deflate *gz, const struct tensor *t, enum dtype as, struct err *e)
{
	int64_t size = (int64_t)dtype_size(as), n = tensor_count(t), most = PIECE / size;
	void *piece = mem_new(PIECE, 1, t->name, e);
	int r = piece ? 0 : -1;

	for (int64_t at = 0; at < n && !r; at += most) {
		int64_t k = n - at < most ? n - at : most;

		if (as == DT_F32)
			tensor_load_f32(t, at, k, piece);
		else
			nii_narrowed(t, as, at, k, piece);
		r = deflate_write(gz, piece, (size_t)(k * size), e);
	}
	free(piece);
	return r;
}

static int put_voxels(struct nii_out *o, const struct tensor *t, enum dtype as, struct err *e)
{
	return as == t->dtype || t->dtype == DT_BOOL ? deflate_write(o->main.gz, t->data, t->size, e) : put_converted(o->main.gz, t, as, e);
}

static int put_nifti(struct nii_out *o, const struct frame *f, const struct tensor *t, const char *story, struct err *e)
{
	const enum dtype as = stored_as(t);
	struct html names = {0};
	struct nii_header h;
	struct err none;
	int bad = nii_header_for(f, t, as, &h, e) || (frame_labels(f, NULL, &none) == t && nii_names_table(f, &names, e)) ||
	          put_header(o, &h, (struct extension[EXTENSIONS]){{NIFTI_ECODE_IGNORE, names.p}, {NIFTI_ECODE_COMMENT, story}}, e);

	html_free(&names);
	return bad || put_voxels(o, t, as, e) ? -1 : 0;
}

static int put_segments(struct nii_out *o, const struct frame *f, const struct tensor *t, const char *story, struct err *e)
{
	uint8_t *labels = mem_new((size_t)tensor_count(t), 1, t->name, e);
	int64_t other = labels ? tensor_to_u8(t, NAMES_MOST, labels) : -1;
	char value[VALUE_TEXT];
	int bad = !labels;

	if (other >= 0) {
		tensor_value_text(t, other, value);
		bad = err_set(e, NULL, "tensor '%s' has %s (expected labels of 0 to %d)", t->name, value, NAMES_MOST);
	}
	bad = bad || nrrd_put_header(&o->main.out, f, t, DT_U8, labels, story, e) || deflate_write(o->main.gz, labels, (size_t)tensor_count(t), e);
	free(labels);
	return bad ? -1 : 0;
}

static int put_nrrd(struct nii_out *o, const struct frame *f, const struct tensor *t, const char *story, struct err *e)
{
	const enum dtype as = stored_as(t);

	return nrrd_put_header(&o->main.out, f, t, as, NULL, story, e) || put_voxels(o, t, as, e) ? -1 : 0;
}

int nii_out_frame(struct nii_out *o, const struct frame *f, const struct tensor *t, struct err *e)
{
	char *story = o->history ? story_of(f, NULL, e) : NULL;
	int bad = o->history && !story;

	if (!bad)
		bad = (o->segments ? put_segments : o->nrrd ? put_nrrd : put_nifti)(o, f, t, story, e);
	free(story);
	return bad ? -1 : 0;
}

static int finish_part(struct part *p, struct err *e)
{
	return deflate_finish(p->gz, e) || out_close(&p->out, e) ? -1 : 0;
}

int nii_out_close(struct nii_out *o, struct err *e)
{
	int r = finish_part(&o->main, e);

	if (!r && o->pair) {
		r = finish_part(&o->hdr, e);
		if (r)
			unlink(o->img_name);
	}
	nii_out_abort(o);
	return r;
}

void nii_out_abort(struct nii_out *o)
{
	if (!o)
		return;
	deflate_close(o->main.gz);
	deflate_close(o->hdr.gz);
	out_abort(&o->main.out);
	out_abort(&o->hdr.out);
	free(o->hdr_name);
	free(o->img_name);
	free(o);
}
