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
static double *bell(double *to, int64_t roi, double sigma)
{
	double s = sigma * (double)roi;

	for (int64_t j = 0; j < roi; j++) {
		double x = (double)j - (double)(roi - 1) / 2;

		*to++ = exp(-x * x / (2 * s * s));
	}
	return to;
}

/* What scipy's gaussian_filter makes of a single 1 at roi / 2, relative to its maximum: 0 beyond 4 sigma; returns the end. */
static double *filtered(double *to, int64_t roi, double sigma)
{
	double s = sigma * (double)roi;
	int64_t reach = (int64_t)(4 * s + 0.5);

	for (int64_t j = 0; j < roi; j++) {
		int64_t x = j > roi / 2 ? j - roi / 2 : roi / 2 - j;

		*to++ = x > reach ? 0 : exp(-0.5 / (s * s) * (double)(x * x));
	}
	return to;
}

/* A window's weights along an axis; returns the end. */
static double *row(double *to, int64_t roi, enum window_mode mode, double sigma)
{
	if (mode != WINDOW_CONSTANT)
		return (mode == WINDOW_GAUSSIAN ? bell : filtered)(to, roi, sigma);
	for (int64_t j = 0; j < roi; j++)
		*to++ = 1;
	return to;
}

/* The product of three rows, not below `least`. */
static void product(float *w, const int64_t roi[3], const double *gz, const double *gy, const double *gx, double least)
{
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < roi[0] * roi[1]; r++) {
		double zy = gz[r / roi[1]] * gy[r % roi[1]];

		for (int64_t x = 0; x < roi[2]; x++)
			w[r * roi[2] + x] = (float)(zy * gx[x] > least ? zy * gx[x] : least);
	}
}

/* nnU-Net has no smallest weight but where it is 0. */
static void fill_zeros(float *w, int64_t n)
{
	float least = FLT_MAX;

	for (int64_t i = 0; i < n; i++)
		least = w[i] > 0 && w[i] < least ? w[i] : least;
	for (int64_t i = 0; i < n; i++)
		w[i] = w[i] > 0 ? w[i] : least;
}

static int gaussian(float *w, const int64_t roi[3], enum window_mode mode, double sigma, struct err *e)
{
	double *gz = mem_new((size_t)(roi[0] + roi[1] + roi[2]), sizeof *gz, "the importance map", e), *gy, *gx, least;

	if (!gz)
		return -1;
	gy = row(gz, roi[0], mode, sigma);
	gx = row(gy, roi[1], mode, sigma);
	row(gx, roi[2], mode, sigma);
	least = gz[0] * gy[0] * gx[0];
	product(w, roi, gz, gy, gx, mode != WINDOW_GAUSSIAN ? 0 : least > 1e-3 ? least : 1e-3);
	if (mode != WINDOW_GAUSSIAN)
		fill_zeros(w, roi[0] * roi[1] * roi[2]);
	free(gz);
	return 0;
}

float *window_weights(const int64_t roi[3], enum window_mode mode, double sigma, struct err *e)
{
	size_t n;
	float *w;

	if (!(sigma > 0)) {
		err_set(e, NULL, "sigma %g is not above 0", sigma);
		return NULL;
	}
	if (mem_mul(&n, (size_t)roi[0], (size_t)roi[1]) || mem_mul(&n, n, (size_t)roi[2])) {
		err_set(e, NULL, "a window of %lldx%lldx%lld voxels is too large", (long long)roi[2], (long long)roi[1], (long long)roi[0]);
		return NULL;
	}
	w = mem_new(n, sizeof *w, "the importance map", e);
	if (!w)
		return NULL;
	if (mode == WINDOW_CONSTANT)
		for (size_t i = 0; i < n; i++)
			w[i] = 1;
	else if (gaussian(w, roi, mode, sigma, e)) {
		free(w);
		return NULL;
	}
	return w;
}

/* Windows of a lattice that differ from its first one in axis a alone are the starts on that axis. */
static void add_axis(const struct window_grid *g, const struct window_place *first, int a, const double *w, float *to)
{
	const int b = (a + 1) % 3, c = (a + 2) % 3;

	for (const struct window_place *p = g->at; p < g->at + g->total; p++)
		for (int64_t j = 0; j < g->roi[a] && p->lattice == first->lattice && p->start[b] == first->start[b] && p->start[c] == first->start[c]; j++)
			if (p->start[a] + j >= 0 && p->start[a] + j < g->size[a])
				to[p->start[a] + j] += (float)w[j];
}

/* One lattice's line. scale: of the product. */
static void add_line(const struct window_grid *g, int lattice, enum window_mode mode, double sigma, double scale, double *w, float *to)
{
	const struct window_place *first = g->at;

	while (first->lattice != lattice)
		first++;
	for (int a = 0; a < 3; to += g->size[a++]) {
		row(w, g->roi[a], mode, sigma);
		for (int64_t j = 0; j < g->roi[a] && !a; j++)
			w[j] *= scale;
		add_axis(g, first, a, w, to);
	}
}

float *window_wholes(const struct window_grid *g, enum window_mode mode, double sigma, int *n, struct err *e)
{
	const int64_t line = g->size[0] + g->size[1] + g->size[2];
	const int more = mode == WINDOW_GAUSSIAN;
	float *all = mem_zero((size_t)(g->lattices * (1 + more) * line), sizeof *all, "sums of weights", e);
	double *w = mem_new((size_t)(g->roi[0] + g->roi[1] + g->roi[2]), sizeof *w, "sums of weights", e);

	*n = 0;
	for (int l = 0; all && w && l < g->lattices; l++) {
		add_line(g, l, mode, sigma, 1, w, all + (*n)++ * line);
		if (more)
			add_line(g, l, WINDOW_CONSTANT, sigma, 1e-3, w, all + (*n)++ * line);
	}
	free(w);
	if (!w) {
		free(all);
		return NULL;
	}
	return all;
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
