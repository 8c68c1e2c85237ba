/* A value with the voxels of its edge repeated (torch.nn.functional.pad, "replicate", by one behind), of copies of boxes. */
#include "lib/net/run/net_run.h"

#include <assert.h>

/* A box in a value: where it begins */
struct part { struct plan_ref at; const int64_t *size; int64_t from[3]; };

static void *row(const struct net *n, const struct part *p, int64_t sample, int64_t d, int64_t c)
{
	struct plan_ref r = p->at;

	r.at += (((sample * p->size[0] + p->from[0] + d) * p->size[1] + p->from[1]) * p->size[2] + p->from[2]) * c;
	return net_run_at(n, r);
}

/* Rows along w are what slices are made of, planes at once where they are whole in both. */
static int copy_box(const struct net *n, const struct part *y, const struct part *x, const int64_t box[3], int64_t c, int add, struct err *e)
{
	const int whole = box[1] == x->size[1] && box[1] == y->size[1];
	const int64_t planes = whole ? 1 : box[0], rows = whole ? box[0] * box[1] : box[1];

	for (int64_t i = 0; i < n->plan->batch * planes; i++)
		if (n->k->slice_copy(row(n, y, i / planes, i % planes, c), y->size[2] * c, row(n, x, i / planes, i % planes, c), x->size[2] * c, rows,
		                     box[2] * c, add, e))
			return -1;
	return 0;
}

/* What there is, then every face, edge and corner that is more: bits of `where` are the axes along which. */
int net_run_edge(struct net *n, const struct plan_call *call, const struct plan_step *s, const struct net_run_loss *l, struct err *e)
{
	const struct plan_value *small = &n->plan->value[s->x], *large = &n->plan->value[s->out];
	const int back = call->what == PLAN_DO_EDGE_BACK;

	(void)l;
	for (int where = 0; where < 8; where++) {
		struct part x = {back ? call->dx : call->x, small->size, {0}}, y = {back ? call->dy : call->y, large->size, {0}};
		int64_t box[3];
		int there = 1;

		assert(x.at.pitch == small->c && y.at.pitch == small->c);
		for (int k = 0; k < 3; k++) {
			const int more = where >> k & 1;

			assert(large->size[k] - small->size[k] <= 1);
			there &= !more || large->size[k] > small->size[k];
			box[k] = more ? 1 : small->size[k];
			x.from[k] = more ? small->size[k] - 1 : 0;
			y.from[k] = more ? small->size[k] : 0;
		}
		if (there && copy_box(n, back ? &x : &y, back ? &y : &x, box, small->c, back && (call->add || where), e))
			return -1;
	}
	return 0;
}
