/* MONAI's UNETR (networks/nets/unetr.py, vit.py; Hatamizadeh et al. 2021): a vision transformer of patches of 16, what it is in between goes across.

   image ------------------------------------------------ encoder1 ------------------.
   patches + positions (1/16) -- 4 blocks ---- encoder2, up three times --.           |
                                 7 blocks ------ encoder3, up twice --.   |           |
                                10 blocks -------- encoder4, up --.   |   |           |
                                12 blocks, norm ------------ decoder5 decoder4 decoder3 decoder2 -- out

   A block: x + attention(norm(x)), x + mlp(norm(x)); attention is of all patches. */
#include "lib/net/arch/arch.h"

#include <stdio.h>
#include <string.h>

enum { BLOCKS = 12, PATCH = 16, EDGE_MAX = 1024, FEATURES_MAX = 512, HIDDEN_MAX = 4096, MLP_MAX = 16384 };

struct unetr {
	int in_channels, out_channels, size[3], features, hidden, mlp, heads; /* size: of the input */
	int perceptron, conv_block, residual, qkv_bias;
	float drop;
	struct arch_blocks blocks;
};

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3};
static const struct graph_act GELU = {.kind = K_ACT_GELU};

static int dropout(struct graph *g, int x, const struct unetr *u, const char *name)
{
	return u->drop > 0 ? graph_drop(g, x, name, u->drop, GRAPH_VALUES) : x;
}

/* PatchEmbeddingBlock. A perceptron is a convolution whose weight has the channels fastest, and begins otherwise. */
static int embed(struct graph *g, int x, const struct unetr *u)
{
	struct graph_conv c = {.oc = u->hidden, .kernel = {PATCH, PATCH, PATCH}, .stride = {PATCH, PATCH, PATCH}, .bias = 1, .linear = u->perceptron};
	const int tokens[3] = {u->size[0] / PATCH, u->size[1] / PATCH, u->size[2] / PATCH};
	int mark = graph_enter(g, "patch_embedding");

	x = graph_conv(g, x, u->perceptron ? "patch_embeddings.1" : "patch_embeddings", &c);
	if (u->perceptron && x >= 0) {
		g->param[g->op[x].w].bound = g->param[g->op[x].b].bound = 0;
		g->param[g->op[x].w].deviation = 0.02;
	}
	x = dropout(g, graph_position(g, x, "position_embeddings", tokens), u, "dropout");
	graph_leave(g, mark);
	return x;
}

static int mlp(struct graph *g, int x, const struct unetr *u)
{
	int mark = graph_enter(g, "mlp");

	x = graph_act(g, graph_linear(g, x, "linear1", u->mlp, 1), "fn", &GELU);
	x = dropout(g, graph_linear(g, dropout(g, x, u, "drop1"), "linear2", u->hidden, 1), u, "drop2");
	graph_leave(g, mark);
	return x;
}

static int block(struct graph *g, int x, const struct unetr *u, int i)
{
	struct graph_attention a = {.heads = u->heads, .bias = u->qkv_bias, .bare = 1, .drop = u->drop};
	int mark = graph_enter(g, "blocks.%d", i);

	for (int k = 0; k < 3; k++)
		a.window[k] = u->size[k] / PATCH;
	x = graph_add(g, dropout(g, graph_attention(g, graph_layer(g, x, "norm1", 1), "attn", &a), u, "attn.drop_output"), x);
	x = graph_add(g, mlp(g, graph_layer(g, x, "norm2", 1), u), x);
	graph_leave(g, mark);
	return x;
}

/* ViT; what it is behind every third block from the fourth on goes to hidden. */
static int transformer(struct graph *g, int x, const struct unetr *u, int hidden[3])
{
	int mark = graph_enter(g, "vit");

	x = embed(g, x, u);
	for (int i = 0; i < BLOCKS; i++) {
		x = block(g, x, u, i);
		if (i % 3 == 0 && i)
			hidden[i / 3 - 1] = x;
	}
	x = graph_layer(g, x, "norm", 1);
	graph_leave(g, mark);
	return x;
}

/* UnetrPrUpBlock: from 1/16 up, and up `more` times again, a block behind each of these */
static int project(struct graph *g, int x, const struct unetr *u, int oc, int more, const char *name)
{
	int mark = graph_enter(g, "%s", name), inner;
	char up[24];

	x = arch_layer(g, x, &u->blocks, "transp_conv_init", oc, TWO, TWO, 0, 1);
	for (int i = 0; i < more; i++) {
		snprintf(up, sizeof up, u->conv_block ? "blocks.%d.0" : "blocks.%d", i);
		x = arch_layer(g, x, &u->blocks, up, oc, TWO, TWO, 0, 1);
		if (!u->conv_block)
			continue;
		inner = graph_enter(g, "blocks.%d.1", i);
		x = arch_block(g, x, &u->blocks, oc, oc, THREE, ONE, u->residual);
		graph_leave(g, inner);
	}
	graph_leave(g, mark);
	return x;
}

static int build(struct graph *g, const struct unetr *u)
{
	static const char *const encoders[] = {"encoder2", "encoder3", "encoder4"}, *const decoders[] = {"decoder2", "decoder3", "decoder4", "decoder5"};
	int image = graph_input(g, u->in_channels), hidden[3] = {-1, -1, -1}, skip[4], mark, x;

	x = transformer(g, image, u, hidden);
	mark = graph_enter(g, "encoder1.layer");
	skip[0] = arch_block(g, image, &u->blocks, u->in_channels, u->features, THREE, ONE, u->residual);
	graph_leave(g, mark);
	for (int k = 0; k < 3; k++)
		skip[k + 1] = project(g, hidden[k], u, u->features << (k + 1), 2 - k, encoders[k]);
	for (int k = 3; k >= 0; k--)
		x = arch_up_block(g, x, skip[k], &u->blocks, u->features << k, decoders[k], u->residual);
	return arch_layer(g, x, &u->blocks, "out.conv", u->out_channels, ONE, ONE, 1, 0);
}

/* -- options -- */

static int read_projection(struct unetr *u, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "proj_type");
	const char *type = json_string_value(v);

	u->perceptron = type && !strcmp(type, "perceptron");
	if (v && !u->perceptron && (!type || strcmp(type, "conv")))
		return err_set(e, NULL, "proj_type must be \"conv\" or \"perceptron\"");
	return 0;
}

static int check(struct unetr *u, struct err *e)
{
	for (int k = 0; k < 3; k++)
		if (u->size[k] % PATCH)
			return err_set(e, NULL, "img_size must be multiples of %d", PATCH);
	if (u->hidden % u->heads)
		return err_set(e, NULL, "num_heads: %d does not divide the hidden_size of %d", u->heads, u->hidden);
	u->mlp = u->mlp ? u->mlp : u->hidden;
	return 0;
}

static int read_options(struct unetr *u, const json_t *arch, struct err *e)
{
	/* save_attn: MONAI keeps what a caller may look at */
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "img_size", "feature_size", "hidden_size", "mlp_dim", "num_heads",
		"proj_type", "norm_name", "conv_block", "res_block", "dropout_rate", "qkv_bias", "save_attn", NULL};
	const json_t *size = json_object_get(arch, "img_size");
	int dims = 3, ignored = 0;
	const struct arch_int ints[] = {
		{"spatial_dims", &dims, 3, 3, 0}, {"in_channels", &u->in_channels, 1, ARCH_CHANNELS, 1}, {"out_channels", &u->out_channels, 1, ARCH_CHANNELS, 1},
		{"feature_size", &u->features, 1, FEATURES_MAX, 0}, {"hidden_size", &u->hidden, 1, HIDDEN_MAX, 0}, {"mlp_dim", &u->mlp, 0, MLP_MAX, 0},
		{"num_heads", &u->heads, 1, HIDDEN_MAX, 0}, {0}
	};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e))
		return -1;
	if (!size)
		return err_set(e, NULL, "option 'img_size' is missing");
	if (arch_triple(size, "img_size", EDGE_MAX, 0, u->size, e) || read_projection(u, arch, e) || arch_norm(arch, "norm_name", &u->blocks.adn.norm, e) ||
	    arch_flag(arch, "conv_block", &u->conv_block, e) || arch_flag(arch, "res_block", &u->residual, e) ||
	    arch_flag(arch, "qkv_bias", &u->qkv_bias, e) || arch_flag(arch, "save_attn", &ignored, e) || arch_rate(arch, "dropout_rate", &u->drop, e))
		return -1;
	return check(u, e);
}

int arch_unetr(struct graph *g, const json_t *arch, struct err *e)
{
	struct unetr u = {.features = 16, .hidden = 768, .mlp = 3072, .heads = 12, .conv_block = 1, .residual = 1,
		.blocks = {{{.kind = K_NORM_INSTANCE, .eps = 1e-5f}, {K_ACT_LRELU, 0.01f, 0}, 0}}};

	if (read_options(&u, arch, e))
		return -1;
	return graph_output(g, build(g, &u), e);
}
