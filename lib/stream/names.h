/* Names of a frame's labels: metadata `labels`, {"0": "background", "1": "liver"}; and of its channels, ["CT", "PET"]. */
#ifndef NIIPIPE_NAMES_H
#define NIIPIPE_NAMES_H

#include "lib/stream/frame.h"

enum { NAMES_MOST = 255 /* the highest label that has one */ };

/* NAME by NUMBER, as the metadata have it; NULL where there is none. Keys are whole numbers from 0 to NAMES_MOST, each once. Caller json_decref()s.
   0, or -1 and an error. */
int names_get(const struct frame *f, json_t **names, struct err *e);

/* The same from a file: of a table the columns label (1 to NAMES_MOST) and name, or nnU-Net's dataset.json, a name that ends in .json, as
   names_dataset has it. NULL and an error: a label or a name twice, too. (names_file.c) */
json_t *names_load(const char *path, struct err *e);

/* The labels of a dataset.json that exclude one another, "ignore" left out. NULL and an error, without a file's name. */
json_t *names_dataset(const json_t *dataset, struct err *e);

/* Of one label; borrowed; NULL: it has none. */
const char *names_of(const json_t *names, int64_t label);

/* Names that are made. Of one label; where it has another one already it has none from then on. names_put: all of them into f's metadata, which
   has nothing if no label but 0 is named; names has no others afterwards. 0 or -1. */
void names_set(json_t *names, int64_t label, const json_t *name);
int names_put(struct frame *f, json_t *names, struct err *e);

/* Names of an image's channels, metadata `channels`: are both known (else NULL), and not the same? Small letters are as good as capitals. */
int names_other_channels(const char *a, const char *b);

/* Are f's those `wanted`? 0, or -1 and an error, in which `whose` are those wanted: "the model's". */
int names_channels(const struct frame *f, const char *wanted, const char *whose, struct err *e);

#endif
