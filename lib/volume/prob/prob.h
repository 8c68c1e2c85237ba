/* Scores of classes, tensor `prob` [K,Z,Y,X] (float; metadata `prob` = "probabilities" or "logits"; where classes overlap `regions`), and what
   follows from them. This is the one place where scores become labels, but for the backends' window_decide. */
#ifndef NIIPIPE_PROB_H
#define NIIPIPE_PROB_H

#include "lib/stream/regions.h"

enum { PROB_CLASSES = 256, PROB_THRESHOLDS = 256 };
enum prob_kind { PROB_UNKNOWN, PROB_PROBABILITIES, PROB_LOGITS };

/* How scores become labels. Rules but the first (and it, too, of a single class) are of probabilities: logits become them first, by the softmax, of
   a single class (which is then class 1) by the sigmoid.
   Regions, which overlap, are taken each by itself: probabilities are sigmoids, and a voxel gets the label of the last region, by their order, that
   it is in, or 0; it is in those whose probability is above 1/2, with PROB_THRESHOLD at least theirs (one for all or one for each), with PROB_DICE
   whose set has it.
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
	const struct regions *regions;    /* borrowed; NULL: classes exclude one another */
};

/* The rule of a command line: the Dice rule, or the n thresholds (at most PROB_THRESHOLDS, each 0 to 1) and the class of a single one, or argmax. */
struct prob_rule prob_rule_make(int dice, int n, const double *threshold, int64_t class);

/* Is the rule one for scores of K classes of that kind? 0, or -1 and an error. */
/* The least score of a region that counts as above one half. */
float prob_cut(enum prob_kind kind);

int prob_rule_check(const struct prob_rule *r, int64_t classes, enum prob_kind kind, struct err *e);

/* Logits of n voxels, class c of voxel i at p[c * pitch + i], become probabilities; of the rule its regions count. 1 where one is not finite. */
int prob_rule_soften(const struct prob_rule *r, float *p, int64_t classes, int64_t pitch, int64_t n);

/* Labels of n voxels by argmax or threshold: class c of voxel i is p[c * pitch + i]. 1 where a score is not finite. */
int prob_rule_labels(const struct prob_rule *r, enum prob_kind kind, const float *p, int64_t classes, int64_t pitch, int64_t n, uint8_t *pred);

/* The Dice rule over all slices: scores [classes,nz,n], labels [nz,n]. The first slice with a score that is not finite, or -1. */
int64_t prob_rule_dice(const struct prob_rule *r, const float *p, int64_t classes, enum prob_kind kind, int64_t nz, int64_t n, uint8_t *pred);

/* Add other's scores to f's, which become F32. Both are of one case and grid (step.h); classes, regions and the kind of scores must agree. 0, or -1
   and an error. */
int prob_add(struct frame *f, const struct frame *other, struct err *e);

/* f's scores, if they are logits, become probabilities, and F32. 0, or -1 and an error: one is not finite. */
int prob_soften(struct frame *f, struct err *e);

/* Divide f's scores, which must be F32, by n. */
int prob_divide(struct frame *f, int64_t n, struct err *e);

/* What becomes of scores that come class by class, by PROB_ARGMAX: of f's metadata; *regions is f's, borrowed as long as it is used. 0 or -1. */
struct prob_choice { const struct regions *regions; float cut; };
int prob_choice(struct prob_choice *c, struct regions *regions, const struct frame *f, struct err *e);

/* The label of n voxels so far: v are the scores of the i'th class to be asked, prob_ask's, which come by i from 0 on; best: the highest so far, of
   regions not used. Non-zero: one is not finite. */
int64_t prob_ask(const struct prob_choice *c, int64_t i);
int prob_raise(const struct prob_choice *c, const float *v, int64_t i, float *best, uint8_t *pred, int64_t n);

/* Scores leave f, with the metadata about them. 0 or -1. */
int prob_leave(struct frame *f, struct err *e);

/* f gets `pred` U8 [Z,Y,X] by the rule: the class's number, or 0. f's regions are the rule's. Tensors of different grids are an error; a score that
   is not finite is an error that names the slice. 0 or -1. */
int prob_labels(struct frame *f, const struct prob_rule *rule, struct err *e);

#endif
