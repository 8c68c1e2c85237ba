/* lib/net/plan: networks at random (every way of joining adds, concatenations, norms, convolutions, dropout, scales, pools, edges, gates, softmax),
   run forward and backward, against their graph worked through one operation after the other in doubles. What fusion, aliasing and the arena get
   wrong shows here. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "lib/base/rng.h"
#include "lib/net/run/net_run.h"
#include "tests/ref/across.h"
#include "tests/ref/pool.h"
#include "tests/ref/ref.h"

enum { ODD = 5, VOXELS = 2 * 5 * 6 * 7 }; /* every so many graphs of odd sizes, down by pools and up with edges; of a batch at most */
enum { CLASSES = 3, OPS = 14, CASES = 400, SEED = 11, STEP = 70000, STRIDE = 3, CHANNELS = 256 };

static const struct k_backend *k;
static struct err e;
static struct rng rng;
static int64_t size[3];
static int odd;
static int met[5]; /* values that convolutions read in their slice, write there; that lie apart from it; plans that make values again; edges */

static int below(int n)
{
	return (int)rng_below(&rng, (uint64_t)n);
}

/* x or, where an edge follows, that */
static int settled(const struct graph *g, int x)
{
	return x + 1 < g->n && g->op[x + 1].kind == GRAPH_EDGE ? x + 1 : x;
}

/* No holes in what a transposed one makes: they would lie on the kink of an activation behind a norm. */
static int random_conv(struct graph *g, int x, int i)
{
	struct graph_conv c = {.oc = 1 + below(4), .bias = below(2), .transposed = g->op[x].down[0] > 1 && below(2)};
	int same = !c.transposed && below(3) == 0, stride = c.transposed || (!odd && !same && g->op[x].down[0] == 1 && below(3) == 0) ? 2 : 1;
	char name[20];

	for (int a = 0; a < 3; a++)
		c.kernel[a] = c.transposed || below(3) ? 3 : 1, c.stride[a] = stride, c.pad[a] = c.kernel[a] / 2;
	if (same)
		c.oc = g->op[x].c;
	snprintf(name, sizeof name, "op%d", i);
	x = graph_conv(g, x, name, &c);
	if (odd && !c.transposed && g->op[x].down[0] == 1 && k->precision == K_FP32 && below(3) == 0)
		return graph_pool(g, x, name, (const int[3]){2, 2, 2});
	return odd && c.transposed ? graph_edge(g, x, 0) : x;
}

/* A value of the same resolution (and channels, for an add) as x; maybe x itself. */
static int partner(const struct graph *g, int x, int channels)
{
	for (int tries = 0; tries < 20; tries++) {
		int y = settled(g, below(g->n));

		if (g->op[y].down[0] == g->op[x].down[0] && (!channels || g->op[y].c == g->op[x].c))
			return y;
	}
	return x;
}

static int random_norm(struct graph *g, int x, const char *name)
{
	struct graph_norm n = {K_NORM_INSTANCE + below(3), 1e-2f, below(2), .groups = g->op[x].c % 2 || below(2) ? 1 : 2, .momentum = 0.1f};

	n.running = n.kind == K_NORM_BATCH && below(2);
	return graph_norm(g, x, name, &n);
}

static int random_act(struct graph *g, int x, const char *name)
{
	static const enum k_act_kind kinds[] = {K_ACT_PRELU, K_ACT_PRELU, K_ACT_LRELU, K_ACT_MISH};

	return graph_act(g, x, name, &(struct graph_act){kinds[below(4)], 0.2f, 1});
}

/* What joins a value that a block ends with: an add before or behind the activation */
static int random_block(struct graph *g, int x, int i, const char *name)
{
	int early = below(3) == 0;

	x = random_norm(g, random_conv(g, x, i), name);
	if (below(3) == 0)
		x = graph_drop(g, x, name, 0.3f, (enum graph_dropped)below(4));
	if (early)
		x = graph_add(g, x, partner(g, x, 1));
	x = random_act(g, x, name);
	return early || below(2) ? x : graph_add(g, x, partner(g, x, 1));
}

/* Down by a mean or the largest, up by interpolation, or through a gate */
static int random_other(struct graph *g, int x, const char *name)
{
	static const int two[3] = {2, 2, 2};
	const struct graph_conv one = {.oc = 1, .kernel = {1, 1, 1}, .stride = {1, 1, 1}};

	if (g->op[x].down[0] == 1 && g->op[x].kind == GRAPH_CONV && k->precision == K_FP32) /* what rounding cannot make as large as another */
		return graph_pool(g, x, name, two);
	if (!odd && below(2))
		return graph_scale(g, x, name, g->op[x].down[0] > 1 ? K_SCALE_LINEAR : K_SCALE_MEAN, two);
	if (below(2))
		return graph_drop(g, x, name, 0.5f, GRAPH_VALUES);
	if (g->op[x].c <= 8 && (!odd || g->op[x].c > 1) && below(2)) /* one channel's softmax is 1: all as large */
		return graph_across(g, x, name, &(struct k_across){(enum k_across_kind)(K_SOFTMAX + below(3)), .size = 3, .alpha = 1, .beta = 0.75f, .k = 1});
	return graph_gate(g, x, graph_act(g, graph_conv(g, partner(g, x, 0), name, &one), name, &(struct graph_act){K_ACT_SIGMOID, 0, 0}));
}

/* A skip as networks have them, wide enough to be read in its slice: convolutions of it, then a concatenation with what became of them */
static int random_skip(struct graph *g, int x, int i, const char *name)
{
	const struct graph_conv one = {.oc = 32 + below(2), .kernel = {1, 1, 1}, .stride = {1, 1, 1}};
	int skip = random_act(g, random_norm(g, graph_conv(g, x, name, &one), name), name), y = random_conv(g, skip, i);

	if (g->op[y].down[0] != g->op[skip].down[0])
		y = graph_conv(g, skip, name, &(struct graph_conv){.oc = 2, .kernel = {1, 1, 1}, .stride = {1, 1, 1}});
	if (below(2))
		y = graph_add(g, y, graph_conv(g, skip, name, &(struct graph_conv){.oc = g->op[y].c, .kernel = {1, 1, 1}, .stride = {1, 1, 1}}));
	if (below(2))
		y = random_act(g, y, name);
	y = below(2) ? graph_concat(g, skip, y) : graph_concat(g, y, skip);
	return random_conv(g, y, i);
}

static int random_op(struct graph *g, int i)
{
	/* mostly deeper, sometimes from further up */
	int x = below(3) ? g->n - 1 : settled(g, below(g->n)), what = below(9);
	char name[20];

	snprintf(name, sizeof name, "op%d", i);
	if (what == 0)
		return random_norm(g, x, name);
	if (what == 1)
		return random_act(g, x, name);
	if (what == 2 && g->n > 2)
		return graph_add(g, x, partner(g, x, 1));
	if (what == 3 && g->n > 2 && g->op[x].c < 12)
		return graph_concat(g, x, partner(g, x, 0));
	if (what == 4)
		return random_block(g, x, i, name);
	if (what == 5)
		return below(3) ? random_other(g, x, name) : random_skip(g, x, i, name);
	return random_conv(g, x, i);
}

static struct graph *random_graph(void)
{
	struct graph *g = graph_new(&e);
	struct graph_conv last = {.oc = CLASSES, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .bias = 1};
	int x = graph_input(g, 1 + below(2));

	g->loose = odd;
	for (int i = 0; i < OPS; i++)
		x = random_op(g, i);
	if (g->op[x].down[0] > 1)
		x = graph_conv(g, x, "up", &(struct graph_conv){.oc = 2, .kernel = {3, 3, 3}, .stride = {2, 2, 2}, .pad = {1, 1, 1}, .transposed = 1});
	x = odd && g->op[x].kind == GRAPH_CONV && g->op[x].conv.transposed ? graph_edge(g, x, 0) : x;
	if (below(3) || g->op[x].c != CLASSES)
		x = graph_conv(g, x, "last", &last);
	if (!odd && below(2)) { /* deep supervision */
		graph_head(g, graph_conv(g, below(g->n - 1), "head", &last), below(4) ? 0.3f : 0);
		g->out_weight = 0.7f;
	}
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
	int train;
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

	return (struct k_norm){.n = r->p->batch, .vox = r->p->value[i].vox / r->p->batch, .c = op->c,
		.norm = op->norm.running && !r->train ? K_NORM_RUNNING : op->norm.kind, .eps = op->norm.eps, .groups = op->norm.groups,
		.act = op->act.kind, .slope = op->act.slope, .alphas = op->act.alphas};
}

static struct ref_norm norm_args(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	double *alpha = param(r, r->w, op->alpha);

	return (struct ref_norm){.x = r->v[op->in[0]], .gamma = param(r, r->w, op->w), .beta = param(r, r->w, op->b), .alpha = alpha, .y = r->v[i],
		.mean = r->mean[i], .rstd = r->rstd[i], .running_mean = param(r, r->w, op->running),
		.running_var = op->running < 0 ? NULL : param(r, r->w, op->running + 1)};
}

static struct k_across across_geom(const struct ref *r, int i)
{
	struct k_across g = r->n->graph->op[i].across;

	g.vox = r->p->value[i].vox, g.c = r->p->value[i].c;
	return g;
}

/* What dropout multiplies element j of operation i's value by, and what it adds */
struct dropped { double times, plus; };

static struct dropped dropped(const struct ref *r, int i, int64_t j)
{
	int64_t c = r->p->value[i].c, span = r->p->value[i].vox / r->p->batch;
	uint64_t index = (uint64_t)(STEP + j / c / span * STRIDE) << 16 | (uint64_t)i; /* of the sample */
	enum graph_dropped what = r->n->graph->op[i].dropped;
	int64_t at = what == GRAPH_CHANNELS ? j % c : what == GRAPH_SAMPLES ? 0 : j % (c * span);
	const uint32_t ctr[4] = {(uint32_t)(at / 4), RNG_DROPOUT, (uint32_t)index, (uint32_t)(index >> 32)}, key[2] = {SEED, 0};
	const double rate = (double)r->n->graph->op[i].rate, lowest = (double)K_ALPHA_LOWEST;
	double scale;
	uint32_t word[4];
	int out;

	rng_philox(ctr, key, word);
	if (!r->train)
		return (struct dropped){1, 0};
	out = word[at % 4] < (uint32_t)(rate * 4294967296.0);
	if (what != GRAPH_ALPHA)
		return (struct dropped){out ? 0 : 1 / (1 - rate), 0};
	scale = 1 / sqrt((1 - rate) * (1 + rate * lowest * lowest));
	return (struct dropped){out ? 0 : scale, out ? scale * lowest * (1 - rate) : -scale * lowest * rate};
}

/* One weight of a scale, forward or back */
struct scaled { double *small, *large; int64_t c; int up; };

static void scale_one(void *arg, int64_t small, int64_t large, double w)
{
	const struct scaled *a = arg;

	for (int64_t i = 0; i < a->c; i++) {
		double *s = a->small + small * a->c + i, *l = a->large + large * a->c + i;

		*(a->up ? l : s) += w * *(a->up ? s : l);
	}
}

/* Operation i's value from its input's, or, back, its input's gradient from its own */
static void scale_ref(const struct ref *r, int i, double *x, double *y, int back)
{
	const struct graph_op *op = &r->n->graph->op[i];
	int mean = op->scale == K_SCALE_MEAN;
	struct k_scale g = {.kind = op->scale, .n = r->p->batch, .c = op->c};
	struct scaled a = {mean ? y : x, mean ? x : y, op->c, mean == back};

	for (int axis = 0; axis < 3; axis++)
		g.factor[axis] = op->factor[axis], g.small[axis] = r->p->value[mean ? i : op->in[0]].size[axis];
	ref_scale(&g, scale_one, &a);
}

static struct k_pool pool_geom(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	struct k_pool g = {.n = r->p->batch, .c = op->c};

	memcpy(g.small, r->p->value[i].size, sizeof g.small), memcpy(g.factor, op->factor, sizeof g.factor);
	memcpy(g.large, r->p->value[op->in[0]].size, sizeof g.large);
	return g;
}

/* Where element j of an edge's value comes from */
static int64_t edge_from(const struct ref *r, int i, int64_t j)
{
	const int64_t *large = r->p->value[i].size, *small = r->p->value[r->n->graph->op[i].in[0]].size, c = r->p->value[i].c;
	int64_t v = j / c, at[3];

	for (int a = 2; a >= 0; v /= large[a--])
		at[a] = v % large[a] < small[a] ? v % large[a] : small[a] - 1;
	return (((v * small[0] + at[0]) * small[1] + at[1]) * small[2] + at[2]) * c + j % c;
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
	} else if (op->kind == GRAPH_DROP) {
		for (int64_t j = 0; j < floats(r, i); j++)
			r->v[i][j] = a[j] * dropped(r, i, j).times + dropped(r, i, j).plus;
	} else if (op->kind == GRAPH_GATE) {
		for (int64_t j = 0; j < floats(r, i); j++)
			r->v[i][j] = a[j] * b[j / c];
	} else if (op->kind == GRAPH_ACROSS) {
		struct k_across g = across_geom(r, i);

		for (int64_t j = 0; j < floats(r, i); j += c)
			ref_across(&g, a + j, r->v[i] + j);
	} else if (op->kind == GRAPH_SCALE) {
		scale_ref(r, i, r->v[op->in[0]], r->v[i], 0);
	} else if (op->kind == GRAPH_POOL) {
		struct k_pool g = pool_geom(r, i);

		ref_pool(&g, a, r->v[i]);
	} else if (op->kind == GRAPH_EDGE) {
		for (int64_t j = 0; j < floats(r, i); j++)
			r->v[i][j] = a[edge_from(r, i, j)];
	}
}

static void backward_norm(const struct ref *r, int i)
{
	const struct graph_op *op = &r->n->graph->op[i];
	struct k_norm g = norm_geom(r, i);
	struct ref_norm args = norm_args(r, i);
	double *dx = calloc((size_t)floats(r, i), sizeof *dx), none[CHANNELS] = {0}, *dgamma = param(r, r->dw, op->w), *dbeta = param(r, r->dw, op->b);
	double *dalpha = param(r, r->dw, op->alpha);

	ref_norm_backward(&g, &args, r->d[i], dx, NULL, dgamma ? dgamma : none, dbeta ? dbeta : none, dalpha ? dalpha : none);
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
	} else if (op->kind == GRAPH_DROP) {
		for (int64_t j = 0; j < floats(r, i); j++)
			r->d[op->in[0]][j] += r->d[i][j] * dropped(r, i, j).times;
	} else if (op->kind == GRAPH_GATE) {
		for (int64_t j = 0; j < floats(r, i); j++) {
			r->d[op->in[0]][j] += r->d[i][j] * r->v[op->in[1]][j / c];
			r->d[op->in[1]][j / c] += r->d[i][j] * r->v[op->in[0]][j];
		}
	} else if (op->kind == GRAPH_ACROSS) {
		struct k_across g = across_geom(r, i);
		double room[CHANNELS];

		for (int64_t j = 0; j < floats(r, i); j += c)
			ref_across_back(&g, r->d[i] + j, r->v[op->in[0]] + j, r->d[op->in[0]] + j, room);
	} else if (op->kind == GRAPH_SCALE) {
		scale_ref(r, i, r->d[op->in[0]], r->d[i], 1);
	} else if (op->kind == GRAPH_POOL) {
		struct k_pool g = pool_geom(r, i);

		ref_pool_back(&g, r->d[i], r->v[op->in[0]], r->d[op->in[0]]);
	} else if (op->kind == GRAPH_EDGE) {
		for (int64_t j = 0; j < floats(r, i); j++)
			r->d[op->in[0]][edge_from(r, i, j)] += r->d[i][j];
	}
}

static void ref_new(struct ref *r, const struct net *n, int train)
{
	int ops = n->graph->n;
	int64_t all = n->graph->floats + n->graph->buffer_floats;

	*r = (struct ref){n, n->plan, train};
	r->v = malloc(sizeof(double *) * (size_t)ops), r->d = malloc(sizeof(double *) * (size_t)ops);
	r->mean = malloc(sizeof(double *) * (size_t)ops), r->rstd = malloc(sizeof(double *) * (size_t)ops);
	for (int i = 0; i < ops; i++) {
		r->v[i] = calloc((size_t)floats(r, i), sizeof(double)), r->d[i] = calloc((size_t)floats(r, i), sizeof(double));
		r->mean[i] = calloc(2 * CHANNELS, sizeof(double)), r->rstd[i] = calloc(2 * CHANNELS, sizeof(double));
	}
	r->w = calloc((size_t)all, sizeof(double)), r->dw = calloc((size_t)all, sizeof(double));
	for (int64_t i = 0; i < all; i++)
		r->w[i] = n->w[i];
}

static void ref_free(struct ref *r)
{
	for (int i = 0; i < r->n->graph->n; i++)
		free(r->v[i]), free(r->d[i]), free(r->mean[i]), free(r->rstd[i]);
	free(r->v), free(r->d), free(r->mean), free(r->rstd), free(r->w), free(r->dw);
}

/* The cross entropy's gradient at logits `out`, against every down'th label from the middle. */
static void ref_loss_back(struct ref *r, int out, const uint8_t *label, double weight)
{
	const struct plan_value *v = &r->p->value[out], *whole = &r->p->value[0];
	const int *down = r->n->graph->op[out].down;
	int64_t h = v->size[1], w = v->size[2], vox = v->vox / r->p->batch;

	for (int64_t i = 0; i < v->vox; i++) {
		const double *l = r->v[out] + i * CLASSES;
		int64_t z = i % vox / (h * w) * down[0] + down[0] / 2, y = i / w % h * down[1] + down[1] / 2, x = i % w * down[2] + down[2] / 2;
		int truth = label[((i / vox * whole->size[0] + z) * whole->size[1] + y) * whole->size[2] + x];
		double sum = 0;

		for (int c = 0; c < CLASSES; c++)
			sum += exp(l[c]);
		for (int c = 0; c < CLASSES; c++)
			r->d[out][i * CLASSES + c] += weight * (exp(l[c]) / sum - (truth == c)) / (double)v->vox;
	}
}

/* Forward, cross entropy, backward. */
static void ref_run(struct ref *r, const float *input, const uint8_t *label)
{
	const struct graph *g = r->n->graph;

	for (int64_t j = 0; j < floats(r, 0); j++)
		r->v[0][j] = input[j];
	for (int i = 0; i < g->n; i++)
		forward_op(r, i);
	ref_loss_back(r, g->out, label, (double)g->out_weight);
	for (int i = 0; i < g->heads; i++)
		ref_loss_back(r, g->head[i].value, label, (double)g->head[i].weight);
	for (int i = g->n - 1; i >= 0; i--)
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

/* Gradients as they were when they were said to be final */
struct finals { const struct net *n; float *g; int64_t from; };

static int take_final(void *arg, int64_t from, struct err *ignored)
{
	struct finals *f = arg;

	(void)ignored;
	if (from > f->from)
		return -1;
	memcpy(f->g + from, f->n->g + from, sizeof *f->g * (size_t)(f->from - from));
	f->from = from;
	return 0;
}

static const float *forward(struct net *n, const float *input)
{
	memset(n->arena, 0x7f, n->arena_bytes); /* large numbers where nothing was written */
	memcpy(net_input(n), input, sizeof *input * (size_t)(n->plan->value[0].vox * n->plan->value[0].c));
	net_dropout(n, SEED, STEP, STRIDE);
	return net_forward(n, &e);
}

/* -1 also where gradients changed after they were said to be final */
static int backward(struct net *n, const uint8_t *label)
{
	const struct k_loss terms = {.w_ce = 1};
	struct finals f = {n, calloc((size_t)n->graph->floats, sizeof *f.g), n->graph->floats};
	double out[3];
	int bad;

	net_watch(n, take_final, &f);
	bad = net_zero_grad(n, &e) || net_backward(n, &terms, label, out, &e);
	net_watch(n, NULL, NULL);
	bad |= f.from || memcmp(f.g, n->g, sizeof *f.g * (size_t)n->graph->floats);
	free(f.g);
	return bad ? -1 : 0;
}

static double run(struct net *n, const float *input, const uint8_t *label, int train)
{
	struct ref r;
	double bad;
	const float *logits;

	if (net_plan(n, 2, size, train, &e))
		return 1e30;
	ref_new(&r, n, train);
	ref_run(&r, input, label);
	logits = forward(n, input);
	bad = logits ? off(logits, r.v[n->graph->out], floats(&r, n->graph->out)) : 1e30;
	if (train)
		bad = backward(n, label) ? 1e30 : fmax(bad, off(n->g, r.dw, n->graph->floats));
	ref_free(&r);
	return bad;
}

/* The same gradients and running statistics, bit for bit, however much is made again. */
static int alike(struct net *n, const float *input, const uint8_t *label)
{
	static const struct { enum net_recompute how; size_t segment; } ways[] = {
		{NET_KEEP, 0}, {NET_NORMS, 0}, {NET_SEGMENTS, 0}, {NET_SEGMENTS, 1}, {NET_SEGMENTS, 3000}, {NET_SEGMENTS, 9000}, {NET_SEGMENTS, 40000},
	};
	size_t grads = (size_t)n->graph->floats, state = grads + (size_t)n->graph->buffer_floats;
	float *w = malloc(sizeof *w * state), *out[2] = {malloc(sizeof *w * (grads + state)), malloc(sizeof *w * (grads + state))};
	int same = 1, calls = 0;

	memcpy(w, n->w, sizeof *w * state);
	for (size_t i = 0; i < sizeof ways / sizeof *ways && same; i++) {
		float *to = out[i > 0];

		plan_free(n->plans[1]);
		n->plans[1] = plan_new(n->graph, k, 2, size, 1, ways[i].how, ways[i].segment, &e);
		memcpy(n->w, w, sizeof *w * state);
		same = n->plans[1] && !net_plan(n, 2, size, 1, &e) && forward(n, input) && !backward(n, label);
		memcpy(to, n->g, sizeof *to * grads), memcpy(to + grads, n->w, sizeof *to * state);
		same = same && !memcmp(to, out[0], sizeof *to * (grads + state));
		for (int v = 0; v < n->graph->n && same; v++)
			met[2] += n->plan->value[v].apart;
		calls = i ? calls : n->plans[1]->calls;
		met[3] += same && n->plan->recompute == NET_SEGMENTS && n->plan->calls > calls;
	}
	memcpy(n->w, w, sizeof *w * state);
	free(w), free(out[0]), free(out[1]);
	return same;
}

static void one(int i)
{
	const double allowed[2] = {k->precision == K_BF16 ? 3e-2 : 1e-4, k->precision == K_BF16 ? 3e-1 : 2e-3};
	struct graph *g;
	struct net *n;
	float input[VOXELS * 2];
	uint8_t label[VOXELS];
	double infer, train;
	int same;

	rng_init(&rng, 5, RNG_TEST, (uint64_t)i);
	odd = i % ODD == ODD - 1;
	memcpy(size, odd ? (const int64_t[]){5, 6, 7} : (const int64_t[]){4, 6, 4}, sizeof size);
	g = random_graph();
	n = g ? net_run_new(g, NULL, k, &e) : NULL;
	if (!n || net_init(n, (uint64_t)i, &e)) {
		ok(0, "graph %d: %s", i, e.text);
		return;
	}
	for (int64_t j = 0; j < 2 * 2 * size[0] * size[1] * size[2]; j++)
		input[j] = (float)rng_normal(&rng);
	for (int64_t j = 0; j < 2 * size[0] * size[1] * size[2]; j++)
		label[j] = (uint8_t)below(CLASSES);
	same = alike(n, input, label);
	infer = run(n, input, label, 0);
	train = run(n, input, label, 1);
	for (int v = 0; v < g->n; v++)
		met[0] += n->plan->value[v].live && plan_read_in_slice(n->plan, v) >= 0, met[1] += plan_conv_slice(n->plan, v);
	for (int s = 0; s < n->plan->steps; s++)
		met[4] += n->plan->step[s].kind == PLAN_EDGE;
	ok(infer < allowed[0] && train < allowed[1] && same,
	   "%s graph %d: %d operations in %d steps, logits off by %.1e, with gradients %.1e, %s", PRECISION(k), i, g->n, n->plan->steps, infer, train,
	   same ? "the same with recomputation" : "others with recomputation");
	net_free(n);
}

/* plan [N]: the first N networks of each precision */
int main(int argc, char **argv)
{
	const int cases = argc > 1 ? atoi(argv[1]) : CASES;

	omp_set_num_threads(1); /* the values are so few that threads wait for each other most of the time */
	for (int p = K_FP32; p <= K_BF16 && (k = cpu(p)); p++)
		for (int i = 0; i < cases; i++)
			one(i);
	ok(met[4] > 0, "%d edges were repeated", met[4]);
	ok(met[0] > 0 && met[1] > 0, "convolutions read %d values in their slices and wrote %d there", met[0], met[1]);
	ok(met[2] > 0 && met[3] > 0, "%d plans made values again, %d values lay apart from their concatenation", met[3], met[2]);
	return tap_done();
}
