/* Training by several processes (ranks) as one: rank r of N takes the patches i of the sequence with i mod N = r, each from a pipeline of its own.
   All have the same weights; a step's gradients are added up over the ranks, a bucket of them as soon as the backward pass has left it, so that N
   ranks with batches of B give the numbers of one process with batches of N B, to rounding.
   One process is the same with nobody to talk to. Private to lib/net/train*.c, but for its options. */
#ifndef NIIPIPE_PARALLEL_H
#define NIIPIPE_PARALLEL_H

#include "lib/comm/comm.h"
#include "lib/net/run/net.h"
#include "lib/net/train/feed.h"
#include "lib/net/train/hyper.h"

struct parallel {
	struct comm *comm;      /* NULL: one process */
	int rank, size;
	int64_t rounds;         /* batches of each rank a step */
	int64_t next;           /* index of the first patch that no rank has taken */
	int64_t patches;        /* of the batches in hand, all ranks together, */
	uint64_t hash;          /* and theirs: feed.h */
	int64_t total, end;     /* patches from the first on, of all ranks, and the index behind the last; -1: not known */
	int signal;             /* that all obey now: SIGUSR1 saves, any other ends; 0: none */
	const struct feed_batch *held; /* in hand, put off by a signal */
	struct feed_batch none; /* of a rank whose patches have come to their end in the last batch of all */
	struct net *net;
	struct k_ranks ranks;   /* of batch normalisation, */
	int together;           /* where the network has it: all ranks go through it, or none */
	int64_t from;           /* gradients from here on are on their way */
	int64_t sums;           /* steps that were added up */
	double squares;         /* of the gradients of the last one, all ranks together; -1: not known */
};

struct parallel_opts {
	int alone;              /* one process, whatever a launcher says */
	int wire;               /* of gradients: enum comm_wire */
	double patience;        /* seconds that a rank may keep the others waiting */
};

/* Meet the others, if a launcher started several. stop: see comm.h. 0, or -1 and an error, empty where a message is printed already. */
int parallel_open(struct parallel *p, const struct parallel_opts *o, volatile sig_atomic_t *stop, struct err *e);

/* device_open for this rank: without a number, "cuda" and "auto" are the GPU of the rank's number on its host. NULL and an error. */
const struct k_backend *parallel_device(struct parallel *p, const char *device, enum k_precision precision, struct err *e);

/* The end. bad: with e, which the others are told; it is empty then, as a message is printed. Else waits until all are done. 0 or -1. */
int parallel_close(struct parallel *p, int bad, struct err *e);

/* --accumulate counts the batches of all ranks; not given: one each. */
void parallel_accumulate(const struct parallel *p, struct hyper *h, int resumed);

/* With the first batch in hand: are all ranks of one mind about options, network, weights and patches? Sets rounds, next, total, end, and
   where the network's gradients lie. */
int parallel_begin(struct parallel *p, struct net *n, const struct k_backend *k, const struct hyper *h, const json_t *options, const struct feed *f,
                   const struct feed_batch *b, struct err *e);

/* Where the network has batch normalisation, it takes its statistics over the batches of all ranks. 0, or -1: the device cannot. */
int parallel_normalise(struct parallel *p, const struct k_backend *k, struct err *e);

/* The first patch from index `next` on that is this rank's. */
int64_t parallel_first(const struct parallel *p, int64_t next);
int64_t parallel_first_of(const struct parallel *p, int rank); /* that rank's, from p->next on */

/* The ranks that are wrong say so, the others wait for that. bad: this one is, e says how; any: some are. 0 or -1. */
int parallel_wrong(struct parallel *p, int bad, int any, struct err *e);

/* feed_next for all ranks at once: 1 a batch, maybe an empty one, 0 the end of the sequence, 2 a signal to obey, -1. A rank whose patches are not
   its next ones, or end before the others', is an error. */
int parallel_next(struct parallel *p, struct feed *f, volatile sig_atomic_t *stop, const struct feed_batch **b, struct err *e);

/* Before the backward pass of a step's last batch: gradients are added up while it goes on. parallel_sum: until all are, and loss[n]
   too; comm_summed says where they are. */
void parallel_watch(struct parallel *p, int on);
int parallel_sum(struct parallel *p, double *loss, int n, struct err *e);

/* Over all ranks: sum[n] is added up, `stopped` is whether any was; p->signal becomes theirs. */
int parallel_add(struct parallel *p, double *sum, int n, volatile sig_atomic_t *stop, int *stopped, struct err *e);

/* For --verbose: how long the sums of a step took, and how much of it was waited for. */
void parallel_report(const struct parallel *p);

#endif
