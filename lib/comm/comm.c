#include "lib/comm/comm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/object.h"
#include "lib/base/progress.h"
#include "lib/comm/gather.h"
#include "lib/comm/launcher.h"
#include "lib/comm/meet.h"
#include "lib/comm/share.h"
#include "lib/comm/star.h"
#include "lib/comm/sum.h"

#define SPIN 3e-4 /* seconds */
#define LONGEST_REST 2e-3
enum { SILENCE = 15 /* seconds */, SUM_TAGS = TRANSPORT_TAGS / 2, GATHER_TAGS = TRANSPORT_TAGS - SUM_TAGS };
_Static_assert((int)COMM_SMALL == (int)STAR_SMALL && (int)COMM_SMALL == (int)GATHER_MOST, "whatever carries small things carries comm's");
_Static_assert((int)COMM_OVER == (int)STAR_OVER, "a failed job is the star's to tell");

/* A sum in host memory, or a request of the transport's own */
struct pending { struct sum sum; void *request; };

struct comm {
	int rank, size;
	enum comm_wire wire;
	int begun, gathered; /* sums and gathers, counted round their tags */
	struct star *star;
	struct transport first, then; /* first: that ranks meet by; then: NCCL. self NULL and size 0: none */
	const struct transport *sums;
	struct pending *pending;
	int room, alive;
	struct share share;
	int under; /* sums in shared memory are under way */
	struct gather gather;
	double busy, waited, since;
};

/* -- meeting -------------------------------------------------------------------- */
static int over_ranks(void *arg, void *p, size_t n, struct err *e)
{
	return comm_broadcast(arg, p, n, e);
}

static int load(const char *name, const struct transport_place *place, struct transport *t, struct err *e)
{
	transport_open_fn *open;

	*(void **)&open = object_symbol(name, "transport_open", e);
	return open ? open(TRANSPORT_ABI, place, t, e) : -1;
}

static struct comm *comm_new(int rank, int size, int wire, struct err *e)
{
	struct comm *c = mem_zero(1, sizeof *c, "the ranks", e);

	if (c)
		*c = (struct comm){.rank = rank, .size = size, .wire = (enum comm_wire)wire};
	return c;
}

static struct star_opts star_of(const struct comm *c, const struct comm_opts *o)
{
	return (struct star_opts){c->rank, c->size, SILENCE, o->patience, o->stop};
}

/* Of several processes. */
static int open_all(struct comm *c, const struct comm_opts *o, const struct launcher *l, struct err *e)
{
	const struct star_opts so = star_of(c, o);
	const char *file = getenv("NIIPIPE_RENDEZVOUS");

	if (file && meet_by_file(&c->star, &so, file, e))
		return -1;
	if (!file && load("mpi", NULL, &c->first, e))
		return err_prefix(e, "%s started %d ranks", l->name, c->size);
	if (!file && (c->first.rank != c->rank || c->first.size != c->size))
		return err_set(e, NULL, "%s says rank %d of %d, MPI says %d of %d: srun wants --mpi=pmix, mpirun must be that of the MPI niipipe was built with",
		               l->name, c->rank, c->size, c->first.rank, c->first.size);
	if (!file && meet_over(&c->star, &so, &c->first, e))
		return -1;
	c->sums = file ? NULL : &c->first;
	return 0;
}

/* Where the ranks have met, all are told. */
static void give_up(struct comm *c, struct err *e)
{
	struct err ignored;

	if (c->star && e->text[0]) {
		comm_fail(c, e);
		e->text[0] = 0;
	}
	(void)comm_close(c, 0, &ignored);
}

int comm_open(struct comm **c, const struct comm_opts *o, struct err *e)
{
	struct launcher l;

	*c = NULL;
	if (o->alone)
		return 0;
	if (launcher_read(&l, e))
		return -1;
	if (l.size == 1)
		return 0;
	*c = comm_new((int)l.rank, (int)l.size, o->wire, e);
	if (!*c)
		return -1;
	if (!open_all(*c, o, &l, e))
		return 0;
	give_up(*c, e);
	*c = NULL;
	return -1;
}

int comm_device(struct comm *c, int gpu, void *stream, struct err *e)
{
	const struct transport_place place = {comm_rank(c), comm_size(c), gpu, stream, over_ranks, c};

	if (!c)
		return 0;
	if (gpu < 0)
		return c->sums ? 0 : err_set(e, NULL, "NIIPIPE_RENDEZVOUS is for GPUs: sums between processors need MPI");
	if (c->wire == COMM_BF16)
		return err_set(e, NULL, "--wire bf16: the gradients of GPUs travel as fp32");
	if (load("nccl", &place, &c->then, e))
		return -1;
	c->sums = &c->then;
	return 0;
}

int comm_open_over(struct comm **c, const struct comm_opts *o, const struct transport *t, struct err *e)
{
	struct star_opts so;

	*c = comm_new(t->rank, t->size, o->wire, e);
	if (!*c)
		return -1;
	so = star_of(*c, o);
	(*c)->first = *t;
	(*c)->sums = &(*c)->first;
	if (!meet_over(&(*c)->star, &so, &(*c)->first, e))
		return 0;
	give_up(*c, e);
	*c = NULL;
	return -1;
}

int comm_close(struct comm *c, int clean, struct err *e)
{
	int bad = 0;

	if (!c)
		return 0;
	if (clean)
		bad = comm_gather(c, NULL, 0, NULL, e);
	if (c->then.close)
		c->then.close(c->then.self, clean && !bad);
	if (c->first.close)
		c->first.close(c->first.self, clean && !bad);
	star_close(c->star);
	for (int i = 0; i < c->room; i++)
		sum_free(&c->pending[i].sum);
	gather_free(&c->gather);
	share_free(&c->share);
	free(c->pending);
	free(c);
	return bad;
}

int comm_rank(const struct comm *c)
{
	return c ? c->rank : 0;
}

int comm_size(const struct comm *c)
{
	return c ? c->size : 1;
}

/* -- small things --------------------------------------------------------------- */
/* At first at once again; the longer it takes, the rarer: there may be more ranks than processors, and something slow to be waited for. */
static void rest(double begun)
{
	const double waited = progress_now() - begun;
	const struct timespec moment = {0, (long)(1e9 * fmin(waited / 8, LONGEST_REST))};

	if (waited > SPIN)
		nanosleep(&moment, NULL);
}

/* The transport notices that a rank is gone, too, but not which one. */
static int broken(struct comm *c, struct err *e)
{
	const struct timespec moment = {0, 10 * 1000 * 1000};

	for (int i = 0; i < 200 && !star_failed(c->star); i++)
		nanosleep(&moment, NULL);
	if (star_failed(c->star))
		e->text[0] = 0;
	return -1;
}

static int gather(struct comm *c, const void *mine, size_t n, void *all, struct err *e)
{
	const int tag = SUM_TAGS + c->gathered;
	const double begun = progress_now();
	int done, bad = 0;

	c->gathered = (c->gathered + 1) % GATHER_TAGS;
	star_begun(c->star);
	star_waits(c->star, 1);
	done = gather_begin(&c->gather, &c->first, mine, n, tag, e);
	while (!done && !(bad = comm_turn(c, e)) && !(done = gather_turn(&c->gather, &c->first, all, e)))
		rest(begun);
	star_waits(c->star, 0);
	if (done < 0)
		return broken(c, e);
	return bad;
}

int comm_gather(struct comm *c, const void *mine, size_t n, void *all, struct err *e)
{
	if (c && c->first.send)
		return gather(c, mine, n, all, e);
	if (c)
		return star_gather(c->star, mine, n, all, e);
	if (n)
		memcpy(all, mine, n);
	return 0;
}

int comm_broadcast(struct comm *c, void *p, size_t n, struct err *e)
{
	char *all = c ? mem_new(n, (size_t)c->size, "a broadcast", e) : NULL;
	int bad = c && !all;

	if (all) {
		bad = comm_gather(c, p, n, all, e);
		if (!bad)
			memcpy(p, all, n);
	}
	free(all);
	return bad ? -1 : 0;
}

/* -- sums ------------------------------------------------------------------------- */
/* One that is idle; the array grows by it where none is. */
static struct pending *idle(struct comm *c, struct err *e)
{
	for (int i = 0; i < c->room; i++)
		if (!c->pending[i].sum.phase && !c->pending[i].request)
			return &c->pending[i];
	if (mem_more(&c->pending, (size_t)c->room, sizeof *c->pending, "sums", e))
		return NULL;
	c->pending[c->room] = (struct pending){0};
	return &c->pending[c->room++];
}

int comm_share(struct comm *c, int64_t n, float **x, struct err *e)
{
	const int bad = c && share_open(&c->share, c, c->wire == COMM_AUTO && !c->sums->sum, n, e);

	*x = c ? share_values(&c->share) : NULL;
	return bad ? -1 : 0;
}

/* Is it in memory of comm_share? */
static int shared(const struct comm *c, const float *x)
{
	const float *own = share_values(&c->share);

	return own && x >= own && x < own + c->share.n;
}

/* Is something under way? */
static int busy(const struct comm *c)
{
	return c->alive || c->under;
}

int comm_sum(struct comm *c, float *x, int64_t n, struct err *e)
{
	struct pending *p;
	int tag;

	if (!c)
		return 0;
	if (!busy(c))
		c->since = progress_now();
	if (shared(c, x)) {
		star_begun(c->star);
		c->under = 1;
		return share_begin(&c->share, x - share_values(&c->share), n, e);
	}
	p = idle(c, e);
	if (!p)
		return -1;
	c->alive++;
	tag = c->begun;
	c->begun = (c->begun + 2) % SUM_TAGS;
	star_begun(c->star);
	if (c->sums->sum)
		return c->sums->sum(c->sums->self, x, n, &p->request, e);
	return sum_begin(&p->sum, c->sums, x, n, c->wire == COMM_BF16, tag, e);
}

static int turn_one(struct comm *c, struct pending *p, struct err *e)
{
	int done = 0;

	if (p->sum.phase) {
		if (sum_turn(&p->sum, c->sums, e))
			return -1;
		done = !p->sum.phase;
	} else if (p->request) {
		if (c->sums->test(c->sums->self, p->request, &done, e))
			return -1;
		if (done)
			p->request = NULL;
	}
	c->alive -= done;
	return 0;
}

int comm_turn(struct comm *c, struct err *e)
{
	const int before = c && busy(c);

	if (!c)
		return 0;
	if (star_failed(c->star))
		return err_set(e, NULL, "%s", "");
	for (int i = 0; i < c->room && c->alive; i++)
		if (turn_one(c, &c->pending[i], e))
			return broken(c, e);
	if (c->under)
		c->under = share_turn(&c->share);
	if (before && !busy(c))
		c->busy += progress_now() - c->since;
	return 0;
}

int comm_wait(struct comm *c, double *squares, struct err *e)
{
	const double begun = progress_now();
	int bad = 0;

	*squares = -1;
	if (!c)
		return 0;
	star_waits(c->star, 1);
	while (!bad && busy(c)) {
		bad = comm_turn(c, e);
		if (busy(c))
			rest(begun);
	}
	star_waits(c->star, 0);
	c->waited += progress_now() - begun;
	if (c->share.size)
		*squares = share_end(&c->share);
	return bad;
}

const float *comm_summed(const struct comm *c, const float *x, int64_t *n)
{
	return c && shared(c, x) ? share_summed(&c->share, x - share_values(&c->share), n) : x;
}

void comm_times(const struct comm *c, double *busy, double *waited)
{
	*busy = c ? c->busy : 0;
	*waited = c ? c->waited : 0;
}

/* -- failures ----------------------------------------------------------------------- */
void comm_fail(struct comm *c, const struct err *why)
{
	star_fail(c->star, why);
}

int comm_failed(const struct comm *c)
{
	return c ? star_failed(c->star) : 0;
}
