/* Logits of slices, classes fastest, become labels or scores. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/net/window/window_run.h"
#include "lib/volume/prob/prob.h"

enum { ROOM = 16384 }; /* floats that lie on the stack */

struct window_slab window_slab(const struct window_opts *o, const struct net *n, const struct tensor *image)
{
	return (struct window_slab){.classes = net_classes(n), .slices = image->shape[1], .plane = image->shape[2] * image->shape[3],
	                            .each = o->each, .kind = o->soft ? PROB_PROBABILITIES : PROB_LOGITS};
}

int window_check_labels(const struct net *n, const struct prob_rule *rule, struct err *e)
{
	if (net_classes(n) > PROB_CLASSES)
		return err_set(e, NULL, "labels of a network with %d classes (at most %d)", net_classes(n), PROB_CLASSES);
	return prob_rule_check(rule, net_classes(n), PROB_LOGITS, e);
}

/* n voxels' scores, each class by itself: class c of voxel i is q[c * pitch + i]. */
static void apart(const float *l, int64_t k, int64_t n, float *q, int64_t pitch)
{
	for (int64_t c = 0; c < k; c++)
		for (int64_t i = 0; i < n; i++)
			q[c * pitch + i] = l[i * k + c];
}

static int all_finite(const float *l, int64_t n)
{
	int bad = 0;

	for (int64_t i = 0; i < n; i++)
		bad |= !(l[i] - l[i] == 0);
	return !bad;
}

static void soften_each(float *q, int64_t k, int64_t pitch, int64_t n)
{
	for (int64_t c = 0; c < k; c++)
		for (int64_t i = 0; i < n; i++)
			q[c * pitch + i] = 1 / (1 + expf(-q[c * pitch + i]));
}

static void soften(float *q, int64_t k, int64_t pitch, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		float most = q[i], sum = 0;

		for (int64_t c = 1; c < k; c++)
			most = q[c * pitch + i] > most ? q[c * pitch + i] : most;
		for (int64_t c = 0; c < k; c++)
			sum += q[c * pitch + i] = expf(q[c * pitch + i] - most);
		for (int64_t c = 0; c < k; c++)
			q[c * pitch + i] /= sum;
	}
}

static int not_finite(const struct window_slab *s, int64_t voxel, struct err *e)
{
	return err_set(e, NULL, "the network gives numbers that are not finite at slice %lld", (long long)(voxel / s->plane));
}

static int part_labels(const struct window_slab *s, const float *l, int64_t n, uint8_t *pred)
{
	float q[ROOM];

	apart(l, s->classes, n, q, n);
	return prob_rule_labels(s->rule, s->kind, q, s->classes, n, n, pred);
}

/* The label of a single class's score */
static uint8_t single(const struct window_slab *s, float score)
{
	uint8_t pred;

	(void)prob_rule_labels(s->rule, s->kind, &score, 1, 1, 1, &pred);
	return pred;
}

/* Finite floats by their order, from -FINITE on */
enum { FINITE = 0x7f7fffff };
static float float_at(int32_t i)
{
	uint32_t u = i < 0 ? 0x80000000u - (uint32_t)i : (uint32_t)i;
	float v;

	memcpy(&v, &u, sizeof v);
	return v;
}

/* The least score of a single class with label 1, which all above it have, too; infinite where none has. */
static float least(const struct window_slab *s)
{
	int64_t zero = -FINITE - 1LL, one = FINITE + 1LL;

	while (one - zero > 1) {
		const int64_t i = (zero + one) / 2;

		if (single(s, float_at((int32_t)i)))
			one = i;
		else
			zero = i;
	}
	return float_at((int32_t)one);
}

int window_slab_decide(const struct window_slab *s, struct k_decide *d)
{
	const struct regions *r = s->rule->regions;

	*d = (struct k_decide){.k = s->classes, .each = r != NULL};
	if (r) {
		d->cut = prob_cut(s->kind);
		memcpy(d->label, r->label, sizeof r->label);
		memcpy(d->order, r->order, sizeof r->order);
		return s->rule->kind == PROB_ARGMAX;
	}
	if (s->classes > 1 && s->rule->kind != PROB_ARGMAX)
		return 0;
	if (s->classes == 2)
		*d = (struct k_decide){.k = 1, .cut = FLT_MIN};
	if (s->classes > 1)
		return s->classes <= K_NO_LABEL;
	d->cut = least(s);
	d->never = single(s, s->kind == PROB_LOGITS ? WINDOW_NEVER : 0);
	return 1;
}

int64_t window_sums(const struct window_opts *o, struct net *const *nets, int models, const struct prob_rule *rule)
{
	const struct window_slab s = {.classes = net_classes(nets[0]), .rule = rule};
	struct k_decide how;
	const int64_t sums = s.classes > 1 && rule && window_slab_decide(&s, &how) ? how.k : s.classes;
	struct net_head head;

	return window_head(o, nets, models, sums, &head) ? head.features : sums;
}

int window_slab_check(const struct window_slab *s, int64_t v, int64_t n, const uint8_t *pred, struct err *e)
{
	const uint8_t *bad = memchr(pred, K_NO_LABEL, (size_t)n);

	return bad ? not_finite(s, v + (bad - pred), e) : 0;
}

int window_slab_labels(const struct window_slab *s, int64_t v, int64_t n, const float *l, uint8_t *pred, struct err *e)
{
	const int64_t k = s->classes, some = ROOM / k;
	int64_t worst = n;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < n; i += some) {
		const int64_t m = n - i < some ? n - i : some;

		if (part_labels(s, l + i * k, m, pred + i) && i < worst)
			worst = i;
	}
	return worst < n ? not_finite(s, v + worst, e) : 0;
}

int window_slab_scores(const struct window_slab *s, int64_t v, int64_t n, const float *l, float *to, int64_t pitch, struct err *e)
{
	const int64_t k = s->classes, some = ROOM / k;
	int64_t worst = n;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < n; i += some) {
		const int64_t m = n - i < some ? n - i : some;

		if (!all_finite(l + i * k, m * k) && i < worst)
			worst = i;
		apart(l + i * k, k, m, to + i, pitch);
		if (s->soft)
			(k == 1 || s->each ? soften_each : soften)(to + i, k, pitch, m);
	}
	return worst < n ? not_finite(s, v + worst, e) : 0;
}
