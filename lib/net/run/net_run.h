/* Inside a network: the struct, and running a plan's calls. Private to net*.c. */
#ifndef NIIPIPE_NET_RUN_H
#define NIIPIPE_NET_RUN_H

#include "lib/net/graph/plan.h"
#include "lib/net/run/net.h"
#include "lib/net/run/repeat.h"

struct net {
	json_t *arch;
	const struct k_backend *k;
	struct graph *graph;
	struct net_param *param;
	float *w, *g;           /* blocks of all parameters and gradients */
	int borrowed;           /* g is of net_gradients */
	float *aside;           /* of net_aside: the buffers, and room for them once more; NULL: not made */
	struct plan *plans[2];  /* for inference, for training: validation inside training goes to and fro */
	struct plan *plan;      /* the one in use */
	int64_t deep;           /* its input's slices along z */
	char *arena;            /* shared by both */
	size_t arena_bytes;
	enum net_recompute recompute;
	size_t reserve;         /* bytes that others will take in training */
	int profile;
	uint64_t seed;          /* of dropout */
	int64_t first, stride;
	const struct k_ranks *ranks; /* whose batches are one */
	struct repeat part[2][2]; /* forward, and the rest, for inference and for training */
	struct err plain;       /* why something is not recorded; empty */
	double *results;        /* K_LOSS_RESULTS of every loss, in their order: device memory; NULL where that is the host's */
	uint64_t *drawn;        /* what dropout adds to its numbers, of `draws` samples of a batch: device memory; NULL: nothing */
	int64_t draws;
	struct net_at { int64_t sample, part; float *to; } at; /* of a plan's tail: what is done next, and where its logits go (NULL: in the arena) */
	float *logits;          /* of net_forward, where the plan has a tail */
	size_t logits_bytes;
	net_final_fn *final;
	void *final_arg;
};

struct net_run_loss { struct k_loss terms; const uint8_t *label; double *out; int grad; };

/* net_new from a graph, which is taken over, also on failure; NULL: its error is already set. */
struct net *net_run_new(struct graph *g, json_t *arch, const struct k_backend *k, struct err *e);

void *net_run_at(const struct net *n, struct plan_ref r); /* NULL for nowhere */

/* Give the current weights to the plan's convolutions, if they changed. */
int net_run_pack(struct net *n, struct err *e);

/* net_edge.c: one of the calls: a value with its edge repeated, or its gradient. */
int net_run_edge(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e);

/* net_memory.c: a plan as n's recomputation asks for, NULL and an error; would what it and its network still take fit into the memory there is; the
   error where it does not, -1. */
struct plan *net_memory_plan(const struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e);
int net_memory_fits(const struct net *n, const struct plan *p);
int net_memory_refuse(const struct net *n, const struct plan *p, struct err *e);

/* Calls first to end - 1 of the plan. */
int net_run_calls(struct net *n, int first, int end, const struct net_run_loss *l, struct err *e);

/* net_record.c: the plan's forward part, with the weights packed, and the rest: recorded where the device can and nobody looks on. */
int net_record_forward(struct net *n, struct err *e);
int net_record_rest(struct net *n, int first, int end, const struct net_run_loss *l, struct err *e);

/* What was recorded of the plan for inference (0) or training (1) is about to be wrong. */
void net_record_drop(struct net *n, int train);

/* Room for what the plan's losses leave and its dropout adds. 0 or -1. */
int net_record_room(struct net *n, struct err *e);

#endif
