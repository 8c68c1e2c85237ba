/* The tensors of a file of weights: safetensors (a checkpoint of ours is one), PyTorch's .pt, .pth, .ckpt, .bin, TorchScript. Nothing is copied: data
   stay in the mapped file. */
#ifndef NIIPIPE_WEIGHTS_H
#define NIIPIPE_WEIGHTS_H

#include "lib/base/mapped.h"
#include "lib/stream/stream.h"

struct weight {
	char *name;                 /* owned */
	enum dtype dtype;
	int rank;
	int64_t shape[FRAME_RANK], stride[FRAME_RANK]; /* stride: elements */
	const uint8_t *data;        /* element 0; it need not be aligned */
};

struct weights {
	const char *file;           /* borrowed */
	struct weight *w;           /* in the file's order */
	int n;
	char *from;                 /* where in the file they lie: "state_dict", "" for its top; owned */
	struct stream *stream;      /* safetensors: what holds the data; its first frame */
	struct frame frame;
	struct torch *torch;        /* PyTorch's */
	struct mapped map;
};

/* The tensors of the state_dict in the file `path` (safetensors: NULL or "-" is standard input). Of a file that holds more than that, key says where
   it lies: names of dicts, '/' between them; NULL: where such files have it. all: every tensor of the file instead, named by its way from the top.
   0, or -1 and an error; closed with weights_close either way. */
int weights_open(struct weights *w, const char *path, const char *key, int all, struct err *e);
void weights_close(struct weights *w);

struct weight *weights_find(const struct weights *w, const char *name); /* NULL where there is none */

/* Remove tensor i. */
void weights_drop(struct weights *w, int i);

/* Elements in C order as float32, into out (weights_count(w) of them). */
int64_t weights_count(const struct weight *w);
void weights_load(const struct weight *w, float *out);

/* Same type, shape and values, bit for bit? */
int weights_equal(const struct weight *a, const struct weight *b);

/* "F32 [4,1,3,3,3]", into text; returns text. */
enum { WEIGHT_TEXT = 200 };
const char *weights_text(const struct weight *w, char text[WEIGHT_TEXT]);

/* Add a tensor (name is copied); for what reads a file. 0, or -1 and an error: memory, a name that is empty, longer than 255 bytes or has a control
   character. */
int weights_add(struct weights *w, const char *name, size_t len, const struct weight *t, struct err *e);

#endif
