/* History: what was done to a frame, one JSON object a step in metadata `history`, so that it can be replayed on another volume and undone.
   An entry: {"tool": "nii-crop", "version": "0.1.0", "args": {...}, "size": [x,y,z], "affine": [16], "undo": {...}}
   args   the options in effect, enough to do the step again on another volume (nii-replay); same options, same JSON.
   size, affine   the grid before the step, where the step changed it.
   by     nii-replay: turned by it, which is no step of the preparation (HISTORY_BY).
   undo   what undoing takes beyond that: box, flips, NIfTI header fields as read. */
#ifndef NIIPIPE_HISTORY_H
#define NIIPIPE_HISTORY_H

#include "lib/stream/frame.h"

#define HISTORY_BY "by"

/* Append an entry; args and undo may be NULL and are taken over (references stolen, also on failure); before: the grid before the step,
   NULL where it did not change. 0 or -1. */
int history_push(struct frame *f, const char *tool, json_t *args, json_t *undo, const struct grid *before, struct err *e);

/* The whole history as a JSON array, caller json_decref()s; an empty array where there is none. NULL and an error where it is malformed. */
json_t *history_get(const struct frame *f, struct err *e);
int history_set(struct frame *f, const json_t *array, struct err *e);

/* The grid an entry recorded: 1 and *g, 0 where the entry did not change the grid, -1 and an error. */
int history_grid(const json_t *entry, struct grid *g, struct err *e);

/* What a model asks of a volume: the entries of tools that prepare volumes (nii-resample, nii-normalize, nii-crop), up to the first nii-patch, and of
   HISTORY_LATE, also behind it, where patches are augmented first, as an array of {"tool", "args"}; not a turn by nii-replay. Caller json_decref()s.
   NULL and an error. */
#define HISTORY_LATE "nii-onehot"
json_t *history_replay(const struct frame *f, struct err *e);

/* How a patch was drawn: the entries from the first nii-patch on, as {"tool", "args"}, without what differs from patch to patch. The same for all
   patches of a sequence. Caller json_decref()s. NULL and an error. */
json_t *history_drawing(const struct frame *f, struct err *e);

/* JSON helpers: arrays of numbers. */
json_t *json_ints(const int64_t *v, int n);
json_t *json_reals(const double *v, int n);
int json_get_ints(const json_t *o, const char *key, int64_t *v, int n);   /* 0, or -1: absent or not n whole numbers */
int json_get_reals(const json_t *o, const char *key, double *v, int n);   /* 0, or -1: absent or not n numbers */

#endif
