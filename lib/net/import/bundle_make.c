/* MONAI's transforms of an image as steps of our tools, one by one. Definitions: monai/transforms (croppad, intensity, spatial), 1.6. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/import/bundle.h"
#include "lib/volume/crop/crop.h"
#include "lib/volume/history/replay.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/volume/resample/resample.h"

/* -- arguments -- */

static int number(const json_t *a, const char *key, double *v, struct err *e)
{
	const json_t *x = json_object_get(a, key);

	*v = json_number_value(x);
	return json_is_number(x) ? 0 : err_set(e, NULL, "%s is %s number", key, x ? "no" : "not said: it should be a");
}

/* The same, or what it is where it is not said. */
static int number_or(const json_t *a, const char *key, double *v, double without, struct err *e)
{
	if (json_object_get(a, key))
		return number(a, key, v, e);
	*v = without;
	return 0;
}

static int flag(const json_t *a, const char *key)
{
	return bundle_flag(json_object_get(a, key));
}

/* Whole numbers for x,y,z: three, or one for all. */
static int whole(const json_t *a, const char *key, int64_t v[3], int64_t without, struct err *e)
{
	const json_t *x = json_object_get(a, key);

	for (size_t k = 0; k < 3; k++) {
		const json_t *one = json_is_array(x) ? json_array_get(x, k) : x;

		v[k] = x ? json_integer_value(one) : without;
		if (x && (!json_is_integer(one) || (json_is_array(x) && json_array_size(x) != 3)))
			return err_set(e, NULL, "%s is not one or three whole numbers", key);
	}
	return 0;
}

/* A word for all keys, or of a list that for the image. */
static const char *word(const struct bundle_maker *m, const json_t *a, const char *key, const char *without)
{
	const json_t *v = json_object_get(a, key);

	if (json_is_array(v))
		v = json_array_get(v, json_array_size(v) == 1 ? 0 : (size_t)m->place);
	return v ? json_is_string(v) ? json_string_value(v) : "" : without;
}

/* -- transforms -- */

static int normalize(struct bundle_maker *m, const struct normalize *o)
{
	return replay_add(m->steps, "nii-normalize", normalize_json(o));
}

static int orientation(struct bundle_maker *m, const json_t *a, struct err *e)
{
	const char *code = flag(a, "as_closest_canonical") ? "RAS" : json_string_value(json_object_get(a, "axcodes"));
	struct resample o = {.to = RESAMPLE_NOT};

	if (!code || strlen(code) >= sizeof o.orient)
		return err_set(e, NULL, "axcodes is no text of three letters");
	memcpy(o.orient, code, strlen(code) + 1);
	return replay_add(m->steps, "nii-resample", resample_json(&o));
}

static int spacing(struct bundle_maker *m, const json_t *a, struct err *e)
{
	const json_t *pixdim = json_object_get(a, "pixdim");
	const char *mode = word(m, a, "mode", "bilinear");
	struct resample o = {.to = RESAMPLE_SPACING, .align = RESAMPLE_MONAI, .interp = INTERP_LINEAR};

	if (json_array_size(pixdim) != 3)
		return err_set(e, NULL, "pixdim is not three numbers");
	for (size_t k = 0; k < 3; k++) {
		const json_t *v = json_array_get(pixdim, k);

		if (!json_is_number(v))
			return err_set(e, NULL, "pixdim is not three numbers");
		o.spacing[k] = fmax(json_number_value(v), 0); /* not above 0: the volume's own */
	}
	if (!(o.spacing[0] + o.spacing[1] + o.spacing[2] > 0))
		return 0;
	if (!strcmp(mode, "nearest"))
		o.interp = INTERP_NEAREST;
	else if (strcmp(mode, "bilinear"))
		return err_set(e, NULL, "mode is neither bilinear nor nearest");
	return replay_add(m->steps, "nii-resample", resample_json(&o));
}

static int scale_range(struct bundle_maker *m, const json_t *a, struct err *e)
{
	struct normalize o = {.mode = NORMALIZE_RANGE, .clip = flag(a, "clip")};
	const int plain = !o.clip && !json_object_get(a, "b_min") && !json_object_get(a, "b_max");

	if (number(a, "a_min", &o.range[0], e) || number(a, "a_max", &o.range[1], e))
		return -1;
	o.range[3] = 1;
	if (!plain && (number(a, "b_min", &o.range[2], e) || number(a, "b_max", &o.range[3], e)))
		return -1;
	return normalize(m, &o);
}

/* What is 0..1 becomes lo..hi. */
static int stretch(struct bundle_maker *m, double lo, double hi)
{
	const struct normalize o = {.mode = NORMALIZE_RANGE, .range = {0, 1, lo, hi}};

	return lo == 0 && hi == 1 ? 0 : normalize(m, &o);
}

static int scale(struct bundle_maker *m, const json_t *a, struct err *e)
{
	const struct normalize o = {.mode = NORMALIZE_PERCENTILE, .percentile = {0, 100}, .channel_wise = flag(a, "channel_wise")};
	double lo, hi;

	if (number_or(a, "minv", &lo, 0, e) || number_or(a, "maxv", &hi, 1, e))
		return -1;
	return normalize(m, &o) || stretch(m, lo, hi) ? -1 : 0;
}

static int scale_percentiles(struct bundle_maker *m, const json_t *a, struct err *e)
{
	struct normalize o = {.mode = NORMALIZE_PERCENTILE, .channel_wise = flag(a, "channel_wise")};
	double lo, hi;

	if (number(a, "lower", &o.percentile[0], e) || number(a, "upper", &o.percentile[1], e) || number(a, "b_min", &lo, e) || number(a, "b_max", &hi, e))
		return -1;
	if (!flag(a, "clip"))
		return err_set(e, NULL, "without clip is not known");
	return normalize(m, &o) || stretch(m, lo, hi) ? -1 : 0;
}

static int zscore(struct bundle_maker *m, const json_t *a, struct err *e)
{
	struct normalize o = {.mode = flag(a, "nonzero") ? NORMALIZE_NONZERO : NORMALIZE_ZSCORE, .channel_wise = flag(a, "channel_wise")};

	if (json_object_get(a, "subtrahend") || json_object_get(a, "divisor")) { /* (x - a) / ((a + d) - a) */
		if (number(a, "subtrahend", &o.range[0], e) || number(a, "divisor", &o.range[1], e))
			return -1;
		if (o.mode == NORMALIZE_NONZERO || o.channel_wise)
			return err_set(e, NULL, "subtrahend with nonzero or channel_wise is not known");
		o.mode = NORMALIZE_RANGE;
		o.range[1] += o.range[0];
		o.range[3] = 1;
	}
	return normalize(m, &o);
}

/* "$lambda x: x > 0.1" */
static int threshold(const char *text, double *above)
{
	static const char head[] = "$lambdax:x>"; /* without spaces */
	char value[64];
	size_t n = 0, k = 0;
	struct err e;

	for (; *text; text++)
		if (!isspace((unsigned char)*text)) {
			if (n < sizeof head - 1 ? *text != head[n] : k + 1 >= sizeof value)
				return -1;
			if (n < sizeof head - 1)
				n++;
			else
				value[k++] = *text;
		}
	value[k] = 0;
	return arg_float(value, -1e9, 1e9, above, &e);
}

static int crop_foreground(struct bundle_maker *m, const json_t *a, struct err *e)
{
	const char *select = json_string_value(json_object_get(a, "select_fn")), *source = json_string_value(json_object_get(a, "source_key"));
	struct crop o = crop_default;

	if (!source || strcmp(source, m->image))
		return err_set(e, NULL, "source_key is not '%.80s', the image", m->image);
	if (select && threshold(select, &o.above))
		return err_set(e, NULL, "select_fn is '%.80s', not $lambda x: x > NUMBER", select);
	o.inside = flag(a, "allow_smaller");
	if (whole(a, "margin", o.margin_voxels, 0, e) || whole(a, "k_divisible", o.multiple, 1, e))
		return -1;
	return replay_add(m->steps, "nii-crop", crop_json(&o));
}

/* Grow the whole volume: least is the option of what is said by key. */
static int pad(struct bundle_maker *m, const json_t *a, const char *key, int multiple, struct err *e)
{
	struct crop o = crop_default;
	int64_t *v = multiple ? o.multiple : o.min_size;

	o.to = CROP_WHOLE;
	if (whole(a, key, v, multiple, e))
		return -1;
	for (int k = 0; k < 3; k++)
		v[k] = v[k] < multiple ? multiple : v[k];
	return replay_add(m->steps, "nii-crop", crop_json(&o));
}

static int pad_size(struct bundle_maker *m, const json_t *a, struct err *e)
{
	return pad(m, a, "spatial_size", 0, e);
}

static int pad_multiple(struct bundle_maker *m, const json_t *a, struct err *e)
{
	return pad(m, a, "k", 1, e);
}

/* Names without their d. */
static const struct bundle_transform transforms[] = {
	{"LoadImage", NULL, {{"dtype", "*float32"}, {"reader", "?"}, {"image_only", "?"}, {"ensure_channel_first", "?"}, {"simple_keys", "?"},
		{"affine_lps_to_ras", "true"}, {"meta_keys", "?"}, {"meta_key_postfix", "?"}}},
	{"EnsureChannelFirst", NULL, {{"channel_dim", "\"no_channel\""}, {"strict_check", "?"}}},
	{"AddChannel", NULL, {{0}}},
	{"EnsureType", NULL, {{"dtype", "*float32"}, {"data_type", "?"}, {"device", "?"}, {"track_meta", "?"}, {"wrap_sequence", "?"}}},
	{"CastToType", NULL, {{"dtype", "*float32"}}},
	{"ToTensor", NULL, {{"dtype", "*float32"}, {"device", "?"}, {"track_meta", "?"}, {"wrap_sequence", "?"}}},
	{"ToDevice", NULL, {{"device", "?"}, {"non_blocking", "?"}}},
	{"SelectItems", NULL, {{0}}},
	{"Orientation", orientation, {{"axcodes"}, {"as_closest_canonical"}, {"labels", "null"}}},
	{"Spacing", spacing, {{"pixdim"}, {"mode"}, {"diagonal", "false"}, {"padding_mode", "\"border\""}, {"align_corners", "false"},
		{"dtype", "*float64"}, {"scale_extent", "false"}, {"recompute_affine", "false"}, {"min_pixdim", "null"},
		{"max_pixdim", "null"}, {"ensure_same_shape", "?"}}},
	{"ScaleIntensityRange", scale_range, {{"a_min"}, {"a_max"}, {"b_min"}, {"b_max"}, {"clip"}, {"dtype", "*float32"}}},
	{"ScaleIntensity", scale, {{"minv"}, {"maxv"}, {"channel_wise"}, {"factor", "null"}, {"dtype", "*float32"}}},
	{"ScaleIntensityRangePercentiles", scale_percentiles, {{"lower"}, {"upper"}, {"b_min"}, {"b_max"}, {"clip"},
		{"channel_wise"}, {"relative", "false"}, {"dtype", "*float32"}}},
	{"NormalizeIntensity", zscore, {{"nonzero"}, {"channel_wise"}, {"subtrahend"}, {"divisor"}, {"dtype", "*float32"}}},
	{"CropForeground", crop_foreground, {{"source_key"}, {"select_fn", "$"}, {"margin"}, {"k_divisible"}, {"allow_smaller"},
		{"channel_indices", "null"}, {"mode", "\"constant\""}, {"start_coord_key", "?"}, {"end_coord_key", "?"}}},
	{"SpatialPad", pad_size, {{"spatial_size"}, {"method", "\"symmetric\""}, {"mode", "\"constant\""}}},
	{"DivisiblePad", pad_multiple, {{"k"}, {"method", "\"symmetric\""}, {"mode", "\"constant\""}}},
};

static const struct bundle_rule of_all[] = {
	{"_target_", "?"}, {"_disabled_", "?"}, {"_desc_", "?"}, {"keys", "?"}, {"allow_missing_keys", "?"}, {"lazy", "false"},
};

const struct bundle_transform *bundle_transform(const char *name)
{
	for (size_t i = 0; i < sizeof transforms / sizeof *transforms; i++) {
		size_t n = strlen(transforms[i].name);
		const char *rest = name + n;

		if (!strncmp(name, transforms[i].name, n) && (!strcmp(rest, "d") || !strcmp(rest, "D") || !strcmp(rest, "Dict")))
			return &transforms[i];
	}
	return NULL;
}

const struct bundle_rule *bundle_rule(const struct bundle_transform *t, const char *key)
{
	for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++)
		if (!strcmp(of_all[i].key, key))
			return &of_all[i];
	for (int i = 0; i < BUNDLE_RULES && t->rule[i].key; i++)
		if (!strcmp(t->rule[i].key, key))
			return &t->rule[i];
	return NULL;
}
