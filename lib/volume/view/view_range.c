#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/stream/history.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/volume/view/view.h"

/* Is that channel a CT's? */
static int is_ct(const struct frame *f, int64_t channel)
{
	const char *text = frame_meta(f, "channels");
	json_t *names = text ? json_loads(text, 0, NULL) : NULL;
	const char *name = json_string_value(json_array_get(names, (size_t)channel));
	const int r = json_array_size(names) ? name && !strcasecmp(name, "ct") : !channel;

	json_decref(names);
	return r;
}

/* HU = scale value + shift as the history has it: 1 and 0 where nothing touched a CT's values, a window's inverse, else 0. 0, or -1 and an error. */
static int from_history(const struct frame *f, int64_t channel, struct view_range *r, struct err *e)
{
	json_t *steps = history_get(f, e), *step;
	struct normalize n;
	size_t i;
	int times = 0, other;

	if (!steps)
		return -1;
	r->scale = 1, r->shift = 0;
	json_array_foreach(steps, i, step) {
		const char *tool = json_string_value(json_object_get(step, "tool"));
		struct err why;

		if (!tool || (strcmp(tool, "nii-normalize") && strcmp(tool, "nii-augment")))
			continue;
		other = !strcmp(tool, "nii-normalize") ? normalize_parse(&n, json_object_get(step, "args"), &why) : 1;
		if (!other && n.alone && n.channel != channel)
			continue;
		times++;
		if (other || n.mode != NORMALIZE_RANGE) {
			r->scale = 0;
			continue;
		}
		r->scale = (n.range[1] - n.range[0]) / (n.range[3] - n.range[2]);
		r->shift = n.range[0] - r->scale * n.range[2];
	}
	json_decref(steps);
	r->scale = times > 1 || !isfinite(r->scale) || !is_ct(f, channel) ? 0 : r->scale;
	r->known = times > 0;
	return 0;
}

int view_range(const struct frame *f, const struct cut *c, const struct tensor *t, int64_t channel, struct view_range *r, struct err *e)
{
	double least = INFINITY, most = -INFINITY;
	int image = t->name && !strcmp(t->name, "image"), within;
	float *s;

	*r = (struct view_range){0};
	if (image && from_history(f, channel, r, e))
		return -1;
	s = cut_slice(c, t, c->across.n / 2, e);
	if (!s)
		return -1;
	for (int64_t i = 0; i < c->right.n * c->down.n; i++)
		if (isfinite(s[i]))
			least = fmin(least, s[i]), most = fmax(most, s[i]);
	free(s);
	within = least >= -1e-6 && most <= 1 + 1e-6;
	if (!r->known && dtype_is_float(t->dtype) && within)
		r->scale = 0; /* someone else has normalised it */
	if (r->scale != 0)
		r->lo = (VIEW_BLACK - r->shift) / r->scale, r->hi = (VIEW_WHITE - r->shift) / r->scale;
	else
		r->lo = within ? 0 : least, r->hi = within ? 1 : most;
	if (!(r->lo < r->hi))
		r->lo = isfinite(r->lo) ? r->lo : 0, r->hi = r->lo + 1;
	return 0;
}

int view_range_chosen(const struct frame *f, const struct cut *c, const struct tensor *t, int64_t channel, enum view_window window, double lo,
                      double hi, struct view_range *r, struct err *e)
{
	if (view_range(f, c, t, channel, r, e))
		return -1;
	if (window == VIEW_HU && r->scale == 0)
		return err_set(e, NULL, "tensor '%s' is not in HU: no window by name", t->name);
	if (window != VIEW_AUTO)
		r->lo = lo, r->hi = hi;
	if (window == VIEW_HU)
		r->lo = (lo - r->shift) / r->scale, r->hi = (hi - r->shift) / r->scale;
	return 0;
}
