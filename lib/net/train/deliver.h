/* A batch's way to the device: copied there while it computes what came before. Private to lib/net/train. */
#ifndef NIIPIPE_DELIVER_H
#define NIIPIPE_DELIVER_H

#include "lib/net/train/feed.h"

struct deliver {
	const struct k_backend *k;
	/* Two places there, in turn; sent: the feed's batch is free again; read: the place is */
	struct deliver_place { float *x; uint8_t *label; struct k_mark *sent, *read; } place[2];
	uint8_t *label;      /* of the batch that is computed: always the same place */
	int turn;
};

/* Bytes on the device for batches of so many patches like b's; 0 where its memory is the host's. */
size_t deliver_bytes(const struct k_backend *k, int64_t batch, const struct feed_batch *b);

/* 0 or -1; closed with deliver_close (safe on a zeroed one), behind which no batch is on its way. */
int deliver_open(struct deliver *d, const struct k_backend *k, int64_t batch, const struct feed_batch *b, struct err *e);
void deliver_close(struct deliver *d);

/* b into input, its labels to *label: device memory, until the next one. begun (or NULL): marked when the device has both and nothing else to do
   before it takes them. */
int deliver_put(struct deliver *d, const struct feed_batch *b, float *input, const uint8_t **label, struct k_mark *begun, struct err *e);

/* Wait until the last batch may be given back to the feed. 0 or -1. */
int deliver_sent(struct deliver *d, struct err *e);

#endif
