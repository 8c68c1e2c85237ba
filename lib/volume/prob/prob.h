/* Scores of classes, tensor `prob` [K,Z,Y,X] (float; metadata `prob` = "probabilities" or "logits"), and what follows from them. */
#ifndef NIIPIPE_PROB_H
#define NIIPIPE_PROB_H

#include "lib/stream/frame.h"

enum { PROB_CLASSES = 256, PROB_THRESHOLDS = 256 };
enum prob_kind { PROB_UNKNOWN, PROB_PROBABILITIES, PROB_LOGITS };

/* How scores become labels. Rules but the first (and it, too, of a single class) are of probabilities: logits become them first, by the softmax, of
   a single class (which is then class 1) by the sigmoid.
   PROB_ARGMAX     the class with the highest score, ties to the lowest class; of a single class: 1 where its probability is above 1/2
   PROB_THRESHOLD  with one threshold: `class` where its probability is at least that; with K - 1 of them, one for each class but the first: of the
                   classes that reach their own the most probable one; else 0
   PROB_DICE       the labels of the highest expected Dice: of every class but the first, the set A of voxels for which
                   2 sum(p in A) / (|A| + sum(p) + 1) is highest (RankSEG, Dai & Li, JMLR 24:224, 2023, eq. 13, with the mean for the number of
                   true voxels: the reciprocal moment approximation, Wang & Dai, NeurIPS 2025); the set is {p > half of that value}. A class that
                   is nowhere more probable than 1/2 stays empty. A voxel in several sets gets the class whose expected Dice gains most by it. */
enum prob_rule_kind { PROB_ARGMAX, PROB_THRESHOLD, PROB_DICE };
struct prob_rule {
	enum prob_rule_kind kind;
	int n;                            /* of thresholds */
	double threshold[PROB_THRESHOLDS];
	int64_t class;
};

/* The rule of a command line: the Dice rule, or the n thresholds (at most PROB_THRESHOLDS, each 0 to 1) and the class of a single one, or argmax. */
struct prob_rule prob_rule_make(int dice, int n, const double *threshold, int64_t class);

/* Is the rule one for scores of K classes of that kind? 0, or -1 and an error. */
int prob_rule_check(const struct prob_rule *r, int64_t classes, enum prob_kind kind, struct err *e);

/* Logits of n voxels, class c of voxel i at p[c * pitch + i], become probabilities. 1 where one is not finite. */
int prob_rule_soften(float *p, int64_t classes, int64_t pitch, int64_t n);

/* Labels of n voxels by argmax or threshold: class c of voxel i is p[c * pitch + i]. 1 where a score is not finite. */
int prob_rule_labels(const struct prob_rule *r, enum prob_kind kind, const float *p, int64_t classes, int64_t pitch, int64_t n, uint8_t *pred);

/* The Dice rule over all slices: scores [classes,nz,n], labels [nz,n]. The first slice with a score that is not finite, or -1. */
int64_t prob_rule_dice(const float *p, int64_t classes, enum prob_kind kind, int64_t nz, int64_t n, uint8_t *pred);

/* Add other's scores to f's, which become F32. Both are of one case and grid (step.h); classes and the kind of scores must agree. 0, or -1 and an
   error. */
int prob_add(struct frame *f, const struct frame *other, struct err *e);

/* f's scores, if they are logits, become probabilities, and F32. 0, or -1 and an error: one is not finite. */
int prob_soften(struct frame *f, struct err *e);

/* Divide f's scores, which must be F32, by n. */
int prob_divide(struct frame *f, int64_t n, struct err *e);

/* f gets `pred` U8 [Z,Y,X] by the rule: the class's number, or 0. Tensors of different grids are an error; a score that is not finite is an error
   that names the slice. 0 or -1. */
int prob_labels(struct frame *f, const struct prob_rule *rule, struct err *e);

#endif
