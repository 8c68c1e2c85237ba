/* MONAI's SegResNet (networks/nets/segresnet.py): residual blocks that normalise first, halved and doubled by 2 on the way, skips by addition.

       convInit - level 0 ------------------- + -- blocks -- conv_final     a level: a convolution of stride 2 (none on top), then blocks
                     '-- level 1 -- + -- blocks -- up --'                    a block: norm act conv norm act conv, plus x
                            '-- level 2 -- up -'                             up: 1x1x1 convolution, then interpolation or a transposed convolution */
#include "lib/net/arch/arch.h"

struct segresnet {
	int filters, in_channels, out_channels, levels, deconv, final;
	int down[ARCH_LEVELS], up[ARCH_LEVELS]; /* blocks */
	struct arch_adn adn;
};

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3};

/* Blocks NAME.first, NAME.first+1, ... */
static int blocks(struct graph *g, int x, const struct segresnet *s, const char *name, int level, int first, int n, int c)
{
	static const char *const names[4] = {"act", "conv1.conv", "act", "conv2.conv"};

	for (int i = 0; i < n; i++) {
		int mark = graph_enter(g, "%s.%d.%d", name, level, first + i);

		x = arch_pre_block(g, x, &s->adn, c, THREE, names);
		graph_leave(g, mark);
	}
	return x;
}

static int down(struct graph *g, int x, const struct segresnet *s, int i)
{
	int mark = graph_enter(g, "down_layers.%d", i);

	if (i)
		x = arch_conv(g, x, "0.conv", (int64_t)s->filters << i, THREE, TWO, 0, 0);
	graph_leave(g, mark);
	return blocks(g, x, s, "down_layers", i, 1, s->down[i], s->filters << i);
}

/* Step i of the way up, to channels c. */
static int up(struct graph *g, int x, int skip, const struct segresnet *s, int i, int c)
{
	int mark = graph_enter(g, "up_samples.%d", i);

	x = arch_conv(g, x, "0.conv", c, ONE, ONE, 0, 0);
	x = s->deconv ? arch_up(g, x, "1.deconv", c, TWO, 1, 0) : graph_scale(g, x, "1", K_SCALE_LINEAR, TWO);
	graph_leave(g, mark);
	return blocks(g, graph_add(g, x, skip), s, "up_layers", i, 0, s->up[i], c);
}

/* "norm_name" and "num_groups", which MONAI still reads: group normalisation */
static int read_norm(struct segresnet *s, const json_t *arch, struct err *e)
{
	const json_t *name = json_object_get(arch, "norm_name");
	int groups = 8;
	const struct arch_int ints[] = {{"num_groups", &groups, 1, ARCH_CHANNELS, 0}, {0}};

	if (arch_norm(arch, "norm", &s->adn.norm, e) || arch_ints(arch, ints, e))
		return -1;
	if (!name || (json_is_string(name) && !*json_string_value(name)))
		return 0;
	s->adn.norm = (struct graph_norm){.kind = K_NORM_GROUP, .eps = 1e-5f, .affine = 1, .groups = groups};
	return arch_word(arch, "norm_name", "group", e);
}

static int read_options(struct segresnet *s, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "init_filters", "in_channels", "out_channels", "dropout_prob", "act", "norm", "use_conv_final",
		"blocks_down", "blocks_up", "upsample_mode", "norm_name", "num_groups", NULL};
	int dims = 3, ups = 3;
	const struct arch_int ints[] = {{"spatial_dims", &dims, 3, 3, 0}, {"init_filters", &s->filters, 1, ARCH_CHANNELS / 16, 0},
		{"in_channels", &s->in_channels, 1, ARCH_CHANNELS, 0}, {"out_channels", &s->out_channels, 1, ARCH_CHANNELS, 0}, {0}};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || arch_rate(arch, "dropout_prob", &s->adn.dropout, e) ||
	    arch_act(arch, "act", &s->adn.act, e) || read_norm(s, arch, e) || arch_flag(arch, "use_conv_final", &s->final, e) ||
	    arch_counts(arch, "blocks_down", 1, s->down, &s->levels, e) || arch_counts(arch, "blocks_up", 0, s->up, &ups, e) ||
	    arch_up_mode(arch, &s->deconv, e))
		return -1;
	return ups == s->levels - 1 ? 0 : err_set(e, NULL, "blocks_up must have %d entries, one fewer than blocks_down", s->levels - 1);
}

int arch_segresnet(struct graph *g, const json_t *arch, struct err *e)
{
	struct segresnet s = {.filters = 8, .in_channels = 1, .out_channels = 2, .levels = 4, .final = 1, .down = {1, 2, 2, 4}, .up = {1, 1, 1},
		.adn = {{.kind = K_NORM_GROUP, .eps = 1e-5f, .affine = 1, .groups = 8}, {K_ACT_RELU, 0, 0}, 0}};
	int skips[ARCH_LEVELS], x;

	if (read_options(&s, arch, e))
		return -1;
	x = graph_input(g, s.in_channels);
	x = arch_conv(g, x, "convInit.conv", s.filters, THREE, ONE, 0, 0);
	if (s.adn.dropout > 0)
		x = graph_drop(g, x, "dropout", s.adn.dropout, GRAPH_CHANNELS);
	for (int i = 0; i < s.levels; i++)
		x = skips[i] = down(g, x, &s, i);
	for (int i = 0; i < s.levels - 1; i++)
		x = up(g, x, skips[s.levels - 2 - i], &s, i, s.filters << (s.levels - 2 - i));
	if (!s.final)
		return graph_output(g, x, e);
	x = arch_step(g, x, &s.adn, 'N', "conv_final.0");
	x = arch_step(g, x, &s.adn, 'A', "conv_final.1");
	return graph_output(g, arch_conv(g, x, "conv_final.2.conv", s.out_channels, ONE, ONE, 1, 0), e);
}
