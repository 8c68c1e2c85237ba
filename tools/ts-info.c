/* ts-info [STREAM ...]: what is in a stream: for every frame its place, id, kind, tensors, grid and history, as text or JSON; or a tensor as a .npy.
   Only headers are read, data are skipped, unless --stats asks for minimum, maximum and mean. Memory: a header; with --stats and --npy a frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/outfile.h"
#include "lib/stream/describe.h"
#include "lib/stream/history.h"
#include "lib/stream/npy.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/nifti.h"

struct opts {
	int json, stats, header, history;
	const char *npy;
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static int print_tensor(struct out *o, const json_t *t, struct err *e)
{
	const json_t *shape = json_object_get(t, "shape");
	size_t i;
	json_t *d;

	if (out_text(o, e, "  %-8s %-4s [", text(t, "name"), text(t, "dtype")))
		return -1;
	json_array_foreach(shape, i, d)
		if (out_text(o, e, "%s%lld", i ? "," : "", (long long)json_integer_value(d)))
			return -1;
	if (out_text(o, e, "] %lld bytes", (long long)json_integer_value(json_object_get(t, "bytes"))))
		return -1;
	if (json_is_number(json_object_get(t, "mean"))) {
		if (out_text(o, e, ", min %.9g, max %.9g, mean %.9g", json_number_value(json_object_get(t, "min")),
		               json_number_value(json_object_get(t, "max")), json_number_value(json_object_get(t, "mean"))))
			return -1;
	}
	if (json_integer_value(json_object_get(t, "nan")) &&
	    out_text(o, e, ", %lld NaN", (long long)json_integer_value(json_object_get(t, "nan"))))
		return -1;
	return out_text(o, e, "\n");
}

static int print_grid(struct out *o, const json_t *f, struct err *e)
{
	const json_t *n = json_object_get(f, "size"), *s = json_object_get(f, "spacing"), *a = json_object_get(f, "affine");
	int r;

	if (!n)
		return 0;
	r = out_text(o, e, "  grid     %lldx%lldx%lld voxels of %.6gx%.6gx%.6g mm, axes %s\n", (long long)json_integer_value(json_array_get(n, 0)),
	               (long long)json_integer_value(json_array_get(n, 1)), (long long)json_integer_value(json_array_get(n, 2)),
	               json_number_value(json_array_get(s, 0)), json_number_value(json_array_get(s, 1)), json_number_value(json_array_get(s, 2)),
	               text(f, "axes"));
	for (size_t i = 0; i < 3 && !r; i++)
		r = out_text(o, e, "  %-8s %10.6g %10.6g %10.6g %10.6g\n", i ? "" : "affine", json_number_value(json_array_get(a, 4 * i)),
		               json_number_value(json_array_get(a, 4 * i + 1)), json_number_value(json_array_get(a, 4 * i + 2)),
		               json_number_value(json_array_get(a, 4 * i + 3)));
	return r;
}

static int print_history(struct out *o, const json_t *f, struct err *e)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(f, "history"), i, entry) {
		char *args = json_dumps(json_object_get(entry, "args"), JSON_COMPACT | JSON_SORT_KEYS);
		int r = out_text(o, e, "  %-8s %zu %s %s %s\n", i ? "" : "history", i + 1, text(entry, "tool"), text(entry, "version"), args ? args : "");

		free(args);
		if (r)
			return -1;
	}
	return 0;
}

static const char *space_units(int code)
{
	return nifti_units_string(code & 7);
}

static const struct {
	const char *key;
	const char *(*name)(int); /* of a code */
} fields[] = {
	{"version"}, {"datatype", nifti_datatype_string}, {"dim"}, {"pixdim"}, {"xyzt_units", space_units}, {"qform_code", nifti_xform_string}, {"quatern"},
	{"qoffset"}, {"sform_code", nifti_xform_string}, {"srow"}, {"scl"}, {"intent_code", nifti_intent_string}, {"intent_p"}, {"intent_name"}, {"descrip"},
};

static int print_field(struct out *o, size_t i, const json_t *v, struct err *e)
{
	int code = (int)json_integer_value(v), r = out_text(o, e, "  %-8s %-11s", i ? "" : "header", fields[i].key);

	for (size_t k = 0; k < json_array_size(v) && !r; k++)
		r = out_text(o, e, " %.9g", json_number_value(json_array_get(v, k)));
	if (!r && json_is_integer(v))
		r = out_text(o, e, " %d%s%s", code, fields[i].name ? " " : "", fields[i].name ? fields[i].name(code) : "");
	if (!r && json_is_string(v))
		r = out_text(o, e, " %s", json_string_value(v));
	return r ? r : out_text(o, e, "\n");
}

static int print_header(struct out *o, const json_t *header, struct err *e)
{
	int r = json_is_null(header) ? out_text(o, e, "  header   none: not read from a NIfTI file\n") : 0;

	for (size_t i = 0; json_is_object(header) && !r && i < sizeof fields / sizeof *fields; i++)
		r = print_field(o, i, json_object_get(header, fields[i].key), e);
	return r;
}

static int print_text(struct out *o, const json_t *f, int64_t index, struct err *e)
{
	const char *key;
	json_t *v;
	size_t i;

	if (out_text(o, e, "frame %lld: %s, %s, %lld bytes of data, at byte %lld of %s\n", (long long)index, text(f, "id"), text(f, "kind"),
	               (long long)json_integer_value(json_object_get(f, "bytes")), (long long)json_integer_value(json_object_get(f, "offset")),
	               text(f, "file")))
		return -1;
	json_array_foreach(json_object_get(f, "tensors"), i, v)
		if (print_tensor(o, v, e))
			return -1;
	if (print_grid(o, f, e) || print_history(o, f, e))
		return -1;
	if (print_header(o, json_object_get(f, "header"), e))
		return -1;
	json_object_foreach(json_object_get(f, "meta"), key, v)
		if (out_text(o, e, "  %-8s %s\n", key, json_string_value(v)))
			return -1;
	return 0;
}

static int print_json(struct out *o, const json_t *f, struct err *e)
{
	char *s = json_dumps(f, JSON_COMPACT | JSON_REAL_PRECISION(17));
	int r = s ? out_printf(o, e, "%s\n", s) : err_set(e, NULL, "not enough memory for JSON");

	free(s);
	return r;
}

static int line(const struct frame *f, struct out *o, struct err *e)
{
	char *text = story_of(f, NULL, e);
	int r = !text ? err_prefix(e, "%s: %s", f->file, frame_id(f)) : *text ? out_write(o, text, strlen(text), e) :
	                out_text(o, e, "# %s: no history\n", frame_id(f));

	free(text);
	return r;
}

static int describe(const struct opts *opt, const struct frame *f, struct out *o, int64_t index, struct err *e)
{
	json_t *d = frame_describe(f, opt->stats, e);
	int r;

	if (d && opt->header) /* a history that is malformed was found out above */
		json_object_set_new(d, "header", nii_record_of(f, e));
	r = !d ? err_prefix(e, "%s: %s", f->file, frame_id(f)) : opt->json ? print_json(o, d, e) : print_text(o, d, index, e);
	json_decref(d);
	return r;
}

static int npy(const struct opts *opt, const struct frame *f, struct out *o, int64_t index, struct err *e)
{
	const struct tensor *t = frame_need(f, opt->npy, e);

	if (!t)
		return err_prefix(e, "%s: %s", f->file, frame_id(f));
	return index ? err_set(e, f->file, "%s: a second frame (--npy writes the tensor of one)", frame_id(f)) : npy_write(t, o, e);
}

static int one_stream(const struct opts *opt, const char *path, struct out *o, int64_t *index, struct err *e)
{
	struct stream *s = stream_open(path, e);
	struct frame f;
	int r = -1;

	while (s && (r = opt->stats || opt->npy ? stream_next(s, &f, e) : stream_next_header(s, &f, e)) == 1) {
		int bad = opt->history ? line(&f, o, e) : opt->npy ? npy(opt, &f, o, *index, e) : describe(opt, &f, o, *index, e);

		frame_free(&f);
		++*index;
		if (bad) {
			r = -1;
			break;
		}
	}
	stream_close(s);
	return r;
}

static int run(const struct opts *opt, const struct arg_common *c, struct err *e)
{
	struct out o;
	int64_t index = 0;

	if (out_open(&o, c->out, !!opt->npy, e))
		return -1;
	for (int i = 0; i < (c->argc ? c->argc : 1); i++)
		if (one_stream(opt, c->argc ? c->argv[i] : NULL, &o, &index, e)) {
			out_abort(&o);
			return -1;
		}
	return out_close(&o, e);
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "header", ARG_FLAG, &o.header, NULL, "the fields of the NIfTI header it was read from"},
		{0, "history", ARG_FLAG, &o.history, NULL, "the shell line that made it"},
		{0, "json", ARG_FLAG, &o.json, NULL, "one JSON object a frame, a line each"},
		{0, "npy", ARG_STR, &o.npy, "TENSOR", "write this tensor, of one frame, as a .npy of NumPy's"},
		{0, "stats", ARG_FLAG, &o.stats, NULL, "read the data too: minimum, maximum, mean, number of NaNs"},
		{0},
	};
	const struct arg_spec spec = {"ts-info", "[STREAM ...]", "Say what is in a tensor stream, frame by frame.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (o.npy && (o.json || o.stats || o.header))
		err_usage("--npy goes with none of --header, --json, --stats");
	if (o.history && (o.npy || o.json || o.stats || o.header))
		err_usage("--history goes with none of --header, --json, --npy, --stats");
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
