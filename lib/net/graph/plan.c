#include "lib/net/graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { ALIGN = 64, TRIES = 14 }; /* TRIES: sizes of segments */

const struct plan_ref plan_nowhere = {-1, 0, 0};

static int new_buf(struct plan *p, size_t bytes, struct err *e)
{
	if (bytes > SIZE_MAX / 4)
		return err_set(e, NULL, "the network's values are too large for this machine");
	if (mem_more(&p->buf, (size_t)p->bufs, sizeof *p->buf, "buffers of a plan", e))
		return -1;
	p->buf[p->bufs] = (struct plan_buf){(bytes + ALIGN - 1) / ALIGN * ALIGN, 0, INT32_MAX, -1};
	return p->bufs++;
}

static int dense_buf(struct plan *p, int64_t vox, int64_t c, size_t size, struct plan_ref *r, struct err *e)
{
	size_t bytes;

	if (mem_mul(&bytes, (size_t)vox, (size_t)c) || mem_mul(&bytes, bytes, size))
		bytes = SIZE_MAX;
	r->buf = new_buf(p, bytes, e);
	r->at = 0;
	r->pitch = c;
	return r->buf < 0 ? -1 : 0;
}

int plan_buf(struct plan *p, int64_t vox, int64_t c, struct plan_ref *r, struct err *e)
{
	return dense_buf(p, vox, c, p->elem, r, e);
}

int plan_floats(struct plan *p, int64_t vox, int64_t c, struct plan_ref *r, struct err *e)
{
	return dense_buf(p, vox, c, sizeof(float), r, e);
}

size_t plan_bytes(const struct plan *p, int i)
{
	return (size_t)(p->value[i].vox * p->value[i].c) * p->elem;
}

static void live(struct plan *p, struct plan_ref r, int t)
{
	struct plan_buf *b = &p->buf[r.buf];

	if (r.buf < 0)
		return;
	if (t < b->first)
		b->first = t;
	if (t > b->last)
		b->last = t;
}

int plan_emit(struct plan *p, const struct plan_call *c, size_t scratch, struct err *e)
{
	struct plan_call *n;
	int t = p->calls;

	if (mem_more(&p->call, (size_t)p->calls, sizeof *p->call, "calls of a plan", e))
		return -1;
	n = &p->call[p->calls++];
	*n = *c;
	n->scratch = plan_nowhere;
	if (scratch) {
		n->scratch.buf = new_buf(p, scratch, e);
		if (n->scratch.buf < 0)
			return -1;
	}
	const struct plan_ref used[] = {n->x, n->y, n->y2, n->res, n->dy, n->dy2, n->dx, n->dres, n->scratch};

	for (size_t i = 0; i < sizeof used / sizeof *used; i++)
		live(p, used[i], t);
	if (n->step >= 0 && n->what != PLAN_DO_SLICE) {
		live(p, p->step[n->step].mean, t);
		live(p, p->step[n->step].rstd, t);
	}
	return 0;
}

struct plan_call plan_call_new(enum plan_do what, int step)
{
	const struct plan_ref no = plan_nowhere;

	return (struct plan_call){.what = what, .step = step, .x = no, .y = no, .y2 = no, .res = no, .dy = no, .dy2 = no, .dx = no, .dres = no};
}

int plan_slice(struct plan *p, int step, int value, struct plan_ref x, struct plan_ref y, int add, struct err *e)
{
	struct plan_call c = plan_call_new(PLAN_DO_SLICE, step);

	c.x = x;
	c.y = y;
	c.add = add;
	c.vox = p->value[value].vox;
	c.c = p->value[value].c;
	return plan_emit(p, &c, 0, e);
}

int plan_convert(struct plan *p, enum plan_do what, int value, struct plan_ref x, struct plan_ref y, struct err *e)
{
	struct plan_call c = plan_call_new(what, -1);

	c.x = x;
	c.y = y;
	c.vox = p->value[value].vox;
	c.c = p->value[value].c;
	return plan_emit(p, &c, 0, e);
}

struct order { size_t bytes; int buf; };

static int larger_first(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->buf - y->buf;
}

/* The lowest place at which b meets none of the n buffers placed before (in order of place) that live when it does. */
static size_t lowest_place(const struct plan *p, const struct plan_buf *b, const int *placed, int n)
{
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		const struct plan_buf *o = &p->buf[placed[i]];

		if (o->last < b->first || b->last < o->first || o->at + o->bytes <= at)
			continue;
		if (o->at >= at + b->bytes)
			break;
		at = o->at + o->bytes;
	}
	return at;
}

/* Interval packing, greedy by size: largest first, each to the lowest free place. */
void plan_pack(struct plan *p)
{
	struct order *order = malloc((size_t)p->bufs * sizeof *order);
	int *placed = malloc((size_t)p->bufs * sizeof *placed), n = 0;
	size_t end = 0; /* without memory for the lists: end to end */

	for (int i = 0; i < p->bufs; i++) {
		p->buf[i].at = end;
		end += p->buf[i].bytes;
	}
	p->arena = end;
	if (!order || !placed)
		goto out;
	for (int i = 0; i < p->bufs; i++)
		order[i] = (struct order){p->buf[i].bytes, i};
	qsort(order, (size_t)p->bufs, sizeof *order, larger_first);
	p->arena = 0;
	for (int i = 0; i < p->bufs; i++) {
		struct plan_buf *b = &p->buf[order[i].buf];
		int j = n++;

		b->at = lowest_place(p, b, placed, j);
		for (; j > 0 && p->buf[placed[j - 1]].at > b->at; j--)
			placed[j] = placed[j - 1];
		placed[j] = order[i].buf;
		if (b->at + b->bytes > p->arena)
			p->arena = b->at + b->bytes;
	}
out:
	free(order);
	free(placed);
}

static struct plan *build(const struct graph *g, const struct k_backend *k, int64_t batch, const int64_t size[3], int train, enum net_recompute how,
	size_t segment, struct err *e)
{
	struct plan *p = mem_zero(1, sizeof *p, "a plan", e);

	if (!p)
		return NULL;
	p->graph = g;
	p->k = k;
	p->batch = batch;
	memcpy(p->size, size, sizeof p->size);
	p->train = train;
	p->recompute = train ? how : NET_KEEP;
	p->segment = segment;
	p->elem = k->precision == K_BF16 ? 2 : sizeof(float);
	p->value = mem_zero((size_t)g->n, sizeof *p->value, "a plan", e);
	p->step = mem_zero((size_t)g->n, sizeof *p->step, "a plan", e);
	if (!p->value || !p->step || plan_steps(p, e) || plan_forward(p, e) || (train && plan_backward(p, e))) {
		plan_free(p);
		return NULL;
	}
	plan_pack(p);
	return p;
}

/* The larger the segments, the less lies between them and the more is made again at once: the plan itself says which size is best. */
struct plan *plan_new(const struct graph *g, const struct k_backend *k, int64_t batch, const int64_t size[3], int train, enum net_recompute how,
	size_t segment, struct err *e)
{
	struct plan *best = build(g, k, batch, size, train, how == NET_SEGMENTS && !segment ? NET_NORMS : how, segment, e);
	size_t all = 0;

	if (!best || !train || how != NET_SEGMENTS || segment)
		return best;
	for (int i = 0; i < best->steps; i++)
		all += plan_bytes(best, best->step[i].out);
	for (int i = 0; i < TRIES; i++) {
		struct plan *p = build(g, k, batch, size, train, how, all /= 3, e), *worse = p;

		if (!p) {
			plan_free(best);
			return NULL;
		}
		if (p->arena < best->arena)
			worse = best, best = p;
		plan_free(worse);
		all *= 2;
	}
	return best;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	plan_tail_free(p);
	for (int i = 0; p->step && i < p->steps; i++) {
		if (p->step[i].conv)
			p->k->conv_free(p->step[i].conv);
		p->k->release(p->step[i].folded);
	}
	free(p->value);
	free(p->step);
	free(p->call);
	free(p->buf);
	free(p);
}
