/* Preprocessing again: the steps that a model's training data went through, done to another volume. */
#ifndef NIIPIPE_REPLAY_H
#define NIIPIPE_REPLAY_H

#include "lib/stream/frame.h"

/* The steps that the model in the file `path` asks for: metadata replay of its first frame, which must be of kind model; of its weights nothing
   is read where the file can be mapped. Array of {"tool", "args"}; caller json_decref()s. orient: which way the axes of its training volumes ran, as
   its metadata has it; "": not known, or the steps turn volumes themselves; may be NULL. meta, may be NULL: becomes all its metadata, an object of
   strings that the caller json_decref()s, also on failure. NULL and an error. */
json_t *replay_read(const char *path, char orient[4], json_t **meta, struct err *e);

/* Are all steps known, and their args understood? 0, or -1 and an error that names the step. */
int replay_check(const json_t *steps, struct err *e);

/* Append a step of a tool with these args, which are taken over. 0, or -1: no memory. */
int replay_add(json_t *steps, const char *tool, json_t *args);

/* Do the steps to f, in order; each goes into its history, and the last one's values may be made when f is written (tensor_later). A volume that
   went through one of their tools before is an error. One whose axes do not run as orient says is turned first, as by nii-resample --orient.
   0 or -1. */
int replay_apply(struct frame *f, const json_t *steps, const char *orient, struct err *e);

#endif
