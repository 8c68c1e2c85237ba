/* Cross-validation: ids dealt to folds as scikit-learn's KFold(n, shuffle=True, random_state=seed) deals the sorted ids of a data set
   (sklearn/model_selection/_split.py); with 5 and 12345 that is nnU-Net's split. */
#ifndef NIIPIPE_FOLD_H
#define NIIPIPE_FOLD_H

#include "lib/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct fold_set {
	size_t n;
	char **id;     /* as added; after fold_deal sorted by bytes, each once */
	int64_t *fold; /* of id[i], from fold_deal */
};

/* Add an id, any number of times; ids are copied. 0 or -1. */
int fold_add(struct fold_set *s, const char *id, struct err *e);

/* Add the ids of a text file, one a line; empty lines are skipped, and so is what follows a tab and a first line "id<tab>...": nii-read's
   lists serve. 0 or -1. */
int fold_add_file(struct fold_set *s, const char *path, struct err *e);

/* Deal all ids added: the first fold gets the first of the shuffled, larger folds first. 0, or -1 and an error where there are fewer ids
   than folds. */
int fold_deal(struct fold_set *s, int64_t folds, uint32_t seed, struct err *e);

/* The fold of an id, -1 where it was not added. After fold_deal. */
int64_t fold_of(const struct fold_set *s, const char *id);
void fold_free(struct fold_set *s); /* safe on a zeroed one */

#endif
