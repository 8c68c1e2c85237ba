#include "lib/net/import/match.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/arch/axes.h"
#include "lib/net/graph/alias.h"

enum { NAME = 512, LINE = 800 };

struct match {
	struct weights *w;
	const struct graph *g;
	match_say *say;
	void *arg;
	int problems, aliases;
	struct alias *alias;
	struct err *e;
};

/* Names that changed, tried on what the network does not know; a new name counts where it is one of the network's. */
static const struct { const char *from, *to, *why; } RENAMES[] = {
	{"module.", "", "DataParallel"},
	{"_orig_mod.", "", "torch.compile"},
	{"swin_vit.", "swinViT.", "SwinUNETR"},
	{".mlp.fc1.", ".mlp.linear1.", "Swin transformers elsewhere"},
	{".mlp.fc2.", ".mlp.linear2.", "Swin transformers elsewhere"},
	{".act.", ".adn.A.", "MONAI before 0.4"},
	{".norm.", ".adn.N.", "MONAI before 0.4"},
};
enum { RENAME_COUNT = sizeof RENAMES / sizeof *RENAMES };

#define COUNTER ".num_batches_tracked" /* an integer of batch normalisation */

/* What ends so is no weight, where the network does not have it. */
static const char *const CONSTANTS[] = {COUNTER, ".relative_position_index", ".attn_mask"};

static void tell(struct match *m, int problem, const char *fmt, ...) ERR_PRINTF(3, 4);
static void tell(struct match *m, int problem, const char *fmt, ...)
{
	char line[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	m->problems += problem;
	m->say(m->arg, problem, line);
}

static const struct graph_param *param(const struct graph *g, const char *name)
{
	for (int i = 0; i < g->params; i++)
		if (!strcmp(g->param[i].name, name))
			return &g->param[i];
	return NULL;
}

static int ends(const char *name, const char *with)
{
	size_t n = strlen(name), k = strlen(with);

	return n >= k && !strcmp(name + n - k, with);
}

static int rename_to(struct match *m, struct weight *w, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return err_set(m->e, m->w->file, "not enough memory for a name");
	free(w->name);
	w->name = copy;
	return 0;
}

/* s with every `from` replaced by `to`, into out; 0 where there is none, or it gets too long. A prefix is replaced where a name begins. */
static int replace(const char *s, const char *from, const char *to, char out[NAME])
{
	size_t n = 0, len = strlen(from);
	int many = 0;

	for (const char *p = s; *p;) {
		int here = !strncmp(p, from, len) && (p == s || *from == '.' || p[-1] == '.');
		const char *put = here ? to : p;
		size_t k = here ? strlen(to) : 1;

		if (n + k >= NAME)
			return 0;
		memcpy(out + n, put, k);
		n += k;
		p += here ? len : 1;
		many += here;
	}
	out[n] = 0;
	return many;
}

/* -- prefixes -- */

static int begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* How many parameters are there under a prefix of so many bytes. */
static int count_under(const struct match *m, const char *prefix, size_t len)
{
	int n = 0;

	for (int i = 0; i < m->w->n; i++)
		n += !strncmp(m->w->w[i].name, prefix, len) && strlen(m->w->w[i].name) > len && param(m->g, m->w->w[i].name + len);
	return n;
}

/* The prefix that tensor `name` would have if it were parameter p: its length, or -1. */
static int prefix_of(const char *name, const struct graph_param *p)
{
	size_t n = strlen(name), k = strlen(p->name);

	return n > k + 1 && !strcmp(name + n - k, p->name) && name[n - k - 1] == '.' ? (int)(n - k) : -1;
}

/* The prefix under which most parameters are found, into `best`; two that do equally well are an error. */
static int find_prefix(struct match *m, char best[NAME])
{
	const struct graph_param *probe[2] = {&m->g->param[0], &m->g->param[m->g->params - 1]};
	int most = count_under(m, "", 0);
	char rival[NAME] = "";

	best[0] = 0;
	for (int i = 0; i < 2 * m->w->n; i++) {
		const char *name = m->w->w[i / 2].name;
		int len = prefix_of(name, probe[i % 2]), n;

		if (len < 0 || len >= NAME || ((int)strlen(best) == len && begins(name, best)))
			continue;
		n = count_under(m, name, (size_t)len);
		if (n == most && n)
			snprintf(rival, sizeof rival, "%.*s", len, name);
		if (n <= most)
			continue;
		most = n;
		snprintf(best, NAME, "%.*s", len, name);
		rival[0] = 0;
	}
	if (*best && *rival)
		return err_set(m->e, m->w->file, "holds the network under '%.200s' and under '%.200s': say which with --prefix", best, rival);
	return 0;
}

static int strip(struct match *m, const char *prefix, int given)
{
	int taken = 0, left = 0;

	for (int i = m->w->n - 1; i >= 0; i--) {
		struct weight *w = &m->w->w[i];

		if (begins(w->name, prefix) && strlen(w->name) > strlen(prefix)) {
			char name[NAME];

			snprintf(name, sizeof name, "%s", w->name + strlen(prefix));
			if (rename_to(m, w, name))
				return -1;
			taken++;
		} else if (given) {
			weights_drop(m->w, i);
			left++;
		}
	}
	tell(m, 0, "%s* -> * (%d)", prefix, taken);
	if (left)
		tell(m, 0, "tensors of other names left out: %d", left);
	return 0;
}

/* -- names -- */

static int rename_one(struct match *m, struct weight *w, int used[RENAME_COUNT])
{
	char name[NAME], next[NAME];
	int rule[RENAME_COUNT] = {0};

	snprintf(name, sizeof name, "%s", w->name);
	for (int i = 0; i < RENAME_COUNT; i++) {
		if (!replace(name, RENAMES[i].from, RENAMES[i].to, next))
			continue;
		memcpy(name, next, sizeof name);
		rule[i] = 1;
		if (!param(m->g, name) || weights_find(m->w, name))
			continue;
		for (int k = 0; k <= i; k++)
			used[k] += rule[k];
		return rename_to(m, w, name);
	}
	return 0;
}

static int rename_all(struct match *m)
{
	int used[RENAME_COUNT] = {0};

	for (int i = 0; i < m->w->n; i++)
		if (!param(m->g, m->w->w[i].name) && rename_one(m, &m->w->w[i], used))
			return -1;
	for (int i = 0; i < RENAME_COUNT; i++)
		if (used[i])
			tell(m, 0, "*%s* -> *%s* (%d; %s)", RENAMES[i].from, RENAMES[i].to, used[i], RENAMES[i].why);
	return 0;
}

/* The parameter's tensor that w repeats by its name; NULL: none. */
static const struct weight *repeated(const struct match *m, const struct weight *w)
{
	for (int i = 0; i < m->aliases; i++)
		if (!strcmp(w->name, m->alias[i].name))
			return weights_find(m->w, m->g->param[m->alias[i].param].name);
	return NULL;
}

static int is_constant(const struct weight *w)
{
	if (!weights_count(w)) /* what TorchScript keeps of a buffer that is not used */
		return 1;
	for (size_t i = 0; i < sizeof CONSTANTS / sizeof *CONSTANTS; i++)
		if (ends(w->name, CONSTANTS[i]))
			return 1;
	return 0;
}

/* What MONAI makes and saves although it is not used: SegResNet's last layers where use_conv_final says so; a vision transformer's for attention
   across, of which some versions have all and the others the norm. */
static int is_idle(const struct match *m, const char *name)
{
	if (param(m->g, "vit.norm.weight") && begins(name, "vit.blocks.") && strstr(name, "cross_attn."))
		return 1;
	return param(m->g, "convInit.conv.weight") && !param(m->g, "conv_final.2.conv.weight") && (begins(name, "conv_final.") || begins(name, "act_mod."));
}

static void leave_out(struct match *m)
{
	int repeats = 0, constants = 0, idle = 0, equal, unused;

	for (int i = m->w->n - 1; i >= 0; i--) {
		const struct weight *w = &m->w->w[i], *of;

		if (param(m->g, w->name))
			continue;
		unused = is_idle(m, w->name);
		of = unused ? NULL : repeated(m, w);
		equal = of && weights_equal(w, of);
		if (of && !equal)
			tell(m, 1, "differs: %.200s, from %.200s, which it should repeat", w->name, of->name);
		if (!of && !unused && !is_constant(w))
			continue;
		repeats += equal;
		idle += unused;
		constants += !of && !unused;
		weights_drop(m->w, i);
	}
	if (repeats)
		tell(m, 0, "tensors left out, as they repeat others bit for bit: %d", repeats);
	if (idle)
		tell(m, 0, "tensors left out, of layers that are not used: %d", idle);
	if (constants)
		tell(m, 0, "tensors left out, constants that are no weights: %d", constants);
}

/* -- axes -- */

void match_turn(struct weight *w, const int axes[MATCH_AXES], int slices)
{
	const int first = slices < 0 ? 0 : 1, *inside = axes_inside(slices, axes);
	const struct weight old = *w;

	for (int k = first; w->rank == 2 + MATCH_AXES - first && k < MATCH_AXES; k++) {
		w->shape[2 + k - first] = old.shape[2 + inside[k] - first];
		w->stride[2 + k - first] = old.stride[2 + inside[k] - first];
	}
}

static void turn_all(struct match *m, const int axes[MATCH_AXES])
{
	for (int i = 0; i < m->w->n; i++)
		if (param(m->g, m->w->w[i].name))
			match_turn(&m->w->w[i], axes, m->g->slices);
}

/* Axis 1, whose places count three axes of these sizes and `inner` channels of each, as those, turned: the values are read in our order. */
static void turn_within(struct weight *w, const int size[3], int64_t inner, const int axes[MATCH_AXES])
{
	const int more = inner > 1 ? 3 : 2;
	int64_t from[3], step = w->stride[1] * inner;

	for (int k = 0; k < 3; k++)
		from[axes[k]] = size[k];
	for (int j = w->rank - 1; j > 1; j--)
		w->shape[j + more] = w->shape[j], w->stride[j + more] = w->stride[j];
	if (inner > 1)
		w->shape[4] = inner, w->stride[4] = w->stride[1];
	for (int j = 2; j >= 0; step *= from[j--])
		for (int k = 0; k < 3; k++)
			if (axes[k] == j)
				w->shape[1 + k] = size[k], w->stride[1 + k] = step;
	w->rank += more;
}

/* A position of every patch, a product over a patch: once their shapes are seen to be right */
static void turn_patches(struct match *m, const int axes[MATCH_AXES])
{
	const int *inside = axes_inside(m->g->slices, axes);

	for (int i = 0; i < m->g->n; i++) {
		const struct graph_op *op = &m->g->op[i];
		const int *fixed = m->g->fixed, tokens[3] = {fixed[0] / op->down[0], fixed[1] / op->down[1], fixed[2] / op->down[2]};

		if (op->kind == GRAPH_POSITION)
			turn_within(weights_find(m->w, m->g->param[op->w].name), tokens, 1, inside);
		if (op->kind == GRAPH_CONV && op->conv.linear && op->conv.kernel[2] > 1)
			turn_within(weights_find(m->w, m->g->param[op->w].name), op->conv.kernel, m->g->op[op->in[0]].c, inside);
	}
}

/* -- shapes -- */

static void check_param(struct match *m, const struct graph_param *p)
{
	const struct weight *w = weights_find(m->w, p->name);
	struct weight needed = {.dtype = ends(p->name, COUNTER) ? DT_I64 : DT_F32, .rank = p->rank};
	char is[WEIGHT_TEXT], needs[WEIGHT_TEXT];

	memcpy(needed.shape, p->shape, sizeof p->shape);
	if (!w)
		tell(m, 1, "missing: %.200s %s", p->name, strchr(weights_text(&needed, needs), '['));
	else if ((dtype_is_float(needed.dtype) ? !dtype_is_float(w->dtype) : w->dtype != needed.dtype) || w->rank != p->rank ||
	         memcmp(w->shape, p->shape, (size_t)p->rank * sizeof *p->shape))
		tell(m, 1, "wrong: %.200s %s (needs %s)", w->name, weights_text(w, is), weights_text(&needed, needs));
}

/* Names, then what is left over, axes and shapes. */
static int fit(struct match *m, const char *prefix, const int axes[MATCH_AXES])
{
	const int turned = axes[0] != 0 || axes[1] != 1;
	char found[NAME], text[WEIGHT_TEXT];
	struct weights *w = m->w;

	if (prefix)
		snprintf(found, sizeof found, "%s", prefix);
	else if (find_prefix(m, found))
		return -1;
	if ((*found && strip(m, found, prefix != NULL)) || rename_all(m))
		return -1;
	leave_out(m);
	for (int i = 0; i < w->n; i++)
		if (!param(m->g, w->w[i].name))
			tell(m, 1, "extra: %.200s %s", w->w[i].name, weights_text(&w->w[i], text));
	if (turned)
		turn_all(m, axes);
	for (int i = 0; i < m->g->params; i++)
		check_param(m, &m->g->param[i]);
	if (turned && !m->problems)
		turn_patches(m, axes);
	return m->problems ? err_set(m->e, w->file, "%d of its tensors do not fit the network", m->problems) : 0;
}

int match_weights(struct weights *w, const struct graph *g, const char *prefix, const int axes[MATCH_AXES], match_say *say, void *arg, struct err *e)
{
	struct match m = {.w = w, .g = g, .say = say, .arg = arg, .e = e};
	int r;

	m.alias = alias_list(g, &m.aliases, e);
	r = m.alias ? fit(&m, prefix, axes) : -1;
	free(m.alias);
	return r;
}
