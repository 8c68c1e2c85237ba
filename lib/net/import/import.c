#include "lib/net/import/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/net/arch/arch.h"
#include "lib/net/arch/archfile.h"
#include "lib/net/arch/axes.h"
#include "lib/net/planner/plans.h"
#include "lib/net/window/window.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/shell.h"
#include "lib/volume/history/replay.h"
#include "lib/volume/onehot/onehot.h"

/* nnU-Net's plans do not say how many channels go in and classes come out: the first and the last convolution do. */
static void count_channels(json_t *arch, const struct weights *w)
{
	static const struct { const char *key, *end; int axis; } from[] = {
		{"input_channels", "encoder.stages.0.0.convs.0.conv.weight", 1}, {"input_channels", "encoder.stem.convs.0.conv.weight", 1},
		{"num_classes", "decoder.seg_layers.0.weight", 0},
	};

	for (size_t k = 0; k < sizeof from / sizeof *from; k++)
		for (int i = 0; i < w->n; i++) {
			size_t n = strlen(w->w[i].name), end = strlen(from[k].end);

			if (n >= end && !strcmp(w->w[i].name + n - end, from[k].end) && w->w[i].rank > 3)
				json_object_set_new(arch, from[k].key, json_integer(w->w[i].shape[from[k].axis]));
		}
}

/* A cascade's second stage: behind the image's channels those of the labels that the first one found. */
static int add_previous(struct import_net *n, int64_t images, struct err *e)
{
	const struct onehot o = {json_integer_value(json_object_get(n->arch, "input_channels")) - images};

	if (o.classes < 1 || o.classes > 255)
		return err_set(e, NULL, "previous_stage: the network takes %lld channels, the image has %lld: no labels are left", (long long)(o.classes + images),
		               (long long)images);
	return replay_add(n->replay, "nii-onehot", onehot_json(&o)) ? err_set(e, NULL, "not enough memory for a step") : 0;
}

static int read_plans(const struct import *im, const json_t *root, struct import_net *n, struct err *e)
{
	struct plans p;
	const char *folder = *n->folder.configuration ? n->folder.configuration : PLANS_CONFIGURATION;
	int r = plans_read(&p, root, im->configuration ? im->configuration : folder, !im->replay, e);

	n->arch = json_incref(p.arch);
	n->replay = json_incref(p.replay);
	memcpy(n->axes, p.axes, sizeof n->axes);
	memcpy(n->roi, p.roi, sizeof n->roi);
	if (!r)
		count_channels(n->arch, &n->w);
	if (!r && p.previous && n->replay)
		r = add_previous(n, p.images, e);
	plans_free(&p);
	return r;
}

static void take_axes(const struct import *im, struct import_net *n)
{
	const char *said = frame_meta(&n->w.frame, "axes");
	const int given = im->axes[0] || im->axes[1], turned = said ? !strcmp(said, "xyz") : n->folder.axes[0] > 0;

	for (int k = 0; k < MATCH_AXES; k++)
		n->axes[k] = given ? im->axes[k] : turned ? 2 - k : k;
}

static int read_network(const struct import *im, const json_t *root, struct import_net *n, struct err *e)
{
	if (plans_is(root))
		return read_plans(im, root, n, e);
	take_axes(im, n);
	n->arch = archfile_network(root, e);
	if (!n->arch)
		return -1;
	axes_turn(n->arch, n->axes);
	return 0;
}

static int read_arch(const struct import *im, struct import_net *n, struct err *e)
{
	const char *text = im->arch ? im->arch : frame_meta(&n->w.frame, "arch");
	json_t *root;
	int r;

	if (!text && !n->folder.network)
		return err_set(e, im->input, "does not say what network it is of: it has no metadata arch (seg-import --arch says it)");
	root = n->folder.network ? json_incref(n->folder.network) : archfile_json(text, e);
	if (!root)
		return -1;
	r = read_network(im, root, n, e);
	if (r)
		err_prefix(e, "%s", im->arch ? "--arch" : *n->folder.said ? n->folder.said : im->input);
	json_decref(root);
	n->graph = r ? NULL : arch_graph(n->arch, e);
	if (!r && !n->graph && !im->arch && *n->folder.said)
		err_prefix(e, "%s", n->folder.said);
	return n->graph ? 0 : -1;
}

static int read_replay(const struct import *im, struct import_net *n, struct err *e)
{
	const char *own = frame_meta(&n->w.frame, "replay"), *text = im->replay ? im->replay : own ? own : "[]";

	if (!im->replay && !n->replay)
		n->replay = json_incref(n->folder.replay);
	if (n->replay && !im->replay)
		return replay_check(n->replay, e);
	json_decref(n->replay);
	n->replay = *text == '[' ? archfile_json(text, e) : replay_read(text, NULL, NULL, e);
	if (!n->replay)
		return -1;
	return replay_check(n->replay, e) ? err_prefix(e, "%s", im->replay ? "--replay" : im->input) : 0;
}

/* The windows' size, which may be the network's own, and whether it fits. */
static int read_roi(const struct import *im, struct import_net *n, struct err *e)
{
	if (im->roi[0])
		memcpy(n->roi, im->roi, sizeof n->roi);
	else if (n->folder.roi[0])
		memcpy(n->roi, n->folder.roi, sizeof n->roi);
	else if (!n->roi[0] && n->w.frame.meta && window_roi_get(&n->w.frame, n->roi, e) < 0)
		return -1;
	if (!n->roi[0] && n->graph->fixed[0])
		graph_next_size(n->graph, (const int64_t[]){1, 1, 1}, n->roi);
	return n->roi[0] && graph_fits(n->graph, n->roi, e) ? err_prefix(e, "roi") : 0;
}

/* Parameter p's values into the frame: float32, but an integer (a counter) as it is. */
static int add_param(const struct weights *w, const struct graph_param *p, struct frame *f, struct err *e)
{
	const struct weight *from = weights_find(w, p->name);
	struct tensor *t = frame_add(f, p->name, dtype_is_float(from->dtype) ? DT_F32 : from->dtype, p->rank, p->shape, e);
	const float *v;

	if (!t)
		return -1;
	if (t->dtype != DT_F32) {
		memcpy(t->data, from->data, t->size);
		return 0;
	}
	weights_load(from, t->data);
	v = t->data;
	for (int64_t i = 0; i < p->count; i++)
		if (!isfinite(v[i]))
			return err_set(e, w->file, "%.200s holds %f at place %lld: not a weight", p->name, v[i], (long long)i);
	return 0;
}

/* -- folders -- */

static int open_folder(const struct import *im, struct import_net *n, struct err *e)
{
	const struct folder_ask ask = {im->input, im->configuration, im->fold, im->weights, !im->arch, !im->replay, !im->roi[0], im->totalsegmentator};

	if (!folder_is(im->input) && (im->fold || im->weights || im->totalsegmentator))
		return err_set(e, im->input, "is no folder: %s is of one", im->fold ? "--fold" : im->weights ? "--weights" : "--totalsegmentator");
	return folder_open(&n->folder, &ask, e);
}

/* Channels of the logits, where the description says them. */
static int64_t classes(const json_t *arch)
{
	const json_t *n = json_object_get(arch, "out_channels");

	return json_integer_value(n ? n : json_object_get(arch, "num_classes"));
}

/* The network's regions: as was asked for, as the folder says, or as the file does. */
static int read_regions(const struct import *im, struct import_net *n, struct err *e)
{
	const int64_t k = classes(n->arch);

	n->regions = n->folder.regions;
	if (im->regions ? regions_parse(&n->regions, im->regions, e) : 0)
		return err_prefix(e, "--regions");
	if (!im->regions && !n->regions.n && n->w.frame.meta && regions_get(&n->w.frame, &n->regions, e))
		return err_prefix(e, "%s", im->input);
	if (!n->regions.n || n->regions.n == k)
		return 0;
	return err_set(e, im->input, "%d regions, and a network of %lld classes", n->regions.n, (long long)k);
}

/* What the folder says of the network's classes must be of these. */
static int check_folder(const struct import *im, struct import_net *n, struct err *e)
{
	const int64_t k = classes(n->arch);

	if (!im->regions && n->folder.classes && n->folder.classes != k)
		return err_set(e, im->input, "dataset.json has %lld labels, the network %lld classes", (long long)n->folder.classes, (long long)k);
	if (n->folder.apart && k > 1 && !n->regions.n)
		return err_set(e, im->input, "postprocessing: %lld classes, each by itself: which labels each is made of is not said: say with --regions",
		               (long long)k);
	if (n->regions.n) { /* labels are what they give */
		json_decref(n->folder.labels);
		n->folder.labels = regions_names(&n->regions);
	}
	folder_predict(&n->folder, &n->w, n->axes, n->graph->slices >= 0, im->replay ? NULL : n->replay);
	return 0;
}

/* Did another file than that which was named hold the weights? */
static int elsewhere(const struct import *im, const struct import_net *n)
{
	return *n->folder.weights && strcmp(n->folder.weights, im->input) != 0;
}

static void say_folder(const struct import *im, const struct import_net *n)
{
	char line[FOLDER_PATH + FOLDER_TEXT];

	if (!*n->folder.weights)
		return;
	snprintf(line, sizeof line, "the weights are %s", n->folder.weights);
	if (elsewhere(im, n))
		im->say(im->arg, 0, line);
	snprintf(line, sizeof line, "its own way to predict is %s", n->folder.predict);
	im->say(im->arg, 0, line);
	snprintf(line, sizeof line, "of that is left out, as it is not known: %s", n->folder.more);
	if (*n->folder.more)
		im->say(im->arg, 0, line);
}

/* What a model says of itself beyond its network, where no folder says it */
static int take_own(const struct import *im, struct import_net *n, struct err *e)
{
	const char *channels = frame_meta(&n->w.frame, "channels"), *predict = frame_meta(&n->w.frame, "predict");

	if (!frame_meta(&n->w.frame, "arch")) /* another program's metadata */
		return 0;
	if (!n->folder.labels && names_get(&n->w.frame, &n->folder.labels, e))
		return err_prefix(e, "%s", im->input);
	if (!n->folder.channels && channels)
		n->folder.channels = json_loads(channels, 0, NULL);
	if (!*n->folder.predict && predict)
		snprintf(n->folder.predict, sizeof n->folder.predict, "%s", predict);
	return 0;
}

int import_open(struct import_net *n, const struct import *im, struct err *e)
{
	char line[600];
	const char *file;

	memset(n, 0, sizeof *n);
	if (open_folder(im, n, e))
		return -1;
	file = *n->folder.weights ? n->folder.weights : im->input;
	if (weights_open(&n->w, file, im->key, 0, e) || read_arch(im, n, e) || read_roi(im, n, e) || read_replay(im, n, e) || read_regions(im, n, e) ||
	    check_folder(im, n, e))
		return -1;
	say_folder(im, n);
	if (take_own(im, n, e))
		return -1;
	snprintf(line, sizeof line, "the weights are in '%.500s'", n->w.from);
	if (*n->w.from)
		im->say(im->arg, 0, line);
	return match_weights(&n->w, n->graph, im->prefix, n->axes, im->say, im->arg, e);
}

void import_close(struct import_net *n)
{
	graph_free(n->graph);
	json_decref(n->arch);
	json_decref(n->replay);
	weights_close(&n->w);
	folder_free(&n->folder);
}

int import_meta(const struct import_net *n, struct frame *f, struct err *e)
{
	const char *target = json_string_value(json_object_get(n->arch, "_target_"));

	if (frame_init(f, "model", arch_class(target), e) || frame_set_json(f, "arch", n->arch, e) || frame_set_json(f, "replay", n->replay, e))
		return -1;
	if (n->roi[0] && window_roi_set(f, n->roi, e))
		return -1;
	if ((n->folder.labels && frame_set_json(f, "labels", n->folder.labels, e)) || regions_set(f, &n->regions, e))
		return -1;
	if (n->folder.channels && frame_set_json(f, "channels", n->folder.channels, e))
		return -1;
	return *n->folder.predict ? frame_set_meta(f, "predict", n->folder.predict, e) : 0;
}

int import_frame(const struct import_net *n, struct frame *f, struct err *e)
{
	if (import_meta(n, f, e))
		return -1;
	for (int i = 0; i < n->graph->params; i++)
		if (add_param(&n->w, &n->graph->param[i], f, e))
			return -1;
	return 0;
}

/* What was asked for; of the axes, the order that is not ours. */
static json_t *history_args(const struct import *im, const struct import_net *n)
{
	const int folder = elsewhere(im, n);
	const struct { const char *key, *value; } given[] = {
		{"file", im->input}, {"arch", im->arch}, {"key", im->key}, {"prefix", im->prefix}, {"replay", im->replay},
		{"axes", im->axes[0] > im->axes[2] ? "xyz" : NULL}, {"configuration", im->configuration}, {"fold", im->fold}, {"weights", im->weights},
		{"regions", im->regions},
		{"read", folder ? n->folder.weights : NULL},
	};
	const int64_t roi[3] = {im->roi[2], im->roi[1], im->roi[0]};
	json_t *a = json_object();
	char hash[HASH_TEXT];

	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		if (given[i].value)
			json_object_set_new(a, given[i].key, shell_name(given[i].value));
	if (roi[0])
		json_object_set_new(a, "roi", json_ints(roi, 3));
	if (im->totalsegmentator)
		json_object_set_new(a, "totalsegmentator", json_true());
	if (!hash_file(folder ? n->folder.weights : im->input, hash))
		json_object_set_new(a, folder ? "read_hash" : "hash", json_string(hash));
	return a;
}

int import_run(const struct import *im, struct out *o, struct err *e)
{
	struct import_net n;
	struct frame f = {0};
	int r = import_open(&n, im, e) || import_frame(&n, &f, e) || history_push(&f, "seg-import", history_args(im, &n), NULL, NULL, e) ||
	        frame_write(&f, o, e) ? -1 : 0;

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

		weights_text(&w.w[i], text);
		space = strchr(text, ' ');
		*space = '\t';
		r = out_printf(o, e, "%s\t%s\n", w.w[i].name, text);
	}
	weights_close(&w);
	return r;
}
