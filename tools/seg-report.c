/* seg-report: how good a segmentation is, as one HTML page that opens from disk.

   Reads seg-score's table and, where given, seg-train's log, a model and volume frames with image, label and pred; writes the page. Nothing on the
   page comes from elsewhere. Operands are streams, "-" is standard input; without any the page has no pictures. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/report/report.h"
#include "lib/volume/view/view.h"

struct opts { struct report_opts report; const char *preset; double window[2]; };

static int one(struct frame *f, void *arg, struct err *e)
{
	return report_frame(arg, f, e);
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct report *r = report_open(&o->report, e);
	struct out out;
	int bad = !r || (c->argc && stream_each(c, one, r, e)) || out_open(&out, c->out, 0, e);

	if (!bad && report_write(r, c->argc > 0, &out, e)) {
		out_abort(&out);
		bad = 1;
	} else if (!bad)
		bad = out_close(&out, e);
	report_close(r);
	return bad ? -1 : 0;
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
