/* Windows through a network, and what becomes of the logits: labels or scores. */
#include <math.h>
#include <string.h>

#include "lib/net/window.h"

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
	int soft;
};

/* Above one half, by the sigmoid. */
static int above_half(const float *l, uint8_t *pred, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++) {
		pred[i] = l[i] > 0;
		bad |= !(l[i] - l[i] == 0);
	}
	return bad;
}

static int argmax_two(const float *l, uint8_t *pred, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++) {
		float d = l[2 * i + 1] - l[2 * i];

		pred[i] = d > 0;
		bad |= !(d - d == 0);
	}
	return bad;
}

static int argmax_any(const float *l, uint8_t *pred, int64_t n, int64_t k)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++, l += k) {
		int64_t best = 0;

		for (int64_t c = 0; c < k; c++) {
			bad |= !(l[c] - l[c] == 0);
			if (l[c] > l[best])
				best = c;
		}
		pred[i] = (uint8_t)best;
	}
	return bad;
}

static int not_finite(int64_t z, struct err *e)
{
	return err_set(e, NULL, "the network gives numbers that are not finite at slice %lld", (long long)z);
}

static int take_labels(void *arg, int64_t z, int64_t n, const float *logits, struct err *e)
{
	const struct target *t = arg;
	int64_t worst = INT64_MAX;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < n; i++) {
		const float *l = logits + i * t->plane * t->classes;
		uint8_t *pred = t->pred + (z + i) * t->plane;
		int bad = t->classes == 1 ? above_half(l, pred, t->plane)
		        : t->classes == 2 ? argmax_two(l, pred, t->plane) : argmax_any(l, pred, t->plane, t->classes);

		if (bad && z + i < worst)
			worst = z + i;
	}
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

static int through(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3],
                   window_sink *sink, struct target *t, struct err *e)
{
	struct window_predictor p = window_net(n);
	struct window_opts fitted = *o;

	t->classes = p.classes;
	t->plane = size[1] * size[2];
	t->volume = size[0] * t->plane;
	window_fit(n, size, fitted.roi);
	return window_run(&fitted, k, &p, image, size, sink, t, e);
}

int window_labels(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3], uint8_t *pred,
                  struct err *e)
{
	struct target t = {.pred = pred};

	if (net_classes(n) > 256)
		return err_set(e, NULL, "labels of a network with %d classes (expected 1 to 256)", net_classes(n));
	return through(o, k, n, image, size, take_labels, &t, e);
}

int window_scores(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3], int soft,
                  float *prob, struct err *e)
{
	struct target t = {.prob = prob, .soft = soft};

	return through(o, k, n, image, size, take_scores, &t, e);
}
