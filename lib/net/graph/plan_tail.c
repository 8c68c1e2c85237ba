/* The last convolution of a plan for inference, part by part. */
#include "lib/net/graph/plan.h"

#include "lib/net/run/device.h"

enum { PART = 4 << 20, FEWEST = 4, MOST = 12 }; /* bytes of a part's logits; slices: the fewer, the more often a kernel's slices are read */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Slices of a part; 0: all at once. The last part, too, has as many as a kernel reaches beyond it: only the first's and the last's see an edge. */
static int64_t slices(const struct plan *p, const struct plan_step *s)
{
	const struct plan_value *v = &p->value[s->out];
	const struct k_conv_geom *g = &s->geom;
	const int64_t bytes = v->size[1] * v->size[2] * v->c * (int64_t)sizeof(float), n = smaller(larger(PART / bytes, FEWEST), MOST);

	if (p->train || s->out != p->graph->out || v->uses || g->transposed || g->stride[0] != 1 || 2 * g->pad[0] != g->kernel[0] - 1 ||
	    g->pad[0] > FEWEST || (v->size[0] - 1) % n + 1 < g->pad[0] || !device_is_host(p->k))
		return 0;
	return n < v->size[0] ? n : 0;
}

struct plan_span plan_tail_span(const struct plan *p, int64_t part)
{
	const struct k_conv_geom *g = &p->step[p->tail.step].geom;
	struct plan_span s = {part * p->tail.slices, smaller((part + 1) * p->tail.slices, g->out[0])};

	s.first = larger(s.lo - g->pad[0], 0);
	s.end = smaller(s.hi + g->pad[0], g->in[0]);
	return s;
}

struct k_conv *plan_tail_conv(const struct plan *p, int64_t part)
{
	return p->tail.conv[part == p->tail.parts - 1 ? 2 : part > 0];
}

/* The convolution of one part */
static struct k_conv *part_conv(const struct plan *p, int64_t part, struct err *e)
{
	const struct plan_span s = plan_tail_span(p, part);
	struct k_conv_geom g = p->step[p->tail.step].geom;

	g.n = 1;
	g.part = 1;
	g.in[0] = s.end - s.first;
	g.out[0] = s.hi - s.lo;
	g.pad[0] -= (int)(s.lo - s.first);
	return p->k->conv_new(&g, e);
}

int plan_conv(struct plan *p, struct plan_step *s, struct err *e)
{
	struct plan_tail *t = &p->tail;
	const int64_t n = slices(p, s);

	if (!n) {
		s->conv = p->k->conv_new(&s->geom, e);
		return s->conv ? 0 : -1;
	}
	*t = (struct plan_tail){.step = (int)(s - p->step), .slices = n, .parts = (s->geom.out[0] + n - 1) / n};
	return !(t->conv[0] = part_conv(p, 0, e)) || !(t->conv[2] = part_conv(p, t->parts - 1, e)) ||
	       (t->parts > 2 && !(t->conv[1] = part_conv(p, 1, e))) ? -1 : 0;
}

int plan_tail_pack(const struct plan *p, const float *w, struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (p->tail.conv[i] && p->k->conv_pack(p->tail.conv[i], w, e))
			return -1;
	return 0;
}

size_t plan_tail_scratch(const struct plan *p)
{
	size_t most = 0;

	for (int i = 0; i < 3; i++) {
		const size_t n = p->tail.conv[i] ? p->k->conv_scratch(p->tail.conv[i]) : 0;

		most = n > most ? n : most;
	}
	return most;
}

void plan_tail_free(const struct plan *p)
{
	for (int i = 0; i < 3; i++)
		if (p->tail.conv[i])
			p->k->conv_free(p->tail.conv[i]);
}
