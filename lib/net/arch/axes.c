#include "lib/net/arch/axes.h"

#include <string.h>

#include "lib/net/arch/arch.h"

static const char LETTERS[] = "zyx";

/* -- sizes -- */

typedef void size_fn(json_t *size, void *arg);

/* Every size of n numbers. */
static void each_size(json_t *arch, size_t n, size_fn *fn, void *arg)
{
	/* alone: a list of n that is the value itself is a size; else it is one entry a level */
	static const struct { const char *key; int alone; } keys[] = {
		{"strides", 0}, {"kernel_sizes", 0}, {"upsample_kernel_size", 0}, {"kernel_size", 1}, {"up_kernel_size", 1},
		{"window_size", 1}, {"img_size", 1}, {"resolution", 1},
	};
	const char *target = json_string_value(json_object_get(arch, "_target_"));
	int levels = target && strstr(target, "DynUNet"); /* whose kernel_size is a list of levels */

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		json_t *v = json_object_get(arch, keys[i].key), *entry;
		size_t k;

		if (keys[i].alone && !levels && json_array_size(v) == n)
			fn(v, arg);
		json_array_foreach(v, k, entry)
			if (json_array_size(entry) == n)
				fn(entry, arg);
	}
}

/* -- order -- */

static void turn_three(json_t *a, void *axes)
{
	json_t *old = json_copy(a);

	for (size_t k = 0; k < 3; k++)
		json_array_set(a, k, json_array_get(old, (size_t)((const int *)axes)[k]));
	json_decref(old);
}

static void swap_two(json_t *a, void *arg)
{
	json_t *first = json_incref(json_array_get(a, 0));

	(void)arg;
	json_array_set(a, 0, json_array_get(a, 1));
	json_array_set_new(a, 1, first);
}

int axes_turned(const json_t *arch)
{
	const char *axes = json_string_value(json_object_get(arch, "axes"));

	return axes && !strcmp(axes, "xyz");
}

/* What cannot be turned counts x,y,z, or no more. */
static void turn_order(json_t *arch)
{
	if (axes_turned(arch))
		json_object_del(arch, "axes");
	else
		json_object_set_new(arch, "axes", json_string("xyz"));
}

const int *axes_inside(int slices, const int axes[3])
{
	static const int as_they_are[] = {0, 1, 2}, swapped[] = {0, 2, 1};

	if (slices < 0)
		return axes;
	return axes[slices == 0 ? 1 : 0] > axes[slices == 2 ? 1 : 2] ? swapped : as_they_are;
}

void axes_turn(json_t *arch, const int axes[3])
{
	const char *target = json_string_value(json_object_get(arch, "_target_"));
	const int slices = axes_slices(arch), *inside = axes_inside(slices, axes);

	if (target && strstr(target, "SwinUNETR") && inside[slices < 0 ? 0 : 1] == 2)
		turn_order(arch);
	if (slices < 0)
		each_size(arch, 3, turn_three, (int *)axes);
	else if (inside[1] == 2)
		each_size(arch, 2, swap_two, NULL);
}

/* -- two dimensions -- */

static int is_flat(const json_t *arch)
{
	const char *conv = json_string_value(json_object_get(arch, "conv_op"));

	return json_integer_value(json_object_get(arch, "spatial_dims")) == 2 || (conv && !strcmp(arch_class(conv), "Conv2d"));
}

/* -1: it is none. */
static int slice_axis(const json_t *arch)
{
	const json_t *v = json_object_get(arch, "slice_axis");
	const char *s = v ? json_string_value(v) : "z", *at = s && strlen(s) == 1 ? strchr(LETTERS, *s) : NULL;

	return at ? (int)(at - LETTERS) : -1;
}

int axes_slices(const json_t *arch)
{
	const int axis = slice_axis(arch);

	return !is_flat(arch) ? -1 : axis < 0 ? 0 : axis;
}

void axes_set_slices(json_t *arch, int slices)
{
	if (slices)
		json_object_set_new(arch, "slice_axis", json_stringn(LETTERS + slices, 1));
	else
		json_object_del(arch, "slice_axis");
}

/* A class whose name ends in "2d", or "3d", becomes that of so many dimensions. */
static void set_class(json_t *arch, const char *key, char dims)
{
	const char *class = json_string_value(json_object_get(arch, key));
	size_t n = class ? strlen(class) : 0;
	char copy[128];

	if (n < 2 || n >= sizeof copy || (strcmp(class + n - 2, "2d") && strcmp(class + n - 2, "3d")))
		return;
	memcpy(copy, class, n + 1);
	copy[n - 2] = dims;
	json_object_set_new(arch, key, json_string(copy));
}

static void set_dims(json_t *arch, char dims)
{
	if (json_object_get(arch, "spatial_dims"))
		json_object_set_new(arch, "spatial_dims", json_integer(dims - '0'));
	set_class(arch, "norm_op", dims);
	set_class(arch, "dropout_op", dims);
	set_class(arch, "conv_op", dims);
}

void axes_flatten(json_t *arch)
{
	set_dims(arch, '2');
}

/* Of what a layer has there the graph makes 1. */
static void insert_any(json_t *size, void *arg)
{
	(void)arg;
	json_array_insert(size, 0, json_array_get(size, 0));
}

static void note(json_t *size, void *found)
{
	json_array_append(found, size);
}

/* A list of three where a size of two should be */
static int has_three(json_t *arch)
{
	json_t *found = json_array();
	size_t n;

	each_size(arch, 3, note, found);
	n = json_array_size(found);
	json_decref(found);
	return n > 0;
}

json_t *axes_solid(const json_t *arch, struct err *e)
{
	const int axis = slice_axis(arch);
	json_t *a = json_deep_copy(arch);

	if (axis < 0 || has_three(a)) {
		if (axis < 0)
			err_set(e, NULL, "slice_axis must be \"z\", \"y\" or \"x\"");
		else
			err_set(e, NULL, "has a size of three numbers, and is of two dimensions");
		json_decref(a);
		return NULL;
	}
	each_size(a, 2, insert_any, NULL);
	json_object_del(a, "slice_axis");
	set_dims(a, '3');
	return a;
}
