/* lib/base/yamltree: documents against what MONAI reads of them (tests/golden/make_yaml.py), what is refused, word for word, and the limits. */
#include "tests/unit/tap.h"

#include "lib/base/yamltree.h"

static struct err e;

static json_t *parse(const char *text)
{
	char *copy = malloc(strlen(text) + 1); /* without its end, so that ASan sees it */
	json_t *v;

	memcpy(copy, text, strlen(text));
	v = yamltree_parse(copy, strlen(text), "f", &e);
	free(copy);
	return v;
}

static void test_golden(void)
{
	json_t *all = json_load_file("tests/golden/yaml.json", 0, NULL), *one;
	size_t i;

	ok(json_array_size(all) > 300, "tests/golden/yaml.json");
	json_array_foreach(all, i, one) {
		const json_t *want = json_array_get(one, 1);
		char *name = json_dumps(one, JSON_COMPACT | JSON_ENSURE_ASCII);
		json_t *v = parse(json_string_value(json_array_get(one, 0)));
		char *got = v ? json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

		ok(want ? json_equal(v, want) : !v, "%s", name);
		if (want ? !json_equal(v, want) : v != NULL)
			printf("# %s\n", got ? got : e.text);
		free(got);
		free(name);
		json_decref(v);
	}
	json_decref(all);
}

static void test_refused(void)
{
	static const struct { const char *text, *error; } bad[] = {
		{"", "f: line 1, column 1: holds nothing"},
		{"a\n", "f: line 1, column 1: neither a mapping nor a sequence"},
		{"a: 1\n---\nb: 2\n", "f: line 2, column 1: a second document begins: one is read"},
		{"a: 1\nb: 2\na: 3\n", "f: line 3, column 1: key 'a' a second time"},
		{"1: a\nb: c\n'1': d\n", "f: line 3, column 1: key '1' a second time"},
		{"1.5: a\n", "f: line 1, column 1: a key that is no text, whole number, truth value or null"},
		{"? [a]\n: 1\n", "f: line 1, column 3: a key that is no text, whole number, truth value or null"},
		{"a: !include b.yaml\n", "f: line 1, column 4: tag '!include' is not known"},
		{"a: !!binary YQ==\n", "f: line 1, column 4: tag 'binary' is not known"},
		{"a: !!set {b}\n", "f: line 1, column 4: tag 'set' is not known of a mapping"},
		{"a: !x [b]\n", "f: line 1, column 4: tag '!x' is not known of a sequence"},
		{"a: !!int 1.5\n", "f: line 1, column 4: '1.5' is no int, which its tag says"},
		{"a: -.inf\n", "f: line 1, column 4: '-.inf' is not a finite number: JSON has no such"},
		{"a: 1.0e+999\n", "f: line 1, column 4: '1.0e+999' is not a finite number"},
		{"a: 2001-01-01\n", "f: line 1, column 4: '2001-01-01' is a date without quotes: JSON has none"},
		{"a: 9223372036854775808\n", "f: line 1, column 4: '9223372036854775808' is no whole number of 64 bits"},
		{"a: &x {k: 1}\nb:\n  <<: *x\n", "f: line 3, column 3: '<<' without quotes stands for other keys: it is not followed, by MONAI neither"},
		{"a: *x\n", "f: line 1, column 4: alias '*x' of nothing before it"},
		{"a: &x [1, *x]\n", "f: line 1, column 11: alias '*x' of what it is in"},
		{"a: &x 1\nb: &x 2\n", "f: line 2, column 4: anchor '&x' a second time"},
		{"a: \"\\0\"\n", "f: line 1, column 4: a text with a zero byte"},
		{"a: 1\nb: \xff\n", "f: line 2, column 4: invalid leading UTF-8 octet"},
		{"\xc3\xa9: \xc3\n", "f: line 1, column 5: invalid trailing UTF-8 octet"},
		{"a: 1\n b: 2\n", "f: line 2, column 3: mapping values are not allowed in this context"},
		{"a: [1\n", "f: line 2, column 1: did not find expected ',' or ']'"},
		{"a: '1\n", "f: line 2, column 1: found unexpected end of stream"},
		{"a:\n\t- 1\n", "f: line 2, column 1: found character that cannot start any token"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json_t *v = parse(bad[i].text);

		ok(!v && !strcmp(e.text, bad[i].error), "refused: %s", bad[i].error);
		if (!v && strcmp(e.text, bad[i].error))
			printf("# %s\n", e.text);
		json_decref(v);
	}
}

/* -- limits -- */

static void repeat(char *text, const char *what, int n)
{
	for (size_t l = strlen(text), k = strlen(what); n-- > 0; l += k)
		memcpy(text + l, what, k + 1);
}

/* Is this read, and with one level more refused? */
static void depth(const char *begin, const char *level, int levels, const char *end, const char *close)
{
	char text[2][1000];

	for (int k = 0; k < 2; k++) {
		json_t *v;

		snprintf(text[k], sizeof text[k], "%s", begin);
		repeat(text[k], level, levels + k);
		repeat(text[k], end, 1);
		repeat(text[k], close, levels + k);
		v = parse(text[k]);
		ok(k ? !v && strstr(e.text, ": nested more than 32 deep") : v != NULL, "%d levels of '%s', %zu bytes before", levels + k, level, strlen(begin));
		json_decref(v);
	}
}

static void test_limits(void)
{
	char *text = calloc(1, 3 << 20);
	json_t *v;

	depth("", "- ", YAMLTREE_DEPTH, "a\n", "");
	depth("- ", "- ", YAMLTREE_DEPTH - 2, "{}\n", "");
	depth("", "[", YAMLTREE_DEPTH, "a", "]");
	depth("a: &x [[[1]]]\nb: ", "[", YAMLTREE_DEPTH - 4, "*x", "]");
	strcpy(text, "- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 9; i++) {
		char line[200];

		snprintf(line, sizeof line, "- &a%d [", i);
		repeat(text, line, 1);
		snprintf(line, sizeof line, "*a%d, ", i - 1);
		repeat(text, line, 8);
		repeat(text, "]\n", 1);
	}
	v = parse(text);
	ok(!v && strstr(e.text, "line 6, column 13: too much, aliases followed (at most 100000 values, 16 bytes of text each)"), "aliases: %s", e.text);
	strcpy(text, "- &a \"");
	repeat(text, "0123456789abcdef", 10000);
	repeat(text, "\"\n", 1);
	repeat(text, "- *a\n", 8);
	v = parse(text);
	ok(json_array_size(v) == 9, "a long text nine times");
	json_decref(v);
	repeat(text, "- *a\n", 1);
	ok(!parse(text) && strstr(e.text, "line 10, column 3: too much"), "a long text ten times: %s", e.text);
	free(text);
}

int main(void)
{
	test_golden();
	test_refused();
	test_limits();
	return tap_done();
}
