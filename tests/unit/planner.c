/* lib/net/planner, lib/volume/fingerprint: against nnU-Net's planners on MSD Task06's fingerprint and random ones (tests/golden/plan.tsv), and
   against its fingerprint extractor. */
#define _GNU_SOURCE
#include "lib/net/planner/planner.h"
#include "lib/stream/stream.h"
#include "tests/unit/tap.h"

static json_t *load(const char *path)
{
	json_error_t why;
	json_t *j = json_load_file(path, 0, &why);

	ok(j, "%s %s", path, j ? "" : why.text);
	return j;
}

/* Numbers to 1e-12 (or tol, where that is more), all else equal; what is different at `at` is printed. Objects: `wanted` may have fewer keys. */
static int same(const json_t *is, const json_t *wanted, double tol, const char *at)
{
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_number(wanted))
		return json_is_number(is) && near_to(json_number_value(is), json_number_value(wanted), tol, tol) ? 1 : (printf("# %s differs\n", at), 0);
	if (json_is_object(wanted)) {
		json_object_foreach((json_t *)wanted, key, v)
			if (!same(json_object_get(is, key), v, tol, key))
				return 0;
		return 1;
	}
	if (json_is_array(wanted)) {
		json_array_foreach((json_t *)wanted, i, v)
			if (!same(json_array_get(is, i), v, tol, at))
				return 0;
		return json_array_size(is) == json_array_size(wanted) ? 1 : (printf("# %s is longer or shorter\n", at), 0);
	}
	return json_equal(is, wanted) ? 1 : (printf("# %s differs\n", at), 0);
}

/* What plan.tsv has of a configuration. */
static json_t *brief_config(const json_t *c)
{
	static const char *const keys[] = {"batch_size", "patch_size", "median_image_size_in_voxels", "spacing", "batch_dice"};
	static const char *const args[] = {"n_stages", "features_per_stage", "kernel_sizes", "strides"};
	const json_t *a = json_object_get(json_object_get(c, "architecture"), "arch_kwargs");
	const json_t *blocks = json_object_get(a, "n_blocks_per_stage");
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(o, keys[i], json_object_get(c, keys[i]));
	for (size_t i = 0; i < sizeof args / sizeof *args; i++)
		json_object_set(o, args[i], json_object_get(a, args[i]));
	json_array_extend(list, json_object_get(c, "normalization_schemes"));
	json_array_extend(list, json_object_get(c, "use_mask_for_norm"));
	json_object_set_new(o, "normalization", list);
	list = json_array();
	json_array_extend(list, (json_t *)(blocks ? blocks : json_object_get(a, "n_conv_per_stage")));
	json_array_extend(list, json_object_get(a, "n_conv_per_stage_decoder"));
	json_object_set_new(o, "blocks", list);
	return o;
}

static json_t *brief(const json_t *plan)
{
	static const char *const keys[] = {"transpose_forward", "original_median_spacing_after_transp", "original_median_shape_after_transp"};
	json_t *o = json_object(), *c;
	const char *name;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(o, keys[i], json_object_get(plan, keys[i]));
	json_object_foreach(json_object_get(plan, "configurations"), name, c)
		if (!json_object_get(c, "inherits_from"))
			json_object_set_new(o, name, brief_config(c));
	return o;
}

static int kind_of(const char *name)
{
	static const char *const words[] = {"nnunet", "resenc", "resenc-m", "resenc-l", "resenc-xl"};
	int i = 0;

	while (i < 4 && strcmp(words[i], name))
		i++;
	return i;
}

static json_t *plan_of(const json_t *o, const json_t *fingerprint, struct err *e)
{
	struct planner p = {.kind = (enum planner_kind)kind_of(json_string_value(json_object_get(o, "planner"))), .name = "Dataset006_Lung",
		.memory = json_number_value(json_object_get(o, "memory")), .classes = json_integer_value(json_object_get(o, "classes")),
		.schemes = !json_is_null(json_object_get(o, "zscore")), /* null: as the channels' names say */
		.scheme = {json_is_true(json_object_get(o, "zscore")) ? PLANNER_ZSCORE : PLANNER_CT}};
	struct fingerprint fp = {0};
	json_t *plan;

	for (size_t a = 0; a < 3; a++)
		p.spacing[a] = json_number_value(json_array_get(json_object_get(o, "spacing"), a));
	plan = fingerprint_parse(&fp, fingerprint, e) ? NULL : planner_plan(&p, &fp, e);
	fingerprint_free(&fp);
	return plan;
}

static void one(char *line, int no)
{
	json_t *column[3], *plan, *is, *full;
	struct err e = {""};
	char *p = line;

	for (int i = 0; i < 3; i++)
		column[i] = json_loads(strsep(&p, "\t"), 0, NULL);
	plan = plan_of(column[0], column[1], &e);
	is = brief(plan);
	ok(plan && same(is, column[2], 1e-12, "") && json_object_size(is) == json_object_size(column[2]), "plan %d %s", no, e.text);
	if (no == 1) {
		full = load("tests/golden/plan-full.json");
		ok(same(plan, full, 1e-12, ""), "all of plans.json");
		json_decref(full);
	}
	for (int i = 0; i < 3; i++)
		json_decref(column[i]);
	json_decref(plan);
	json_decref(is);
}

static void plans(void)
{
	FILE *f = fopen("tests/golden/plan.tsv", "r");
	char *line = NULL;
	size_t room = 0;
	int n = 0;

	while (f && getline(&line, &room, f) > 0)
		one(line, ++n);
	ok(n == 50, "50 plans");
	free(line);
	if (f)
		fclose(f);
}

/* Statistics: nnU-Net's are float32 sums of 10^8 numbers. */
static void fingerprint(void)
{
	struct stream *s;
	struct fingerprint p = {0}, again = {0};
	struct frame f;
	struct err e = {""};
	json_t *wanted = load("tests/golden/plan-fingerprint.json"), *is, *back;
	int r = 0;

	s = stream_open("tests/golden/plan-volumes.ts", &e);
	while (s && !r && stream_next(s, &f, &e) == 1) {
		r = fingerprint_add(&p, &f, &e);
		frame_free(&f);
	}
	ok(s && !r && !fingerprint_finish(&p, &e), "a fingerprint %s", e.text);
	is = fingerprint_json(&p);
	ok(same(is, wanted, 1e-5, ""), "is nnU-Net's");
	ok(p.classes == 3 && p.c[0].components == 2 && p.c[2].components == 0, "classes, components");
	ok(near_to(p.c[0].volume, (100 + 12) * 0.8 * 0.9 * 2.5, 1e-3, 0), "volume");
	ok(!fingerprint_parse(&again, is, &e), "read back %s", e.text);
	back = fingerprint_json(&again);
	ok(json_equal(is, back), "as it was written");
	json_decref(is);
	json_decref(back);
	json_decref(wanted);
	fingerprint_free(&p);
	fingerprint_free(&again);
	stream_close(s);
}

int main(void)
{
	plans();
	fingerprint();
	return tap_done();
}
