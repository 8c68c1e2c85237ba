#include "lib/net/planner/plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/arch/archfile.h"
#include "lib/net/arch/axes.h"
#include "lib/stream/history.h"
#include "lib/volume/crop/crop.h"
#include "lib/volume/history/replay.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/volume/resample/resample.h"

enum { INHERIT_MOST = 16 };

int plans_is(const json_t *root)
{
	return json_is_object(json_object_get(root, "configurations"));
}

static int no_configuration(const json_t *all, const char *name, struct err *e)
{
	char list[300] = "";
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach((json_t *)all, key, v)
		if (n < sizeof list)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", key);
	return err_set(e, NULL, "there is no configuration '%.80s' (there are: %s)", name, list);
}

/* A configuration with what it inherits; NULL and an error. */
static json_t *configuration(const json_t *root, const char *name, struct err *e)
{
	const json_t *all = json_object_get(root, "configurations");
	json_t *c = json_object();

	for (int i = 0; name; i++) {
		json_t *own = json_object_get(all, name);

		if (!json_is_object(own) || i == INHERIT_MOST) {
			if (i == INHERIT_MOST)
				err_set(e, NULL, "configuration '%.80s' inherits from itself", name);
			else
				no_configuration(all, name, e);
			json_decref(c);
			return NULL;
		}
		json_object_update_missing(c, own);
		name = json_string_value(json_object_get(own, "inherits_from"));
		json_object_del(c, "inherits_from");
	}
	return c;
}

static int is_word(const json_t *o, const char *key, const char *word)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && !strcmp(s, word);
}

/* Of z,y,x the plans' first axis, along which a network of two dimensions has its slices */
static int slices(const struct plans *p)
{
	return !p->axes[0] ? 0 : !p->axes[1] ? 1 : 2;
}

/* -- the network -- */

static json_t *features(const json_t *c, size_t n)
{
	json_int_t first = json_integer_value(json_object_get(c, "UNet_base_num_features"));
	json_int_t most = json_integer_value(json_object_get(c, "unet_max_num_features")) & INT32_MAX;
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++, first *= 2) {
		first = first < 0 || first > most ? most : first;
		json_array_append_new(a, json_integer(first));
	}
	return a;
}

/* The arguments that nnU-Net makes of plans before 2.4. */
static json_t *old_arguments(const json_t *c, const char *class, int flat)
{
	static const struct { const char *from, *to; } same[] = {
		{"conv_kernel_sizes", "kernel_sizes"}, {"pool_op_kernel_sizes", "strides"}, {"n_conv_per_stage_decoder", "n_conv_per_stage_decoder"},
	};
	json_t *convs = json_object_get(c, "n_conv_per_stage_encoder");
	json_t *a = json_pack("{s:b, s:s, s:s, s:{s:f, s:b}, s:n, s:n, s:s, s:{s:b}}", "conv_bias", 1, "conv_op",
	                      flat ? "torch.nn.modules.conv.Conv2d" : "torch.nn.modules.conv.Conv3d", "norm_op",
	                      flat ? "torch.nn.modules.instancenorm.InstanceNorm2d" : "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs",
	                      "eps", 1e-5, "affine", 1, "dropout_op", "dropout_op_kwargs", "nonlin", "torch.nn.LeakyReLU", "nonlin_kwargs", "inplace", 1);

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		json_object_set(a, same[i].to, json_object_get(c, same[i].from));
	json_object_set(a, strcmp(class, "PlainConvUNet") ? "n_blocks_per_stage" : "n_conv_per_stage", convs);
	json_object_set_new(a, "n_stages", json_integer((json_int_t)json_array_size(convs)));
	json_object_set_new(a, "features_per_stage", features(c, json_array_size(convs)));
	return a;
}

static int read_network(struct plans *p, const json_t *c, struct err *e)
{
	const json_t *net = json_object_get(c, "architecture");
	const char *class = json_string_value(net ? json_object_get(net, "network_class_name") : json_object_get(c, "UNet_class_name"));

	if (!class)
		return err_set(e, NULL, "names no network: neither architecture with network_class_name, nor UNet_class_name");
	p->arch = net ? json_deep_copy(json_object_get(net, "arch_kwargs")) : old_arguments(c, class, p->flat);
	if (!json_is_object(p->arch))
		return err_set(e, NULL, "has no arch_kwargs");
	json_object_set_new(p->arch, "_target_", json_string(class));
	if (p->flat)
		axes_set_slices(p->arch, slices(p));
	if (p->flat != (axes_slices(p->arch) >= 0))
		return err_set(e, NULL, "has a patch_size of %d numbers, and a network of %d dimensions", 3 - p->flat, 2 + p->flat);
	axes_turn(p->arch, p->axes);
	return 0;
}

/* -- axes -- */

static int read_axes(struct plans *p, const json_t *root, struct err *e)
{
	const json_t *t = json_object_get(root, "transpose_forward");
	int seen = 0;

	for (int k = 0; k < 3; k++)
		p->axes[k] = k;
	for (size_t k = 0; t && k < 3; k++) {
		json_int_t axis = json_integer_value(json_array_get(t, k));

		if (json_array_size(t) != 3 || !json_is_integer(json_array_get(t, k)) || axis < 0 || axis > 2 || seen >> axis & 1)
			return err_set(e, NULL, "transpose_forward is no order of three axes");
		seen |= 1 << axis;
		p->axes[axis] = (int)k;
	}
	return 0;
}

/* Three numbers above 0, in the order z,y,x; of two dimensions two, and `across` along the slices' axis. */
static int read_three(const struct plans *p, const json_t *c, const char *key, double across, double v[3], struct err *e)
{
	const json_t *a = json_object_get(c, key);

	if (json_array_size(a) != (size_t)(3 - p->flat))
		return err_set(e, NULL, "%s has %zu numbers (expected %d)", key, json_array_size(a), 3 - p->flat);
	for (int k = 0; k < 3; k++) {
		const int at = p->axes[k] - p->flat;

		v[k] = at < 0 ? across : json_number_value(json_array_get(a, (size_t)at));
		if (at >= 0 && (!(v[k] > 0) || v[k] > 1e6))
			return err_set(e, NULL, "%s is not %s numbers above 0", key, p->flat ? "two" : "three");
	}
	return 0;
}

/* -- preparation -- */

/* Whatever a plan says, nnU-Net crops to what is not 0. */
static int add_crop(struct plans *p)
{
	struct crop o = crop_default;

	o.to = CROP_NONZERO;
	return replay_add(p->replay, "nii-crop", crop_json(&o));
}

/* nnunetv2/preprocessing/normalization/default_normalization_schemes.py */
static const struct { const char *name; struct normalize o; } schemes_known[] = {
	{"CTNormalization", {.mode = NORMALIZE_CT}}, /* numbers of the data set */
	{"ZScoreNormalization", {.mode = NORMALIZE_ZSCORE}}, /* with use_mask_for_norm, which the others do not look at, NORMALIZE_MASKED */
	{"NoNormalization", {.mode = NORMALIZE_RANGE, .range = {0, 1, 0, 1}}},
	{"RescaleTo01Normalization", {.mode = NORMALIZE_PERCENTILE, .percentile = {0, 100}}},
	{"RGBTo01Normalization", {.mode = NORMALIZE_RANGE, .range = {0, 255, 0, 1}}},
};

/* The step for channel `channel`, or for all of them. */
static int add_scheme(struct plans *p, const json_t *root, const char *name, int masked, int alone, int64_t channel, struct err *e)
{
	for (size_t i = 0; i < sizeof schemes_known / sizeof *schemes_known; i++) {
		struct normalize o = schemes_known[i].o;

		if (strcmp(name, schemes_known[i].name))
			continue;
		o.alone = alone;
		o.channel = channel;
		if (masked && o.mode == NORMALIZE_ZSCORE)
			o.mode = NORMALIZE_MASKED;
		o.channel_wise = !alone && o.mode != NORMALIZE_MASKED;
		if (o.mode == NORMALIZE_CT && normalize_stats(root, &o, NULL, e))
			return -1;
		return replay_add(p->replay, "nii-normalize", normalize_json(&o));
	}
	return err_set(e, NULL, "normalization '%.80s' is not known (there are CTNormalization, ZScoreNormalization, NoNormalization, "
	                        "RescaleTo01Normalization, RGBTo01Normalization): say the preparation with --replay", name);
}

static int read_normalization(struct plans *p, const json_t *root, const json_t *c, struct err *e)
{
	const json_t *schemes = json_object_get(c, "normalization_schemes"), *mask = json_object_get(c, "use_mask_for_norm"), *v;
	const char *first = json_string_value(json_array_get(schemes, 0));
	const int masked = json_is_true(json_array_get(mask, 0));
	size_t i, same = 0;

	if (!first)
		return err_set(e, NULL, "has no normalization_schemes");
	json_array_foreach((json_t *)schemes, i, v) {
		if (!json_is_string(v))
			return err_set(e, NULL, "its normalization_schemes are not names");
		same += !strcmp(json_string_value(v), first) && json_is_true(json_array_get(mask, i)) == masked;
	}
	if (same == i)
		return add_scheme(p, root, first, masked, 0, 0, e);
	for (int now = 1; now >= 0; now--) /* those with a mask first: it is of the volume as it was */
		json_array_foreach((json_t *)schemes, i, v)
			if (json_is_true(json_array_get(mask, i)) == now && add_scheme(p, root, json_string_value(v), now, 1, (int64_t)i, e))
				return -1;
	return 0;
}

/* Readers that leave the axes as the file has them, and one that turns them. */
static int read_orientation(const json_t *root, struct resample *o, struct err *e)
{
	static const struct { const char *name, *code; } readers[] = {{"SimpleITKIO", ""}, {"NibabelIO", ""}, {"NibabelIOWithReorient", "RAS"}};
	const char *reader = json_string_value(json_object_get(root, "image_reader_writer"));

	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if (!reader || !strcmp(reader, readers[i].name)) {
			memcpy(o->orient, readers[i].code, strlen(readers[i].code) + 1);
			return 0;
		}
	return err_set(e, NULL, "image_reader_writer '%.80s' is not known: say the preparation with --replay", reader);
}

static int read_resampling(struct plans *p, const json_t *root, const json_t *c, struct err *e)
{
	static const enum interp orders[] = {INTERP_NEAREST, INTERP_LINEAR, INTERP_NEAREST, INTERP_CUBIC};
	const json_t *how = json_object_get(c, "resampling_fn_data_kwargs"), *order = json_object_get(how, "order");
	struct resample o = {.to = RESAMPLE_SPACING, .align = RESAMPLE_NNUNET, .interp = INTERP_CUBIC, .label = INTERP_LABEL_ARGMAX};
	json_int_t n = order ? json_integer_value(order) : 3;
	double zyx[3];

	if (read_three(p, c, "spacing", 0, zyx, e) || read_orientation(root, &o, e))
		return -1;
	if (!is_word(c, "resampling_fn_data", "resample_data_or_seg_to_shape") || (n != 0 && n != 1 && n != 3) ||
	    json_integer_value(json_object_get(how, "order_z")) != 0 || json_is_boolean(json_object_get(how, "force_separate_z")))
		return err_set(e, NULL, "resampling other than resample_data_or_seg_to_shape of order 0, 1 or 3, order_z 0: say the preparation with --replay");
	o.interp = orders[n];
	for (int k = 0; k < 3; k++)
		o.spacing[k] = zyx[2 - k];
	return replay_add(p->replay, "nii-resample", resample_json(&o));
}

/* -- the rest -- */

/* What seg-plan adds. */
static int read_own(struct plans *p, const json_t *own, struct err *e)
{
	p->classes = json_integer_value(json_object_get(own, "classes"));
	p->channels = json_integer_value(json_object_get(own, "channels"));
	p->cases = json_incref(json_object_get(own, "cases"));
	if (p->classes < 0 || p->classes > 255 || p->channels < 0 || p->channels > 4096 || (p->cases && !json_is_array(p->cases)))
		return err_set(e, NULL, "niipipe: classes, channels or cases are malformed");
	return 0;
}

static int read_all(struct plans *p, const json_t *root, const json_t *c, int prepare, struct err *e)
{
	double patch[3];

	p->flat = json_array_size(json_object_get(c, "patch_size")) == 2;
	if (read_axes(p, root, e) || read_three(p, c, "patch_size", 1, patch, e) || read_network(p, c, e))
		return -1;
	p->previous = json_is_string(json_object_get(c, "previous_stage"));
	p->images = (int64_t)json_array_size(json_object_get(c, "normalization_schemes"));
	for (int k = 0; k < 3; k++)
		p->roi[k] = (int64_t)patch[k];
	p->batch = json_integer_value(json_object_get(c, "batch_size"));
	p->batch_dice = json_is_true(json_object_get(c, "batch_dice"));
	if (p->batch < 0 || p->batch > 1024)
		return err_set(e, NULL, "batch_size is not a number of patches");
	if (read_own(p, json_object_get(root, "niipipe"), e))
		return -1;
	return prepare && (add_crop(p) || read_normalization(p, root, c, e) || read_resampling(p, root, c, e)) ? -1 : 0;
}

int plans_read(struct plans *p, const json_t *root, const char *name, int prepare, struct err *e)
{
	json_t *c;
	int r;

	memset(p, 0, sizeof *p);
	p->replay = prepare ? json_array() : NULL;
	c = configuration(root, name, e);
	if (!c)
		return -1;
	r = read_all(p, root, c, prepare, e);
	json_decref(c);
	return r ? err_prefix(e, "configuration %.80s", name) : 0;
}

void plans_free(struct plans *p)
{
	json_decref(p->arch);
	json_decref(p->replay);
	json_decref(p->cases);
	p->arch = p->replay = p->cases = NULL;
}

int plans_load(struct plans *p, const char *path, const char *configuration, struct err *e)
{
	json_t *root = archfile_json(path, e);
	int r = -1;

	memset(p, 0, sizeof *p);
	if (!root)
		return -1;
	if (!plans_is(root))
		err_set(e, path, "is no plans.json: it has no configurations");
	else
		r = plans_read(p, root, configuration ? configuration : PLANS_CONFIGURATION, 1, e) ? err_prefix(e, "%s", path) : 0;
	json_decref(root);
	return r;
}

const json_t *plans_step(const struct plans *p, const char *tool, int n)
{
	const json_t *step;
	size_t i;

	json_array_foreach(p->replay, i, step)
		if (is_word(step, "tool", tool) && !n--)
			return json_object_get(step, "args");
	return NULL;
}

static int check_id(const struct plans *p, const char *id, struct err *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach(p->cases, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), id))
			return 0;
	return json_array_size(p->cases) ? err_set(e, NULL, "is none of the %zu cases that the plan was made of", json_array_size(p->cases)) : 0;
}

/* Of a tool's steps that were done one must be that which is wanted. */
static int check_step(const json_t *done, const json_t *wanted, struct err *e)
{
	const char *tool = json_string_value(json_object_get(wanted, "tool"));
	const json_t *step = NULL, *one;
	char *a, *b;
	size_t i;

	json_array_foreach((json_t *)done, i, one) {
		if (json_equal(one, wanted))
			return 0;
		if (is_word(one, "tool", tool) && !step)
			step = one;
	}
	if (!step)
		return err_set(e, NULL, "did not go through %s, which the plan asks for", tool);
	a = json_dumps(json_object_get(step, "args"), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	b = json_dumps(json_object_get(wanted, "args"), JSON_COMPACT | JSON_SORT_KEYS);
	err_set(e, NULL, "is not prepared as the plan says: %s %.200s, the plan has %.200s", tool, a ? a : "?", b ? b : "?");
	free(a);
	free(b);
	return -1;
}

int plans_check_frame(const struct plans *p, const struct frame *f, struct err *e)
{
	json_t *done = check_id(p, frame_id(f), e) ? NULL : history_replay(f, e);
	const json_t *wanted;
	size_t i;
	int r = done ? 0 : -1;

	json_array_foreach(p->replay, i, wanted)
		r = r || is_word(wanted, "tool", "nii-crop") ? r : check_step(done, wanted, e);
	json_decref(done);
	return r;
}
