/* MONAI's BasicUNet (networks/nets/basic_unet.py; Falk et al. 2019): five levels, halved by the largest of 2x2x2 voxels.

       conv_0 ------------------------------------. cat -- upcat_1 -- final_conv     a level: two convolutions, norm, dropout, activation behind each
          '-- down_1 -------------------. cat -- upcat_2                             upcat: transposed convolution, cat, two convolutions
                 '-- down_2 ---. cat -- upcat_3 --'                                  (the transposed one halves the channels, but the last) */
#include "lib/net/arch/arch.h"

enum { LEVELS = 5, FEATURES = 6 };

struct basic { int in_channels, out_channels, features[FEATURES], bias; struct arch_adn adn; };

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3};

/* TwoConv, of MONAI's Convolution */
static int two(struct graph *g, int x, const struct basic *u, int oc)
{
	for (int i = 0; i < 2; i++) {
		int mark = graph_enter(g, "conv_%d", i), inner;

		x = arch_conv(g, x, "conv", oc, THREE, ONE, u->bias, 0);
		inner = graph_enter(g, "adn");
		for (const char *p = "NDA"; *p; p++)
			x = arch_step(g, x, &u->adn, *p, (char[]){*p, 0});
		graph_leave(g, inner);
		graph_leave(g, mark);
	}
	return x;
}

static int down(struct graph *g, int x, const struct basic *u, int level)
{
	int mark, inner;

	if (level) {
		mark = graph_enter(g, "down_%d", level);
		x = graph_pool(g, x, "max_pooling", TWO);
		inner = graph_enter(g, "convs");
	} else {
		mark = inner = graph_enter(g, "conv_0");
	}
	x = two(g, x, u, u->features[level]);
	graph_leave(g, inner);
	graph_leave(g, mark);
	return x;
}

/* From level + 1, of ic channels, to level */
static int up(struct graph *g, int x, int skip, const struct basic *u, int level, int ic, int oc)
{
	int mark = graph_enter(g, "upcat_%d", level + 1), inner;

	x = arch_up(g, x, "upsample.deconv", level ? ic / 2 : ic, TWO, 1, 0);
	x = graph_concat(g, skip, graph_edge(g, x, skip));
	inner = graph_enter(g, "convs");
	x = two(g, x, u, oc);
	graph_leave(g, inner);
	graph_leave(g, mark);
	return x;
}

static int read_options(struct basic *u, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "features", "act", "norm", "bias", "dropout", "upsample", NULL};
	int dims = 3;
	const struct arch_int ints[] = {{"spatial_dims", &dims, 3, 3, 0}, {"in_channels", &u->in_channels, 1, ARCH_CHANNELS, 0},
		{"out_channels", &u->out_channels, 1, ARCH_CHANNELS, 0}, {0}};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) ||
	    (json_object_get(arch, "features") && arch_list(arch, "features", FEATURES, 2, ARCH_CHANNELS, u->features, e)) ||
	    arch_act(arch, "act", &u->adn.act, e) || arch_norm(arch, "norm", &u->adn.norm, e) || arch_flag(arch, "bias", &u->bias, e) ||
	    arch_dropout(arch, &u->adn.dropout, &u->adn.dropped, e))
		return -1;
	return arch_word(arch, "upsample", "deconv", e);
}

int arch_basicunet(struct graph *g, const json_t *arch, struct err *e)
{
	struct basic u = {.in_channels = 1, .out_channels = 2, .features = {32, 32, 64, 128, 256, 32}, .bias = 1,
		.adn = {{.kind = K_NORM_INSTANCE, .eps = 1e-5f, .affine = 1}, {K_ACT_LRELU, 0.1f, 0}, 0}};
	int skips[LEVELS], x;

	if (read_options(&u, arch, e))
		return -1;
	x = graph_input(g, u.in_channels);
	for (int i = 0; i < LEVELS; i++)
		x = skips[i] = down(g, x, &u, i);
	for (int i = LEVELS - 2; i >= 0; i--)
		x = up(g, x, skips[i], &u, i, u.features[i + 1], u.features[i ? i : FEATURES - 1]);
	return graph_output(g, arch_conv(g, x, "final_conv", u.out_channels, ONE, ONE, 1, 0), e);
}
