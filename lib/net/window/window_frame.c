#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/spool.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"

/* A frame that is written while its result is made. */
struct job {
	const struct window_opts *o;
	const struct k_backend *k;
	struct net *const *nets;
	int models;
	struct tensor image;
	struct window_slab slab;
	void *piece;        /* the result of `some` voxels */
	int64_t some;
	struct spool spool; /* all classes' scores but the first's, which is written at once */
};

int window_broken(struct window_pipe *p)
{
	p->broken = 1;
	return -1;
}

static int put(const struct job *j, const void *p, size_t n, struct err *e)
{
	return out_write(j->o->pipe->out, p, n, e) ? window_broken(j->o->pipe) : 0;
}

static int put_decided(void *arg, int64_t v, int64_t n, const void *pred, struct err *e)
{
	const struct job *j = arg;

	return window_slab_check(&j->slab, v, n, pred, e) || put(j, pred, (size_t)n, e) ? -1 : 0;
}

static int put_labels(void *arg, int64_t v, int64_t n, const void *made, struct err *e)
{
	const struct job *j = arg;
	const float *l = made;

	for (int64_t i = 0; i < n; i += j->some) {
		const int64_t m = n - i < j->some ? n - i : j->some;

		if (window_slab_labels(&j->slab, v + i, m, l + i * j->slab.classes, j->piece, e) || put(j, j->piece, (size_t)m, e))
			return -1;
	}
	return 0;
}

static int put_scores(void *arg, int64_t v, int64_t n, const void *made, struct err *e)
{
	const struct job *j = arg;
	const int64_t all = j->slab.slices * j->slab.plane, k = j->slab.classes;
	const float *l = made, *q = j->piece;

	for (int64_t i = 0; i < n; i += j->some) {
		const int64_t m = n - i < j->some ? n - i : j->some, size = m * (int64_t)sizeof *q;

		if (window_slab_scores(&j->slab, v + i, m, l + i * k, j->piece, m, e) || put(j, q, (size_t)size, e))
			return -1;
		for (int64_t c = 1; c < k; c++)
			if (spool_put(&j->spool, ((c - 1) * all + v + i) * (int64_t)sizeof *q, q + c * m, (size_t)size, e))
				return window_broken(j->o->pipe);
	}
	return 0;
}

/* What waited. */
static int put_rest(const struct job *j, struct err *e)
{
	const size_t n = sizeof(float) * (size_t)((j->slab.classes - 1) * j->slab.slices * j->slab.plane);

	return spool_out(&j->spool, 0, n, j->o->pipe->out, e) ? window_broken(j->o->pipe) : 0;
}

static int result(struct job *j, struct err *e)
{
	struct window_opts o = *j->o;
	struct k_decide how;

	if (!j->slab.rule)
		return window_nets(&o, j->k, j->nets, j->models, &j->image, put_scores, j, e) ? -1 : put_rest(j, e);
	o.decide = window_slab_decide(&j->slab, &how) ? &how : NULL;
	return window_nets(&o, j->k, j->nets, j->models, &j->image, o.decide ? put_decided : put_labels, j, e);
}

/* The frame, in which the result is the one tensor without data. */
static int write_frame(struct frame *f, struct job *j, struct err *e)
{
	if (frame_write_header(f, j->o->pipe->out, e))
		return window_broken(j->o->pipe);
	for (int i = 0; i < f->n; i++)
		if (f->t[i].data ? put(j, f->t[i].data, f->t[i].size, e) : result(j, e))
			return -1;
	return 0;
}

static int open_job(struct job *j, struct err *e)
{
	enum { PIECE = 8 << 20 };
	const int64_t bytes = j->slab.rule ? 1 : (int64_t)sizeof(float) * j->slab.classes, all = j->slab.slices * j->slab.plane;

	j->spool.fd = -1;
	j->some = bytes < PIECE ? PIECE / bytes : 1;
	if (j->some > all)
		j->some = all;
	j->piece = mem_new((size_t)j->some, (size_t)bytes, "a part of the result", e);
	if (!j->piece)
		return -1;
	if (j->slab.rule || j->slab.classes == 1)
		return 0;
	return spool_open(&j->spool, e) ? window_broken(j->o->pipe) : 0;
}

static void close_job(struct job *j)
{
	spool_close(&j->spool);
	free(j->piece);
}

static int to_pipe(struct frame *f, struct job *j, struct err *e)
{
	const int64_t *s = j->image.shape;
	const struct tensor *t = j->slab.rule ? frame_adopt(f, "pred", DT_U8, 3, s + 1, NULL, e)
	                                      : frame_adopt(f, "prob", DT_F32, 4, (int64_t[]){j->slab.classes, s[1], s[2], s[3]}, NULL, e);
	int bad = !t || open_job(j, e) || write_frame(f, j, e);

	close_job(j);
	return bad ? -1 : 0;
}

/* The Dice rule needs the probabilities of the whole volume. */
static int dice(struct frame *f, struct job *j, const struct prob_rule *rule, struct err *e)
{
	const int64_t *s = j->image.shape;
	struct tensor *t = frame_add(f, "prob", DT_F32, 4, (int64_t[]){j->slab.classes, s[1], s[2], s[3]}, e);

	if (!t || frame_set_meta(f, "prob", "probabilities", e) || regions_set(f, rule->regions, e) ||
	    window_scores(j->o, j->k, j->nets, j->models, &j->image, t->data, e) ||
	    prob_labels(f, rule, e))
		return -1;
	return prob_leave(f, e) || frame_write(f, j->o->pipe->out, e) ? -1 : 0;
}

static int check_image(const struct tensor *t, const struct net *n, struct err *e)
{
	if (t->rank != 4)
		return err_set(e, NULL, "tensor 'image' has %d axes (expected [C,Z,Y,X])", t->rank);
	return net_takes(n, t->shape[0], e);
}

/* The tensor without its frame, whose own is dropped; its data, if owned, are the caller's to free. */
static struct tensor take_out(struct frame *f, const char *name)
{
	struct tensor *t = frame_find(f, name), out = {0};

	if (t) {
		out = *t;
		t->owned = 0;
		frame_drop(f, name);
	}
	return out;
}

static int segment(struct frame *f, struct job *j, enum window_output output, const struct prob_rule *rule, struct err *e)
{
	if (output == WINDOW_LABELS && rule->kind == PROB_DICE)
		return dice(f, j, rule, e);
	if (output == WINDOW_LABELS) {
		j->slab.rule = rule;
		return window_check_labels(*j->nets, rule, e) ? -1 : to_pipe(f, j, e);
	}
	j->slab.soft = output == WINDOW_PROB && !j->o->soft;
	return regions_set(f, rule->regions, e) || frame_set_meta(f, "prob", output == WINDOW_PROB ? "probabilities" : "logits", e) ? -1 : to_pipe(f, j, e);
}

int window_frame(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                 enum window_output output, const struct prob_rule *rule, int keep, struct err *e)
{
	struct tensor *t = frame_need(f, "image", e), old;
	struct window_opts own = *o;
	struct job j = {.o = &own, .k = k, .nets = nets, .models = models};
	int bad;

	own.each = rule->regions != NULL;
	if (!t || check_image(t, *nets, e))
		return -1;
	if ((keep || t->shape[0] > 1 || (o->skip_air && !device_is_host(k))) && stream_take(o->pipe->in, f, e))
		return window_broken(o->pipe);
	j.image = keep ? *t : take_out(f, "image");
	old = take_out(f, output == WINDOW_LABELS ? "pred" : "prob"); /* may be the mask */
	j.slab = window_slab(&own, *nets, &j.image);
	bad = segment(f, &j, output, rule, e);
	if (old.owned)
		free(old.data);
	if (!keep && j.image.owned)
		free(j.image.data);
	return bad;
}
