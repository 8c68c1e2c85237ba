#include "lib/net/train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/net/run/device.h"
#include "lib/net/train/train_step.h"
#include "lib/net/train/validate.h"
#include "lib/stream/history.h"

enum { PATIENCE = 600 }; /* seconds between saves, where --save-every does not say: no crash costs more */

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

static int out_of_patience(const struct train *r)
{
	return r->o->patience && r->at.stale >= r->o->patience;
}

static int enough(const struct train *r)
{
	return (r->h.steps > 0 && (double)r->at.step >= r->h.steps) || out_of_patience(r);
}

/* Is the validation at the end all that is to be done? Then the state says what one goes on without patches with. */
static void note_pending(struct train *r)
{
	const int left = r->o->val && r->at.val_step != r->at.step && (r->through || enough(r) || (r->all >= 0 && r->at.next >= r->all));
	json_t *was = r->at.pending;

	r->at.pending = left ? json_pack("{s:O*, s:o}", "drawing", r->at.drawing, "roi", json_ints(r->at.roi, 3)) : NULL;
	json_decref(was);
}

int train_save(struct train *r, struct err *e)
{
	if (!r->o->out || r->saved == r->at.step)
		return 0;
	note_pending(r);
	if (isnan(r->at.best) && save_one(r, r->o->out, 0, e)) /* nothing better is known */
		return -1;
	if (r->last && save_one(r, r->last, 1, e)) /* then: killed between the two, it goes on from before both */
		return -1;
	r->saved = r->at.step;
	r->saved_at = progress_now();
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
/* The bar moves while volumes are segmented. */
static int tick(void *arg, int64_t done, int64_t total)
{
	struct train *r = arg;
	char note[80];

	snprintf(note, sizeof note, "loss %.4f, validating: window %lld/%lld", r->at.loss, (long long)done, (long long)total);
	progress_to(&r->bar, r->at.step - r->begun, note);
	return 0;
}

/* 1: a signal ended it, as if it had not begun. */
static int validate(struct train *r, double *dice, struct err *e)
{
	const struct model like = train_like(r);
	struct window_opts w = r->o->window;
	struct validate_sum sum;
	double added[2];
	int bad;

	if (optim_average(&r->optim, 1, e))
		return -1;
	w.tick = tick;
	w.tick_arg = r;
	r->bar.shown = 0; /* that it has begun is seen at once */
	if (!w.roi[0])
		memcpy(w.roi, r->at.roi, sizeof w.roi);
	bad = validate_run(r->o->val, &w, r->k, r->net, &like, (int)r->h.ignore, r->par.rank, r->par.size, r->o->stop, &sum, e);
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

/* For --verbose: what share of the steps' time was spent waiting for patches */
static void tally(struct train *r, const struct trainlog_row *row)
{
	const double seconds = row->rate > 0 ? 1 / row->rate : 0;

	r->spent += seconds;
	r->idle += seconds * row->wait;
}

/* What is no part of training has failed, a validation or the log: what was learnt is saved all the same, but where a rank is gone, for then the
   launcher is about to kill the rest. -1 */
static int keep(struct train *r)
{
	struct trainlog_row row;
	struct err ignored;
	int bad = comm_failed(r->par.comm) > 1;

	while (!bad && r->issued > r->settled)
		bad = train_step_settle(r, &row, &ignored);
	if (!bad)
		(void)train_save(r, &ignored);
	return -1;
}

/* Rows of steps that are issued, but for the last `but` of them; what the last step of all is due for comes with its row. */
static int settle(struct train *r, int but, struct err *e)
{
	struct trainlog_row row;

	while (r->issued - r->settled > but) {
		if (train_step_settle(r, &row, e))
			return -1;
		if ((row.step == r->at.step && due(r) && validate(r, &row.val_dice, e) < 0) || trainlog_write(&r->log, &row, e))
			return keep(r);
		tally(r, &row);
	}
	return 0;
}

static int save_due(const struct train *r)
{
	return due(r) || (r->o->save_every ? r->at.step % r->o->save_every == 0 : progress_now() - r->saved_at > PATIENCE);
}

/* What was gathered becomes a step. */
static int finish_step(struct train *r, struct err *e)
{
	int save;

	if (train_step_issue(r, e))
		return -1;
	save = save_due(r);
	if (settle(r, r->later && !save, e))
		return -1;
	if (save) {
		if (train_save(r, e))
			return -1;
		r->end = NULL; /* the device has waited for this, not for patches */
		r->since = progress_now();
		r->waited = feed_waited(r->feed);
	}
	return 0;
}

static int one_batch(struct train *r, const struct feed_batch *b, struct err *e)
{
	if (train_step_gather(r, b, e))
		return -1;
	if (r->part.batches < r->par.rounds)
		return 0;
	if (finish_step(r, e))
		return -1;
	show(r, b);
	return 0;
}

/* Between two steps: is it over? */
static int over(const struct train *r)
{
	return !r->part.batches && enough(r);
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

		if (bad || trainlog_validated(&r->log, dice, e))
			return bad <= 0 ? -1 : r->par.signal;
	}
	while ((got = parallel_next(&r->par, r->feed, r->o->stop, &b, e)) > 0) {
		if (r->par.signal && r->par.signal != SIGUSR1)
			return settle(r, 0, e) ? -1 : r->par.signal;
		if (r->par.signal && (settle(r, 0, e) || train_save(r, e)))
			return -1;
		if (over(r)) {
			r->through = 1;
			return settle(r, 0, e);
		}
		if (got == 1 && (one_batch(r, b, e) || deliver_sent(&r->deliver, e)))
			return -1;
	}
	if (got < 0 && comm_failed(r->par.comm) < 2 && !settle(r, 0, &save_failed))
		(void)train_save(r, &save_failed); /* the stream's error is the one to tell; where a rank is gone, the launcher is about to kill the rest */
	if (got < 0)
		return got;
	r->through = 1;
	return (r->part.batches && finish_step(r, e)) || settle(r, 0, e) ? -1 : 0;
}

static int finish(struct train *r, int *signal, struct err *e)
{
	const struct train_opts *o = r->o;
	double dice;

	if (!*signal && o->val && r->at.val_step != r->at.step) {
		int bad = train_save(r, e) ? -1 : validate(r, &dice, e);

		if (bad < 0 || (!bad && trainlog_validated(&r->log, dice, e)))
			return keep(r);
		*signal = bad ? r->par.signal : 0;
		r->saved = -1; /* what was saved does not know this validation */
	}
	if (train_save(r, e) || trainlog_close(&r->log, e))
		return -1;
	progress_end(&r->bar);
	return o->out ? 0 : save_one(r, NULL, 1, e);
}

static int train(struct train *r, const struct arg_common *common, struct train_result *res, struct err *e)
{
	const struct train_opts *o = r->o;
	struct arg_common own = *common;
	const struct feed_batch *b;
	int got, rest, signal, impatient;

	if (parallel_open(&r->par, &o->parallel, o->stop, e) || train_begin(r, common->quiet, e))
		return -1;
	own.verbose = own.verbose && !r->par.rank;
	own.progress = r->par.rank ? 3 : own.progress;
	r->feed = feed_open(o->input, r->k, (int64_t)r->h.batch, &(struct known){r->net ? net_labels(r->net) : o->classes > 1 ? o->classes : 2,
		train_regions(r), (int)r->h.ignore}, e);
	if (!r->feed)
		return -1;
	got = feed_next(r->feed, o->stop, &b, e);
	rest = got < 0 && r->at.pending && o->val && feed_nothing(r->feed);
	if (got != 1 && !rest)
		return got == 2 ? err_set(e, NULL, "stopped by a signal before the first step") : -1;
	if (rest ? train_begin_rest(r, own.quiet, e) : train_begin_with(r, b, own.quiet, e))
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
	r->since = r->saved_at = progress_now();
	r->waited = feed_waited(r->feed);
	signal = rest ? 0 : loop(r, e);
	if (signal < 0 && r->k->lost && r->k->lost(e))
		err_prefix(e, "step %lld, or before", (long long)r->at.step + 1);
	impatient = !signal && out_of_patience(r);
	if (signal < 0 || finish(r, &signal, e))
		return -1;
	if (own.verbose && r->spent > 0)
		err_warn("%.1f patches/s, %.1f %% of the time spent waiting for patches", (double)r->settled / r->spent, 100 * r->idle / r->spent);
	if (own.verbose)
		parallel_report(&r->par);
	if (own.verbose && *net_plain(r->net))
		err_warn("operations are given to the device one by one: %s", net_plain(r->net));
	*res = (struct train_result){.step = r->at.step, .next = r->at.next, .signal = signal, .loss = r->at.loss, .val_dice = r->at.val_dice,
		.best = r->at.best, .best_step = r->at.best_step, .stale = r->at.stale, .impatient = impatient, .pending = r->at.pending != NULL,
		.rank = r->par.rank};
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
	optim_close(&r.optim);
	train_step_close(&r); /* before the feed, whose batches may still be on their way */
	feed_close(r.feed);
	net_free(r.net);
	model_close(&r.from);
	json_decref(r.at.options);
	json_decref(r.at.inputs);
	json_decref(r.at.pending);
	json_decref(r.at.channels);
	json_decref(r.drawing);
	free(r.last);
	return bad;
}
