/* The forward calls: where every value lies, and what writes it there. */
#include "lib/net/graph/plan.h"

/* Is value i made by a norm step? Such a step can write at any pitch, and to two places. */
static int by_norm(const struct plan *p, int i)
{
	return p->value[i].step >= 0 && p->step[p->value[i].step].kind == PLAN_NORM;
}

int plan_in_slice(const struct plan *p, int i)
{
	const struct plan_value *v = &p->value[i];

	return v->in >= 0 && !v->dense && (by_norm(p, i) || plan_conv_slice(p, i)) ? v->in : -1;
}

static int place(struct plan *p, int i, struct err *e)
{
	struct plan_value *v = &p->value[i];

	if (v->at.buf >= 0)
		return 0;
	if (plan_in_slice(p, i) >= 0) {
		if (place(p, v->in, e))
			return -1;
		v->at = p->value[v->in].at;
		v->at.at += v->in_at;
		return 0;
	}
	return plan_buf(p, v->vox, v->c, &v->at, e);
}

/* May the output of step s be written over value i, which it reads? Yes, if nobody else ever wants the value; the backward pass will. */
static int reusable(const struct plan *p, int s, int i)
{
	const struct plan_value *v;

	if (i < 0 || p->again)
		return 0;
	for (int j = 0; j < p->graph->n; j++)
		if (p->value[j].in == i && (p->value[j].last > s || (p->value[j].kept && !p->value[j].dense)))
			return 0; /* it lies in here, and is read later */
	v = &p->value[i];
	return v->last == s && !v->concats && !v->kept && v->at.pitch == v->c && !v->output;
}

/* y: a part's elements; y2: its floats, where these are others */
static int tail_call(struct plan *p, int i, struct err *e)
{
	struct plan_value *v = &p->value[p->step[i].out];
	struct plan_call c = plan_call_new(PLAN_DO_TAIL, i);
	const int64_t vox = p->tail.slices * v->size[1] * v->size[2];

	if (plan_buf(p, vox, v->c, &v->at, e) || (p->elem != sizeof(float) && plan_floats(p, vox, v->c, &c.y2, e)))
		return -1;
	c.x = p->value[p->step[i].x].at;
	c.y = v->at;
	return plan_emit(p, &c, plan_tail_scratch(p), e);
}

static int conv_call(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(PLAN_DO_CONV, i);

	if (!s->conv)
		return tail_call(p, i, e);
	if (place(p, s->out, e))
		return -1;
	c.x = p->value[s->x].at;
	c.y = p->value[s->out].at;
	return plan_emit(p, &c, p->k->conv_scratch(s->conv), e);
}

static int norm_call(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(PLAN_DO_NORM, i);
	struct plan_value *v = &p->value[s->out];

	c.norm = s->norm;
	c.norm.given = p->again;
	if (v->dense || v->in < 0) {
		if (reusable(p, i, s->x))
			v->at = p->value[s->x].at;
		else if (reusable(p, i, s->res))
			v->at = p->value[s->res].at;
	}
	if (place(p, s->out, e))
		return -1;
	c.x = p->value[s->x].at;
	c.y = v->at;
	if (s->res >= 0)
		c.res = p->value[s->res].at;
	if (v->in >= 0 && v->dense && !p->again) {
		if (place(p, v->in, e))
			return -1;
		c.y2 = p->value[v->in].at;
		c.y2.at += v->in_at;
	}
	c.norm.xpitch = c.x.pitch;
	c.norm.ypitch = c.y.pitch;
	c.norm.rpitch = c.res.pitch;
	c.norm.y2pitch = c.y2.pitch;
	return plan_emit(p, &c, p->k->norm_scratch(&c.norm), e);
}

/* Copies what did not write itself into the concatenation. */
static int concat_calls(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	const int in[2] = {s->x, s->res};

	if (place(p, s->out, e))
		return -1;
	for (int k = 0; k < 2; k++) {
		const struct plan_value *v = &p->value[in[k]];
		struct plan_ref y = p->value[s->out].at;

		y.at += k ? p->value[s->x].c : 0;
		if (v->in == s->out && v->in_at == (k ? p->value[s->x].c : 0) && (by_norm(p, in[k]) || plan_conv_slice(p, in[k])) &&
		    (!p->again || plan_in_slice(p, in[k]) >= 0))
			continue;
		if (plan_slice(p, i, in[k], v->at, y, 0, e))
			return -1;
	}
	return 0;
}

/* Dropout, scale, pool, gate, edge and what transformers have: from x to y. */
static int plain_call(struct plan *p, int i, struct err *e)
{
	static const enum plan_do does[] = {
		[PLAN_DROP] = PLAN_DO_DROP, [PLAN_SCALE] = PLAN_DO_SCALE, [PLAN_GATE] = PLAN_DO_GATE, [PLAN_LAYER] = PLAN_DO_LAYER,
		[PLAN_ATTENTION] = PLAN_DO_ATTENTION, [PLAN_MERGE] = PLAN_DO_MERGE, [PLAN_ACROSS] = PLAN_DO_ACROSS, [PLAN_POOL] = PLAN_DO_POOL,
		[PLAN_POSITION] = PLAN_DO_POSITION, [PLAN_EDGE] = PLAN_DO_EDGE,
	};
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(does[s->kind], i);

	if ((s->kind == PLAN_DROP || s->kind == PLAN_LAYER || s->kind == PLAN_POSITION) && reusable(p, i, s->x))
		p->value[s->out].at = p->value[s->x].at;
	if (place(p, s->out, e))
		return -1;
	c.x = p->value[s->x].at;
	c.y = p->value[s->out].at;
	if (s->res >= 0)
		c.res = p->value[s->res].at;
	c.vox = p->value[s->out].vox;
	c.c = p->value[s->out].c;
	return plan_emit(p, &c, s->kind == PLAN_ATTENTION ? p->k->attention_scratch(&s->attention, 0) : 0, e);
}

/* The loss of the logits (head 0) or of a head, whose labels are made in a buffer of their own. */
static int loss_call(struct plan *p, int head, struct err *e)
{
	struct plan_call c = plan_call_new(PLAN_DO_LOSS, -1);
	int i = head ? p->graph->head[head - 1].value : p->graph->out;
	struct plan_value *v = &p->value[i];
	const struct k_loss terms = {.n = p->batch, .vox = v->vox / p->batch, .k = v->c, .w_dice = 1, .w_ce = 1};

	c.head = head;
	c.x = v->floats;
	if (plan_floats(p, v->vox, v->c, &c.dx, e))
		return -1;
	if (head && plan_floats(p, (v->vox + 3) / 4, 1, &c.y, e))
		return -1;
	p->losses++;
	if (plan_emit(p, &c, p->k->loss_scratch(&terms), e))
		return -1;
	v->g = c.dx;
	if (p->elem == sizeof(float))
		return 0;
	return plan_buf(p, v->vox, v->c, &v->g, e) || plan_convert(p, PLAN_DO_FROM_FLOATS, i, c.dx, v->g, e) ? -1 : 0;
}

/* The logits as floats; the tail makes its own. */
static int output_calls(struct plan *p, struct err *e)
{
	for (int i = 0; i < p->graph->n && !p->tail.slices; i++) {
		struct plan_value *v = &p->value[i];

		v->floats = v->at;
		if (v->output && p->elem != sizeof(float) &&
		    (plan_floats(p, v->vox, v->c, &v->floats, e) || plan_convert(p, PLAN_DO_TO_FLOATS, i, v->at, v->floats, e)))
			return -1;
	}
	return 0;
}

static int loss_calls(struct plan *p, struct err *e)
{
	p->forward = p->calls - !!p->tail.slices;
	if (!p->train)
		return 0;
	if (loss_call(p, 0, e))
		return -1;
	for (int h = 0; h < p->graph->heads; h++)
		if (p->value[p->graph->head[h].value].output && loss_call(p, h + 1, e))
			return -1;
	return 0;
}

int plan_step_calls(struct plan *p, int step, struct err *e)
{
	static int (*const calls[])(struct plan *, int, struct err *) = {
		[PLAN_CONV] = conv_call, [PLAN_NORM] = norm_call, [PLAN_CONCAT] = concat_calls, [PLAN_DROP] = plain_call, [PLAN_SCALE] = plain_call,
		[PLAN_GATE] = plain_call, [PLAN_LAYER] = plain_call, [PLAN_ATTENTION] = plain_call, [PLAN_MERGE] = plain_call,
		[PLAN_ACROSS] = plain_call, [PLAN_POOL] = plain_call, [PLAN_POSITION] = plain_call, [PLAN_EDGE] = plain_call,
	};

	return calls[p->step[step].kind](p, step, e);
}

int plan_forward(struct plan *p, struct err *e)
{
	int input = 0;

	while (p->graph->op[input].kind != GRAPH_INPUT)
		input++;
	if (place(p, input, e))
		return -1;
	p->input = p->value[input].at;
	if (p->elem != sizeof(float) && (plan_floats(p, p->value[input].vox, p->value[input].c, &p->input, e) ||
	                                 plan_convert(p, PLAN_DO_FROM_FLOATS, input, p->input, p->value[input].at, e)))
		return -1;
	p->buf[p->input.buf].first = 0;
	for (int i = 0; i < p->steps; i++)
		if (plan_step_calls(p, i, e))
			return -1;
	return output_calls(p, e) || loss_calls(p, e) ? -1 : 0;
}
