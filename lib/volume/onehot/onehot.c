#include "lib/volume/onehot/onehot.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/option.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"

enum { MOST = 255 };

struct stack {
	struct later later;
	int64_t own, voxels; /* elements of the image's channels; of one */
	uint8_t label[];
};

static void table_of(struct onehot *o, struct option t[2])
{
	t[0] = (struct option){"classes", OPTION_INTS, &o->classes, 1, NULL, NULL};
	t[1] = (struct option){0};
}

json_t *onehot_json(const struct onehot *o)
{
	struct onehot v = *o;
	struct option t[2];

	table_of(&v, t);
	return option_json(t);
}

int onehot_parse(struct onehot *o, const json_t *args, struct err *e)
{
	struct option t[2];

	table_of(o, t);
	if (option_parse(args, t, e))
		return -1;
	return o->classes >= 1 && o->classes <= MOST ? 0 : err_set(e, NULL, "classes: %lld is not 1 to %d", (long long)o->classes, MOST);
}

static void make(const struct tensor *t, int64_t first, int64_t n, void *out)
{
	const struct stack *s = (const struct stack *)t->later;
	const int64_t own = first < s->own ? (n < s->own - first ? n : s->own - first) : 0;
	float *to = out;

	if (own)
		tensor_load_f32(&s->later.from, first, own, to);
	for (int64_t i = own; i < n; i++) {
		const int64_t at = first + i - s->own;

		to[i] = s->label[at % s->voxels] == at / s->voxels + 1;
	}
}

static int copy_labels(const struct tensor *t, int64_t classes, uint8_t *to, struct err *e)
{
	const int64_t i = tensor_to_u8(t, (uint8_t)classes, to), x = t->shape[2], y = t->shape[1];

	if (i < 0)
		return 0;
	return err_set(e, NULL, "tensor '%s': label %.0f at voxel %lld,%lld,%lld (expected 0 to %lld)", t->name, tensor_value(t, i), (long long)(i % x),
	               (long long)(i / x % y), (long long)(i / x / y), (long long)classes);
}

int onehot_apply(struct frame *f, const struct onehot *o, struct err *e)
{
	const char *name = frame_find(f, "previous") ? "previous" : "label";
	struct tensor *image = frame_need(f, "image", e);
	const struct tensor *label;
	struct stack *s;
	struct grid g;
	int64_t shape[4] = {1};

	if (!image || frame_grid(f, &g, e))
		return -1;
	if (!frame_find(f, name))
		return err_set(e, NULL, "no tensor 'previous' or 'label' in this frame: what the model before it found (nii-read --with previous=FILE, "
		                        "segment.sh --previous)");
	label = frame_labels(f, name, e);
	if (!label)
		return -1;
	for (int k = 0; k < image->rank; k++)
		shape[4 - image->rank + k] = image->shape[k];
	s = mem_new(sizeof *s + (size_t)tensor_count(label), 1, "labels", e);
	if (!s)
		return -1;
	s->later = (struct later){.make = make};
	s->own = tensor_count(image);
	s->voxels = tensor_count(label);
	if (copy_labels(label, o->classes, s->label, e)) {
		free(s);
		return -1;
	}
	shape[0] += o->classes;
	if (tensor_later(image, DT_F32, 4, shape, &s->later, e))
		return -1;
	frame_drop(f, name);
	return history_push(f, "nii-onehot", onehot_json(o), NULL, NULL, e);
}
