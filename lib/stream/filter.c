#include "lib/base/arg.h"
#include "lib/stream/stream.h"

struct work {
	stream_fn *fn;
	void *arg;
	struct out *out; /* NULL: only read */
	int verbose;
};

static int one_stream(const struct work *w, struct stream *s, struct err *e)
{
	struct frame f;
	int r;

	while ((r = stream_next(s, &f, e)) == 1) {
		int drop = w->fn(&f, w->arg, e);

		if (drop < 0)
			err_prefix(e, "%s: %s", stream_name(s), frame_id(&f));
		else if (w->verbose)
			err_warn("%s: %s", frame_id(&f), drop ? "left out" : "done");
		if (!drop && w->out)
			drop = frame_write(&f, w->out, e);
		frame_free(&f);
		if (drop < 0)
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

int stream_filter(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e)
{
	struct out o;
	struct work w = {fn, arg, &o, c->verbose};

	if (out_open(&o, c->out, 1, e))
		return -1;
	if (all_streams(c, &w, e)) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e);
}

int stream_each(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e)
{
	struct work w = {fn, arg, NULL, c->verbose};

	return all_streams(c, &w, e);
}
