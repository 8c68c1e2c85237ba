/* A frame: exactly one safetensors file, in memory. See tensor-stream(5).
   Tensors are C order, last axis fastest; spatial ones end in z,y,x ([Z,Y,X] or [C,Z,Y,X]). */
#ifndef NIIPIPE_FRAME_H
#define NIIPIPE_FRAME_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/outfile.h"
#include "lib/stream/grid.h"

enum dtype { DT_BOOL, DT_U8, DT_I8, DT_U16, DT_I16, DT_F16, DT_BF16, DT_U32, DT_I32, DT_F32, DT_U64, DT_I64, DT_F64, DT_COUNT };

enum { FRAME_RANK = 8 };
#define FRAME_HEADER_MAX ((uint64_t)16 << 20)

size_t dtype_size(enum dtype t);
const char *dtype_name(enum dtype t);                /* "F32": safetensors' names */
int dtype_parse(const char *name, enum dtype *out);  /* 0, or -1 */
int dtype_is_float(enum dtype t);                    /* F16 BF16 F32 F64 */

struct tensor {
	char *name;
	enum dtype dtype;
	int rank;
	int64_t shape[FRAME_RANK];
	size_t size;  /* bytes */
	void *data;   /* may be written to: a mapped file is mapped privately. NULL where only the header was read, and where `later` is set */
	int owned;    /* data came from mem_new or pool_take and go with the frame; else it points into a mapped file */
	struct later *later; /* what makes the values, or NULL */
};

/* Values that are made of another tensor's when the frame is written, piece by piece, so that they are never in memory all at once. It stands first
   in a struct from mem_new that holds what `make` needs and is freed with the tensor. */
struct later {
	/* Elements first to first + n - 1 of t, C order, into out. Cannot fail: what may is looked at before. */
	void (*make)(const struct tensor *t, int64_t first, int64_t n, void *out);
	int in_place;       /* element i is made of element i of `from`, which is as wide: frame_settle may overwrite it */
	struct tensor from; /* the tensor that was replaced, with its values; set by tensor_later */
};

struct frame {
	char *file;          /* where it was read, for messages; owned */
	int64_t offset;      /* of its first byte there */
	json_t *meta;        /* __metadata__: object of strings */
	int n;
	struct tensor *t;    /* in file order */
};

/* An empty frame with metadata niipipe, kind and id (NULL: none). 0 or -1. The frame is released with frame_free. */
int frame_init(struct frame *f, const char *kind, const char *id, struct err *e);
void frame_free(struct frame *f); /* safe on a zeroed frame */

/* Is it a patch, one of many, of 64 MiB at most? Its memory is kept for others (pool.h) when it goes, and several may be in memory (turns.h); of
   everything else as little is there as can be. */
int frame_is_patch(const struct frame *f);

/* hash.h's of all its data, tensor behind tensor: of a frame that was read, of what follows its header. */
uint64_t frame_hash(const struct frame *f);

/* Metadata. frame_meta: borrowed until the key is set again; NULL where absent. frame_set_meta: value NULL removes the key. */
const char *frame_meta(const struct frame *f, const char *key);
int frame_set_meta(struct frame *f, const char *key, const char *value, struct err *e);
int frame_set_json(struct frame *f, const char *key, const json_t *value, struct err *e); /* as text: compact, keys sorted, numbers whole */
const char *frame_id(const struct frame *f); /* the id, or "?" */

/* id must be 1-255 bytes of UTF-8, without '/' or control characters, not "." or "..". 0, or -1 with an error that begins with file. */
int frame_check_id(const char *file, const char *id, struct err *e);

/* Tensors by name. frame_find: NULL where absent; frame_need: an error names the frame and the tensor. Borrowed until the frame changes. */
struct tensor *frame_find(const struct frame *f, const char *name);
struct tensor *frame_need(const struct frame *f, const char *name, struct err *e);

/* Add a tensor, or replace the one of that name, with uninitialised owned memory. NULL and an error where there is none.
   Pointers to the frame's other tensors are invalid afterwards (f->t may have moved); their data are not. */
struct tensor *frame_add(struct frame *f, const char *name, enum dtype t, int rank, const int64_t *shape, struct err *e);

/* The same with data given: owned by the frame from now on (from mem_new), also when this fails. */
struct tensor *frame_adopt(struct frame *f, const char *name, enum dtype t, int rank, const int64_t *shape, void *data, struct err *e);
void frame_drop(struct frame *f, const char *name); /* no-op where absent */

/* Let l make the values of t, a tensor of a frame, from now on: type and shape change, the name stays, and the old values go with l, which is taken
   over (also on failure). 0 or -1. */
int tensor_later(struct tensor *t, enum dtype dtype, int rank, const int64_t *shape, struct later *l, struct err *e);

/* Make all values that were to be made later, so that every tensor has its data. 0 or -1. */
int frame_settle(struct frame *f, struct err *e);

/* From metadata `affine` and the spatial tensors: of image, label, pred, prob whichever are there; all must agree (an error names the two
   that differ). 0 or -1. */
int frame_grid(const struct frame *f, struct grid *g, struct err *e);
int frame_affine(const struct frame *f, double affine[16], struct err *e); /* of the metadata alone: 0, or -1 where absent or malformed */
int frame_set_affine(struct frame *f, const double affine[16], struct err *e);

/* Is tensor t on grid g: rank 3 or 4 (or more), last three axes Z,Y,X = g? */
int tensor_on_grid(const struct tensor *t, const struct grid *g);
int64_t tensor_count(const struct tensor *t); /* number of elements */

/* The tensor of labels a tool works on: `want` if given, else pred, else label; integer, [Z,Y,X], of one voxel at least. A frame
   with an affine must have a good one, and one grid: the tensor's. NULL and an error. */
struct tensor *frame_labels(const struct frame *f, const char *want, struct err *e);

/* The values of t as float32; caller frees with free(). NULL and an error. */
float *tensor_to_f32(const struct tensor *t, struct err *e);

/* Write: header, then data, tensors ordered so that each is aligned to its type (stable by falling element size); values that are made later are
   made 4 MiB at a time.
   frame_write_header alone serves a tool that makes the data while it writes: the data must follow in the order of f->t,
   which it sorts. frame_give: of a frame that is only freed afterwards; the values of its own tensors are lost (out_give). 0 or -1. */
int frame_write_header(struct frame *f, struct out *o, struct err *e);
int frame_write(struct frame *f, struct out *o, struct err *e);
int frame_give(struct frame *f, struct out *o, struct err *e);

#endif
