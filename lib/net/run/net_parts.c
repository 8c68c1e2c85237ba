/* Forward passes: whole logits, or part by part as the plan's tail makes them. */
#include "lib/net/run/net_run.h"

/* One sample after the other, each part by part: to `all`, whole logits, if there are such, or else handed on. */
static int tail(struct net *n, float *all, net_take_fn *take, void *arg, struct err *e)
{
	const struct plan *p = n->plan;
	const struct plan_value *v = &p->value[p->graph->out];
	const int64_t slice = v->size[1] * v->size[2] * v->c;
	const struct plan_call *c = &p->call[p->forward];

	for (int64_t i = 0; i < p->batch * p->tail.parts; i++) {
		const struct plan_span s = plan_tail_span(p, i % p->tail.parts);
		const int64_t sample = i / p->tail.parts;

		n->at = (struct net_at){sample, i % p->tail.parts, all ? all + (sample * v->size[0] + s.lo) * slice : NULL};
		if (net_run_calls(n, p->forward, p->forward + 1, NULL, e) ||
		    (take && take(arg, sample, s.lo, s.hi - s.lo, net_run_at(n, c->y2.buf < 0 ? c->y : c->y2), e)))
			return -1;
	}
	n->at = (struct net_at){0};
	return 0;
}

/* Room for whole logits where the plan has none */
static float *room(struct net *n, struct err *e)
{
	const struct plan_value *v = &n->plan->value[n->graph->out];
	const size_t bytes = (size_t)(v->vox * v->c) * sizeof(float);

	if (bytes > n->logits_bytes) {
		n->k->release(n->logits);
		n->logits_bytes = 0;
		n->logits = n->k->alloc(bytes, e);
		n->logits_bytes = n->logits ? bytes : 0;
	}
	return n->logits;
}

const float *net_forward(struct net *n, struct err *e)
{
	if (net_record_forward(n, e))
		return NULL;
	if (!n->plan->tail.slices)
		return net_run_at(n, n->plan->value[n->graph->out].floats);
	return room(n, e) && !tail(n, n->logits, NULL, NULL, e) ? n->logits : NULL;
}

int net_forward_parts(struct net *n, net_take_fn *take, void *arg, struct err *e)
{
	const struct plan_value *v = &n->plan->value[n->graph->out];
	const float *logits;

	if (n->plan->tail.slices)
		return net_record_forward(n, e) ? -1 : tail(n, NULL, take, arg, e);
	logits = net_forward(n, e);
	for (int64_t i = 0; i < n->plan->batch && logits; i++)
		if (take(arg, i, 0, v->size[0], logits + i * v->size[0] * v->size[1] * v->size[2] * v->c, e))
			return -1;
	return logits ? 0 : -1;
}
