#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream/frame.h"

/* The names that are spatial by definition; any other tensor is where its shape says so. */
static const char *const spatial[] = {"image", "label", "pred", "prob"};

static int parse_affine(const char *s, double a[16], struct err *e)
{
	const char *p = s;
	char *end;

	for (int i = 0; i < 16; i++, p = end) {
		a[i] = strtod(p, &end);
		if (end == p || !isfinite(a[i]))
			return err_set(e, NULL, "metadata affine: number %d of 16 is missing or not finite", i + 1);
	}
	if (p[strspn(p, " ")])
		return err_set(e, NULL, "metadata affine: more than 16 numbers");
	if (a[12] != 0 || a[13] != 0 || a[14] != 0 || a[15] != 1)
		return err_set(e, NULL, "metadata affine: last row is not 0 0 0 1");
	return 0;
}

int frame_affine(const struct frame *f, double a[16], struct err *e)
{
	const char *text = frame_meta(f, "affine");

	return text ? parse_affine(text, a, e) : err_set(e, NULL, "no metadata 'affine'");
}

int grid_same(const struct grid *g, const struct grid *h, double tol)
{
	for (int i = 0; i < 12; i++)
		if (!(fabs(g->affine[i] - h->affine[i]) <= tol))
			return 0;
	return !memcmp(g->size, h->size, sizeof g->size);
}

int grid_match(const struct grid *g, const struct grid *want, double tol, const char *name, struct err *e)
{
	int i = 0;

	if (grid_same(g, want, tol))
		return 0;
	if (memcmp(g->size, want->size, sizeof g->size))
		return err_set(e, NULL, "is on another grid than %.400s (%lldx%lldx%lld against %lldx%lldx%lld voxels)", name, (long long)g->size[0],
		               (long long)g->size[1], (long long)g->size[2], (long long)want->size[0], (long long)want->size[1], (long long)want->size[2]);
	while (fabs(g->affine[i] - want->affine[i]) <= tol)
		i++;
	return err_set(e, NULL, "is on another grid than %.400s (affine row %d, column %d: %.9g against %.9g)", name, i / 4 + 1, i % 4 + 1,
	               g->affine[i], want->affine[i]);
}

int tensor_on_grid(const struct tensor *t, const struct grid *g)
{
	const int64_t *s = t->shape + t->rank - 3;

	return t->rank >= 3 && s[0] == g->size[2] && s[1] == g->size[1] && s[2] == g->size[0];
}

int64_t tensor_count(const struct tensor *t)
{
	return (int64_t)(t->size / dtype_size(t->dtype));
}

static int agree(const struct tensor *t, const char **first, struct grid *g, struct err *e)
{
	if (t->rank != 3 && t->rank != 4)
		return err_set(e, NULL, "tensor '%s' has %d axes (expected [Z,Y,X] or [C,Z,Y,X])", t->name, t->rank);
	if (!*first) {
		for (int i = 0; i < 3; i++)
			g->size[i] = t->shape[t->rank - 1 - i];
		*first = t->name;
	}
	if (!tensor_on_grid(t, g))
		return err_set(e, NULL, "'%s' is on another grid than '%s' (%lldx%lldx%lld against %lldx%lldx%lld voxels)", t->name, *first,
		               (long long)t->shape[t->rank - 1], (long long)t->shape[t->rank - 2], (long long)t->shape[t->rank - 3],
		               (long long)g->size[0], (long long)g->size[1], (long long)g->size[2]);
	if (!t->size)
		return err_set(e, NULL, "tensor '%s' has no voxels", t->name);
	return 0;
}

int frame_grid(const struct frame *f, struct grid *g, struct err *e)
{
	const char *first = NULL;

	for (size_t i = 0; i < sizeof spatial / sizeof *spatial; i++) {
		const struct tensor *t = frame_find(f, spatial[i]);

		if (t && agree(t, &first, g, e))
			return -1;
	}
	if (!first)
		return err_set(e, NULL, "no image, label, pred or prob in this frame");
	return frame_affine(f, g->affine, e);
}

int frame_set_affine(struct frame *f, const double a[16], struct err *e)
{
	char text[16 * 26], *p = text;

	for (int i = 0; i < 16; i++)
		p += snprintf(p, 26, "%s%.17g", i ? " " : "", a[i]);
	return frame_set_meta(f, "affine", text, e);
}

/* A frame without an affine is nowhere; one that has it must be right, and t be where the others are. */
static int somewhere(const struct frame *f, const struct tensor *t, struct err *e)
{
	struct grid g;
	int others = 0;

	if (!frame_meta(f, "affine"))
		return 0;
	for (size_t i = 0; i < sizeof spatial / sizeof *spatial; i++)
		others |= frame_find(f, spatial[i]) != NULL;
	if (!others)
		return frame_affine(f, g.affine, e);
	if (frame_grid(f, &g, e))
		return -1;
	return tensor_on_grid(t, &g) ? 0 : err_set(e, NULL, "tensor '%.80s' is on another grid than the frame's others", t->name);
}

struct tensor *frame_labels(const struct frame *f, const char *want, struct err *e)
{
	struct tensor *t = want ? frame_find(f, want) : frame_find(f, "pred");

	if (!t && !want)
		t = frame_find(f, "label");
	if (!t) {
		if (want)
			err_set(e, NULL, "no tensor '%.80s' in this frame", want);
		else
			err_set(e, NULL, "no pred and no label in this frame%s", frame_find(f, "prob") ? ": seg-argmax makes pred of prob" : "");
		return NULL;
	}
	if (dtype_is_float(t->dtype) || t->rank != 3) {
		err_set(e, NULL, "tensor '%s' is %s with %d axes (expected integers [Z,Y,X])", t->name, dtype_name(t->dtype), t->rank);
		return NULL;
	}
	if (!t->size) {
		err_set(e, NULL, "tensor '%s' has no voxels", t->name);
		return NULL;
	}
	return somewhere(f, t, e) ? NULL : t;
}
