#include "lib/net/run/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/net/arch/arch.h"
#include "lib/net/run/net_run.h"

enum { INIT = 1 << 14 }; /* values of a parameter that a thread makes at a time */

/* Where the parameters lie. g only once there is a training plan. */
static void point_params(struct net *n)
{
	for (int i = 0; i < n->graph->params; i++) {
		const struct graph_param *p = &n->graph->param[i];

		n->param[i].w = n->w + p->at;
		n->param[i].g = n->g && p->kind == GRAPH_TRAINED ? n->g + p->at : NULL;
	}
}

static int alloc_params(struct net *n, struct err *e)
{
	size_t bytes;

	n->param = mem_zero((size_t)n->graph->params, sizeof *n->param, "a network's parameters", e);
	if (!n->param)
		return -1;
	if (mem_mul(&bytes, (size_t)(n->graph->floats + n->graph->buffer_floats), sizeof(float)))
		return err_set(e, NULL, "the network has too many parameters");
	n->w = n->k->alloc(bytes, e);
	if (!n->w)
		return -1;
	for (int i = 0; i < n->graph->params; i++) {
		const struct graph_param *p = &n->graph->param[i];

		n->param[i].name = p->name;
		n->param[i].rank = p->rank;
		memcpy(n->param[i].shape, p->shape, sizeof p->shape);
		n->param[i].count = p->count;
		n->param[i].whole = p->kind == GRAPH_COUNTER;
	}
	point_params(n);
	return 0;
}

struct net *net_run_new(struct graph *g, json_t *arch, const struct k_backend *k, struct err *e)
{
	struct net *n = g ? mem_zero(1, sizeof *n, "a network", e) : NULL;

	if (!n) {
		graph_free(g);
		return NULL;
	}
	n->k = k;
	n->arch = json_incref(arch);
	n->graph = g;
	if (!alloc_params(n, e))
		return n;
	net_free(n);
	return NULL;
}

struct net *net_new(json_t *arch, const struct k_backend *k, struct err *e)
{
	return net_run_new(arch_graph(arch, e), arch, k, e);
}

void net_free(struct net *n)
{
	if (!n)
		return;
	for (int i = 0; i < 2; i++) {
		net_record_drop(n, i);
		plan_free(n->plans[i]);
	}
	n->k->release(n->arena);
	n->k->release(n->logits);
	n->k->release(n->results);
	n->k->release(n->drawn);
	n->k->release(n->w);
	n->k->release(n->borrowed ? NULL : n->g);
	n->k->release(n->aside);
	free(n->param);
	graph_free(n->graph);
	json_decref(n->arch);
	free(n);
}

const json_t *net_arch(const struct net *n)
{
	return n->arch;
}

int net_channels(const struct net *n)
{
	for (int i = 0; i < n->graph->n; i++)
		if (n->graph->op[i].kind == GRAPH_INPUT)
			return (int)n->graph->op[i].c;
	return 0;
}

int net_classes(const struct net *n)
{
	return (int)n->graph->op[n->graph->out].c;
}

int net_labels(const struct net *n)
{
	return net_classes(n) == 1 ? 2 : net_classes(n);
}

void net_next_size(const struct net *n, const int64_t size[3], int64_t next[3])
{
	graph_next_size(n->graph, size, next);
}

int net_takes(const struct net *n, int64_t channels, struct err *e)
{
	return graph_takes(n->graph, channels, e);
}

const struct net_param *net_params(const struct net *n, int *count)
{
	*count = n->graph->trained;
	return n->param;
}

const struct net_param *net_buffers(const struct net *n, int *count)
{
	*count = n->graph->params - n->graph->trained;
	return n->param + n->graph->trained;
}

void net_block(const struct net *n, float **w, float **g, int64_t *total)
{
	*w = n->w;
	*g = n->g;
	*total = n->graph->floats;
}

void net_gradients(struct net *n, float *g)
{
	n->g = g;
	n->borrowed = 1;
	point_params(n);
}

int net_aside(struct net *n, struct err *e)
{
	size_t bytes = (size_t)n->graph->buffer_floats * sizeof(float);

	if (!bytes)
		return 0;
	if (!n->aside && !(n->aside = n->k->alloc(2 * bytes, e)))
		return -1;
	return n->k->copy(n->aside, n->w + n->graph->floats, bytes, K_ON_DEVICE, e);
}

int net_exchange(struct net *n, struct err *e)
{
	size_t bytes = (size_t)n->graph->buffer_floats * sizeof(float);
	float *used = n->w + n->graph->floats, *room = n->aside + n->graph->buffer_floats;

	if (!n->aside)
		return 0;
	return n->k->copy(room, used, bytes, K_ON_DEVICE, e) || n->k->copy(used, n->aside, bytes, K_ON_DEVICE, e) ||
	       n->k->copy(n->aside, room, bytes, K_ON_DEVICE, e) ? -1 : 0;
}

/* Values from..end of a parameter, whose numbers r begins; from is a multiple of INIT. A normal one takes a block of r, a uniform one half of it. */
static void init_some(const struct graph_param *p, struct rng r, int64_t from, int64_t end, float *w)
{
	rng_block(&r, (uint32_t)(p->bound > 0 ? from / 2 : from));
	for (int64_t i = from; i < end; i++) {
		if (p->bound > 0)
			w[i] = (float)rng_range(&r, -p->bound, p->bound);
		else
			w[i] = p->deviation > 0 ? (float)(p->deviation * rng_normal(&r)) : p->fill;
	}
}

static void init_param(const struct graph_param *p, uint64_t seed, int i, float *w)
{
	struct rng r;

	rng_init(&r, seed, RNG_INIT, (uint64_t)i);
#pragma omp parallel for schedule(static)
	for (int64_t from = 0; from < p->count; from += INIT)
		init_some(p, r, from, from + INIT < p->count ? from + INIT : p->count, w);
}

int net_init(struct net *n, uint64_t seed, struct err *e)
{
	size_t count = (size_t)(n->graph->floats + n->graph->buffer_floats);
	float *w = mem_new(count, sizeof *w, "a network's parameters", e);
	int bad;

	if (!w)
		return -1;
	for (int i = 0; i < n->graph->params; i++)
		init_param(&n->graph->param[i], seed, i, w + n->graph->param[i].at);
	bad = n->k->copy(n->w, w, count * sizeof *w, K_TO_DEVICE, e);
	free(w);
	net_changed(n);
	return bad;
}

void net_changed(struct net *n)
{
	for (int i = 0; i < 2; i++)
		if (n->plans[i])
			n->plans[i]->packed = 0;
}

/* Room for the arena of p and, in training, the gradients. */
static int make_room(struct net *n, const struct plan *p, struct err *e)
{
	if ((p->arena > n->arena_bytes || (p->train && !n->g)) && !net_memory_fits(n, p))
		return net_memory_refuse(n, p, e);
	if (p->arena > n->arena_bytes) {
		net_record_drop(n, 0), net_record_drop(n, 1);
		n->k->release(n->arena);
		n->arena_bytes = 0;
		n->arena = n->k->alloc(p->arena, e);
		if (!n->arena)
			return net_memory_refuse(n, p, e);
		n->arena_bytes = p->arena;
	}
	if (!p->train || n->g)
		return 0;
	n->g = n->k->alloc((size_t)n->graph->floats * sizeof(float), e);
	if (!n->g)
		return -1;
	point_params(n);
	return net_zero_grad(n, e);
}

int net_plan_dry(struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e)
{
	struct plan **p = &n->plans[!!train];
	int64_t turned[3];

	n->plan = NULL;
	graph_turn(n->graph, size, turned);
	if (!*p || (*p)->batch != batch || memcmp((*p)->size, turned, sizeof turned)) {
		if (graph_fits(n->graph, size, e))
			return -1;
		net_record_drop(n, !!train);
		plan_free(*p);
		*p = net_memory_plan(n, batch, turned, !!train, e);
		if (!*p)
			return -1;
	}
	n->plan = *p;
	n->deep = size[0];
	return 0;
}

int net_plan(struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e)
{
	if (net_plan_dry(n, batch, size, train, e))
		return -1;
	if (!make_room(n, n->plan, e) && !net_record_room(n, e))
		return 0;
	n->plan = NULL;
	return -1;
}

void net_recompute(struct net *n, enum net_recompute how)
{
	if (n->recompute == how)
		return;
	n->recompute = how;
	net_record_drop(n, 1);
	plan_free(n->plans[1]);
	n->plan = n->plans[1] = NULL;
}

void net_reserve(struct net *n, size_t bytes)
{
	n->reserve = bytes;
}

size_t net_arena(const struct net *n)
{
	return n->plan->arena;
}

float *net_input(const struct net *n)
{
	return net_run_at(n, n->plan->input);
}

const char *net_batch_norm(const struct net *n)
{
	for (int i = 0; i < n->graph->n; i++)
		if (n->graph->op[i].kind == GRAPH_NORM && n->graph->op[i].norm.kind == K_NORM_BATCH)
			return n->graph->op[i].name;
	return NULL;
}

int64_t net_vox(const struct net *n)
{
	return n->plan->value[n->graph->out].vox;
}

/* What the losses left on the device, if it is there that they leave it */
static int read_results(const struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e)
{
	size_t bytes = (size_t)net_losses(n) * K_LOSS_RESULTS * sizeof(double);
	double *own;
	int bad;

	if (!n->results)
		return 0;
	own = mem_new(bytes, 1, "a loss", e);
	bad = !own || n->k->copy(own, n->results, bytes, K_TO_HOST, e) || net_results_read(n, terms, label, own, out, e);
	free(own);
	return bad ? -1 : 0;
}

int net_loss(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e)
{
	const struct net_run_loss l = {*terms, label, out, 0};

	return net_run_calls(n, n->plan->forward, n->plan->forward + 1, &l, e) || read_results(n, terms, label, out, e) ? -1 : 0;
}

int net_backward(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e)
{
	return net_backward_later(n, terms, label, out, e) || read_results(n, terms, label, out, e) ? -1 : 0;
}

int net_backward_later(struct net *n, const struct k_loss *terms, const uint8_t *label, double out[3], struct err *e)
{
	const struct net_run_loss l = {*terms, label, out, 1};

	return net_record_rest(n, n->plan->forward, n->plan->calls, &l, e);
}

void net_watch(struct net *n, net_final_fn *final, void *arg)
{
	n->final = final;
	n->final_arg = arg;
}

void net_ranks(struct net *n, const struct k_ranks *ranks)
{
	n->ranks = ranks;
}

void net_dropout(struct net *n, uint64_t seed, int64_t first, int64_t stride)
{
	n->seed = seed;
	n->first = first;
	n->stride = stride;
}

int net_zero_grad(struct net *n, struct err *e)
{
	return n->k->zero(n->g, (size_t)n->graph->floats * sizeof(float), e);
}
