/* What reports are made of: tables, pages, statistics, the viewer's packed slices. */
#include "tests/unit/tap.h"

#include <unistd.h>
#include <zlib.h>

#include "lib/base/rng.h"
#include "lib/base/table.h"
#include "lib/volume/report/report_parts.h"

static struct err e;

/* -- tables ------------------------------------------------------------------ */

static int put(char path[64], const char *text)
{
	FILE *f = fopen((snprintf(path, 64, "/tmp/report-test.%ld", (long)getpid()), path), "w");
	int good = f && fputs(text, f) >= 0;

	return f && !fclose(f) && good;
}

static void tables(void)
{
	static const struct { const char *text; int64_t rows; } good[] = {
		{"a", 0}, {"a\n", 0}, {"a\tb\n1\t2\n", 1}, {"a\tb\n1\t2\n\t\n", 2}, {"a\tb\r\n1\tnan\r\n", 1}, {"a\tb\n1\tinf\n2\t-inf\n\n\n", 2},
	};
	static const char *const bad[] = {"", "\n\n", "a\ta\n", "a\tb\n1\n", "a\tb\n1\t2\t3\n", "a\tb\n\n1\t2\n"};
	char path[64];
	struct table t;
	double v;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ok(put(path, good[i].text) && !table_read(path, &t, &e) && t.rows == good[i].rows, "table %zu has %lld rows", i, (long long)t.rows);
		if (i == 4)
			ok(!table_number(&t, 0, table_find(&t, "b"), &v, &e) && isnan(v) && !table_number(&t, 0, 0, &v, &e) && v == 1, "lines of DOS");
		if (i == 5)
			ok(!table_number(&t, 0, 1, &v, &e) && v == INFINITY && !table_number(&t, 1, 1, &v, &e) && v == -INFINITY, "what is infinite");
		table_free(&t);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(put(path, bad[i]) && table_read(path, &t, &e) == -1, "no table %zu: %s", i, e.text);
		table_free(&t);
		unlink(path);
	}
}

/* -- pages ------------------------------------------------------------------- */

static void text_is(const char *text, const char *want)
{
	struct html h = {0};

	html_text(&h, text);
	html_bytes(&h, "", 1);
	ok(!h.failed && !strcmp(h.p, want), "text %s", want);
	html_free(&h);
}

static void base64_is(const char *bytes, const char *want)
{
	struct html h = {0};

	html_base64(&h, bytes, strlen(bytes));
	html_bytes(&h, "", 1);
	ok(!h.failed && !strcmp(h.p, want), "base64 of '%s'", bytes);
	html_free(&h);
}

static void pages(void)
{
	text_is("a & b < c > \"d\" 'e'", "a &#38; b &#60; c &#62; &#34;d&#34; &#39;e&#39;");
	text_is("\x1b[31m\n\x7f", "?[31m??");
	text_is("Grüße \xe2\x82\xac \xf0\x9f\x98\x80", "Grüße \xe2\x82\xac \xf0\x9f\x98\x80");
	text_is("\xff\xc3(\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82", "?" "?" "(" "?" "?" "?" "?" "?" "?" "?" "?" "?" "?" "?");
	text_is("\xc2\x85", "?"); /* a control character beyond ASCII */
	base64_is("", ""), base64_is("f", "Zg=="), base64_is("fo", "Zm8="), base64_is("foo", "Zm9v"), base64_is("foob", "Zm9vYg=="); /* RFC 4648 */
}

/* -- statistics -------------------------------------------------------------- */

static void statistics(void)
{
	double v[] = {0.9, NAN, 0.1, 0.4, INFINITY, 0.3}, one[] = {2}, none[] = {NAN};
	struct chart_spread s;

	ok(!chart_spread(v, 6, 2000, &s, &e) && s.s.n == 4 && near_to(s.s.mean, 0.425, 1e-15, 0) && near_to(s.s.sd, 0.3403429642777023, 1e-15, 0),
	   "mean and sd"); /* numpy: mean, std(ddof=1), quantile */
	ok(near_to(s.s.q1, 0.25, 1e-15, 0) && near_to(s.s.median, 0.35, 1e-15, 0) && near_to(s.s.q3, 0.525, 1e-15, 0), "quartiles");
	ok(s.min == 0.1 && s.max == 0.9 && s.s.lo < s.s.mean && s.s.hi > s.s.mean, "minimum and maximum, an interval");
	ok(!chart_spread(one, 1, 0, &s, &e) && s.s.n == 1 && s.s.mean == 2 && isnan(s.s.sd) && s.s.q1 == 2 && s.max == 2, "of one value");
	ok(!chart_spread(none, 1, 0, &s, &e) && !s.s.n && isnan(s.s.mean) && isnan(s.s.median) && isnan(s.min), "of none");
}

static void charts(void)
{
	struct chart_dot dot[] = {{1, 1, 0, "<a>"}, {2, NAN, 1, "b"}, {3, -1, 2, "c"}};
	struct html h = {0};

	chart_box(&h, "x & y", dot, 3, &e);
	html_bytes(&h, "", 1);
	ok(!h.failed && strstr(h.p, "x &#38; y, 2 values, median 0, quartiles -0.5 and 0.5") && strstr(h.p, "&#60;a&#62;") && !strstr(h.p, "#case-1") &&
	   !strstr(h.p, "nan"), "a box of what is defined");
	html_free(&h);
	chart_agreement(&h, "Volume", "mL", dot, 3, &e);
	html_bytes(&h, "", 1);
	ok(!h.failed && strstr(h.p, "2 pairs, bias 0, limits of agreement -2.772 and 2.772 mL") && !strstr(h.p, "nan"), "Bland and Altman's limits");
	html_free(&h);
	ok(!chart_box(&h, "none", dot + 1, 1, &e) && !chart_agreement(&h, "none", "mm", dot + 1, 1, &e) && !h.n, "nothing is drawn of nothing");
	html_free(&h);
}

/* -- slices ------------------------------------------------------------------ */

enum { X = 13, Y = 11, Z = 5, SIZE = X * Y };

static uint8_t of_base64(char c)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return (uint8_t)(strchr(digit, c) - digit);
}

/* What is between > and < of the element, unpacked as lib/volume/report/report.js does it. */
static int unpack(const char *html, int64_t n, uint8_t *out)
{
	const char *p = strchr(html, '>') + 1;
	size_t len = strcspn(p, "<");
	uint8_t *z = malloc(len);
	uLongf got = (uLongf)(3 * n * SIZE);

	for (size_t i = 0; i < len; i += 4) {
		unsigned v = 0;

		for (size_t k = 0; k < 4; k++)
			v = v << 6 | (p[i + k] == '=' ? 0 : of_base64(p[i + k]));
		z[i / 4 * 3] = (uint8_t)(v >> 16), z[i / 4 * 3 + 1] = (uint8_t)(v >> 8), z[i / 4 * 3 + 2] = (uint8_t)v;
	}
	len = len / 4 * 3;
	if (uncompress2(out, &got, z, &(uLong){len}) != Z_OK || got != (uLongf)(3 * n * SIZE)) {
		free(z);
		return -1;
	}
	free(z);
	for (int64_t k = 0; k < n; k++)
		for (int i = 1; i < SIZE; i++) {
			uint8_t *b = out + k * SIZE;
			int left = i % X ? b[i - 1] : b[i - X], up = i >= X ? b[i - X] : left, corner = i % X && i >= X ? b[i - X - 1] : up;
			int lo = left < up ? left : up, hi = left < up ? up : left;

			b[i] = (uint8_t)(b[i] + (corner >= hi ? lo : corner <= lo ? hi : left + up - corner));
		}
	return 0;
}

static double hu_of(const char *levels, int i)
{
	for (; i; i--)
		levels = strchr(levels, ',') + 1;
	return atof(levels);
}

static void slices(void)
{
	static const double a[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
	const int64_t shape[3] = {Z, Y, X};
	struct report_opts o = {.slices = Z, .pixels = 16};
	struct frame f = {0};
	struct html h = {0}, levels = {0};
	uint8_t out[3 * Z * SIZE];
	int16_t *v;
	uint8_t *l;
	struct rng r;
	double worst[3] = {0}; /* below soft tissue, in it, above */
	int masks = 1;

	rng_init(&r, 1, RNG_TEST, 0);
	frame_init(&f, "volume", "v", &e), frame_set_affine(&f, a, &e);
	v = frame_add(&f, "image", DT_I16, 3, shape, &e)->data;
	l = frame_add(&f, "label", DT_U8, 3, shape, &e)->data;
	for (int i = 0; i < Z * SIZE; i++)
		v[i] = (int16_t)rng_range(&r, -1024, 1880), l[i] = (uint8_t)(i % 7 == 0);
	report_levels(&levels), html_bytes(&levels, "", 1);
	ok(!report_slices(&o, &f, &h, &e), "slices are packed");
	html_bytes(&h, "", 1);
	ok(strstr(h.p, "data-w=\"13\" data-h=\"11\" data-n=\"5\" data-start=\"0\" data-mm=\"1,1,2\" data-sides=\"RLAP\" data-axis=\"z\" data-hu=\"1\" "
	               "data-masks=\"10\" data-layers=\"0,1,2,3,4\"") != NULL, "what they are");
	ok(!unpack(h.p, Z, out), "and unpacked");
	for (int i = 0; i < Z * SIZE; i++) {
		double off = fabs(hu_of(levels.p, out[i]) - v[i]);
		int k = v[i] < -200 ? 0 : v[i] < 304 ? 1 : 2;

		worst[k] = off > worst[k] ? off : worst[k];
		masks &= out[Z * SIZE + i] == l[i] && !out[2 * Z * SIZE + i];
	}
	ok(worst[0] <= 4 && worst[1] <= 2 && worst[2] <= 30.5, "to 4, 2 and 30.5 HU: %g, %g, %g", worst[0], worst[1], worst[2]);
	ok(masks, "masks as they are");
	html_free(&h), html_free(&levels), frame_free(&f);
}

int main(void)
{
	tables();
	pages();
	statistics();
	charts();
	slices();
	return tap_done();
}
