/* Training losses by name: what seg-train's options mean for the loss kernel. */
#ifndef NIIPIPE_LOSS_H
#define NIIPIPE_LOSS_H

#include "kernels/backend.h"
#include "lib/net/train/hyper.h"
#include "lib/stream/regions.h"

/* offset: added to the total and to the overlap's value, so that they are the peer's (nnU-Net has -Dice for 1 - Dice). terms.weight points at weight:
   the struct stays where it is; so does terms.regions. */
struct loss {
	struct k_loss terms;
	float weight[ARG_LIST];
	uint32_t regions[256];
	double offset;
};

/* Of settled options and a network of `classes` channels, which are these regions, where they are (NULL: not). 0, or -1 and an error: class weights
   that do not fit, a softmax of one channel or of regions, as many regions as there are not channels. */
int loss_make(struct loss *l, const struct hyper *h, int classes, const struct regions *regions, struct err *e);

#endif
