/* Where a result comes from, as text that a shell takes: the line that made it; then, as comments, what it read, "# HASH  FILE" as xxh64sum -c takes
   it, and of which version the tools were, "## niipipe 0.1.0". The same command and the same input give the same text: no time, no place, no number
   of threads is in it. Where frames came through a pipe, the line says what made each of them:

       { nii-read --id a a.nii.gz | ...
       nii-read --id b b.nii.gz | ...
       } | seg-score --bootstrap 1000 */
#ifndef NIIPIPE_STORY_H
#define NIIPIPE_STORY_H

#include <jansson.h>

#include "lib/base/arg.h"
#include "lib/stream/frame.h"

/* Of a frame, from its history and, where c is not NULL, the tool that it goes through now, its options without its operands. Empty where there is no
   history and no tool. Caller frees; NULL and an error. */
char *story_of(const struct frame *f, const struct arg_common *c, struct err *e);

/* Of a result of many frames and files: starts zeroed. */
struct story {
	const struct arg_common *c;
	int single; /* of one frame, whatever the operands */
	json_t *lines, *files, *versions; /* of frames, in their order; sets: each once */
};

/* The tool. c: borrowed. */
void story_begin(struct story *s, const struct arg_common *c);

/* A file that was read, all operands that are files, and what a frame was made of by the tool itself. NULL, "-" and what is no regular file have no
   hash. 0, or -1 and an error. */
void story_file(struct story *s, const char *path);
void story_operands(struct story *s);
int story_inputs(struct story *s, const struct frame *f, struct err *e);

/* A frame that was read: of one that came through a pipe its history, for the others their file's hash is enough. 0, or -1 and an error. */
int story_frame(struct story *s, const struct frame *f, struct err *e);

/* Caller frees. NULL and an error. */
char *story_text(const struct story *s, struct err *e);

/* Put it into a JSON object, as `history`. 0, or -1 and an error. */
int story_set(const struct story *s, json_t *object, struct err *e);

/* Write it to a file, for a table, which has no place for it. path NULL: nothing. 0, or -1 and an error. */
int story_write(const struct story *s, const char *path, struct err *e);

void story_free(struct story *s); /* safe on a zeroed one */

#endif
