/* nnU-Net's splits_final.json: a list of folds, each {"train": [ids], "val": [ids]} (nnunetv2's utilities and run_training.py's do_split). */
#ifndef NIIPIPE_SPLITS_H
#define NIIPIPE_SPLITS_H

#include <stdint.h>

#include "lib/base/json.h"

enum splits_part { SPLITS_NEITHER, SPLITS_TRAIN, SPLITS_VAL };

struct splits { json_t *part, *met; /* of one fold: of every id which part it is in; those that were asked for */ };

/* A fold of a file, from 0 on. An id in both parts is an error, one that is named twice in one is not. 0 or -1. */
int splits_read(struct splits *s, const char *path, int64_t fold, struct err *e);

/* Where an id is */
enum splits_part splits_part_of(struct splits *s, const char *id);

/* Ids of a part that splits_part_of was not asked for */
int64_t splits_unmet(const struct splits *s, enum splits_part part);
void splits_free(struct splits *s); /* safe on a zeroed one */

#endif
