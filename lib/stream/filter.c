#include <omp.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/stream/turns.h"

enum { SIDE_BY_SIDE = 4 }; /* patches */

struct work {
	stream_fn *fn;
	stream_pass_fn *pass; /* in place of fn, with `flow` still on its way */
	const char *flow;
	void *arg;
	struct out *out; /* NULL: only read */
	int verbose;
};

static int one_frame(const struct work *w, struct stream *s, struct frame *f, struct err *e)
{
	int drop = w->pass ? w->pass(f, &(struct pass){s, w->out}, w->arg, e) : w->fn(f, w->arg, e);

	if (drop == -1)
		err_prefix(e, "%s: %s", stream_name(s), frame_id(f));
	else if (drop >= 0 && w->verbose)
		err_warn("%s: %s", frame_id(f), drop ? "left out" : "done");
	return !drop && w->out && !w->pass ? frame_give(f, w->out, e) : drop;
}

static int one_stream(const struct work *w, struct stream *s, struct err *e)
{
	struct frame f;
	int r;

	while ((r = w->pass ? stream_next_flow(s, &f, w->flow, e) : stream_next(s, &f, e)) == 1) {
		r = one_frame(w, s, &f, e);
		frame_free(&f);
		if (r < 0)
			return -1;
	}
	return r;
}

static int all_streams(const struct arg_common *c, const struct work *w, struct err *e)
{
	for (int i = 0; i < (c->argc ? c->argc : 1); i++) {
		struct stream *s = stream_open(c->argc ? c->argv[i] : NULL, e);
		int r = s ? one_stream(w, s, e) : -1;

		stream_close(s);
		if (r)
			return -1;
	}
	return 0;
}

static int written(const struct arg_common *c, struct work *w, struct err *e)
{
	struct out o;

	w->out = &o;
	if (out_open(&o, c->out, 1, e))
		return -1;
	if (all_streams(c, w, e)) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e);
}

/* -- several at once -- */

struct several {
	const struct arg_common *c;
	stream_several_fn *fn;
	void *arg;
	struct out out;
	struct stream *s;
	int file; /* of the operands, the one that s is */
};

/* From all operands. */
static int take(struct frame *f, void *arg, struct err *e)
{
	struct several *m = arg;

	for (;; m->file++) {
		int r;

		if (!m->s && !(m->s = stream_open(m->c->argc ? m->c->argv[m->file] : NULL, e)))
			return -1;
		r = stream_next(m->s, f, e);
		if (r || m->file + 1 >= m->c->argc)
			return r;
		stream_close(m->s);
		m->s = NULL;
	}
}

static int change(struct frame *f, int64_t i, void *arg, struct err *e)
{
	const struct several *m = arg;
	int r = m->fn(f, i, m->arg, e);

	return r ? err_prefix(e, "%s: %s", f->file, frame_id(f)) : 0;
}

static int put(struct frame *f, int r, void *arg, struct err *e)
{
	struct several *m = arg;

	if (r != 1)
		return r;
	if (m->c->verbose)
		err_warn("%s: done", frame_id(f));
	return frame_give(f, &m->out, e) ? -1 : 1;
}

int stream_filter(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e)
{
	return written(c, &(struct work){.fn = fn, .arg = arg, .verbose = c->verbose}, e);
}

int stream_filter_several(const struct arg_common *c, stream_several_fn *fn, void *arg, struct err *e)
{
	static const struct turns_of of = {take, change, put};
	static struct several m; /* a thread may be left with it */
	const int threads = omp_get_max_threads();
	int r, left;

	m = (struct several){c, fn, arg};
	if (out_open(&m.out, c->out, 1, e))
		return -1;
	r = turns_run(threads < SIDE_BY_SIDE ? threads : SIDE_BY_SIDE, &of, &m, &left, e);
	if (!left)
		stream_close(m.s);
	if (!r)
		return out_close(&m.out, e);
	out_abort(&m.out);
	return -1;
}

int stream_pass(const struct arg_common *c, const char *name, stream_pass_fn *fn, void *arg, struct err *e)
{
	return written(c, &(struct work){.pass = fn, .flow = name, .arg = arg, .verbose = c->verbose}, e);
}

int stream_each(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e)
{
	return all_streams(c, &(struct work){.fn = fn, .arg = arg, .verbose = c->verbose}, e);
}

int64_t stream_count_all(const struct arg_common *c)
{
	int64_t sum = 0;
	struct err e;

	for (int i = 0; i < c->argc; i++) {
		struct stream *s = strcmp(c->argv[i], "-") ? stream_open(c->argv[i], &e) : NULL;
		int64_t n = s && stream_mapped(s) ? stream_count(s, &e) : -1;

		stream_close(s);
		if (n < 0)
			return 0;
		sum += n;
	}
	return sum;
}
