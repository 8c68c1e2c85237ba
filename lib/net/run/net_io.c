/* Weights out of and into frames. */
#include "lib/net/run/net_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { LISTED = 10 };

/* What does not fit, gathered into one line. */
struct misfit { char text[ERR_MAX]; size_t used; int n; };

static void misfit_add(struct misfit *m, const char *what, const char *name, const char *more)
{
	if (m->n++ >= LISTED || m->used >= sizeof m->text)
		return;
	m->used += (size_t)snprintf(m->text + m->used, sizeof m->text - m->used, "%s%s%s%.60s%s", m->used ? ", " : "", what, *what ? " " : "", name, more);
}

static void shape_text(char *s, size_t size, const int64_t *shape, int rank)
{
	size_t k = (size_t)snprintf(s, size, "[");

	for (int i = 0; i < rank && k < size; i++)
		k += (size_t)snprintf(s + k, size - k, "%s%lld", i ? "," : "", (long long)shape[i]);
	if (k < size)
		snprintf(s + k, size - k, "]");
}

static int fits(const struct net_param *p, const struct tensor *t)
{
	return dtype_is_float(t->dtype) != p->whole && t->rank == p->rank && !memcmp(t->shape, p->shape, (size_t)p->rank * sizeof *p->shape);
}

static void check_one(const struct net_param *p, const struct tensor *t, struct misfit *m, struct misfit *left)
{
	char is[100], needs[100], more[256];

	if (!t) {
		misfit_add(m, "missing", p->name, "");
		return;
	}
	if (fits(p, t))
		return;
	if (left) {
		misfit_add(left, "", p->name, "");
		return;
	}
	shape_text(is, sizeof is, t->shape, t->rank);
	shape_text(needs, sizeof needs, p->shape, p->rank);
	snprintf(more, sizeof more, " %s%s (needs %s)", dtype_is_float(t->dtype) != p->whole ? "" : dtype_name(t->dtype), is, needs);
	misfit_add(m, "wrong", p->name, more);
}

static int check_all(const struct net *n, const struct frame *f, struct misfit *left, struct err *e)
{
	struct misfit m = {.used = 0};

	for (int i = 0; i < n->graph->params; i++)
		check_one(&n->param[i], frame_find(f, n->param[i].name), &m, left);
	for (int i = 0; i < f->n; i++) {
		int j = 0;

		while (j < n->graph->params && strcmp(n->param[j].name, f->t[i].name))
			j++;
		if (j == n->graph->params)
			misfit_add(&m, "extra", f->t[i].name, "");
	}
	if (!m.n)
		return 0;
	return err_set(e, f->file, "%d of its tensors do not fit the network: %.800s%s", m.n, m.text, m.n > LISTED ? ", ..." : "");
}

static int load(struct net *n, const struct frame *model, struct misfit *left, struct err *e)
{
	if (check_all(n, model, left, e))
		return -1;
	for (int i = 0; i < n->graph->params; i++) {
		const struct net_param *p = &n->param[i];
		const struct tensor *t = frame_find(model, p->name);
		float *w;
		int64_t j = 0;
		int bad;

		if (!fits(p, t))
			continue;
		w = tensor_to_f32(t, e);
		if (!w)
			return -1;
		while (j < p->count && isfinite(w[j]))
			j++;
		bad = j < p->count ? err_set(e, model->file, "%.200s holds %f at place %lld: not a weight", p->name, w[j], (long long)j) :
			n->k->copy(p->w, w, (size_t)p->count * sizeof *w, K_TO_DEVICE, e);
		free(w);
		if (bad)
			return -1;
	}
	net_changed(n);
	return 0;
}

int net_load(struct net *n, const struct frame *model, struct err *e)
{
	return load(n, model, NULL, e);
}

int net_load_fitting(struct net *n, const struct frame *model, char left[ERR_MAX], struct err *e)
{
	struct misfit m = {.used = 0};
	int r = load(n, model, &m, e);

	snprintf(left, ERR_MAX, "%.800s%s", m.text, m.n > LISTED ? ", ..." : "");
	return r;
}

int net_store(const struct net *n, struct frame *model, struct err *e)
{
	for (int i = 0; i < n->graph->params; i++) {
		const struct net_param *p = &n->param[i];
		struct tensor *t = frame_add(model, p->name, p->whole ? DT_I64 : DT_F32, p->rank, p->shape, e);
		float count;

		if (!t || n->k->copy(p->whole ? &count : t->data, p->w, (size_t)p->count * sizeof count, K_TO_HOST, e))
			return -1;
		if (p->whole)
			*(int64_t *)t->data = (int64_t)count;
	}
	return 0;
}
