/* The optimizer: moments, exclusion from weight decay, clipping, the moving average of the weights. */
#ifndef NIIPIPE_OPTIM_H
#define NIIPIPE_OPTIM_H

#include "lib/net/run/net.h"
#include "lib/net/run/repeat.h"
#include "lib/net/train/hyper.h"

struct comm;

struct optim {
	const struct k_backend *k;
	struct net *net;
	const struct hyper *h;
	const struct comm *comm; /* through which gradients were added up, which knows where they lie; NULL: in the network */
	int64_t total;           /* parameters */
	float *m, *v;            /* moments; v: NULL with sgd */
	float *other;            /* NULL: no moving average. Else the average or, while that is in the network, the weights that are trained */
	int averaged, in;        /* the average has begun; it is in the network */
	struct optim_range { int64_t at, n; int decay; } *range; /* neighbours with the same decay, as one */
	int ranges;
	struct repeat again;     /* of optim_step_later: its calls; */
	struct k_pace *pace;     /* its numbers, with decay and without, and */
	void *scratch;           /* room for sums: device memory */
};

/* Bytes that it will take for a network of so many parameters. */
size_t optim_bytes(const struct hyper *h, int64_t total);

/* Zero moments for n. h and n are borrowed. 0 or -1; closed with optim_close (safe on a zeroed one). */
int optim_open(struct optim *o, const struct k_backend *k, struct net *n, const struct hyper *h, struct err *e);
void optim_close(struct optim *o);

/* Step t (from 1) with the gradients times scale, their norm clipped as torch's clip_grad_norm_ does: at most h->clip. squares: the gradients' sum of
   squares; below 0: not known. *norm: before clipping, of the scaled ones. 0, also where the norm is not finite and nothing was done; or -1. */
int optim_step(struct optim *o, int64_t t, double lr, double scale, double squares, double *norm, struct err *e);

/* The same on a device that computes by itself (k->judge): nothing is waited for, and a step whose losses or norm are not finite does nothing, nor
   does any after it. losses: n rows of K_LOSS_RESULTS; v: what there is to be known of it; both device memory. */
int optim_step_later(struct optim *o, int64_t t, double lr, double scale, const double *losses, int64_t n, struct k_verdict *v, struct err *e);

/* Put the moving average into the network (in = 1), or the trained weights back; nothing is done where it is so already or there is none. */
int optim_average(struct optim *o, int in, struct err *e);

/* Take values [total] (host memory) as the weights that are trained: what the network holds is then the average. */
int optim_take(struct optim *o, const float *values, struct err *e);

/* The trained weights while the average is in the network; NULL: they are what the network holds. */
const float *optim_aside(const struct optim *o);

#endif
