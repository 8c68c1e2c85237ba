/* lib/stream/regions: as an option, nnU-Net's dataset.json and metadata; and the labels that follow from their scores (lib/volume/prob). */
#include "tests/unit/tap.h"

#include "lib/volume/prob/prob.h"

static struct err e;
static struct regions r;

#define NO " is no list of labels from 1 to 255 (1,2,3/2,3/3), and no file"
static void short_form(void)
{
	static const struct { const char *text, *is; } good[] = {
		{"1,2,3/2,3/3", "[{\"label\":1,\"labels\":[1,2,3],\"name\":\"1,2,3\",\"order\":0},{\"label\":2,\"labels\":[2,3],\"name\":\"2,3\",\"order\":1},"
		                "{\"label\":3,\"labels\":[3],\"name\":\"3\",\"order\":2}]"},
		/* KiTS: the masses that are no tumour are 3 */
		{"kidney=1,2,3/masses=2,3/tumor=2", "[{\"label\":1,\"labels\":[1,2,3],\"name\":\"kidney\",\"order\":0},"
		 "{\"label\":3,\"labels\":[2,3],\"name\":\"masses\",\"order\":1},{\"label\":2,\"labels\":[2],\"name\":\"tumor\",\"order\":2}]"},
		/* MONAI's BraTS: the network's second is asked first */
		{"tc=1,4/wt=1,2,4/et=4", "[{\"label\":1,\"labels\":[1,4],\"name\":\"tc\",\"order\":1},{\"label\":2,\"labels\":[1,2,4],\"name\":\"wt\",\"order\":0},"
		                         "{\"label\":4,\"labels\":[4],\"name\":\"et\",\"order\":2}]"},
		{"255", "[{\"label\":255,\"labels\":[255],\"name\":\"255\",\"order\":0}]"},
		{"a=1/b=1", "[{\"label\":1,\"labels\":[1],\"name\":\"a\",\"order\":0},{\"label\":1,\"labels\":[1],\"name\":\"b\",\"order\":1}]"}};
	static const char *const bad[][2] = {
		{"", "''" NO}, {"0,1", "'0,1'" NO},
		{"1,256", "'1,256'" NO}, {"1/", "''" NO},
		{"1,/2", "'1,/2'" NO}, {"1/1", "two regions are called '1'"},
		{"=1", "region '': a name has 1 to 63 bytes"}, {"a=1/a=2", "two regions are called 'a'"},
		{"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32", "more than 31 regions"}};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int failed = regions_parse(&r, good[i].text, &e);
		json_t *v = failed ? NULL : regions_json(&r);
		char *text = v ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

		ok(text && !strcmp(text, good[i].is), "%s is %s", good[i].text, text ? text : e.text);
		json_decref(v);
		free(text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(regions_parse(&r, bad[i][0], &e) && !strcmp(e.text, bad[i][1]), "%s", e.text);
}

#define DATASET(labels, order) "{\"labels\": {\"background\": 0, " labels "}" order "}"
static void dataset(void)
{
	static const char *const bad[][2] = {
		{DATASET("\"a\": [1, 2], \"b\": 2", ""), "regions_class_order has 0 numbers for 2 regions"},
		{DATASET("\"a\": [1, 2]", ", \"regions_class_order\": [1, 2]"), "regions_class_order has 2 numbers for 1 regions"},
		{DATASET("\"a\": [0, 2]", ", \"regions_class_order\": [1]"), "region 'a': its labels are no numbers from 1 to 255"},
		{DATASET("\"a\": [1, 2], \"b\": []", ", \"regions_class_order\": [1, 2]"), "region 'b' has no labels"},
		{DATASET("\"a\": [1, 2]", ", \"regions_class_order\": [0]"), "region 'a' gives no label from 1 to 255"},
		{DATASET("\"a\": [1, 2], \"ignore\": 2", ", \"regions_class_order\": [1]"), "label 2 is ignored, and in a region"},
		{DATASET("\"a\": 1, \"b\": [2]", ""), "has no regions: no label is a list of several"},
		{"{", "is no JSON: string or '}' expected near end of file"}};

	static const char good[] = DATASET("\"whole\": [1, 2, 3], \"core\": [2, 3], \"none\": [0, 0], \"et\": [3], \"ignore\": 4",
		", \"regions_class_order\": [1, 2, 3]");

	ok(!regions_parse(&r, good, &e) && r.n == 3 && r.ignore == 4 && r.of[3] == 7 && r.of[2] == 3 && r.of[1] == 1 && !r.of[4] && r.label[2] == 3 &&
	   !strcmp(r.name[1], "core"), "%s", e.text);
	ok(regions_have(&r, 0) && regions_have(&r, 3) && !regions_have(&r, 4) && !regions_have(&r, 2.5) && !regions_have(&r, -1) && !regions_have(&r, 256),
	   "labels that they have");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(regions_parse(&r, bad[i][0], &e) && !strcmp(e.text, bad[i][1]), "%s", e.text);
}

static void metadata(void)
{
	static const char *const bad[] = {"[]", "{}", "[{\"name\":\"a\"}]", "[{\"name\":\"a\",\"labels\":[1],\"label\":1,\"order\":1}]",
		"[{\"name\":\"a\",\"labels\":[1],\"label\":1,\"order\":0},{\"name\":\"b\",\"labels\":[1],\"label\":1,\"order\":0}]",
		"[{\"name\":\"a\",\"labels\":[300],\"label\":1,\"order\":0}]", "[{\"name\":\"a\",\"labels\":[1],\"label\":0,\"order\":0}]", "no"};
	struct frame f;
	struct regions back;
	json_t *names;
	char *text;

	regions_parse(&r, "kidney=1,2,3/masses=2,3/tumor=2", &e);
	ok(!frame_init(&f, "volume", "a", &e) && !regions_get(&f, &back, &e) && !back.n, "none");
	ok(!regions_set(&f, &r, &e) && !regions_get(&f, &back, &e) && !memcmp(&r, &back, sizeof r), "there and back: %s", frame_meta(&f, "regions"));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		frame_set_meta(&f, "regions", bad[i], &e);
		ok(regions_get(&f, &back, &e) && !strncmp(e.text, "metadata regions: ", 18), "%s", e.text);
	}
	ok(!regions_set(&f, NULL, &e) && !frame_meta(&f, "regions"), "taken away");
	names = regions_names(&r);
	text = json_dumps(names, JSON_COMPACT | JSON_SORT_KEYS);
	ok(!strcmp(text, "{\"0\":\"background\",\"1\":\"rest of kidney\",\"2\":\"tumor\",\"3\":\"rest of masses\"}"), "%s", text);
	json_decref(names);
	free(text);
	frame_free(&f);
}

/* -- labels of scores ------------------------------------------------------------ */
enum { N = 6 };
/* the network's order: tc, wt, et; probabilities */
static const float p[3][N] = {{0.6f, 0.4f, 0.9f, 0.5f, 0.7f, 0.2f}, {0.9f, 0.8f, 0.2f, 0.5f, 0.6f, 0.3f}, {0.7f, 0.1f, 0.1f, 0.5f, 0.2f, 0.1f}};

static void labels_are(const struct prob_rule *rule, const float *q, enum prob_kind kind, const char *want, const char *what)
{
	uint8_t pred[N];
	int bad = rule->kind == PROB_DICE ? prob_rule_dice(rule, q, 3, kind, 2, N / 2, pred) >= 0 : prob_rule_labels(rule, kind, q, 3, N, N, pred);

	ok(!bad && !memcmp(pred, want, N), "%s: %d%d%d%d%d%d", what, pred[0], pred[1], pred[2], pred[3], pred[4], pred[5]);
}

static void of_scores(void)
{
	float l[3][N], spoilt[3][N];
	struct prob_rule rule = prob_rule_make(0, 0, (double[]){0}, 1);
	uint8_t pred[N], one[N];
	float best[N];

	regions_parse(&r, "tc=1,4/wt=1,2,4/et=4", &e);
	rule.regions = &r;
	for (int i = 0; i < 3 * N; i++)
		l[i / N][i % N] = logf(p[i / N][i % N] / (1 - p[i / N][i % N]));
	labels_are(&rule, &p[0][0], PROB_PROBABILITIES, "\4\2\1\0\1\0", "the last region above one half, by their order");
	labels_are(&rule, &l[0][0], PROB_LOGITS, "\4\2\1\0\1\0", "of logits");
	for (int i = 0; i < 3; i++) {
		const struct prob_choice c = {&r, prob_cut(PROB_LOGITS)};

		prob_raise(&c, l[prob_ask(&c, i)], i, best, one, N);
	}
	ok(!prob_rule_labels(&rule, PROB_LOGITS, &l[0][0], 3, N, N, pred) && !memcmp(pred, one, N), "region by region");
	rule = prob_rule_make(0, 1, (double[]){0.5}, 1), rule.regions = &r;
	labels_are(&rule, &p[0][0], PROB_PROBABILITIES, "\4\2\1\4\1\0", "at least one half");
	rule = prob_rule_make(0, 3, (double[]){0.3, 0.95, 0.75}, 1), rule.regions = &r;
	labels_are(&rule, &l[0][0], PROB_LOGITS, "\1\1\1\1\1\0", "a threshold for each");
	rule = prob_rule_make(1, 0, (double[]){0}, 1), rule.regions = &r;
	labels_are(&rule, &p[0][0], PROB_PROBABILITIES, "\4\1\1\4\1\0", "the Dice rule of each");
	rule = prob_rule_make(0, 2, (double[]){0.3, 0.4}, 1), rule.regions = &r;
	ok(prob_rule_check(&rule, 3, PROB_LOGITS, &e) && !strcmp(e.text, "2 thresholds for 3 regions (expected one, or one for each)"), "%s", e.text);
	rule = prob_rule_make(0, 1, (double[]){0.3}, 2), rule.regions = &r;
	ok(prob_rule_check(&rule, 3, PROB_LOGITS, &e) && strstr(e.text, "--class has no meaning"), "%s", e.text);
	ok(prob_rule_check(&rule, 2, PROB_LOGITS, &e) && !strcmp(e.text, "2 classes, and 3 regions"), "%s", e.text);
	ok(prob_rule_check(&rule, 3, PROB_UNKNOWN, &e) && strstr(e.text, "no metadata prob says"), "%s", e.text);
	memcpy(spoilt, l, sizeof l);
	spoilt[1][4] = NAN;
	rule = prob_rule_make(0, 0, (double[]){0}, 1), rule.regions = &r;
	ok(prob_rule_labels(&rule, PROB_LOGITS, &spoilt[0][0], 3, N, N, pred) == 1, "a score that is not finite");
}

int main(void)
{
	short_form();
	dataset();
	metadata();
	of_scores();
	return tap_done();
}
