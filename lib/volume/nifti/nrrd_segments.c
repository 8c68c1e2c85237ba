/* 3D Slicer's segments, .seg.nrrd: keys Segment0_Name, Segment0_Layer, Segment0_LabelValue, ... of the header
   (https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html). Segments that overlap lie in layers, the channels of the
   file, and their values may be the same. Before Slicer 4.11 each segment was a layer of its own, 0 and 1, and neither key was there. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/names.h"
#include "lib/volume/nifti/nrrd.h"

enum { VALUE_MOST = 1 << 30 };

/* Key "SegmentN_rest": N, and rest in *what; -1: it is none. */
static int64_t segment_of(const char *key, const char **what)
{
	char number[12] = "";
	struct err unused;
	int64_t n;

	if (strncmp(key, "Segment", 7) || !(*what = strchr(key, '_')) || *what - key - 7 >= (int64_t)sizeof number)
		return -1;
	memcpy(number, key + 7, (size_t)(*what - key) - 7);
	++*what;
	return arg_int(number, 0, VALUE_MOST, &n, &unused) ? -1 : n;
}

/* As the format has it: a newline is \n there, and a backslash \\. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s == '\\' && (s[1] == 'n' || s[1] == '\\'))
			*to++ = *++s == 'n' ? ' ' : '\\';
		else
			*to++ = *s;
	*to = 0;
}

static int put(struct text *t, int64_t n, const char *key, json_t *value, struct err *e)
{
	json_t *s;

	while (json_array_size(t->segments) <= (size_t)n && !json_array_append_new(t->segments, json_object()))
		;
	s = json_array_get(t->segments, (size_t)n);
	return value && !json_object_set_new(s, key, value) ? 0 : err_set(e, t->file, "segment %lld: its %s is no text in UTF-8", (long long)n, key);
}

int nrrd_segment_key(struct text *t, const char *key, char *value, struct err *e)
{
	static const struct { const char *key, *name; int least; } numbers[] = {{"Layer", "layer", 0}, {"LabelValue", "value", 1}};
	const char *what;
	const int64_t n = segment_of(key, &what);
	struct err why;
	int64_t v;

	value = text_trim(value);
	if (!t->segments && (n >= 0 || !strncmp(key, "Segmentation_", strlen("Segmentation_"))))
		t->segments = json_array();
	if ((!strcmp(key, "Segmentation_SourceRepresentation") || !strcmp(key, "Segmentation_MasterRepresentation")) && strcmp(value, "Binary labelmap"))
		return err_set(e, t->file, "%s '%.80s' is not read (expected Binary labelmap)", key, value);
	if (n < 0)
		return 0;
	if (n >= NAMES_MOST)
		return err_set(e, t->file, "%s: more than %d segments", key, NAMES_MOST);
	if (!strcmp(what, "Name")) {
		unescape(value);
		return put(t, n, "name", json_string(value), e);
	}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (strcmp(what, numbers[i].key))
			continue;
		if (arg_int(value, numbers[i].least, VALUE_MOST, &v, &why))
			return err_set(e, t->file, "%s: %.200s", key, why.text);
		return put(t, n, numbers[i].name, json_integer(v), e);
	}
	return 0;
}

static int64_t number(const json_t *segment, const char *key)
{
	return json_integer_value(json_object_get(segment, key));
}

int nrrd_segments_check(struct text *t, struct err *e)
{
	const int64_t layers = t->channel < 0 ? 1 : t->size[t->channel];
	json_t *s;
	size_t i;

	json_array_foreach(t->segments, i, s) {
		if (!json_object_get(s, "layer"))
			json_object_set_new(s, "layer", json_integer(layers > 1 ? (json_int_t)i : 0));
		if (!json_object_get(s, "value"))
			json_object_set_new(s, "value", json_integer(1));
		if (!json_object_get(s, "name"))
			json_object_set_new(s, "name", json_string(""));
		if (number(s, "layer") >= layers)
			return err_set(e, t->file, "segment %zu is in layer %lld (expected less than %lld)", i, (long long)number(s, "layer"), (long long)layers);
	}
	return 0;
}

json_t *nrrd_segment_names(const json_t *segments, int64_t layers)
{
	json_t *names = json_object(), *s;
	size_t i;

	json_array_foreach((json_t *)segments, i, s) {
		const int64_t label = layers > 1 ? (int64_t)i + 1 : number(s, "value");

		if (label <= NAMES_MOST && json_string_length(json_object_get(s, "name")))
			names_set(names, label, json_object_get(s, "name"));
	}
	return names;
}

/* `as` where from is `value`; how many had a label already. */
#define PAINT(bits) \
	static int64_t paint##bits(uint8_t *to, uint8_t as, const void *from, int64_t value, size_t n) \
	{ \
		const uint##bits##_t *v = from, is = (uint##bits##_t)value; \
		int64_t shared = 0; \
\
		for (size_t i = 0; i < n; i++) { \
			shared += v[i] == is && to[i]; \
			to[i] = v[i] == is ? as : to[i]; \
		} \
		return shared; \
	}
PAINT(8)
PAINT(16)
PAINT(32)
PAINT(64)

uint8_t *nrrd_segment_labels(const json_t *segments, const void *data, enum dtype t, size_t voxels, int64_t *shared, struct err *e)
{
	static int64_t (*const paint[9])(uint8_t *, uint8_t, const void *, int64_t, size_t) = {[1] = paint8, [2] = paint16, [4] = paint32, [8] = paint64};
	const size_t size = dtype_size(t);
	uint8_t *to = mem_zero(voxels, 1, "labels", e);
	json_t *s;
	size_t k;

	*shared = 0;
	for (k = 0; to && (s = json_array_get(segments, k)); k++)
		if (size == 8 || !(number(s, "value") >> 8 * size))
			*shared += paint[size](to, (uint8_t)(k + 1), (const char *)data + (size_t)number(s, "layer") * voxels * size, number(s, "value"), voxels);
	return to;
}
