/* What a network is made of, and where its time goes: tables. */
#include "lib/net/run/net_run.h"

#include <stdio.h>
#include <string.h>

static const char *const DOES[PLAN_DOES] = {
	[PLAN_DO_CONV] = "conv", [PLAN_DO_DATA] = "conv-data", [PLAN_DO_WEIGHTS] = "conv-weights", [PLAN_DO_NORM] = "norm",
	[PLAN_DO_NORM_BACK] = "norm-back", [PLAN_DO_SLICE] = "slice", [PLAN_DO_DROP] = "drop",
	[PLAN_DO_SCALE] = "scale", [PLAN_DO_GATE] = "gate", [PLAN_DO_GATE_BACK] = "gate-back", [PLAN_DO_LOSS] = "loss",
	[PLAN_DO_LAYER] = "layer", [PLAN_DO_LAYER_BACK] = "layer-back", [PLAN_DO_ATTENTION] = "attend", [PLAN_DO_ATTENTION_BACK] = "attend-back",
	[PLAN_DO_MERGE] = "merge", [PLAN_DO_MERGE_BACK] = "merge-back", [PLAN_DO_ACROSS] = "across", [PLAN_DO_ACROSS_BACK] = "across-back",
	[PLAN_DO_POOL] = "pool", [PLAN_DO_POOL_BACK] = "pool-back", [PLAN_DO_POSITION] = "position", [PLAN_DO_POSITION_BACK] = "position-back",
	[PLAN_DO_EDGE] = "edge", [PLAN_DO_EDGE_BACK] = "edge-back",
	[PLAN_DO_TAIL] = "conv-last", [PLAN_DO_TO_FLOATS] = "to-floats", [PLAN_DO_FROM_FLOATS] = "from-floats",
};

static int64_t param_count(const struct net *n, int i)
{
	return i < 0 ? 0 : n->graph->param[i].count;
}

/* "conv 3x3x3 /2x2x2", "up 3x3x3 *2x2x2 + x" */
static void describe_conv(const struct plan_step *s, char *text, size_t size)
{
	const struct k_conv_geom *g = &s->geom;
	size_t k = (size_t)snprintf(text, size, "%s %dx%dx%d", g->transposed ? "up" : "conv", g->kernel[0], g->kernel[1], g->kernel[2]);

	if (g->stride[0] * g->stride[1] * g->stride[2] != 1 && k < size)
		k += (size_t)snprintf(text + k, size - k, " %c%dx%dx%d", g->transposed ? '*' : '/', g->stride[0], g->stride[1], g->stride[2]);
	if (s->identity && k < size)
		snprintf(text + k, size - k, " +x");
}

/* "instance lrelu add", "group add relu" */
static void describe_norm(const struct plan_step *s, char *text, size_t size)
{
	static const char *const norms[] = {"", "instance ", "group ", "batch ", "batch "};
	static const char *const acts[] = {"", "relu ", "lrelu ", "prelu ", "elu ", "gelu ", "swish ", "mish ", "sigmoid ", "tanh ", "relu6 ", "selu ",
		"celu ", "gelu-tanh "};
	const char *add = s->res >= 0 ? "add " : "", *act = acts[s->norm.act];

	snprintf(text, size, "%s%s%s", norms[s->norm.norm], s->norm.after ? add : act, s->norm.after ? act : add);
}

static void describe_scale(const struct plan_step *s, char *text, size_t size)
{
	const int *f = s->scale.factor;

	snprintf(text, size, "%s %dx%dx%d", s->scale.kind == K_SCALE_MEAN ? "mean" : "linear", f[0], f[1], f[2]);
}

static void describe_pool(const struct plan_step *s, char *text, size_t size)
{
	snprintf(text, size, "largest %dx%dx%d", s->pool.factor[0], s->pool.factor[1], s->pool.factor[2]);
}

static void describe_attention(const struct plan_step *s, char *text, size_t size)
{
	const struct k_attention *a = &s->attention;

	snprintf(text, size, "%lld heads %lldx%lldx%lld%s", (long long)a->heads, (long long)a->window[0], (long long)a->window[1], (long long)a->window[2],
		a->shift[0] + a->shift[1] + a->shift[2] ? " shifted" : "");
}

static void describe_merge(const struct plan_step *s, char *text, size_t size)
{
	snprintf(text, size, "merge %dx2x2", s->merge.parts / 4);
}

static void describe_other(const struct plan_step *s, char *text, size_t size)
{
	static const char *const names[] = {
		[PLAN_CONCAT] = "concat", [PLAN_DROP] = "dropout", [PLAN_GATE] = "gate", [PLAN_LAYER] = "layer norm", [PLAN_POSITION] = "position",
		[PLAN_EDGE] = "edge",
	};

	snprintf(text, size, "%s", names[s->kind]);
}

static void describe_across(const struct plan_step *s, char *text, size_t size)
{
	static const char *const names[] = {[K_SOFTMAX] = "softmax", [K_LOG_SOFTMAX] = "log softmax", [K_LOCAL] = "local response"};

	snprintf(text, size, "%s", names[s->across.kind]);
}

static void describe(const struct plan_step *s, char *text, size_t size)
{
	static void (*const by[])(const struct plan_step *, char *, size_t) = {
		[PLAN_CONV] = describe_conv, [PLAN_NORM] = describe_norm, [PLAN_CONCAT] = describe_other, [PLAN_DROP] = describe_other,
		[PLAN_SCALE] = describe_scale, [PLAN_GATE] = describe_other, [PLAN_LAYER] = describe_other, [PLAN_ATTENTION] = describe_attention,
		[PLAN_MERGE] = describe_merge, [PLAN_ACROSS] = describe_across, [PLAN_POOL] = describe_pool,
		[PLAN_POSITION] = describe_other, [PLAN_EDGE] = describe_other,
	};

	by[s->kind](s, text, size);
}

/* q k' and the sums of v, of whole windows */
static double attention_multiply_adds(const struct k_attention *a)
{
	double tokens = 1, windows = (double)a->n;

	for (int k = 0; k < 3; k++) {
		tokens *= (double)a->window[k];
		windows *= (double)((a->size[k] + a->window[k] - 1) / a->window[k]);
	}
	return 2 * windows * tokens * tokens * (double)a->c;
}

static double multiply_adds(const struct plan_step *s)
{
	const struct k_conv_geom *g = &s->geom;
	const int64_t *grid = g->transposed ? g->in : g->out;

	if (s->kind == PLAN_ATTENTION)
		return attention_multiply_adds(&s->attention);
	if (s->kind != PLAN_CONV)
		return 0;
	return (double)g->n * (double)(grid[0] * grid[1] * grid[2]) * (double)(g->kernel[0] * g->kernel[1] * g->kernel[2]) * (double)(g->ic * g->oc);
}

/* The arena, and what it would be if everything was kept; peak memory: with the weights and, in training, what is as large as they are */
static int totals(const struct net *n, double macs, struct out *o, struct err *e)
{
	static const char *const names[] = {[NET_KEEP] = "none", [NET_NORMS] = "norms", [NET_SEGMENTS] = "segments"};
	const struct plan *p = n->plan;
	struct plan *all = p->recompute == NET_KEEP ? NULL : plan_new(n->graph, n->k, p->batch, p->size, p->train, NET_KEEP, 0, e);
	double weights = (double)n->graph->floats * (p->train ? 16 : 4) / 1048576, arena = (double)p->arena / 1048576;
	double kept = all ? (double)all->arena / 1048576 : arena;
	int bad = p->recompute != NET_KEEP && !all;

	plan_free(all);
	if (bad || out_printf(o, e, "total: %lld parameters, %.2f G multiply-adds, arena %.1f MB (batch %lld, %s", (long long)n->graph->floats, macs / 1e9,
		arena, (long long)p->batch, p->train ? "training" : "inference"))
		return -1;
	if (p->train && out_printf(o, e, ", recompute %s: without %.1f MB", names[p->recompute], kept))
		return -1;
	return out_printf(o, e, "), weights%s %.1f MB, peak memory %.1f MB\n", p->train ? ", gradients and two moments" : "", weights, arena + weights);
}

int net_summary(const struct net *n, struct out *o, struct err *e)
{
	const struct plan *p = n->plan;
	double macs = 0;

	if (out_printf(o, e, "%-56s %-22s %-22s %10s %10s %10s\n", "layer", "operation", "output d,h,w,c", "parameters", "Mmult-adds", "KB"))
		return -1;
	for (int i = 0; i < p->steps; i++) {
		const struct plan_step *s = &p->step[i];
		const struct graph_op *op = &p->graph->op[s->op];
		const struct plan_value *v = &p->value[s->out];
		char what[64], shape[80];

		describe(s, what, sizeof what);
		snprintf(shape, sizeof shape, "%lld,%lld,%lld,%lld", (long long)v->size[0], (long long)v->size[1], (long long)v->size[2], (long long)v->c);
		if (out_printf(o, e, "%-56s %-22s %-22s %10lld %10.1f %10lld\n", op->name, what, shape,
			(long long)(param_count(n, op->w) + param_count(n, op->b) + param_count(n, s->alpha)), multiply_adds(s) / 1e6,
			(long long)(v->vox * v->c * (int64_t)p->elem / 1024)))
			return -1;
		macs += multiply_adds(s);
	}
	return totals(n, macs, o, e);
}

void net_profile(struct net *n, int on)
{
	n->profile = on;
	for (int k = 0; k < 2; k++)
		for (int i = 0; n->plans[k] && i < n->plans[k]->calls; i++)
			n->plans[k]->call[i].seconds = 0, n->plans[k]->call[i].times = 0;
}

static int call_row(const struct plan *p, const struct plan_call *c, struct out *o, struct err *e)
{
	const struct plan_step *s = c->step < 0 ? NULL : &p->step[c->step];
	char what[64] = "";

	if (s)
		describe(s, what, sizeof what);
	return out_printf(o, e, "%-13s %-22s %5lld->%-5lld %9.2f ms  %s\n", DOES[c->what], what, (long long)(s ? p->value[s->x].c : 0),
		(long long)(s ? p->value[s->out].c : 0), 1e3 * c->seconds / (double)c->times, s ? p->graph->op[s->op].name : "");
}

int net_profile_print(const struct net *n, struct out *o, struct err *e)
{
	const struct plan *p = n->plan;
	double sum[PLAN_DOES] = {0};
	int64_t times[PLAN_DOES] = {0};

	for (int i = 0; i < p->calls; i++) {
		sum[p->call[i].what] += p->call[i].seconds;
		times[p->call[i].what] += p->call[i].times;
		if (p->call[i].times && n->profile > 1 && call_row(p, &p->call[i], o, e))
			return -1;
	}
	if (out_printf(o, e, "%-13s %8s %9s\n", "operation", "calls", "seconds"))
		return -1;
	for (int i = 0; i < PLAN_DOES; i++)
		if (times[i] && out_printf(o, e, "%-13s %8lld %9.4f\n", DOES[i], (long long)times[i], sum[i]))
			return -1;
	return 0;
}
