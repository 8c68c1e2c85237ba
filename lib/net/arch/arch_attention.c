/* MONAI's AttentionUnet (networks/nets/attentionunet.py; Oktay et al. 2018): a UNet whose skips go through gates.

       block ----------------- gate(x, up) - cat -- merge -- reduce    block: twice convolution, batch norm, relu
          '-- level below -- up ---'--------'                          gate: x times sigmoid(norm(conv(relu(norm(conv(up)) + norm(conv(x)))))) */
#include "lib/net/arch/arch.h"

struct attention {
	int levels, in_channels, out_channels;
	int channels[ARCH_LEVELS], stride[ARCH_LEVELS][3], kernel[3], up_kernel[3];
	float dropout;
	enum graph_dropped dropped;
};

static const int ONE[3] = {1, 1, 1};
static const struct graph_norm BATCH = {.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1};
static const struct graph_act RELU = {K_ACT_RELU, 0, 0};

/* norm, dropout, activation */
static int adn(struct graph *g, int x, const struct arch_adn *a)
{
	int mark = graph_enter(g, "adn");

	x = arch_step(g, x, a, 'N', "N");
	x = arch_step(g, x, a, 'D', "D");
	x = arch_step(g, x, a, 'A', "A");
	graph_leave(g, mark);
	return x;
}

static int block(struct graph *g, int x, const struct attention *u, int oc, const int stride[3])
{
	const struct arch_adn a = {BATCH, RELU, u->dropout, u->dropped};

	for (int i = 0; i < 2; i++) {
		int mark = graph_enter(g, "conv.%d", i);

		x = adn(g, arch_conv(g, x, "conv", oc, u->kernel, i ? ONE : stride, 1, 0), &a);
		graph_leave(g, mark);
	}
	return x;
}

static int upconv(struct graph *g, int x, const struct attention *u, int oc, const int stride[3])
{
	const struct arch_adn a = {BATCH, RELU, 0};
	struct graph_conv c = {.oc = oc, .bias = 1, .transposed = 1};
	int mark = graph_enter(g, "upconv.up");

	for (int k = 0; k < 3; k++)
		c.kernel[k] = u->up_kernel[k], c.stride[k] = stride[k], c.pad[k] = (u->up_kernel[k] - 1) / 2;
	x = adn(g, graph_conv(g, x, "conv", &c), &a);
	graph_leave(g, mark);
	return x;
}

/* NAME.0 a convolution of one voxel, NAME.1 its batch norm */
static int one_voxel(struct graph *g, int x, const char *name, int oc)
{
	int mark = graph_enter(g, "%s", name);

	x = graph_norm(g, arch_conv(g, x, "0.conv", oc, ONE, ONE, 1, 0), "1", &BATCH);
	graph_leave(g, mark);
	return x;
}

static int gated(struct graph *g, int x, int lower, int c)
{
	int mark = graph_enter(g, "attention"), psi;

	psi = graph_add(g, one_voxel(g, lower, "W_g", c), one_voxel(g, x, "W_x", c));
	psi = one_voxel(g, graph_act(g, psi, "relu", &RELU), "psi", 1);
	psi = graph_act(g, psi, "psi.2", &(struct graph_act){K_ACT_SIGMOID, 0, 0});
	graph_leave(g, mark);
	return graph_gate(g, x, psi);
}

/* Level i and what is below it, from its block's value x. */
static int level(struct graph *g, int x, const struct attention *u, int i)
{
	const struct arch_adn a = {{.kind = K_NORM_INSTANCE, .eps = 1e-5f}, {K_ACT_PRELU, 0.25f, 1}, u->dropout, u->dropped};
	int below = i + 2 < u->levels, mark, lower;

	mark = graph_enter(g, below ? "submodule.0" : "submodule");
	lower = block(g, x, u, u->channels[i + 1], u->stride[i]);
	graph_leave(g, mark);
	if (below) {
		mark = graph_enter(g, "submodule.1");
		lower = level(g, lower, u, i + 1);
		graph_leave(g, mark);
	}
	lower = upconv(g, lower, u, u->channels[i], u->stride[i]);
	x = graph_concat(g, gated(g, x, lower, u->channels[i] / 2), lower);
	mark = graph_enter(g, "merge");
	x = adn(g, arch_conv(g, x, "conv", u->channels[i], (const int[]){3, 3, 3}, ONE, 1, 0), &a);
	graph_leave(g, mark);
	return x;
}

static int read_options(struct attention *u, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "channels", "strides", "kernel_size", "up_kernel_size", "dropout",
		NULL};
	const json_t *kernel = json_object_get(arch, "kernel_size"), *up_kernel = json_object_get(arch, "up_kernel_size");
	int dims = 3;
	const struct arch_int ints[] = {{"spatial_dims", &dims, 3, 3, 0}, {"in_channels", &u->in_channels, 1, ARCH_CHANNELS, 1},
		{"out_channels", &u->out_channels, 1, ARCH_CHANNELS, 1}, {0}};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || arch_levels(arch, 2, &u->levels, u->channels, u->stride, e))
		return -1;
	if ((kernel && arch_triple(kernel, "kernel_size", 15, 1, u->kernel, e)) ||
	    (up_kernel && arch_triple(up_kernel, "up_kernel_size", 15, 1, u->up_kernel, e)))
		return -1;
	return arch_dropout(arch, &u->dropout, &u->dropped, e);
}

int arch_attention(struct graph *g, const json_t *arch, struct err *e)
{
	struct attention u = {.kernel = {3, 3, 3}, .up_kernel = {3, 3, 3}};
	int x, mark;

	if (read_options(&u, arch, e))
		return -1;
	graph_enter(g, "model");
	x = graph_input(g, u.in_channels);
	mark = graph_enter(g, "0");
	x = block(g, x, &u, u.channels[0], ONE);
	graph_leave(g, mark);
	mark = graph_enter(g, "1");
	x = level(g, x, &u, 0);
	graph_leave(g, mark);
	return graph_output(g, arch_conv(g, x, "2.conv", u.out_channels, ONE, ONE, 1, 0), e);
}
