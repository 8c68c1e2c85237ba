#include "lib/net/arch/arch_preset.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/arch/arch.h"
#include "lib/net/arch/archfile.h"
#include "lib/net/arch/axes.h"

/* An architecture's own names of the options (NULL: it has none of the kind) and what it is by default. */
struct preset {
	const char *name, *target, *classes, *channels, *strides, *kernel, *units;
	int64_t unit;                           /* of `units`, by default; 0: nnU-Net's 1, 3, 4, 6, 6, ... */
	int64_t top, widest;                    /* channels by default: doubled from level to level, no more than widest */
	int levels, whole;                      /* by default; whole: strides and kernels are lists of an entry a level */
	const char *levels_key, *up_kernel;     /* more of what follows from the levels: their number, the strides without the first */
	const char *fixed;                      /* JSON of what no option changes */
};

enum { WIDEST_FLAT = 512 }; /* nnU-Net's, of two dimensions */

#define NNUNET \
	"\"conv_op\": \"torch.nn.modules.conv.Conv3d\", \"conv_bias\": true, \"norm_op\": \"torch.nn.modules.instancenorm.InstanceNorm3d\", " \
	"\"norm_op_kwargs\": {\"eps\": 1e-5, \"affine\": true}, \"nonlin\": \"torch.nn.LeakyReLU\", \"nonlin_kwargs\": {\"inplace\": true}, " \
	"\"deep_supervision\": true"

static const struct preset PRESETS[] = {
	[ARCH_UNET] = {"unet", "UNet", "out_channels", "channels", "strides", "kernel_size", "num_res_units", 2, 16, 256, 5, 0, NULL, NULL,
		"{\"spatial_dims\": 3}"},
	[ARCH_BASICUNET] = {"basic-unet", "BasicUNet", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, "{\"spatial_dims\": 3}"},
	[ARCH_NNUNET] = {"nnunet", "PlainConvUNet", "num_classes", "features_per_stage", "strides", "kernel_sizes", "n_conv_per_stage", 2, 32, 320, 6, 1,
		"n_stages", NULL, "{" NNUNET ", \"n_conv_per_stage_decoder\": 2}"},
	[ARCH_RESENC] = {"resenc", "ResidualEncoderUNet", "num_classes", "features_per_stage", "strides", "kernel_sizes", "n_blocks_per_stage",
		0, 32, 320, 6, 1, "n_stages", NULL, "{" NNUNET ", \"n_conv_per_stage_decoder\": 1}"},
	[ARCH_DYNUNET] = {"dynunet", "DynUNet", "out_channels", "filters", "strides", "kernel_size", NULL, 0, 32, 320, 6, 1, NULL, "upsample_kernel_size",
		"{\"spatial_dims\": 3}"},
	[ARCH_SEGRESNET] = {"segresnet", "SegResNet", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL,
		"{\"spatial_dims\": 3, \"init_filters\": 16, \"blocks_down\": [1, 2, 2, 4], \"blocks_up\": [1, 1, 1]}"},
	[ARCH_SEGRESNETDS] = {"segresnet-ds", "SegResNetDS", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL,
		"{\"spatial_dims\": 3, \"init_filters\": 32, \"blocks_down\": [1, 2, 2, 4, 4], \"norm\": \"INSTANCE\", \"dsdepth\": 4}"},
	[ARCH_ATTENTION] = {"attention-unet", "AttentionUnet", "out_channels", "channels", "strides", "kernel_size", NULL, 0, 16, 256, 5, 0, NULL, NULL,
		"{\"spatial_dims\": 3}"},
	[ARCH_SWINUNETR] = {"swinunetr", "SwinUNETR", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL,
		"{\"spatial_dims\": 3, \"feature_size\": 48}"},
	[ARCH_UNETR] = {"unetr", "UNETR", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, "{\"spatial_dims\": 3}"},
	[ARCH_VNET] = {"vnet", "VNet", "out_channels", NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, "{\"spatial_dims\": 3}"},
};

static void set_channels(json_t *o, const struct preset *p, const struct arch_ask *a, int levels)
{
	json_t *list = json_array();
	const int64_t widest = a->flat && p->whole ? WIDEST_FLAT : p->widest;
	int64_t c = p->top;

	for (int i = 0; i < levels; i++, c = 2 * c < widest ? 2 * c : widest)
		json_array_append_new(list, json_integer(a->levels ? a->channels[i] : c));
	json_object_set_new(o, p->channels, list);
	if (p->levels_key)
		json_object_set_new(o, p->levels_key, json_integer(levels));
}

static void set_strides(json_t *o, const struct preset *p, const struct arch_ask *a, int levels)
{
	json_t *list = json_array();

	for (int i = 1; i < levels && !a->strides; i++)
		json_array_append_new(list, json_integer(2));
	if (a->strides)
		json_array_extend(list, (json_t *)a->strides);
	if (p->up_kernel)
		json_object_set_new(o, p->up_kernel, json_copy(list));
	if (p->whole)
		json_array_insert_new(list, 0, json_integer(1));
	json_object_set_new(o, p->strides, list);
}

static void set_kernel(json_t *o, const struct preset *p, const struct arch_ask *a, int levels)
{
	json_t *one = a->kernel ? json_deep_copy(a->kernel) : json_integer(3), *list = json_array();

	for (int i = 0; i < levels; i++)
		json_array_append(list, one);
	json_object_set(o, p->kernel, p->whole ? list : one);
	json_decref(list);
	json_decref(one);
}

static void set_units(json_t *o, const struct preset *p, const struct arch_ask *a, int levels)
{
	static const int first[] = {1, 3, 4};
	json_t *list = json_array();

	for (int i = 0; i < levels; i++)
		json_array_append_new(list, json_integer(i < 3 ? first[i] : 6));
	json_object_set_new(o, p->units, a->units >= 0 || p->unit ? json_integer(a->units >= 0 ? a->units : p->unit) : json_incref(list));
	json_decref(list);
}

static int check(const struct preset *p, const struct arch_ask *a, struct err *e)
{
	const struct { int asked; const char *key, *what; } has[] = {
		{a->levels > 0, p->channels, "channels"}, {!!a->strides, p->strides, "strides"}, {!!a->kernel, p->kernel, "kernel size"},
		{a->units >= 0, p->units, "residual units"},
	};

	for (size_t i = 0; i < sizeof has / sizeof *has; i++)
		if (has[i].asked && !has[i].key)
			return err_set(e, NULL, "the network %s has no %s to choose", p->name, has[i].what);
	if (a->levels && a->strides && json_array_size(a->strides) != (size_t)a->levels - 1)
		return err_set(e, NULL, "%zu strides for %d levels of channels: one fewer is wanted", json_array_size(a->strides), a->levels);
	return 0;
}

json_t *arch_preset(const struct arch_ask *a, struct err *e)
{
	const struct preset *p = &PRESETS[a->net < 0 ? ARCH_UNET : a->net];
	int levels = a->levels ? a->levels : a->strides ? (int)json_array_size(a->strides) + 1 : p->levels;
	json_t *o;

	if (check(p, a, e))
		return NULL;
	o = a->fresh ? json_loads(p->fixed, 0, NULL) : json_object();
	if (a->fresh || a->net >= 0)
		json_object_set_new(o, "_target_", json_string(p->target));
	if (a->fresh || a->classes >= 0)
		json_object_set_new(o, p->classes, json_integer(a->classes >= 0 ? a->classes : 2));
	if (p->channels && (a->fresh || a->levels))
		set_channels(o, p, a, levels);
	if (p->strides && (a->fresh || a->strides))
		set_strides(o, p, a, levels);
	if (p->kernel && (a->fresh || a->kernel))
		set_kernel(o, p, a, levels);
	if (p->units && (a->fresh || a->units >= 0))
		set_units(o, p, a, levels);
	if (a->fresh && a->flat)
		axes_flatten(o);
	return o;
}

json_t *arch_read(const char *text, struct err *e)
{
	json_t *a = archfile_json(text, e);

	if (!a || json_is_object(a))
		return a;
	err_set(e, *text == '[' ? NULL : text, "the architecture is not a JSON object");
	json_decref(a);
	return NULL;
}

json_t *arch_size(const char *text, struct err *e)
{
	char copy[32] = "", *p = copy, *word;
	struct err unused;
	int64_t v[3];
	int n = 0, bad = strlen(text) >= sizeof copy;

	memcpy(copy, text, bad ? 0 : strlen(text));
	while (!bad && (word = strsep(&p, "x")))
		bad = n == 3 || arg_int(word, 1, 15, &v[n++], &unused);
	if (bad) {
		err_set(e, NULL, "'%.80s' is neither N nor XxY nor XxYxZ, each 1..15", text);
		return NULL;
	}
	if (n == 2)
		return json_pack("[I, I]", (json_int_t)v[1], (json_int_t)v[0]);
	return n == 1 ? json_integer(v[0]) : json_pack("[I, I, I]", (json_int_t)v[2], (json_int_t)v[1], (json_int_t)v[0]);
}

json_t *arch_sizes(const char *text, struct err *e)
{
	char copy[256] = "", *p = copy, *word;
	json_t *all = json_array(), *one = NULL;

	snprintf(copy, sizeof copy, "%s", text);
	while ((word = strsep(&p, ",")) && (one = arch_size(word, e)))
		json_array_append_new(all, one);
	if (one)
		return all;
	json_decref(all);
	return NULL;
}

int64_t arch_classes(const json_t *arch)
{
	const int bare = json_is_false(json_object_get(arch, "use_conv_final")); /* SegResNet's: the first layer's channels come out */
	const json_t *v = json_object_get(arch, bare ? "init_filters" : arch_classes_key(arch));

	return json_is_integer(v) ? json_integer_value(v) : bare ? 8 : arch_classes_default(arch);
}
