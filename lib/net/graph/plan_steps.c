/* The graph's operations fused into steps. */
#include "lib/net/graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { NARROW = 32 }; /* channels: fewer are quicker read where they are dense */

static int is_one(const int v[3])
{
	return v[0] == 1 && v[1] == 1 && v[2] == 1;
}

static void value_shape(struct plan *p, int i)
{
	const struct graph_op *op = &p->graph->op[i];
	struct plan_value *v = &p->value[i];

	v->c = op->c;
	v->vox = p->batch;
	for (int k = 0; k < 3; k++) {
		v->size[k] = op->kind == GRAPH_CONV && op->conv.transposed ? p->value[op->in[0]].size[k] * op->conv.stride[k] : p->size[k] / op->down[k];
		v->vox *= v->size[k];
	}
	v->step = v->in = v->last = -1;
	v->at = v->floats = v->g = v->g2 = plan_nowhere;
}

/* What the outputs need, and how often each value is read for it. */
static void mark_live(struct plan *p)
{
	const struct graph *g = p->graph;

	p->value[g->out].output = 1;
	for (int h = 0; h < g->heads && p->train; h++)
		if (g->head[h].weight > 0)
			p->value[g->head[h].value].output = 1;
	for (int i = g->n - 1; i >= 0; i--) {
		p->value[i].live |= p->value[i].output;
		for (int k = 0; k < 2 && p->value[i].live; k++)
			if (g->op[i].in[k] >= 0) {
				p->value[g->op[i].in[k]].live = 1;
				p->value[g->op[i].in[k]].uses++;
			}
	}
}

/* The one operation that reads value i, or -1 where there are several (or it is an output). */
static int only_user(const struct plan *p, int i)
{
	const struct graph *g = p->graph;

	if (p->value[i].uses != 1 || p->value[i].output)
		return -1;
	for (int j = i + 1; j < g->n; j++)
		if (p->value[j].live && (g->op[j].in[0] == i || g->op[j].in[1] == i))
			return j;
	return -1;
}

/* From operation i, the next of its chain if it is of that kind and nothing else reads i. */
static int next_of(const struct plan *p, int i, enum graph_kind kind)
{
	const struct graph *g = p->graph;
	int j = only_user(p, i);

	return j >= 0 && g->op[j].kind == kind && g->op[j].in[0] != g->op[j].in[1] ? j : -1;
}

/* conv(x) + x with no stride and as many channels in as out: the add becomes a one in the middle of the kernel. */
static int adds_own_input(const struct graph *g, int conv, int add)
{
	const struct graph_op *c = &g->op[conv];
	const int *in = g->op[add].in;

	if (c->conv.transposed || !is_one(c->conv.stride) || g->op[c->in[0]].c != c->c || (in[0] == conv ? in[1] : in[0]) != c->in[0])
		return 0;
	for (int k = 0; k < 3; k++)
		if (c->conv.kernel[k] % 2 == 0 || 2 * c->conv.pad[k] != c->conv.kernel[k] - 1)
			return 0;
	return 1;
}

/* Dropout is nothing in inference. */
static void skip_drop(const struct plan *p, int *end, char *taken)
{
	int j = p->train ? -1 : next_of(p, *end, GRAPH_DROP);

	if (j < 0)
		return;
	taken[j] = 1;
	*end = j;
}

/* If an operation of that kind alone reads *end, and is not taken yet, take it: *end moves on to it. */
static int extend(const struct plan *p, int *end, enum graph_kind kind, char *taken)
{
	int j;

	skip_drop(p, end, taken);
	j = next_of(p, *end, kind);
	if (j < 0 || taken[j])
		return 0;
	taken[j] = 1;
	*end = j;
	return 1;
}

static void take_act(const struct graph_op *op, struct plan_step *s)
{
	s->norm.act = op->act.kind;
	s->norm.slope = op->act.slope;
	s->norm.alphas = op->act.alphas;
	s->alpha = op->alpha;
}

static void take_norm(const struct plan *p, const struct graph_op *op, struct plan_step *s)
{
	s->norm.norm = op->norm.kind;
	s->norm.eps = op->norm.eps;
	s->norm.groups = op->norm.groups;
	s->norm.momentum = op->norm.momentum;
	s->running = op->running;
	if (op->norm.running && !p->train)
		s->norm.norm = K_NORM_RUNNING;
}

/* The chain that begins at a normalisation, an activation or an add: [norm] [act] [+ res] or [norm] [+ res] [act]. Returns its last operation. */
static int norm_chain(const struct plan *p, int i, struct plan_step *s, char *taken)
{
	const struct graph *g = p->graph;
	enum graph_kind kind = g->op[i].kind;
	int end = i, before;

	if (kind == GRAPH_NORM)
		take_norm(p, &g->op[i], s);
	if (kind == GRAPH_ACT)
		take_act(&g->op[i], s);
	else if (kind != GRAPH_ADD && extend(p, &end, GRAPH_ACT, taken))
		take_act(&g->op[end], s);
	before = end;
	if (kind != GRAPH_ADD && extend(p, &end, GRAPH_ADD, taken))
		s->res = g->op[end].in[g->op[end].in[0] == before];
	if (s->res >= 0 && s->res != s->x && s->norm.act == K_ACT_NONE && extend(p, &end, GRAPH_ACT, taken)) {
		take_act(&g->op[end], s);
		s->norm.after = 1;
	}
	return end;
}

static void conv_chain(const struct plan *p, int i, struct plan_step *s, char *taken)
{
	const struct graph *g = p->graph;
	int j = next_of(p, i, GRAPH_ADD);

	s->kind = PLAN_CONV;
	if (j >= 0 && adds_own_input(g, i, j))
		s->identity = extend(p, &s->out, GRAPH_ADD, taken);
	j = next_of(p, i, GRAPH_EDGE);
	if (j >= 0 && !memcmp(p->value[j].size, p->value[i].size, sizeof p->value[j].size))
		extend(p, &s->out, GRAPH_EDGE, taken);
	skip_drop(p, &s->out, taken);
	j = only_user(p, s->out);
	if (j >= 0 && g->op[j].kind == GRAPH_NORM && g->op[j].norm.kind == K_NORM_INSTANCE && !g->op[j].norm.running)
		s->b = -1;
}

/* The step that begins at operation i; what it takes in beside i is marked. */
static struct plan_step chain(const struct plan *p, int i, char *taken)
{
	static const enum plan_kind alone[] = { /* 0: begins a chain */
		[GRAPH_CONCAT] = PLAN_CONCAT, [GRAPH_DROP] = PLAN_DROP, [GRAPH_SCALE] = PLAN_SCALE, [GRAPH_GATE] = PLAN_GATE, [GRAPH_LAYER] = PLAN_LAYER,
		[GRAPH_ATTENTION] = PLAN_ATTENTION, [GRAPH_MERGE] = PLAN_MERGE, [GRAPH_ACROSS] = PLAN_ACROSS, [GRAPH_POOL] = PLAN_POOL,
		[GRAPH_POSITION] = PLAN_POSITION, [GRAPH_EDGE] = PLAN_EDGE,
	};
	const struct graph_op *op = &p->graph->op[i];
	struct plan_step s = {.kind = PLAN_NORM, .op = i, .x = op->in[0], .res = op->in[1], .out = i, .w = op->w, .b = op->b, .alpha = -1, .running = -1};

	s.mean = s.rstd = plan_nowhere;
	s.rate = op->rate;
	if (op->kind == GRAPH_ATTENTION)
		s.b = p->graph->op[s.x].b;
	if (op->kind == GRAPH_CONV)
		conv_chain(p, i, &s, taken);
	else if (alone[op->kind] && (op->kind != GRAPH_DROP || p->train))
		s.kind = alone[op->kind];
	else
		s.out = norm_chain(p, i, &s, taken);
	return s;
}

int plan_conv_slice(const struct plan *p, int i)
{
	const struct plan_step *s = p->value[i].step < 0 ? NULL : &p->step[p->value[i].step];

	return s && s->kind == PLAN_CONV && next_of(p, i, GRAPH_CONCAT) >= 0;
}

int plan_read_in_slice(const struct plan *p, int i)
{
	const struct graph *g = p->graph;
	int concat = -1;

	if (p->value[i].c < NARROW || p->value[i].output || p->value[i].apart || p->value[i].step < 0 || p->step[p->value[i].step].kind != PLAN_NORM)
		return -1;
	for (int j = i + 1; j < g->n; j++) {
		const struct graph_op *op = &g->op[j];

		if (!p->value[j].live || (op->in[0] != i && op->in[1] != i))
			continue;
		if (concat >= 0 || (op->kind != GRAPH_CONV && (op->kind != GRAPH_CONCAT || op->in[0] == op->in[1])))
			return -1;
		if (op->kind == GRAPH_CONCAT)
			concat = j;
	}
	return concat;
}

/* Channels are the fastest axis of values, and of a linear layer's weight: both are of one channel, with a longer axis w. */
static void fold_channels(struct k_conv_geom *g)
{
	g->in[2] *= g->ic;
	g->kernel[2] *= (int)g->ic;
	g->stride[2] *= (int)g->ic;
	g->ic = g->xpitch = 1;
}

int plan_conv_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct graph_op *op = &p->graph->op[s->op];
	struct k_conv_geom *g = &s->geom;

	g->n = p->batch;
	g->ic = g->xpitch = p->value[s->x].c;
	g->oc = g->ypitch = p->value[s->out].c;
	if (plan_read_in_slice(p, s->x) >= 0)
		g->xpitch = p->value[plan_read_in_slice(p, s->x)].c;
	if (next_of(p, s->out, GRAPH_CONCAT) >= 0)
		g->ypitch = p->value[next_of(p, s->out, GRAPH_CONCAT)].c;
	g->transposed = op->conv.transposed;
	g->train = p->train;
	for (int k = 0; k < 3; k++) {
		int64_t in = p->value[s->x].size[k], out = p->value[s->out].size[k];

		g->in[k] = in, g->out[k] = out;
		g->kernel[k] = op->conv.kernel[k];
		g->stride[k] = op->conv.stride[k];
		g->pad[k] = op->conv.pad[k];
		if (!g->transposed && (in + 2 * g->pad[k] - g->kernel[k]) / g->stride[k] + 1 != out)
			return err_set(e, NULL, "%.200s: makes %lld of %lld along %c, %lld are needed", op->name,
				(long long)((in + 2 * g->pad[k] - g->kernel[k]) / g->stride[k] + 1), (long long)in, "dhw"[k], (long long)out);
	}
	if (op->conv.linear && g->ic > 1 && g->kernel[2] > 1)
		fold_channels(g);
	return plan_conv(p, s, e) ? err_prefix(e, "%.200s", op->name) : 0;
}

/* What the values must know of those who read them. */
static void readers(struct plan *p, int i)
{
	const struct plan_step *s = &p->step[i];
	const int in[2] = {s->x, s->res};
	static const char keeps[PLAN_KINDS] = {[PLAN_CONV] = 1, [PLAN_GATE] = 1, [PLAN_LAYER] = 1, [PLAN_ATTENTION] = 1, [PLAN_ACROSS] = 1,
		[PLAN_POOL] = 1}; /* read backward */
	int params = s->w >= 0 || s->b >= 0 || s->alpha >= 0;

	p->value[s->out].step = i;
	for (int k = 0; k < 2; k++) {
		struct plan_value *v = &p->value[in[k]];

		if (in[k] < 0)
			continue;
		v->last = i;
		p->value[s->out].grad |= v->grad;
		if (s->kind == PLAN_CONCAT) {
			v->concats++;
			if (v->in < 0)
				v->in = s->out, v->in_at = k ? p->value[s->x].c : 0;
			continue;
		}
		v->dense |= (k == 0 && plan_read_in_slice(p, in[k]) < 0) || s->kind == PLAN_GATE;
		if (keeps[s->kind] || s->norm.after || (k == 0 && (s->norm.norm != K_NORM_NONE || s->norm.act != K_ACT_NONE)))
			v->kept = p->train;
	}
	p->value[s->out].grad |= params;
}

int plan_steps(struct plan *p, struct err *e)
{
	const struct graph *g = p->graph;
	struct plan_step *of = p->step; /* g->n long: the step that ends at operation i waits at place i, then moves down to its place among the steps */
	char *taken = mem_zero((size_t)g->n, 2, "a plan", e), *ends = taken + g->n;
	int bad = !taken;

	for (int i = 0; i < g->n; i++)
		value_shape(p, i);
	mark_live(p);
	for (int i = 0; i < g->n && !bad; i++)
		if (g->op[i].kind != GRAPH_INPUT && p->value[i].live && !taken[i]) {
			struct plan_step s = chain(p, i, taken);

			of[s.out] = s;
			ends[s.out] = 1;
		}
	for (int i = 0; i < g->n && !bad; i++) {
		struct plan_step *s = &p->step[p->steps];

		if (!ends[i])
			continue;
		*s = of[i];
		readers(p, p->steps++);
	}
	if (!bad)
		plan_drop(p);
	for (int i = 0; i < p->steps && !bad; i++)
		bad = plan_shape(p, &p->step[i], e);
	free(taken);
	if (bad)
		return -1;
	for (int i = 0; i < g->n; i++)
		if (p->value[i].output)
			p->value[i].last = p->steps;
	return 0;
}
