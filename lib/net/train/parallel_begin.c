/* Are all ranks of one mind about what they are about to do? */
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/net/train/parallel.h"

enum { OPTIONS = 4096 };
struct mind {
	uint64_t network, weights, prepared, drawn, shape, cpu;
	int64_t first, total;
	char options[OPTIONS];
};

static uint64_t hash_json(const json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	uint64_t h = text ? hash_bytes(text, strlen(text)) : 0;

	free(text);
	return h;
}

static int hash_weights(const struct net *n, const struct k_backend *k, uint64_t *out, struct err *e)
{
	float *w, *g, *copy;
	int64_t total;
	int bad;

	net_block(n, &w, &g, &total);
	copy = mem_new((size_t)total, sizeof *copy, "the weights", e);
	bad = !copy || k->copy(copy, w, (size_t)total * sizeof *copy, K_TO_HOST, e);
	*out = bad ? 0 : hash_bytes(copy, (size_t)total * sizeof *copy);
	free(copy);
	return bad ? -1 : 0;
}

/* What rank 0 has otherwise, as far as the options can tell. */
static int other_option(const char *own, const char *zero, struct err *e)
{
	json_t *a = json_loads(own, 0, NULL), *b = json_loads(zero, 0, NULL), *v;
	const char *key;
	int found = 0;

	json_object_foreach(a, key, v) {
		const json_t *w = json_object_get(b, key);

		if (!json_equal(v, (json_t *)w) && !found++ && !json_is_number(v))
			err_set(e, NULL, "its options are not rank 0's: --%s", key);
		else if (!json_equal(v, (json_t *)w) && found == 1)
			err_set(e, NULL, "its options are not rank 0's: --%s %g, not %g", key, json_number_value(v), json_number_value(w));
	}
	json_decref(a);
	json_decref(b);
	return found ? -1 : err_set(e, NULL, "its options are not rank 0's");
}

/* How rank m differs from rank 0. 0: in nothing. */
static int differs(const struct mind *m, const struct mind *zero, struct err *e)
{
	const struct { int is; const char *what; } other[] = {
		{m->network != zero->network, "its network is not rank 0's"},
		{m->shape != zero->shape, "its patches are of another size than rank 0's"},
		{m->prepared != zero->prepared, "its patches are prepared otherwise than rank 0's"},
		{m->drawn != zero->drawn, "its patches are drawn otherwise than rank 0's: nii-patch and nii-augment want the same options and --seed on all ranks"},
		{m->weights != zero->weights, "its initial weights are not rank 0's"},
		{m->cpu != zero->cpu, "its processor computes with other instructions than rank 0's: rounding would drive the weights apart"},
	};

	if (strcmp(m->options, zero->options))
		return other_option(m->options, zero->options, e);
	for (size_t i = 0; i < sizeof other / sizeof *other; i++)
		if (other[i].is)
			return err_set(e, NULL, "%s", other[i].what);
	return 0;
}

static int compare(struct parallel *p, const struct mind *all, struct err *e)
{
	struct err ignored;
	int any = 0;

	for (int r = 1; r < p->size; r++)
		any |= r != p->rank && differs(&all[r], &all[0], &ignored);
	return parallel_wrong(p, p->rank && differs(&all[p->rank], &all[0], e), any, e);
}

/* All patches there are, and where they begin: with the smallest index. */
static void count(struct parallel *p, const struct mind *all)
{
	p->next = all[0].first;
	p->total = 0;
	for (int r = 0; r < p->size; r++) {
		if (all[r].first < p->next)
			p->next = all[r].first;
		p->total = all[r].total < 0 || p->total < 0 ? -1 : p->total + all[r].total;
	}
	p->end = p->total < 0 ? -1 : p->next + p->total;
}

static int check_first(struct parallel *p, const struct mind *all, struct err *e)
{
	int any = 0, bad = 0;

	for (int r = 0; r < p->size; r++)
		if (all[r].first != parallel_first_of(p, r))
			any = 1, bad |= r == p->rank;
	if (bad)
		err_set(e, NULL, "begins with patch %lld, not with %lld: give nii-patch --shard auto", (long long)all[p->rank].first,
		        (long long)parallel_first(p, p->next));
	return parallel_wrong(p, bad, any, e);
}

static int read_mind(struct mind *m, const struct net *n, const struct k_backend *k, const json_t *options, const struct feed *f,
                     const struct feed_batch *b, int size, struct err *e)
{
	const int64_t shape[4] = {b->size[0], b->size[1], b->size[2], b->channels};
	char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);

	if (text)
		strncpy(m->options, text, sizeof m->options - 1);
	free(text);
	m->network = hash_json(net_arch(n));
	m->prepared = hash_json(feed_first(f)->replay);
	m->drawn = hash_json(feed_first(f)->drawing);
	m->shape = hash_bytes(shape, sizeof shape);
	m->cpu = hash_bytes(k->device, strcspn(k->device, ","));
	m->first = b->first;
	m->total = b->left < 0 || b->stride != size ? -1 : b->n + b->left;
	return hash_weights(n, k, &m->weights, e);
}

/* Ranks of one host read each other's where they lie. */
static int share_gradients(struct parallel *p, struct err *e)
{
	float *w, *g;
	int64_t total;

	net_block(p->net, &w, &g, &total);
	if (comm_share(p->comm, total, &g, e))
		return -1;
	if (g)
		net_gradients(p->net, g);
	return 0;
}

int parallel_begin(struct parallel *p, struct net *n, const struct k_backend *k, const struct hyper *h, const json_t *options, const struct feed *f,
                   const struct feed_batch *b, struct err *e)
{
	struct mind own = {0}, *all;
	int bad;

	p->net = n;
	p->next = b->first;
	p->total = b->left < 0 ? -1 : b->n + b->left;
	p->held = b;
	p->rounds = (int64_t)h->accumulate / p->size;
	if (p->rounds * p->size != (int64_t)h->accumulate)
		return err_set(e, NULL, "--accumulate %.0f: that many batches a step cannot be shared out to %d ranks", h->accumulate, p->size);
	if (!p->comm)
		return 0;
	if (parallel_normalise(p, k, e))
		return -1;
	p->none = *b;
	p->none.n = 0;
	all = mem_new((size_t)p->size, sizeof *all, "the ranks' options", e);
	bad = !all || read_mind(&own, n, k, options, f, b, p->size, e) || comm_gather(p->comm, &own, sizeof own, all, e) || compare(p, all, e);
	if (!bad) {
		count(p, all);
		bad = check_first(p, all, e);
	}
	free(all);
	return bad || share_gradients(p, e) ? -1 : 0;
}
