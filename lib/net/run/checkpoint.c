#include "lib/net/run/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/stream.h"
#include "lib/volume/geometry/orient.h"

/* Metadata KEY as JSON of a type; NULL and an error. */
static json_t *meta_json(const struct frame *f, const char *key, json_type type, struct err *e)
{
	const char *text = frame_meta(f, key);
	json_error_t why;
	json_t *j;

	if (!text) {
		err_at(e, f->file, f->offset, "the model has no '%s' in its metadata", key);
		return NULL;
	}
	j = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!j || json_typeof(j) != type) {
		err_at(e, f->file, f->offset, "the model's '%s' is not a JSON %s", key, type == JSON_OBJECT ? "object" : "array");
		json_decref(j);
		return NULL;
	}
	return j;
}

int model_open(struct model *m, const char *path, struct err *e)
{
	const char *kind, *orient;

	memset(m, 0, sizeof *m);
	m->file = path;
	m->stream = stream_open(path, e);
	if (!m->stream || stream_next(m->stream, &m->frame, e) != 1)
		goto bad;
	kind = frame_meta(&m->frame, "kind");
	if (!kind || strcmp(kind, "model")) {
		err_at(e, path, m->frame.offset, "is not a model: its first frame is of kind '%.40s', not 'model'", kind ? kind : "");
		goto bad;
	}
	m->channels = frame_meta(&m->frame, "channels");
	orient = frame_meta(&m->frame, "orient");
	if (orient && strlen(orient) < sizeof m->orient)
		memcpy(m->orient, orient, strlen(orient));
	if (regions_get(&m->frame, &m->regions, e)) {
		err_prefix(e, "%s", path);
		goto bad;
	}
	m->arch = meta_json(&m->frame, "arch", JSON_OBJECT, e);
	m->replay = m->arch ? meta_json(&m->frame, "replay", JSON_ARRAY, e) : NULL;
	if (m->replay)
		return 0;
bad:
	model_close(m);
	return -1;
}

void model_close(struct model *m)
{
	json_decref(m->arch);
	json_decref(m->replay);
	frame_free(&m->frame);
	stream_close(m->stream);
	memset(m, 0, sizeof *m);
}

/* The weights are in the network now: give the file's pages back. */
static void drop_tensors(struct model *m)
{
	while (m->frame.n)
		frame_drop(&m->frame, m->frame.t[m->frame.n - 1].name);
	stream_close(m->stream);
	m->stream = NULL;
}

int model_net(struct model *m, const char *path, const struct k_backend *k, struct net **n, struct err *e)
{
	*n = NULL;
	if (model_open(m, path, e))
		return -1;
	*n = net_new(m->arch, k, e);
	if (!*n)
		err_prefix(e, "%s", path);
	else if (m->regions.n && m->regions.n != net_classes(*n))
		err_set(e, path, "has %d regions, and a network of %d classes", m->regions.n, net_classes(*n));
	else if (!net_load(*n, &m->frame, e)) {
		drop_tensors(m);
		return 0;
	}
	net_free(*n);
	*n = NULL;
	model_close(m);
	return -1;
}

/* A step as text for messages, cut where it gets long. */
static void step_text(char *s, size_t size, const json_t *step)
{
	const char *tool = json_string_value(json_object_get(step, "tool"));
	char *args = json_dumps(json_object_get(step, "args"), JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	if (!step)
		snprintf(s, size, "nothing");
	else
		snprintf(s, size, "%.40s %.200s", tool ? tool : "?", args ? args : "");
	free(args);
}

/* A volume whose axes ran otherwise than those of the training data was turned first, by hand as nii-replay does it: that is no step of theirs. */
static void forget_turn(const struct model *m, json_t *is)
{
	json_t *turn = *m->orient ? json_pack("{s:s, s:{s:s}}", "tool", "nii-resample", "args", "orient", m->orient) : NULL;

	if (turn && json_equal(json_array_get(is, 0), turn) && !json_equal(json_array_get(m->replay, 0), turn))
		json_array_remove(is, 0);
	json_decref(turn);
}

int model_check_replay(const struct model *m, const struct frame *f, struct err *e)
{
	json_t *is = history_replay(f, e);
	char found[256], wanted[256];
	size_t i = 0, n;

	if (!is)
		return -1;
	forget_turn(m, is);
	n = json_array_size(is) > json_array_size(m->replay) ? json_array_size(is) : json_array_size(m->replay);
	while (i < n && json_array_get(is, i) && json_array_get(m->replay, i) && json_equal(json_array_get(is, i), json_array_get(m->replay, i)))
		i++;
	if (i < n) {
		step_text(found, sizeof found, json_array_get(is, i));
		step_text(wanted, sizeof wanted, json_array_get(m->replay, i));
		err_set(e, NULL, "is not prepared as the model's training data: step %zu is %s, the model wants %s", i + 1, found, wanted);
	}
	json_decref(is);
	return i < n ? -1 : names_channels(f, m->channels, "the model's", e);
}

int model_turned(const struct model *m, const struct grid *g, char code[4])
{
	orient_code(g, code);
	return *code && *m->orient && strcmp(code, m->orient);
}
