/* The importance map of a window, and the window a model was trained with. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/net/window/window.h"

/* exp(-x^2 / 2 s^2), x from the true centre; returns the end. */
static float *bell(float *to, int64_t roi, double sigma)
{
	double s = sigma * (double)roi;

	for (int64_t j = 0; j < roi; j++) {
		double x = (double)j - (double)(roi - 1) / 2;

		*to++ = (float)exp(-x * x / (2 * s * s));
	}
	return to;
}

/* What scipy's gaussian_filter makes of a single 1 at roi / 2, relative to its maximum: 0 beyond 4 sigma; returns the end. */
static float *filtered(float *to, int64_t roi, double sigma)
{
	double s = sigma * (double)roi;
	int64_t reach = (int64_t)(4 * s + 0.5);

	for (int64_t j = 0; j < roi; j++) {
		int64_t x = j > roi / 2 ? j - roi / 2 : roi / 2 - j;

		*to++ = x > reach ? 0 : (float)exp(-0.5 / (s * s) * (double)(x * x));
	}
	return to;
}

static float *ones(float *to, int64_t roi, double sigma)
{
	(void)sigma;
	for (int64_t j = 0; j < roi; j++)
		*to++ = 1;
	return to;
}

/* The smallest number of a row that is not 0: nnU-Net has no smallest weight but where it is 0. */
static float least(const float *row, int64_t n)
{
	float v = FLT_MAX;

	for (int64_t i = 0; i < n; i++)
		v = row[i] > 0 && row[i] < v ? row[i] : v;
	return v;
}

float *window_weight_rows(const int64_t roi[3], enum window_mode mode, double sigma, struct k_weight *w, struct err *e)
{
	static float *(*const row[])(float *, int64_t, double) = {
		[WINDOW_GAUSSIAN] = bell, [WINDOW_CONSTANT] = ones, [WINDOW_NNUNET_GAUSSIAN] = filtered};
	float *to, *all;

	if (!(sigma > 0)) {
		err_set(e, NULL, "sigma %g is not above 0", sigma);
		return NULL;
	}
	all = to = mem_new((size_t)(roi[0] + roi[1] + roi[2]), sizeof *all, "the importance map", e);
	if (!all)
		return NULL;
	w->least = 1;
	for (int i = 0; i < 3; i++) {
		w->row[i] = to;
		to = row[mode](to, roi[i], sigma);
		w->least *= mode == WINDOW_NNUNET_GAUSSIAN ? least(w->row[i], roi[i]) : *w->row[i];
	}
	if (mode == WINDOW_GAUSSIAN && w->least < 1e-3f)
		w->least = 1e-3f;
	return all;
}

/* Windows of a lattice that differ from its first one in axis a alone are the starts on that axis. */
static void add_axis(const struct window_grid *g, const struct window_place *first, int a, const float *w, float *to)
{
	const int b = (a + 1) % 3, c = (a + 2) % 3;

	for (const struct window_place *p = g->at; p < g->at + g->total; p++)
		for (int64_t j = 0; j < g->roi[a] && p->lattice == first->lattice && p->start[b] == first->start[b] && p->start[c] == first->start[c]; j++)
			if (p->start[a] + j >= 0 && p->start[a] + j < g->size[a])
				to[p->start[a] + j] += w[j];
}

/* One lattice's line. rows: a window's weights along the axes. */
static void add_line(const struct window_grid *g, int lattice, const float *const rows[3], float *to)
{
	const struct window_place *first = g->at;

	while (first->lattice != lattice)
		first++;
	for (int a = 0; a < 3; to += g->size[a++])
		add_axis(g, first, a, rows[a], to);
}

float *window_wholes(const struct window_grid *g, enum window_mode mode, double sigma, int *n, struct err *e)
{
	const int64_t line = g->size[0] + g->size[1] + g->size[2];
	const int more = mode == WINDOW_GAUSSIAN;
	float *all = mem_zero((size_t)(g->lattices * (1 + more) * line), sizeof *all, "sums of weights", e), *rows[2] = {NULL, NULL};
	struct k_weight w[2];
	int bad = !all;

	for (int i = 0; i <= more && !bad; i++)
		bad = !(rows[i] = window_weight_rows(g->roi, i ? WINDOW_CONSTANT : mode, sigma, &w[i], e));
	for (int64_t j = 0; j < g->roi[0] && !bad && more; j++)
		rows[1][j] *= 1e-3f;
	*n = 0;
	for (int l = 0; l < g->lattices && !bad; l++)
		for (int i = 0; i <= more; i++)
			add_line(g, l, w[i].row, all + (*n)++ * line);
	free(rows[0]);
	free(rows[1]);
	if (!bad)
		return all;
	free(all);
	return NULL;
}

static int bad_roi(const struct frame *model, struct err *e)
{
	return err_set(e, model->file, "metadata roi '%.80s' is not X,Y,Z", frame_meta(model, "roi"));
}

int window_roi_get(const struct frame *model, int64_t roi[3], struct err *e)
{
	const char *text = frame_meta(model, "roi");
	char copy[128], *p = copy, *word;

	if (!text)
		return 1;
	if (strlen(text) >= sizeof copy)
		return bad_roi(model, e);
	snprintf(copy, sizeof copy, "%s", text);
	for (int i = 2; i >= 0; i--) {
		word = strsep(&p, ",");
		if (!word || arg_int(word, 1, 1 << 20, &roi[i], e))
			return bad_roi(model, e);
	}
	return p ? bad_roi(model, e) : 0;
}

int window_roi_set(struct frame *model, const int64_t roi[3], struct err *e)
{
	char text[80];

	snprintf(text, sizeof text, "%lld,%lld,%lld", (long long)roi[2], (long long)roi[1], (long long)roi[0]);
	return frame_set_meta(model, "roi", text, e);
}
