/* How a training run begins: options settled, a checkpoint loaded, the network made when the first patches are there. Private to lib/net/train*.c. */
#ifndef NIIPIPE_TRAIN_BEGIN_H
#define NIIPIPE_TRAIN_BEGIN_H

#include "lib/base/progress.h"
#include "lib/net/run/checkpoint.h"
#include "lib/net/train/feed.h"
#include "lib/net/train/loss.h"
#include "lib/net/train/parallel.h"
#include "lib/net/train/resume.h"
#include "lib/net/train/train.h"
#include "lib/net/train/trainlog.h"

struct train {
	const struct train_opts *o;
	struct hyper h;
	struct loss loss;
	const struct k_backend *k;
	struct model from;          /* of init or resume */
	struct net *net;
	struct optim optim;
	uint8_t *label;             /* a batch's, on a device whose memory is not the host's */
	struct feed *feed;
	struct parallel par;
	struct resume at;
	struct trainlog log;
	struct progress bar;
	char *last;
	int64_t saved, begun;       /* steps */
	double since, waited;       /* of the row in the making */
	struct train_part {         /* the step in the making: batches whose gradients are added up */
		int64_t batches, patches, next; /* batches of this rank, patches of all */
		uint64_t hash;          /* of these patches */
		double share, loss[3];  /* batches of all in full ones; loss so far */
		char who[FEED_WHO];
	} part;
};

/* Before any patch is looked at: is the output writable, what is in the checkpoint, which options hold. 0 or -1. */
int train_begin(struct train *r, struct err *e);

/* With the first batch in hand: the network, planned; optimizer state; do patches, checkpoint and validation volumes fit together? 0 or -1. */
int train_begin_with(struct train *r, const struct feed_batch *b, struct err *e);

#endif
