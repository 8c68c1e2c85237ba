/* Runs the calls of a plan. */
#include "lib/net/net_run.h"

#include "lib/base/progress.h"

float *net_run_at(const struct net *n, struct plan_ref r)
{
	return r.buf < 0 ? NULL : n->arena + n->plan->buf[r.buf].at / sizeof(float) + r.at;
}

static const float *weight(const struct net *n, int i)
{
	return i < 0 ? NULL : n->param[i].w;
}

static float *gradient(const struct net *n, int i)
{
	return i < 0 ? NULL : n->param[i].g;
}

/* The weights with 1 added at [o, o, middle]: a slice of one channel whose voxels are the diagonal. */
static const float *fold_input(struct net *n, const struct plan_step *s, struct err *e)
{
	const struct net_param *w = &n->param[s->w];
	int64_t taps = w->count / (s->geom.oc * s->geom.ic), oc = s->geom.oc;
	size_t bytes = (size_t)(w->count + oc) * sizeof(float);
	float one = 1;

	if (bytes > n->fold_bytes) {
		n->k->release(n->fold);
		n->fold_bytes = 0;
		n->fold = n->k->alloc(bytes, e);
		if (!n->fold)
			return NULL;
		n->fold_bytes = bytes;
	}
	for (int64_t o = 0; o < oc; o++)
		if (n->k->copy(n->fold + w->count + o, &one, sizeof one, K_TO_DEVICE, e))
			return NULL;
	if (n->k->copy(n->fold, w->w, (size_t)w->count * sizeof(float), K_ON_DEVICE, e) ||
	    n->k->slice_copy(n->fold + taps / 2, (oc + 1) * taps, n->fold + w->count, 1, oc, 1, 1, e))
		return NULL;
	return n->fold;
}

int net_run_pack(struct net *n, struct err *e)
{
	struct plan *p = n->plan;

	for (int i = 0; i < p->steps && !p->packed; i++) {
		struct plan_step *s = &p->step[i];
		const float *w;

		if (s->kind != PLAN_CONV)
			continue;
		w = s->identity ? fold_input(n, s, e) : weight(n, s->w);
		if (!w || n->k->conv_pack(s->conv, w, e))
			return err_prefix(e, "%.200s", p->graph->op[s->op].name);
	}
	p->packed = 1;
	return 0;
}

static int do_conv(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->conv_forward(s->conv, net_run_at(n, c->x), weight(n, s->b), net_run_at(n, c->y), net_run_at(n, c->scratch), e);
}

static int do_data(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->conv_backward_data(s->conv, net_run_at(n, c->dy), net_run_at(n, c->dx), c->add, net_run_at(n, c->scratch), e);
}

static int do_weights(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->conv_backward_weights(s->conv, net_run_at(n, c->x), net_run_at(n, c->dy), gradient(n, s->w), gradient(n, s->b),
		net_run_at(n, c->scratch), e);
}

static int do_norm(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct k_norm_fwd a = {
		.x = net_run_at(n, c->x), .gamma = weight(n, s->w), .beta = weight(n, s->b), .alpha = weight(n, s->alpha), .res = net_run_at(n, c->res),
		.y = net_run_at(n, c->y), .y2 = net_run_at(n, c->y2), .mean = net_run_at(n, s->mean), .rstd = net_run_at(n, s->rstd),
	};

	(void)l;
	return n->k->norm_forward(&c->norm, &a, net_run_at(n, c->scratch), e);
}

static int do_norm_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct k_norm_bwd a = {
		.dy = net_run_at(n, c->dy), .dy2 = net_run_at(n, c->dy2), .x = net_run_at(n, c->x), .gamma = weight(n, s->w), .beta = weight(n, s->b),
		.alpha = weight(n, s->alpha), .mean = net_run_at(n, s->mean), .rstd = net_run_at(n, s->rstd), .dx = net_run_at(n, c->dx),
		.dres = net_run_at(n, c->dres),
		.dgamma = gradient(n, s->w), .dbeta = gradient(n, s->b), .dalpha = gradient(n, s->alpha), .dx_add = c->add, .dres_add = c->dres_add,
	};

	(void)l;
	return n->k->norm_backward(&c->norm, &a, net_run_at(n, c->scratch), e);
}

static int do_slice(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)s, (void)l;
	return n->k->slice_copy(net_run_at(n, c->y), c->y.pitch, net_run_at(n, c->x), c->x.pitch, c->vox, c->c, c->add, e);
}

static int do_loss(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)s;
	return n->k->loss(&l->terms, net_run_at(n, c->x), l->label, l->grad ? net_run_at(n, c->dx) : NULL, l->out, net_run_at(n, c->scratch), e);
}

int net_run_calls(struct net *n, int first, int end, const struct net_run_loss *l, struct err *e)
{
	static int (*const does[PLAN_DOES])(struct net *, const struct plan_call *, const struct plan_step *, const struct net_run_loss *, struct err *) = {
		[PLAN_DO_CONV] = do_conv, [PLAN_DO_DATA] = do_data, [PLAN_DO_WEIGHTS] = do_weights, [PLAN_DO_NORM] = do_norm,
		[PLAN_DO_NORM_BACK] = do_norm_back, [PLAN_DO_SLICE] = do_slice, [PLAN_DO_LOSS] = do_loss,
	};
	struct plan *p = n->plan;

	for (int i = first; i < end; i++) {
		struct plan_call *c = &p->call[i];
		double begun = n->profile ? progress_now() : 0;

		if (does[c->what](n, c, c->step < 0 ? NULL : &p->step[c->step], l, e))
			return c->step < 0 ? -1 : err_prefix(e, "%.200s", p->graph->op[p->step[c->step].op].name);
		if (n->profile)
			c->seconds += progress_now() - begun, c->times++;
	}
	return 0;
}
