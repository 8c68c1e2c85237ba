/* MONAI's VNet (networks/nets/vnet.py; Milletari et al. 2016): 16 to 256 channels, halved and doubled by strides of 2, convolutions of 5x5x5, every
   level with what came into it added before its last activation.

       in_tr -------------------------------------------. cat -- up_tr32 -- out_tr      in_tr: the input's channels, repeated to 16, are added
         '-- down_tr32 -----------------------. cat -- up_tr64                          skips drop out channels in training
               '-- down_tr64 ------. cat -- up_tr128 --'
                     '-- down_tr128 -- down_tr256 -- up_tr256 ... */
#include "lib/net/arch/arch.h"

#include <string.h>

enum { LEVELS = 5, FIRST = 16 };

/* each: a slope a channel (act is "prelu" itself, in these letters). up: dropout before a step up and of its skip, of the two lowest steps. */
struct vnet { int in_channels, out_channels, bias, each; struct graph_act act; float down, up[2]; };

static const int ONE[3] = {1, 1, 1}, TWO[3] = {2, 2, 2}, FIVE[3] = {5, 5, 5};
static const struct graph_norm BATCH = {.kind = K_NORM_BATCH, .eps = 1e-5f, .affine = 1, .momentum = 0.1f, .running = 1};

static int act(struct graph *g, int x, const struct vnet *v, const char *name, int c)
{
	struct arch_adn adn = {.act = v->act};

	adn.act.alphas = v->each ? c : v->act.alphas;
	return arch_step(g, x, &adn, 'A', name);
}

static int drop(struct graph *g, int x, float rate, const char *name)
{
	return arch_step(g, x, &(struct arch_adn){.dropout = rate, .dropped = GRAPH_CHANNELS}, 'D', name);
}

static int conv_block(struct graph *g, int x, int c, int bias)
{
	int mark = graph_enter(g, "conv_block");

	x = graph_norm(g, arch_conv(g, x, "conv", c, FIVE, ONE, bias, 0), "adn.N", &BATCH);
	graph_leave(g, mark);
	return x;
}

/* n LUConvs of x, plus `past`, then the activation of that name */
static int ops(struct graph *g, int x, int past, const struct vnet *v, int c, int n, int bias, const char *name)
{
	for (int i = 0; i < n; i++) {
		int mark = graph_enter(g, "ops.%d", i);

		x = act(g, conv_block(g, x, c, bias), v, "act_function", c);
		graph_leave(g, mark);
	}
	return act(g, graph_add(g, x, past), v, name, c);
}

static int in_transition(struct graph *g, const struct vnet *v)
{
	int mark = graph_enter(g, "in_tr"), x = graph_input(g, v->in_channels), y = conv_block(g, x, FIRST, v->bias);

	for (int c = v->in_channels; c < FIRST; c *= 2)
		x = graph_concat(g, x, x);
	x = act(g, graph_add(g, y, x), v, "act_function", FIRST);
	graph_leave(g, mark);
	return x;
}

static int down(struct graph *g, int x, const struct vnet *v, int level)
{
	static const int convs[LEVELS] = {0, 1, 2, 3, 2};
	const int c = FIRST << level, mark = graph_enter(g, "down_tr%d", c);

	x = graph_norm(g, arch_conv(g, x, "down_conv", c, TWO, TWO, v->bias, 0), "bn1", &BATCH);
	x = act(g, x, v, "act_function1", c);
	x = ops(g, drop(g, x, level > 2 ? v->down : 0, "dropout"), x, v, c, convs[level], v->bias, "act_function2");
	graph_leave(g, mark);
	return x;
}

/* Up to a level: twice its skip's channels. The two highest steps drop out half of the skip, whatever the options say. */
static int up(struct graph *g, int x, int skip, const struct vnet *v, int level)
{
	const int half = FIRST << level, low = level > 1, mark = graph_enter(g, "up_tr%d", 2 * half);

	x = drop(g, x, low ? v->up[0] : 0, "dropout");
	skip = drop(g, skip, low ? v->up[1] : 0.5f, "dropout2");
	x = act(g, graph_norm(g, arch_up(g, x, "up_conv", half, TWO, 1, 0), "bn1", &BATCH), v, "act_function1", half);
	x = graph_concat(g, x, skip);
	x = ops(g, x, x, v, 2 * half, low ? 2 : 1, 0, "act_function2");
	graph_leave(g, mark);
	return x;
}

static int out_transition(struct graph *g, int x, const struct vnet *v)
{
	int mark = graph_enter(g, "out_tr");

	x = act(g, conv_block(g, x, v->out_channels, v->bias), v, "act_function1", v->out_channels);
	x = arch_conv(g, x, "conv2", v->out_channels, ONE, ONE, 1, 0);
	graph_leave(g, mark);
	return x;
}

/* dropout_prob_up: a list of two rates, the first maybe null */
static int read_up(const json_t *arch, float up[2], struct err *e)
{
	static const char key[] = "dropout_prob_up";
	const json_t *list = json_object_get(arch, key);

	if (list && (!json_is_array(list) || json_array_size(list) != 2 || !json_is_number(json_array_get(list, 1))))
		return err_set(e, NULL, "%s must be a list of two rates, the first of which may be null", key);
	for (size_t i = 0; list && i < 2; i++) {
		json_t *one = json_pack("{s:O}", key, json_array_get(list, i));
		int bad;

		up[i] = json_is_null(json_array_get(list, i)) ? 0 : up[i];
		bad = arch_rate(one, key, &up[i], e);
		json_decref(one);
		if (bad)
			return -1;
	}
	return 0;
}

/* dropout_dim is taken and not used, as there: whole channels are dropped. */
static int read_options(struct vnet *v, const json_t *arch, struct err *e)
{
	static const char *const known[] = {"spatial_dims", "in_channels", "out_channels", "act", "dropout_prob_down", "dropout_prob_up", "dropout_dim",
		"bias", NULL};
	const json_t *a = json_object_get(arch, "act"), *rate = json_object_get(arch, "dropout_prob_down");
	int dims = 3, ignored = 3;
	const struct arch_int ints[] = {{"spatial_dims", &dims, 3, 3, 0}, {"in_channels", &v->in_channels, 1, FIRST, 0},
		{"out_channels", &v->out_channels, 1, ARCH_CHANNELS, 0}, {"dropout_dim", &ignored, 1, 3, 0}, {0}};

	if (json_object_get(arch, "dropout_prob"))
		return err_set(e, NULL, "dropout_prob is MONAI's old name: say dropout_prob_down and dropout_prob_up");
	if (arch_known(arch, known, e) || arch_ints(arch, ints, e) || arch_act(arch, "act", &v->act, e) || arch_flag(arch, "bias", &v->bias, e))
		return -1;
	if (FIRST % v->in_channels)
		return err_set(e, NULL, "in_channels must divide %d", FIRST);
	if (v->act.kind == K_ACT_NONE && !v->act.across)
		return err_set(e, NULL, "act must be a word, or a list of a word and its options");
	v->each = json_is_string(a) && !strcmp(json_string_value(a), "prelu");
	v->down = json_is_null(rate) ? 0 : v->down;
	return arch_rate(arch, "dropout_prob_down", &v->down, e) || read_up(arch, v->up, e) ? -1 : 0;
}

int arch_vnet(struct graph *g, const json_t *arch, struct err *e)
{
	struct vnet v = {.in_channels = 1, .out_channels = 1, .act = {K_ACT_ELU, 1, 0}, .down = 0.5f, .up = {0.5f, 0.5f}};
	int skips[LEVELS], x;

	if (read_options(&v, arch, e))
		return -1;
	x = skips[0] = in_transition(g, &v);
	for (int i = 1; i < LEVELS; i++)
		x = skips[i] = down(g, x, &v, i);
	for (int i = LEVELS - 2; i >= 0; i--)
		x = up(g, x, skips[i], &v, i);
	return graph_output(g, out_transition(g, x, &v), e);
}
