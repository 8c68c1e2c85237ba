#include "lib/comm/gather.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct record { uint64_t n; char bytes[GATHER_MOST]; };

static struct record *record(const struct gather *g, int rank)
{
	return (struct record *)(void *)g->room + rank;
}

static int make_room(struct gather *g, const struct transport *t, struct err *e)
{
	if (!g->room)
		g->room = mem_new((size_t)t->size, sizeof(struct record), "the ranks' records", e);
	if (!g->request)
		g->request = mem_zero(2 * (size_t)t->size, sizeof *g->request, "the ranks' records", e);
	return g->room && g->request ? 0 : -1;
}

int gather_begin(struct gather *g, const struct transport *t, const void *mine, size_t n, int tag, struct err *e)
{
	struct record *own;

	if (make_room(g, t, e))
		return -1;
	g->n = n;
	g->requests = 0;
	own = record(g, t->rank);
	own->n = n;
	if (n)
		memcpy(own->bytes, mine, n);
	for (int r = 0; r < t->size; r++)
		if (r != t->rank && (t->receive(t->self, r, tag, record(g, r), sizeof *own, &g->request[g->requests++], e) ||
		                     t->send(t->self, r, tag, own, sizeof own->n + n, &g->request[g->requests++], e)))
			return -1;
	return 0;
}

int gather_turn(struct gather *g, const struct transport *t, void *all, struct err *e)
{
	const int left = transport_left(t, g->request, g->requests, e);

	if (left)
		return left < 0 ? -1 : 0;
	for (int r = 0; r < t->size; r++) {
		if (record(g, r)->n != g->n)
			return err_set(e, NULL, "rank %d is of another version", r);
		if (g->n)
			memcpy((char *)all + (size_t)r * g->n, record(g, r)->bytes, g->n);
	}
	return 1;
}

void gather_free(struct gather *g)
{
	free(g->room);
	free(g->request);
	memset(g, 0, sizeof *g);
}
