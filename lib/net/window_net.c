/* Windows through networks, and what becomes of the logits of a volume: labels or scores. */
#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/net/window_run.h"
#include "lib/volume/prob.h"

static float *net_window_input(void *arg, int64_t n, const int64_t roi[3], struct err *e)
{
	return net_plan(arg, n, roi, 0, e) ? NULL : net_input(arg);
}

static const float *net_window_run(void *arg, struct err *e)
{
	return net_forward(arg, e);
}

struct window_predictor window_net(struct net *n)
{
	return (struct window_predictor){net_channels(n), net_classes(n), net_window_input, net_window_run, n};
}

void window_fit(const struct net *n, const int64_t size[3], int64_t roi[3])
{
	int64_t div[3];

	net_divisor(n, div);
	for (int i = 0; i < 3; i++)
		if (!roi[i])
			roi[i] = (size[i] + div[i] - 1) / div[i] * div[i];
}

/* -- sinks -------------------------------------------------------------------- */
struct target {
	int64_t classes, plane, volume;
	uint8_t *pred;
	float *prob;
	const struct prob_rule *rule;
	enum prob_kind kind; /* what comes */
	int soft;            /* logits go out as probabilities */
};

static int not_finite(int64_t z, struct err *e)
{
	return err_set(e, NULL, "the network gives numbers that are not finite at slice %lld", (long long)z);
}

/* Rules take classes apart, a block of voxels at a time. */
static int label_slice(const struct target *t, const float *l, uint8_t *pred)
{
	enum { ROOM = 16384 };
	const int64_t k = t->classes, some = ROOM / k;
	float p[ROOM];
	int bad = 0;

	for (int64_t i = 0; i < t->plane; i += some) {
		int64_t n = t->plane - i < some ? t->plane - i : some;

		for (int64_t c = 0; c < k; c++)
			for (int64_t j = 0; j < n; j++)
				p[c * n + j] = l[(i + j) * k + c];
		bad |= prob_rule_labels(t->rule, t->kind, p, k, n, n, pred + i);
	}
	return bad;
}

static int take_labels(void *arg, int64_t z, int64_t n, const float *logits, struct err *e)
{
	const struct target *t = arg;
	int64_t worst = INT64_MAX;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < n; i++)
		if (label_slice(t, logits + i * t->plane * t->classes, t->pred + (z + i) * t->plane) && z + i < worst)
			worst = z + i;
	return worst < INT64_MAX ? not_finite(worst, e) : 0;
}

static int scores(const float *l, float *to, int64_t n, const struct target *t)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++, l += t->classes) {
		float most = l[0], sum = 0;

		for (int64_t c = 0; c < t->classes; c++) {
			bad |= !(l[c] - l[c] == 0);
			to[i + c * t->volume] = l[c];
			most = l[c] > most ? l[c] : most;
		}
		if (!t->soft)
			continue;
		if (t->classes == 1) {
			to[i] = 1 / (1 + expf(-l[0]));
			continue;
		}
		for (int64_t c = 0; c < t->classes; c++)
			sum += to[i + c * t->volume] = expf(l[c] - most);
		for (int64_t c = 0; c < t->classes; c++)
			to[i + c * t->volume] /= sum;
	}
	return bad;
}

static int take_scores(void *arg, int64_t z, int64_t n, const float *logits, struct err *e)
{
	const struct target *t = arg;
	int64_t worst = INT64_MAX;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < n; i++)
		if (scores(logits + i * t->plane * t->classes, t->prob + (z + i) * t->plane, t->plane, t) && z + i < worst)
			worst = z + i;
	return worst < INT64_MAX ? not_finite(worst, e) : 0;
}

static int through(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                   window_sink *sink, struct target *t, struct err *e)
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
	t->classes = p->classes;
	t->plane = image->shape[2] * image->shape[3];
	t->volume = image->shape[1] * t->plane;
	t->kind = o->soft ? PROB_PROBABILITIES : PROB_LOGITS;
	bad = window_run(&fitted, k, p, models, image, sink, t, e);
	free(p);
	return bad;
}

int window_to_labels(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                     const struct prob_rule *rule, uint8_t *pred, struct err *e)
{
	struct target t = {.pred = pred, .rule = rule};

	if (net_classes(*nets) > PROB_CLASSES)
		return err_set(e, NULL, "labels of a network with %d classes (at most %d)", net_classes(*nets), PROB_CLASSES);
	if (prob_rule_check(rule, net_classes(*nets), PROB_LOGITS, e))
		return -1;
	return through(o, k, nets, models, image, take_labels, &t, e);
}

int window_to_scores(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                     int soft, float *prob, struct err *e)
{
	struct target t = {.prob = prob, .soft = soft && !o->soft};

	return through(o, k, nets, models, image, take_scores, &t, e);
}

int window_labels(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3], uint8_t *pred,
                  struct err *e)
{
	const struct tensor t = {.dtype = DT_F32, .rank = 4, .shape = {net_channels(n), size[0], size[1], size[2]}, .data = (void *)image};
	const struct prob_rule rule = {.kind = PROB_ARGMAX};

	return window_to_labels(o, k, &n, 1, &t, &rule, pred, e);
}
