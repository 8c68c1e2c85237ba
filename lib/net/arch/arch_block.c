/* Blocks that MONAI's DynUNet, SwinUNETR and UNETR are made of (networks/blocks/dynunet_block.py, unetr_block.py), and both SegResNets. */
#include "lib/net/arch/arch.h"

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3};

/* get_conv_layer: padded by (kernel - stride + 1) / 2, then dropout */
int arch_layer(struct graph *g, int x, const struct arch_blocks *b, const char *name, int oc, const int kernel[3], const int stride[3], int bias,
               int up)
{
	struct graph_conv c = {.oc = oc, .bias = bias, .he = b->he, .transposed = up};
	int mark = graph_enter(g, "%s", name);

	for (int k = 0; k < 3; k++)
		c.kernel[k] = kernel[k], c.stride[k] = stride[k], c.pad[k] = (kernel[k] - stride[k] + 1) / 2;
	x = graph_conv(g, x, "conv", &c);
	x = arch_step(g, x, &b->adn, 'D', "adn.D");
	graph_leave(g, mark);
	return x;
}

/* UnetBasicBlock, UnetResBlock */
int arch_block(struct graph *g, int x, const struct arch_blocks *b, int ic, int oc, const int kernel[3], const int stride[3], int residual)
{
	int past = x;

	x = arch_layer(g, x, b, "conv1", oc, kernel, stride, 0, 0);
	x = arch_step(g, x, &b->adn, 'N', "norm1");
	x = arch_step(g, x, &b->adn, 'A', "lrelu");
	x = arch_layer(g, x, b, "conv2", oc, kernel, ONE, 0, 0);
	x = arch_step(g, x, &b->adn, 'N', "norm2");
	if (residual && (ic != oc || stride[0] * stride[1] * stride[2] != 1)) {
		past = arch_layer(g, past, b, "conv3", oc, ONE, stride, 0, 0);
		past = arch_step(g, past, &b->adn, 'N', "norm3");
	}
	if (residual)
		x = graph_add(g, x, past);
	return arch_step(g, x, &b->adn, 'A', "lrelu");
}

int arch_up_block(struct graph *g, int x, int skip, const struct arch_blocks *b, int oc, const char *name, int residual)
{
	int mark = graph_enter(g, "%s", name), inner;

	x = graph_concat(g, arch_layer(g, x, b, "transp_conv", oc, TWO, TWO, 0, 1), skip);
	inner = graph_enter(g, "conv_block");
	x = arch_block(g, x, b, 2 * oc, oc, THREE, ONE, residual);
	graph_leave(g, inner);
	graph_leave(g, mark);
	return x;
}

int arch_pre_block(struct graph *g, int x, const struct arch_adn *adn, int c, const int kernel[3], const char *const name[4])
{
	int y = arch_step(g, x, adn, 'N', "norm1");

	y = arch_step(g, y, adn, 'A', name[0]);
	y = arch_conv(g, y, name[1], c, kernel, ONE, 0, 0);
	y = arch_step(g, y, adn, 'N', "norm2");
	y = arch_step(g, y, adn, 'A', name[2]);
	return graph_add(g, arch_conv(g, y, name[3], c, kernel, ONE, 0, 0), x);
}

float arch_deep_weight(int i)
{
	return i < 4 ? 1.0f / (float)(1 << i) : 0.0625f;
}
