/* Checkpoints written while training, and training taken up from one: the model frame, then the optimizer frame (AdamW's moments, where training
   stands). */
#ifndef NIIPIPE_RESUME_H
#define NIIPIPE_RESUME_H

#include "lib/net/checkpoint.h"

/* Where training stands; pointers are borrowed but for what resume_read fills. */
struct resume {
	const struct net *net;
	const struct k_backend *k;
	const json_t *replay;    /* what the patches went through */
	int64_t roi[3];          /* of the patches: z,y,x */
	int64_t step;            /* optimizer steps done */
	int64_t next;            /* index of the first patch not used */
	double loss;             /* of the last step */
	double val_dice;         /* last validation; NaN: none */
	int64_t val_step;        /* when that was; 0: none */
	double best;             /* best validation so far; NaN: none */
	int64_t best_step;
	json_t *options;         /* what decides the numbers, as train.h has it */
	float *m, *v;            /* moments, the backend's memory, as many values as the network has */
};

/* Write the model frame, and with `optimizer` the optimizer frame, to o. 0 or -1. */
int resume_write(const struct resume *r, struct out *o, int optimizer, struct err *e);

/* From the optimizer frame that follows an open model's frame: step, next, loss, val_dice, val_step, best, best_step, options (a new reference); m
   and v, which must be there, are filled. net and k say how many values and where. 0 or -1. */
int resume_read(struct resume *r, struct model *m, struct err *e);

#endif
