#include "lib/stream/regions.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int regions_have(const struct regions *r, double label)
{
	return label == 0 || (label > 0 && label <= 255 && label == (double)(int)label && r->of[(int)label]);
}

void regions_text(const struct regions *r, int region, char text[REGIONS_NAME])
{
	size_t n = 0;

	text[0] = 0;
	for (int l = 1; l < 256 && n + 6 < REGIONS_NAME; l++)
		if (r->of[l] >> region & 1)
			n += (size_t)snprintf(text + n, REGIONS_NAME - n, "%s%d", n ? "," : "", l);
}

/* -- one more -- */

static int is_label(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) < 256;
}

/* Without its labels and what it gives. */
static int begin(struct regions *r, const char *name, struct err *e)
{
	if (r->n == REGIONS_MOST)
		return err_set(e, NULL, "more than %d regions", REGIONS_MOST);
	if (!*name || strlen(name) >= REGIONS_NAME)
		return err_set(e, NULL, "region '%.80s': a name has 1 to %d bytes", name, REGIONS_NAME - 1);
	for (const char *p = name; *p; p++)
		if (iscntrl((unsigned char)*p))
			return err_set(e, NULL, "region '%s': its name has a control character", name);
	for (int i = 0; i < r->n; i++)
		if (!strcmp(r->name[i], name))
			return err_set(e, NULL, "two regions are called '%s'", name);
	memcpy(r->name[r->n], name, strlen(name) + 1);
	r->order[r->n] = (uint8_t)r->n;
	r->n++;
	return 0;
}

/* The last one's labels, a list or one. */
static int put_labels(struct regions *r, const json_t *v, struct err *e)
{
	const size_t n = json_is_array(v) ? json_array_size(v) : 1;

	for (size_t i = 0; i < n; i++) {
		const json_t *l = json_is_array(v) ? json_array_get(v, i) : v;

		if (!is_label(l))
			return err_set(e, NULL, "region '%s': its labels are no numbers from 1 to 255", r->name[r->n - 1]);
		r->of[json_integer_value(l)] |= 1u << (r->n - 1);
	}
	return n ? 0 : err_set(e, NULL, "region '%s' has no labels", r->name[r->n - 1]);
}

static int put_given(struct regions *r, int i, const json_t *v, struct err *e)
{
	if (!is_label(v))
		return err_set(e, NULL, "region '%s' gives no label from 1 to 255", r->name[i]);
	r->label[i] = (uint8_t)json_integer_value(v);
	return 0;
}

/* -- metadata -- */

/* Every place once */
static int read_order(struct regions *r, const json_t *v, struct err *e)
{
	uint32_t taken = 0;
	size_t i;
	const json_t *o;

	json_array_foreach((json_t *)v, i, o) {
		const json_int_t at = json_integer_value(json_object_get(o, "order"));

		if (!json_is_integer(json_object_get(o, "order")) || at < 0 || at >= r->n || taken >> at & 1)
			return err_set(e, NULL, "region '%s' has no place of its own in their order, from 0", r->name[i]);
		taken |= 1u << at;
		r->order[at] = (uint8_t)i;
	}
	return 0;
}

static int read_json(struct regions *r, const json_t *v, struct err *e)
{
	size_t i;
	const json_t *o;

	*r = (struct regions){.ignore = -1};
	json_array_foreach((json_t *)v, i, o) {
		const char *name = json_string_value(json_object_get(o, "name"));

		if (json_object_size(o) != 4 || !name)
			return err_set(e, NULL, "regions are not [{\"name\": NAME, \"labels\": [NUMBER, ...], \"label\": NUMBER, \"order\": NUMBER}, ...]");
		if (begin(r, name, e) || put_labels(r, json_object_get(o, "labels"), e) || put_given(r, r->n - 1, json_object_get(o, "label"), e))
			return -1;
	}
	return r->n ? read_order(r, v, e) : err_set(e, NULL, "regions are not a JSON array of some");
}

int regions_get(const struct frame *f, struct regions *r, struct err *e)
{
	const char *text = frame_meta(f, "regions");
	json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int bad = text && read_json(r, v, e);

	if (!text)
		*r = (struct regions){.ignore = -1};
	json_decref(v);
	return bad ? err_prefix(e, "metadata regions") : 0;
}

/* The regions that are asked behind region i, a bit each */
static uint32_t behind(const struct regions *r, int i)
{
	uint32_t after = 0;
	int j = r->n;

	while (r->order[--j] != i)
		after |= 1u << r->order[j];
	return after;
}

json_t *regions_json(const struct regions *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->n; i++) {
		json_t *labels = json_array();

		for (int l = 1; l < 256; l++)
			if (r->of[l] >> i & 1)
				json_array_append_new(labels, json_integer(l));
		json_array_append_new(all, json_pack("{s:s, s:o, s:i, s:i}", "name", r->name[i], "labels", labels, "label", r->label[i], "order",
		                                     r->n - 1 - __builtin_popcount(behind(r, i))));
	}
	return all;
}

json_t *regions_argument(const json_t *array)
{
	char *text = json_dumps(array, JSON_COMPACT | JSON_SORT_KEYS);
	json_t *argument = json_string(text ? text : "");

	free(text);
	return argument;
}

int regions_set(struct frame *f, const struct regions *r, struct err *e)
{
	json_t *v = r && r->n ? regions_json(r) : NULL;
	int bad = v ? frame_set_json(f, "regions", v, e) : frame_set_meta(f, "regions", NULL, e);

	json_decref(v);
	return bad;
}

/* Has one of these a label of region i's? */
static int is_cut(const struct regions *r, int i)
{
	for (int l = 1; l < 256; l++)
		if (r->of[l] >> i & 1 && r->of[l] & behind(r, i))
			return 1;
	return 0;
}

json_t *regions_names(const struct regions *r)
{
	json_t *names = json_pack("{s:s}", "0", "background");
	char key[8], rest[REGIONS_NAME + 16];

	for (int i = 0; i < r->n; i++) {
		snprintf(key, sizeof key, "%d", r->label[i]);
		snprintf(rest, sizeof rest, "%s%s", is_cut(r, i) ? "rest of " : "", r->name[i]);
		json_object_set_new(names, key, json_string(rest));
	}
	return names;
}

/* -- nnU-Net's dataset.json -- */

/* 0, a list of nothing else, and what is ignored are no regions. */
static int counts(const char *name, const json_t *v)
{
	size_t i;
	const json_t *l;

	if (!strcmp(name, "ignore") || (json_is_integer(v) && !json_integer_value(v)))
		return 0;
	json_array_foreach((json_t *)v, i, l)
		if (!json_is_integer(l) || json_integer_value(l))
			return 1;
	return !json_is_array(v) || !json_array_size(v);
}

static int overlap(const json_t *labels)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)labels, name, v)
		if (json_array_size(v) > 1)
			return 1;
	return 0;
}

int regions_dataset(struct regions *r, const json_t *dataset, struct err *e)
{
	const json_t *labels = json_object_get(dataset, "labels"), *order = json_object_get(dataset, "regions_class_order"),
	             *ignore = json_object_get(labels, "ignore");
	const char *name;
	json_t *v;

	*r = (struct regions){.ignore = is_label(ignore) ? (int)json_integer_value(ignore) : -1};
	if (!overlap(labels))
		return 0;
	if (ignore && r->ignore < 0)
		return err_set(e, NULL, "label 'ignore' is no number from 1 to 255");
	json_object_foreach((json_t *)labels, name, v)
		if (counts(name, v) && (begin(r, name, e) || put_labels(r, v, e)))
			return -1;
	if (json_array_size(order) != (size_t)r->n)
		return err_set(e, NULL, "regions_class_order has %zu numbers for %d regions", json_array_size(order), r->n);
	for (int i = 0; i < r->n; i++)
		if (put_given(r, i, json_array_get(order, (size_t)i), e))
			return -1;
	return regions_ignore(r, &(int64_t){-1}, e);
}

int regions_ignore(const struct regions *r, int64_t *label, struct err *e)
{
	if (*label < 0)
		*label = r->ignore;
	return *label > 0 && r->of[*label] ? err_set(e, NULL, "label %lld is ignored, and in a region", (long long)*label) : 0;
}

/* -- an option -- */

/* Numbers up to the next '/'; where they end, NULL: they are none. */
static const char *read_numbers(const char *text, json_t *labels)
{
	for (;;) {
		int l = 0;

		for (; isdigit((unsigned char)*text) && l < 256; text++)
			l = 10 * l + *text - '0';
		if (l < 1 || l > 255)
			return NULL;
		json_array_append_new(labels, json_integer(l));
		if (*text != ',')
			return *text && *text != '/' ? NULL : text;
		text++;
	}
}

static const char *read_one(struct regions *r, const char *text, struct err *e)
{
	const size_t slash = strcspn(text, "/"), equals = strcspn(text, "=/");
	const char *numbers = text[equals] == '=' ? text + equals + 1 : text;
	const size_t n = text[equals] == '=' ? equals : slash;
	json_t *labels = json_array();
	const char *end = read_numbers(numbers, labels);
	char name[REGIONS_NAME + 1] = "";

	if (!end)
		err_set(e, NULL, "'%.80s' is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file", text);
	memcpy(name, text, n < sizeof name ? n : sizeof name - 1);
	if (end && (begin(r, name, e) || put_labels(r, labels, e)))
		end = NULL;
	json_decref(labels);
	return end;
}

/* The first label that is in none asked behind it, or its first. */
static uint8_t given(const struct regions *r, int i)
{
	int own = 0, first = 0;

	for (int l = 255; l > 0; l--)
		if (r->of[l] >> i & 1) {
			first = l;
			own = r->of[l] & behind(r, i) ? own : l;
		}
	return (uint8_t)(own ? own : first);
}

static int size(const struct regions *r, int i)
{
	int n = 0;

	for (int l = 1; l < 256; l++)
		n += r->of[l] >> i & 1;
	return n;
}

/* The larger ones first, those of one size as they come */
static void sort(struct regions *r)
{
	for (int i = 1; i < r->n; i++)
		for (int j = i; j > 0 && size(r, r->order[j]) > size(r, r->order[j - 1]); j--) {
			const uint8_t one = r->order[j];

			r->order[j] = r->order[j - 1];
			r->order[j - 1] = one;
		}
}

static int read_short(struct regions *r, const char *text, struct err *e)
{
	*r = (struct regions){.ignore = -1};
	while ((text = read_one(r, text, e)) && *text)
		text++;
	if (!text)
		return -1;
	sort(r);
	for (int i = 0; i < r->n; i++)
		r->label[i] = given(r, i);
	return 0;
}

int regions_parse(struct regions *r, const char *text, struct err *e)
{
	const int file = *text != '{' && *text != '[' && !access(text, F_OK);
	json_error_t why;
	json_t *v;
	int bad;

	if (*text != '{' && *text != '[' && !file)
		return read_short(r, text, e);
	v = file ? json_load_file(text, JSON_REJECT_DUPLICATES, &why) : json_loads(text, JSON_REJECT_DUPLICATES, &why);
	bad = !v ? err_set(e, NULL, "is no JSON: %.120s", why.text) : json_is_object(v) ? regions_dataset(r, v, e) : read_json(r, v, e);
	if (!bad && !r->n)
		bad = err_set(e, NULL, "has no regions: no label is a list of several");
	json_decref(v);
	return bad && file ? err_prefix(e, "%.200s", text) : bad;
}
