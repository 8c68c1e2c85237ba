#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/net/window.h"

static int axis(struct window_grid *g, int i, double overlap, struct err *e)
{
	int64_t size = g->size[i], roi = g->roi[i], padded = size < roi ? roi : size, pad = (padded - size) / 2;
	int64_t step = roi == padded ? roi : (int64_t)((double)roi * (1.0 - overlap)); /* truncated, as Python's int() */
	int64_t n;

	if (step < 1)
		step = 1;
	n = (padded - roi + step - 1) / step + 1;
	g->start[i] = mem_new((size_t)n, sizeof *g->start[i], "the window grid", e);
	if (!g->start[i])
		return -1;
	for (int64_t d = 0; d < n; d++) {
		int64_t s = d * step;

		g->start[i][d] = (s < padded - roi ? s : padded - roi) - pad;
	}
	g->count[i] = n;
	return 0;
}

int window_grid_make(struct window_grid *g, const int64_t size[3], const int64_t roi[3], double overlap, struct err *e)
{
	memset(g, 0, sizeof *g);
	memcpy(g->size, size, sizeof g->size);
	memcpy(g->roi, roi, sizeof g->roi);
	if (!(overlap >= 0 && overlap < 1))
		return err_set(e, NULL, "overlap %g is not in [0,1)", overlap);
	for (int i = 0; i < 3; i++)
		if (size[i] < 1 || roi[i] < 1)
			return err_set(e, NULL, "window of %lld on an axis of %lld voxels", (long long)roi[i], (long long)size[i]);
	for (int i = 0; i < 3; i++)
		if (axis(g, i, overlap, e)) {
			window_grid_free(g);
			return -1;
		}
	g->total = g->count[0] * g->count[1] * g->count[2];
	return 0;
}

void window_grid_free(struct window_grid *g)
{
	for (int i = 0; i < 3; i++)
		free(g->start[i]);
	memset(g->start, 0, sizeof g->start);
}

void window_start(const struct window_grid *g, int64_t i, int64_t start[3])
{
	start[2] = g->start[2][i % g->count[2]];
	start[1] = g->start[1][i / g->count[2] % g->count[1]];
	start[0] = g->start[0][i / g->count[2] / g->count[1]];
}

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

static int gaussian(float *w, const int64_t roi[3], double sigma, struct err *e)
{
	double *gz = mem_new((size_t)(roi[0] + roi[1] + roi[2]), sizeof *gz, "the importance map", e), *gy, *gx, least;

	if (!gz)
		return -1;
	gy = bell(gz, roi[0], sigma);
	gx = bell(gy, roi[1], sigma);
	bell(gx, roi[2], sigma);
	least = gz[0] * gy[0] * gx[0];
	least = least > 1e-3 ? least : 1e-3;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < roi[0] * roi[1]; r++) {
		double zy = gz[r / roi[1]] * gy[r % roi[1]];

		for (int64_t x = 0; x < roi[2]; x++)
			w[r * roi[2] + x] = (float)(zy * gx[x] > least ? zy * gx[x] : least);
	}
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
	else if (gaussian(w, roi, sigma, e)) {
		free(w);
		return NULL;
	}
	return w;
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
