/* MONAI's UNet (networks/nets/unet.py): residual units on the way down, transposed convolutions on the way up, skips by concatenation.

       x -- down -----------------. cat -- up -- y          one level: model.0 down, model.1.submodule what is below, model.2 up
              '-- level below ----'                         the last level below is a block of stride 1 (the bottom) */
#include "lib/net/arch/arch.h"

#include <ctype.h>
#include <string.h>

struct unet {
	int levels, in_channels, out_channels, units, bias;
	int channels[ARCH_LEVELS], stride[ARCH_LEVELS][3];
	int kernel[3], up_kernel[3];
	struct arch_adn adn;
	char order[4];
};

static const int ONE[3] = {1, 1, 1};

static int convolution(struct graph *g, int x, const char *name, const struct unet *u, int oc, const int kernel[3], const int stride[3],
		       int transposed)
{
	struct graph_conv c = {.oc = oc, .transposed = transposed, .bias = u->bias};

	for (int k = 0; k < 3; k++)
		c.kernel[k] = kernel[k], c.stride[k] = stride[k], c.pad[k] = (kernel[k] - 1) / 2;
	return graph_conv(g, x, name, &c);
}

/* MONAI's Convolution: conv, then adn: normalisation, dropout, activation in their order. */
static int block(struct graph *g, int x, const struct unet *u, int oc, const int kernel[3], const int stride[3], int transposed, int conv_only)
{
	int mark;

	x = convolution(g, x, "conv", u, oc, kernel, stride, transposed);
	if (conv_only)
		return x;
	mark = graph_enter(g, "adn");
	for (const char *p = u->order; *p; p++)
		x = arch_step(g, x, &u->adn, *p, (char[]){*p, 0});
	graph_leave(g, mark);
	return x;
}

/* MONAI's ResidualUnit: units of convolution, the first with the stride, plus x itself or a convolution of it where sizes or channels change. */
static int residual_unit(struct graph *g, int x, const struct unet *u, int ic, int oc, const int stride[3], int units, int last_conv_only)
{
	int strided = stride[0] * stride[1] * stride[2] != 1, y = x, res = x;

	for (int i = 0; i < units; i++) {
		int mark = graph_enter(g, "conv.unit%d", i);

		y = block(g, y, u, oc, u->kernel, i ? ONE : stride, 0, last_conv_only && i == units - 1);
		graph_leave(g, mark);
	}
	if (strided || ic != oc)
		res = convolution(g, x, "residual", u, oc, strided ? u->kernel : ONE, stride, 0);
	return graph_add(g, y, res);
}

static int down(struct graph *g, int x, const struct unet *u, int ic, int oc, const int stride[3])
{
	return u->units ? residual_unit(g, x, u, ic, oc, stride, u->units, 0) : block(g, x, u, oc, u->kernel, stride, 0, 0);
}

static int up(struct graph *g, int x, const struct unet *u, int oc, const int stride[3], int top)
{
	int mark;

	if (!u->units)
		return block(g, x, u, oc, u->up_kernel, stride, 1, top);
	mark = graph_enter(g, "0");
	x = block(g, x, u, oc, u->up_kernel, stride, 1, 0);
	graph_leave(g, mark);
	mark = graph_enter(g, "1");
	x = residual_unit(g, x, u, oc, oc, ONE, 1, top);
	graph_leave(g, mark);
	return x;
}

/* The network from this level downwards. */
static int level(struct graph *g, int x, const struct unet *u, int i, int ic, int oc)
{
	int c = u->channels[i], mark, skip, below;

	mark = graph_enter(g, "0");
	skip = down(g, x, u, ic, c, u->stride[i]);
	graph_leave(g, mark);
	mark = graph_enter(g, "1.submodule");
	below = i + 2 < u->levels ? level(g, skip, u, i + 1, c, c) : down(g, skip, u, c, u->channels[i + 1], ONE);
	graph_leave(g, mark);
	mark = graph_enter(g, "2");
	x = up(g, graph_concat(g, skip, below), u, oc, u->stride[i], i == 0);
	graph_leave(g, mark);
	return x;
}

/* adn_ordering: each of the letters once at most, large or small */
static int read_order(struct unet *u, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "adn_ordering");
	const char *s = json_string_value(v);

	if (!v)
		return 0;
	memset(u->order, 0, sizeof u->order);
	for (size_t i = 0; s && s[i]; i++) {
		char letter = (char)toupper((unsigned char)s[i]);

		if (!strchr("NDA", letter) || strchr(u->order, letter))
			s = NULL;
		else
			u->order[i] = letter;
	}
	return s ? 0 : err_set(e, NULL, "adn_ordering must be made of N, D and A, each once at most");
}

static int read_options(struct unet *u, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "channels", "strides", "kernel_size", "up_kernel_size",
		"num_res_units", "act", "norm", "dropout", "bias", "adn_ordering", NULL};
	const json_t *kernel = json_object_get(arch, "kernel_size"), *up_kernel = json_object_get(arch, "up_kernel_size");
	int dims = 3;
	const struct arch_int ints[] = {
		{"spatial_dims", &dims, 3, 3, 0},
		{"in_channels", &u->in_channels, 1, ARCH_CHANNELS, 1},
		{"out_channels", &u->out_channels, 1, ARCH_CHANNELS, 1},
		{"num_res_units", &u->units, 0, ARCH_BLOCKS, 0},
		{0}
	};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || arch_levels(arch, 1, &u->levels, u->channels, u->stride, e) ||
	    arch_flag(arch, "bias", &u->bias, e))
		return -1;
	if (kernel && arch_triple(kernel, "kernel_size", 15, 1, u->kernel, e))
		return -1;
	if (up_kernel && arch_triple(up_kernel, "up_kernel_size", 15, 1, u->up_kernel, e))
		return -1;
	if (arch_dropout(arch, &u->adn.dropout, &u->adn.dropped, e) || read_order(u, arch, e))
		return -1;
	return arch_act(arch, "act", &u->adn.act, e) || arch_norm(arch, "norm", &u->adn.norm, e) ? -1 : 0;
}

int arch_unet(struct graph *g, const json_t *arch, struct err *e)
{
	struct unet u = {
		.bias = 1, .kernel = {3, 3, 3}, .up_kernel = {3, 3, 3}, .order = "NDA",
		.adn = {{.kind = K_NORM_INSTANCE, .eps = 1e-5f}, {K_ACT_PRELU, 0.25f, 1}, 0},
	};
	int x;

	if (read_options(&u, arch, e))
		return -1;
	graph_enter(g, "model");
	x = graph_input(g, u.in_channels);
	x = level(g, x, &u, 0, u.in_channels, u.out_channels);
	return graph_output(g, x, e);
}
