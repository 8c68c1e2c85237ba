/* Checkpoints written while training, and training taken up from one: the model frame, then the optimizer frame: the moments under PyTorch's names,
   where training stands and, where the model frame holds the weights' moving average, `weights`, those that are trained. */
#ifndef NIIPIPE_RESUME_H
#define NIIPIPE_RESUME_H

#include "lib/net/run/checkpoint.h"
#include "lib/net/train/optim.h"

/* Where training stands; pointers are borrowed but for what resume_read fills. */
struct resume {
	const struct net *net;
	const struct k_backend *k;
	const json_t *replay;    /* what the patches went through */
	const json_t *drawing;   /* how they were drawn */
	char orient[4];          /* which way the axes of the first one's volume run; "": not known */
	json_t *channels;        /* metadata channels, the names of the image's: a string; NULL: they have none */
	int64_t roi[3];          /* of the patches: z,y,x */
	int64_t step;            /* optimizer steps done */
	int64_t next;            /* index of the first patch not used */
	double loss;             /* of the last step */
	double val_dice;         /* last validation; NaN: none */
	int64_t val_step;        /* when that was; 0: none */
	double best;             /* best validation so far; NaN: none */
	int64_t best_step;
	int64_t stale;           /* validations since */
	json_t *pending;         /* all is done but the validation of this step: what only patches tell, drawing and roi; NULL: it is not so */
	json_t *options;         /* what decides the numbers: hyper.h; and `regions`, `labels`, their names, where there are some */
	json_t *inputs;          /* what else was read and how, as args of a history: init, val, their hashes; NULL: nothing */
	uint64_t hash;           /* of all patches before next: feed.h */
	int unhashed;            /* not known: the run began before there were hashes */
	struct optim *optim;     /* with its moving average in the network, where there is one */
};

/* Write the model frame, and with `optimizer` the optimizer frame, to o. 0 or -1. */
int resume_write(const struct resume *r, struct out *o, int optimizer, struct err *e);

/* The optimizer frame f that follows an open model's frame (the caller frees it): step, next, loss, val_dice, val_step, best, best_step, stale,
   orient, hash, pending, channels, options, inputs (new references). 0 or -1. */
int resume_read(struct resume *r, struct model *m, struct frame *f, struct err *e);

/* Are the patches' channels called as those before were, where both are known? now: as `channels`; file for messages. 0, or -1 and an error. */
int resume_channels(const struct resume *r, const json_t *now, const char *file, struct err *e);

/* Its moments and weights into r->optim, which must be open and of the kind that wrote them; file for messages. 0 or -1. */
int resume_moments(struct resume *r, const struct frame *f, const char *file, struct err *e);

#endif
