#include "lib/volume/prob/prob.h"

#include <stdlib.h>
#include <string.h>

/* prob, checked. */
static struct tensor *scores(const struct frame *f, struct err *e)
{
	struct tensor *t = frame_need(f, "prob", e);

	if (!t)
		return NULL;
	if (t->rank != 4 || !dtype_is_float(t->dtype)) {
		err_set(e, NULL, "tensor 'prob' is %s with %d axes (expected floats [K,Z,Y,X])", dtype_name(t->dtype), t->rank);
		return NULL;
	}
	if (t->shape[0] < 1 || t->shape[0] > PROB_CLASSES) {
		err_set(e, NULL, "tensor 'prob' has %lld classes (expected 1 to 256)", (long long)t->shape[0]);
		return NULL;
	}
	return t;
}

static int kind_of(const struct frame *f, enum prob_kind *k, struct err *e)
{
	const char *m = frame_meta(f, "prob");

	*k = !m ? PROB_UNKNOWN : !strcmp(m, "probabilities") ? PROB_PROBABILITIES : !strcmp(m, "logits") ? PROB_LOGITS : PROB_UNKNOWN;
	if (m && *k == PROB_UNKNOWN)
		return err_set(e, NULL, "metadata prob is '%.80s' (expected probabilities or logits)", m);
	return 0;
}

/* Make prob F32 in place. NULL and an error. */
static struct tensor *as_f32(struct frame *f, struct err *e)
{
	struct tensor *t = scores(f, e);
	float *v;

	if (!t || t->dtype == DT_F32)
		return t;
	v = tensor_to_f32(t, e);
	return v ? frame_adopt(f, "prob", DT_F32, 4, (int64_t[]){t->shape[0], t->shape[1], t->shape[2], t->shape[3]}, v, e) : NULL;
}

static int not_finite(int64_t z, struct err *e)
{
	return err_set(e, NULL, "tensor 'prob' is not finite at slice %lld", (long long)z);
}

int prob_soften(struct frame *f, struct err *e)
{
	int64_t k, nz, n, worst = INT64_MAX;
	struct tensor *t = as_f32(f, e);
	struct regions regions;
	struct prob_rule rule = {0};
	enum prob_kind kind;
	float *p;

	if (!t || kind_of(f, &kind, e) || regions_get(f, &regions, e))
		return -1;
	if (kind != PROB_LOGITS)
		return 0;
	rule.regions = regions.n ? &regions : NULL;
	if (prob_rule_check(&rule, t->shape[0], kind, e))
		return -1;
	k = t->shape[0], nz = t->shape[1], n = t->shape[2] * t->shape[3], p = t->data;
#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t z = 0; z < nz; z++)
		if (prob_rule_soften(&rule, p + z * n, k, nz * n, n))
			worst = z < worst ? z : worst;
	return worst < INT64_MAX ? not_finite(worst, e) : frame_set_meta(f, "prob", "probabilities", e);
}

static const char *regions_of(const struct frame *f)
{
	const char *text = frame_meta(f, "regions");

	return text ? text : "";
}

static int agree(const struct frame *f, const struct frame *other, struct err *e)
{
	const struct tensor *a = scores(f, e), *b = a ? scores(other, e) : NULL;
	enum prob_kind ka, kb;

	if (!b || kind_of(f, &ka, e) || kind_of(other, &kb, e))
		return -1;
	if (ka != kb)
		return err_set(e, NULL, "one holds probabilities, the other logits: metadata prob '%s' and '%s'",
		               frame_meta(f, "prob") ? frame_meta(f, "prob") : "", frame_meta(other, "prob") ? frame_meta(other, "prob") : "");
	if (strcmp(regions_of(f), regions_of(other)))
		return err_set(e, NULL, "one has other regions than the other: scores of different jobs");
	if (a->shape[0] != b->shape[0])
		return err_set(e, NULL, "%lld classes and %lld", (long long)a->shape[0], (long long)b->shape[0]);
	return 0;
}

int prob_add(struct frame *f, const struct frame *other, struct err *e)
{
	const struct tensor *b;
	struct tensor *a;
	float *sum, *v;

	if (agree(f, other, e))
		return -1;
	b = scores(other, e);
	a = as_f32(f, e);
	v = !a ? NULL : b->dtype == DT_F32 ? b->data : tensor_to_f32(b, e);
	if (!v)
		return -1;
	sum = a->data;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < tensor_count(a); i++)
		sum[i] += v[i];
	if (b->dtype != DT_F32)
		free(v);
	return 0;
}

int prob_divide(struct frame *f, int64_t n, struct err *e)
{
	struct tensor *t = as_f32(f, e);
	float *v, by = (float)n;

	if (!t)
		return -1;
	v = t->data;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < tensor_count(t); i++)
		v[i] /= by;
	return 0;
}

int prob_choice(struct prob_choice *c, struct regions *regions, const struct frame *f, struct err *e)
{
	const struct tensor *t = scores(f, e);
	struct prob_rule rule = {.regions = regions};
	enum prob_kind kind;

	if (!t || regions_get(f, regions, e))
		return -1;
	*c = (struct prob_choice){0};
	if (!regions->n)
		return 0;
	if (kind_of(f, &kind, e) || prob_rule_check(&rule, t->shape[0], kind, e))
		return -1;
	*c = (struct prob_choice){regions, prob_cut(kind)};
	return 0;
}

int prob_leave(struct frame *f, struct err *e)
{
	frame_drop(f, "prob");
	return frame_set_meta(f, "prob", NULL, e) || frame_set_meta(f, "regions", NULL, e) ? -1 : 0;
}

int prob_labels(struct frame *f, const struct prob_rule *how, struct err *e)
{
	const struct tensor *t = scores(f, e);
	struct prob_rule own = *how, *rule = &own;
	struct regions regions;
	int64_t shape[4], k, nz, n, worst = INT64_MAX;
	struct tensor *out;
	struct grid grid;
	enum prob_kind kind;
	const float *p;
	uint8_t *pred;

	if (!t || frame_grid(f, &grid, e) || regions_get(f, &regions, e))
		return -1;
	own.regions = regions.n ? &regions : NULL;
	if (kind_of(f, &kind, e) || prob_rule_check(rule, t->shape[0], kind, e) || !(t = as_f32(f, e)))
		return -1;
	memcpy(shape, t->shape, sizeof shape);
	k = shape[0], nz = shape[1], n = shape[2] * shape[3], p = t->data;
	out = frame_add(f, "pred", DT_U8, 3, shape + 1, e);
	if (!out)
		return -1;
	pred = out->data;
	if (rule->kind == PROB_DICE) {
		worst = prob_rule_dice(rule, p, k, kind, nz, n, pred);
		return worst < 0 ? 0 : not_finite(worst, e);
	}
#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t z = 0; z < nz; z++)
		if (prob_rule_labels(rule, kind, p + z * n, k, nz * n, n, pred + z * n))
			worst = z < worst ? z : worst;
	return worst < INT64_MAX ? not_finite(worst, e) : 0;
}
