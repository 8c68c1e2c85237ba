#include "lib/net/graph/alias.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

enum { PER_PARAM = 3 };

struct list { const struct graph *g; struct alias *a; int n, ups; };

static void add(struct list *l, int param, const char *fmt, ...) ERR_PRINTF(3, 4);
static void add(struct list *l, int param, const char *fmt, ...)
{
	struct alias *a = &l->a[l->n++];
	va_list ap;

	a->param = param;
	va_start(ap, fmt);
	vsnprintf(a->name, sizeof a->name, fmt, ap);
	va_end(ap);
}

static int begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Place of the normalisation called so in its block: behind the convolution, or behind the activation. */
static int norm_place(const struct graph *g, const char *name, size_t len)
{
	for (int i = 0; i < g->n; i++)
		if (strlen(g->op[i].name) == len && !memcmp(g->op[i].name, name, len) && g->op[i].in[0] >= 0)
			return g->op[g->op[i].in[0]].kind == GRAPH_ACT ? 2 : 1;
	return 1;
}

static void add_nnunet(struct list *l, int param)
{
	const char *name = l->g->param[param].name, *part = NULL, *last = strrchr(name, '.');
	int encoder = begins(name, "encoder.stages.") || begins(name, "encoder.stem."), place = 0;

	if (!encoder && !begins(name, "decoder."))
		return;
	if (last && last - name > 5 && (!strncmp(last - 5, ".conv", 5) || !strncmp(last - 5, ".norm", 5)))
		part = last - 5;
	if (part && part[1] == 'n')
		place = norm_place(l->g, name, (size_t)(last - name));
	if (part)
		add(l, param, "%.*s.all_modules.%d%s", (int)(part - name), name, place, last);
	if (encoder)
		add(l, param, "decoder.%s", name);
	if (encoder && part)
		add(l, param, "decoder.%.*s.all_modules.%d%s", (int)(part - name), name, place, last);
}

/* What follows NAME.NUMBER. in s, and the number; NULL where s is not so. */
static const char *numbered(const char *s, const char *name, int *number)
{
	const char *p = s + strlen(name), *dot;
	char digits[8] = "";
	int64_t v;
	struct err e;

	if (!begins(s, name) || !(dot = strchr(p, '.')) || dot - p >= (int)sizeof digits)
		return NULL;
	memcpy(digits, p, (size_t)(dot - p));
	if (arg_int(digits, 0, 99, &v, &e))
		return NULL;
	*number = (int)v;
	return dot + 1;
}

static void add_layer(struct list *l, int param, int depth, const char *part, const char *rest)
{
	static const char next[] = "next_layer.next_layer.next_layer.next_layer.next_layer.next_layer." /* as deep as a network may be */
				   "next_layer.next_layer.next_layer.next_layer.next_layer.next_layer.";
	const int one = (int)strlen("next_layer.");

	add(l, param, "skip_layers.%.*s%s%.160s", one * depth, next, part, rest);
}

static void add_dynunet(struct list *l, int param)
{
	const char *name = l->g->param[param].name, *rest;
	int i;

	if (begins(name, "input_block."))
		add_layer(l, param, 0, "downsample.", name + strlen("input_block."));
	else if (begins(name, "bottleneck."))
		add_layer(l, param, l->ups, "", name + strlen("bottleneck."));
	else if ((rest = numbered(name, "downsamples.", &i)))
		add_layer(l, param, i + 1, "downsample.", rest);
	else if ((rest = numbered(name, "upsamples.", &i)))
		add_layer(l, param, l->ups - 1 - i, "upsample.", rest);
	else if ((rest = numbered(name, "deep_supervision_heads.", &i)))
		add_layer(l, param, i + 1, "super_head.", rest);
}

/* A vision transformer's norm for attention across, which MONAI makes, saves, asks for and does not use, has whatever is of its shape. */
static void add_transformer(struct list *l, int param)
{
	const char *name = l->g->param[param].name, *rest;
	int i;

	rest = numbered(name, "vit.blocks.", &i);
	if (rest && begins(rest, "norm2."))
		add(l, param, "vit.blocks.%d.norm_cross_attn.%s", i, rest + strlen("norm2."));
}

struct alias *alias_list(const struct graph *g, int *n, struct err *e)
{
	struct list l = {.g = g, .a = mem_new((size_t)g->params * PER_PARAM, sizeof *l.a, "names", e)};
	int dynunet = 0, i;

	*n = 0;
	if (!l.a)
		return NULL;
	for (int p = 0; p < g->params; p++) {
		dynunet |= begins(g->param[p].name, "input_block.");
		if (numbered(g->param[p].name, "upsamples.", &i) && i >= l.ups)
			l.ups = i + 1;
	}
	for (int p = 0; p < g->params; p++)
		if (!strcmp(g->param[p].name, "conv_final.1.weight"))
			add(&l, p, "act_mod.weight");
		else if (dynunet)
			add_dynunet(&l, p);
		else if (begins(g->param[p].name, "vit."))
			add_transformer(&l, p);
		else
			add_nnunet(&l, p);
	*n = l.n;
	return l.a;
}
