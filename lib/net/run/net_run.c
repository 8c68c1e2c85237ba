/* Runs the calls of a plan. */
#include "lib/net/run/net_run.h"

#include <assert.h>

#include "lib/base/progress.h"
#include "lib/base/rng.h"

void *net_run_at(const struct net *n, struct plan_ref r)
{
	return r.buf < 0 ? NULL : n->arena + n->plan->buf[r.buf].at + r.at * (int64_t)n->plan->elem;
}

static const float *weight(const struct net *n, int i)
{
	return i < 0 ? NULL : n->param[i].w;
}

static float *gradient(const struct net *n, int i)
{
	return i < 0 ? NULL : n->param[i].g;
}

/* The weights, with the input added in */
static const float *fold_input(struct net *n, struct plan_step *s, struct err *e)
{
	const struct net_param *w = &n->param[s->w];
	size_t bytes = (size_t)w->count * sizeof(float);

	if (!s->folded)
		s->folded = n->k->alloc(bytes, e);
	if (!s->folded || n->k->copy(s->folded, w->w, bytes, K_ON_DEVICE, e) ||
	    n->k->conv_identity(s->folded, s->geom.oc, w->count / (s->geom.oc * s->geom.ic), e))
		return NULL;
	return s->folded;
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
		if (!w || (s->conv ? n->k->conv_pack(s->conv, w, e) : plan_tail_pack(p, w, e)))
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

/* The part that n->at says */
static int do_tail(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct plan_span span = plan_tail_span(n->plan, n->at.part);
	const struct k_conv_geom *g = &s->geom;
	const int64_t vox = (span.hi - span.lo) * g->out[1] * g->out[2];
	struct plan_ref x = c->x;
	float *floats = n->at.to ? n->at.to : net_run_at(n, c->y2.buf < 0 ? c->y : c->y2);
	void *y = c->y2.buf < 0 ? (void *)floats : net_run_at(n, c->y);

	(void)l;
	x.at += (n->at.sample * g->in[0] + span.first) * g->in[1] * g->in[2] * g->xpitch;
	if (n->k->conv_forward(plan_tail_conv(n->plan, n->at.part), net_run_at(n, x), weight(n, s->b), y, net_run_at(n, c->scratch), e))
		return -1;
	return c->y2.buf < 0 ? 0 : n->k->to_floats(floats, y, g->oc, vox, g->oc, e);
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

static float *buffer(const struct net *n, int running, int which)
{
	return running < 0 ? NULL : n->param[running + which].w;
}

/* One more batch in the running statistics; torch counts none for instances. On the device, as 1 is added to a weight there. */
static int count_batch(const struct net *n, int running, struct err *e)
{
	float *w = buffer(n, running, 2);

	return w ? n->k->conv_identity(w, 1, 1, e) : 0;
}

/* As the call has it, and the processes whose batches are one */
static struct k_norm norm_of(const struct net *n, const struct plan_call *c)
{
	struct k_norm g = c->norm;

	g.ranks = g.norm == K_NORM_BATCH ? n->ranks : NULL;
	return g;
}

static int do_norm(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct k_norm_fwd a = {
		.x = net_run_at(n, c->x), .gamma = weight(n, s->w), .beta = weight(n, s->b), .alpha = weight(n, s->alpha), .res = net_run_at(n, c->res),
		.y = net_run_at(n, c->y), .y2 = net_run_at(n, c->y2), .mean = net_run_at(n, s->mean), .rstd = net_run_at(n, s->rstd),
		.running_mean = buffer(n, s->running, 0), .running_var = buffer(n, s->running, 1),
	};

	const struct k_norm g = norm_of(n, c);

	(void)l;
	if (s->norm.norm == K_NORM_BATCH && !c->norm.given && count_batch(n, s->running, e))
		return -1;
	return n->k->norm_forward(&g, &a, net_run_at(n, c->scratch), e);
}

static int do_norm_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct k_norm_bwd a = {
		.dy = net_run_at(n, c->dy), .dy2 = net_run_at(n, c->dy2), .x = net_run_at(n, c->x), .gamma = weight(n, s->w), .beta = weight(n, s->b),
		.alpha = weight(n, s->alpha), .mean = net_run_at(n, s->mean), .rstd = net_run_at(n, s->rstd), .dx = net_run_at(n, c->dx),
		.res = net_run_at(n, c->res), .dres = net_run_at(n, c->dres),
		.dgamma = gradient(n, s->w), .dbeta = gradient(n, s->b), .dalpha = gradient(n, s->alpha), .dx_add = c->add, .dres_add = c->dres_add,
	};

	const struct k_norm g = norm_of(n, c);

	(void)l;
	return n->k->norm_backward(&g, &a, net_run_at(n, c->scratch), e);
}

static int do_slice(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)s, (void)l;
	return n->k->slice_copy(net_run_at(n, c->y), c->y.pitch, net_run_at(n, c->x), c->x.pitch, c->vox, c->c, c->add, e);
}

/* Dropout of the i-th sample of a batch: its numbers do not depend on what else is in the batch. A graph has fewer operations than 2^16. */
static struct k_drop drop_of(const struct net *n, const struct plan_step *s, int64_t i)
{
	uint64_t index = (n->drawn ? 0 : (uint64_t)(n->first + i * n->stride) << 16) | (uint64_t)s->op;

	return (struct k_drop){.rate = s->rate, .key = {(uint32_t)n->seed, (uint32_t)(n->seed >> 32)},
		.at = {RNG_DROPOUT, (uint32_t)index, (uint32_t)(index >> 32)}, .more = n->drawn ? n->drawn + i : NULL};
}

static int do_drop(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	enum graph_dropped what = n->graph->op[s->op].dropped;
	const int64_t vox = c->vox / n->plan->batch;
	const int whole = what == GRAPH_SAMPLES; /* the values of a sample as voxels of one channel */
	struct plan_ref x = c->x, y = c->y;

	(void)l;
	for (int64_t i = 0; i < n->plan->batch; i++, x.at += vox * x.pitch, y.at += vox * y.pitch) {
		struct k_drop g = drop_of(n, s, i);

		g.alpha = what != GRAPH_ALPHA ? K_ALPHA_NONE : c->back ? K_ALPHA_BACK : K_ALPHA;
		g.span = what == GRAPH_CHANNELS ? vox : whole ? vox * c->c : 0;
		if (whole ? n->k->drop(&g, net_run_at(n, x), 1, net_run_at(n, y), 1, vox * c->c, 1, c->add, e)
		          : n->k->drop(&g, net_run_at(n, x), x.pitch, net_run_at(n, y), y.pitch, vox, c->c, c->add, e))
			return -1;
	}
	return 0;
}

static int do_scale(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	struct k_scale g = s->scale;

	(void)l;
	g.xpitch = c->back ? c->y.pitch : c->x.pitch;
	g.ypitch = c->back ? c->x.pitch : c->y.pitch;
	return n->k->scale(&g, c->back, net_run_at(n, c->x), net_run_at(n, c->y), c->add, e);
}

static int do_gate(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l, (void)s;
	return n->k->gate(net_run_at(n, c->x), c->x.pitch, net_run_at(n, c->res), net_run_at(n, c->y), c->y.pitch, c->vox, c->c, e);
}

static int do_gate_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l, (void)s;
	return n->k->gate_back(net_run_at(n, c->dy), c->dy.pitch, net_run_at(n, c->x), c->x.pitch, net_run_at(n, c->res), net_run_at(n, c->dx),
		net_run_at(n, c->dres), c->add, c->dres_add, c->vox, c->c, e);
}

static int do_layer(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->layer_forward(&s->layer, net_run_at(n, c->x), weight(n, s->w), weight(n, s->b), net_run_at(n, c->y), net_run_at(n, s->mean),
		net_run_at(n, s->rstd), e);
}

static int do_layer_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->layer_backward(&s->layer, net_run_at(n, c->dy), net_run_at(n, c->x), weight(n, s->w), net_run_at(n, s->mean), net_run_at(n, s->rstd),
		net_run_at(n, c->dx), c->add, gradient(n, s->w), gradient(n, s->b), net_run_at(n, c->scratch), e);
}

/* Attention of a batch at once or, where it drops out, of a sample at a time. */
struct pieces { struct k_attention g; int64_t times, vox; };

static struct pieces pieces_of(const struct net *n, const struct plan_step *s)
{
	struct pieces p = {s->attention, 1, s->attention.size[0] * s->attention.size[1] * s->attention.size[2]};

	if (n->plan->train && s->rate > 0)
		p.times = p.g.n, p.g.n = 1;
	return p;
}

static struct k_attention_args attention_args(const struct net *n, struct plan_ref x, const struct plan_step *s, int64_t i)
{
	struct k_attention_args a = {net_run_at(n, x), weight(n, s->b), weight(n, s->w)};

	if (n->plan->train)
		a.drop = drop_of(n, s, i);
	return a;
}

static int do_attention(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct pieces p = pieces_of(n, s);
	struct plan_ref x = c->x, y = c->y;

	(void)l;
	for (int64_t i = 0; i < p.times; i++, x.at += p.vox * 3 * p.g.c, y.at += p.vox * p.g.c) {
		const struct k_attention_args a = attention_args(n, x, s, i);

		if (n->k->attention_forward(&p.g, &a, net_run_at(n, y), net_run_at(n, c->scratch), e))
			return -1;
	}
	return 0;
}

static int do_attention_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct pieces p = pieces_of(n, s);
	struct plan_ref x = c->x, dy = c->dy, dx = c->dx;

	(void)l;
	assert(!c->add); /* nothing else reads the projection */
	for (int64_t i = 0; i < p.times; i++, x.at += p.vox * 3 * p.g.c, dx.at += p.vox * 3 * p.g.c, dy.at += p.vox * p.g.c) {
		const struct k_attention_args a = attention_args(n, x, s, i);
		const struct k_attention_grads d = {net_run_at(n, dy), net_run_at(n, dx), gradient(n, s->b), gradient(n, s->w)};

		if (n->k->attention_backward(&p.g, &a, &d, net_run_at(n, c->scratch), e))
			return -1;
	}
	return 0;
}

static int do_merge(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->merge_forward(&s->merge, net_run_at(n, c->x), net_run_at(n, c->y), e);
}

static int do_merge_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->merge_backward(&s->merge, net_run_at(n, c->dy), net_run_at(n, c->dx), c->add, e);
}

static int do_across(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->across_forward(&s->across, net_run_at(n, c->x), net_run_at(n, c->y), e);
}

static int do_across_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->across_backward(&s->across, net_run_at(n, c->dy), net_run_at(n, c->x), net_run_at(n, c->dx), c->add, e);
}

static int do_pool(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->pool_forward(&s->pool, net_run_at(n, c->x), net_run_at(n, c->y), e);
}

static int do_pool_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)l;
	return n->k->pool_backward(&s->pool, net_run_at(n, c->dy), net_run_at(n, c->x), net_run_at(n, c->dx), c->add, e);
}

/* The same for every sample */
static int do_position(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const int64_t vox = c->vox / n->plan->batch;
	struct plan_ref y = c->y;

	if (net_run_at(n, c->x) != net_run_at(n, y) && do_slice(n, c, s, l, e))
		return -1;
	for (int64_t i = 0; i < n->plan->batch; i++, y.at += vox * y.pitch)
		if (n->k->from_floats(net_run_at(n, y), y.pitch, weight(n, s->w), vox, c->c, 1, e))
			return -1;
	return 0;
}

static int do_position_back(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const int64_t each = c->vox / n->plan->batch * c->c;

	(void)l;
	return n->k->column_sum(net_run_at(n, c->dy), each, n->plan->batch, each, gradient(n, s->w), net_run_at(n, c->scratch), e);
}

static int do_to_floats(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)s, (void)l;
	return n->k->to_floats(net_run_at(n, c->y), net_run_at(n, c->x), c->x.pitch, c->vox, c->c, e);
}

static int do_from_floats(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	(void)s, (void)l;
	return n->k->from_floats(net_run_at(n, c->y), c->y.pitch, net_run_at(n, c->x), c->vox, c->c, 0, e);
}

/* Of the logits, or of a head: against labels of its resolution, its part of the total. */
static int do_loss(struct net *n, const struct plan_call *c, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct graph *g = n->graph;
	const struct plan_value *v = &n->plan->value[c->head ? g->head[c->head - 1].value : g->out];
	float weight = !l->grad ? 1 : c->head ? g->head[c->head - 1].weight : g->out_weight;
	struct k_loss terms = l->terms;
	const uint8_t *label = l->label;
	double out[3];

	(void)s;
	terms.n = n->plan->batch;
	terms.vox = v->vox / terms.n;
	terms.k = v->c;
	terms.w_dice *= weight;
	terms.w_ce *= weight;
	if (c->head) {
		uint8_t *down = net_run_at(n, c->y);

		label = down;
		if (n->k->label_down(down, l->label, terms.n, v->size, g->op[g->head[c->head - 1].value].down, e))
			return -1;
	}
	if (n->results)
		return n->k->loss_later(&terms, net_run_at(n, c->x), label, l->grad ? net_run_at(n, c->dx) : NULL,
			n->results + c->head * K_LOSS_RESULTS, net_run_at(n, c->scratch), e);
	if (n->k->loss(&terms, net_run_at(n, c->x), label, l->grad ? net_run_at(n, c->dx) : NULL, out, net_run_at(n, c->scratch), e))
		return -1;
	l->out[0] = c->head ? l->out[0] + out[0] : out[0];
	if (!c->head)
		l->out[1] = out[1], l->out[2] = out[2];
	return 0;
}

int net_run_calls(struct net *n, int first, int end, const struct net_run_loss *l, struct err *e)
{
	static int (*const does[PLAN_DOES])(struct net *, const struct plan_call *, const struct plan_step *, const struct net_run_loss *, struct err *) = {
		[PLAN_DO_CONV] = do_conv, [PLAN_DO_DATA] = do_data, [PLAN_DO_WEIGHTS] = do_weights, [PLAN_DO_NORM] = do_norm,
		[PLAN_DO_NORM_BACK] = do_norm_back, [PLAN_DO_SLICE] = do_slice, [PLAN_DO_DROP] = do_drop, [PLAN_DO_SCALE] = do_scale, [PLAN_DO_GATE] = do_gate,
		[PLAN_DO_GATE_BACK] = do_gate_back, [PLAN_DO_LAYER] = do_layer, [PLAN_DO_LAYER_BACK] = do_layer_back, [PLAN_DO_ATTENTION] = do_attention,
		[PLAN_DO_ATTENTION_BACK] = do_attention_back, [PLAN_DO_MERGE] = do_merge, [PLAN_DO_MERGE_BACK] = do_merge_back,
		[PLAN_DO_ACROSS] = do_across, [PLAN_DO_ACROSS_BACK] = do_across_back, [PLAN_DO_POOL] = do_pool,
		[PLAN_DO_POOL_BACK] = do_pool_back, [PLAN_DO_POSITION] = do_position, [PLAN_DO_POSITION_BACK] = do_position_back,
		[PLAN_DO_EDGE] = net_run_edge, [PLAN_DO_EDGE_BACK] = net_run_edge, [PLAN_DO_TAIL] = do_tail,
		[PLAN_DO_TO_FLOATS] = do_to_floats, [PLAN_DO_FROM_FLOATS] = do_from_floats, [PLAN_DO_LOSS] = do_loss,
	};
	struct plan *p = n->plan;

	for (int i = first; i < end; i++) {
		struct plan_call *c = &p->call[i];
		double begun = n->profile ? progress_now() : 0;

		if (does[c->what](n, c, c->step < 0 ? NULL : &p->step[c->step], l, e))
			return c->step < 0 ? -1 : err_prefix(e, "%.200s", p->graph->op[p->step[c->step].op].name);
		if (n->profile)
			c->seconds += progress_now() - begun, c->times++;
		if (n->final && l && l->grad && n->final(n->final_arg, c->final, e))
			return -1;
	}
	return 0;
}
