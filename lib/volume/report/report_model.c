#include <string.h>

#include "lib/stream/stream.h"
#include "lib/volume/report/report_parts.h"

static void fact(struct html *h, const char *what, const char *value)
{
	if (!value)
		return;
	html_put(h, "<dt>");
	html_text(h, what);
	html_put(h, "</dt><dd>");
	html_text(h, value);
	html_put(h, "</dd>\n");
}

/* A value of JSON as people write it: strings without quotes. */
static void fact_json(struct html *h, const char *what, const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		fact(h, what, json_string_value(v));
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
	fact(h, what, text);
	h->failed |= !text;
	free(text);
}

static void facts(struct html *h, const json_t *object)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v) /* in the order of the file, which is sorted */
		if (*key != '_')
			fact_json(h, key, v);
}

/* Metadata as JSON: NULL where absent; *bad where it is no JSON. */
static json_t *meta(const struct frame *f, const char *key, int *bad, struct err *e)
{
	const char *text = frame_meta(f, key);
	json_t *j = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (text && !j) {
		err_at(e, f->file, f->offset, "the model's '%s' is not JSON", key);
		*bad = 1;
	}
	return j;
}

static void network(struct html *h, const struct frame *f, const json_t *arch)
{
	const char *name = json_string_value(json_object_get(arch, "_target_"));
	int64_t weights = 0;
	char text[32];

	for (int i = 0; i < f->n; i++)
		weights += tensor_count(&f->t[i]);
	snprintf(text, sizeof text, "%lld", (long long)weights);
	html_put(h, "<div><h3>Network</h3><dl>");
	fact(h, "architecture", name ? name : frame_id(f));
	facts(h, arch);
	fact(h, "weights", text);
	html_put(h, "</dl></div>\n");
}

static void training(struct html *h, const struct frame *f, const json_t *metrics)
{
	html_put(h, "<div><h3>Training</h3><dl>");
	fact(h, "step", frame_meta(f, "step"));
	fact(h, "patch, voxels x,y,z", frame_meta(f, "roi"));
	facts(h, metrics);
	html_put(h, "</dl></div>\n");
}

static void preprocessing(struct html *h, const json_t *replay)
{
	html_put(h, "<div><h3>Preprocessing</h3>");
	html_put(h, json_array_size(replay) ? "<ol>" : "<p>None is recorded.</p>");
	for (size_t i = 0; i < json_array_size(replay); i++) {
		const json_t *step = json_array_get(replay, i);
		const char *tool = json_string_value(json_object_get(step, "tool"));

		html_put(h, "<li><code>");
		html_text(h, tool ? tool : "?");
		html_put(h, "</code><dl>");
		facts(h, json_object_get(step, "args"));
		html_put(h, "</dl></li>\n");
	}
	html_put(h, json_array_size(replay) ? "</ol></div>\n" : "</div>\n");
}

int report_model(const struct report *r, struct html *h, struct err *e)
{
	struct stream *s;
	struct frame f = {0};
	json_t *arch = NULL, *replay = NULL, *metrics = NULL;
	const char *kind;
	int bad = 0;

	if (!r->o->model)
		return 0;
	s = stream_open(r->o->model, e);
	if (!s || stream_next_header(s, &f, e) != 1) {
		stream_close(s);
		return -1;
	}
	kind = frame_meta(&f, "kind");
	if (!kind || strcmp(kind, "model"))
		bad = err_at(e, f.file, f.offset, "a frame of kind '%.40s' (expected model)", kind ? kind : "");
	if (!bad) {
		arch = meta(&f, "arch", &bad, e), replay = meta(&f, "replay", &bad, e), metrics = meta(&f, "metrics", &bad, e);
		html_put(h, "<section aria-labelledby=\"model\"><h2 id=\"model\">Model</h2><div class=\"facts\">\n");
		network(h, &f, arch);
		training(h, &f, metrics);
		preprocessing(h, replay);
		html_put(h, "</div></section>\n");
	}
	json_decref(arch), json_decref(replay), json_decref(metrics);
	frame_free(&f);
	stream_close(s);
	return bad ? -1 : 0;
}
