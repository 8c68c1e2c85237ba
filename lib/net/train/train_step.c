#include "lib/net/train/train_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/net/train/schedule.h"

/* -- what is wrong -------------------------------------------------------------- */
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
	return sound(r) && !train_save(r, &ignored) ? r->last : from;
}

static int refuse(struct train *r, const char *what, double v, const char *where, struct err *e)
{
	const char *kept = last_good(r);

	return err_set(e, feed_name(r->feed), "%s is %s at step %lld: %s%s%s", what, isnan(v) ? "not a number" : "infinite",
	               (long long)r->at.step + 1, where, kept ? "; the last good state is in " : "", kept ? kept : "");
}

/* -- steps under way --------------------------------------------------------------- */
static struct train_under *under(struct train *r, int64_t i)
{
	return &r->under[i % TRAIN_UNDER];
}

static size_t row_values(const struct train *r)
{
	return (size_t)net_losses(r->net) * K_LOSS_RESULTS;
}

/* What is found out later: not with others, who wait for it, nor where the network itself keeps something from step to step. */
static int goes_on(const struct train *r)
{
	int buffers;

	net_buffers(r->net, &buffers);
	return r->k->judge && net_results(r->net) && !r->par.comm && !buffers;
}

static int open_under(struct train *r, struct train_under *u, struct err *e)
{
	const struct k_backend *k = r->k;
	const size_t n = (size_t)r->par.rounds;

	u->batch = mem_zero(n, sizeof *u->batch, "a step", e);
	if (!u->batch || !(u->results = k->host_alloc(n * row_values(r) * sizeof *u->results + sizeof *u->verdict, e)) || !(u->there = k->mark_new(e)))
		return -1;
	u->verdict = (struct k_verdict *)(u->results + n * row_values(r));
	for (size_t i = 0; i < n; i++)
		if (!(u->batch[i].begun = k->mark_new(e)) || !(u->batch[i].end = k->mark_new(e)))
			return -1;
	return 0;
}

int train_step_open(struct train *r, const struct feed_batch *b, struct err *e)
{
	if (deliver_open(&r->deliver, r->k, (int64_t)r->h.batch, b, e))
		return -1;
	r->later = goes_on(r);
	for (int i = 0; i < TRAIN_UNDER && r->later; i++)
		if (open_under(r, &r->under[i], e))
			return -1;
	if (!r->later)
		return 0;
	r->kept = r->k->alloc((size_t)r->par.rounds * row_values(r) * sizeof *r->kept, e);
	r->verdict = r->kept ? r->k->alloc(sizeof *r->verdict, e) : NULL;
	return r->verdict && !r->k->zero(r->verdict, sizeof *r->verdict, e) ? 0 : -1;
}

void train_step_close(struct train *r)
{
	struct err ignored;

	deliver_close(&r->deliver);
	for (struct train_under *u = r->under; u < r->under + TRAIN_UNDER && r->later; u++) {
		if (u->there)
			(void)r->k->await(u->there, &ignored); /* its results may still be on their way */
		for (int64_t i = 0; u->batch && i < r->par.rounds; i++)
			r->k->mark_free(u->batch[i].begun), r->k->mark_free(u->batch[i].end);
		free(u->batch);
		r->k->host_release(u->results);
		r->k->mark_free(u->there);
	}
	if (r->k) {
		r->k->release(r->kept);
		r->k->release(r->verdict);
	}
}

/* -- a batch --------------------------------------------------------------------------- */
static int run_batch(struct train *r, const struct feed_batch *b, const struct k_loss *terms, double out[3], struct err *e)
{
	struct train_batch *own = r->later ? &under(r, r->issued)->batch[r->part.batches - 1] : NULL;
	const uint8_t *label;

	if (optim_average(&r->optim, 0, e) || net_plan(r->net, b->n, b->size, 1, e) ||
	    deliver_put(&r->deliver, b, net_input(r->net), &label, own ? own->begun : NULL, e) || !net_forward(r->net, e))
		return -1;
	if (!own)
		return net_backward(r->net, terms, label, out, e);
	memcpy(own->who, b->who, sizeof own->who);
	own->share = (double)b->n / r->h.batch;
	return net_backward_later(r->net, terms, label, out, e) || r->k->copy(r->kept + (r->part.batches - 1) * (int64_t)row_values(r),
		net_results(r->net), row_values(r) * sizeof *r->kept, K_ON_DEVICE, e) || r->k->mark(own->end, K_COMPUTE, e) ? -1 : 0;
}

/* A batch's losses to those of the step */
static void add_loss(double loss[3], const double out[3], double share)
{
	loss[0] += out[0];
	for (int i = 1; i < 3; i++)
		loss[i] += share * out[i];
}

int train_step_gather(struct train *r, const struct feed_batch *b, struct err *e)
{
	struct train_part *p = &r->part;
	struct k_loss terms = r->loss.terms;
	double share = (double)b->n / r->h.batch, out[3];
	char flaw[FEED_FLAW], where[FEED_WHO + FEED_FLAW];

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
	if (run_batch(r, b, &terms, out, e))
		return err_prefix(e, "%s: %s", feed_name(r->feed), b->who);
	if (r->later)
		return 0;
	if (!isfinite(out[0])) {
		feed_flaw(b, flaw);
		snprintf(where, sizeof where, "%s%s", p->who, flaw);
		return refuse(r, "the loss", out[0], where, e);
	}
	add_loss(p->loss, out, share);
	return 0;
}

/* -- a step ------------------------------------------------------------------------------ */
/* The row's losses, of a step whose batches' are known */
static void fill(struct train *r, const struct train_part *p, struct trainlog_row *row)
{
	const struct loss *l = &r->loss;

	row->loss[0] = p->loss[0] / p->share + l->offset * (double)l->terms.w_dice;
	row->loss[1] = l->terms.w_dice > 0 ? p->loss[1] / p->share + l->offset : NAN;
	row->loss[2] = l->terms.w_ce > 0 ? p->loss[2] / p->share : NAN;
	r->at.loss = row->loss[0];
}

static int issue_later(struct train *r, struct train_under *u, struct err *e)
{
	const struct k_backend *k = r->k;
	const int64_t rows = r->part.batches;

	return optim_step_later(&r->optim, u->row.step, u->row.lr, 1 / r->part.share, r->kept, rows * net_losses(r->net), r->verdict, e) ||
	       k->queue(K_COMPUTE, u->results, r->kept, (size_t)rows * row_values(r) * sizeof *r->kept, K_TO_HOST, e) ||
	       k->queue(K_COMPUTE, u->verdict, r->verdict, sizeof *u->verdict, K_TO_HOST, e) || k->mark(u->there, K_COMPUTE, e) ? -1 : 0;
}

int train_step_issue(struct train *r, struct err *e)
{
	struct train_part *p = &r->part;
	struct train_under *u = under(r, r->issued);
	double seconds;

	u->row = (struct trainlog_row){.step = r->at.step + 1, .lr = schedule_lr(&r->h, r->at.step), .val_dice = NAN};
	u->before = (struct train_place){r->at.step, r->at.next, r->at.hash};
	if (r->later ? issue_later(r, u, e) : parallel_sum(&r->par, p->loss, 3, e) ||
	    optim_step(&r->optim, u->row.step, u->row.lr, 1 / p->share, r->par.squares, &u->row.grad_norm, e))
		return -1;
	seconds = progress_now() - r->since;
	r->since += seconds;
	u->seconds = seconds;
	u->row.rate = seconds > 0 ? (double)p->patches / seconds : 0;
	if (!r->later) {
		if (!isfinite(u->row.grad_norm))
			return refuse(r, "the gradient", u->row.grad_norm, r->par.size > 1 ? "in the patches of some rank" : p->who, e);
		u->row.wait = seconds > 0 ? (feed_waited(r->feed) - r->waited) / seconds : 0;
		r->waited = feed_waited(r->feed);
		fill(r, p, &u->row);
	}
	r->at.step++;
	r->at.next = p->next;
	r->at.hash += p->hash;
	u->part = *p;
	u->last = r->end;
	r->end = r->later ? u->there : NULL; /* with the step of the optimizer, which is no waiting */
	r->issued++;
	*p = (struct train_part){0};
	return 0;
}

/* -- what became of it ------------------------------------------------------------------------ */
/* Back to where the run was before it; what came later has changed nothing. */
static int take_back(struct train *r, const struct train_under *u, const char *what, double v, const char *where, struct err *e)
{
	r->at.step = u->before.step;
	r->at.next = u->before.next;
	r->at.hash = u->before.hash;
	r->settled = r->issued;
	r->part = (struct train_part){0};
	return refuse(r, what, v, where, e);
}

/* Seconds in which the device had all that was to be done behind it and no batch before it */
static int idle(const struct train *r, const struct train_under *u, double *seconds, struct err *e)
{
	*seconds = 0;
	for (int64_t i = 0; i < u->part.batches; i++) {
		struct k_mark *from = i ? u->batch[i - 1].end : u->last;
		double more = 0;

		if (from && r->k->between(from, u->batch[i].begun, &more, e))
			return -1;
		*seconds += more;
	}
	return 0;
}

static int settle(struct train *r, struct train_under *u, struct err *e)
{
	struct train_part *p = &u->part;
	double seconds;

	if (r->k->await(u->there, e))
		return -1;
	for (int64_t i = 0; i < p->batches; i++) {
		double out[3];

		if (net_results_read(r->net, &r->loss.terms, r->deliver.label, u->results + i * (int64_t)row_values(r), out, e))
			return err_prefix(e, "%s: %s", feed_name(r->feed), u->batch[i].who);
		if (!isfinite(out[0]))
			return take_back(r, u, "the loss", out[0], u->batch[i].who, e);
		add_loss(p->loss, out, u->batch[i].share);
	}
	u->row.grad_norm = sqrt(u->verdict->squares) * (1 / p->share);
	if (!isfinite(u->row.grad_norm))
		return take_back(r, u, "the gradient", u->row.grad_norm, p->who, e);
	if (idle(r, u, &seconds, e))
		return -1;
	u->row.wait = u->seconds > 0 ? seconds / u->seconds : 0;
	fill(r, p, &u->row);
	return 0;
}

int train_step_settle(struct train *r, struct trainlog_row *row, struct err *e)
{
	struct train_under *u = under(r, r->settled);

	if (r->later && settle(r, u, e))
		return -1;
	r->settled++;
	*row = u->row;
	return 0;
}
