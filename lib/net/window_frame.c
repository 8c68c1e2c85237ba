#include <stdlib.h>
#include <string.h>

#include "lib/net/window.h"

/* Exponent all ones: infinite or not a number. */
static int finite_plane(const float *v, int64_t n)
{
	uint32_t bad = 0;

	for (int64_t i = 0; i < n; i++) {
		uint32_t u;

		memcpy(&u, &v[i], sizeof u);
		bad |= (u & 0x7f800000u) == 0x7f800000u;
	}
	return !bad;
}

static int check_finite(const float *v, const int64_t shape[4], struct err *e)
{
	const int64_t plane = shape[2] * shape[3], planes = shape[0] * shape[1];
	int64_t worst = planes;

#pragma omp parallel for schedule(static) reduction(min:worst)
	for (int64_t i = 0; i < planes; i++)
		if (i < worst && !finite_plane(v + i * plane, plane))
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
	return 0;
}

static int labels(const struct window_opts *o, const struct k_backend *k, struct net *n, struct frame *f, const float *image, const int64_t size[3],
                  struct err *e)
{
	struct tensor *t = frame_add(f, "pred", DT_U8, 3, size, e);

	return t ? window_labels(o, k, n, image, size, t->data, e) : -1;
}

static int scores(const struct window_opts *o, const struct k_backend *k, struct net *n, struct frame *f, const float *image, const int64_t size[3],
                  int soft, struct err *e)
{
	struct tensor *t = frame_add(f, "prob", DT_F32, 4, (int64_t[]){net_classes(n), size[0], size[1], size[2]}, e);

	if (!t || frame_set_meta(f, "prob", soft ? "probabilities" : "logits", e))
		return -1;
	return window_scores(o, k, n, image, size, soft, t->data, e);
}

int window_frame(const struct window_opts *o, const struct k_backend *k, struct net *n, struct frame *f, enum window_output output, struct err *e)
{
	const struct tensor *t = frame_need(f, "image", e);
	float *image, *copy = NULL;
	int64_t shape[4];
	int r;

	if (!t || check_image(t, n, e))
		return -1;
	memcpy(shape, t->shape, sizeof shape);
	image = t->dtype == DT_F32 ? t->data : (copy = tensor_to_f32(t, e));
	if (!image)
		return -1;
	r = check_finite(image, shape, e);
	if (!r)
		r = output == WINDOW_LABELS ? labels(o, k, n, f, image, shape + 1, e) : scores(o, k, n, f, image, shape + 1, output == WINDOW_PROB, e);
	free(copy);
	return r;
}
