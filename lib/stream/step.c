#include "lib/stream/step.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

struct steps {
	const struct step_of *of;
	void *arg;
	struct stream **s;
	int n;
};

int step_agree(const struct frame *f, const struct frame *other, struct err *e)
{
	struct grid a, b;

	if (strcmp(frame_id(f), frame_id(other)))
		return err_set(e, NULL, "streams are out of step: id '%.80s' against '%.80s'", frame_id(f), frame_id(other));
	return frame_grid(f, &a, e) || frame_grid(other, &b, e) || grid_match(&b, &a, 1e-4, f->file, e) ? -1 : 0;
}

static int add(const struct steps *t, struct frame *f, struct frame *other, struct err *e)
{
	return step_agree(f, other, e) || t->of->add(f, other, t->arg, e) ? -1 : 0;
}

/* The other streams' next frames, added to f; all must end together (f NULL: the first has ended). */
static int add_rest(const struct steps *t, struct frame *f, struct err *e)
{
	for (int i = 1; i < t->n; i++) {
		struct frame g = {0};
		int r = stream_next(t->s[i], &g, e), bad = r < 0;

		if (!bad && r != (f != NULL))
			bad = err_set(e, stream_name(t->s[f ? i : 0]), "ends before %s does: the streams are out of step", stream_name(t->s[f ? 0 : i]));
		else if (r == 1 && add(t, f, &g, e))
			bad = err_prefix(e, "%s: %s", stream_name(t->s[i]), frame_id(&g));
		for (int k = 0; k < g.n; k++)
			stream_done(t->s[i], g.t[k].data, g.t[k].size);
		frame_free(&g);
		if (bad)
			return -1;
	}
	return 0;
}

static int one(const struct steps *t, struct frame *f, int (*fn)(struct frame *, void *, struct err *), struct err *e)
{
	return fn && fn(f, t->arg, e) ? err_prefix(e, "%s: %s", stream_name(t->s[0]), frame_id(f)) : 0;
}

static int frames(const struct steps *t, struct out *out, struct err *e)
{
	struct frame f = {0};
	int r;

	while ((r = stream_next(t->s[0], &f, e)) == 1) {
		r = one(t, &f, t->of->begin, e) || add_rest(t, &f, e) || one(t, &f, t->of->end, e) || frame_write(&f, out, e);
		frame_free(&f);
		if (r)
			return -1;
	}
	return r ? r : add_rest(t, NULL, e);
}

int step_run(const struct arg_common *c, const struct step_of *of, void *arg, struct err *e)
{
	const int n = c->argc ? c->argc : 1;
	struct steps t = {of, arg, mem_zero((size_t)n, sizeof(struct stream *), "streams", e), n};
	struct out out = {.fd = -1};
	int r = t.s ? 0 : -1;

	for (int i = 0; !r && i < n; i++)
		r = (t.s[i] = stream_open(c->argc ? c->argv[i] : NULL, e)) ? 0 : -1;
	r = r || out_open(&out, c->out, 1, e) || frames(&t, &out, e) || out_close(&out, e) ? -1 : 0;
	if (r)
		out_abort(&out);
	for (int i = 0; t.s && i < n; i++)
		stream_close(t.s[i]);
	free(t.s);
	return r;
}
