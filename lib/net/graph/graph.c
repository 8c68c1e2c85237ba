#include "lib/net/graph/graph_parts.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct graph *graph_new(struct err *e)
{
	struct graph *g = mem_zero(1, sizeof *g, "a network", e);

	if (g) {
		g->out = g->slices = -1;
		g->out_weight = 1;
	}
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
	for (int i = 0; i < g->buffers; i++)
		free(g->buffer[i].name);
	free(g->buffer);
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
		snprintf(s, size, "%s%s%s%s%s", g->scope, *g->scope && *name ? "." : "", name, *last && (*g->scope || *name) ? "." : "", last);
	return s;
}

static int no_memory(struct graph *g)
{
	if (!g->bad)
		g->bad = err_set(&g->err, NULL, "not enough memory for a network");
	return -1;
}

struct graph_op *graph_add_op(struct graph *g, enum graph_kind kind, const char *name, int a, int b)
{
	struct graph_op *op;

	if (g->bad)
		return NULL;
	if (mem_more(&g->op, (size_t)g->n, sizeof *g->op, "operations", NULL)) {
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
	op->w = op->b = op->alpha = op->running = -1;
	for (int k = 0; k < 3; k++)
		op->down[k] = a >= 0 ? g->op[a].down[k] : 1;
	op->c = a >= 0 ? g->op[a].c : 0;
	return op;
}

/* A new parameter, or buffer, NAME.LAST at the end of a list; -1 after an error. */
static int add_to(struct graph *g, struct graph_param **list, int *n, int64_t *floats, const char *name, const char *last,
		  const struct graph_param *like)
{
	struct graph_param *p;

	if (g->bad || mem_more(list, (size_t)*n, sizeof **list, "parameters", NULL))
		return no_memory(g);
	p = &(*list)[*n];
	*p = *like;
	p->name = full_name(g, name, last);
	if (!p->name)
		return no_memory(g);
	p->count = 1;
	for (int i = 0; i < p->rank; i++)
		p->count *= p->shape[i];
	p->at = *floats;
	*floats += p->count;
	return (*n)++;
}

int graph_add_param(struct graph *g, const char *name, const char *last, const struct graph_param *like)
{
	return add_to(g, &g->param, &g->params, &g->floats, name, last, like);
}

int graph_add_vector(struct graph *g, const char *name, const char *last, int64_t c, float fill)
{
	return graph_add_param(g, name, last, &(struct graph_param){.rank = 1, .shape = {c}, .fill = fill});
}

static int add_buffer(struct graph *g, const char *name, const char *last, enum graph_param_kind kind, int64_t c, float fill)
{
	const struct graph_param like = {.kind = kind, .rank = kind == GRAPH_BUFFER, .shape = {c}, .fill = fill};

	return add_to(g, &g->buffer, &g->buffers, &g->buffer_floats, name, last, &like);
}

int graph_input(struct graph *g, int64_t c)
{
	struct graph_op *op = graph_add_op(g, GRAPH_INPUT, "input", -1, -1);

	if (!op)
		return -1;
	op->c = c;
	return g->n - 1;
}

void graph_step_size(struct graph *g, struct graph_op *op, const int stride[3], int up)
{
	for (int k = 0; k < 3; k++) {
		if (!up)
			op->down[k] *= stride[k];
		else if (op->down[k] % stride[k] == 0)
			op->down[k] /= stride[k];
		else
			g->bad = err_set(&g->err, NULL, "%.200s: goes above the input's resolution", op->name);
	}
}

void graph_flatten(const struct graph *g, int size[3], int to)
{
	if (g->slices >= 0)
		size[0] = to;
}

/* PyTorch's kaiming_uniform(a = sqrt 5): bound 1 / sqrt(fan_in), fan_in being the weight's second axis times the kernel, transposed or not;
   kaiming_normal(a = 0.01): deviation sqrt(2 / (1 + a^2) / fan_in). */
static void init_conv(const struct graph_conv *conv, struct graph_param *weight, struct graph_param *bias)
{
	double fan_in = (double)weight->shape[1] * conv->kernel[0] * conv->kernel[1] * conv->kernel[2];

	if (conv->he)
		weight->deviation = sqrt(2 / (1 + 0.01 * 0.01) / fan_in);
	else
		weight->bound = bias->bound = 1 / sqrt(fan_in);
}

int graph_conv(struct graph *g, int x, const char *name, const struct graph_conv *conv)
{
	struct graph_op *op = graph_add_op(g, GRAPH_CONV, name, x, -1);
	struct graph_param weight = {.rank = 2}, bias = {.rank = 1, .shape = {conv->oc}};
	int64_t ic;

	if (!op)
		return -1;
	ic = op->c;
	op->conv = *conv;
	op->c = conv->oc;
	graph_flatten(g, op->conv.kernel, 1);
	graph_flatten(g, op->conv.stride, 1);
	graph_flatten(g, op->conv.pad, 0);
	graph_step_size(g, op, op->conv.stride, conv->transposed);
	weight.shape[0] = conv->transposed ? ic : conv->oc;
	weight.shape[1] = conv->transposed ? conv->oc : ic;
	init_conv(&op->conv, &weight, &bias);
	for (int k = 0; k < 3; k++)
		if (conv->linear)
			weight.shape[1] *= op->conv.kernel[k];
		else if (k || g->slices < 0)
			weight.shape[weight.rank++] = conv->kernel[k];
	op->w = graph_add_param(g, name, "weight", &weight);
	if (conv->bias)
		op->b = graph_add_param(g, name, "bias", &bias);
	return g->bad ? -1 : g->n - 1;
}

int graph_across(struct graph *g, int x, const char *name, const struct k_across *a)
{
	struct graph_op *op = graph_add_op(g, GRAPH_ACROSS, name, x, -1);

	if (!op)
		return -1;
	op->across = *a;
	return g->n - 1;
}

int graph_norm(struct graph *g, int x, const char *name, const struct graph_norm *norm)
{
	struct graph_op *op = norm->across.kind ? NULL : graph_add_op(g, GRAPH_NORM, name, x, -1);

	if (norm->across.kind)
		return graph_across(g, x, name, &norm->across);
	if (!op)
		return -1;
	op->norm = *norm;
	if (norm->kind == K_NORM_GROUP && (norm->groups < 1 || op->c % norm->groups))
		g->bad = err_set(&g->err, NULL, "%.200s: %lld channels do not make %lld groups", op->name, (long long)op->c, (long long)norm->groups);
	if (norm->affine) {
		op->w = graph_add_vector(g, name, "weight", op->c, norm->zero ? 0 : 1);
		op->b = graph_add_vector(g, name, "bias", op->c, 0);
	}
	if (norm->running) {
		op->running = add_buffer(g, name, "running_mean", GRAPH_BUFFER, op->c, 0);
		add_buffer(g, name, "running_var", GRAPH_BUFFER, op->c, 1);
		add_buffer(g, name, "num_batches_tracked", GRAPH_COUNTER, 1, 0);
	}
	return g->bad ? -1 : g->n - 1;
}

/* The parameter NAME.LAST of a length where there is one already: -1 where not. */
static int find_vector(const struct graph *g, const char *name, const char *last, int64_t c)
{
	char *full = full_name(g, name, last);
	int i = full ? g->params - 1 : -1;

	while (i >= 0 && (strcmp(g->param[i].name, full) || g->param[i].count != c))
		i--;
	free(full);
	return i;
}

int graph_act(struct graph *g, int x, const char *name, const struct graph_act *act)
{
	struct graph_op *op = act->across ? NULL : graph_add_op(g, GRAPH_ACT, name, x, -1);

	if (act->across)
		return graph_across(g, x, name, &(struct k_across){.kind = act->across});
	if (!op)
		return -1;
	op->act = *act;
	if (act->kind != K_ACT_PRELU)
		return g->n - 1;
	if (act->alphas != 1 && act->alphas != op->c)
		g->bad = err_set(&g->err, NULL, "%.200s: a PReLU of %lld parameters has %lld channels", op->name, (long long)act->alphas, (long long)op->c);
	op->alpha = find_vector(g, name, "weight", act->alphas);
	if (op->alpha < 0)
		op->alpha = graph_add_vector(g, name, "weight", act->alphas, act->slope);
	return g->bad ? -1 : g->n - 1;
}

static struct graph_op *join(struct graph *g, enum graph_kind kind, const char *name, int a, int b)
{
	if (g->bad)
		return NULL;
	if (memcmp(g->op[a].down, g->op[b].down, sizeof g->op[a].down) || (kind == GRAPH_ADD && g->op[a].c != g->op[b].c) ||
	    (kind == GRAPH_GATE && g->op[b].c != 1)) {
		g->bad = err_set(&g->err, NULL, "%.200s and %.200s do not fit each other", g->op[a].name, g->op[b].name);
		return NULL;
	}
	return graph_add_op(g, kind, name, a, b);
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

int graph_drop(struct graph *g, int x, const char *name, float rate, enum graph_dropped what)
{
	struct graph_op *op = graph_add_op(g, GRAPH_DROP, name, x, -1);

	if (!op)
		return -1;
	op->rate = rate;
	op->dropped = what;
	return g->n - 1;
}

static int resize(struct graph *g, struct graph_op *op, const int factor[3], int up)
{
	memcpy(op->factor, factor, sizeof op->factor);
	graph_flatten(g, op->factor, 1);
	graph_step_size(g, op, op->factor, up);
	return g->bad ? -1 : g->n - 1;
}

int graph_scale(struct graph *g, int x, const char *name, enum k_scale_kind kind, const int factor[3])
{
	struct graph_op *op = graph_add_op(g, GRAPH_SCALE, name, x, -1);

	if (!op)
		return -1;
	op->scale = kind;
	return resize(g, op, factor, kind == K_SCALE_LINEAR);
}

int graph_pool(struct graph *g, int x, const char *name, const int factor[3])
{
	struct graph_op *op = graph_add_op(g, GRAPH_POOL, name, x, -1);

	assert(factor[0] * factor[1] * factor[2] <= K_POOL_MOST);
	return op ? resize(g, op, factor, 0) : -1;
}

int graph_edge(struct graph *g, int x, int like)
{
	struct graph_op *op = join(g, GRAPH_EDGE, "edge", x, like);

	if (!op)
		return -1;
	op->in[1] = -1;
	op->like = like;
	g->loose = 1;
	return g->n - 1;
}

int graph_gate(struct graph *g, int x, int gate)
{
	return join(g, GRAPH_GATE, "gate", x, gate) ? g->n - 1 : -1;
}

void graph_head(struct graph *g, int x, float weight)
{
	if (!g->bad && g->heads == GRAPH_HEADS)
		g->bad = err_set(&g->err, NULL, "the network has more than %d heads", GRAPH_HEADS);
	if (!g->bad)
		g->head[g->heads++] = (struct graph_head){x, weight};
}

/* Buffers behind the parameters. */
static void gather_buffers(struct graph *g)
{
	struct graph_param *p = g->bad ? NULL : realloc(g->param, (size_t)(g->params + g->buffers + 1) * sizeof *p);

	if (!p) {
		no_memory(g);
		return;
	}
	g->param = p;
	g->trained = g->params;
	for (int i = 0; i < g->buffers; i++) {
		p[g->params] = g->buffer[i];
		p[g->params++].at += g->floats;
	}
	for (int i = 0; i < g->n; i++)
		if (g->op[i].running >= 0)
			g->op[i].running += g->trained;
	g->buffers = 0;
}

int graph_output(struct graph *g, int x, struct err *e)
{
	if (!g->bad)
		for (int k = 0; k < 3; k++)
			if (g->op[x].down[k] != 1)
				g->bad = err_set(&g->err, NULL, "the logits are %d times smaller than the input along %c", g->op[x].down[k], "dhw"[k]);
	gather_buffers(g);
	if (g->bad) {
		*e = g->err;
		return -1;
	}
	g->out = x;
	return 0;
}
