/* seg-export MODEL: a model's network for other programs.
   In: a model (seg-train, seg-import).
   Out: safetensors, the state_dict that PyTorch's load_state_dict takes; or ONNX, opset 17.
   Memory: the model's weights (mapped) and, for safetensors, once more; for ONNX, the largest of them. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/export/export.h"

struct opts {
	int format; /* -1: by the output's suffix */
	struct export x;
	struct arg_common c;
};

static void say(void *arg, int problem, const char *line)
{
	const struct opts *o = arg;

	if (problem || !o->c.quiet)
		err_warn("%s: %s", o->x.input, line);
}

/* Of a format by its file's suffix; -1: none. */
static int by_suffix(const char *path)
{
	static const char *const suffix[] = {[EXPORT_SAFETENSORS] = ".safetensors", [EXPORT_ONNX] = ".onnx"};
	size_t n = path ? strlen(path) : 0;

	for (int i = 0; i < 2; i++)
		if (n > strlen(suffix[i]) && !strcmp(path + n - strlen(suffix[i]), suffix[i]))
			return i;
	return -1;
}

static int run(struct opts *o, struct err *e)
{
	struct out out;

	if (out_open(&out, o->c.out, 1, e))
		return -1;
	if (export_run(&o->x, &out, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.format = -1, .x = {.say = say}};
	struct err e;
	const struct arg args[] = {
		{0, "format", ARG_CHOICE, &o.format, "safetensors|onnx", "of the output (what its suffix says)"},
		{0},
	};
	const struct arg_spec spec = {"seg-export", "MODEL", "a model for other programs: safetensors, ONNX", args, ARG_OUT, 1, 1};

	arg_parse(&spec, argc, argv, &o.c);
	o.x.input = o.c.argv[0];
	o.x.arg = &o;
	if (o.format < 0)
		o.format = by_suffix(o.c.out);
	if (o.format < 0)
		err_usage("no format: give --format, or -o FILE.safetensors or FILE.onnx");
	o.x.format = (enum export_format)o.format;
	if (run(&o, &e))
		err_die(&e);
	return 0;
}
