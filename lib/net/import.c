#include "lib/net/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/arch.h"
#include "lib/net/archfile.h"
#include "lib/net/window.h"
#include "lib/volume/replay.h"

static int read_arch(const struct import *im, struct import_net *p, struct err *e)
{
	const char *text = im->arch ? im->arch : frame_meta(&p->w.frame, "arch");
	json_t *root;

	if (!text)
		return err_set(e, im->input, "does not say what network it is of: it has no metadata arch (seg-import --arch says it)");
	root = archfile_json(text, e);
	p->arch = root ? archfile_network(root, e) : NULL;
	if (root && !p->arch)
		err_prefix(e, "%s", im->arch ? "--arch" : im->input);
	json_decref(root);
	if (!p->arch)
		return -1;
	archfile_turn(p->arch, im->axes);
	p->graph = arch_graph(p->arch, e);
	return p->graph ? 0 : -1;
}

static int read_replay(const struct import *im, struct import_net *p, struct err *e)
{
	const char *own = frame_meta(&p->w.frame, "replay"), *text = im->replay ? im->replay : own ? own : "[]";

	p->replay = *text == '[' ? archfile_json(text, e) : replay_read(text, e);
	if (!p->replay)
		return -1;
	return replay_check(p->replay, e) ? err_prefix(e, "%s", im->replay ? "--replay" : im->input) : 0;
}

static int set_json(struct frame *f, const char *key, const json_t *v, struct err *e)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	int r = text ? frame_set_meta(f, key, text, e) : err_set(e, NULL, "not enough memory for metadata %s", key);

	free(text);
	return r;
}

/* Parameter p's values into the frame. */
static int add_param(const struct weights *w, const struct graph_param *p, struct frame *f, struct err *e)
{
	struct tensor *t = frame_add(f, p->name, DT_F32, p->rank, p->shape, e);
	const float *v;

	if (!t)
		return -1;
	weight_load(weights_find(w, p->name), t->data);
	v = t->data;
	for (int64_t i = 0; i < p->count; i++)
		if (!isfinite(v[i]))
			return err_set(e, w->file, "%.200s holds %f at place %lld: not a weight", p->name, v[i], (long long)i);
	return 0;
}

/* Do the windows fit the strides? */
static int check_roi(const struct import *im, const struct graph *g, struct err *e)
{
	int64_t div[3];

	graph_divisor(g, div);
	for (int k = 0; k < 3; k++)
		if (im->roi[k] % div[k])
			return err_set(e, NULL, "--roi: the network takes multiples of %lld,%lld,%lld", (long long)div[2], (long long)div[1], (long long)div[0]);
	return 0;
}

int import_open(struct import_net *n, const struct import *im, struct err *e)
{
	char line[600];

	memset(n, 0, sizeof *n);
	if (weights_open(&n->w, im->input, im->key, 0, e) || read_arch(im, n, e) || check_roi(im, n->graph, e) || read_replay(im, n, e))
		return -1;
	snprintf(line, sizeof line, "the weights are in '%.500s'", n->w.from);
	if (*n->w.from)
		im->say(im->arg, 0, line);
	return match_weights(&n->w, n->graph, im->prefix, im->axes, im->say, im->arg, e);
}

void import_close(struct import_net *n)
{
	graph_free(n->graph);
	json_decref(n->arch);
	json_decref(n->replay);
	weights_close(&n->w);
}

int import_frame(const struct import_net *n, const struct import *im, struct frame *f, struct err *e)
{
	const char *target = json_string_value(json_object_get(n->arch, "_target_")), *dot = strrchr(target, '.');
	const char *roi = frame_meta(&n->w.frame, "roi");

	if (frame_init(f, "model", dot ? dot + 1 : target, e) || set_json(f, "arch", n->arch, e) || set_json(f, "replay", n->replay, e))
		return -1;
	if (im->roi[0] ? window_roi_set(f, im->roi, e) : roi ? frame_set_meta(f, "roi", roi, e) : 0)
		return -1;
	for (int i = 0; i < n->graph->params; i++)
		if (add_param(&n->w, &n->graph->param[i], f, e))
			return -1;
	return 0;
}

int import_run(const struct import *im, struct out *o, struct err *e)
{
	struct import_net n;
	struct frame f = {0};
	int r = import_open(&n, im, e) || import_frame(&n, im, &f, e) || frame_write(&f, o, e) ? -1 : 0;

	frame_free(&f);
	import_close(&n);
	return r;
}

int import_list(const char *input, struct out *o, struct err *e)
{
	struct weights w;
	int r = weights_open(&w, input, NULL, 1, e);

	for (int i = 0; !r && i < w.n; i++) {
		char text[WEIGHT_TEXT], *space;

		weight_text(&w.w[i], text);
		space = strchr(text, ' ');
		*space = '\t';
		r = out_printf(o, e, "%s\t%s\n", w.w[i].name, text);
	}
	weights_close(&w);
	return r;
}
