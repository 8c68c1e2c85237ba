/* Parts of a plan as recorded calls: a GPU is then told of hundreds of them at once. What differs from one time to the next is not in the calls: the
   input, the labels and what dropout adds to its numbers lie in device memory, and so does what the losses leave. */
#include "lib/net/run/net_run.h"

#include <string.h>

void net_record_drop(struct net *n, int train)
{
	for (int i = 0; i < 2; i++)
		repeat_drop(&n->part[train][i], n->k);
}

int net_record_room(struct net *n, struct err *e)
{
	const struct plan *p = n->plan;
	const size_t bytes = (size_t)net_losses(n) * K_LOSS_RESULTS * sizeof *n->results;

	if (!n->k->loss_later || !p->train)
		return 0;
	if (!n->results && (!(n->results = n->k->alloc(bytes, e)) || n->k->zero(n->results, bytes, e)))
		return -1;
	if (n->drawn && p->batch <= n->draws)
		return 0;
	net_record_drop(n, 1);
	n->k->release(n->drawn);
	n->draws = p->batch;
	n->drawn = n->k->alloc((size_t)p->batch * sizeof *n->drawn, e);
	return n->drawn ? 0 : -1;
}

/* -- a part --------------------------------------------------------------------- */
/* What is not seen in the calls' own arguments */
struct key {
	const struct plan *plan;
	const char *arena;
	const float *w, *g;
	const uint8_t *label;
	struct k_loss terms;
	uint64_t seed;
};

static struct key key_of(const struct net *n, const struct net_run_loss *l)
{
	struct key k;

	memset(&k, 0, sizeof k); /* compared as bytes */
	k.plan = n->plan, k.arena = n->arena, k.w = n->w, k.g = n->g, k.seed = n->seed;
	if (l)
		k.label = l->label, memcpy(&k.terms, &l->terms, sizeof k.terms);
	return k;
}

struct part { struct net *n; int first, end, pack; const struct net_run_loss *l; };

static int calls(void *arg, struct err *e)
{
	const struct part *p = arg;

	if (p->pack) {
		p->n->plan->packed = 0;
		if (net_run_pack(p->n, e))
			return -1;
	}
	return net_run_calls(p->n, p->first, p->end, p->l, e);
}

/* Is anyone there who wants to see every call? */
static int watched(const struct net *n, const struct net_run_loss *l)
{
	return !n->k->record || n->profile || (n->final && l && l->grad) || n->ranks;
}

static int run(struct part *p, struct repeat *as, struct err *e)
{
	const struct key key = key_of(p->n, p->l);

	return watched(p->n, p->l) ? calls(p, e) : repeat_run(as, p->n->k, &key, sizeof key, calls, p, &p->n->plain, e);
}

int net_record_forward(struct net *n, struct err *e)
{
	struct part p = {n, 0, n->plan->forward, n->plan->train && !watched(n, NULL), NULL};

	if (!p.pack && net_run_pack(n, e))
		return -1;
	if (n->plan->train && n->drawn && n->k->number(n->drawn, (uint64_t)n->first << 16, (uint64_t)n->stride << 16, n->plan->batch, e))
		return -1;
	return run(&p, &n->part[n->plan->train][0], e);
}

const char *net_plain(const struct net *n)
{
	return n->plain.text;
}

/* -- what losses leave ------------------------------------------------------------- */
int net_losses(const struct net *n)
{
	return n->graph->heads + 1;
}

const double *net_results(const struct net *n)
{
	return n->results;
}

/* In the order of the calls that left them */
int net_results_read(const struct net *n, const struct k_loss *terms, const uint8_t *label, const double *results, double out[3], struct err *e)
{
	const struct plan *p = n->plan;

	for (int i = p->forward; i < p->calls; i++) {
		const struct plan_call *c = &p->call[i];
		const double *r = results + c->head * K_LOSS_RESULTS;

		if (c->what != PLAN_DO_LOSS)
			continue;
		if (r[K_LOSS_WRONG] > 0) {
			struct k_loss all = *terms;

			all.n = p->batch, all.vox = net_vox(n) / p->batch, all.k = net_classes(n);
			return n->k->loss_wrong(&all, label, e);
		}
		out[0] = c->head ? out[0] + r[K_LOSS_TOTAL] : r[K_LOSS_TOTAL];
		if (!c->head)
			out[1] = r[K_LOSS_OVERLAP], out[2] = r[K_LOSS_ENTROPY];
	}
	return 0;
}

int net_record_rest(struct net *n, int first, int end, const struct net_run_loss *l, struct err *e)
{
	struct part p = {n, first, end, 0, l};

	return run(&p, &n->part[n->plan->train][1], e);
}
