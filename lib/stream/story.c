#include "lib/stream/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/outfile.h"
#include "lib/base/version.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"

static void add(json_t *set, const char *key)
{
	json_object_set_new(set, key, json_true());
}

/* Files and versions of a history, and of those of streams that went into it. */
static void add_history(struct story *s, const json_t *history)
{
	json_t *files = shell_hashes(history), *one, *other;
	size_t i, k;

	json_array_foreach(files, i, one)
		add(s->files, json_string_value(one));
	json_array_foreach((json_t *)history, i, one)
		if (json_is_string(json_object_get(one, "version")))
			add(s->versions, json_string_value(json_object_get(one, "version")));
	json_array_foreach((json_t *)history, i, one)
		json_array_foreach((json_t *)shell_streams(one), k, other)
			add_history(s, other);
	json_decref(files);
}

static void begin(struct story *s, const struct arg_common *c, int single)
{
	*s = (struct story){c, single, json_array(), json_object(), json_object()};
}

static int add_frame(struct story *s, const struct frame *f, struct err *e)
{
	json_t *history = history_get(f, e);
	char *line = history ? shell_line(history, frame_id(f), e) : NULL;
	const int r = line ? 0 : -1;

	add_history(s, history);
	if (line && *line)
		json_array_append_new(s->lines, json_string(line));
	free(line);
	json_decref(history);
	return r;
}

void story_begin(struct story *s, const struct arg_common *c)
{
	begin(s, c, 0);
}

void story_operands(struct story *s)
{
	for (int i = 0; i < s->c->argc; i++)
		story_file(s, s->c->argv[i]);
}

int story_inputs(struct story *s, const struct frame *f, struct err *e)
{
	json_t *history = history_get(f, e);
	const int r = history ? 0 : -1;

	add_history(s, history);
	json_decref(history);
	return r;
}

void story_file(struct story *s, const char *path)
{
	char hash[HASH_TEXT];
	json_t *line;

	if (hash_file(path, hash))
		return;
	line = shell_hash(hash, path);
	if (line)
		add(s->files, json_string_value(line));
	json_decref(line);
}

int story_frame(struct story *s, const struct frame *f, struct err *e)
{
	return f->file && !strcmp(f->file, "standard input") ? add_frame(s, f, e) : 0;
}

/* n bytes of it, or all. */
static void put(FILE *out, const char *line, size_t n)
{
	char *clean = strndup(line, n);

	if (clean)
		fputs(shell_clean(clean), out);
	free(clean);
}

static void put_comment(FILE *out, const char *begins, const char *text)
{
	fputs(begins, out);
	put(out, text, SIZE_MAX);
	fputc('\n', out);
}

static void put_lines(FILE *out, const struct story *s)
{
	const size_t n = json_array_size(s->lines);
	const json_t *line;
	size_t i;

	json_array_foreach(s->lines, i, line) {
		fputs(n > 1 && !i ? "{ " : "", out);
		put(out, json_string_value(line), SIZE_MAX);
		fputs(n > 1 ? "\n" : "", out);
	}
	if (n)
		fputs(n > 1 ? "} | " : s->c ? " | " : "", out);
	if (s->c)
		put(out, s->c->line, s->single ? (size_t)s->c->options : SIZE_MAX);
	if (n || s->c)
		fputc('\n', out);
}

char *story_text(const struct story *s, struct err *e)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *key;
	json_t *v;

	if (out) {
		put_lines(out, s);
		json_object_foreach(s->files, key, v)
			put_comment(out, "# ", key);
		json_object_foreach(s->versions, key, v)
			put_comment(out, "## niipipe ", key);
		if (s->c && !json_object_get(s->versions, NIIPIPE_VERSION))
			put_comment(out, "## niipipe ", NIIPIPE_VERSION);
	}
	if (!out || fclose(out) || !text)
		err_set(e, NULL, "not enough memory for a history");
	return text;
}

char *story_of(const struct frame *f, const struct arg_common *c, struct err *e)
{
	struct story s;
	char *text;

	begin(&s, c, 1);
	text = add_frame(&s, f, e) ? NULL : story_text(&s, e);
	story_free(&s);
	return text;
}

int story_set(const struct story *s, json_t *object, struct err *e)
{
	char *text = story_text(s, e);
	int r = !text ? -1 : json_object_set_new(object, "history", json_string(text)) ? err_set(e, NULL, "not enough memory for a history") : 0;

	free(text);
	return r;
}

int story_write(const struct story *s, const char *path, struct err *e)
{
	struct out o = {.fd = -1};
	char *text;
	int r;

	if (!path)
		return 0;
	if (!strcmp(path, "-"))
		return err_set(e, NULL, "--history names a file: standard output is the table's");
	text = story_text(s, e);
	r = !text || out_open(&o, path, 0, e) || out_write(&o, text, strlen(text), e) || out_close(&o, e) ? -1 : 0;
	out_abort(&o);
	free(text);
	return r;
}

void story_free(struct story *s)
{
	json_decref(s->lines);
	json_decref(s->files);
	json_decref(s->versions);
	*s = (struct story){0};
}
