/* Windows through networks. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/window/window_run.h"
#include "lib/volume/prob/prob.h"

static float *net_window_input(void *arg, int64_t n, const int64_t roi[3], struct err *e)
{
	return net_plan(arg, n, roi, 0, e) ? NULL : net_input(arg);
}

static int net_window_run(void *arg, net_take_fn *take, void *take_arg, struct err *e)
{
	return net_forward_parts(arg, take, take_arg, e);
}

static int net_window_features(void *arg, net_take_fn *take, void *take_arg, struct err *e)
{
	return net_forward_features(arg, take, take_arg, e);
}

struct window_predictor window_net(struct net *n)
{
	return (struct window_predictor){net_channels(n), net_classes(n), net_window_input, net_window_run, n, {0}};
}

void window_fit(const struct net *n, const int64_t size[3], int64_t roi[3])
{
	int64_t next[3];

	net_next_size(n, size, next);
	for (int i = 0; i < 3; i++)
		if (!roi[i])
			roi[i] = next[i];
}

int window_head(const struct window_opts *o, struct net *const *nets, int models, int64_t sums, struct net_head *h)
{
	return models == 1 && !o->soft && !(o->refine > 0) && net_head(nets[0], h) && h->features < sums;
}

/* A single network without its last operation, where that pays */
static int behead(const struct window_opts *o, struct net *const *nets, int models, struct window_predictor *p, struct err *e)
{
	if (models > 1)
		return 0;
	if (net_plan(nets[0], o->batch, o->roi, 0, e))
		return -1;
	if (window_head(o, nets, models, o->decide ? o->decide->k : p->classes, &p->head))
		p->run = net_window_features;
	else
		p->head = (struct net_head){0};
	return 0;
}

/* -- whole volumes in memory ------------------------------------------------------ */
struct target {
	struct window_slab to;
	uint8_t *pred;
	float *prob;
};

static int take_decided(void *arg, int64_t v, int64_t n, const void *pred, struct err *e)
{
	const struct target *t = arg;

	memcpy(t->pred + v, pred, (size_t)n);
	return window_slab_check(&t->to, v, n, pred, e);
}

static int take_labels(void *arg, int64_t v, int64_t n, const void *logits, struct err *e)
{
	const struct target *t = arg;

	return window_slab_labels(&t->to, v, n, logits, t->pred + v, e);
}

static int take_scores(void *arg, int64_t v, int64_t n, const void *logits, struct err *e)
{
	const struct target *t = arg;

	return window_slab_scores(&t->to, v, n, logits, t->prob + v, t->to.slices * t->to.plane, e);
}

int window_nets(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                window_sink *sink, void *arg, struct err *e)
{
	struct window_predictor *p = mem_new((size_t)models, sizeof *p, "models", e);
	struct window_opts fitted = *o;
	int bad;

	if (!p)
		return -1;
	for (int i = 0; i < models; i++) {
		p[i] = window_net(nets[i]);
		window_fit(nets[i], image->shape + 1, fitted.roi);
	}
	bad = behead(&fitted, nets, models, p, e) || window_run(&fitted, k, p, models, image, sink, arg, e);
	free(p);
	return bad ? -1 : 0;
}

int window_scores(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                  float *prob, struct err *e)
{
	struct target t = {.to = window_slab(o, *nets, image), .prob = prob};

	t.to.soft = !o->soft;
	return window_nets(o, k, nets, models, image, take_scores, &t, e);
}

int window_labels(const struct window_opts *o, const struct k_backend *k, struct net *n, const struct regions *regions, const float *image,
                  const int64_t size[3], uint8_t *pred, struct err *e)
{
	const struct tensor i = {.dtype = DT_F32, .rank = 4, .shape = {net_channels(n), size[0], size[1], size[2]}, .data = (void *)image};
	const struct prob_rule rule = {.kind = PROB_ARGMAX, .regions = regions};
	struct target t = {.to = window_slab(o, n, &i), .pred = pred};
	struct window_opts own = *o;
	struct k_decide how;

	own.each = regions != NULL;
	t.to.rule = &rule;
	if (window_check_labels(n, &rule, e))
		return -1;
	own.decide = window_slab_decide(&t.to, &how) ? &how : NULL;
	return window_nets(&own, k, &n, 1, &i, own.decide ? take_decided : take_labels, &t, e);
}
