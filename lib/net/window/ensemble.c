#include "lib/net/window/ensemble.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/stream/names.h"

/* The patches a model was trained with, "X,Y,Z". */
static const char *patches(const struct model *m)
{
	const char *roi = frame_meta(&m->frame, "roi");

	return roi ? roi : "unknown";
}

static const char *regions(const struct model *m)
{
	const char *text = frame_meta(&m->frame, "regions");

	return text ? text : "";
}

/* Does model i go with the first? */
static int agree(const struct ensemble *m, int i, struct err *e)
{
	const struct model *a = &m->model[0], *b = &m->model[i];
	const char *labels[2] = {frame_meta(&a->frame, "labels"), frame_meta(&b->frame, "labels")};
	const int k[2] = {net_classes(m->net[0]), net_classes(m->net[i])}, c[2] = {net_channels(m->net[0]), net_channels(m->net[i])};

	if (k[0] != k[1])
		return err_set(e, b->file, "gives %d classes, %s %d: models of different jobs", k[1], a->file, k[0]);
	if (c[0] != c[1])
		return err_set(e, b->file, "takes %d channels, %s %d: models of different jobs", c[1], a->file, c[0]);
	if (!json_equal(a->replay, b->replay))
		return err_set(e, b->file, "wants volumes that are prepared otherwise than for %s", a->file);
	if (strcmp(regions(a), regions(b)))
		return err_set(e, b->file, "has other regions than %s: models of different jobs", a->file);
	if (labels[0] && labels[1] && strcmp(labels[0], labels[1]))
		return err_set(e, b->file, "has other labels than %s: models of different jobs", a->file);
	if (names_other_channels(a->channels, b->channels))
		return err_set(e, b->file, "takes channels %.200s, %s %.200s", b->channels, a->file, a->channels);
	if (strcmp(patches(a), patches(b)))
		return err_set(e, b->file, "was trained on patches of %.40s voxels, %s of %.40s", patches(b), a->file, patches(a));
	return 0;
}

int ensemble_open(struct ensemble *m, const char *const *paths, int n, const struct k_backend *k, struct err *e)
{
	memset(m, 0, sizeof *m);
	m->k = k;
	for (int i = 0; i < n; i++) {
		if (model_net(&m->model[i], paths[i], k, &m->net[i], e))
			break;
		m->n++;
		if (agree(m, i, e))
			break;
		if (i == n - 1)
			return 0;
	}
	ensemble_close(m);
	return -1;
}

void ensemble_close(struct ensemble *m)
{
	for (int i = 0; i < m->n; i++) {
		net_free(m->net[i]);
		model_close(&m->model[i]);
	}
	m->n = 0;
}

int ensemble_plan(struct ensemble *m, int64_t batch, const int64_t roi[3], size_t more, struct err *e)
{
	const size_t free_now = m->k->available ? m->k->available() : mem_available(), has = free_now + m->held;
	size_t sum = 0;

	for (int i = 0; i < m->n; i++) {
		if (net_plan(m->net[i], batch, roi, 0, e))
			return m->n > 1 ? err_prefix(e, "%s: roi", m->model[i].file) : err_prefix(e, "roi");
		sum += net_arena(m->net[i]);
		if (free_now && sum + more > has)
			return err_set(e, NULL, "roi: a window of %lld,%lld,%lld voxels (x,y,z) needs %zu MB, there are %zu: take a smaller --roi", (long long)roi[2],
			               (long long)roi[1], (long long)roi[0], (sum + more) >> 20, has >> 20);
	}
	m->held = sum;
	return 0;
}

json_t *ensemble_hashes(const char *const *paths, int n)
{
	json_t *a = json_array();
	char hash[HASH_TEXT];

	for (int i = 0; i < n; i++)
		if (!hash_file(paths[i], hash))
			json_array_append_new(a, json_string(hash));
	return a;
}
