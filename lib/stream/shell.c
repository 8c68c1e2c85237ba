#define _GNU_SOURCE
#include "lib/stream/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/quote.h"

/* What becomes of an argument; those that are in no rule become --KEY VALUE, with - for _. NAMED: with another name. SET: only where it is not 0, not
   empty. EACH: once for every entry. AXES: the letters of those that are not 0. FLAGS: a flag for each word, NAME and NAME-WORD.
   STREAMS: of each stream but the first its history; they are operands. */
enum how { SKIP, NAMED, SET, EACH, AXES, FLAGS, OPERAND, GRID, STREAMS };

static const struct rule { const char *tool, *key; enum how how; const char *name; } rules[] = {
	{"seg-import", "file", OPERAND}, {"seg-import", "hash", SKIP}, {"seg-import", "read", SKIP}, {"seg-import", "read_hash", SKIP},
	{"nii-read", "file", OPERAND}, {"nii-read", "hash", SKIP}, {"nii-read", "label_hash", SKIP}, {"nii-read", "labels", EACH, "label"},
	{"nii-read", "more", OPERAND}, {"nii-read", "more_hash", SKIP}, {"nii-read", "with", EACH, "with"}, {"nii-read", "with_hash", SKIP},
	{"nii-normalize", "windows", NAMED, "window"}, {"nii-normalize", "zscore", FLAGS, "all"},
	{"nii-resample", "affine", GRID, "like"},
	{"nii-augment", "drawn", SKIP}, {"nii-augment", "index", SKIP}, {"nii-augment", "flip", AXES}, {"nii-augment", "turn", AXES},
	{"seg-train", "hash", SKIP}, {"seg-train", "patches", SKIP}, {"seg-train", "init_hash", SKIP}, {"seg-train", "val_hash", SKIP},
	{"seg-train", "labels_hash", SKIP},
	{"seg-window", "hash", SKIP}, {"seg-window", "models", EACH, "model"},
	{"seg-join", "streams", STREAMS}, {"seg-join", "hash", SKIP}, {"seg-join", "maps", EACH, "map"},
	{"seg-argmax", "streams", STREAMS}, {"seg-export", "file", OPERAND}, {"seg-export", "hash", SKIP}, {"seg-export", "model", SKIP},
	{"cc-largest", "k", NAMED, "keep"},
	{"cc-filter", "k", SET, "keep"}, {"cc-filter", "min_voxels", SET}, {"cc-filter", "min_volume", SET}, {"cc-filter", "on_fraction", SET},
	{"cc-filter", "on_grow", SET}, {"cc-filter", "on_values", SET},
};

/* Of which file a hash is; of models there may be several. named: it is NAME=FILE. */
static const struct { const char *tool, *hash, *file; int named; } hashed[] = {
	{"nii-read", "hash", "file"}, {"nii-read", "more_hash", "more"}, {"nii-read", "label_hash", "label"}, {"nii-read", "label_hash", "labels"},
	{"nii-read", "with_hash", "with", 1},
	{"seg-join", "hash", "labels"}, {"seg-window", "hash", "models"}, {"seg-window", "hash", "model"},
	{"seg-train", "init_hash", "init"}, {"seg-train", "labels_hash", "labels"},
	{"seg-train", "val_hash", "val"}, {"seg-import", "hash", "file"}, {"seg-import", "read_hash", "read"},
	{"seg-export", "hash", "model"},
};

/* Where the first key is there, the second follows from it. */
static const struct { const char *tool, *key, *follows; } followers[] = {
	{"seg-window", "effort", "grid"}, {"seg-window", "effort", "overlap"}, {"seg-window", "effort", "refine"}, {"seg-window", "effort", "gain"},
	{"seg-window", "models", "model"}, {"nii-resample", "affine", "size"},
};

static const struct rule *find(const char *tool, const char *key)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (!strcmp(rules[i].tool, tool) && !strcmp(rules[i].key, key))
			return &rules[i];
	return NULL;
}

static int follows(const char *tool, const json_t *args, const char *key)
{
	for (size_t i = 0; i < sizeof followers / sizeof *followers; i++)
		if (!strcmp(followers[i].tool, tool) && !strcmp(followers[i].follows, key) && json_object_get(args, followers[i].key))
			return 1;
	return 0;
}

/* -- values -- */

static void put_number(FILE *f, const json_t *v)
{
	double d = json_number_value(v), back = 0;
	char text[40];
	struct err e;

	if (json_is_integer(v)) {
		fprintf(f, "%lld", (long long)json_integer_value(v));
		return;
	}
	for (int digits = 6; digits <= 17; digits++) { /* the fewest that say it */
		snprintf(text, sizeof text, "%.*g", digits, d);
		if (!arg_float(text, 0, 0, &back, &e) && back == d)
			break;
	}
	fputs(text, f);
}

static void put_value(FILE *f, const json_t *v)
{
	const json_t *one;
	size_t i;

	if (json_is_string(v))
		quote_put(f, json_string_value(v));
	else if (json_is_number(v))
		put_number(f, v);
	json_array_foreach((json_t *)v, i, one) {
		if (i)
			fputc(',', f);
		put_value(f, one);
	}
}

static int is_negative(const json_t *v)
{
	return json_number_value(json_is_array(v) ? json_array_get(v, 0) : v) < 0 || (json_is_string(v) && *json_string_value(v) == '-');
}

/* --NAME or --NAME-MORE; a history may come from anywhere, and its line be run: it is one word whatever it is. */
static void put_name(FILE *f, const char *name, const char *more)
{
	char *word;

	fputc(' ', f);
	if (asprintf(&word, "--%s%s%s", name, more ? "-" : "", more ? more : "") < 0)
		return;
	for (char *p = word; *p; p++)
		*p = *p == '_' ? '-' : *p;
	quote_put(f, word);
	free(word);
}

static void put_option(FILE *f, const char *name, const json_t *v)
{
	put_name(f, name, NULL);
	if (json_is_true(v))
		return;
	fputc(is_negative(v) ? '=' : ' ', f);
	put_value(f, v);
}

static void put_axes(FILE *f, const char *name, const json_t *v)
{
	json_t *text;
	char letters[8] = "";
	size_t n = 0;

	for (size_t i = 0; i < 3; i++)
		if (json_number_value(json_array_get(v, i)) != 0) {
			if (n)
				letters[n++] = ',';
			letters[n++] = "xyz"[i];
		}
	text = json_string(letters);
	if (n)
		put_option(f, name, text);
	json_decref(text);
}

/* -- entries -- */

static int is_set(const json_t *v)
{
	return json_is_array(v) ? json_array_size(v) > 0 : json_number_value(v) != 0;
}

static void put_arg(FILE *f, const struct rule *r, const char *key, const json_t *v)
{
	const char *name = r && r->name ? r->name : key, *text = json_string_value(v);
	const json_t *one;
	size_t i;

	switch (r ? r->how : NAMED) {
	case SKIP:
	case OPERAND:
	case STREAMS:
		return;
	case SET:
		if (!is_set(v))
			return;
		/* fall through */
	case NAMED:
		put_option(f, name, v);
		return;
	case EACH:
		json_array_foreach((json_t *)v, i, one)
			put_option(f, name, one);
		return;
	case AXES:
		put_axes(f, key, v);
		return;
	case FLAGS:
		put_name(f, key, text && strcmp(text, name) ? text : NULL);
		return;
	case GRID:
		fprintf(f, " --%s GRID", name);
		return;
	}
}

static void put_line(FILE *f, const json_t *history, const char *id);

/* The first one comes through the pipe. */
static void put_streams(FILE *f, const json_t *streams, const char *id)
{
	const json_t *one;
	size_t i;

	fputs(json_array_size(streams) ? " -" : "", f);
	json_array_foreach((json_t *)streams, i, one) {
		fputs(" <(", f);
		put_line(f, one, id);
		fputc(')', f);
	}
}

static void put_operand(FILE *f, const char *file)
{
	fputc(' ', f);
	quote_put(f, file);
}

/* The file that was read, and of several the others. */
static void put_operands(FILE *f, const char *tool, const json_t *args)
{
	const struct rule *rule = find(tool, "file");
	const char *file = rule && rule->how == OPERAND ? json_string_value(json_object_get(args, "file")) : NULL;
	const json_t *more = file && find(tool, "more") ? json_object_get(args, "more") : NULL, *one;
	const int piped = file && !strcmp(file, "standard input");
	size_t i;

	if (file && (!piped || more))
		put_operand(f, piped ? "-" : file);
	json_array_foreach((json_t *)more, i, one)
		if (json_is_string(one))
			put_operand(f, json_string_value(one));
}

static void put_entry(FILE *f, const json_t *entry, const char *id)
{
	const char *tool = json_string_value(json_object_get(entry, "tool")), *key;
	const json_t *args = json_object_get(entry, "args");
	json_t *v;

	quote_put(f, tool);
	if (!strcmp(tool, "nii-read")) {
		fputs(" --id ", f);
		quote_put(f, id);
	}
	json_object_foreach((json_t *)args, key, v)
		if (!json_is_null(v) && !json_is_false(v) && !follows(tool, args, key))
			put_arg(f, find(tool, key), key, v);
	put_operands(f, tool, args);
	put_streams(f, shell_streams(entry), id);
}

/* With what nii-invert undid, where it was. */
static json_t *whole(const json_t *history)
{
	json_t *all = json_array();
	const json_t *entry, *one;
	size_t i, k;

	json_array_foreach((json_t *)history, i, entry) {
		json_array_foreach(json_object_get(entry, "undone"), k, one)
			json_array_insert(all, (size_t)json_integer_value(json_object_get(one, "at")), (json_t *)one);
		json_array_append(all, (json_t *)entry);
	}
	return all;
}

static void put_line(FILE *f, const json_t *history, const char *id)
{
	json_t *all = whole(history), *entry;
	size_t i;
	int first = 1;

	json_array_foreach(all, i, entry) {
		if (!json_is_string(json_object_get(entry, "tool")))
			continue;
		if (!first)
			fputs(" | ", f);
		put_entry(f, entry, id);
		first = 0;
	}
	json_decref(all);
}

char *shell_line(const json_t *history, const char *id, struct err *e)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int bad;

	if (f)
		put_line(f, history, id);
	bad = !f || ferror(f);
	if ((f && fclose(f)) || bad) {
		free(text);
		err_set(e, NULL, "not enough memory for a line");
		return NULL;
	}
	return text;
}

/* -- hashes -- */

static void add_hash(json_t *all, const json_t *hash, const json_t *file, int named)
{
	const char *name = json_string_value(file), *behind = named && name ? strchr(name, '=') : NULL;

	if (json_is_string(hash) && name)
		json_array_append_new(all, shell_hash(json_string_value(hash), behind ? behind + 1 : name));
}

static void add_hashes(json_t *all, const json_t *hash, const json_t *file, int named)
{
	const size_t n = json_array_size(hash);

	if (json_is_array(file) && json_array_size(file) != n)
		return;
	for (size_t i = 0; i < n; i++)
		add_hash(all, json_array_get(hash, i), json_is_array(file) ? json_array_get(file, i) : file, named);
}

static void entry_hashes(json_t *all, const json_t *entry)
{
	const char *tool = json_string_value(json_object_get(entry, "tool"));
	const json_t *args = json_object_get(entry, "args"), *hash, *file;

	for (size_t i = 0; tool && i < sizeof hashed / sizeof *hashed; i++) {
		hash = json_object_get(args, hashed[i].hash);
		file = json_object_get(args, hashed[i].file);
		if (strcmp(tool, hashed[i].tool) || follows(tool, args, hashed[i].file))
			continue;
		if (json_is_array(hash))
			add_hashes(all, hash, file, hashed[i].named);
		else
			add_hash(all, hash, file, hashed[i].named);
	}
	hash = json_object_get(args, "hash");
	if (tool && !strcmp(tool, "seg-train") && json_is_string(hash))
		json_array_append_new(all, json_sprintf("%s  patches before %lld", json_string_value(hash),
		                                        (long long)json_integer_value(json_object_get(args, "patches"))));
}

json_t *shell_hashes(const json_t *history)
{
	json_t *lines = json_array(), *all = whole(history), *entry;
	size_t i;

	json_array_foreach(all, i, entry)
		entry_hashes(lines, entry);
	json_decref(all);
	return lines;
}

const json_t *shell_streams(const json_t *entry)
{
	const char *tool = json_string_value(json_object_get(entry, "tool"));
	const struct rule *rule = tool ? find(tool, "streams") : NULL;

	return rule && rule->how == STREAMS ? json_object_get(json_object_get(entry, "args"), rule->key) : NULL;
}

json_t *shell_hash(const char *hash, const char *file)
{
	char *name = strdup(file);
	json_t *line = name ? json_sprintf("%s  %s", hash, shell_clean(name)) : NULL;

	free(name);
	return line;
}

json_t *shell_name(const char *file)
{
	json_t *name = json_string(file);
	char *copy = name ? NULL : strdup(file);

	if (copy)
		name = json_string(shell_clean(copy));
	free(copy);
	return name;
}

char *shell_clean(char *text)
{
	json_t *utf8 = json_string(text);

	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127 || ((unsigned char)*p > 127 && !utf8))
			*p = '?';
	json_decref(utf8);
	return text;
}
