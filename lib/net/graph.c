#include "lib/net/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct graph *graph_new(struct err *e)
{
	struct graph *g = mem_zero(1, sizeof *g, "a network", e);

	if (g)
		g->out = -1;
	return g;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	for (int i = 0; i < g->n; i++)
		free(g->op[i].name);
	for (int i = 0; i < g->params; i++)
		free(g->param[i].name);
	free(g->op);
	free(g->param);
	free(g);
}

int graph_enter(struct graph *g, const char *fmt, ...)
{
	size_t mark = strlen(g->scope), n = mark;
	va_list ap;
	int k;

	if (n && n + 1 < sizeof g->scope)
		g->scope[n++] = '.', g->scope[n] = 0;
	va_start(ap, fmt);
	k = vsnprintf(g->scope + n, sizeof g->scope - n, fmt, ap);
	va_end(ap);
	if ((k < 0 || (size_t)k >= sizeof g->scope - n) && !g->bad)
		g->bad = err_set(&g->err, NULL, "the network is nested too deeply");
	return (int)mark;
}

void graph_leave(struct graph *g, int mark)
{
	g->scope[mark] = 0;
}

/* Scope, name and last, joined by dots; caller frees. NULL when memory is out. */
static char *full_name(const struct graph *g, const char *name, const char *last)
{
	size_t size = strlen(g->scope) + strlen(name) + strlen(last) + 3;
	char *s = malloc(size);

	if (s)
		snprintf(s, size, "%s%s%s%s%s", g->scope, *g->scope && *name ? "." : "", name, *last ? "." : "", last);
	return s;
}

static int no_memory(struct graph *g)
{
	if (!g->bad)
		g->bad = err_set(&g->err, NULL, "not enough memory for a network");
	return -1;
}

/* Make room for one more in an array that doubles. */
static int grow(void *array, int n, int *room, size_t size)
{
	void **a = array, *p;

	if (n < *room)
		return 0;
	p = realloc(*a, (size_t)(*room ? 2 * *room : 32) * size);
	if (!p)
		return -1;
	*a = p;
	*room = *room ? 2 * *room : 32;
	return 0;
}

/* A new operation that reads a and b (-1: none) and, but for what the caller changes, makes a value like a. NULL after an error. */
static struct graph_op *add_op(struct graph *g, enum graph_kind kind, const char *name, int a, int b)
{
	struct graph_op *op;

	if (g->bad)
		return NULL;
	if (grow(&g->op, g->n, &g->room, sizeof *g->op)) {
		no_memory(g);
		return NULL;
	}
	op = &g->op[g->n];
	memset(op, 0, sizeof *op);
	op->name = full_name(g, name, "");
	if (!op->name) {
		no_memory(g);
		return NULL;
	}
	g->n++;
	op->kind = kind;
	op->in[0] = a, op->in[1] = b;
	op->w = op->b = op->alpha = -1;
	for (int i = 0; i < 2; i++)
		if (op->in[i] >= 0)
			g->op[op->in[i]].uses++;
	for (int k = 0; k < 3; k++)
		op->down[k] = a >= 0 ? g->op[a].down[k] : 1;
	op->c = a >= 0 ? g->op[a].c : 0;
	return op;
}

/* A new parameter NAME.LAST; -1 after an error. */
static int add_param(struct graph *g, const char *name, const char *last, int rank, const int64_t *shape, double bound, float fill)
{
	struct graph_param *p;

	if (g->bad || grow(&g->param, g->params, &g->params_room, sizeof *g->param))
		return no_memory(g);
	p = &g->param[g->params];
	memset(p, 0, sizeof *p);
	p->name = full_name(g, name, last);
	if (!p->name)
		return no_memory(g);
	p->rank = rank;
	p->count = 1;
	for (int i = 0; i < rank; i++) {
		p->shape[i] = shape[i];
		p->count *= shape[i];
	}
	p->at = g->floats;
	p->bound = bound;
	p->fill = fill;
	g->floats += p->count;
	return g->params++;
}

int graph_input(struct graph *g, int64_t c)
{
	struct graph_op *op = add_op(g, GRAPH_INPUT, "input", -1, -1);

	if (!op)
		return -1;
	op->c = c;
	return g->n - 1;
}

/* PyTorch's kaiming_uniform(a = sqrt 5): bound 1 / sqrt(fan_in), fan_in being the weight's second axis times the kernel, transposed or not. */
int graph_conv(struct graph *g, int x, const char *name, const struct graph_conv *conv)
{
	struct graph_op *op = add_op(g, GRAPH_CONV, name, x, -1);
	int64_t ic, shape[5];
	double bound;

	if (!op)
		return -1;
	ic = op->c;
	op->conv = *conv;
	op->c = conv->oc;
	shape[0] = conv->transposed ? ic : conv->oc;
	shape[1] = conv->transposed ? conv->oc : ic;
	for (int k = 0; k < 3; k++) {
		shape[2 + k] = conv->kernel[k];
		if (!conv->transposed)
			op->down[k] *= conv->stride[k];
		else if (op->down[k] % conv->stride[k] == 0)
			op->down[k] /= conv->stride[k];
		else
			g->bad = err_set(&g->err, NULL, "%.200s: goes above the input's resolution", op->name);
	}
	bound = 1 / sqrt((double)(shape[1] * shape[2] * shape[3] * shape[4]));
	op->w = add_param(g, name, "weight", 5, shape, bound, 0);
	if (conv->bias)
		op->b = add_param(g, name, "bias", 1, &conv->oc, bound, 0);
	return g->bad ? -1 : g->n - 1;
}

int graph_norm(struct graph *g, int x, const char *name, const struct graph_norm *norm)
{
	struct graph_op *op = add_op(g, GRAPH_NORM, name, x, -1);

	if (!op)
		return -1;
	op->norm = *norm;
	if (norm->affine) {
		op->w = add_param(g, name, "weight", 1, &op->c, 0, 1);
		op->b = add_param(g, name, "bias", 1, &op->c, 0, 0);
	}
	return g->bad ? -1 : g->n - 1;
}

int graph_act(struct graph *g, int x, const char *name, const struct graph_act *act)
{
	struct graph_op *op = add_op(g, GRAPH_ACT, name, x, -1);

	if (!op)
		return -1;
	op->act = *act;
	if (act->kind == K_ACT_PRELU)
		op->alpha = add_param(g, name, "weight", 1, &act->alphas, 0, act->slope);
	return g->bad ? -1 : g->n - 1;
}

static struct graph_op *join(struct graph *g, enum graph_kind kind, const char *name, int a, int b)
{
	if (g->bad)
		return NULL;
	if (memcmp(g->op[a].down, g->op[b].down, sizeof g->op[a].down) || (kind == GRAPH_ADD && g->op[a].c != g->op[b].c)) {
		g->bad = err_set(&g->err, NULL, "%.200s and %.200s do not fit each other", g->op[a].name, g->op[b].name);
		return NULL;
	}
	return add_op(g, kind, name, a, b);
}

int graph_add(struct graph *g, int a, int b)
{
	return join(g, GRAPH_ADD, "add", a, b) ? g->n - 1 : -1;
}

int graph_concat(struct graph *g, int a, int b)
{
	struct graph_op *op = join(g, GRAPH_CONCAT, "concat", a, b);

	if (!op)
		return -1;
	op->c = g->op[a].c + g->op[b].c;
	return g->n - 1;
}

int graph_output(struct graph *g, int x, struct err *e)
{
	if (!g->bad)
		for (int k = 0; k < 3; k++)
			if (g->op[x].down[k] != 1)
				g->bad = err_set(&g->err, NULL, "the logits are %d times smaller than the input along %c", g->op[x].down[k], "dhw"[k]);
	if (g->bad) {
		*e = g->err;
		return -1;
	}
	g->out = x;
	g->op[x].uses++;
	return 0;
}

void graph_divisor(const struct graph *g, int64_t div[3])
{
	for (int k = 0; k < 3; k++) {
		div[k] = 1;
		for (int i = 0; i < g->n; i++) {
			int64_t a = div[k], b = g->op[i].down[k], r = a, s = b;

			while (s) {
				int64_t t = r % s;

				r = s, s = t;
			}
			div[k] = a / r * b;
		}
	}
}
