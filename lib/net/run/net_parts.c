/* Forward passes: whole logits, or part by part as the plan's tail makes them, or what it makes them of. */
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

/* Room for floats that the plan has none for */
static float *room(struct net *n, int64_t floats, struct err *e)
{
	const size_t bytes = (size_t)floats * sizeof(float);

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
	const struct plan_value *v = &n->plan->value[n->graph->out];

	if (net_record_forward(n, e))
		return NULL;
	if (!n->plan->tail.slices)
		return net_run_at(n, v->floats);
	return room(n, v->vox * v->c, e) && !tail(n, n->logits, NULL, NULL, e) ? n->logits : NULL;
}

int net_forward_parts(struct net *n, net_take_fn *take, void *arg, struct err *e)
{
	const struct plan_value *v = &n->plan->value[n->graph->out];
	const float *logits;

	if (n->plan->tail.slices)
		return net_record_forward(n, e) ? -1 : tail(n, NULL, take, arg, e);
	logits = net_forward(n, e);
	for (int64_t i = 0; i < n->plan->batch && logits; i++)
		if (take(arg, i, 0, n->deep, logits + i * v->size[0] * v->size[1] * v->size[2] * v->c, e))
			return -1;
	return logits ? 0 : -1;
}

int net_head(const struct net *n, struct net_head *h)
{
	const struct plan *p = n->plan;
	const struct plan_step *s = p && p->tail.slices ? &p->step[p->tail.step] : NULL;

	if (!s || s->identity || s->geom.kernel[0] * s->geom.kernel[1] * s->geom.kernel[2] != 1)
		return 0;
	*h = (struct net_head){s->geom.ic, n->param[s->w].w, s->b < 0 ? NULL : n->param[s->b].w};
	return 1;
}

/* As floats side by side, if they are not that already */
static const float *features(struct net *n, struct plan_ref x, int64_t vox, int64_t c, struct err *e)
{
	float *to;

	if (n->plan->elem == sizeof(float) && x.pitch == c)
		return net_run_at(n, x);
	to = room(n, vox * c, e);
	return to && !n->k->to_floats(to, net_run_at(n, x), x.pitch, vox, c, e) ? to : NULL;
}

int net_forward_features(struct net *n, net_take_fn *take, void *arg, struct err *e)
{
	const struct plan *p = n->plan;
	const struct k_conv_geom *g = &p->step[p->tail.step].geom;
	const int64_t plane = g->in[1] * g->in[2];

	if (net_record_forward(n, e))
		return -1;
	for (int64_t i = 0; i < p->batch * p->tail.parts; i++) {
		const struct plan_span s = plan_tail_span(p, i % p->tail.parts);
		const int64_t sample = i / p->tail.parts, lo = sample * g->in[0] + s.lo, slices = s.hi - s.lo;
		const struct plan_ref x = p->call[p->forward].x, from = {x.buf, x.at + lo * plane * g->xpitch, g->xpitch};
		const float *f = features(n, from, slices * plane, g->ic, e);

		if (!f || take(arg, sample, s.lo, slices, f, e))
			return -1;
	}
	return 0;
}
