/* ts-cmp A B: do two streams hold the same?
   Frame by frame: id, kind, affine, then every tensor by name: dtype, shape, values (NaN equals NaN; floats within --atol + --rtol |b|).
   Prints the first difference. Exit status as cmp(1)'s: 0 the same, 1 they differ, 2 trouble. Memory: one frame of each. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/outfile.h"
#include "lib/stream/compare.h"
#include "lib/stream/stream.h"

struct opts {
	double atol, rtol;
	struct arg_strs only, ignore;
	int meta, data_only;
};

enum { SAME, DIFFER, TROUBLE };

static int frames(struct stream *a, struct stream *b, struct compare *c, int64_t *n, struct err *why)
{
	struct frame f = {0}, g = {0};
	int r = SAME, more_a, more_b;

	for (*n = 0; r == SAME; ++*n) {
		more_a = stream_next(a, &f, why);
		more_b = more_a < 0 ? -1 : stream_next(b, &g, why);
		if (more_a < 0 || more_b < 0)
			r = TROUBLE;
		else if (more_a != more_b) {
			err_set(why, NULL, "%s ends after %lld frame%s", stream_name(more_a ? b : a), (long long)*n, *n == 1 ? "" : "s");
			r = DIFFER;
		} else if (!more_a)
			break;
		else {
			int d = frame_compare(c, &f, &g, why);

			r = d < 0 ? TROUBLE : d ? DIFFER : SAME;
			if (d)
				err_prefix(why, "frame %lld (%s)", (long long)*n, frame_id(&f));
		}
		frame_free(&f);
		frame_free(&g);
	}
	return r;
}

static int say(const struct arg_common *c, const char *text)
{
	struct out o;
	struct err e;

	if (out_open(&o, NULL, 0, &e) || out_printf(&o, &e, "%s %s: %s\n", c->argv[0], c->argv[1], text) || out_close(&o, &e)) {
		err_warn("%s", e.text);
		return TROUBLE;
	}
	return SAME;
}

static int run(const struct opts *o, const struct arg_common *c)
{
	struct compare cmp = {o->atol, o->rtol, o->only.n, o->only.v, o->data_only ? COMPARE_NONE : o->meta ? COMPARE_ALL : COMPARE_MAIN,
	                      o->ignore.n, o->ignore.v, 0};
	struct err why;
	struct stream *a = stream_open(c->argv[0], &why), *b = a ? stream_open(c->argv[1], &why) : NULL;
	int64_t n;
	int r = b ? frames(a, b, &cmp, &n, &why) : TROUBLE;

	if (r == TROUBLE)
		err_warn("%s", why.text);
	else if (r == DIFFER && !c->quiet && say(c, why.text))
		r = TROUBLE;
	else if (r == SAME && c->verbose)
		err_warn("%lld frame%s, largest difference of a float %.9g", (long long)n, n == 1 ? "" : "s", cmp.max);
	stream_close(a);
	stream_close(b);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct arg_common c;
	const struct arg args[] = {
		{0, "atol", ARG_FLOAT, &o.atol, "A", "floats may differ by A + R |b| (0)", 0, 1e300},
		{0, "rtol", ARG_FLOAT, &o.rtol, "R", "the relative part of it (0)", 0, 1e300},
		{'t', "tensor", ARG_STRS, &o.only, "TENSOR", "compare only this tensor; may be repeated (all of them)"},
		{0, "meta", ARG_FLAG, &o.meta, NULL, "compare all metadata, history too (id, kind and affine only)"},
		{0, "ignore-meta", ARG_STRS, &o.ignore, "KEY", "leave this metadata key out; may be repeated"},
		{0, "data-only", ARG_FLAG, &o.data_only, NULL, "compare no metadata at all"},
		{0},
	};
	const struct arg_spec spec = {"ts-cmp", "A B", "Compare two tensor streams: 0 the same, 1 they differ, 2 trouble.", args, 0, 2, 2};

	arg_parse(&spec, argc, argv, &c);
	if (o.meta && o.data_only)
		err_usage("--meta and --data-only exclude each other");
	if (!strcmp(c.argv[0], "-") && !strcmp(c.argv[1], "-"))
		err_usage("only one of the two can be standard input");
	return run(&o, &c);
}
