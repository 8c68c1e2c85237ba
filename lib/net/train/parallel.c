#include "lib/net/train/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/comm/launcher.h"
#include "lib/net/run/device.h"

enum { BUCKET = 1 << 20, LEAST = 1 << 14 /* gradients */, ADDED = 8 };

/* -- beginning and end ---------------------------------------------------------- */
int parallel_open(struct parallel *p, const struct parallel_opts *o, volatile sig_atomic_t *stop, struct err *e)
{
	const struct comm_opts c = {.alone = o->alone, .wire = o->wire, .patience = o->patience, .stop = stop};

	if (comm_open(&p->comm, &c, e))
		return -1;
	p->rank = comm_rank(p->comm);
	p->size = comm_size(p->comm);
	return 0;
}

/* "cuda" and "auto" are the GPU of the rank's number on its host. */
static const struct k_backend *own_gpu(const char *device, enum k_precision precision, int64_t *number, struct err *e)
{
	const struct k_backend *k;
	struct launcher l;
	char own[32];

	if (launcher_read(&l, e))
		return NULL;
	*number = l.local < 0 ? 0 : l.local;
	snprintf(own, sizeof own, "cuda:%d", (int)*number);
	k = device_open(own, precision, e);
	return k || !strcmp(device, "cuda") ? k : device_open("cpu", precision, e);
}

const struct k_backend *parallel_device(struct parallel *p, const char *device, enum k_precision precision, struct err *e)
{
	const int own = p->comm && (!strcmp(device, "cuda") || !strcmp(device, "auto"));
	const struct k_backend *k;
	int64_t number = 0;

	k = own ? own_gpu(device, precision, &number, e) : device_open(device, precision, e);
	if (!k || (!strncmp(device, "cuda:", 5) && arg_int(device + 5, 0, 1023, &number, e)))
		return NULL;
	return comm_device(p->comm, k->stream ? (int)number : -1, k->stream ? k->stream() : NULL, e) ? NULL : k;
}

int parallel_close(struct parallel *p, int bad, struct err *e)
{
	if (!p->comm)
		return bad;
	if (bad && e->text[0])
		comm_fail(p->comm, e);
	if (bad)
		e->text[0] = 0;
	bad |= comm_close(p->comm, !bad, e);
	p->comm = NULL;
	return bad ? -1 : 0;
}

void parallel_accumulate(const struct parallel *p, struct hyper *h, int resumed)
{
	if (h->accumulate < 0 && !resumed)
		h->accumulate = p->size;
}

int64_t parallel_first(const struct parallel *p, int64_t next)
{
	return next + ((p->rank - next) % p->size + p->size) % p->size;
}

int64_t parallel_first_of(const struct parallel *p, int r)
{
	struct parallel q = *p;

	q.rank = r;
	return parallel_first(&q, p->next);
}

int parallel_wrong(struct parallel *p, int bad, int any, struct err *e)
{
	if (bad || !any)
		return bad ? -1 : 0;
	return comm_gather(p->comm, NULL, 0, NULL, e) ? -1 : err_set(e, NULL, "the ranks are not of one mind");
}

/* -- batches ---------------------------------------------------------------------- */
struct turn { int64_t n, first; uint64_t hash; int32_t got, signal; };

/* SIGINT reaches a whole pipeline: where the patches end because nii-patch died of it, our own signal may be a moment behind. */
static int last_look(const volatile sig_atomic_t *stop)
{
	const struct timespec moment = {0, 50 * 1000 * 1000};

	nanosleep(&moment, NULL);
	return stop ? (int)*stop : 0;
}

/* SIGUSR1 is obeyed once; another that comes meanwhile stays. */
static int take_signal(volatile sig_atomic_t *stop)
{
	sig_atomic_t sig = SIGUSR1;

	return __atomic_compare_exchange_n(stop, &sig, 0, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? SIGUSR1 : (int)sig;
}

/* The batch that was put off, or the next one; a signal comes first. */
static int own_next(struct parallel *p, struct feed *f, const volatile sig_atomic_t *stop, struct err *e)
{
	int got;

	if (p->held)
		return stop && *stop ? 2 : 1;
	got = feed_next(f, stop, &p->held, e);
	if (got != 1)
		p->held = NULL;
	return got <= 0 && last_look(stop) ? 2 : got;
}

static int check_order(struct parallel *p, const struct turn *all, struct err *e)
{
	int any = 0, bad = 0;

	for (int r = 0; r < p->size; r++)
		if (all[r].n && all[r].first != parallel_first_of(p, r))
			any = 1, bad |= r == p->rank;
	if (bad)
		err_set(e, NULL, "has patch %lld where it should have %lld: the ranks' streams are not shards of one sequence", (long long)all[p->rank].first,
		        (long long)parallel_first_of(p, p->rank));
	return parallel_wrong(p, bad, any, e);
}

/* Are the batches of all ranks together the next patches of the sequence, none left out, to its end? */
static int check_turn(struct parallel *p, const struct turn *all, struct err *e)
{
	int64_t missing = INT64_MAX;
	int last = 0, any = 0;

	if (check_order(p, all, e))
		return -1;
	for (int r = 0; r < p->size; r++)
		if (parallel_first_of(p, r) + all[r].n * p->size < missing) {
			missing = parallel_first_of(p, r) + all[r].n * p->size;
			last = r;
		}
	for (int r = 0; r < p->size; r++)
		any |= all[r].n && all[r].first + (all[r].n - 1) * p->size > missing;
	any |= !all[last].n && missing < p->end;
	if (any && last == p->rank)
		err_set(e, NULL, "its patches end before patch %lld, others have more", (long long)missing);
	return parallel_wrong(p, any && last == p->rank, any, e);
}

/* What all ranks do now. */
static int decide(struct parallel *p, const struct turn *all, struct err *e)
{
	int later = 0, idle = 0;

	p->signal = 0;
	p->patches = 0;
	p->hash = 0;
	for (int r = 0; r < p->size; r++) {
		later |= all[r].got == 2;
		idle |= !all[r].n;
		p->patches += all[r].n;
		p->hash += all[r].hash;
		if (all[r].signal && (!p->signal || p->signal == SIGUSR1))
			p->signal = all[r].signal;
	}
	if (later)
		return 2;
	return check_turn(p, all, e) ? -1 : p->patches > 0 && !(p->together && idle);
}

static int alone_next(struct parallel *p, volatile sig_atomic_t *stop, int got, const struct feed_batch **b)
{
	p->signal = got == 2 ? take_signal(stop) : 0;
	if (got != 1)
		return got;
	*b = p->held;
	p->patches = (*b)->n;
	p->hash = (*b)->hash;
	p->next = (*b)->next;
	p->held = NULL;
	return 1;
}

int parallel_next(struct parallel *p, struct feed *f, volatile sig_atomic_t *stop, const struct feed_batch **b, struct err *e)
{
	int got = own_next(p, f, stop, e);
	struct turn own = {0}, *all;

	if (!p->comm)
		return alone_next(p, stop, got, b);
	if (comm_failed(p->comm))
		return err_set(e, NULL, "%s", "");
	if (got < 0)
		return -1;
	own.got = got;
	own.signal = got == 2 ? take_signal(stop) : 0;
	own.n = got == 1 ? p->held->n : 0;
	own.first = own.n ? p->held->first : 0;
	own.hash = own.n ? p->held->hash : 0;
	all = mem_new((size_t)p->size, sizeof *all, "the ranks' batches", e);
	got = !all || comm_gather(p->comm, &own, sizeof own, all, e) ? -1 : decide(p, all, e);
	free(all);
	if (got != 1)
		return got;
	p->next += p->patches;
	*b = p->held ? p->held : &p->none;
	p->held = NULL;
	return 1;
}

/* -- batch normalisation ---------------------------------------------------------- */
/* A piece at a time, as much as can be gathered. */
static int add_sums(void *arg, double *sums, int64_t n, struct err *e)
{
	struct parallel *p = arg;
	const int64_t most = COMM_SMALL / (int64_t)sizeof *sums;
	double *all = mem_new((size_t)(most * p->size), sizeof *all, "the ranks' statistics", e);
	int bad = !all;

	for (int64_t at = 0; !bad && at < n; at += most) {
		int64_t some = n - at < most ? n - at : most;

		bad = comm_gather(p->comm, sums + at, (size_t)some * sizeof *sums, all, e);
		for (int64_t i = 0; !bad && i < some; i++) {
			sums[at + i] = 0;
			for (int r = 0; r < p->size; r++)
				sums[at + i] += all[r * some + i];
		}
	}
	free(all);
	return bad ? -1 : 0;
}

int parallel_normalise(struct parallel *p, const struct k_backend *k, struct err *e)
{
	const char *name = net_batch_norm(p->net);

	if (name && strcmp(k->name, "cpu"))
		return err_set(e, NULL, "%s: batch normalisation over several ranks is for CPUs alone", name);
	p->together = name != NULL;
	p->ranks = (struct k_ranks){add_sums, p};
	net_ranks(p->net, name ? &p->ranks : NULL);
	return 0;
}

/* -- gradients -------------------------------------------------------------------- */
/* Where the bucket begins that ends before this gradient: smaller ones towards the beginning, behind which less and less is left to hide. */
static int64_t bucket(int64_t end)
{
	const int64_t n = end / 2 < BUCKET ? end / 2 : BUCKET;

	return n < LEAST ? 0 : (end - n) / LEAST * LEAST;
}

/* Begin with those from `from` on, in whole buckets from the end of the block. */
static int pass_on(void *arg, int64_t from, struct err *e)
{
	struct parallel *p = arg;
	float *w, *g;
	int64_t total;

	net_block(p->net, &w, &g, &total);
	while (p->from > 0) {
		const int64_t lo = bucket(p->from);

		if (lo < from)
			break;
		if (comm_sum(p->comm, g + lo, p->from - lo, e))
			return -1;
		p->from = lo;
	}
	return comm_turn(p->comm, e);
}

void parallel_watch(struct parallel *p, int on)
{
	float *w, *g;

	if (!p->comm)
		return;
	net_watch(p->net, on ? pass_on : NULL, p);
	net_block(p->net, &w, &g, &p->from);
}

int parallel_sum(struct parallel *p, double *loss, int n, struct err *e)
{
	double all[ADDED] = {0}, own;

	p->squares = -1;
	if (!p->comm)
		return 0;
	net_watch(p->net, NULL, NULL);
	p->sums++;
	if (pass_on(p, 0, e) || comm_wait(p->comm, &own, e))
		return -1;
	memcpy(all, loss, (size_t)n * sizeof *loss);
	all[n] = own;
	if (parallel_add(p, all, n + 1, NULL, NULL, e))
		return -1;
	memcpy(loss, all, (size_t)n * sizeof *loss);
	p->squares = own < 0 ? -1 : all[n];
	return 0;
}

int parallel_add(struct parallel *p, double *sum, int n, volatile sig_atomic_t *stop, int *stopped, struct err *e)
{
	struct share { double v[ADDED]; int64_t stopped, signal; } own = {.stopped = stopped && *stopped, .signal = stop ? *stop : 0}, *all;

	if (stopped)
		p->signal = (int)own.signal;
	if (!p->comm)
		return 0;
	memcpy(own.v, sum, (size_t)n * sizeof *sum);
	all = mem_new((size_t)p->size, sizeof *all, "the ranks' sums", e);
	if (!all || comm_gather(p->comm, &own, sizeof own, all, e)) {
		free(all);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		sum[i] = 0;
		for (int r = 0; r < p->size; r++)
			sum[i] += all[r].v[i];
	}
	for (int r = 0; stopped && r < p->size; r++)
		if (all[r].stopped) {
			*stopped = 1;
			p->signal = (int)all[r].signal;
		}
	free(all);
	return 0;
}

void parallel_report(const struct parallel *p)
{
	double busy, waited;

	if (!p->comm || p->rank || !p->sums)
		return;
	comm_times(p->comm, &busy, &waited);
	err_warn("%d ranks: gradients %.2f ms a step under way, %.2f ms of it waited for: %.0f %% hidden behind the backward pass", p->size,
	         1e3 * busy / (double)p->sums, 1e3 * waited / (double)p->sums, busy > 0 ? 100 * fmax(0, 1 - waited / busy) : 0);
}
