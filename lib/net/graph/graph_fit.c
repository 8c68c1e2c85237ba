/* Which inputs fit a network? */
#include "lib/net/graph/graph.h"

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b) {
		int64_t rest = a % b;

		a = b, b = rest;
	}
	return a;
}

/* The operations' axis of axis k of the input */
static int inside(const struct graph *g, int k)
{
	static const int of[3][3] = {{0, 1, 2}, {1, 0, 2}, {1, 2, 0}};

	return g->slices < 0 ? k : of[g->slices][k];
}

void graph_turn(const struct graph *g, const int64_t size[3], int64_t turned[3])
{
	for (int k = 0; k < 3; k++)
		turned[inside(g, k)] = size[k];
}

/* What sizes are multiples of, or at least */
static void divisor(const struct graph *g, int64_t div[3])
{
	for (int k = 0; k < 3; k++) {
		div[k] = 1;
		for (int i = 0; i < g->n; i++)
			div[k] = div[k] / common_divisor(div[k], g->op[i].down[inside(g, k)]) * g->op[i].down[inside(g, k)];
	}
}

void graph_next_size(const struct graph *g, const int64_t size[3], int64_t next[3])
{
	int64_t div[3];

	divisor(g, div);
	for (int k = 0; k < 3; k++)
		next[k] = k == g->slices ? 1 : g->fixed[inside(g, k)] ? g->fixed[inside(g, k)] : size[k] < div[k] ? div[k] :
		          g->loose ? size[k] : (size[k] + div[k] - 1) / div[k] * div[k];
}

/* The operation that fixes the size, where it is another */
static const struct graph_op *other_size(const struct graph *g, const int64_t size[3])
{
	int64_t own[3];

	graph_turn(g, size, own);
	for (int i = 0; i < g->n; i++)
		if (g->op[i].kind == GRAPH_POSITION && (own[0] != g->fixed[0] || own[1] != g->fixed[1] || own[2] != g->fixed[2]))
			return &g->op[i];
	return NULL;
}

/* The first operation whose resolution is no whole part of an input's, or less than a voxel; -1: none. */
static int first_misfit(const struct graph *g, const int64_t size[3])
{
	for (int i = 0; i < g->n; i++)
		for (int k = 0; k < 3; k++)
			if (size[k] < g->op[i].down[inside(g, k)] || (!g->loose && size[k] % g->op[i].down[inside(g, k)]))
				return i;
	return -1;
}

int graph_fits(const struct graph *g, const int64_t size[3], struct err *e)
{
	const struct graph_op *other = other_size(g, size);
	int at = first_misfit(g, size);
	int64_t div[3], next[3];

	graph_next_size(g, size, next);
	if (other)
		return err_set(e, NULL, "input of %lld,%lld,%lld voxels (x,y,z) does not fit the network (layer %s): it takes %lld,%lld,%lld alone",
		               (long long)size[2], (long long)size[1], (long long)size[0], other->name, (long long)next[2], (long long)next[1],
		               (long long)next[0]);
	if (g->slices >= 0 && size[g->slices] != 1)
		return err_set(e, NULL, "input of %lld,%lld,%lld voxels (x,y,z) does not fit the network, which is of two dimensions: it takes a "
		               "slice, as %lld,%lld,%lld", (long long)size[2], (long long)size[1], (long long)size[0], (long long)next[2],
		               (long long)next[1], (long long)next[0]);
	if (at < 0)
		return 0;
	divisor(g, div);
	return err_set(e, NULL, "input of %lld,%lld,%lld voxels (x,y,z) does not fit the network (layer %s): it takes %s%lld,%lld,%lld%s, as "
	               "%lld,%lld,%lld", (long long)size[2], (long long)size[1], (long long)size[0], g->op[at].name, g->loose ? "" : "multiples of ",
	               (long long)div[2], (long long)div[1], (long long)div[0], g->loose ? " and larger" : "", (long long)next[2], (long long)next[1],
	               (long long)next[0]);
}

/* The layer that reads the input. */
static const struct graph_op *first_layer(const struct graph *g)
{
	for (int i = 0; i < g->n; i++)
		if (g->op[i].w >= 0 && g->op[i].in[0] >= 0 && g->op[g->op[i].in[0]].kind == GRAPH_INPUT)
			return &g->op[i];
	return NULL;
}

int graph_takes(const struct graph *g, int64_t channels, struct err *e)
{
	const struct graph_op *first = first_layer(g);
	int64_t c = first ? g->op[first->in[0]].c : channels;

	return channels == c ? 0 : err_set(e, NULL, "the image has %lld channel%s, the network (layer %s) takes %lld", (long long)channels,
	                                   channels == 1 ? "" : "s", first->name, (long long)c);
}
