#include "lib/base/yamltree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/mem.h"
#include "lib/base/yamlscalar.h"

struct reader {
	yaml_parser_t parser;
	struct yamlscalar scalars;
	const char *text, *name;
	json_t *anchors; /* by name; `open`: its end is still to come */
	json_t *open;
	int64_t left;    /* values */
	struct err *e;
};

static json_t *fail(struct reader *r, yaml_mark_t at, const char *fmt, ...) ERR_PRINTF(3, 4);

static json_t *fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
	char text[ERR_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(r->e, r->name, "line %zu, column %zu: %s", at.line + 1, at.column + 1, text);
	return NULL;
}

/* Where byte `offset` is: bytes that are no characters have no mark. */
static yaml_mark_t place(const struct reader *r, size_t offset)
{
	yaml_mark_t at = {0};

	for (size_t i = 0; i < offset; i++) {
		at.column = r->text[i] == '\n' ? 0 : at.column + ((r->text[i] & 0xc0) != 0x80);
		at.line += r->text[i] == '\n';
	}
	return at;
}

/* 0, or -1 and an error; the caller deletes the event. */
static int next(struct reader *r, yaml_event_t *ev)
{
	const yaml_parser_t *p = &r->parser;

	if (yaml_parser_parse(&r->parser, ev))
		return 0;
	if (p->error == YAML_MEMORY_ERROR)
		return err_set(r->e, r->name, "not enough memory");
	fail(r, p->error == YAML_READER_ERROR ? place(r, p->problem_offset) : p->problem_mark, "%s", p->problem ? p->problem : "is no YAML");
	return -1;
}

/* -- limits -- */

/* One value more, and the bytes of its text. 0, or -1 and an error. */
static int afford(struct reader *r, yaml_mark_t at, size_t bytes, int container, int depth)
{
	r->left -= 1 + (int64_t)(bytes / YAMLTREE_TEXT);
	if (r->left < 0)
		fail(r, at, "too much, aliases followed (at most %d values, %d bytes of text each)", YAMLTREE_VALUES, YAMLTREE_TEXT);
	else if (container && depth > YAMLTREE_DEPTH)
		fail(r, at, "nested more than %d deep", YAMLTREE_DEPTH);
	else
		return 0;
	return -1;
}

static int afford_copy(struct reader *r, yaml_mark_t at, const json_t *v, int depth)
{
	int bad = afford(r, at, json_string_length(v), json_is_object(v) || json_is_array(v), depth);
	const char *key;
	json_t *one;
	size_t i;

	json_object_foreach((json_t *)v, key, one)
		bad = bad || afford(r, at, strlen(key), 0, depth) || afford_copy(r, at, one, depth + 1);
	json_array_foreach(v, i, one)
		bad = bad || afford_copy(r, at, one, depth + 1);
	return bad ? -1 : 0;
}

/* -- nodes: a new value, or NULL and an error -- */

static json_t *node(struct reader *r, const yaml_event_t *ev, int depth);

static json_t *next_node(struct reader *r, int depth)
{
	yaml_event_t ev;
	json_t *v;

	if (next(r, &ev))
		return NULL;
	v = node(r, &ev, depth);
	yaml_event_delete(&ev);
	return v;
}

static json_t *alias(struct reader *r, const yaml_event_t *ev, int depth)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const json_t *v = json_object_get(r->anchors, name);

	if (!v)
		return fail(r, ev->start_mark, "alias '*%.80s' of nothing before it", name);
	if (v == r->open)
		return fail(r, ev->start_mark, "alias '*%.80s' of what it is in", name);
	return afford_copy(r, ev->start_mark, v, depth) ? NULL : json_deep_copy(v);
}

/* Without what the core tags begin with. NULL: none, or "!", which says nothing. */
static const char *short_tag(const yaml_char_t *tag)
{
	static const char core[] = "tag:yaml.org,2002:";
	const char *s = (const char *)tag;

	if (!s || !strcmp(s, "!"))
		return NULL;
	return !strncmp(s, core, sizeof core - 1) ? s + sizeof core - 1 : s;
}

static json_t *scalar(struct reader *r, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value, *tag = short_tag(ev->data.scalar.tag);
	const int plain = ev->data.scalar.plain_implicit || (ev->data.scalar.tag && !tag);
	struct err why;
	json_t *v;

	if (memchr(text, 0, ev->data.scalar.length))
		return fail(r, ev->start_mark, "a text with a zero byte");
	v = yamlscalar_value(&r->scalars, text, tag, plain, &why);
	return v ? v : fail(r, ev->start_mark, "%s", why.text);
}

/* As Python writes it. */
static json_t *key_text(struct reader *r, yaml_mark_t at, json_t *v)
{
	json_t *text = NULL;

	if (json_is_string(v))
		return v;
	if (json_is_integer(v))
		text = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v) || json_is_null(v))
		text = json_string(json_is_true(v) ? "True" : json_is_false(v) ? "False" : "None");
	else if (v)
		fail(r, at, "a key that is no text, whole number, truth value or null");
	json_decref(v);
	return text;
}

/* A key and its value. */
static int pair(struct reader *r, const yaml_event_t *ev, json_t *o, int depth)
{
	json_t *key = key_text(r, ev->start_mark, node(r, ev, depth + 1));
	const char *text = json_string_value(key);
	int bad = -1;

	if (key && json_object_get(o, text))
		fail(r, ev->start_mark, "key '%.80s' a second time", text);
	else if (key)
		bad = json_object_set_new(o, text, next_node(r, depth + 1));
	json_decref(key);
	return bad;
}

static json_t *container(struct reader *r, int is_map, int depth)
{
	json_t *all = is_map ? json_object() : json_array();
	yaml_event_t ev;

	while (!next(r, &ev)) {
		const int end = ev.type == YAML_MAPPING_END_EVENT || ev.type == YAML_SEQUENCE_END_EVENT;
		const int bad = end ? 0 : is_map ? pair(r, &ev, all, depth) : json_array_append_new(all, node(r, &ev, depth + 1));

		yaml_event_delete(&ev);
		if (end)
			return all;
		if (bad)
			break;
	}
	json_decref(all);
	return NULL;
}

static json_t *content(struct reader *r, const yaml_event_t *ev, int depth)
{
	const int is_map = ev->type == YAML_MAPPING_START_EVENT, is_scalar = ev->type == YAML_SCALAR_EVENT;
	const char *tag = is_scalar ? NULL : short_tag(is_map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag);

	if (afford(r, ev->start_mark, is_scalar ? ev->data.scalar.length : 0, !is_scalar, depth))
		return NULL;
	if (is_scalar)
		return scalar(r, ev);
	if (tag && strcmp(tag, is_map ? "map" : "seq"))
		return fail(r, ev->start_mark, "tag '%.80s' is not known of a %s", tag, is_map ? "mapping" : "sequence");
	return container(r, is_map, depth);
}

static json_t *node(struct reader *r, const yaml_event_t *ev, int depth)
{
	const yaml_char_t *anchor = ev->type == YAML_SCALAR_EVENT ? ev->data.scalar.anchor :
		ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.anchor :
		ev->type == YAML_MAPPING_START_EVENT ? ev->data.mapping_start.anchor : NULL;
	json_t *v;

	if (ev->type == YAML_ALIAS_EVENT)
		return alias(r, ev, depth);
	if (anchor && json_object_get(r->anchors, (const char *)anchor))
		return fail(r, ev->start_mark, "anchor '&%.80s' a second time", (const char *)anchor);
	if (anchor && json_object_set(r->anchors, (const char *)anchor, r->open))
		return NULL;
	v = content(r, ev, depth);
	if (v && anchor)
		json_object_set(r->anchors, (const char *)anchor, v);
	return v;
}

/* -- documents -- */

/* The next event must be this one. */
static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
	yaml_event_t ev;
	int bad;

	if (next(r, &ev))
		return -1;
	bad = ev.type != type;
	if (bad)
		fail(r, ev.start_mark, "%s", otherwise);
	yaml_event_delete(&ev);
	return bad ? -1 : 0;
}

static json_t *document(struct reader *r)
{
	yaml_event_t ev;
	json_t *v;

	if (expect(r, YAML_STREAM_START_EVENT, "is no YAML") || expect(r, YAML_DOCUMENT_START_EVENT, "holds nothing") || next(r, &ev))
		return NULL;
	v = node(r, &ev, 1);
	if (v && !json_is_object(v) && !json_is_array(v)) {
		fail(r, ev.start_mark, "neither a mapping nor a sequence");
		json_decref(v);
		v = NULL;
	}
	yaml_event_delete(&ev);
	if (v && !expect(r, YAML_DOCUMENT_END_EVENT, "is no YAML") && !expect(r, YAML_STREAM_END_EVENT, "a second document begins: one is read"))
		return v;
	json_decref(v);
	return NULL;
}

json_t *yamltree_parse(const char *text, size_t n, const char *name, struct err *e)
{
	struct reader r = {.text = text, .name = name, .left = YAMLTREE_VALUES, .e = e};
	json_t *v;

	err_set(e, name, "not enough memory");
	if (yamlscalar_open(&r.scalars, e))
		return NULL;
	if (!yaml_parser_initialize(&r.parser)) {
		yamlscalar_close(&r.scalars);
		return NULL;
	}
	r.anchors = json_object();
	r.open = json_object();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
	v = document(&r);
	json_decref(r.anchors);
	json_decref(r.open);
	yaml_parser_delete(&r.parser);
	yamlscalar_close(&r.scalars);
	return v;
}

json_t *yamltree_file(const char *path, struct err *e)
{
	char *text = mem_new(YAMLTREE_BYTES + 1, 1, path, e);
	FILE *f = text ? fopen(path, "re") : NULL;
	json_t *v = NULL;
	size_t n;

	if (text && !f)
		err_sys(e, path, "cannot open");
	if (f) {
		n = fread(text, 1, YAMLTREE_BYTES + 1, f);
		if (ferror(f))
			err_sys(e, path, "cannot read");
		else if (n > YAMLTREE_BYTES)
			err_set(e, path, "is larger than %d bytes", YAMLTREE_BYTES);
		else
			v = yamltree_parse(text, n, path, e);
		fclose(f);
	}
	free(text);
	return v;
}
