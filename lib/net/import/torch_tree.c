#include "lib/net/import/torch_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 100 /* in one another */, VISITS = 1 << 20, NAME = 512, NESTED = 4, LISTED = 10 };

/* Names that training programs keep a state_dict under, the first that is there counts: nnU-Net; Lightning and MONAI's research code; others;
   averages of weights last. */
static const char *const KEYS[] = {
	"network_weights", "state_dict", "model_state_dict", "net_state_dict", "model", "net", "network", "module", "weights", "params", "ema_state_dict",
	"state_dict_ema", "model_ema", "ema",
};
enum { KEY_COUNT = sizeof KEYS / sizeof *KEYS };

static int holds_tensors(const struct pickle *p, int v)
{
	if (pickle_is(p, v, PICKLE_MODULE))
		return 1;
	for (int i = 0; pickle_is(p, v, PICKLE_DICT) && i < p->v[v].n; i += 2)
		if (pickle_is(p, p->v[v].item[i], PICKLE_TEXT) && pickle_is(p, p->v[v].item[i + 1], PICKLE_TENSOR))
			return 1;
	return 0;
}

/* The first of a dict's keys, for a message. */
static void list_keys(const struct pickle *p, int v, char *text, size_t size)
{
	size_t n = 0;
	int listed = 0;

	text[0] = 0;
	for (int i = 0; pickle_is(p, v, PICKLE_DICT) && i < p->v[v].n && listed < LISTED; i += 2) {
		const struct pickle_value *k = &p->v[p->v[v].item[i]];

		if (k->kind != PICKLE_TEXT)
			continue;
		n += (size_t)snprintf(text + n, size - n, "%s%.*s%s", listed ? ", " : "", k->n < 40 ? k->n : 40, k->s, listed == LISTED - 1 ? ", ..." : "");
		listed++;
	}
}

static int no_tensors(const struct pickle *p, int v, const char *where, const char *file, struct err *e)
{
	char keys[500];

	list_keys(p, v, keys, sizeof keys);
	if (!pickle_is(p, v, PICKLE_DICT))
		return err_set(e, file, "%s is no dict", where);
	return err_set(e, file, "%s holds no tensors, nor does what is usual in it: say where with --key (there are: %s)", where, keys);
}

static int set_from(char **from, const char *text, struct err *e)
{
	*from = strdup(text);
	return *from ? 0 : err_set(e, NULL, "not enough memory for a name");
}

static int choose_named(const struct pickle *p, const char *key, const char *file, struct err *e)
{
	char copy[NAME] = "", *rest = copy, *word;
	int v = p->root;

	if (strlen(key) >= sizeof copy)
		return err_set(e, file, "a key of %zu bytes", strlen(key));
	memcpy(copy, key, strlen(key));
	while ((word = strsep(&rest, "/"))) {
		char keys[500];
		int next = pickle_get(p, v, word);

		list_keys(p, v, keys, sizeof keys);
		if (next < 0)
			return err_set(e, file, "has no '%.200s' at '%.100s' (there are: %s)", word, key, keys);
		v = next;
	}
	return holds_tensors(p, v) ? v : err_set(e, file, "'%.200s' holds no tensors", key);
}

int torch_tree_choose(const struct pickle *p, const char *key, char **from, const char *file, struct err *e)
{
	char path[NAME] = "";
	int v = p->root;

	if (key)
		return set_from(from, key, e) ? -1 : choose_named(p, key, file, e);
	for (int depth = 0; depth < NESTED; depth++) {
		int deeper = -1, k = pickle_is(p, v, PICKLE_MODULE) ? KEY_COUNT : 0;

		while (k < KEY_COUNT && !holds_tensors(p, pickle_get(p, v, KEYS[k])))
			k++;
		if (k == KEY_COUNT && holds_tensors(p, v))
			return set_from(from, path, e) ? -1 : v;
		for (int i = KEY_COUNT - 1; i >= 0 && k == KEY_COUNT; i--)
			if (pickle_is(p, pickle_get(p, v, KEYS[i]), PICKLE_DICT))
				deeper = i;
		deeper = k < KEY_COUNT ? k : deeper;
		if (deeper < 0)
			break;
		snprintf(path + strlen(path), sizeof path - strlen(path), "%s%s", *path ? "/" : "", KEYS[deeper]);
		v = pickle_get(p, v, KEYS[deeper]);
		if (k < KEY_COUNT)
			return set_from(from, path, e) ? -1 : v;
	}
	return no_tensors(p, v, *path ? path : "its top", file, e);
}

struct walk {
	const struct pickle *p;
	torch_tree_fn *fn;
	void *arg;
	const char *file;
	int visits;
	char name[NAME];
	size_t len;
};

/* Step down: the last part of the name. */
static void enter(struct walk *w, const char *between, int key, int index)
{
	const struct pickle_value *k = key >= 0 ? &w->p->v[key] : NULL;
	size_t left = sizeof w->name - w->len;
	int n;

	between = w->len ? between : "";
	if (k && k->kind == PICKLE_TEXT)
		n = snprintf(w->name + w->len, left, "%s%.*s", between, k->n, k->s);
	else
		n = snprintf(w->name + w->len, left, "%s%lld", between, k && k->kind == PICKLE_INT ? (long long)k->i : index);
	w->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void leave(struct walk *w, size_t len)
{
	w->len = len;
	w->name[len] = 0;
}

/* Of dict v the tensors under a text; of a module its state_dict: what its modules hold, too, with the names between points. */
static int state(struct walk *w, int v, int depth, struct err *e)
{
	const struct pickle_value *c = &w->p->v[v];
	const int module = c->kind == PICKLE_MODULE;

	if (depth > DEPTH || ++w->visits > VISITS)
		return err_set(e, w->file, "nested too deeply: more than %d modules in one another, or %d in all", DEPTH, VISITS);
	for (int i = 0; i < c->n; i += 2) {
		const int below = c->item[i + 1];
		const size_t len = w->len;
		int r = 0;

		if (w->p->v[c->item[i]].kind != PICKLE_TEXT)
			continue;
		enter(w, ".", c->item[i], 0);
		if (pickle_is(w->p, below, PICKLE_TENSOR))
			r = w->fn(w->arg, w->name, w->len, below, e);
		else if (module && pickle_is(w->p, below, PICKLE_MODULE))
			r = state(w, below, depth + 1, e);
		if (r)
			return -1;
		leave(w, len);
	}
	return 0;
}

int torch_tree_dict(const struct pickle *p, int v, torch_tree_fn *fn, void *arg, const char *file, struct err *e)
{
	struct walk w = {.p = p, .fn = fn, .arg = arg, .file = file};

	return state(&w, v, 0, e);
}

static int walk(struct walk *w, int v, int depth, struct err *e)
{
	const struct pickle_value *c = &w->p->v[v];
	const int module = c->kind == PICKLE_MODULE, dict = module || c->kind == PICKLE_DICT, step = dict ? 2 : 1;

	if (++w->visits > VISITS)
		return err_set(e, w->file, "nested too much: more than %d values", VISITS);
	if (c->kind == PICKLE_TENSOR)
		return w->fn(w->arg, w->name, w->len, v, e);
	if (!dict && c->kind != PICKLE_LIST && c->kind != PICKLE_TUPLE)
		return 0;
	if (depth > DEPTH)
		return err_set(e, w->file, "nested too deeply: more than %d containers in one another", DEPTH);
	for (int i = 0; i < c->n; i += step) {
		size_t at = w->len;

		enter(w, module ? "." : "/", dict ? c->item[i] : -1, i);
		if (walk(w, c->item[i + step - 1], depth + 1, e))
			return -1;
		leave(w, at);
	}
	return 0;
}

int torch_tree_all(const struct pickle *p, torch_tree_fn *fn, void *arg, const char *file, struct err *e)
{
	struct walk w = {.p = p, .fn = fn, .arg = arg, .file = file};

	return walk(&w, p->root, 0, e);
}
