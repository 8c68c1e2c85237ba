#include "lib/net/export.h"

#include <string.h>

#include "lib/net/onnx.h"

/* PyTorch's loaders look for the format; all the rest is ours and makes the file a model still. */
static int write_safetensors(const struct import_net *n, struct out *o, struct err *e)
{
	struct frame f = {0};
	int r = import_frame(n, &f, e) || frame_set_meta(&f, "format", "pt", e) || frame_write(&f, o, e) ? -1 : 0;

	frame_free(&f);
	return r;
}

static int write_onnx(const struct import_net *n, struct out *o, struct err *e)
{
	static const char *const keys[] = {"arch", "replay", "roi"};
	struct onnx_prop prop[4] = {{0}};
	int k = 0;

	for (int i = 0; i < 3; i++)
		if (frame_meta(&n->w.frame, keys[i]))
			prop[k++] = (struct onnx_prop){keys[i], frame_meta(&n->w.frame, keys[i])};
	return onnx_write(n->graph, &n->w, prop, o, e);
}

int export_run(const struct export *x, struct out *o, struct err *e)
{
	const struct import im = {.input = x->input, .axes = {0, 1, 2}, .say = x->say, .arg = x->arg};
	struct import_net n;
	int r = import_open(&n, &im, e);

	if (!r)
		r = x->format == EXPORT_ONNX ? write_onnx(&n, o, e) : write_safetensors(&n, o, e);
	import_close(&n);
	return r;
}
