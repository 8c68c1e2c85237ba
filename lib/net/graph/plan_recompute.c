/* Recomputation of activations: which values are dropped after the forward pass, and how the backward pass has them made again. */
#include "lib/net/graph/plan.h"

/* Made by a pass over memory: little time */
static int is_cheap(const struct plan_step *s)
{
	static const char cheap[] = {
		[PLAN_CONV] = 0, [PLAN_NORM] = 1, [PLAN_CONCAT] = 1, [PLAN_DROP] = 1, [PLAN_SCALE] = 1, [PLAN_GATE] = 1, [PLAN_LAYER] = 1, [PLAN_ATTENTION] = 0,
		[PLAN_MERGE] = 1, [PLAN_ACROSS] = 1, [PLAN_POOL] = 1, [PLAN_POSITION] = 1, [PLAN_EDGE] = 1,
	};

	return cheap[s->kind];
}

/* Can the backward pass have value i? */
static int is_there(const struct plan *p, int i)
{
	return i < 0 || p->value[i].kept || p->value[i].dropped;
}

/* A concatenation and what lies in it are dropped together or not at all. How many values have to stay that were to be dropped? */
static int keep_slices(struct plan *p, const struct plan_step *s)
{
	struct plan_value *c = &p->value[s->out];
	const int in[2] = {s->x, s->res};
	int n = 0;

	for (int k = 0; k < 2; k++)
		if (plan_in_slice(p, in[k]) == s->out && c->dropped && !p->value[in[k]].dropped)
			c->stays = 1, c->dropped = 0, n++;
	for (int k = 0; k < 2; k++)
		if (plan_in_slice(p, in[k]) == s->out && !c->dropped && p->value[in[k]].dropped)
			p->value[in[k]].stays = 1, p->value[in[k]].dropped = 0, n++;
	return n;
}

static void drop_norms(struct plan *p)
{
	int changed;

	do {
		changed = 0;
		for (int i = 0; i < p->steps; i++) {
			const struct plan_step *s = &p->step[i];
			struct plan_value *v = &p->value[s->out];

			v->dropped = is_cheap(s) && !v->output && !v->stays && is_there(p, s->x) && is_there(p, s->res);
		}
		for (int i = 0; i < p->steps; i++)
			if (p->step[i].kind == PLAN_CONCAT)
				changed += keep_slices(p, &p->step[i]);
	} while (changed);
}

/* Cut behind what is not cheap; the last segment's values are wanted at once, and kept but for cheap ones. Returns its number. */
static int cut(struct plan *p)
{
	size_t held = 0;
	int segment = 0;

	for (int i = 0; i < p->steps; i++) {
		struct plan_step *s = &p->step[i];

		s->segment = segment;
		if (!is_cheap(s))
			held += plan_bytes(p, s->out);
		if (held >= p->segment)
			segment++, held = 0;
	}
	return p->step[p->steps - 1].segment;
}

/* A skip that passes between segments lies beside its concatenation, if it can without its gradients being added up in another order. */
static void part_slices(struct plan *p, const struct plan_step *s)
{
	const int in[2] = {s->x, s->res};

	for (int k = 0; k < 2; k++) {
		struct plan_value *v = &p->value[in[k]];

		if (plan_in_slice(p, in[k]) == s->out && p->value[s->out].dropped && !v->dropped && p->step[v->step].kind == PLAN_NORM &&
		    p->step[v->step].res < 0)
			v->apart = v->dense = 1;
	}
	(void)keep_slices(p, s);
}

static void drop_inside(struct plan *p)
{
	int last = cut(p);

	for (int i = 0; i < p->steps; i++) {
		struct plan_value *v = &p->value[p->step[i].out];

		v->dropped = !v->output && (p->step[i].segment < last || (is_cheap(&p->step[i]) && p->step[i].kind != PLAN_CONCAT));
	}
	for (int i = 0; i < p->steps; i++) {
		const int in[2] = {p->step[i].x, p->step[i].res};

		for (int k = 0; k < 2; k++)
			if (in[k] >= 0 && p->value[in[k]].step >= 0 && p->step[p->value[in[k]].step].segment != p->step[i].segment)
				p->value[in[k]].dropped = 0;
	}
	for (int i = 0; i < p->steps; i++)
		if (p->step[i].kind == PLAN_CONCAT)
			part_slices(p, &p->step[i]);
	for (int i = 0; i < p->graph->n; i++)
		p->value[i].kept = 1;
}

void plan_drop(struct plan *p)
{
	if (p->recompute == NET_NORMS)
		drop_norms(p);
	if (p->recompute == NET_SEGMENTS)
		drop_inside(p);
	for (int i = 0; i < p->graph->n; i++) {
		struct plan_value *v = &p->value[i];

		v->kept &= !v->dropped;
		v->cheap = v->dropped && is_cheap(&p->step[v->step]) && p->step[v->step].kind != PLAN_CONCAT && plan_in_slice(p, i) < 0;
	}
}

int plan_again(struct plan *p, int i, struct err *e)
{
	struct plan_value *v = &p->value[i];
	const struct plan_step *s = &p->step[v->step < 0 ? 0 : v->step];
	const int in[2] = {s->x, s->res};
	int made[2] = {0}, bad;

	if (!v->dropped)
		return 0;
	v->dropped = 0;
	for (int k = 0; k < 2; k++) {
		made[k] = in[k] >= 0 && p->value[in[k]].dropped && p->value[in[k]].cheap;
		if (in[k] >= 0 && plan_again(p, in[k], e))
			return -1;
	}
	p->again = 1;
	bad = plan_step_calls(p, v->step, e);
	p->again = 0;
	for (int k = 0; k < 2; k++)
		if (made[k]) {
			p->value[in[k]].dropped = 1;
			p->value[in[k]].at = plan_nowhere;
		}
	return bad;
}
