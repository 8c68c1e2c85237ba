/* Several processes as one: who they are, small things gathered, gradients added up while the backward pass goes on, failures known to all.
   One process is a NULL comm, which every function takes: rank 0 of 1.

   Ranks find each other through MPI, or through the file $NIIPIPE_RENDEZVOUS where there is none; failures go over connections of their own (star.h),
   small things by MPI or, without it, over these, too; sums by MPI in host memory, by NCCL in a GPU's. Nothing of it is loaded by a process that was
   not started as one of several. Where all ranks are processes of one host, sums in its memory need no messages (share.h). */
#ifndef NIIPIPE_COMM_H
#define NIIPIPE_COMM_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/comm/transport.h"

struct comm; /* opaque */

/* How values travel that are added up: as floats, as bfloat16; auto: not at all where they can be read in place, else as floats */
enum comm_wire { COMM_AUTO, COMM_FP32, COMM_BF16 };

struct comm_opts {
	int alone;       /* one process, whatever the environment says */
	int wire;        /* enum comm_wire */
	double patience; /* seconds that a rank may keep the others waiting */
	volatile sig_atomic_t *stop; /* set to COMM_OVER when the job has failed; NULL: not wanted */
};
enum { COMM_OVER = 127, COMM_SMALL = 8192 };

/* *c: NULL for one process. 0, or -1 and an error; closed with comm_close. */
int comm_open(struct comm **c, const struct comm_opts *o, struct err *e);

/* Before any sum: what is added up lies in the memory of this GPU, where it is made by what is put on this stream (a cudaStream_t) before the sum
   begins; gpu -1: in the host's. 0, or -1 and an error. */
int comm_device(struct comm *c, int gpu, void *stream, struct err *e);

/* The same over a transport that is there already (tests). */
int comm_open_over(struct comm **c, const struct comm_opts *o, const struct transport *t, struct err *e);

/* Ends it: with clean, all ranks have come to their end (waits for them). 0, or -1: one of them has not. */
int comm_close(struct comm *c, int clean, struct err *e);

int comm_rank(const struct comm *c);
int comm_size(const struct comm *c);

/* all[rank] = what that rank gave: n bytes each, at most COMM_SMALL. n = 0: a barrier. 0, or -1: the job has failed. */
int comm_gather(struct comm *c, const void *mine, size_t n, void *all, struct err *e);

/* p[n] of rank 0 to all; n <= COMM_SMALL. */
int comm_broadcast(struct comm *c, void *p, size_t n, struct err *e);

/* Memory for n values that sums will be asked for, zeroed, until comm_close: where ranks of one host can read each other's. *x NULL: there is
   none, any other will do. All ranks at once, after comm_device. 0, or -1: the job has failed. */
int comm_share(struct comm *c, int64_t n, float **x, struct err *e);

/* Begin to add up x[n] over all ranks, in place; every rank begins the same sums in the same order. Added in the order of the ranks, whichever comes
   first: the same bits in every run and on every rank. x is borrowed until comm_wait. comm_turn keeps what is under way going: to be called now and
   then. comm_wait: until all sums are done; *squares: of those in memory of comm_share, this rank's part of them; -1: there is none. 0, or -1: the
   job has failed. */
int comm_sum(struct comm *c, float *x, int64_t n, struct err *e);
int comm_turn(struct comm *c, struct err *e);
int comm_wait(struct comm *c, double *squares, struct err *e);

/* Where the sum of x[0] lies, and of what is behind it, *n values at most: in memory of comm_share it may be another rank's. To be read before this
   rank's next comm_gather begins; when that has ended all have read, and x is this rank's own again. */
const float *comm_summed(const struct comm *c, const float *x, int64_t *n);

/* Seconds from a first sum's beginning to the last one's end, and of these in comm_wait: all in all. */
void comm_times(const struct comm *c, double *busy, double *waited);

/* This rank has failed: one message says so, "rank 2 (host): why", and every other rank gets -1 and an empty error where it next asks. */
void comm_fail(struct comm *c, const struct err *why);

/* 0; 1: a rank said that it failed; 2: a rank is gone. */
int comm_failed(const struct comm *c);

#endif
