#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/window_run.h"
#include "lib/stream/values.h"
#include "lib/volume/prob.h"

/* Exponent all ones: infinite or not a number. */
static int finite_row(const float *v, int64_t n)
{
	uint32_t bad = 0;

	for (int64_t i = 0; i < n; i++) {
		uint32_t u;

		memcpy(&u, &v[i], sizeof u);
		bad |= (u & 0x7f800000u) == 0x7f800000u;
	}
	return !bad;
}

static int finite_plane(const struct tensor *t, int64_t first, int64_t n)
{
	enum { ROW = 4096 };
	float row[ROW];

	if (t->dtype == DT_F32)
		return finite_row((const float *)t->data + first, n);
	for (int64_t i = 0; i < n; i += ROW) {
		int64_t m = n - i < ROW ? n - i : ROW;

		tensor_load_f32(t, first + i, m, row);
		if (!finite_row(row, m))
			return 0;
	}
	return 1;
}

static int check_finite(const struct tensor *t, struct err *e)
{
	const int64_t *shape = t->shape, plane = shape[2] * shape[3], planes = shape[0] * shape[1];
	int64_t worst = planes;

	if (!dtype_is_float(t->dtype))
		return 0;
#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < planes; i++)
		if (i < worst && !finite_plane(t, i * plane, plane))
			worst = i;
	if (worst == planes)
		return 0;
	return shape[0] == 1 ? err_set(e, NULL, "the image has values that are not finite in slice %lld", (long long)worst)
	                     : err_set(e, NULL, "the image has values that are not finite in slice %lld of channel %lld", (long long)(worst % shape[1]),
	                               (long long)(worst / shape[1]));
}

static int check_image(const struct tensor *t, const struct net *n, struct err *e)
{
	if (t->rank != 4)
		return err_set(e, NULL, "tensor 'image' has %d axes (expected [C,Z,Y,X])", t->rank);
	if (t->shape[0] != net_channels(n))
		return err_set(e, NULL, "the image has %lld channel%s, the model wants %d", (long long)t->shape[0], t->shape[0] == 1 ? "" : "s", net_channels(n));
	return check_finite(t, e);
}

static int labels(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                  const struct tensor *image, const struct prob_rule *rule, struct err *e)
{
	struct tensor *t = frame_add(f, "pred", DT_U8, 3, image->shape + 1, e);

	return t ? window_to_labels(o, k, nets, models, image, rule, t->data, e) : -1;
}

static int scores(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                  const struct tensor *image, int soft, struct err *e)
{
	const int64_t *s = image->shape;
	struct tensor *t = frame_add(f, "prob", DT_F32, 4, (int64_t[]){net_classes(*nets), s[1], s[2], s[3]}, e);

	if (!t || frame_set_meta(f, "prob", soft ? "probabilities" : "logits", e))
		return -1;
	return window_to_scores(o, k, nets, models, image, soft, t->data, e);
}

/* The Dice rule needs the probabilities of the whole volume. */
static int dice_labels(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                       const struct tensor *image, const struct prob_rule *rule, struct err *e)
{
	if (scores(o, k, nets, models, f, image, 1, e) || prob_labels(f, rule, e))
		return -1;
	frame_drop(f, "prob");
	return frame_set_meta(f, "prob", NULL, e);
}

int window_frame(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                 enum window_output output, const struct prob_rule *rule, struct err *e)
{
	const struct tensor *t = frame_need(f, "image", e);
	struct tensor image;

	if (!t || check_image(t, *nets, e))
		return -1;
	image = *t; /* adding a tensor moves the frame's others, not their data */
	if (output != WINDOW_LABELS)
		return scores(o, k, nets, models, f, &image, output == WINDOW_PROB, e);
	return (rule->kind == PROB_DICE ? dice_labels : labels)(o, k, nets, models, f, &image, rule, e);
}
