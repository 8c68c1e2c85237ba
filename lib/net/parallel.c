#include "lib/net/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/comm/launcher.h"
#include "lib/net/device.h"

enum { BUCKET = 1 << 20 /* gradients */, ADDED = 8 };

/* -- beginning and end ---------------------------------------------------------- */
/* The device, and its number if it is a GPU. */
static const struct k_backend *open_device(const char *device, int alone, int *number, struct err *e)
{
	const int any = !strcmp(device, "auto");
	const struct k_backend *k = NULL;
	char own[32];
	struct launcher l;
	int64_t n = 0;

	if (!alone && launcher_read(&l, e))
		return NULL;
	if (alone || l.size == 1 || l.local < 0 || (!any && strcmp(device, "cuda"))) {
		k = device_open(device, e);
		if (!strncmp(device, "cuda:", 5) && arg_int(device + 5, 0, 1023, &n, e))
			return NULL;
	} else {
		n = l.local;
		snprintf(own, sizeof own, "cuda:%d", (int)n);
		k = device_open(own, e);
		if (!k && any)
			k = device_open("cpu", e);
	}
	*number = k && !strcmp(k->name, "cuda") ? (int)n : -1;
	return k;
}

const struct k_backend *parallel_open(struct parallel *p, const struct parallel_opts *o, const char *device, volatile sig_atomic_t *stop, struct err *e)
{
	struct comm_opts c = {.alone = o->alone, .half = o->half, .patience = o->patience, .stop = stop};
	const struct k_backend *k = open_device(device, o->alone, &c.cuda, e);

	if (!k || comm_open(&p->comm, &c, e))
		return NULL;
	p->rank = comm_rank(p->comm);
	p->size = comm_size(p->comm);
	return k;
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

/* Rank r's first patch from p->next on. */
static int64_t first_of(const struct parallel *p, int r)
{
	struct parallel q = *p;

	q.rank = r;
	return parallel_first(&q, p->next);
}

/* -- are all of one mind? --------------------------------------------------------- */
enum { OPTIONS = 4096 };
struct mind {
	uint64_t network, weights, prepared, drawn, shape, cpu;
	int64_t first, total;
	char options[OPTIONS];
};

/* FNV-1a */
static uint64_t hash(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t hash_json(const json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	uint64_t h = text ? hash(text, strlen(text)) : 0;

	free(text);
	return h;
}

static int hash_weights(const struct net *n, const struct k_backend *k, uint64_t *out, struct err *e)
{
	float *w, *g, *copy;
	int64_t total;
	int bad;

	net_block(n, &w, &g, &total);
	copy = mem_new((size_t)total, sizeof *copy, "the weights", e);
	bad = !copy || k->copy(copy, w, (size_t)total * sizeof *copy, K_TO_HOST, e);
	*out = bad ? 0 : hash(copy, (size_t)total * sizeof *copy);
	free(copy);
	return bad ? -1 : 0;
}

/* What rank 0 has otherwise, as far as the options can tell. */
static int other_option(const char *own, const char *zero, struct err *e)
{
	json_t *a = json_loads(own, 0, NULL), *b = json_loads(zero, 0, NULL), *v;
	const char *key;
	int found = 0;

	json_object_foreach(a, key, v) {
		const json_t *w = json_object_get(b, key);

		if (!json_equal(v, (json_t *)w) && !found++)
			err_set(e, NULL, "its options are not rank 0's: --%s %g, not %g", key, json_number_value(v), json_number_value(w));
	}
	json_decref(a);
	json_decref(b);
	return found ? -1 : err_set(e, NULL, "its options are not rank 0's");
}

/* How rank m differs from rank 0. 0: in nothing. */
static int differs(const struct mind *m, const struct mind *zero, struct err *e)
{
	const struct { int is; const char *what; } other[] = {
		{m->network != zero->network, "its network is not rank 0's"},
		{m->shape != zero->shape, "its patches are of another size than rank 0's"},
		{m->prepared != zero->prepared, "its patches are prepared otherwise than rank 0's"},
		{m->drawn != zero->drawn, "its patches are drawn otherwise than rank 0's: nii-patch and nii-augment want the same options and --seed on all ranks"},
		{m->weights != zero->weights, "its initial weights are not rank 0's"},
		{m->cpu != zero->cpu, "its processor computes with other instructions than rank 0's: rounding would drive the weights apart"},
	};

	if (strcmp(m->options, zero->options))
		return other_option(m->options, zero->options, e);
	for (size_t i = 0; i < sizeof other / sizeof *other; i++)
		if (other[i].is)
			return err_set(e, NULL, "%s", other[i].what);
	return 0;
}

/* The rank that is wrong says so, the others wait for it. bad: this one is; any: some are. */
static int wait_for_failure(struct parallel *p, int bad, int any, struct err *e)
{
	if (bad || !any)
		return bad ? -1 : 0;
	return comm_gather(p->comm, NULL, 0, NULL, e) ? -1 : err_set(e, NULL, "the ranks are not of one mind");
}

static int compare(struct parallel *p, const struct mind *all, struct err *e)
{
	struct err ignored;
	int any = 0;

	for (int r = 1; r < p->size; r++)
		any |= r != p->rank && differs(&all[r], &all[0], &ignored);
	return wait_for_failure(p, p->rank && differs(&all[p->rank], &all[0], e), any, e);
}

/* All patches there are, and where they begin: with the smallest index. */
static void count(struct parallel *p, const struct mind *all)
{
	p->next = all[0].first;
	p->total = 0;
	for (int r = 0; r < p->size; r++) {
		if (all[r].first < p->next)
			p->next = all[r].first;
		p->total = all[r].total < 0 || p->total < 0 ? -1 : p->total + all[r].total;
	}
	p->end = p->total < 0 ? -1 : p->next + p->total;
}

static int check_first(struct parallel *p, const struct mind *all, struct err *e)
{
	int any = 0, bad = 0;

	for (int r = 0; r < p->size; r++)
		if (all[r].first != first_of(p, r))
			any = 1, bad |= r == p->rank;
	if (bad)
		err_set(e, NULL, "begins with patch %lld, not with %lld: give nii-patch --shard auto", (long long)all[p->rank].first,
		        (long long)parallel_first(p, p->next));
	return wait_for_failure(p, bad, any, e);
}

static int read_mind(struct mind *m, const struct net *n, const struct k_backend *k, const json_t *options, const struct feed *f,
                     const struct feed_batch *b, struct err *e)
{
	const int64_t shape[4] = {b->size[0], b->size[1], b->size[2], b->channels};
	char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);

	if (text)
		strncpy(m->options, text, sizeof m->options - 1);
	free(text);
	m->network = hash_json(net_arch(n));
	m->prepared = hash_json(feed_replay(f));
	m->drawn = hash_json(feed_drawing(f));
	m->shape = hash(shape, sizeof shape);
	m->cpu = hash(k->device, strcspn(k->device, ","));
	m->first = b->first;
	m->total = b->left < 0 ? -1 : b->n + b->left;
	return hash_weights(n, k, &m->weights, e);
}

int parallel_begin(struct parallel *p, struct net *n, const struct k_backend *k, const struct hyper *h, const json_t *options, const struct feed *f,
                   const struct feed_batch *b, struct err *e)
{
	struct mind own = {0}, *all;
	int bad;

	p->net = n;
	p->next = b->first;
	p->total = b->left < 0 ? -1 : b->n + b->left;
	p->held = b;
	p->rounds = (int64_t)h->accumulate / p->size;
	if (p->rounds * p->size != (int64_t)h->accumulate)
		return err_set(e, NULL, "--accumulate %.0f: that many batches a step cannot be shared out to %d ranks", h->accumulate, p->size);
	if (!p->comm)
		return 0;
	if (net_batch_norm(n))
		return err_set(e, NULL, "%s: batch normalisation takes its statistics over a batch: not with several ranks (use instance or group)",
		               net_batch_norm(n));
	p->none = *b;
	p->none.n = 0;
	all = mem_new((size_t)p->size, sizeof *all, "the ranks' options", e);
	bad = !all || read_mind(&own, n, k, options, f, b, e) || comm_gather(p->comm, &own, sizeof own, all, e) || compare(p, all, e);
	if (!bad) {
		count(p, all);
		bad = check_first(p, all, e);
	}
	free(all);
	return bad ? -1 : 0;
}

/* -- batches ---------------------------------------------------------------------- */
struct turn { int64_t n, first; int32_t got, signal; };

/* SIGINT reaches a whole pipeline: where the patches end because nii-patch died of it, our own signal may be a moment behind. */
static int last_look(const volatile sig_atomic_t *stop)
{
	const struct timespec moment = {0, 50 * 1000 * 1000};

	nanosleep(&moment, NULL);
	return stop ? (int)*stop : 0;
}

/* SIGUSR1 is obeyed once. */
static int take_signal(volatile sig_atomic_t *stop)
{
	int sig = (int)*stop;

	if (sig == SIGUSR1)
		*stop = 0;
	return sig;
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
		if (all[r].n && all[r].first != first_of(p, r))
			any = 1, bad |= r == p->rank;
	if (bad)
		err_set(e, NULL, "has patch %lld where it should have %lld: the ranks' streams are not shards of one sequence", (long long)all[p->rank].first,
		        (long long)first_of(p, p->rank));
	return wait_for_failure(p, bad, any, e);
}

/* Are the batches of all ranks together the next patches of the sequence, none left out, to its end? */
static int check_turn(struct parallel *p, const struct turn *all, struct err *e)
{
	int64_t missing = INT64_MAX;
	int last = 0, any = 0;

	if (check_order(p, all, e))
		return -1;
	for (int r = 0; r < p->size; r++)
		if (first_of(p, r) + all[r].n * p->size < missing) {
			missing = first_of(p, r) + all[r].n * p->size;
			last = r;
		}
	for (int r = 0; r < p->size; r++)
		any |= all[r].n && all[r].first + (all[r].n - 1) * p->size > missing;
	any |= !all[last].n && missing < p->end;
	if (any && last == p->rank)
		err_set(e, NULL, "its patches end before patch %lld, others have more", (long long)missing);
	return wait_for_failure(p, any && last == p->rank, any, e);
}

/* What all ranks do now. */
static int decide(struct parallel *p, const struct turn *all, struct err *e)
{
	int later = 0;

	p->signal = 0;
	p->patches = 0;
	for (int r = 0; r < p->size; r++) {
		later |= all[r].got == 2;
		p->patches += all[r].n;
		if (all[r].signal && (!p->signal || p->signal == SIGUSR1))
			p->signal = all[r].signal;
	}
	if (later)
		return 2;
	return check_turn(p, all, e) ? -1 : p->patches > 0;
}

static int alone_next(struct parallel *p, volatile sig_atomic_t *stop, int got, const struct feed_batch **b)
{
	p->signal = got == 2 ? take_signal(stop) : 0;
	if (got != 1)
		return got;
	*b = p->held;
	p->patches = (*b)->n;
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

/* -- gradients -------------------------------------------------------------------- */
/* Begin with those from `from` on, in whole buckets from the end of the block; the first one takes what is left. */
static int pass_on(void *arg, int64_t from, struct err *e)
{
	struct parallel *p = arg;
	float *w, *g;
	int64_t total;

	net_block(p->net, &w, &g, &total);
	while (p->from > 0) {
		int64_t lo = p->from < 2 * BUCKET ? 0 : p->from - BUCKET;

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
	if (!p->comm)
		return 0;
	net_watch(p->net, NULL, NULL);
	p->sums++;
	return pass_on(p, 0, e) || comm_wait(p->comm, e) || parallel_add(p, loss, n, NULL, NULL, e) ? -1 : 0;
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
