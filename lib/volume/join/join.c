#include "lib/volume/join/join.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"

/* What the labels of a stream become. */
struct part {
	const struct nii_map *map; /* or NULL: */
	int to[JOIN_MOST + 1];     /* -1: it has no such label */
	json_t *names;             /* {"1": "liver"}, or NULL */
};

/* -- the table -- */

json_t *join_numbers(const char *path, struct err *e)
{
	json_t *names = names_load(path, e), *numbers = names ? json_object() : NULL, *v;
	const char *key;

	json_object_foreach(names, key, v)
		if (strcmp(key, "0"))
			json_object_set_new(numbers, json_string_value(v), json_integer(strtoll(key, NULL, 10)));
	json_decref(names);
	return numbers;
}

/* -- names -- */

static int64_t number(const struct join *j, int64_t label, const char *is)
{
	const json_t *n = json_object_get(j->ask->numbers, is);

	return j->ask->maps ? nii_map_to(&j->ask->maps[j->stream], label) : j->ask->numbers ? json_integer_value(n) : j->last + label;
}

static int add_name(struct join *j, struct part *p, const char *key, const json_t *v, const char *file, struct err *e)
{
	const char *is = json_string_value(v), *other = json_string_value(json_object_get(j->from, is));
	int64_t label, to;

	if (arg_int(key, 0, NAMES_MOST, &label, e))
		return -1;
	if (!label)
		return 0;
	if (other && !j->ask->maps)
		return err_set(e, NULL, "'%.80s' is a label of %.300s, too: one name for two", is, other);
	to = number(j, label, is);
	if (to > JOIN_MOST)
		return err_set(e, NULL, "'%.80s' would be label %lld (expected at most %d)", is, (long long)to, JOIN_MOST);
	json_object_set_new(j->from, is, json_string(file));
	p->to[label] = (int)to;
	if (to)
		names_set(j->names, to, v);
	return 0;
}

static int read_names(struct join *j, struct part *p, const struct frame *f, struct err *e)
{
	const char *key, *file = f->file ? f->file : "a stream";
	int64_t last = j->last;
	json_t *v;

	if (names_get(f, &p->names, e))
		return -1;
	if (!p->names && !j->ask->maps)
		return err_set(e, NULL, "has no names of its labels (metadata labels): say with --map what they become");
	json_object_foreach(p->names, key, v)
		if (add_name(j, p, key, v, file, e))
			return -1;
	for (int i = 1; i <= JOIN_MOST; i++)
		if (p->to[i] > last)
			last = p->to[i];
	j->last = last;
	return 0;
}

/* -- voxels -- */

static int64_t becomes(const struct part *p, int64_t v)
{
	return v < 0 || (!p->map && v > JOIN_MOST) ? -1 : p->map ? nii_map_to(p->map, v) : p->to[v];
}

/* Whole, whatever the type: what no label is becomes none. */
static int64_t label_at(const struct tensor *t, int64_t i)
{
	const double v = tensor_value(t, i);

	return v >= 0 && v < (double)((int64_t)1 << 53) ? (int64_t)v : -1;
}

/* A slice; labels come in runs. The place of the first voxel of which nothing can become, or -1. */
static int64_t paint(const struct part *p, const struct tensor *t, int64_t first, int64_t n, uint8_t *volume, int64_t *over)
{
	int64_t was = 0, to = becomes(p, 0);

	for (int64_t i = first; i < first + n; i++) {
		const int64_t v = label_at(t, i);

		if (v != was)
			to = becomes(p, was = v);
		if (to < 0 || to > JOIN_MOST)
			return i;
		if (!to)
			continue;
		*over += volume[i] && volume[i] != to;
		volume[i] = (uint8_t)to;
	}
	return -1;
}

static int no_label(const struct part *p, const struct tensor *t, int64_t i, struct err *e)
{
	const int64_t nx = t->shape[2], ny = t->shape[1];
	char text[VALUE_TEXT];

	tensor_value_text(t, i, text);
	return err_set(e, NULL, "label %s (voxel %lld,%lld,%lld) %s 0 to %d", text, (long long)(i % nx), (long long)(i / nx % ny), (long long)(i / nx / ny),
	               p->map ? "becomes what is not" : "has no name in metadata labels, or is not", JOIN_MOST);
}

static int paint_all(struct join *j, const struct part *p, const struct tensor *t, struct err *e)
{
	const int64_t nz = t->shape[0], plane = t->shape[1] * t->shape[2];
	int64_t worst = INT64_MAX, over = 0;
	uint8_t *volume = j->volume;

#pragma omp parallel for schedule(static) reduction(min:worst) reduction(+:over)
	for (int64_t z = 0; z < nz; z++) {
		const int64_t bad = paint(p, t, z * plane, plane, volume, &over);

		if (bad >= 0 && bad < worst)
			worst = bad;
	}
	j->over += over;
	return worst < INT64_MAX ? no_label(p, t, worst, e) : 0;
}

/* -- a case -- */

static int begin(struct join *j, const struct tensor *t, struct err *e)
{
	j->names = json_pack("{s:s}", "0", "background");
	j->from = json_object();
	j->history = json_array();
	j->volume = mem_zero((size_t)tensor_count(t), 1, t->name, e);
	return j->volume ? 0 : -1;
}

int join_take(struct join *j, const struct frame *f, struct err *e)
{
	const struct tensor *t = frame_labels(f, j->ask->tensor, e);
	struct part p = {.map = j->ask->maps ? &j->ask->maps[j->stream] : NULL};
	json_t *history = NULL;
	int r = !t || (!j->stream && begin(j, t, e)) ? -1 : 0;

	for (int i = 1; i <= JOIN_MOST; i++)
		p.to[i] = -1;
	if (!r && j->stream)
		r = (history = history_get(f, e)) && !json_array_append(j->history, history) ? 0 : -1;
	r = r || read_names(j, &p, f, e) || paint_all(j, &p, t, e) ? -1 : 0;
	j->stream++;
	json_decref(history);
	json_decref(p.names);
	return r;
}

static int all_met(const struct join *j, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)j->ask->numbers, key, v)
		if (!json_object_get(j->from, key))
			return err_set(e, NULL, "the table %.300s has '%.80s', which no stream has", j->ask->path, key);
	return 0;
}

int join_put(struct join *j, struct frame *f, struct err *e)
{
	const struct tensor *t = frame_labels(f, j->ask->tensor, e);
	char *tensor;
	int bad;

	if (!t || all_met(j, e))
		return -1;
	tensor = strdup(t->name);
	if (!tensor)
		return err_set(e, NULL, "not enough memory for a name");
	bad = !frame_adopt(f, tensor, DT_U8, 3, (int64_t[]){t->shape[0], t->shape[1], t->shape[2]}, j->volume, e);
	free(tensor);
	j->volume = NULL;
	return bad ? -1 : names_put(f, j->names, e);
}

void join_free(struct join *j)
{
	json_decref(j->names);
	json_decref(j->from);
	json_decref(j->history);
	free(j->volume);
}
