/* nnU-Net's networks (dynamic_network_architectures: architectures/unet.py): an encoder of stages, a decoder of transposed convolutions,
   concatenations and stages, logits at every resolution.

       stage 0 ---------------------------------. cat -- stage -- seg    plain: a stage is convolutions, the first with the stride
          '-- stage 1 -------------. cat -- stage -'       '-- (seg)     residual encoder: a stem, then a stage is residual blocks
                 '-- stage 2 -- up -'                                     a convolution: conv, norm, nonlin

   Deep supervision: losses of all resolutions but the lowest, weights 1, 1/2, 1/4 ... divided by their sum (nnUNetTrainer). */
#include "lib/net/arch/arch.h"

struct nnunet {
	int stages, in_channels, classes, bias, deep, first, stem; /* first: nonlin before norm; stem: channels */
	int features[ARCH_LEVELS], convs[ARCH_LEVELS], up_convs[ARCH_LEVELS];
	int kernel[ARCH_LEVELS][3], stride[ARCH_LEVELS][3];
	struct arch_adn adn;
};

static const int ONE[3] = {1, 1, 1};

/* ConvDropoutNormReLU; adn says what of it there is. */
static int block(struct graph *g, int x, const struct nnunet *u, int oc, const int kernel[3], const int stride[3], int bias,
		 const struct arch_adn *adn)
{
	x = arch_conv(g, x, "conv", oc, kernel, stride, bias, 1);
	if (u->first)
		x = arch_step(g, x, adn, 'A', "nonlin");
	x = arch_step(g, x, adn, 'N', "norm");
	return u->first ? x : arch_step(g, x, adn, 'A', "nonlin");
}

/* StackedConvBlocks */
static int stacked(struct graph *g, int x, const struct nnunet *u, int n, int oc, const int kernel[3], const int stride[3])
{
	for (int i = 0; i < n; i++) {
		int mark = graph_enter(g, "convs.%d", i);

		x = block(g, x, u, oc, kernel, i ? ONE : stride, u->bias, &u->adn);
		graph_leave(g, mark);
	}
	return x;
}

static int strided(const int stride[3])
{
	return stride[0] * stride[1] * stride[2] != 1;
}

/* The way past a residual block: the mean where it strides, a convolution of one voxel where channels change. */
static int skip(struct graph *g, int x, const struct nnunet *u, int ic, int oc, const int stride[3])
{
	const struct arch_adn norm = {.norm = u->adn.norm};
	int mark;

	if (strided(stride))
		x = graph_scale(g, x, "skip.0", K_SCALE_MEAN, stride);
	if (ic == oc)
		return x;
	mark = graph_enter(g, "skip.%d", strided(stride));
	x = block(g, x, u, oc, ONE, ONE, 0, &norm);
	graph_leave(g, mark);
	return x;
}

/* BasicBlockD, whose last gamma and beta begin at 0 */
static int residual(struct graph *g, int x, const struct nnunet *u, int ic, int oc, const int kernel[3], const int stride[3])
{
	struct arch_adn norm = {.norm = u->adn.norm};
	int past = skip(g, x, u, ic, oc, stride), mark;

	norm.norm.zero = 1;
	mark = graph_enter(g, "conv1");
	x = block(g, x, u, oc, kernel, stride, u->bias, &u->adn);
	graph_leave(g, mark);
	mark = graph_enter(g, "conv2");
	x = block(g, x, u, oc, kernel, ONE, u->bias, &norm);
	graph_leave(g, mark);
	return arch_step(g, graph_add(g, x, past), &u->adn, 'A', "nonlin2");
}

static int plain_stage(struct graph *g, int x, const struct nnunet *u, int s)
{
	int mark = graph_enter(g, "encoder.stages.%d.0", s);

	x = stacked(g, x, u, u->convs[s], u->features[s], u->kernel[s], u->stride[s]);
	graph_leave(g, mark);
	return x;
}

static int residual_stage(struct graph *g, int x, const struct nnunet *u, int s)
{
	int oc = u->features[s], ic = s ? u->features[s - 1] : u->stem;

	for (int i = 0; i < u->convs[s]; i++) {
		int mark = graph_enter(g, "encoder.stages.%d.blocks.%d", s, i);

		x = residual(g, x, u, i ? oc : ic, oc, u->kernel[s], i ? ONE : u->stride[s]);
		graph_leave(g, mark);
	}
	return x;
}

/* Loss weights of the logits of every resolution; the lowest's is 0. */
static void supervise(struct graph *g, const struct nnunet *u, const int *seg)
{
	int n = u->stages - 1;
	double sum = n == 1 ? 1 : 2 - 1.0 / (double)(1 << (n - 2));

	if (!u->deep)
		return;
	g->out_weight = (float)(1 / sum);
	for (int i = 1; i < n - 1; i++)
		graph_head(g, seg[n - 1 - i], (float)(1 / sum / (1 << i)));
}

static int decode(struct graph *g, const int *skips, const struct nnunet *u, struct err *e)
{
	int seg[ARCH_LEVELS], x = skips[u->stages - 1];

	graph_enter(g, "decoder");
	for (int s = 0; s < u->stages - 1; s++) {
		int level = u->stages - 2 - s, oc = u->features[level], mark = graph_enter(g, "transpconvs.%d", s);

		x = arch_up(g, x, "", oc, u->stride[level + 1], u->bias, 1);
		graph_leave(g, mark);
		mark = graph_enter(g, "stages.%d", s);
		x = stacked(g, graph_concat(g, x, skips[level]), u, u->up_convs[s], oc, u->kernel[level], ONE);
		graph_leave(g, mark);
		mark = graph_enter(g, "seg_layers.%d", s);
		seg[s] = arch_conv(g, x, "", u->classes, ONE, ONE, 1, 1);
		graph_leave(g, mark);
	}
	supervise(g, u, seg);
	return graph_output(g, seg[u->stages - 2], e);
}

static int read_options(struct nnunet *u, const json_t *arch, const char *convs, struct err *e)
{
	const struct arch_int first[] = {{"n_stages", &u->stages, 2, ARCH_LEVELS, 1}, {"input_channels", &u->in_channels, 1, ARCH_CHANNELS, 1},
		{"num_classes", &u->classes, 1, ARCH_CHANNELS, 1}, {0}};

	if (arch_ints(arch, first, e) || arch_list(arch, "features_per_stage", u->stages, 1, ARCH_CHANNELS, u->features, e) ||
	    arch_triples(arch, "kernel_sizes", u->stages, 15, 1, u->kernel, e) || arch_triples(arch, "strides", u->stages, 8, 0, u->stride, e) ||
	    arch_list(arch, convs, u->stages, 1, ARCH_BLOCKS, u->convs, e) ||
	    arch_list(arch, "n_conv_per_stage_decoder", u->stages - 1, 1, ARCH_BLOCKS, u->up_convs, e))
		return -1;
	if (arch_class_is(arch, "conv_op", "Conv3d", e) || arch_class_is(arch, "dropout_op", NULL, e) || arch_norm_op(arch, &u->adn.norm, e) ||
	    arch_nonlin(arch, &u->adn.act, e))
		return -1;
	return arch_flag(arch, "conv_bias", &u->bias, e) || arch_flag(arch, "deep_supervision", &u->deep, e) ? -1 : 0;
}

int arch_plain(struct graph *g, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"input_channels", "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage",
		"num_classes", "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin", "nonlin_kwargs",
		"deep_supervision", "nonlin_first", NULL};
	struct nnunet u = {0};
	int skips[ARCH_LEVELS], x;

	if (arch_known(arch, known, e) || read_options(&u, arch, "n_conv_per_stage", e) || arch_flag(arch, "nonlin_first", &u.first, e))
		return -1;
	x = graph_input(g, u.in_channels);
	for (int s = 0; s < u.stages; s++)
		x = skips[s] = plain_stage(g, x, &u, s);
	return decode(g, skips, &u, e);
}

int arch_resenc(struct graph *g, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"input_channels", "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_blocks_per_stage",
		"num_classes", "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin", "nonlin_kwargs",
		"deep_supervision", "block", "bottleneck_channels", "stem_channels", NULL};
	struct nnunet u = {0};
	const struct arch_int stem[] = {{"stem_channels", &u.stem, 1, ARCH_CHANNELS, 0}, {0}};
	int skips[ARCH_LEVELS], x, mark;

	if (arch_known(arch, known, e) || read_options(&u, arch, "n_blocks_per_stage", e) || arch_class_is(arch, "block", "BasicBlockD", e) ||
	    arch_class_is(arch, "bottleneck_channels", NULL, e))
		return -1;
	u.stem = u.features[0];
	if (!json_is_null(json_object_get(arch, "stem_channels")) && arch_ints(arch, stem, e))
		return -1;
	x = graph_input(g, u.in_channels);
	mark = graph_enter(g, "encoder.stem");
	x = stacked(g, x, &u, 1, u.stem, u.kernel[0], ONE);
	graph_leave(g, mark);
	for (int s = 0; s < u.stages; s++)
		x = skips[s] = residual_stage(g, x, &u, s);
	return decode(g, skips, &u, e);
}
