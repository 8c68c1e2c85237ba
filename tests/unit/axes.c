/* Descriptions of networks of two dimensions. */
#include "lib/net/arch/arch.h"
#include "lib/net/arch/axes.h"
#include "tap.h"

static struct err e;

static json_t *json(const char *text)
{
	return json_loads(text, 0, NULL);
}

static void turned(const char *text, int z, int y, int x, const char *want)
{
	json_t *a = json(text), *b = json(want);

	axes_turn(a, (int[]){z, y, x});
	ok(a && b && json_equal(a, b), "turned: %s", want);
	json_decref(a);
	json_decref(b);
}

static void refused(const char *text, const char *why)
{
	json_t *a = json(text);
	struct graph *g = arch_graph(a, &e);

	ok(!g && !strcmp(e.text, why), "%s", g ? "no error" : e.text);
	graph_free(g);
	json_decref(a);
}

#define UNET "\"_target_\": \"UNet\", \"spatial_dims\": 2, \"in_channels\": 1, \"out_channels\": 2, \"channels\": [4, 8, 16]"

#define SWIN "\"_target_\": \"SwinUNETR\", \"spatial_dims\": 2, \"in_channels\": 1, \"out_channels\": 2"
#define UNETR "\"_target_\": \"UNETR\", \"spatial_dims\": 2, \"in_channels\": 1, \"out_channels\": 2"

/* The parameter of a name's shape, and the sizes that fit */
static void flat(const char *text, const char *name, const char *shape, int64_t z, int64_t y, int64_t x)
{
	json_t *a = json(text);
	struct graph *g = arch_graph(a, &e);
	char is[64] = "";
	int64_t next[3] = {0};

	for (int i = 0; g && i < g->params; i++)
		for (int k = 0; k < g->param[i].rank && !strcmp(g->param[i].name, name); k++)
			snprintf(is + strlen(is), sizeof is - strlen(is), "%s%d", k ? "," : "", (int)g->param[i].shape[k]);
	if (g)
		graph_next_size(g, (int64_t[]){1, 1, 1}, next);
	ok(g && !strcmp(is, shape), "%s [%s]%s%s", name, is, g ? "" : ": ", g ? "" : e.text);
	ok(next[0] == z && next[1] == y && next[2] == x, "takes %d,%d,%d", (int)next[0], (int)next[1], (int)next[2]);
	graph_free(g);
	json_decref(a);
}

int main(void)
{
	turned("{\"conv_op\": \"torch.nn.Conv2d\", \"strides\": [[1, 1], [1, 2]], \"kernel_sizes\": 3}", 0, 2, 1,
	       "{\"conv_op\": \"torch.nn.Conv2d\", \"strides\": [[1, 1], [2, 1]], \"kernel_sizes\": 3}");
	turned("{\"spatial_dims\": 2, \"kernel_size\": [3, 1]}", 0, 1, 2, "{\"spatial_dims\": 2, \"kernel_size\": [3, 1]}");
	turned("{\"spatial_dims\": 2, \"kernel_size\": [3, 1]}", 2, 1, 0, "{\"spatial_dims\": 2, \"kernel_size\": [1, 3]}");
	turned("{\"spatial_dims\": 3, \"kernel_size\": [3, 1, 5]}", 2, 1, 0, "{\"spatial_dims\": 3, \"kernel_size\": [5, 1, 3]}");
	flat("{" UNET ", \"strides\": [2, [2, 1]], \"kernel_size\": [5, 3]}", "model.0.conv.weight", "4,1,5,3", 1, 4, 2);
	flat("{" UNET ", \"strides\": [2, [2, 1]], \"kernel_size\": [5, 3], \"slice_axis\": \"x\"}", "model.0.conv.weight", "4,1,5,3", 4, 2, 1);
	flat("{" UNET ", \"strides\": [2, 2], \"slice_axis\": \"y\"}", "model.2.conv.weight", "8,2,3,3", 4, 1, 4);
	refused("{" UNET ", \"strides\": [[2, 2, 1], 2]}", "UNet: has a size of three numbers, and is of two dimensions");
	refused("{" UNET ", \"strides\": [2, 2], \"slice_axis\": \"w\"}", "UNet: slice_axis must be \"z\", \"y\" or \"x\"");
	refused("{" UNET ", \"strides\": [2, 2], \"slice_axis\": 1}", "UNet: slice_axis must be \"z\", \"y\" or \"x\"");
	turned("{" SWIN ", \"window_size\": [3, 5]}", 2, 1, 0, "{" SWIN ", \"window_size\": [5, 3], \"axes\": \"xyz\"}");
	turned("{" SWIN ", \"axes\": \"xyz\", \"slice_axis\": \"x\"}", 2, 1, 0, "{" SWIN ", \"slice_axis\": \"x\"}");
	turned("{" UNETR ", \"img_size\": [32, 48]}", 2, 1, 0, "{" UNETR ", \"img_size\": [48, 32]}");
	flat("{" SWIN "}", "swinViT.patch_embed.proj.weight", "24,1,2,2", 1, 32, 32);
	flat("{" SWIN ", \"slice_axis\": \"y\"}", "swinViT.layers1.0.blocks.1.attn.relative_position_bias_table", "169,3", 32, 1, 32);
	flat("{" SWIN ", \"window_size\": [4, 3]}", "swinViT.layers2.0.blocks.0.attn.relative_position_bias_table", "35,6", 1, 32, 32);
	flat("{" SWIN "}", "swinViT.layers3.0.downsample.reduction.weight", "192,384", 1, 32, 32);
	flat("{" UNETR ", \"img_size\": 32}", "vit.patch_embedding.patch_embeddings.weight", "768,1,16,16", 1, 32, 32);
	flat("{" UNETR ", \"img_size\": [32, 48], \"slice_axis\": \"y\"}", "vit.patch_embedding.position_embeddings", "1,6,768", 32, 1, 48);
	flat("{" UNETR ", \"img_size\": [48, 16], \"slice_axis\": \"x\", \"proj_type\": \"perceptron\"}", "vit.patch_embedding.patch_embeddings.1.weight",
	     "768,256", 48, 16, 1);
	refused("{" UNETR ", \"img_size\": [32, 24]}", "UNETR: img_size must be multiples of 16");
	refused("{" UNETR ", \"img_size\": [32, 32, 32]}", "UNETR: has a size of three numbers, and is of two dimensions");
	refused("{" SWIN ", \"window_size\": [7, 7, 7]}", "SwinUNETR: has a size of three numbers, and is of two dimensions");
	return tap_done();
}
