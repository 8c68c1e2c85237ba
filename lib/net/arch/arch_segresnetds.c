/* MONAI's SegResNetDS (networks/nets/segresnet_ds.py), Auto3DSeg's network: a SegResNet with deep supervision and, of images whose voxels are no
   cubes, kernels and strides of 1 along an axis until they are.

       conv_init - blocks ------------------- + -- blocks -- head      a block: norm act conv norm act conv, plus x
                     '-- blocks ----- + -- blocks -'  '-- (head)       down: a convolution; up: a transposed one, or 1x1x1 and interpolation
                            '-- blocks -'

   Losses of the resolutions below count as MONAI's DeepSupervisionLoss has them. */
#include "lib/net/arch/arch.h"

#include <math.h>

struct segresnetds {
	int filters, in_channels, out_channels, levels, deconv, heads;
	int down[ARCH_LEVELS], up[ARCH_LEVELS]; /* blocks */
	int kernel[ARCH_LEVELS][3], stride[ARCH_LEVELS][3]; /* from a level to the one below */
	struct arch_adn adn;
};

static const int ONE[3] = {1, 1, 1};

static int blocks(struct graph *g, int x, const struct segresnetds *s, int n, int level)
{
	static const char *const names[4] = {"act1", "conv1", "act2", "conv2"};

	for (int i = 0; i < n; i++) {
		int mark = graph_enter(g, "blocks.%d", i);

		x = arch_pre_block(g, x, &s->adn, s->filters << level, s->kernel[level], names);
		graph_leave(g, mark);
	}
	return x;
}

/* The levels' values; returns the last. */
static int encoder(struct graph *g, int x, const struct segresnetds *s, int skips[ARCH_LEVELS])
{
	int mark = graph_enter(g, "encoder"), inner;

	x = arch_conv(g, x, "conv_init", s->filters, s->kernel[0], ONE, 0, 0);
	for (int i = 0; i < s->levels; i++) {
		inner = graph_enter(g, "layers.%d", i);
		x = skips[i] = blocks(g, x, s, s->down[i], i);
		if (i + 1 < s->levels)
			x = arch_conv(g, x, "downsample", (int64_t)s->filters << (i + 1), s->kernel[i], s->stride[i], 0, 0);
		graph_leave(g, inner);
	}
	graph_leave(g, mark);
	return x;
}

/* To a level from the one below */
static int upsample(struct graph *g, int x, const struct segresnetds *s, int level)
{
	struct graph_conv c = {.oc = (int64_t)s->filters << level, .transposed = 1};

	if (!s->deconv)
		return graph_scale(g, arch_conv(g, x, "upsample.preconv", c.oc, ONE, ONE, 0, 0), "upsample", K_SCALE_LINEAR, s->stride[level]);
	for (int k = 0; k < 3; k++)
		c.kernel[k] = s->kernel[level][k], c.stride[k] = s->stride[level][k], c.pad[k] = (c.kernel[k] - 1) / 2;
	return graph_conv(g, x, "upsample.deconv", &c);
}

/* Step i of the way up; its head, if there is one, to *logits. */
static int up(struct graph *g, int x, int skip, const struct segresnetds *s, int i, int *logits)
{
	int level = s->levels - 2 - i, mark = graph_enter(g, "up_layers.%d", i);

	x = blocks(g, graph_add(g, upsample(g, x, s, level), skip), s, s->up[i], level);
	if (level < s->heads)
		*logits = arch_conv(g, x, "head", s->out_channels, ONE, ONE, 1, 0);
	if (level < s->heads && level)
		graph_head(g, *logits, arch_deep_weight(level));
	graph_leave(g, mark);
	return x;
}

/* scales_for_resolution: an axis is halved until its voxels are about as long as the longest; then all are. */
static int read_resolution(struct segresnetds *s, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "resolution");
	double size[3], longest = 0;
	int halved[3] = {0}, most = 0;

	if (!v || json_is_null(v))
		return 0;
	for (size_t k = 0; k < 3; k++) {
		const json_t *one = json_array_get(v, k);

		size[k] = json_number_value(one);
		if (json_array_size(v) != 3 || !json_is_number(one) || !(size[k] > 0) || !isfinite(size[k]))
			return err_set(e, NULL, "resolution must be three numbers above 0, or null");
		longest = fmax(longest, size[k]);
	}
	for (int k = 0; k < 3; k++) {
		halved[k] = (int)floor(log2(longest / size[k]));
		most = halved[k] > most ? halved[k] : most;
	}
	for (int i = 0; i < s->levels; i++)
		for (int k = 0; k < 3; k++) {
			s->stride[i][k] = i < halved[k] || i >= most ? 2 : 1;
			s->kernel[i][k] = s->stride[i][k] > 1 ? 3 : 1;
		}
	return 0;
}

/* MONAI: affine where it is not said */
static int read_norm(struct segresnetds *s, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "norm");

	if (arch_norm(arch, "norm", &s->adn.norm, e))
		return -1;
	if (s->adn.norm.kind != K_NORM_NONE && !json_object_get(json_array_get(v, 1), "affine"))
		s->adn.norm.affine = 1;
	return 0;
}

static int read_options(struct segresnetds *s, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "init_filters", "in_channels", "out_channels", "act", "norm", "blocks_down", "blocks_up",
		"dsdepth", "preprocess", "upsample_mode", "resolution", NULL};
	const int given = json_is_array(json_object_get(arch, "blocks_up"));
	int dims = 3, ups;
	const struct arch_int ints[] = {{"spatial_dims", &dims, 3, 3, 0}, {"init_filters", &s->filters, 1, ARCH_CHANNELS / 16, 0},
		{"in_channels", &s->in_channels, 1, ARCH_CHANNELS, 0}, {"out_channels", &s->out_channels, 1, ARCH_CHANNELS, 0},
		{"dsdepth", &s->heads, 0, ARCH_LEVELS, 0}, {0}};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || arch_act(arch, "act", &s->adn.act, e) || read_norm(s, arch, e) ||
	    arch_counts(arch, "blocks_down", 1, s->down, &s->levels, e) || arch_class_is(arch, "preprocess", NULL, e) ||
	    arch_up_mode(arch, &s->deconv, e) || read_resolution(s, arch, e))
		return -1;
	ups = s->levels - 1;
	if (!given && json_object_get(arch, "blocks_up") && !json_is_null(json_object_get(arch, "blocks_up")))
		return err_set(e, NULL, "blocks_up must be a list, or null");
	if (given && arch_counts(arch, "blocks_up", 0, s->up, &ups, e))
		return -1;
	s->heads = s->heads ? s->heads : 1;
	return ups == s->levels - 1 ? 0 : err_set(e, NULL, "blocks_up must have %d entries, one fewer than blocks_down", s->levels - 1);
}

int arch_segresnetds(struct graph *g, const json_t *arch, struct err *e)
{
	struct segresnetds s = {.filters = 32, .in_channels = 1, .out_channels = 2, .levels = 4, .deconv = 1, .heads = 1, .down = {1, 2, 2, 4},
		.adn = {{.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1}, {K_ACT_RELU, 0, 0}, 0}};
	int skips[ARCH_LEVELS], x, logits = -1;

	for (int i = 0; i < ARCH_LEVELS; i++) {
		s.up[i] = 1;
		for (int k = 0; k < 3; k++)
			s.kernel[i][k] = 3, s.stride[i][k] = 2;
	}
	if (read_options(&s, arch, e))
		return -1;
	x = encoder(g, graph_input(g, s.in_channels), &s, skips);
	for (int i = 0; i < s.levels - 1; i++)
		x = up(g, x, skips[s.levels - 2 - i], &s, i, &logits);
	if (s.levels == 1)
		logits = arch_conv(g, x, "up_layers.0.head", s.out_channels, ONE, ONE, 1, 0);
	return graph_output(g, logits, e);
}
