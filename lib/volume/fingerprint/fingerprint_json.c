#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/volume/fingerprint/fingerprint.h"

enum { CASES_MOST = 1000000 };

#define STATS(s) \
	{ \
		{"max", &(s)->max}, {"mean", &(s)->mean}, {"median", &(s)->median}, {"min", &(s)->min}, \
		{"percentile_00_5", &(s)->percentile_00_5}, {"percentile_99_5", &(s)->percentile_99_5}, {"std", &(s)->std}, \
	}
struct field { const char *key; double *to; };
enum { FIELDS = 7 };

static json_t *stats_json(struct fingerprint_stats s)
{
	const struct field fields[FIELDS] = STATS(&s);
	json_t *o = json_object();

	for (int i = 0; i < FIELDS; i++)
		json_object_set_new(o, fields[i].key, json_real(*fields[i].to));
	return o;
}

static const char *channel_key(char key[16], int c)
{
	snprintf(key, 16, "%d", c);
	return key;
}

json_t *fingerprint_json(const struct fingerprint *p)
{
	json_t *spacings = json_array(), *shapes = json_array(), *cases = json_array(), *stats = json_object();
	char key[16];

	for (int64_t i = 0; i < p->n; i++) {
		const struct fingerprint_case *c = &p->c[i];

		json_array_append_new(spacings, json_reals(c->spacing, 3));
		json_array_append_new(shapes, json_ints(c->shape, 3));
		if (c->id)
			json_array_append_new(cases, json_pack("{s:s, s:f, s:I}", "id", c->id, "volume_mm3", c->volume, "components", (json_int_t)c->components));
	}
	for (int c = 0; c < p->channels; c++)
		json_object_set_new(stats, channel_key(key, c), stats_json(p->stats[c]));
	return json_pack("{s:o, s:o, s:o, s:f, s:{s:I, s:o, s:O*}}", "spacings", spacings, "shapes_after_crop", shapes,
	                 "foreground_intensity_properties_per_channel", stats, "median_relative_size_after_cropping", p->kept, "niipipe", "classes",
	                 (json_int_t)p->classes, "cases", cases, "channel_names", p->names);
}

static int parse_stats(struct fingerprint *p, const json_t *all, struct err *e)
{
	char key[16];

	if (!json_object_size(all) || json_object_size(all) > FINGERPRINT_CHANNELS)
		return err_set(e, NULL, "no foreground_intensity_properties_per_channel of 1 to %d channels", FINGERPRINT_CHANNELS);
	p->channels = (int)json_object_size(all);
	for (int c = 0; c < p->channels; c++) {
		const struct field fields[FIELDS] = STATS(&p->stats[c]);
		const json_t *one = json_object_get(all, channel_key(key, c));

		for (int i = 0; i < FIELDS; i++) {
			const json_t *v = json_object_get(one, fields[i].key);

			*fields[i].to = json_number_value(v);
			if (!json_is_number(v) || !isfinite(*fields[i].to))
				return err_set(e, NULL, "channel %s has no number %s", key, fields[i].key);
		}
	}
	return 0;
}

static int parse_case(struct fingerprint_case *c, const json_t *spacing, const json_t *shape, struct err *e)
{
	const json_t *const of[] = {spacing, shape};

	for (int a = 0; a < 3; a++) {
		double v[2];

		for (int k = 0; k < 2; k++)
			v[k] = json_array_size(of[k]) == 3 ? json_number_value(json_array_get(of[k], (size_t)a)) : 0;
		if (!(v[0] > 1e-6 && v[0] < 1e6) || !(v[1] >= 1 && v[1] <= 1 << 20))
			return err_set(e, NULL, "spacings, shapes_after_crop: not three numbers above 0");
		c->spacing[a] = v[0];
		c->shape[a] = (int64_t)v[1];
	}
	return 0;
}

/* What seg-plan added. */
static int parse_own(struct fingerprint *p, const json_t *own, struct err *e)
{
	const json_t *cases = json_object_get(own, "cases");

	p->names = json_incref(json_object_get(own, "channel_names"));
	if (p->names && json_array_size(p->names) != (size_t)p->channels)
		return err_set(e, NULL, "niipipe: channel_names are not those of %d channels", p->channels);
	p->classes = json_integer_value(json_object_get(own, "classes"));
	if (p->classes < 0 || p->classes > 255 || (json_array_size(cases) && json_array_size(cases) != (size_t)p->n))
		return err_set(e, NULL, "niipipe: classes or cases are malformed");
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *c = json_array_get(cases, i);
		const char *id = json_string_value(json_object_get(c, "id"));

		if (!id || frame_check_id(NULL, id, e))
			return err_set(e, NULL, "niipipe: case %zu has no id", i);
		p->c[i].id = strdup(id);
		p->c[i].volume = json_number_value(json_object_get(c, "volume_mm3"));
		p->c[i].components = json_integer_value(json_object_get(c, "components"));
		if (!p->c[i].id)
			return err_set(e, NULL, "not enough memory");
	}
	return 0;
}

int fingerprint_parse(struct fingerprint *p, const json_t *root, struct err *e)
{
	const json_t *spacings = json_object_get(root, "spacings"), *shapes = json_object_get(root, "shapes_after_crop");
	size_t n = json_array_size(spacings);

	if (!n || n > CASES_MOST || json_array_size(shapes) != n)
		return err_set(e, NULL, "spacings and shapes_after_crop are not two lists of one length");
	p->c = mem_zero(n, sizeof *p->c, "cases", e);
	if (!p->c)
		return -1;
	p->n = (int64_t)n;
	p->kept = json_number_value(json_object_get(root, "median_relative_size_after_cropping"));
	for (size_t i = 0; i < n; i++) {
		p->c[i].volume = p->c[i].components = -1;
		if (parse_case(&p->c[i], json_array_get(spacings, i), json_array_get(shapes, i), e))
			return err_prefix(e, "case %zu", i);
	}
	if (parse_stats(p, json_object_get(root, "foreground_intensity_properties_per_channel"), e))
		return -1;
	return parse_own(p, json_object_get(root, "niipipe"), e);
}
