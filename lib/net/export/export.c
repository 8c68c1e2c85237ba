#include "lib/net/export/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/net/arch/arch.h"
#include "lib/net/arch/axes.h"
#include "lib/net/export/onnx.h"
#include "lib/net/graph/alias.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/stream/story.h"

/* The network with what its module has but its forward pass does not use; freed with graph_free. */
static struct graph *whole(const json_t *arch, struct err *e)
{
	json_t *a = json_copy((json_t *)arch);
	struct graph *g;

	json_object_del(a, "use_conv_final"); /* SegResNet makes its last layers all the same */
	g = arch_graph(a, e);
	json_decref(a);
	return g;
}

/* Parameters that are not used: 0. */
static int add_idle(const struct graph *g, struct frame *f, struct err *e)
{
	for (int i = 0; i < g->params; i++) {
		const struct graph_param *p = &g->param[i];
		struct tensor *t = frame_find(f, p->name) ? NULL : frame_add(f, p->name, DT_F32, p->rank, p->shape, e);

		if (t)
			memset(t->data, 0, t->size);
		else if (!frame_find(f, p->name))
			return -1;
	}
	return 0;
}

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

/* MONAI's attention keeps, for every pair of a window's voxels, the line of its bias table that their distance has: [L,L], first axis outermost. */
static void fill_index(const int window[3], int64_t *index)
{
	const int w = window[2], plane = window[1] * w, n = window[0] * plane, line = 2 * w - 1, page = (2 * window[1] - 1) * line;

	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++)
			*index++ = (i / plane - k / plane + window[0] - 1) * page + (i % plane / w - k % plane / w + window[1] - 1) * line +
			           (i % w - k % w + w - 1);
}

static int add_indices(const struct graph *g, struct frame *f, struct err *e)
{
	static const char table[] = "relative_position_bias_table";

	for (int i = 0; i < g->n; i++) {
		const struct graph_attention *a = &g->op[i].attention;
		const int window[3] = {a->window[a->turned ? 2 : 0], a->window[1], a->window[a->turned ? 0 : 2]};
		const char *name = g->op[i].kind == GRAPH_ATTENTION && !a->bare ? g->param[g->op[i].w].name : NULL;
		int64_t shape[2] = {(int64_t)window[0] * window[1] * window[2], (int64_t)window[0] * window[1] * window[2]};
		char full[GRAPH_NAME + 40];
		struct tensor *t;

		if (!name || strlen(name) < sizeof table)
			continue;
		snprintf(full, sizeof full, "%.*srelative_position_index", (int)(strlen(name) - strlen(table)), name);
		t = frame_add(f, full, DT_I64, 2, shape, e);
		if (!t)
			return -1;
		fill_index(window, t->data);
	}
	return 0;
}

static const char *const formats[] = {[EXPORT_SAFETENSORS] = "safetensors", [EXPORT_ONNX] = "onnx"};

/* The model's history and this step. */
static int tell(const struct export *x, const struct frame *from, struct frame *f, struct err *e)
{
	const char *history = frame_meta(from, "history");
	json_t *model = shell_name(x->input), *file = history ? json_string("-") : json_incref(model);
	json_t *args = json_pack("{s:s, s:o, s:o}", "format", formats[x->format], "file", file, "model", model);
	char hash[HASH_TEXT];

	if (!hash_file(x->input, hash))
		json_object_set_new(args, "hash", json_string(hash));
	return frame_set_meta(f, "history", history, e) || history_push(f, "seg-export", args, NULL, NULL, e) ? -1 : 0;
}

/* A network that counts x,y,z goes back to the arrays that it was trained on. Its kernels are cubes. */
static int turn_back(struct import_net *n, struct frame *f, struct err *e)
{
	static const int xyz[MATCH_AXES] = {2, 1, 0};

	axes_turn(n->arch, xyz);
	for (int i = 0; i < n->w.n; i++)
		match_turn(&n->w.w[i], xyz, n->graph->slices);
	return import_frame(n, f, e) || frame_set_meta(f, "axes", "xyz", e) ? -1 : 0;
}

/* PyTorch's loaders look for the format; all the rest is ours and makes the file a model still. */
static int write_safetensors(const struct export *x, struct import_net *n, struct out *o, struct err *e)
{
	struct frame f = {0};
	struct graph *g = whole(n->arch, e);
	int r = !g || (axes_turned(n->arch) ? turn_back(n, &f, e) : import_frame(n, &f, e));

	r = r || tell(x, &n->w.frame, &f, e) || add_idle(g, &f, e) || add_aliases(g, &f, e) || add_indices(n->graph, &f, e) ||
	    frame_set_meta(&f, "format", "pt", e) || frame_write(&f, o, e) ? -1 : 0;
	graph_free(g);
	frame_free(&f);
	return r;
}

static int write_onnx(const struct export *x, const struct import_net *n, struct out *o, struct err *e)
{
	static const char *const keys[] = {"arch", "replay", "roi", "regions", "labels", "channels", "predict"};
	enum { KEYS = sizeof keys / sizeof *keys };
	struct onnx_prop prop[KEYS + 2] = {{0}};
	struct frame f = {0};
	char *history;
	int k = 0, r;

	history = import_meta(n, &f, e) || tell(x, &n->w.frame, &f, e) ? NULL : story_of(&f, NULL, e);
	for (int i = 0; i < KEYS; i++)
		if (frame_meta(&f, keys[i]))
			prop[k++] = (struct onnx_prop){keys[i], frame_meta(&f, keys[i])};
	prop[k] = (struct onnx_prop){"history", history};
	r = history ? onnx_write(n->graph, &n->w, prop, o, e) : -1;
	free(history);
	frame_free(&f);
	return r;
}

int export_run(const struct export *x, struct out *o, struct err *e)
{
	const struct import im = {.input = x->input, .say = x->say, .arg = x->arg};
	struct import_net n;
	int r = import_open(&n, &im, e);

	if (!r)
		r = x->format == EXPORT_ONNX ? write_onnx(x, &n, o, e) : write_safetensors(x, &n, o, e);
	import_close(&n);
	return r;
}
