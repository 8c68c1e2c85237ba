/* seg-join [FILE ...]: labels of several models -> one volume.
   The operands are streams that run in step, each with labels (`pred`, else `label`) and their names, metadata `labels`. The first one's frames get
   all labels, U8, each stream's numbered behind those before, or by a table or maps; the last stream that labels a voxel counts. All else comes from
   the first.
   Memory: one frame of the first stream, one of another, and a byte a voxel. */
#include <stdlib.h>

#include "lib/base/arg.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/stream/step.h"
#include "lib/volume/join/join.h"

struct work {
	struct arg_strs maps;
	struct join_ask ask;
	struct join join; /* the case at hand */
	const struct arg_common *c;
};

static json_t *history_args(struct work *w)
{
	json_t *args = json_object(), *maps = w->maps.n ? json_array() : NULL;
	char hash[HASH_TEXT];

	for (int i = 0; i < w->maps.n; i++)
		json_array_append_new(maps, json_string(w->maps.v[i]));
	if (maps)
		json_object_set_new(args, "maps", maps);
	json_object_set(args, "streams", w->join.history);
	if (w->ask.tensor)
		json_object_set_new(args, "tensor", json_string(w->ask.tensor));
	if (w->ask.path)
		json_object_set_new(args, "labels", shell_name(w->ask.path));
	if (w->ask.path && !hash_file(w->ask.path, hash))
		json_object_set_new(args, "hash", json_string(hash));
	return args;
}

static int begin(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;

	join_free(&w->join);
	w->join = (struct join){.ask = &w->ask};
	return join_take(&w->join, f, e);
}

static int add(struct frame *f, struct frame *other, void *arg, struct err *e)
{
	(void)f;
	return join_take(&((struct work *)arg)->join, other, e);
}

static int end(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;

	if (join_put(&w->join, f, e) || history_push(f, "seg-join", history_args(w), NULL, NULL, e))
		return -1;
	if (w->c->verbose)
		err_warn("%s: %lld labels of voxels gave way to those of later streams", frame_id(f), (long long)w->join.over);
	return 0;
}

static int run(struct work *w, struct err *e)
{
	json_t *numbers = w->ask.path ? join_numbers(w->ask.path, e) : NULL;
	int r;

	if (w->ask.path && !numbers)
		return -1;
	w->ask.numbers = numbers;
	r = step_run(w->c, &(struct step_of){begin, add, end}, w, e);
	join_free(&w->join);
	json_decref(numbers);
	return r;
}

/* A map for each stream, or none. */
static void read_maps(struct work *w)
{
	const int streams = w->c->argc ? w->c->argc : 1;
	struct nii_map *maps;
	struct err e;

	if (!w->maps.n)
		return;
	if (w->maps.n != streams)
		err_usage("--map: one for each stream (there are %d for %d)", w->maps.n, streams);
	if (w->ask.path)
		err_usage("--labels or --map, not both");
	maps = mem_new((size_t)streams, sizeof *maps, "maps", &e);
	if (!maps)
		err_die(&e);
	for (int i = 0; i < streams; i++)
		if (nii_map_parse(&maps[i], w->maps.v[i], &e))
			err_usage("--map: %s", e.text);
	w->ask.maps = maps;
}

int main(int argc, char **argv)
{
	static struct work w;
	const struct arg args[] = {
		{0, "labels", ARG_STR, &w.ask.path, "FILE", "table of columns label, name: these numbers, no other labels (each stream's behind those before)"},
		{0, "map", ARG_STRS, &w.maps, "FROM=TO,...", "instead: labels that become others, once for each stream; FROM *: all but 0 that are not named"},
		{'t', "tensor", ARG_STR, &w.ask.tensor, "NAME", "the labels (pred, else label)"},
		{0},
	};
	const struct arg_spec spec = {"seg-join", "[FILE ...]", "put the labels of several streams into one volume", args, ARG_OUT, 0, -1};
	struct arg_common c;
	struct err e;

	w.c = &c;
	arg_parse(&spec, argc, argv, &c);
	read_maps(&w);
	if (run(&w, &e))
		err_die(&e);
	free((void *)w.ask.maps);
	return 0;
}
