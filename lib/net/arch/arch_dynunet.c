/* MONAI's DynUNet (networks/nets/dynunet.py): nnU-Net's plain network with residual blocks by choice.

       input_block ---------------------------------. cat -- conv_block -- output_block      blocks of two convolutions, the first with the stride,
            '-- downsamples.0 ---. cat -- conv_block -'                                        norm and activation behind each; residual: plus x, or a
                   '-- bottleneck -'    upsamples: transposed convolution, cat, block           convolution of it, before the last activation

   Deep supervision: losses of the resolutions below, each at its own, weights max(1/2^i, 1/16) as MONAI's DeepSupervisionLoss has them. */
#include "lib/net/arch/arch.h"

struct dynunet {
	int levels, in_channels, out_channels, residual, up_bias, deep, heads;
	int filters[ARCH_LEVELS], kernel[ARCH_LEVELS][3], stride[ARCH_LEVELS][3], up_kernel[ARCH_LEVELS][3];
	struct arch_blocks blocks;
};

static const int ONE[3] = {1, 1, 1};

static int down(struct graph *g, int x, const struct dynunet *u, int i)
{
	int mark = i == 0 ? graph_enter(g, "input_block") : i == u->levels - 1 ? graph_enter(g, "bottleneck") : graph_enter(g, "downsamples.%d", i - 1);

	x = arch_block(g, x, &u->blocks, i ? u->filters[i - 1] : u->in_channels, u->filters[i], u->kernel[i], u->stride[i], u->residual);
	graph_leave(g, mark);
	return x;
}

/* From level i + 1 to level i. */
static int up(struct graph *g, int x, int skip, const struct dynunet *u, int i)
{
	int mark = graph_enter(g, "upsamples.%d", u->levels - 2 - i), inner;

	x = arch_layer(g, x, &u->blocks, "transp_conv", u->filters[i], u->up_kernel[i], u->up_kernel[i], u->up_bias, 1);
	inner = graph_enter(g, "conv_block");
	x = arch_block(g, graph_concat(g, x, skip), &u->blocks, 2 * u->filters[i], u->filters[i], u->kernel[i + 1], ONE, 0);
	graph_leave(g, inner);
	graph_leave(g, mark);
	return x;
}

static void head(struct graph *g, int x, const struct dynunet *u, int i)
{
	int mark = graph_enter(g, "deep_supervision_heads.%d", i - 1);

	graph_head(g, arch_layer(g, x, &u->blocks, "conv", u->out_channels, ONE, ONE, 1, 0), arch_deep_weight(i));
	graph_leave(g, mark);
}

/* kernel_size, strides, upsample_kernel_size, filters */
static int read_levels(struct dynunet *u, const json_t *arch, struct err *e)
{
	const json_t *strides = json_object_get(arch, "strides"), *filters = json_object_get(arch, "filters");

	if (!json_is_array(strides) || json_array_size(strides) < 3 || json_array_size(strides) > ARCH_LEVELS)
		return err_set(e, NULL, "strides must be a list of 3 to %d", ARCH_LEVELS);
	u->levels = (int)json_array_size(strides);
	if (arch_triples(arch, "kernel_size", u->levels, 15, 0, u->kernel, e) || arch_triples(arch, "strides", u->levels, 8, 0, u->stride, e) ||
	    arch_triples(arch, "upsample_kernel_size", u->levels - 1, 8, 0, u->up_kernel, e))
		return -1;
	for (int i = 0; i < u->levels; i++) {
		u->filters[i] = i > 3 ? 320 : 32 << i;
		for (int k = 0; k < 3; k++) {
			if (u->kernel[i][k] + 1 < u->stride[i][k])
				return err_set(e, NULL, "a kernel of kernel_size is smaller than its stride");
			if (i && u->up_kernel[i - 1][k] != u->stride[i][k])
				return err_set(e, NULL, "upsample_kernel_size must be strides without the first");
		}
	}
	return !filters || json_is_null(filters) ? 0 : arch_list(arch, "filters", u->levels, 1, ARCH_CHANNELS, u->filters, e);
}

static int read_options(struct dynunet *u, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "kernel_size", "strides", "upsample_kernel_size", "filters",
		"dropout", "norm_name", "act_name", "deep_supervision", "deep_supr_num", "res_block", "trans_bias", NULL};
	int dims = 3;
	const struct arch_int first[] = {{"spatial_dims", &dims, 3, 3, 0}, {"in_channels", &u->in_channels, 1, ARCH_CHANNELS, 1},
		{"out_channels", &u->out_channels, 1, ARCH_CHANNELS, 1}, {0}};

	if (arch_known(arch, known, e) || arch_ints(arch, first, e) || read_levels(u, arch, e))
		return -1;
	const struct arch_int heads[] = {{"deep_supr_num", &u->heads, 1, u->levels - 2, 0}, {0}};

	if (arch_ints(arch, heads, e) || arch_dropout(arch, &u->blocks.adn.dropout, &u->blocks.adn.dropped, e) ||
	    arch_norm(arch, "norm_name", &u->blocks.adn.norm, e) || arch_act(arch, "act_name", &u->blocks.adn.act, e) ||
	    arch_flag(arch, "deep_supervision", &u->deep, e) || arch_flag(arch, "res_block", &u->residual, e) ||
	    arch_flag(arch, "trans_bias", &u->up_bias, e))
		return -1;
	return 0;
}

int arch_dynunet(struct graph *g, const json_t *arch, struct err *e)
{
	struct dynunet u = {.heads = 1, .blocks = {{{.kind = K_NORM_INSTANCE, .eps = 1e-5f, .affine = 1}, {K_ACT_LRELU, 0.01f, 0}, 0}, 1}};
	int skips[ARCH_LEVELS], x;

	if (read_options(&u, arch, e))
		return -1;
	x = graph_input(g, u.in_channels);
	for (int i = 0; i < u.levels; i++)
		x = skips[i] = down(g, x, &u, i);
	for (int i = u.levels - 2; i >= 0; i--) {
		x = up(g, x, skips[i], &u, i);
		if (u.deep && i > 0 && i <= u.heads)
			head(g, x, &u, i);
	}
	return graph_output(g, arch_layer(g, x, &u.blocks, "output_block.conv", u.out_channels, ONE, ONE, 1, 0), e);
}
