/* MONAI's SwinUNETR (networks/nets/swin_unetr.py): a Swin transformer on the way down, residual convolutions across and on the way up.

   image ------------------------------------------------ encoder1 ------------------------------.
   patch embedding (1/2) -- encoder2 ------------------------------------------------.           |
     stage 1 (1/4) ------- encoder3 --------------------------------.                |           |
       stage 2 (1/8) ----- encoder4 ---------------.                |                |           |
         stage 3 (1/16) -----------.               |                |                |           |
           stage 4 (1/32) encoder10 -- decoder5 -- decoder4 -- decoder3 -- decoder2 -- decoder1 -- out

   A stage: blocks of x + attention(norm(x)), x + mlp(norm(x)), every second one with shifted windows, then patch merging. v2: a residual convolution
   before each stage. What crosses over is layer-normalised without parameters (normalize). */
#include "lib/net/arch/arch.h"

#include <string.h>

enum { STAGES = 4, FEATURES_MAX = 768, DEPTH_MAX = 48, HEADS_MAX = 1024, WINDOW_MAX = 16 };

struct swin {
	int flat; /* of two dimensions */
	int in_channels, out_channels, features, depths[STAGES], heads[STAGES], window[3];
	struct graph_norm norm; /* of what is no transformer */
	int qkv_bias, normalize, patch_norm, v2, turned;
	double mlp_ratio;
	float drop, attention_drop, path; /* rates of dropout, and of stochastic depth in the last block */
	unsigned char order[8];
};

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, THREE[3] = {3, 3, 3};
static const struct graph_act GELU = {.kind = K_ACT_GELU};
static const struct graph_norm INSTANCE = {.kind = K_NORM_INSTANCE, .eps = 1e-5f};

/* Which voxel of a 2x2x2 block (4 d + 2 h + w) comes first, second, ...; "merging_1.4" takes two of them twice, as MONAI did before 1.5: models of
   that time need it. FLAT: of a 2x2 block by all names. */
static const struct { const char *word; unsigned char order[8]; } MERGINGS[] = {
	{"merging", {0, 4, 2, 1, 6, 5, 3, 7}}, {"mergingv2", {0, 1, 2, 3, 4, 5, 6, 7}}, {"merging_1.4", {0, 4, 2, 1, 5, 2, 1, 7}},
};
static const unsigned char FLAT[8] = {0, 2, 1, 3};

static struct arch_blocks blocks_of(const struct graph_norm *norm)
{
	return (struct arch_blocks){.adn = {*norm, {K_ACT_LRELU, 0.01f, 0}, 0}};
}

static int residual(struct graph *g, int x, const struct graph_norm *norm, int ic, int oc, const char *scope)
{
	const struct arch_blocks blocks = blocks_of(norm);
	int mark = graph_enter(g, "%s", scope);

	x = arch_block(g, x, &blocks, ic, oc, THREE, ONE, 1);
	graph_leave(g, mark);
	return x;
}

static int dropout(struct graph *g, int x, const struct swin *s, const char *name)
{
	return s->drop > 0 ? graph_drop(g, x, name, s->drop, GRAPH_VALUES) : x;
}

/* Stochastic depth: its rate rises evenly from 0 in the first block to `path` in the last. */
static int drop_path(struct graph *g, int x, const struct swin *s, int stage, int i)
{
	int before = i, all = 0;

	for (int k = 0; k < STAGES; k++) {
		before += k < stage ? s->depths[k] : 0;
		all += s->depths[k];
	}
	return s->path > 0 && before ? graph_drop(g, x, "drop_path", s->path * (float)before / (float)(all - 1), GRAPH_SAMPLES) : x;
}

static int mlp(struct graph *g, int x, const struct swin *s, int c)
{
	int mark = graph_enter(g, "mlp");

	x = graph_act(g, graph_linear(g, x, "linear1", (int64_t)(c * s->mlp_ratio), 1), "act", &GELU);
	x = dropout(g, graph_linear(g, dropout(g, x, s, "drop1"), "linear2", c, 1), s, "drop2");
	graph_leave(g, mark);
	return x;
}

/* MONAI's SwinTransformerBlock */
static int block(struct graph *g, int x, const struct swin *s, int stage, int i)
{
	struct graph_attention a = {.heads = s->heads[stage], .bias = s->qkv_bias, .turned = s->turned, .drop = s->attention_drop};
	int mark = graph_enter(g, "blocks.%d", i), c = s->features << stage, y;

	for (int k = 0; k < 3; k++)
		a.window[k] = s->window[k], a.shift[k] = i % 2 ? s->window[k] / 2 : 0;
	y = dropout(g, graph_attention(g, graph_layer(g, x, "norm1", 1), "attn", &a), s, "attn.proj_drop");
	x = graph_add(g, drop_path(g, y, s, stage, i), x);
	x = graph_add(g, drop_path(g, mlp(g, graph_layer(g, x, "norm2", 1), s, c), s, stage, i), x);
	graph_leave(g, mark);
	return x;
}

static int stage(struct graph *g, int x, const struct swin *s, int k)
{
	int mark, inner, c = s->features << k;

	if (s->v2) {
		mark = graph_enter(g, "layers%dc.0", k + 1);
		x = residual(g, x, &INSTANCE, c, c, "layer");
		graph_leave(g, mark);
	}
	mark = graph_enter(g, "layers%d.0", k + 1);
	for (int i = 0; i < s->depths[k]; i++)
		x = block(g, x, s, k, i);
	inner = graph_enter(g, "downsample");
	x = graph_layer(g, graph_merge(g, x, "merge", s->order), "norm", 1);
	x = graph_linear(g, x, "reduction", 2 * c, 0);
	graph_leave(g, inner);
	graph_leave(g, mark);
	return x;
}

/* The transformer: what crosses over at 1/2 to 1/32 */
static void transformer(struct graph *g, int x, const struct swin *s, int hidden[STAGES + 1])
{
	int mark = graph_enter(g, "swinViT"), inner = graph_enter(g, "patch_embed");

	x = arch_conv(g, x, "proj", s->features, TWO, TWO, 1, 0);
	if (s->patch_norm)
		x = graph_layer(g, x, "norm", 1);
	graph_leave(g, inner);
	x = dropout(g, x, s, "pos_drop");
	for (int k = 0;; k++) {
		hidden[k] = s->normalize ? graph_layer(g, x, "proj_out", 0) : x;
		if (k == STAGES)
			break;
		x = stage(g, x, s, k);
	}
	graph_leave(g, mark);
}

static int build(struct graph *g, const struct swin *s)
{
	static const char *const encoders[] = {"encoder2.layer", "encoder3.layer", "encoder4.layer"};
	static const char *const decoders[] = {"decoder2", "decoder3", "decoder4", "decoder5"};
	const struct arch_blocks blocks = blocks_of(&s->norm);
	int x = graph_input(g, s->in_channels), hidden[STAGES + 1], f = s->features, first, skip[STAGES];

	transformer(g, x, s, hidden);
	first = residual(g, x, &s->norm, s->in_channels, f, "encoder1.layer");
	for (int k = 0; k < 3; k++)
		skip[k] = residual(g, hidden[k], &s->norm, f << k, f << k, encoders[k]);
	skip[3] = hidden[3];
	x = residual(g, hidden[4], &s->norm, f << 4, f << 4, "encoder10.layer");
	for (int k = 3; k >= 0; k--)
		x = arch_up_block(g, x, skip[k], &blocks, f << k, decoders[k], 1);
	x = arch_up_block(g, x, first, &blocks, f, "decoder1", 1);
	return arch_layer(g, x, &blocks, "out.conv", s->out_channels, ONE, ONE, 1, 0);
}

/* -- options -- */

/* Weights that were trained on x,y,z arrays: merging and windows count so. */
static int read_axes(struct swin *s, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "axes");
	const char *axes = json_string_value(v);

	s->turned = axes && !strcmp(axes, "xyz");
	for (int i = 0; s->turned && i < 8; i++)
		s->order[i] = (unsigned char)(((s->order[i] & 1) << 2 | (s->order[i] & 2) | s->order[i] >> 2) >> s->flat);
	return !v || s->turned || (axes && !strcmp(axes, "zyx")) ? 0 : err_set(e, NULL, "axes must be \"zyx\" or \"xyz\"");
}

static int read_merging(struct swin *s, const json_t *arch, struct err *e)
{
	const json_t *v = json_object_get(arch, "downsample");

	for (size_t i = 0; i < sizeof MERGINGS / sizeof *MERGINGS; i++)
		if (!v || (json_is_string(v) && !strcmp(json_string_value(v), MERGINGS[i].word))) {
			memcpy(s->order, s->flat ? FLAT : MERGINGS[i].order, sizeof s->order);
			return read_axes(s, arch, e);
		}
	return err_set(e, NULL, "downsample must be \"merging\", \"mergingv2\" or \"merging_1.4\"");
}

/* What was not built in must be off. */
static int read_absent(const json_t *arch, struct err *e)
{
	int hyena = 0;

	if (arch_flag(arch, "use_hyena", &hyena, e))
		return -1;
	return hyena ? err_set(e, NULL, "use_hyena must be false: it is not built in") : 0;
}

static int check(const struct swin *s, struct err *e)
{
	if (s->features % 12)
		return err_set(e, NULL, "feature_size must be a multiple of 12");
	for (int i = 0; i < STAGES; i++)
		if ((s->features << i) % s->heads[i])
			return err_set(e, NULL, "num_heads: %d does not divide the %d channels of stage %d", s->heads[i], s->features << i, i + 1);
	return 0;
}

static int read_options(struct swin *s, const json_t *arch, struct err *e)
{
	/* img_size: of MONAI before 1.5; the last two change how, not what, MONAI computes */
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "feature_size", "patch_size", "depths", "num_heads",
		"window_size", "qkv_bias", "mlp_ratio", "norm_name", "drop_rate", "attn_drop_rate", "dropout_path_rate", "normalize", "patch_norm",
		"downsample", "use_v2", "axes", "use_hyena", "img_size", "use_checkpoint", "use_flash_attention", NULL};
	const json_t *window = json_object_get(arch, "window_size"), *ratio = json_object_get(arch, "mlp_ratio");
	int dims = 3, patch = 2;
	const struct arch_int ints[] = {
		{"spatial_dims", &dims, 3, 3, 0}, {"patch_size", &patch, 2, 2, 0}, {"in_channels", &s->in_channels, 1, 4096, 1},
		{"out_channels", &s->out_channels, 1, 4096, 1}, {"feature_size", &s->features, 12, FEATURES_MAX, 0}, {0}
	};

	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || read_absent(arch, e) || read_merging(s, arch, e) ||
	    (json_object_get(arch, "depths") && arch_list(arch, "depths", STAGES, 1, DEPTH_MAX, s->depths, e)) ||
	    (json_object_get(arch, "num_heads") && arch_list(arch, "num_heads", STAGES, 1, HEADS_MAX, s->heads, e)) ||
	    arch_flag(arch, "qkv_bias", &s->qkv_bias, e) || arch_flag(arch, "normalize", &s->normalize, e) ||
	    arch_flag(arch, "patch_norm", &s->patch_norm, e) || arch_flag(arch, "use_v2", &s->v2, e) || arch_norm(arch, "norm_name", &s->norm, e))
		return -1;
	if (arch_rate(arch, "drop_rate", &s->drop, e) || arch_rate(arch, "attn_drop_rate", &s->attention_drop, e) ||
	    arch_rate(arch, "dropout_path_rate", &s->path, e))
		return -1;
	if (window && arch_triple(window, "window_size", WINDOW_MAX, 0, s->window, e))
		return -1;
	if (ratio && (!json_is_number(ratio) || !(json_number_value(ratio) > 0) || !(json_number_value(ratio) <= 64)))
		return err_set(e, NULL, "mlp_ratio must be a number above 0, at most 64");
	s->mlp_ratio = ratio ? json_number_value(ratio) : s->mlp_ratio;
	return check(s, e);
}

int arch_swinunetr(struct graph *g, const json_t *arch, struct err *e)
{
	struct swin s = {
		.features = 24, .depths = {2, 2, 2, 2}, .heads = {3, 6, 12, 24}, .window = {7, 7, 7}, .qkv_bias = 1, .normalize = 1, .mlp_ratio = 4,
		.norm = INSTANCE, .flat = g->slices >= 0,
	};

	if (read_options(&s, arch, e))
		return -1;
	return graph_output(g, build(g, &s), e);
}
