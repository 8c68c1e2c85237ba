/* lib/net/plan: networks at random (every way of joining adds, concatenations, norms and convolutions), run forward and backward, against their graph
   worked through one operation after the other in doubles. What fusion, aliasing and the arena get wrong shows here. */
#include "tests/unit/cpu.h"

#include "lib/base/rng.h"
#include "lib/net/net_run.h"
#include "tests/ref/ref.h"

enum { CLASSES = 3, OPS = 14, CASES = 200 };

static const struct k_backend *k;
static struct err e;
static struct rng rng;

static int below(int n)
{
	return (int)rng_below(&rng, (uint64_t)n);
}

/* No holes in what a transposed one makes: they would lie on the kink of an activation behind a norm. */
static int random_conv(struct graph *g, int x, int i)
{
	struct graph_conv c = {.oc = 1 + below(4), .bias = below(2), .transposed = g->op[x].down[0] > 1 && below(2)};
	int same = !c.transposed && below(3) == 0, stride = c.transposed || (!same && g->op[x].down[0] == 1 && below(3) == 0) ? 2 : 1;
	char name[20];

	for (int a = 0; a < 3; a++)
		c.kernel[a] = c.transposed || below(3) ? 3 : 1, c.stride[a] = stride, c.pad[a] = c.kernel[a] / 2;
	if (same)
		c.oc = g->op[x].c;
	snprintf(name, sizeof name, "op%d", i);
	return graph_conv(g, x, name, &c);
}

/* A value of the same resolution (and channels, for an add) as x; maybe x itself. */
static int partner(const struct graph *g, int x, int channels)
{
	for (int tries = 0; tries < 20; tries++) {
		int y = below(g->n);

		if (g->op[y].down[0] == g->op[x].down[0] && (!channels || g->op[y].c == g->op[x].c))
			return y;
	}
	return x;
}

static int random_op(struct graph *g, int i)
{
	/* mostly deeper, sometimes from further up */
	int x = below(3) ? g->n - 1 : below(g->n), what = below(8);
	char name[20];

	snprintf(name, sizeof name, "op%d", i);
	if (what == 0)
		return graph_norm(g, x, name, &(struct graph_norm){K_NORM_INSTANCE, 1e-3f, below(2)});
	if (what == 1)
		return graph_act(g, x, name, &(struct graph_act){below(2) ? K_ACT_PRELU : K_ACT_LRELU, 0.2f, 1});
	if (what == 2 && g->n > 2)
		return graph_add(g, x, partner(g, x, 1));
	if (what == 3 && g->n > 2 && g->op[x].c < 12)
		return graph_concat(g, x, partner(g, x, 0));
	if (what == 4) { /* what MONAI's blocks are made of */
		x = graph_norm(g, random_conv(g, x, i), name, &(struct graph_norm){K_NORM_INSTANCE, 1e-3f, 0});
		x = graph_act(g, x, name, &(struct graph_act){K_ACT_PRELU, 0.2f, 1});
		return below(2) ? graph_add(g, x, partner(g, x, 1)) : x;
	}
	return random_conv(g, x, i);
}

static struct graph *random_graph(void)
{
	struct graph *g = graph_new(&e);
	struct graph_conv last = {.oc = CLASSES, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .bias = 1};
	int x = graph_input(g, 1 + below(2));

	for (int i = 0; i < OPS; i++)
		x = random_op(g, i);
	if (g->op[x].down[0] > 1)
		x = graph_conv(g, x, "up", &(struct graph_conv){.oc = 2, .kernel = {3, 3, 3}, .stride = {2, 2, 2}, .pad = {1, 1, 1}, .transposed = 1});
	if (below(3) || g->op[x].c != CLASSES)
		x = graph_conv(g, x, "last", &last);
	if (graph_output(g, x, &e)) {
		graph_free(g);
		return NULL;
	}
	return g;
}

/* The graph in doubles: values v, gradients d, parameters w, their gradients dw. */
struct ref {
	const struct net *n;
	const struct plan *p;
	double **v, **d, *w, *dw, **mean, **rstd;
};

static int64_t floats(const struct ref *r, int i)
{
	return r->p->value[i].vox * r->p->value[i].c;
}

static double *param(const struct ref *r, double *block, int i)
{
	return i < 0 ? NULL : block + r->n->graph->param[i].at;
}

static struct k_conv_geom geom(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	struct k_conv_geom g = {.n = r->p->batch, .ic = r->p->value[op->in[0]].c, .oc = op->c, .transposed = op->conv.transposed};

	for (int a = 0; a < 3; a++) {
		g.in[a] = r->p->value[op->in[0]].size[a], g.out[a] = r->p->value[i].size[a];
		g.kernel[a] = op->conv.kernel[a], g.stride[a] = op->conv.stride[a], g.pad[a] = op->conv.pad[a];
	}
	return g;
}

static struct k_norm norm_geom(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];

	return (struct k_norm){.n = r->p->batch, .vox = r->p->value[i].vox / r->p->batch, .c = op->c, .norm = op->norm.kind, .eps = op->norm.eps,
		.act = op->act.kind, .slope = op->act.slope, .alphas = op->act.alphas};
}

static struct ref_norm norm_args(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	double *alpha = param(r, r->w, op->alpha);

	return (struct ref_norm){.x = r->v[op->in[0]], .gamma = param(r, r->w, op->w), .beta = param(r, r->w, op->b), .alpha = alpha, .y = r->v[i],
		.mean = r->mean[i], .rstd = r->rstd[i]};
}

static void forward_conv(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	struct k_conv_geom g = geom(r, i);

	for (int64_t j = 0; j < floats(r, i); j++)
		r->v[i][j] = op->b < 0 ? 0 : param(r, r->w, op->b)[j % op->c];
	ref_conv(&g, ref_product, &(struct ref_conv){.x = r->v[op->in[0]], .w = param(r, r->w, op->w), .y = r->v[i]});
}

static void forward_op(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	const double *a = op->in[0] < 0 ? NULL : r->v[op->in[0]], *b = op->in[1] < 0 ? NULL : r->v[op->in[1]];
	int64_t ca = op->in[0] < 0 ? 0 : r->p->value[op->in[0]].c, c = op->c;

	if (op->kind == GRAPH_CONV) {
		forward_conv(r, i);
	} else if (op->kind == GRAPH_NORM || op->kind == GRAPH_ACT) {
		struct k_norm g = norm_geom(r, i);
		struct ref_norm args = norm_args(r, i);

		ref_norm_forward(&g, &args);
	} else if (op->kind == GRAPH_ADD || op->kind == GRAPH_CONCAT) {
		for (int64_t j = 0; j < floats(r, i); j++) {
			if (op->kind == GRAPH_ADD)
				r->v[i][j] = a[j] + b[j];
			else
				r->v[i][j] = j % c < ca ? a[j / c * ca + j % c] : b[j / c * (c - ca) + j % c - ca];
		}
	}
}

static void backward_norm(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	struct k_norm g = norm_geom(r, i);
	struct ref_norm args = norm_args(r, i);
	double *dx = calloc((size_t)floats(r, i), sizeof *dx), none[64] = {0}, *dgamma = param(r, r->dw, op->w), *dbeta = param(r, r->dw, op->b);
	double *dalpha = param(r, r->dw, op->alpha);

	ref_norm_backward(&g, &args, r->d[i], dx, dgamma ? dgamma : none, dbeta ? dbeta : none, dalpha ? dalpha : none);
	for (int64_t j = 0; j < floats(r, i); j++)
		r->d[op->in[0]][j] += dx[j];
	free(dx);
}

static void backward_op(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	int64_t ca = op->in[0] < 0 ? 0 : r->p->value[op->in[0]].c, c = op->c;

	if (op->kind == GRAPH_CONV) {
		struct k_conv_geom g = geom(r, i);

		for (int64_t j = 0; op->b >= 0 && j < floats(r, i); j++)
			param(r, r->dw, op->b)[j % c] += r->d[i][j];
		ref_conv(&g, ref_product, &(struct ref_conv){.x = r->v[op->in[0]], .w = param(r, r->w, op->w), .dy = r->d[i], .dx = r->d[op->in[0]],
			.dw = param(r, r->dw, op->w)});
	} else if (op->kind == GRAPH_NORM || op->kind == GRAPH_ACT) {
		backward_norm(r, i);
	} else if (op->kind == GRAPH_ADD || op->kind == GRAPH_CONCAT) {
		for (int64_t j = 0; j < floats(r, i); j++) {
			if (op->kind == GRAPH_ADD)
				r->d[op->in[0]][j] += r->d[i][j], r->d[op->in[1]][j] += r->d[i][j];
			else if (j % c < ca)
				r->d[op->in[0]][j / c * ca + j % c] += r->d[i][j];
			else
				r->d[op->in[1]][j / c * (c - ca) + j % c - ca] += r->d[i][j];
		}
	}
}

static void ref_new(struct ref *r, const struct net *n)
{
	int ops = n->graph->n;

	*r = (struct ref){n, n->plan};
	r->v = malloc(sizeof(double *) * (size_t)ops), r->d = malloc(sizeof(double *) * (size_t)ops);
	r->mean = malloc(sizeof(double *) * (size_t)ops), r->rstd = malloc(sizeof(double *) * (size_t)ops);
	for (int i = 0; i < ops; i++) {
		r->v[i] = calloc((size_t)floats(r, i), sizeof(double)), r->d[i] = calloc((size_t)floats(r, i), sizeof(double));
		r->mean[i] = calloc(64, sizeof(double)), r->rstd[i] = calloc(64, sizeof(double));
	}
	r->w = calloc((size_t)n->graph->floats, sizeof(double)), r->dw = calloc((size_t)n->graph->floats, sizeof(double));
	for (int64_t i = 0; i < n->graph->floats; i++)
		r->w[i] = n->w[i];
}

static void ref_free(struct ref *r)
{
	for (int i = 0; i < r->n->graph->n; i++)
		free(r->v[i]), free(r->d[i]), free(r->mean[i]), free(r->rstd[i]);
	free(r->v), free(r->d), free(r->mean), free(r->rstd), free(r->w), free(r->dw);
}

/* Forward, cross entropy, backward. */
static void ref_run(struct ref *r, const float *input, const uint8_t *label)
{
	int out = r->n->graph->out;
	int64_t vox = r->p->value[out].vox;

	for (int64_t j = 0; j < floats(r, 0); j++)
		r->v[0][j] = input[j];
	for (int i = 0; i < r->n->graph->n; i++)
		forward_op(r, i);
	for (int64_t v = 0; v < vox; v++) {
		const double *l = r->v[out] + v * CLASSES;
		double sum = 0;

		for (int c = 0; c < CLASSES; c++)
			sum += exp(l[c]);
		for (int c = 0; c < CLASSES; c++)
			r->d[out][v * CLASSES + c] = (exp(l[c]) / sum - (label[v] == c)) / (double)vox;
	}
	for (int i = r->n->graph->n - 1; i >= 0; i--)
		backward_op(r, i);
}

/* Largest difference over largest magnitude. */
static double off(const float *a, const double *b, int64_t n)
{
	double d = 0, m = 1e-4;

	for (int64_t i = 0; i < n; i++) {
		if (!(fabs(a[i] - b[i]) <= d))
			d = isfinite(a[i]) ? fabs(a[i] - b[i]) : 1e30;
		m = fmax(m, fabs(b[i]));
	}
	return d / m;
}

static double run(struct net *n, struct ref *r, const float *input, const uint8_t *label, int train)
{
	const struct k_loss terms = {.w_ce = 1};
	const int64_t size[3] = {4, 6, 4};
	double out[3], bad;
	const float *logits;

	if (net_plan(n, 2, size, train, &e))
		return 1e30;
	if (!r->n) {
		ref_new(r, n);
		ref_run(r, input, label);
	}
	memset(n->arena, 0x7f, n->arena_bytes); /* large numbers where nothing was written */
	memcpy(net_input(n), input, sizeof *input * (size_t)floats(r, 0));
	logits = net_forward(n, &e);
	bad = logits ? off(logits, r->v[n->graph->out], floats(r, n->graph->out)) : 1e30;
	if (!train)
		return bad;
	net_zero_grad(n, &e);
	if (net_backward(n, &terms, label, out, &e))
		return 1e30;
	return fmax(bad, off(n->g, r->dw, n->graph->floats));
}

static void one(int i)
{
	struct graph *g;
	struct net *n;
	struct ref r = {0};
	float input[2 * 4 * 6 * 4 * 2];
	uint8_t label[2 * 4 * 6 * 4];
	double infer, train;

	rng_init(&rng, 5, RNG_TEST, (uint64_t)i);
	g = random_graph();
	n = g ? net_run_new(g, NULL, k, &e) : NULL;
	if (!n || net_init(n, (uint64_t)i, &e)) {
		ok(0, "graph %d: %s", i, e.text);
		return;
	}
	for (size_t j = 0; j < sizeof input / sizeof *input; j++)
		input[j] = (float)rng_normal(&rng);
	for (size_t j = 0; j < sizeof label; j++)
		label[j] = (uint8_t)below(CLASSES);
	infer = run(n, &r, input, label, 0);
	train = run(n, &r, input, label, 1);
	ok(infer < 1e-4 && train < 2e-3,
	   "graph %d: %d operations in %d steps, logits off by %.1e, with gradients %.1e", i, g->n, n->plan->steps, infer, train);
	ref_free(&r);
	net_free(n);
}

int main(void)
{
	k = cpu();
	if (!k)
		return tap_done();
	for (int i = 0; i < CASES; i++)
		one(i);
	return tap_done();
}
