#include "lib/net/export.h"

#include <stdlib.h>
#include <string.h>

#include "lib/net/alias.h"
#include "lib/net/onnx.h"

/* What PyTorch's modules have by other names, so that load_state_dict(strict=True) finds them all. */
static int add_aliases(const struct graph *g, struct frame *f, struct err *e)
{
	int n;
	struct alias *a = alias_list(g, &n, e);
	int r = a ? 0 : -1;

	for (int i = 0; i < n && !r; i++) {
		const struct graph_param *p = &g->param[a[i].param];
		struct tensor *t = frame_add(f, a[i].name, frame_find(f, p->name)->dtype, p->rank, p->shape, e);

		if (t)
			memcpy(t->data, frame_find(f, p->name)->data, t->size);
		r = t ? 0 : -1;
	}
	free(a);
	return r;
}

/* PyTorch's loaders look for the format; all the rest is ours and makes the file a model still. */
static int write_safetensors(const struct import_net *n, struct out *o, struct err *e)
{
	struct frame f = {0};
	int r = import_frame(n, &f, e) || add_aliases(n->graph, &f, e) || frame_set_meta(&f, "format", "pt", e) || frame_write(&f, o, e) ? -1 : 0;

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
