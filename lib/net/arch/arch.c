#include "lib/net/arch/arch.h"

#include <stdio.h>
#include <string.h>

#include "lib/net/arch/axes.h"

struct arch {
	const char *target;
	int (*build)(struct graph *g, const json_t *arch, struct err *e);
	const char *channels, *classes, *size; /* its own keys for them; size: of the input, NULL: any */
	int alone;                             /* one class where it does not say, not two */
};

static const struct arch ARCHS[] = {
	{"UNet", arch_unet, "in_channels", "out_channels"},
	{"BasicUNet", arch_basicunet, "in_channels", "out_channels"},
	{"PlainConvUNet", arch_plain, "input_channels", "num_classes"},
	{"ResidualEncoderUNet", arch_resenc, "input_channels", "num_classes"},
	{"DynUNet", arch_dynunet, "in_channels", "out_channels"},
	{"SegResNet", arch_segresnet, "in_channels", "out_channels"},
	{"SegResNetDS", arch_segresnetds, "in_channels", "out_channels"},
	{"AttentionUnet", arch_attention, "in_channels", "out_channels"},
	{"SwinUNETR", arch_swinunetr, "in_channels", "out_channels"},
	{"UNETR", arch_unetr, "in_channels", "out_channels", "img_size"},
	{"VNet", arch_vnet, "in_channels", "out_channels", .alone = 1},
};

/* NULL and an error. */
static const struct arch *find(const json_t *arch, struct err *e)
{
	const char *target = json_string_value(json_object_get(arch, "_target_"));
	char there[300] = "";
	size_t used = 0;

	if (!target) {
		err_set(e, NULL, "the architecture has no \"_target_\"");
		return NULL;
	}
	for (size_t i = 0; i < sizeof ARCHS / sizeof *ARCHS; i++) {
		if (!strcmp(arch_class(target), ARCHS[i].target))
			return &ARCHS[i];
		used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", i ? ", " : "", ARCHS[i].target);
	}
	err_set(e, NULL, "architecture '%.80s' is not known (there are %s)", target, there);
	return NULL;
}

/* One of two dimensions is built as the one of three that it is, flat. */
static int build(struct graph *g, const struct arch *a, const json_t *arch, struct err *e)
{
	json_t *solid;
	int r;

	g->slices = axes_slices(arch);
	if (g->slices < 0)
		return a->build(g, arch, e);
	solid = axes_solid(arch, e);
	r = solid ? a->build(g, solid, e) : -1;
	json_decref(solid);
	return r;
}

struct graph *arch_graph(const json_t *arch, struct err *e)
{
	const struct arch *a = find(arch, e);
	struct graph *g = a ? graph_new(e) : NULL;

	if (g && build(g, a, arch, e)) {
		err_prefix(e, "%s", a->target);
		graph_free(g);
		g = NULL;
	}
	return g;
}

const char *arch_channels_key(const json_t *arch)
{
	struct err ignored;
	const struct arch *a = find(arch, &ignored);

	return a ? a->channels : ARCHS[0].channels;
}

const char *arch_classes_key(const json_t *arch)
{
	struct err ignored;
	const struct arch *a = find(arch, &ignored);

	return a ? a->classes : ARCHS[0].classes;
}

int arch_classes_default(const json_t *arch)
{
	struct err ignored;
	const struct arch *a = find(arch, &ignored);

	return a && a->alone ? 1 : 2;
}

/* Of two dimensions without that along the slices */
static json_t *own_size(const json_t *arch, const int64_t size[3])
{
	json_t *own = json_array();

	for (int k = 0; k < 3; k++)
		if (k != axes_slices(arch))
			json_array_append_new(own, json_integer(size[k]));
	return own;
}

void arch_take_patch(json_t *arch, int64_t channels, const int64_t size[3])
{
	struct err ignored;
	const struct arch *a = find(arch, &ignored);

	json_object_set_new(arch, arch_channels_key(arch), json_integer(channels));
	if (axes_slices(arch) >= 0 && !json_object_get(arch, "slice_axis"))
		axes_set_slices(arch, size[0] == 1 ? 0 : size[1] == 1 ? 1 : size[2] == 1 ? 2 : 0);
	if (a && a->size && !json_object_get(arch, a->size))
		json_object_set_new(arch, a->size, own_size(arch, size));
}

int arch_conv(struct graph *g, int x, const char *name, int64_t oc, const int kernel[3], const int stride[3], int bias, int he)
{
	struct graph_conv c = {.oc = oc, .bias = bias, .he = he};

	for (int k = 0; k < 3; k++)
		c.kernel[k] = kernel[k], c.stride[k] = stride[k], c.pad[k] = (kernel[k] - 1) / 2;
	return graph_conv(g, x, name, &c);
}

int arch_up(struct graph *g, int x, const char *name, int64_t oc, const int stride[3], int bias, int he)
{
	struct graph_conv c = {.oc = oc, .bias = bias, .he = he, .transposed = 1};

	for (int k = 0; k < 3; k++)
		c.kernel[k] = c.stride[k] = stride[k];
	return graph_conv(g, x, name, &c);
}

int arch_step(struct graph *g, int x, const struct arch_adn *adn, char what, const char *name)
{
	if (what == 'N' && (adn->norm.kind != K_NORM_NONE || adn->norm.across.kind))
		return graph_norm(g, x, name, &adn->norm);
	if (what == 'A' && (adn->act.kind != K_ACT_NONE || adn->act.across))
		return graph_act(g, x, name, &adn->act);
	if (what == 'D' && adn->dropout > 0)
		return graph_drop(g, x, name, adn->dropout, adn->dropped);
	return x;
}
