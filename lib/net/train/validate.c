#include "lib/net/train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/train/known.h"
#include "lib/stream/stream.h"
#include "lib/stream/values.h"

enum { CLASSES = 256 };

static int usable(const struct frame *f, const struct net *n, struct grid *g, struct err *e)
{
	const struct tensor *image = frame_need(f, "image", e), *label = image ? frame_need(f, "label", e) : NULL;

	if (!label || !frame_labels(f, "label", e) || frame_grid(f, g, e))
		return -1;
	return net_takes(n, image->rank == 4 ? image->shape[0] : 1, e);
}

static struct known known(const struct net *n, const struct model *m, int ignore)
{
	return (struct known){net_labels(n), m->regions.n ? &m->regions : NULL, ignore};
}

/* Voxels of each label. */
static int count(const struct tensor *label, const struct known *k, int64_t truth[CLASSES], struct err *e)
{
	const int64_t n = tensor_count(label);

	for (int64_t i = 0; i < n; i++) {
		double v = label->dtype == DT_U8 ? ((const uint8_t *)label->data)[i] : tensor_value(label, i);

		if (!known_is(k, v))
			return known_refuse(k, v, "", e);
		if (known_ignored(k, v))
			continue;
		truth[(int)v]++;
	}
	return 0;
}

static int all_finite(const struct tensor *t, struct err *e)
{
	struct tensor_stats s;

	tensor_stats(t, &s);
	return !s.nan && isfinite(s.min) && isfinite(s.max) ? 0 : err_set(e, NULL, "the image has values that are not finite");
}

static int check(const struct frame *f, const struct net *n, const struct model *like, int ignore, struct validate_found *found, struct err *e)
{
	int64_t truth[CLASSES] = {0}, foreground = 0;
	const struct known k = known(n, like, ignore);
	struct grid g;
	char code[4];

	if (usable(f, n, &g, e) || model_check_replay(like, f, e) || count(frame_find(f, "label"), &k, truth, e) ||
	    all_finite(frame_find(f, "image"), e))
		return -1;
	for (int c = 1; c < CLASSES; c++)
		foreground += truth[c];
	found->labelled += foreground > 0;
	found->turned += model_turned(like, &g, code);
	return 0;
}

int validate_check(const char *path, const struct net *n, const struct model *like, int ignore, int rank, int size, struct validate_found *found,
                   struct err *e)
{
	struct stream *s = stream_open(path, e);
	struct frame f;
	int r = s ? 1 : -1;

	*found = (struct validate_found){0};
	if (s && !stream_mapped(s))
		r = err_set(e, path, "is not a saved stream: validation volumes are gone over again and again");
	for (int64_t i = 0; r == 1 && (r = stream_next(s, &f, e)) == 1; i++) {
		if (i % size == rank && check(&f, n, like, ignore, found, e))
			r = err_prefix(e, "%s: %s", path, frame_id(&f));
		frame_free(&f);
	}
	stream_close(s);
	return r;
}

/* Voxels of both masks together, and of what they have in common, of a class or region */
struct dice { int64_t both, all; };

/* Of labels that are `truth` and `pred` at n voxels */
static void add(struct dice *d, const struct known *k, int truth, int pred, int64_t n)
{
	for (int c = 0; k->regions && c < k->regions->n; c++) {
		const int t = k->regions->of[truth] >> c & 1, p = k->regions->of[pred] >> c & 1;

		d[c].both += n * (t & p);
		d[c].all += n * (t + p);
	}
	if (k->regions)
		return;
	d[truth].all += n;
	d[pred].all += n;
	d[truth].both += truth == pred ? n : 0;
}

/* Dice of each class or region in either, their mean. */
static int score(const struct tensor *label, const uint8_t *pred, const struct known *k, double *dice, struct err *e)
{
	int64_t ignored[CLASSES] = {0}, n = tensor_count(label), (*pairs)[CLASSES] = mem_zero(CLASSES, sizeof *pairs, "pairs of labels", e);
	struct dice d[CLASSES] = {{0}};
	double sum = 0;
	int counted = 0;

	if (!pairs || count(label, k, ignored, e)) {
		free(pairs);
		return -1;
	}
	for (int64_t i = 0; i < n; i++) {
		double v = label->dtype == DT_U8 ? ((const uint8_t *)label->data)[i] : tensor_value(label, i);

		if (!known_ignored(k, v))
			pairs[(int)v][pred[i]]++;
	}
	for (int i = 0; i < CLASSES * CLASSES; i++)
		if (pairs[i / CLASSES][i % CLASSES])
			add(d, k, i / CLASSES, i % CLASSES, pairs[i / CLASSES][i % CLASSES]);
	free(pairs);
	for (int c = k->regions ? 0 : 1; c < (k->regions ? k->regions->n : k->classes); c++)
		if (d[c].all) {
			sum += 2.0 * (double)d[c].both / (double)d[c].all;
			counted++;
		}
	*dice = counted ? sum / counted : NAN;
	return 0;
}

static int one(const struct window_opts *o, const struct k_backend *k, struct net *n, const struct model *m, const struct frame *f, int ignore,
               double *dice, struct err *e)
{
	const struct known labels = known(n, m, ignore);
	struct window_opts own = *o;
	struct grid g;
	float *image = NULL;
	uint8_t *pred = NULL;
	int r = -1;

	if (usable(f, n, &g, e) || model_check_replay(m, f, e))
		return -1;
	int64_t size[3] = {g.size[2], g.size[1], g.size[0]};
	pred = mem_new((size_t)(size[0] * size[1] * size[2]), 1, "a prediction", e);
	image = pred ? tensor_to_f32(frame_find(f, "image"), e) : NULL;
	if (!image)
		goto out;
	window_fit(n, size, own.roi);
	r = window_labels(&own, k, n, m->regions.n ? &m->regions : NULL, image, size, pred, e);
	if (!r)
		r = score(frame_find(f, "label"), pred, &labels, dice, e);
out:
	free(image);
	free(pred);
	return r;
}

/* Windows are told of as the caller has it, and a signal ends them. */
struct watch { const struct window_opts *o; const volatile sig_atomic_t *stop; int ended; };

static int watch(void *arg, int64_t done, int64_t total)
{
	struct watch *w = arg;

	w->ended = (w->o->tick && w->o->tick(w->o->tick_arg, done, total)) || (w->stop && *w->stop && *w->stop != SIGUSR1);
	return w->ended;
}

int validate_run(const char *path, const struct window_opts *o, const struct k_backend *k, struct net *n, const struct model *like, int ignore,
                 int rank, int size, const volatile sig_atomic_t *stop, struct validate_sum *sum, struct err *e)
{
	struct watch w = {.o = o, .stop = stop};
	struct window_opts own = *o;
	struct stream *s = stream_open(path, e);
	struct frame f;
	double d;
	int r = s ? 1 : -1;

	own.tick = watch;
	own.tick_arg = &w;
	*sum = (struct validate_sum){0};
	for (int64_t i = 0; r == 1 && !w.ended && (r = stream_next(s, &f, e)) == 1; i++) {
		if (i % size == rank) {
			if (!one(&own, k, n, like, &f, ignore, &d, e)) {
				sum->dice += isnan(d) ? 0 : d;
				sum->cases += !isnan(d);
			} else if (!w.ended)
				r = err_prefix(e, "%s: %s", path, frame_id(&f));
		}
		frame_free(&f);
	}
	stream_close(s);
	return r < 0 ? -1 : w.ended;
}
