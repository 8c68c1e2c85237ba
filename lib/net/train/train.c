#include "lib/net/train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/net/run/device.h"
#include "lib/net/train/schedule.h"
#include "lib/net/train/train_begin.h"
#include "lib/net/train/validate.h"

char *train_last(const char *out)
{
	struct stat st;
	size_t n = strlen(out), stem = n > 3 && !strcmp(out + n - 3, ".ts") ? n - 3 : n;
	char *s = !stat(out, &st) && !S_ISREG(st.st_mode) ? NULL : malloc(n + 9);

	if (s)
		snprintf(s, n + 9, "%.*s.last.ts", (int)stem, out);
	return s;
}

/* -- files -------------------------------------------------------------------- */
static int write_state(struct train *r, const char *path, int optimizer, struct err *e)
{
	struct out o;

	if (out_open(&o, path, 1, e))
		return -1;
	if (resume_write(&r->at, &o, optimizer, e)) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e);
}

/* What was gathered for the next step leaves no trace in it: that will be gathered again. */
static int save_one(struct train *r, const char *path, int optimizer, struct err *e)
{
	const int within = r->part.batches > 0;
	int bad;

	if (r->par.rank)
		return 0;
	if (optim_average(&r->optim, 1, e) || (within && net_exchange(r->net, e)))
		return -1;
	bad = write_state(r, path, optimizer, e);
	return (within && net_exchange(r->net, e)) || bad ? -1 : 0;
}

static int save(struct train *r, struct err *e)
{
	if (!r->o->out || r->saved == r->at.step)
		return 0;
	if (isnan(r->at.best) && save_one(r, r->o->out, 0, e)) /* nothing better is known */
		return -1;
	if (r->last && save_one(r, r->last, 1, e)) /* then: killed between the two, it goes on from before both */
		return -1;
	r->saved = r->at.step;
	return 0;
}

static int summary(const struct train *r, struct err *e)
{
	struct out o;

	if (out_open(&o, NULL, 0, e))
		return -1;
	if (net_summary(r->net, &o, e)) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e);
}

/* -- steps -------------------------------------------------------------------- */
/* Are the weights numbers still? */
static int sound(const struct train *r)
{
	float *w, *g;
	int64_t total;
	double squares;
	struct err ignored;

	net_block(r->net, &w, &g, &total);
	return !r->k->sum_squares(w, total, &squares, &ignored) && isfinite(squares);
}

/* Where is the last good state? In what was saved last; in a run that has saved nothing, the state before this step becomes it, but not in place of
   that which was taken up. NULL: there was none. */
static const char *last_good(struct train *r)
{
	const char *from = r->o->resume ? r->o->resume : r->o->init;
	struct err ignored;

	if (r->last && r->saved > r->begun)
		return r->last;
	if (!r->last || r->par.size > 1 || r->at.step == r->begun || (from && !strcmp(from, r->last)))
		return from;
	return sound(r) && !save(r, &ignored) ? r->last : from;
}

static int refuse(struct train *r, const char *what, double v, const char *where, struct err *e)
{
	const char *kept = last_good(r);

	return err_set(e, feed_name(r->feed), "%s is %s at step %lld: %s%s%s", what, isnan(v) ? "not a number" : "infinite",
	               (long long)r->at.step + 1, where, kept ? "; the last good state is in " : "", kept ? kept : "");
}

/* A batch's labels, where the device reads them */
static const uint8_t *labels(struct train *r, const struct feed_batch *b, struct err *e)
{
	const size_t voxels = (size_t)(b->size[0] * b->size[1] * b->size[2]);

	if (device_is_host(r->k))
		return b->label;
	if (!r->label && !(r->label = r->k->alloc((size_t)r->h.batch * voxels, e)))
		return NULL;
	return r->k->copy(r->label, b->label, (size_t)b->n * voxels, K_TO_DEVICE, e) ? NULL : r->label;
}

/* Add a batch's gradients, as its share of the step, to those of the step in the making. */
static int gather(struct train *r, const struct feed_batch *b, struct err *e)
{
	struct train_part *p = &r->part;
	struct k_loss terms = r->loss.terms;
	size_t values = (size_t)(b->n * b->size[0] * b->size[1] * b->size[2] * b->channels);
	double share = (double)b->n / r->h.batch, out[3];
	const uint8_t *label;

	terms.w_dice *= (float)share;
	terms.w_ce *= (float)share;
	memcpy(p->who, b->who, sizeof p->who);
	net_dropout(r->net, (uint64_t)r->h.seed, b->first, b->stride);
	parallel_watch(&r->par, p->batches + 1 == r->par.rounds);
	if (!p->batches && (net_zero_grad(r->net, e) || net_aside(r->net, e)))
		return -1;
	p->batches++;
	p->patches += r->par.patches;
	p->hash += r->par.hash;
	p->next = r->par.next;
	p->share += (double)r->par.patches / r->h.batch;
	if (!b->n) /* other ranks have the last ones */
		return 0;
	if (optim_average(&r->optim, 0, e) || net_plan(r->net, b->n, b->size, 1, e) ||
	    r->k->copy(net_input(r->net), b->x, values * sizeof(float), K_TO_DEVICE, e) ||
	    !(label = labels(r, b, e)) || !net_forward(r->net, e) || net_backward(r->net, &terms, label, out, e))
		return err_prefix(e, "%s: %s", feed_name(r->feed), b->who);
	if (!isfinite(out[0]))
		return refuse(r, "the loss", out[0], p->who, e);
	p->loss[0] += out[0];
	for (int i = 1; i < 3; i++)
		p->loss[i] += share * out[i];
	return 0;
}

/* The step itself; *row becomes its row of the log. */
static int step(struct train *r, struct trainlog_row *row, struct err *e)
{
	struct train_part *p = &r->part;
	const struct loss *l = &r->loss;

	*row = (struct trainlog_row){.step = r->at.step + 1, .lr = schedule_lr(&r->h, r->at.step), .val_dice = NAN};
	if (parallel_sum(&r->par, p->loss, 3, e) || optim_step(&r->optim, row->step, row->lr, 1 / p->share, &row->grad_norm, e))
		return -1;
	if (!isfinite(row->grad_norm))
		return refuse(r, "the gradient", row->grad_norm, r->par.size > 1 ? "in the patches of some rank" : p->who, e);
	row->loss[0] = p->loss[0] / p->share + l->offset * (double)l->terms.w_dice;
	row->loss[1] = l->terms.w_dice > 0 ? p->loss[1] / p->share + l->offset : NAN;
	row->loss[2] = l->terms.w_ce > 0 ? p->loss[2] / p->share : NAN;
	r->at.step++;
	r->at.next = p->next;
	r->at.hash += p->hash;
	r->at.loss = row->loss[0];
	return 0;
}

/* The bar moves while volumes are segmented. */
static void tick(void *arg, int64_t done, int64_t total)
{
	struct train *r = arg;
	char note[80];

	snprintf(note, sizeof note, "loss %.4f, validating: window %lld/%lld", r->at.loss, (long long)done, (long long)total);
	progress_to(&r->bar, r->at.step - r->begun, note);
}

/* 1: a signal ended it, as if it had not begun. */
static int validate(struct train *r, double *dice, struct err *e)
{
	struct window_opts w = r->o->window;
	struct validate_sum sum;
	double added[2];
	int bad;

	if (optim_average(&r->optim, 1, e))
		return -1;
	w.tick = tick;
	w.tick_arg = r;
	if (!w.roi[0])
		memcpy(w.roi, r->at.roi, sizeof w.roi);
	bad = validate_run(r->o->val, &w, r->k, r->net, (json_t *)r->at.replay, (int)r->h.ignore, r->par.rank, r->par.size, r->o->stop, &sum, e);
	added[0] = sum.dice, added[1] = (double)sum.cases;
	if (bad < 0 || parallel_add(&r->par, added, 2, r->o->stop, &bad, e) || bad)
		return bad > 0 ? 1 : -1;
	*dice = added[1] > 0 ? added[0] / added[1] : NAN;
	r->at.val_step = r->at.step;
	r->at.val_dice = *dice;
	r->at.stale++;
	if (isnan(*dice) || *dice <= r->at.best)
		return 0;
	r->at.stale = 0;
	r->at.best = *dice;
	r->at.best_step = r->at.step;
	return r->o->out ? save_one(r, r->o->out, 0, e) : 0;
}

static int due(const struct train *r)
{
	return r->o->val && r->o->val_every && r->at.step > 0 && r->at.step % r->o->val_every == 0;
}

static void show(struct train *r, const struct feed_batch *b)
{
	const int64_t each = (int64_t)r->h.batch * r->par.rounds;
	char note[64];
	int used = snprintf(note, sizeof note, "loss %.4f", r->at.loss);

	if (!isnan(r->at.val_dice))
		snprintf(note + used, sizeof note - (size_t)used, " val dice %.4f", r->at.val_dice);
	if (!r->bar.total && b->left >= 0)
		r->bar.total = r->at.step - r->begun + (b->left + each - 1) / each;
	if (r->h.steps > 0 && (!r->bar.total || r->bar.total > (int64_t)r->h.steps - r->begun))
		r->bar.total = (int64_t)r->h.steps - r->begun;
	progress_to(&r->bar, r->at.step - r->begun, note);
}

/* What was gathered becomes a step. */
static int finish_step(struct train *r, struct err *e)
{
	const struct train_opts *o = r->o;
	struct trainlog_row row;
	double now;

	if (step(r, &row, e))
		return -1;
	now = progress_now();
	row.rate = now > r->since ? (double)r->part.patches / (now - r->since) : 0;
	row.wait = now > r->since ? (feed_waited(r->feed) - r->waited) / (now - r->since) : 0;
	r->part = (struct train_part){0};
	if (due(r) && validate(r, &row.val_dice, e) < 0)
		return -1;
	if (trainlog_write(&r->log, &row, e))
		return -1;
	if ((due(r) || (o->save_every && r->at.step % o->save_every == 0)) && save(r, e))
		return -1;
	r->since = progress_now();
	r->waited = feed_waited(r->feed);
	return 0;
}

static int one_batch(struct train *r, const struct feed_batch *b, struct err *e)
{
	if (gather(r, b, e))
		return -1;
	if (r->part.batches < r->par.rounds)
		return 0;
	if (finish_step(r, e))
		return -1;
	show(r, b);
	return 0;
}

static int out_of_patience(const struct train *r)
{
	return r->o->patience && r->at.stale >= r->o->patience;
}

/* Between two steps: is it over? */
static int over(const struct train *r)
{
	return !r->part.batches && ((r->h.steps > 0 && (double)r->at.step >= r->h.steps) || out_of_patience(r));
}

/* Until the stream ends, the steps are done, patience is at its end, or a signal says so. 0, -1, or the signal. */
static int loop(struct train *r, struct err *e)
{
	const struct feed_batch *b;
	struct err save_failed;
	double dice;
	int got;

	if (due(r) && r->at.val_step != r->at.step) { /* the run before was stopped in it */
		int bad = validate(r, &dice, e);

		if (bad)
			return bad < 0 ? -1 : r->par.signal;
	}
	while ((got = parallel_next(&r->par, r->feed, r->o->stop, &b, e)) > 0) {
		if (r->par.signal && r->par.signal != SIGUSR1)
			return r->par.signal;
		if (r->par.signal && save(r, e))
			return -1;
		if (over(r))
			return 0;
		if (got == 1 && one_batch(r, b, e))
			return -1;
	}
	if (got < 0 && comm_failed(r->par.comm) < 2)
		(void)save(r, &save_failed); /* the stream's error is the one to tell; where a rank is gone, the launcher is about to kill the rest */
	return got || !r->part.batches ? got : finish_step(r, e);
}

static int finish(struct train *r, int *signal, struct err *e)
{
	const struct train_opts *o = r->o;
	double dice;

	if (!*signal && o->val && r->at.val_step != r->at.step) {
		int bad = validate(r, &dice, e);

		if (bad < 0)
			return -1;
		*signal = bad ? r->par.signal : 0;
		r->saved = -1; /* what was saved does not know this validation */
	}
	if (save(r, e) || trainlog_close(&r->log, e))
		return -1;
	progress_end(&r->bar);
	return o->out ? 0 : save_one(r, NULL, 1, e);
}

static int train(struct train *r, const struct arg_common *common, struct train_result *res, struct err *e)
{
	const struct train_opts *o = r->o;
	struct arg_common own = *common;
	const struct feed_batch *b;
	int got, signal, impatient;

	if (parallel_open(&r->par, &o->parallel, o->stop, e) || train_begin(r, e))
		return -1;
	own.verbose = own.verbose && !r->par.rank;
	own.progress = r->par.rank ? 3 : own.progress;
	r->feed = feed_open(o->input, r->k, (int64_t)r->h.batch, r->net ? net_labels(r->net) : o->classes > 1 ? o->classes : 2, (int)r->h.ignore, e);
	if (!r->feed)
		return -1;
	got = feed_next(r->feed, o->stop, &b, e);
	if (got != 1)
		return got == 2 ? err_set(e, NULL, "stopped by a signal before the first step") : -1;
	if (train_begin_with(r, b, e))
		return -1;
	if (o->summary)
		return summary(r, e);
	if (o->log && !r->par.rank && trainlog_open(&r->log, o->log, r->at.step, e))
		return -1;
	if (own.verbose && *device_why())
		err_warn("%s", device_why());
	if (own.verbose)
		err_warn("%s: %lld parameters, %lld patch(es) a step, activations %.1f MB", r->k->device, (long long)r->optim.total,
		         (long long)(r->h.batch * r->h.accumulate), (double)net_arena(r->net) / 1e6);
	progress_start(&r->bar, &own, "step", 0);
	r->since = progress_now();
	r->waited = feed_waited(r->feed);
	signal = loop(r, e);
	if (signal < 0 && r->k->lost && r->k->lost(e))
		err_prefix(e, "step %lld, or before", (long long)r->at.step + 1);
	impatient = !signal && out_of_patience(r);
	if (signal < 0 || finish(r, &signal, e))
		return -1;
	if (own.verbose)
		parallel_report(&r->par);
	if (own.verbose && *net_plain(r->net))
		err_warn("operations are given to the device one by one: %s", net_plain(r->net));
	*res = (struct train_result){.step = r->at.step, .next = r->at.next, .signal = signal, .loss = r->at.loss, .val_dice = r->at.val_dice,
		.best = r->at.best, .best_step = r->at.best_step, .stale = r->at.stale, .impatient = impatient, .rank = r->par.rank};
	return 0;
}

int train_run(const struct train_opts *o, const struct arg_common *common, struct train_result *res, struct err *e)
{
	struct train r = {.o = o, .h = o->hyper, .at = {.optim = &r.optim, .loss = NAN, .val_dice = NAN, .best = NAN}, .log = {.fd = -1},
		.par = {.size = 1}};
	struct err ignored;
	int bad;

	memset(res, 0, sizeof *res);
	bad = train(&r, common, res, e);
	(void)trainlog_close(&r.log, &ignored);
	bad = parallel_close(&r.par, bad, e);
	feed_close(r.feed);
	optim_close(&r.optim);
	if (r.k)
		r.k->release(r.label);
	net_free(r.net);
	model_close(&r.from);
	json_decref(r.at.options);
	json_decref(r.at.inputs);
	free(r.last);
	return bad;
}
