/* The backward calls, the steps last to first. A value's gradient is g + g2: g2 only ever a slice that a norm step can take as it is. */
#include "lib/net/graph/plan.h"

static int by(const struct plan *p, int i, enum plan_kind kind)
{
	return p->value[i].step >= 0 && p->step[p->value[i].step].kind == kind;
}

static int is_dense(const struct plan *p, int i, struct plan_ref r)
{
	return r.pitch == p->value[i].c;
}

/* A place for a call at step s to write part of the gradient of value i to: dense, or the slice of a value that is read there, whose concatenation
   comes first on the way back; *add: it must add to what is there. */
static int grad_place(struct plan *p, int s, int i, struct plan_ref *r, int *add, struct err *e)
{
	struct plan_value *v = &p->value[i];
	struct plan_ref old = v->g;
	int concat = plan_read_in_slice(p, i);

	*add = old.buf >= 0 && !v->shared && (concat >= 0 ? !p->value[concat].shared : is_dense(p, i, old));
	*r = old;
	if (*add)
		return 0;
	if (concat >= 0) {
		*add = 1;
		if (plan_buf(p, v->vox, p->value[concat].c, r, e) || plan_slice(p, s, i, old, *r, 0, e))
			return -1;
		v->g = *r;
		return 0;
	}
	if (plan_buf(p, v->vox, v->c, r, e))
		return -1;
	v->g = *r;
	v->shared = 0;
	if (old.buf < 0)
		return 0;
	if (v->g2.buf < 0 && by(p, i, PLAN_NORM) && !v->apart) { /* apart: in the order of the slice, for the same bits */
		v->g2 = old;
		return 0;
	}
	*add = 1;
	return plan_slice(p, s, i, old, *r, 0, e);
}

/* r is part of the gradient of value i. alias: it may serve as it is, and be written to; else it is copied. */
static int pass(struct plan *p, int s, int i, struct plan_ref r, int alias, struct err *e)
{
	struct plan_value *v = &p->value[i];
	struct plan_ref to;
	int add;

	if (!v->grad)
		return 0;
	if (is_dense(p, i, r)) {
		if (alias && v->g.buf < 0) {
			v->g = r;
			return 0;
		}
	} else if (plan_conv_slice(p, i)) {
		v->g = r;
		return 0;
	} else if (by(p, i, PLAN_NORM) && (v->g.buf < 0 || v->g2.buf < 0)) {
		*(v->g.buf < 0 ? &v->g : &v->g2) = r;
		return 0;
	}
	return grad_place(p, s, i, &to, &add, e) || plan_slice(p, s, i, r, to, add, e) ? -1 : 0;
}

static int conv_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(PLAN_DO_WEIGHTS, i);
	size_t scratch = p->k->conv_scratch(s->conv);

	if (plan_again(p, s->x, e))
		return -1;
	c.x = p->value[s->x].at;
	c.dy = p->value[s->out].g;
	if (plan_emit(p, &c, scratch, e))
		return -1;
	if (!p->value[s->x].grad)
		return 0;
	c.what = PLAN_DO_DATA;
	c.x = plan_nowhere;
	if (grad_place(p, i, s->x, &c.dx, &c.add, e))
		return -1;
	return plan_emit(p, &c, scratch, e);
}

/* x + res alone. res takes the gradient as it is; x too, where its own step is done with it before anything is added for res. */
static int add_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_value *v = &p->value[s->out], *x = &p->value[s->x], *res = &p->value[s->res];
	int early = x->step > res->step && x->g.buf < 0 && x->uses == 1 && is_dense(p, s->out, v->g) && !v->shared;
	int had = res->g.buf >= 0;

	early = early && !by(p, s->x, PLAN_CONCAT); /* which passes slices of it on */
	for (int j = x->step; early && j < i; j++)
		if (p->step[j].x == s->res || p->step[j].res == s->res)
			early = 0;
	if (v->g2.buf >= 0) {
		struct plan_ref to;
		int add;

		if (grad_place(p, i, s->out, &to, &add, e) || plan_slice(p, i, s->out, v->g2, to, 1, e))
			return -1;
		v->g2 = plan_nowhere;
	}
	if (pass(p, i, s->res, v->g, !v->shared, e))
		return -1;
	if (!had && res->grad && x->grad && early) {
		x->g = v->g;
		x->shared = 1;
		return 0;
	}
	return pass(p, i, s->x, v->g, !v->shared && (had || !res->grad), e);
}

/* The gradient of res = that of the output. Sets c->dres where the call must write it; *taken: the output's own buffer went to it. */
static int res_back(struct plan *p, int i, struct plan_call *c, int *taken, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_value *v = &p->value[s->out], *res = &p->value[s->res];

	if (s->norm.after || res->g.buf >= 0 || v->shared || (!by(p, s->res, PLAN_NORM) && !is_dense(p, s->out, v->g)))
		return grad_place(p, i, s->res, &c->dres, &c->dres_add, e);
	res->g = v->g;
	*taken = 1;
	if (v->g2.buf < 0)
		return 0;
	if (by(p, s->res, PLAN_NORM))
		res->g2 = v->g2;
	else
		c->dres = v->g;
	return 0;
}

/* Both parts of the gradient of step i's output are part of that of x. */
static int pass_both(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	const struct plan_value *v = &p->value[s->out];
	struct plan_ref to;
	int add;

	if (grad_place(p, i, s->x, &to, &add, e) || plan_slice(p, i, s->out, v->g, to, add, e))
		return -1;
	return v->g2.buf < 0 ? 0 : plan_slice(p, i, s->out, v->g2, to, 1, e);
}

static int norm_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(PLAN_DO_NORM_BACK, i);
	struct plan_value *v = &p->value[s->out], *x = &p->value[s->x];
	int twice = s->res == s->x, taken = twice;

	if (s->norm.norm == K_NORM_NONE && s->norm.act == K_ACT_NONE)
		return add_back(p, i, e);
	if (s->res >= 0 && !twice && p->value[s->res].grad && res_back(p, i, &c, &taken, e))
		return -1;
	if (plan_again(p, s->x, e) || (s->norm.after && plan_again(p, s->res, e)))
		return -1;
	c.norm = s->norm;
	c.norm.single = v->apart;
	c.x = x->at;
	c.dy = v->g;
	c.dy2 = v->g2;
	if (s->norm.after)
		c.res = p->value[s->res].at;
	if (x->g.buf < 0 && !taken && !v->shared && is_dense(p, s->out, v->g))
		c.dx = x->g = v->g;
	else if (grad_place(p, i, s->x, &c.dx, &c.add, e))
		return -1;
	c.norm.xpitch = c.x.pitch;
	c.norm.ypitch = c.dy.pitch;
	c.norm.y2pitch = c.dy2.pitch;
	c.norm.rpitch = c.res.pitch;
	c.norm.dpitch = c.dres.pitch;
	if (plan_emit(p, &c, p->k->norm_scratch(&c.norm), e))
		return -1;
	return twice ? pass_both(p, i, e) : 0;
}

static int concat_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_ref r = p->value[s->out].g;

	if (pass(p, i, s->x, r, 0, e))
		return -1;
	r.at += p->value[s->x].c;
	return pass(p, i, s->res, r, 0, e);
}

/* dropout, scale: x's gradient from the output's */
static int plain_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(s->kind == PLAN_DROP ? PLAN_DO_DROP : PLAN_DO_SCALE, i);

	c.back = 1;
	c.x = p->value[s->out].g;
	c.vox = p->value[s->out].vox;
	c.c = p->value[s->out].c;
	return grad_place(p, i, s->x, &c.y, &c.add, e) || plan_emit(p, &c, 0, e) ? -1 : 0;
}

/* The positions' gradient, of all n; x takes it as it is. */
static int position_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	const struct plan_value *v = &p->value[s->out];
	struct plan_call c = plan_call_new(PLAN_DO_POSITION_BACK, i);

	c.dy = v->g;
	c.vox = v->vox;
	c.c = v->c;
	return plan_emit(p, &c, p->k->column_scratch(p->batch, v->vox / p->batch * v->c), e) || pass(p, i, s->x, v->g, !v->shared, e) ? -1 : 0;
}

/* Gradients that nobody wants are written to a buffer that nobody reads. */
static int gate_back(struct plan *p, int i, struct err *e)
{
	const struct plan_step *s = &p->step[i];
	struct plan_value *x = &p->value[s->x], *gate = &p->value[s->res];
	struct plan_call c = plan_call_new(PLAN_DO_GATE_BACK, i);

	if (plan_again(p, s->x, e) || plan_again(p, s->res, e))
		return -1;
	c.x = x->at;
	c.res = gate->at;
	c.dy = p->value[s->out].g;
	c.vox = x->vox;
	c.c = x->c;
	if (x->grad ? grad_place(p, i, s->x, &c.dx, &c.add, e) : plan_buf(p, x->vox, x->c, &c.dx, e))
		return -1;
	if (gate->grad ? grad_place(p, i, s->res, &c.dres, &c.dres_add, e) : plan_buf(p, gate->vox, 1, &c.dres, e))
		return -1;
	return plan_emit(p, &c, 0, e);
}

/* Layer normalisation, attention, merge, channels together, pool, edge: x's gradient (and the parameters') from x and the output's gradient */
static int token_back(struct plan *p, int i, struct err *e)
{
	static const enum plan_do does[] = {
		[PLAN_LAYER] = PLAN_DO_LAYER_BACK, [PLAN_ATTENTION] = PLAN_DO_ATTENTION_BACK, [PLAN_MERGE] = PLAN_DO_MERGE_BACK,
		[PLAN_ACROSS] = PLAN_DO_ACROSS_BACK, [PLAN_POOL] = PLAN_DO_POOL_BACK, [PLAN_EDGE] = PLAN_DO_EDGE_BACK,
	};
	const struct plan_step *s = &p->step[i];
	struct plan_call c = plan_call_new(does[s->kind], i);
	size_t scratch = 0;

	if (s->kind == PLAN_LAYER)
		scratch = p->k->layer_scratch(&s->layer);
	if (s->kind == PLAN_ATTENTION)
		scratch = p->k->attention_scratch(&s->attention, 1);
	if (s->kind != PLAN_MERGE && s->kind != PLAN_EDGE) {
		if (plan_again(p, s->x, e))
			return -1;
		c.x = p->value[s->x].at;
	}
	c.dy = p->value[s->out].g;
	return grad_place(p, i, s->x, &c.dx, &c.add, e) || plan_emit(p, &c, scratch, e) ? -1 : 0;
}

/* Behind which parameter a call writes no gradient: what lies from there on is not touched. */
static int64_t reach(const struct plan *p, const struct plan_call *c)
{
	const struct plan_step *s = c->step < 0 ? NULL : &p->step[c->step];
	int64_t end = 0;

	if (!s)
		return 0;
	const int own[] = {s->w, s->b, s->alpha};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (own[i] >= 0) {
			const struct graph_param *q = &p->graph->param[own[i]];

			end = q->at + q->count > end ? q->at + q->count : end;
		}
	return end;
}

int plan_backward(struct plan *p, struct err *e)
{
	static int (*const back[])(struct plan *, int, struct err *) = {
		[PLAN_CONV] = conv_back, [PLAN_NORM] = norm_back, [PLAN_CONCAT] = concat_back, [PLAN_DROP] = plain_back, [PLAN_SCALE] = plain_back,
		[PLAN_GATE] = gate_back, [PLAN_LAYER] = token_back, [PLAN_ATTENTION] = token_back, [PLAN_MERGE] = token_back,
		[PLAN_ACROSS] = token_back, [PLAN_POOL] = token_back, [PLAN_POSITION] = position_back,
		[PLAN_EDGE] = token_back,
	};

	for (int i = 0; i < p->graph->n; i++)
		if (p->value[i].dropped)
			p->value[i].at = plan_nowhere;
	for (int i = p->steps - 1; i >= 0; i--) {
		const struct plan_value *v = &p->value[p->step[i].out];

		if (v->grad && v->g.buf >= 0 && back[p->step[i].kind](p, i, e))
			return -1;
	}
	for (int64_t i = p->calls - 1, end = 0; i >= p->forward; i--) {
		int64_t own = reach(p, &p->call[i]);

		p->call[i].final = end;
		end = own > end ? own : end;
	}
	return 0;
}
