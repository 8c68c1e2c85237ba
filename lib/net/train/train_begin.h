/* How a training run begins: options settled, a checkpoint loaded, the network made when the first patches are there. Private to lib/net/train*.c. */
#ifndef NIIPIPE_TRAIN_BEGIN_H
#define NIIPIPE_TRAIN_BEGIN_H

#include "lib/base/progress.h"
#include "lib/net/run/checkpoint.h"
#include "lib/net/train/deliver.h"
#include "lib/net/train/feed.h"
#include "lib/net/train/loss.h"
#include "lib/net/train/parallel.h"
#include "lib/net/train/resume.h"
#include "lib/net/train/train.h"
#include "lib/net/train/trainlog.h"

enum { TRAIN_UNDER = 3 }; /* a step that is settled, the one after it, and the one before, for its end */

struct train {
	const struct train_opts *o;
	struct hyper h;
	struct regions regions;     /* n 0: classes exclude one another */
	struct loss loss;
	const struct k_backend *k;
	struct model from;          /* of init or resume */
	struct net *net;
	struct optim optim;
	struct deliver deliver;
	struct feed *feed;
	struct parallel par;
	struct resume at;
	struct trainlog log;
	struct progress bar;
	char *last;
	int otherwise;              /* validated than the run that goes on */
	int64_t saved, begun;       /* steps */
	int64_t all;                /* index behind the last patch; -1: not known */
	json_t *drawing;            /* of a run that has no patches */
	int through;                /* no patch is left */
	double saved_at;            /* seconds */
	double since, waited;       /* of the row in the making: when it began, seconds waited for patches until then */
	double spent, idle;         /* of all rows: sums of seconds a patch, of those spent waiting for it */
	struct train_part {         /* the step in the making: batches whose gradients are added up */
		int64_t batches, patches, next; /* batches of this rank, patches of all */
		uint64_t hash;          /* of these patches */
		double share, loss[3];  /* batches of all in full ones; loss so far */
		char who[FEED_WHO];
	} part;
	int later;                  /* what becomes of a step is found out when the next one is issued (train_step.h) */
	int64_t issued, settled;    /* steps of this run */
	struct train_under {        /* one of them */
		struct train_place { int64_t step, next; uint64_t hash; } before;
		struct trainlog_row row;
		struct train_part part;
		double seconds;         /* since the step before */
		double *results;        /* of all batches, pinned: net_results */
		struct k_verdict *verdict;
		struct k_mark *there, *last; /* these are; the end of the step before, NULL: not to be looked at */
		struct train_batch { char who[FEED_WHO]; double share; struct k_mark *begun, *end; } *batch;
	} under[TRAIN_UNDER];
	struct k_mark *end;         /* of the last step's work, borrowed */
	double *kept;               /* results of the step in the making, and the verdict: device memory */
	struct k_verdict *verdict;
};

/* Before any patch is looked at: is the output writable, what is in the checkpoint, which options hold. quiet: no warnings. 0 or -1. */
int train_begin(struct train *r, int quiet, struct err *e);

/* With the first batch in hand: the network, planned; optimizer state; do patches, checkpoint and validation volumes fit together? 0 or -1. */
int train_begin_with(struct train *r, const struct feed_batch *b, int quiet, struct err *e);

/* The same where no patch and no step is left, of a run that was broken off in its last validation. */
int train_begin_rest(struct train *r, int quiet, struct err *e);

/* Regions that were asked for, or a checkpoint's, but where other classes were asked for; they are options of the run. 0 or -1. */
int train_settle_regions(struct train *r, struct err *e);

/* Names of the labels that were asked for, or a checkpoint's of the same classes; they are options of the run too. 0 or -1. (train_names.c) */
int train_settle_names(struct train *r, struct err *e);

/* What is read beside the patches, and what decides which weights are the best, into at.inputs; a run that goes on began with the same ones, and
   where it does not validate, the best are those of before. (train_inputs.c) */
void train_note_inputs(struct train *r);

/* Its regions; NULL: it has none. */
const struct regions *train_regions(const struct train *r);

/* What the patches are like, as the model will have it: replay and orient, borrowed; and what the classes are. */
struct model train_like(const struct train *r);

#endif
