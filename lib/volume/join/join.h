/* Labels of several models in one volume. Streams that run in step (step.h) each have labels and, in metadata `labels`, their names
   {"0": "background", "1": "liver"}; the volume has all of them, numbered anew, and theirs are its metadata `labels`. Where several streams label a
   voxel the last one counts. */
#ifndef NIIPIPE_JOIN_H
#define NIIPIPE_JOIN_H

#include "lib/stream/names.h"
#include "lib/volume/nifti/nifti.h"

enum { JOIN_MOST = NAMES_MOST /* the highest label */ };

/* How they are numbered: each stream's behind those of the stream before; or by a table of names; or by maps of numbers, one for each stream, for
   which they need no names. */
struct join_ask {
	const char *tensor;         /* of the labels; NULL: as frame_labels */
	const char *path;           /* of the table; NULL: none */
	const json_t *numbers;      /* what it says (join_numbers); NULL: none */
	const struct nii_map *maps; /* one for each stream; NULL: none */
};

/* The table, or dataset.json (names_load): {name: label}, without the background. What it does not name is left out of the volume. Caller
   json_decref()s. NULL and an error. */
json_t *join_numbers(const char *path, struct err *e);

/* A case: starts with .ask alone. */
struct join {
	const struct join_ask *ask;
	json_t *names;    /* of the volume */
	json_t *from;     /* of each name met, the file of its stream */
	json_t *history;  /* of each stream but the first, its history */
	uint8_t *volume;
	int stream;       /* how many were taken */
	int64_t last;     /* the highest label so far */
	int64_t over;     /* how many labels gave way to those of later streams */
};

/* Take the next stream's frame, on the first one's grid (step_agree). A label without a name or a name of two labels is an error. 0 or -1. */
int join_take(struct join *j, const struct frame *f, struct err *e);

/* The volume into the first stream's frame, in place of its labels; a name of the table that no stream has is an error. 0 or -1. */
int join_put(struct join *j, struct frame *f, struct err *e);

void join_free(struct join *j); /* safe on one that took nothing */

#endif
