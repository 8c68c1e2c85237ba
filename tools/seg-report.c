/* seg-report: how good a segmentation is, as one HTML page that opens from disk.

   Reads seg-score's table and, where given, seg-train's log, a model and volume frames with image, label and pred; writes the page. Nothing on the
   page comes from elsewhere. Operands are streams, "-" is standard input; without any the page has no pictures. */
#include <stdlib.h>

#include "lib/base/arg.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/report/report.h"
#include "lib/volume/view/view.h"

struct opts { struct report_opts report; const char *preset; double window[2]; };
struct state { struct report *report; struct story story; };

static int one(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;

	return story_frame(&s->story, f, e) || report_frame(s->report, f, e) ? -1 : 0;
}

static int write_page(const struct state *s, const struct arg_common *c, struct err *e)
{
	char *history = story_text(&s->story, e);
	struct out out = {.fd = -1};
	int r = !history || out_open(&out, c->out, 0, e) || report_write(s->report, c->argc > 0, history, &out, e) || out_close(&out, e) ? -1 : 0;

	out_abort(&out);
	free(history);
	return r;
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	const char *const read[] = {o->report.scores, o->report.log, o->report.model};
	struct state s = {.report = report_open(&o->report, e)};
	int r;

	story_begin(&s.story, c);
	story_operands(&s.story);
	for (size_t i = 0; i < sizeof read / sizeof *read; i++)
		story_file(&s.story, read[i]);
	r = !s.report || (c->argc && stream_each(c, one, &s, e)) || write_page(&s, c, e) ? -1 : 0;
	report_close(s.report);
	story_free(&s.story);
	return r;
}

static void check(struct opts *o)
{
	struct err e;

	if (!o->report.scores)
		err_usage("-s SCORES is needed");
	if (view_choose(o->preset, o->window, &o->report.window, &e))
		err_usage("%s", e.text);
	o->report.lo = o->window[0];
	o->report.hi = o->window[1];
}

int main(int argc, char **argv)
{
	struct opts o = {.report = {.viewers = 16, .slices = 32, .pixels = 256}};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'s', "scores", ARG_STR, &o.report.scores, "FILE", "seg-score's table"},
		{'l', "log", ARG_STR, &o.report.log, "FILE", "seg-train's log, for the curves; gnuplot draws them"},
		{'m', "model", ARG_STR, &o.report.model, "FILE", "the model, for what it is and how its data were prepared"},
		{0, "title", ARG_STR, &o.report.title, "TEXT", "the page's title (Segmentation report)"},
		{0, "viewers", ARG_INT, &o.report.viewers, "N", "cases, the worst, to scroll through slice by slice (16)", 0, 1e6},
		{0, "slices", ARG_INT, &o.report.slices, "N", "slices of each of them, at most (32)", 1, 512},
		{0, "pixels", ARG_INT, &o.report.pixels, "N", "along the longer side of these slices, at most (256)", 16, 1024},
		{0, "channel", ARG_INT, &o.report.channel, "K", "of the image, from 0, in the pictures (0)", 0, INT32_MAX},
		{0, "window", ARG_FLOAT, o.window, "LO,HI", "black and white of the pictures, in values of the image (-1000,400 HU)", 0, 0, 2},
		{0, "preset", ARG_STR, &o.preset, "NAME", "that window by name: auto, " VIEW_PRESETS},
		{0},
	};
	const struct arg_spec spec = {"seg-report", "[STREAM ...]", "Show how good a segmentation is: one HTML page with scores, charts, pictures.", args,
	                              ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	check(&o);
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
