/* Does a plan fit into the memory there is? */
#include "lib/net/run/net_run.h"

#include <stdio.h>

#include "lib/base/mem.h"

/* What is not taken yet */
static size_t wants(const struct net *n, const struct plan *p)
{
	size_t arena = p->arena > n->arena_bytes ? p->arena - n->arena_bytes : 0;

	return arena + (p->train ? n->reserve + (n->g ? 0 : (size_t)n->graph->floats * sizeof(float)) : 0);
}

/* 0: not known */
static size_t there_is(const struct net *n)
{
	return n->k->available ? n->k->available() : mem_available();
}

int net_memory_fits(const struct net *n, const struct plan *p)
{
	size_t there = there_is(n);

	return !there || wants(n, p) <= there;
}

struct plan *net_memory_plan(const struct net *n, int64_t batch, const int64_t size[3], int train, struct err *e)
{
	enum net_recompute how = n->recompute == NET_AUTO ? NET_KEEP : n->recompute;
	struct plan *p = plan_new(n->graph, n->k, batch, size, train, how, 0, e);

	while (p && train && n->recompute == NET_AUTO && how < NET_SEGMENTS && !net_memory_fits(n, p)) {
		plan_free(p);
		p = plan_new(n->graph, n->k, batch, size, train, ++how, 0, e);
	}
	return p;
}

/* What would be needed with more recomputation than p's, if that fits */
static void offer(const struct net *n, const struct plan *p, char *text, size_t size)
{
	static const char *const names[] = {[NET_NORMS] = "norms", [NET_SEGMENTS] = "segments"};
	struct err ignored;

	*text = 0;
	for (int how = (int)p->recompute + 1; how < NET_AUTO && p->train && !*text; how++) {
		struct plan *q = plan_new(n->graph, n->k, p->batch, p->size, 1, (enum net_recompute)how, 0, &ignored);

		if (q && net_memory_fits(n, q))
			snprintf(text, size, "; --recompute %s needs %zu MB", names[how], wants(n, q) >> 20);
		plan_free(q);
	}
}

int net_memory_refuse(const struct net *n, const struct plan *p, struct err *e)
{
	size_t there = there_is(n), all = wants(n, p), arena = p->arena >> 20;
	char more[80];

	offer(n, p, more, sizeof more);
	if (!there)
		return err_set(e, NULL, "not enough memory: the network needs %zu MB for this input (%zu MB of them activations)%s", all >> 20, arena, more);
	return err_set(e, NULL, "not enough memory: the network needs %zu MB for this input (%zu MB of them activations), %zu MB are there%s", all >> 20,
		arena, there >> 20, more);
}
