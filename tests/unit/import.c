/* lib/net: pickles that lie, files of torch.save cut anywhere, names fitted to a network, ONNX. Files: tests/golden/make_import.py. */
#include "tests/unit/tap.h"

#include <unistd.h>

#include "lib/net/graph/alias.h"
#include "lib/net/arch/archfile.h"
#include "lib/net/export/export.h"
#include "lib/net/export/onnx.h"
#include "lib/net/import/pickle.h"
#include "lib/net/planner/plans.h"
#include "lib/net/import/torch.h"

static struct err e;

/* -- pickles -- */

static const struct { const char *name, *bytes; size_t n; const char *error; } BAD[] = {
#define P(name, bytes, error) {name, bytes, sizeof bytes - 1, error}
	P("nothing", "", "ends inside an operation"),
	P("os.system", "\x80\x02" "cposix\nsystem\nX\2\0\0\0ls\x85R.", "asks for posix.system"),
	P("eval", "\x80\x04\x8c\x08" "builtins\x8c\x04" "eval\x93.", "asks for builtins.eval"),
	P("a name that begins like one of the list", "ctorch\nFloatStorage2\n.", "asks for torch.FloatStorage2"),
	P("a name cut short", "ctorch\nFloatStorag\n.", "asks for torch.FloatStorag"),
	P("an attribute of one", "\x80\x04\x8c\x0b" "collections\x8c\x14" "OrderedDict.__init__\x93.", "asks for collections.OrderedDict.__init__"),
	P("protocol 0's call", "(icollections\nOrderedDict\n.", "in the way of protocol 0"),
	P("an object's class on the stack", "(ccollections\nOrderedDict\no.", "operation 0x6f"),
	P("extensions", "\x82\x01.", "operation 0x82"),
	P("a type that is called", "ctorch\nfloat32\n)R.", "in a way that is not understood"),
	P("what is no name called", "K\1)R.", "calls what is no name"),
	P("called with no tuple", "ccollections\nOrderedDict\nK\1R.", "calls what is no name, or not with a tuple"),
	P("a tensor of nothing", "ctorch._utils\n_rebuild_tensor_v2\n)R.", "in a way that is not understood"),
	P("a type around os.system", "ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\n", "asks for posix.system"),
	P("a type around itself", "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n)NtR.",
	  "not understood"),
	P("state of a tensor's storage", "]K\1b.", "sets the state of what has none"),
	P("something outside", "U\1aQ.", "refers to something outside"),
	P("a stack run dry", "0.", "no mark to go back to"),
	P("a tuple of nothing", "\x87.", "takes more values than there are"),
	P("over a mark", "K\1(\x85.", "takes more values than there are"),
	P("no mark", "t.", "no mark"),
	P("stop at once", ".", "takes more values than there are"),
	P("a key without a value", "}(K\1u.", "items for what is no dict"),
	P("items for a number", "K\1(K\1e.", "items for what is no list"),
	P("an empty memo", "h\1.", "memo 1 is empty"),
	P("a huge memo", "Nr\xff\xff\xff\xff.", "memo 4294967295 (at most"),
	P("a text longer than all", "X\xff\xff\xff\xff" "a", "ends inside an operation (expected 4294967295 bytes, found 1)"),
	P("a text of 2^64 - 1 bytes", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "a", "ends inside an operation"),
	P("a number longer than all", "\x8b\xff\xff\xff\x7f" "a", "ends inside an operation"),
	P("protocol 6", "\x80\x06N.", "protocol 6"),
	P("a name without an end", "ctorch", "or without an end"),
#undef P
};

static void test_bad_pickles(void)
{
	for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
		struct pickle p;
		char *copy = malloc(BAD[i].n + 1); /* so that ASan sees its end */
		int r;

		memcpy(copy, BAD[i].bytes, BAD[i].n);
		e.text[0] = 0;
		r = pickle_load(&p, copy, BAD[i].n, "file", 0, &e);
		ok(r && strstr(e.text, BAD[i].error) && !strncmp(e.text, "file: ", 6), "pickle: %s: %.150s", BAD[i].name, r ? e.text : "accepted");
		pickle_free(&p);
		free(copy);
	}
}

static void test_values(void)
{
	static const char text[] = "\x80\x02}q\0(U\1aK\x07U\1bJ\xfe\xff\xff\xffU\1c\x8a\2\xff\xffU\1dG?\xf8\0\0\0\0\0\0U\1e\x88U\1fNU\1g]q\1(K\1h\0e"
	                           "U\1h\x8a\x09\0\0\0\0\0\0\0\0\1U\1aK\x08u.rest";
	struct pickle p;
	int r = pickle_load(&p, text, sizeof text - 1, "file", 0, &e), v = p.root;

	ok(!r && p.used == sizeof text - 5, "a pickle ends at its stop: %zu", p.used);
	ok(pickle_get(&p, v, "a") >= 0 && p.v[pickle_get(&p, v, "a")].i == 8, "the last of two equal keys counts");
	ok(p.v[pickle_get(&p, v, "b")].i == -2 && p.v[pickle_get(&p, v, "c")].i == -1, "negative numbers");
	ok(p.v[pickle_get(&p, v, "d")].d == 1.5 && p.v[pickle_get(&p, v, "e")].i == 1 && pickle_is(&p, pickle_get(&p, v, "f"), PICKLE_NONE), "others");
	ok(pickle_item(&p, pickle_get(&p, v, "g"), 1) == v && pickle_item(&p, pickle_get(&p, v, "g"), 2) == -1, "a list in a dict that it holds");
	ok(pickle_is(&p, pickle_get(&p, v, "h"), PICKLE_OPAQUE) && pickle_get(&p, v, "z") == -1, "a number too long is nothing of interest");
	pickle_free(&p);
}

/* One byte makes a value: how many, how deep. */
static void test_bombs(void)
{
	size_t n = (size_t)PICKLE_MOST + 64;
	char *many = malloc(n);
	struct pickle p;

	memset(many, ')', n);
	ok(pickle_load(&p, many, n, "f", 0, &e) && strstr(e.text, "too many values, or not enough memory (4194304 values)"), "values: %s", e.text);
	pickle_free(&p);
	memset(many, '(', n);
	ok(pickle_load(&p, many, n, "f", 0, &e) && strstr(e.text, "too much at once"), "marks: %s", e.text);
	pickle_free(&p);
	memset(many, '2', n);
	many[0] = 'N';
	ok(pickle_load(&p, many, n, "f", 0, &e) && strstr(e.text, "too much at once"), "copies: %s", e.text);
	pickle_free(&p);
	memset(many, '\x85', n); /* a tuple in a tuple in a ... */
	many[0] = 'N';
	many[1 << 20] = '.';
	ok(!pickle_load(&p, many, n, "f", 0, &e) && p.n == 1 << 20, "a million tuples in one another are read");
	pickle_free(&p);
	free(many);
}

/* -- files of torch.save -- */

static uint8_t *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *b = malloc(1 << 20);

	*n = f ? fread(b, 1, 1 << 20, f) : 0;
	if (f)
		fclose(f);
	return b;
}

static int read_all(const uint8_t *b, size_t n, int all, int *tensors)
{
	struct weights w = {.file = "file"};
	int r = torch_is(b, n) ? torch_read(&w, b, n, NULL, all, &e) : -1;

	*tensors = w.n;
	for (int i = 0; i < w.n && !r; i++) {
		int64_t count = weights_count(&w.w[i]);
		float *v = count < 1 << 20 ? malloc((size_t)count * sizeof *v + 1) : NULL;

		if (v)
			weights_load(&w.w[i], v);
		free(v);
	}
	weights_close(&w);
	return r;
}

static void test_cut(const char *path)
{
	size_t n;
	uint8_t *b = slurp(path, &n), *copy;
	int good = 0, whole, tensors;

	whole = !read_all(b, n, 1, &tensors);
	for (size_t k = 0; k < n; k++) {
		copy = malloc(k + 1);
		memcpy(copy, b, k);
		good += !read_all(copy, k, 1, &tensors);
		free(copy);
	}
	ok(whole && n && !good, "%s: cut at any of %zu bytes it is refused (%d were not)", path, n, good);
	good = 0;
	for (size_t k = 0; k < n; k++)
		for (int bit = 0; bit < 8; bit += 3) {
			b[k] ^= (uint8_t)(1 << bit);
			good += !read_all(b, n, 0, &tensors);
			b[k] ^= (uint8_t)(1 << bit);
		}
	ok(1, "%s: any bit turned: no crash (%d of %zu were read)", path, good, 3 * n);
	free(b);
}

/* Lists of lists of lists, each twice: 2^40 ways to the one tensor. */
static void test_laughs(void)
{
	uint8_t b[512] = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}.\x80\2]q";
	size_t n = 15 + 6 + 4 + 4;
	int tensors;

	b[n++] = 0;
	for (int i = 0; i < 12; i++) {
		const uint8_t level[] = {']', 'q', (uint8_t)(i + 1), '(', 'h', (uint8_t)i, 'h', (uint8_t)i, 'h', (uint8_t)i, 'h', (uint8_t)i, 'e'};

		memcpy(b + n, level, sizeof level);
		n += sizeof level;
	}
	memcpy(b + n, ".\x80\2].", 5);
	n += 5;
	ok(read_all(b, n, 1, &tensors) && strstr(e.text, "nested too much"), "four to the twelfth lists: %s", e.text);
	memcpy(b + 27, "]q\0h\0a.\x80\2].", 11);
	ok(read_all(b, 27 + 11, 1, &tensors) && strstr(e.text, "nested too deeply"), "a list in itself: %s", e.text);
}

/* A module that is its own attribute, and one whose attributes are asked for as a dict's and added to afterwards. */
static void test_modules(void)
{
	static const uint8_t start[] = "\x80\2\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}.",
			     self[] = "\x80\2c__torch__\nA\n)\x81q\0}(U\1ah\0ub.\x80\2].",
			     more[] = "\x80\2c__torch__.x\nA\n)\x81}q\0(U\1aNubh\0(U\1bNU\1cNU\1dNU\1eNU\1fNU\1gNU\1hNU\1iNu0.\x80\2].",
			     twice[] = "\x80\2c__torch__\nA\n)\x81}(U\1aNub}(U\1bNub.\x80\2].", list[] = "\x80\2c__torch__\nA\n)\x81]b.\x80\2].";
	const struct { const uint8_t *b; size_t n; int bad; const char *said, *what; } t[] = {
		{self, sizeof self - 1, 1, "nested too deeply", "a module in itself"}, {more, sizeof more - 1, 0, "", "attributes that grow afterwards"},
		{twice, sizeof twice - 1, 1, "sets the state of what has none", "a state that is set twice"},
		{list, sizeof list - 1, 1, "sets the state of what has none", "a state that is a list"},
	};
	uint8_t b[512];
	int tensors;

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		memcpy(b, start, sizeof start - 1);
		memcpy(b + sizeof start - 1, t[i].b, t[i].n);
		e.text[0] = 0;
		ok(!read_all(b, sizeof start - 1 + t[i].n, 0, &tensors) == !t[i].bad && strstr(e.text, t[i].said), "%s: %s", t[i].what, e.text);
	}
}

/* -- names -- */

static struct { char text[4000]; int problems; } told;

static void tell(void *arg, int problem, const char *line)
{
	(void)arg;
	told.problems += problem;
	strncat(told.text, line, sizeof told.text - strlen(told.text) - 2);
	strcat(told.text, ";");
}

/* nnU-Net's first convolution and a second one. */
static struct graph *small_graph(void)
{
	struct graph *g = graph_new(&e);
	const struct graph_conv c = {.oc = 2, .kernel = {1, 1, 3}, .stride = {1, 1, 1}, .pad = {0, 0, 1}, .bias = 1};
	const struct graph_norm norm = {.kind = K_NORM_INSTANCE, .affine = 1};
	int x = graph_input(g, 1), mark = graph_enter(g, "encoder.stages.0.0.convs.0");

	x = graph_norm(g, graph_conv(g, x, "conv", &c), "norm", &norm);
	graph_leave(g, mark);
	x = graph_conv(g, x, "decoder.seg_layers.0", &c);
	graph_output(g, x, &e);
	return g;
}

static const float VALUES[24] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

static void add(struct weights *w, const char *prefix, const char *name, int rank, int64_t s0, int64_t s1, int64_t k)
{
	struct weight t = {.dtype = DT_F32, .rank = rank, .shape = {s0, s1, 1, 1, k}, .stride = {s1 * k, k, k, k, 1}, .data = (const uint8_t *)VALUES};
	char full[200];

	if (rank == 1)
		t.stride[0] = 1;
	snprintf(full, sizeof full, "%s%s", prefix, name);
	weights_add(w, full, strlen(full), &t, &e);
}

static void add_network(struct weights *w, const char *prefix)
{
	add(w, prefix, "encoder.stages.0.0.convs.0.conv.weight", 5, 2, 1, 3);
	add(w, prefix, "encoder.stages.0.0.convs.0.conv.bias", 1, 2, 1, 1);
	add(w, prefix, "encoder.stages.0.0.convs.0.norm.weight", 1, 2, 1, 1);
	add(w, prefix, "encoder.stages.0.0.convs.0.norm.bias", 1, 2, 1, 1);
	add(w, prefix, "decoder.seg_layers.0.weight", 5, 2, 2, 3);
	add(w, prefix, "decoder.seg_layers.0.bias", 1, 2, 1, 1);
}

static int match(struct weights *w, const char *prefix, const int axes[3])
{
	struct graph *g = small_graph();
	int r;

	memset(&told, 0, sizeof told);
	w->file = "file";
	r = match_weights(w, g, prefix, axes, tell, NULL, &e);
	graph_free(g);
	return r;
}

static void test_match(void)
{
	static const int same[3] = {0, 1, 2}, turned[3] = {2, 1, 0};
	struct weights w = {0};

	add_network(&w, "");
	add(&w, "", "encoder.stages.0.0.convs.0.all_modules.0.weight", 5, 2, 1, 3);
	add(&w, "", "encoder.stages.0.0.convs.0.all_modules.1.bias", 1, 2, 1, 1);
	add(&w, "decoder.", "encoder.stages.0.0.convs.0.conv.weight", 5, 2, 1, 3);
	add(&w, "decoder.", "encoder.stages.0.0.convs.0.all_modules.0.weight", 5, 2, 1, 3);
	ok(!match(&w, NULL, same) && w.n == 6 &&
	   !strcmp(told.text, "tensors left out, as they repeat others bit for bit: 4;"), "nnU-Net's repeats: %s", told.text);
	add(&w, "decoder.", "encoder.stages.0.0.convs.0.conv.weight", 5, 2, 1, 3);
	w.w[6].data += 4;
	ok(match(&w, NULL, same) && strstr(told.text, "differs: decoder.encoder.stages.0.0.convs.0.conv.weight, from encoder."),
	   "a repeat that differs: %s", told.text);
	weights_close(&w);

	add_network(&w, "module._orig_mod.network.");
	ok(!match(&w, NULL, same) && !strcmp(told.text, "module._orig_mod.network.* -> * (6);"), "prefixes: %s", told.text);
	weights_close(&w);

	add_network(&w, "a.");
	add_network(&w, "b.");
	ok(match(&w, NULL, same) && strstr(e.text, "under 'a.' and under 'b.'"), "two networks: %s", e.text);
	ok(!match(&w, "b.", same) && w.n == 6, "one of two: %s", told.text);
	weights_close(&w);

	add_network(&w, "");
	add(&w, "", "encoder.x.num_batches_tracked", 1, 1, 1, 1);
	ok(!match(&w, NULL, same) && !strcmp(told.text, "tensors left out, constants that are no weights: 1;"), "constants: %s", told.text);
	weights_drop(&w, 5);
	ok(match(&w, NULL, same) && told.problems == 1 && !strcmp(told.text, "missing: decoder.seg_layers.0.bias [2];") &&
	   !strcmp(e.text, "file: 1 of its tensors do not fit the network"), "missing: %s", told.text);
	weights_close(&w);

	add_network(&w, "");
	ok(match(&w, NULL, turned) && told.problems == 2 && strstr(told.text, "F32 [2,1,3,1,1] (needs F32 [2,1,1,1,3])"), "kernels turned: %s", told.text);
	add(&w, "", "encoder.extra", 2, 2, 2, 1);
	ok(match(&w, NULL, same) && strstr(told.text, "extra: encoder.extra F32 [2,2]"), "extra: %s", told.text);
	weights_close(&w);
}

/* nnU-Net's block whose activation stands before its normalisation: place 2 of all_modules. */
static void test_alias(void)
{
	struct graph *g = graph_new(&e);
	const struct graph_conv c = {.oc = 2, .kernel = {1, 1, 1}, .stride = {1, 1, 1}};
	const struct graph_norm norm = {.kind = K_NORM_INSTANCE, .affine = 1};
	const struct graph_act act = {.kind = K_ACT_RELU};
	int x = graph_input(g, 1), mark = graph_enter(g, "encoder.stem"), n;
	struct alias *a;

	x = graph_norm(g, graph_act(g, graph_conv(g, x, "conv", &c), "nonlin", &act), "norm", &norm);
	graph_leave(g, mark);
	graph_output(g, x, &e);
	a = alias_list(g, &n, &e);
	ok(a && n == 9, "names: %d", n);
	ok(!strcmp(a[0].name, "encoder.stem.all_modules.0.weight") && !strcmp(a[1].name, "decoder.encoder.stem.conv.weight"), "of the convolution");
	ok(!strcmp(a[3].name, "encoder.stem.all_modules.2.weight") && !strcmp(a[8].name, "decoder.encoder.stem.all_modules.2.bias"), "of the normalisation");
	free(a);
	graph_free(g);
}

static void test_load(void)
{
	const struct weight t = {.dtype = DT_F32, .rank = 3, .shape = {2, 3, 2}, .stride = {1, 4, 2}, .data = (const uint8_t *)VALUES};
	static const float want[12] = {1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12};
	float got[12];

	weights_load(&t, got);
	ok(!memcmp(got, want, sizeof got), "strides");
	ok(weights_equal(&t, &t), "equal to itself");
}

/* -- nnU-Net's plans -- */

static int read_plans(const char *name, int prepare, struct plans *p)
{
	json_t *root = archfile_json("tests/golden/import/plans.json", &e);
	int r = root && plans_is(root) ? plans_read(p, root, name, prepare, &e) : -1;

	json_decref(root);
	return r;
}

/* A step for each channel where nnU-Net treats them differently; the args of the second one are those of the text. */
static void test_channels(void)
{
	static const struct { const char *schemes; size_t steps; const char *second; } cases[] = {
		{"[\"CTNormalization\", \"ZScoreNormalization\"]", 4, "{\"zscore\": \"all\", \"channel_wise\": false, \"channel\": 1}"},
		{"[\"CTNormalization\", \"NoNormalization\"]", 4, "{\"range\": [0.0, 1.0, 0.0, 1.0], \"clip\": false, \"channel\": 1}"},
		{"[\"NoNormalization\", \"CTNormalization\"]", 4, "{\"ct\": [-2.0, 2.0, 0.0, 1.0], \"channel\": 1}"},
		{"[\"CTNormalization\", \"RescaleTo01Normalization\"]", 4, "{\"percentile\": [0.0, 100.0], \"channel_wise\": false, \"channel\": 1}"},
		{"[\"CTNormalization\", \"RGBTo01Normalization\"]", 4, "{\"range\": [0.0, 255.0, 0.0, 1.0], \"clip\": false, \"channel\": 1}"},
		{"[\"CTNormalization\", \"CTNormalization\"]", 3, NULL},
	};
	json_t *root = archfile_json("tests/golden/import/plans.json", &e), *full = json_object_get(json_object_get(root, "configurations"), "3d_fullres");

	json_object_set_new(json_object_get(root, "foreground_intensity_properties_per_channel"), "1",
	                    json_pack("{s:f, s:f, s:f, s:f}", "percentile_00_5", -2., "percentile_99_5", 2., "mean", 0., "std", 1.));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *want = cases[i].second ? json_loads(cases[i].second, 0, NULL) : NULL;
		struct plans p;

		json_object_set_new(full, "normalization_schemes", json_loads(cases[i].schemes, 0, NULL));
		ok(!plans_read(&p, root, "3d_fullres", 1, &e) && json_array_size(p.replay) == cases[i].steps, "%s: %zu steps", cases[i].schemes, cases[i].steps);
		ok(!want || json_equal(json_object_get(json_array_get(p.replay, 2), "args"), want), "%s: the second channel's", cases[i].schemes);
		json_decref(want);
		plans_free(&p);
	}
	json_decref(root);
}

static void test_plans(void)
{
	static const struct { const char *name, *error; } bad[] = {
		{"2d", "configuration 2d: names no network: neither architecture with network_class_name, nor UNet_class_name"},
		{"3d_own", "configuration 3d_own: normalization 'OwnNormalization' is not known (there are CTNormalization, ZScoreNormalization, NoNormalization, "
		           "RescaleTo01Normalization, RGBTo01Normalization): say the preparation with --replay"},
		{"3d_torch", "configuration 3d_torch: resampling other than resample_data_or_seg_to_shape of order 0, 1 or 3, order_z 0: say the preparation with "
		             "--replay"},
		{"3d_loop", "configuration '3d_loop' inherits from itself"},
		{"3d", "there is no configuration '3d' (there are: 2d, 3d_fullres, 3d_child, 3d_old, 3d_cascade, 3d_masked, 3d_own, 3d_zscore, 3d_torch, 3d_loop)"},
	};
	struct plans p, q;
	json_t *want;

	ok(!read_plans("3d_fullres", 1, &p) && p.roi[0] == 8 && p.roi[1] == 24 && p.roi[2] == 16, "patch: x,z,y in the plans is z,y,x here");
	ok(p.axes[0] == 1 && p.axes[1] == 2 && p.axes[2] == 0, "axes: transpose_backward");
	want = json_pack("[[i,i,i],[i,i,i],[i,i,i]]", 1, 1, 1, 1, 2, 2, 2, 2, 2);
	ok(json_equal(json_object_get(p.arch, "strides"), want), "strides turned");
	json_decref(want);
	want = json_pack("[{s:s, s:{s:b, s:[f,f,f], s:[i,i,i], s:b, s:[i,i,i], s:[i,i,i], s:f}}, {s:s, s:{s:[f,f,f,f]}}, {s:s, s:{s:s, s:s, s:s, "
	                 "s:[f,f,f]}}]", "tool", "nii-crop", "args", "nonzero", 1, "margin", 0., 0., 0., "margin_voxels", 0, 0, 0, "inside", 0, "min_size",
	                 0, 0, 0, "multiple", 1, 1, 1, "fill", 0., "tool", "nii-normalize", "args", "ct", -1024.0, 325.0, -158.58,
	                 324.7, "tool", "nii-resample", "args", "align", "nnunet", "interp", "cubic", "label_interp", "argmax", "spacing", 0.8, 0.7, 2.5);
	ok(want && json_equal(p.replay, want), "preparation");
	json_decref(want);
	ok(!read_plans("3d_old", 1, &q) && json_equal(q.replay, p.replay), "plans before 2.4");
	json_object_set(q.arch, "_target_", json_object_get(p.arch, "_target_"));
	ok(json_equal(q.arch, p.arch), "are the same network");
	plans_free(&q);
	ok(!read_plans("3d_child", 1, &q) && json_equal(q.arch, p.arch) && json_equal(q.replay, p.replay), "a configuration that inherits");
	plans_free(&q);
	ok(!read_plans("3d_own", 0, &q) && json_equal(q.arch, p.arch) && !q.replay, "without preparation, one whose preparation is not known");
	plans_free(&q);
	ok(!read_plans("3d_zscore", 1, &q), "z-score");
	ok(json_is_true(json_object_get(json_object_get(json_array_get(q.replay, 1), "args"), "channel_wise")), "of each channel");
	plans_free(&q);
	ok(!read_plans("3d_masked", 1, &q) && json_equal(q.replay, p.replay), "a mask is nothing to CTNormalization");
	plans_free(&q);
	test_channels();
	plans_free(&p);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(read_plans(bad[i].name, 1, &p) && !strcmp(e.text, bad[i].error), "plans: %s", e.text);
		plans_free(&p);
	}
}

/* -- ONNX: the fields of messages -- */

struct field { int number; uint64_t value; const uint8_t *p; size_t n; };

static const uint8_t *varint(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; p < end; shift += 7) {
		*v |= (uint64_t)(*p & 127) << shift;
		if (!(*p++ & 128))
			break;
	}
	return p;
}

/* The next field; NULL at the end, *bad where it does not fit. */
static const uint8_t *next(const uint8_t *p, const uint8_t *end, struct field *f, int *bad)
{
	uint64_t key, len;

	if (p >= end)
		return NULL;
	p = varint(p, end, &key);
	*f = (struct field){.number = (int)(key >> 3)};
	if ((key & 7) == 0)
		return varint(p, end, &f->value);
	if ((key & 7) == 5)
		return p + 4;
	p = varint(p, end, &len);
	*bad |= (key & 7) != 2 || len > (size_t)(end - p);
	f->p = p;
	f->n = *bad ? 0 : len;
	return *bad ? NULL : p + len;
}

static struct { int nodes, tensors, bad, inputs, outputs; size_t bytes; char ops[8000]; float first; } seen;

static void walk_node(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct field f;

	seen.nodes++;
	while ((p = next(p, end, &f, &seen.bad)))
		if (f.number == 4)
			snprintf(seen.ops + strlen(seen.ops), sizeof seen.ops - strlen(seen.ops), "%.*s ", (int)f.n, f.p);
}

static void walk_tensor(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct field f;
	size_t count = 1;

	while ((p = next(p, end, &f, &seen.bad))) {
		count *= f.number == 1 ? f.value : 1;
		if (f.number != 9)
			continue;
		seen.bad |= f.n != 4 * count;
		seen.bytes += f.n;
		if (!seen.tensors++)
			memcpy(&seen.first, f.p, 4);
	}
}

static void walk_model(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *g = NULL, *g_end = NULL;
	struct field f;

	memset(&seen, 0, sizeof seen);
	while ((p = next(p, end, &f, &seen.bad)))
		if (f.number == 7)
			g = f.p, g_end = f.p + f.n;
	while (g && (g = next(g, g_end, &f, &seen.bad))) {
		seen.inputs += f.number == 11;
		seen.outputs += f.number == 12;
		if (f.number == 1)
			walk_node(f.p, f.n);
		if (f.number == 5)
			walk_tensor(f.p, f.n);
	}
}

static int write_small(struct graph *g, const char *path)
{
	static const struct onnx_prop none[] = {{0}};
	struct weights w = {0};
	struct out o;
	int r;

	add_network(&w, "");
	r = out_open(&o, path, 1, &e) || onnx_write(g, &w, none, &o, &e) || out_close(&o, &e);
	if (r)
		out_abort(&o);
	weights_close(&w);
	return r;
}

static void test_onnx(void)
{
	char path[64];
	struct graph *g = small_graph();
	uint8_t *b;
	size_t n;

	snprintf(path, sizeof path, "/tmp/niipipe-onnx-%ld", (long)getpid());
	ok(!write_small(g, path), "a small network is written");
	b = slurp(path, &n);
	walk_model(b, n);
	ok(!seen.bad && seen.inputs == 1 && seen.outputs == 1 && !strcmp(seen.ops, "Conv InstanceNormalization Conv "), "its operations: %s", seen.ops);
	ok(seen.tensors == 6 && seen.bytes == 4 * (6 + 2 + 2 + 2 + 12 + 2) && seen.first == 1, "its weights: %d, %zu bytes", seen.tensors, seen.bytes);
	free(b);
	g->op[1].kind = (enum graph_kind)99;
	ok(write_small(g, path) && !strcmp(e.text, "encoder.stages.0.0.convs.0.conv: this operation is not written as ONNX"), "%s", e.text);
	graph_free(g);
	unlink(path);
}

/* What nodes the operations of every network become. */
static void test_nodes(void)
{
	static const struct { const char *name, *ops; } nodes[] = {
		{"unet-step3", "Conv InstanceNormalization Relu "}, {"unet-affine", "InstanceNormalization LeakyRelu "}, {"unet-res1", "PRelu "},
		{"arch-unet-batch", "Conv BatchNormalization Relu "}, {"arch-unet-elu", "InstanceNormalization Elu "}, {"arch-unet-tanh", "Tanh "},
		{"arch-unet-group", "Constant Reshape InstanceNormalization Shape Reshape Mul Add Constant Mul Erf Constant Add Mul Constant Mul "},
		{"arch-unet-mish", "Conv Softplus Tanh Mul "}, {"arch-unet-sigmoid", "Sigmoid Conv "}, {"arch-unet-drop", "Identity "},
		{"arch-plain", "ConvTranspose Concat Conv "}, {"arch-resenc", "AveragePool "}, {"arch-attention", "Sigmoid Mul Concat "},
		{"arch-segresnet", "Constant Resize Add "}, {"arch-unet-softmax", "Softmax "},
		{"arch-basicunet", "MaxPool Conv "},
		{"arch-basicunet-odd", "ConvTranspose Shape Shape Sub Constant Concat Pad Concat Conv "}, {"arch-segresnetds-aniso", "Constant Resize Add "},
		{"arch-unet-local", "Mul Constant Reshape AveragePool Constant Mul Constant Add Constant Pow Shape Reshape Div LogSoftmax "},
	};

	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		char input[64], path[64];
		struct export x = {.input = input, .format = EXPORT_ONNX, .say = tell};
		struct out o;
		uint8_t *b;
		size_t n;
		int r;

		snprintf(input, sizeof input, "tests/golden/%s.ts", nodes[i].name);
		snprintf(path, sizeof path, "/tmp/niipipe-onnx-%ld", (long)getpid());
		r = out_open(&o, path, 1, &e) || export_run(&x, &o, &e) || out_close(&o, &e);
		b = slurp(path, &n);
		walk_model(b, n);
		ok(!r && !seen.bad && seen.inputs == 1 && strstr(seen.ops, nodes[i].ops), "%s: %s", nodes[i].name, r ? e.text : seen.ops);
		free(b);
		unlink(path);
	}
}

int main(void)
{
	test_bad_pickles();
	test_values();
	test_bombs();
	test_cut("tests/fuzz/torch/small");
	test_cut("tests/fuzz/torch/legacy");
	test_cut("tests/fuzz/torch/zip");
	test_cut("tests/fuzz/torch/script");
	test_laughs();
	test_modules();
	test_match();
	test_alias();
	test_load();
	test_plans();
	test_onnx();
	test_nodes();
	return tap_done();
}
