/* Scores of classes, tensor `prob` [K,Z,Y,X] (float; metadata `prob` = "probabilities" or "logits"), and what follows from them. */
#ifndef NIIPIPE_PROB_H
#define NIIPIPE_PROB_H

#include "lib/stream/frame.h"

struct prob_rule {
	int use_threshold;  /* else the class with the highest score, ties to the lowest class */
	double threshold;   /* a voxel is of `class` where its probability is at least this */
	int64_t class;
};

/* Add other's scores to f's, which become F32. Ids, classes, grids, affines (to 1e-4 mm) and the kind of scores must agree. 0, or -1 and an error. */
int prob_add(struct frame *f, const struct frame *other, struct err *e);

/* Divide f's scores, which must be F32, by n. */
int prob_divide(struct frame *f, int64_t n, struct err *e);

/* f gets `pred` U8 [Z,Y,X] by the rule: the class's number, or 0. For a threshold logits become probabilities (softmax; of a single class the
   sigmoid). Tensors of different grids are an error; a score that is not finite is an error that names the slice. 0 or -1. */
int prob_labels(struct frame *f, const struct prob_rule *rule, struct err *e);

#endif
