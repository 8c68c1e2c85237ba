#include "lib/net/train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/comm/comm.h"
#include "lib/net/train/schedule.h"

enum { SWAP = 1 << 20 }; /* values moved at once */

static size_t bytes_of(const struct optim *o)
{
	return (size_t)o->total * sizeof(float);
}

static float *zeros(const struct optim *o, struct err *e)
{
	float *p = o->k->alloc(bytes_of(o), e);

	if (p && o->k->zero(p, bytes_of(o), e)) {
		o->k->release(p);
		return NULL;
	}
	return p;
}

/* Vectors (biases, normalisations' and activations' parameters) against all else. */
static int split(struct optim *o, struct err *e)
{
	int count;
	const struct net_param *p = net_params(o->net, &count);
	int64_t at = 0;

	o->range = mem_new((size_t)count, sizeof *o->range, "the optimizer", e);
	if (!o->range)
		return -1;
	for (int i = 0; i < count; at += p[i++].count) {
		int decay = !(o->h->no_decay > 0 && p[i].rank == 1);

		if (!o->ranges || o->range[o->ranges - 1].decay != decay)
			o->range[o->ranges++] = (struct optim_range){at, 0, decay};
		o->range[o->ranges - 1].n += p[i].count;
	}
	return 0;
}

size_t optim_bytes(const struct hyper *h, int64_t total)
{
	return (size_t)(1 + (h->optimizer != K_SGD) + (h->ema > 0)) * (size_t)total * sizeof(float);
}

int optim_open(struct optim *o, const struct k_backend *k, struct net *n, const struct hyper *h, struct err *e)
{
	float *w, *g;
	size_t bytes;

	*o = (struct optim){.k = k, .net = n, .h = h};
	net_block(n, &w, &g, &o->total);
	if (mem_mul(&bytes, (size_t)o->total, sizeof(float)))
		return err_set(e, NULL, "the network is too large");
	if (split(o, e) || !(o->m = zeros(o, e)))
		return -1;
	if (h->optimizer != K_SGD && !(o->v = zeros(o, e)))
		return -1;
	return h->ema > 0 && !(o->other = zeros(o, e)) ? -1 : 0;
}

void optim_close(struct optim *o)
{
	if (o->k) {
		repeat_drop(&o->again, o->k);
		o->k->release(o->pace);
		o->k->release(o->scratch);
		o->k->release(o->m);
		o->k->release(o->v);
		o->k->release(o->other);
	}
	free(o->range);
	memset(o, 0, sizeof *o);
}

/* n parameters from `at` on, with the same numbers */
static int update_range(struct optim *o, const struct k_optim *a, float *w, const float *g, int64_t at, int64_t n, struct err *e)
{
	for (const int64_t end = at + n; at < end; at += n) {
		const float *from;

		n = end - at;
		from = comm_summed(o->comm, g + at, &n);
		if (o->k->optimize(a, w + at, from, o->m + at, o->v ? o->v + at : NULL, n, e))
			return -1;
	}
	return 0;
}

static int update(struct optim *o, const struct k_optim *a, float *w, const float *g, struct err *e)
{
	for (int i = 0; i < o->ranges; i++) {
		const struct optim_range *r = &o->range[i];
		struct k_optim own = *a;

		own.decay = r->decay ? a->decay : 0;
		own.pace = a->pace && !r->decay ? a->pace + 1 : a->pace;
		if (update_range(o, &own, w, g, r->at, r->n, e))
			return -1;
	}
	return 0;
}

/* torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn: the first is a copy. */
static int average(struct optim *o, const float *w, struct err *e)
{
	int first = !o->averaged;

	o->averaged = 1;
	return first ? o->k->copy(o->other, w, bytes_of(o), K_ON_DEVICE, e) : o->k->lerp(o->other, w, 1 - o->h->ema, o->total, e);
}

static struct k_optim step_of(const struct hyper *h, int64_t t, double lr)
{
	return (struct k_optim){.kind = (enum k_optimizer)h->optimizer, .lr = lr, .decay = h->decay, .beta1 = schedule_momentum(h, t - 1, h->beta1),
		.beta2 = h->beta2, .eps = h->eps, .momentum = schedule_momentum(h, t - 1, h->momentum), .nesterov = h->nesterov > 0, .step = t};
}

int optim_step(struct optim *o, int64_t t, double lr, double scale, double squares, double *norm, struct err *e)
{
	const struct hyper *h = o->h;
	struct k_optim a = step_of(h, t, lr);
	float *w, *g;
	double clip;

	net_block(o->net, &w, &g, &o->total);
	if (squares < 0 && o->k->sum_squares(g, o->total, &squares, e))
		return -1;
	*norm = sqrt(squares) * scale;
	if (!isfinite(*norm))
		return 0;
	clip = h->clip > 0 ? h->clip / (*norm + 1e-6) : 1;
	a.scale = (float)(clip < 1 ? scale * clip : scale);
	if (update(o, &a, w, g, e) || (o->other && average(o, w, e)))
		return -1;
	net_changed(o->net);
	return 0;
}

/* -- a step that nothing is waited for in ------------------------------------------ */
/* All that decides which calls it is made of */
struct silent { struct optim *o; float *w, *g, *m, *v, *other; double scale; const double *losses; int64_t n; struct k_verdict *verdict; };

static int silent(void *arg, struct err *e)
{
	const struct silent *l = arg;
	struct optim *o = l->o;
	const struct k_optim a = {.kind = (enum k_optimizer)o->h->optimizer, .verdict = l->verdict, .pace = o->pace};

	return o->k->judge(l->g, o->total, l->scale, o->h->clip, l->losses, l->n, l->verdict, o->scratch, e) || update(o, &a, l->w, l->g, e) ||
	       (l->other && o->k->average(l->other, l->w, o->total, o->pace, l->verdict, e)) ? -1 : 0;
}

static int open_later(struct optim *o, struct err *e)
{
	if (!o->pace)
		o->pace = o->k->alloc(2 * sizeof *o->pace, e);
	if (!o->scratch)
		o->scratch = o->k->judge_scratch ? o->k->alloc(o->k->judge_scratch(o->total), e) : NULL;
	return o->pace && o->scratch ? 0 : -1;
}

/* Its numbers, with the weights' decay and without */
static int set_pace(struct optim *o, struct k_optim a, struct err *e)
{
	const double t = o->averaged ? 1 - o->h->ema : 1; /* the first average is a copy */
	struct k_optim bare = a;

	bare.decay = 0;
	return o->k->pace(&a, t, &o->pace[0], e) || o->k->pace(&bare, t, &o->pace[1], e) ? -1 : 0;
}

int optim_step_later(struct optim *o, int64_t t, double lr, double scale, const double *losses, int64_t n, struct k_verdict *v, struct err *e)
{
	struct silent key;
	struct err plain;

	memset(&key, 0, sizeof key); /* compared as bytes */
	key.o = o, key.m = o->m, key.v = o->v, key.other = o->other, key.scale = scale, key.losses = losses, key.n = n, key.verdict = v;
	net_block(o->net, &key.w, &key.g, &o->total);
	if (open_later(o, e) || set_pace(o, step_of(o->h, t, lr), e) || repeat_run(&o->again, o->k, &key, sizeof key, silent, &key, &plain, e))
		return -1;
	o->averaged = o->other != NULL;
	net_changed(o->net);
	return 0;
}

/* Exchange two blocks, a piece after the other through `room`. */
static int swap(const struct k_backend *k, float *a, float *b, int64_t n, float *room, struct err *e)
{
	for (int64_t i = 0; i < n; i += SWAP) {
		size_t some = (size_t)(n - i < SWAP ? n - i : SWAP) * sizeof(float);

		if (k->copy(room, a + i, some, K_ON_DEVICE, e) || k->copy(a + i, b + i, some, K_ON_DEVICE, e) || k->copy(b + i, room, some, K_ON_DEVICE, e))
			return -1;
	}
	return 0;
}

int optim_average(struct optim *o, int in, struct err *e)
{
	float *w, *g, *room;
	int bad;

	if (!o->averaged || o->in == in)
		return 0;
	net_block(o->net, &w, &g, &o->total);
	room = o->k->alloc((size_t)(o->total < SWAP ? o->total : SWAP) * sizeof(float), e);
	bad = !room || swap(o->k, w, o->other, o->total, room, e);
	o->k->release(room);
	o->in = in;
	net_changed(o->net);
	return bad ? -1 : 0;
}

int optim_take(struct optim *o, const float *values, struct err *e)
{
	float *w, *g;

	net_block(o->net, &w, &g, &o->total);
	net_changed(o->net);
	if (!o->other) /* an average is wanted no longer */
		return o->k->copy(w, values, bytes_of(o), K_TO_DEVICE, e);
	o->averaged = o->in = 1;
	return o->k->copy(o->other, values, bytes_of(o), K_TO_DEVICE, e);
}

const float *optim_aside(const struct optim *o)
{
	return o->in ? o->other : NULL;
}
