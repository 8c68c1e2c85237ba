/* lib/stream: the frame parser against every kind of malformed header, truncation at every byte, alignment, indexes, history. */
#define _GNU_SOURCE
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/rng.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/stream/values.h"

enum { ROOM = 1 << 16 };

struct bytes { char p[ROOM]; size_t n; };

static void put(struct bytes *b, const void *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_frame(struct bytes *b, const char *json, const void *data, size_t n)
{
	uint64_t len = strlen(json);

	put(b, &len, 8); /* tests run on little endian machines */
	put(b, json, (size_t)len);
	put(b, data, n);
}

/* A stream that gives these bytes: from a file that is mapped, or from a pipe. */
static struct stream *open_bytes(const struct bytes *b, int pipe_it, struct err *e)
{
	static char path[64];
	struct stream *s;
	int fd[2];

	if (pipe_it) {
		if (pipe(fd) || write(fd[1], b->p, b->n) != (ssize_t)b->n)
			abort();
		close(fd[1]);
	} else {
		fd[0] = memfd_create("frames", 0);
		if (fd[0] < 0 || write(fd[0], b->p, b->n) != (ssize_t)b->n)
			abort();
	}
	snprintf(path, sizeof path, "/dev/fd/%d", fd[0]);
	s = stream_open(path, e);
	close(fd[0]);
	return s;
}

/* Number of frames, or -1. Touches all data, so that a wild pointer shows. */
static int count_frames(const struct bytes *b, int pipe_it, struct err *e)
{
	struct stream *s = open_bytes(b, pipe_it, e);
	struct frame f;
	int n = 0, r;

	if (!s)
		return -1;
	for (; (r = stream_next(s, &f, e)) == 1; n++) {
		for (int i = 0; i < f.n; i++) {
			struct tensor_stats st;

			tensor_stats(&f.t[i], &st);
		}
		frame_free(&f);
	}
	stream_close(s);
	return r < 0 ? -1 : n;
}

static const char *said(const char *text)
{
	const char *colon = strstr(text, ": ");

	return colon ? colon + 2 : text;
}

#define T(name, dtype, shape, lo, hi) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #lo "," #hi "]}"

static void malformed(void)
{
	static const struct { const char *what, *json, *message; } table[] = {
		{"empty header", "", "header does not begin with '{': not a safetensors frame (offset 8)"},
		{"an array", "[]", "header does not begin with '{': not a safetensors frame (offset 8)"},
		{"a space before", " {}", "header does not begin with '{': not a safetensors frame (offset 8)"},
		{"not JSON", "{x}", NULL},
		{"bytes after the JSON", "{}x", NULL},
		{"two objects", "{}{}", NULL},
		{"not UTF-8", "{\"\xff\":1}", NULL},
		{"NUL in a name", "{" T("a\\u0000b", "U8", "[4]", 0, 4) "}", NULL},
		{"integer beyond 64 bits", "{" T("a", "U8", "[99999999999999999999]", 0, 4) "}", NULL},
		{"duplicate name", "{" T("a", "U8", "[2]", 0, 2) "," T("a", "U8", "[2]", 2, 4) "}", NULL},
		{"duplicate key", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", NULL},
		{"duplicate metadata", "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", NULL},
		{"metadata not an object", "{\"__metadata__\":[]}", "__metadata__ is not an object (offset 8)"},
		{"metadata not strings", "{\"__metadata__\":{\"a\":1}}", "__metadata__ 'a' is not a string (offset 8)"},
		{"tensor not an object", "{\"a\":3}", "tensor 'a': not an object of dtype, shape and data_offsets (offset 8)"},
		{"dtype missing", "{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", "tensor 'a': not an object of dtype, shape and data_offsets (offset 8)"},
		{"a key too many", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":0}}",
		 "tensor 'a': not an object of dtype, shape and data_offsets (offset 8)"},
		{"another key", "{\"a\":{\"dtype\":\"U8\",\"shapes\":[4],\"data_offsets\":[0,4]}}", NULL},
		{"three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}",
		 "tensor 'a': not an object of dtype, shape and data_offsets (offset 8)"},
		{"unknown dtype", "{" T("a", "U9", "[4]", 0, 4) "}", "tensor 'a': unknown dtype 'U9' (offset 8)"},
		{"dtype in lower case", "{" T("a", "u8", "[4]", 0, 4) "}", "tensor 'a': unknown dtype 'u8' (offset 8)"},
		{"shape not an array", "{" T("a", "U8", "4", 0, 4) "}", "tensor 'a': shape is not an array of at most 8 sizes (offset 8)"},
		{"nine axes", "{" T("a", "U8", "[1,1,1,1,1,1,1,1,4]", 0, 4) "}", "tensor 'a': shape is not an array of at most 8 sizes (offset 8)"},
		{"negative size", "{" T("a", "U8", "[-4]", 0, 4) "}", "tensor 'a': axis 0 of the shape is not a whole number (offset 8)"},
		{"fraction of a size", "{" T("a", "U8", "[2,2.0]", 0, 4) "}", "tensor 'a': axis 1 of the shape is not a whole number (offset 8)"},
		{"shape overflows", "{" T("a", "U8", "[4294967296,4294967296]", 0, 0) "}", "tensor 'a': shape overflows (offset 8)"},
		{"shape overflows before a 0", "{" T("a", "U8", "[4294967296,4294967296,0]", 0, 0) "}", "tensor 'a': shape overflows (offset 8)"},
		{"shape x dtype overflows", "{" T("a", "F64", "[2305843009213693952]", 0, 0) "}", "tensor 'a': shape overflows (offset 8)"},
		{"offsets not a range", "{" T("a", "U8", "[4]", 4, 0) "}", "tensor 'a': data_offsets are not a range (offset 8)"},
		{"negative offset", "{" T("a", "U8", "[4]", -4, 0) "}", "tensor 'a': data_offsets are not a range (offset 8)"},
		{"offset a fraction", "{" T("a", "U8", "[4]", 0, 4.0) "}", "tensor 'a': data_offsets are not a range (offset 8)"},
		{"too few bytes", "{" T("a", "U16", "[4]", 0, 4) "}", "tensor 'a': data_offsets hold 4 bytes (expected 8 from dtype and shape) (offset 8)"},
		{"too many bytes", "{" T("a", "U8", "[3]", 0, 4) "}", "tensor 'a': data_offsets hold 4 bytes (expected 3 from dtype and shape) (offset 8)"},
		{"hole at the front", "{" T("a", "U8", "[3]", 1, 4) "}", "tensor 'a': data begin at 1 (expected 0: no hole) (offset 8)"},
		{"hole between", "{" T("a", "U8", "[1]", 0, 1) "," T("b", "U8", "[2]", 2, 4) "}", "tensor 'b': data begin at 2 (expected 1: no hole) (offset 8)"},
		{"overlap", "{" T("a", "U8", "[3]", 0, 3) "," T("b", "U8", "[2]", 2, 4) "}", "tensor 'b': data begin at 2 (expected 3: no overlap) (offset 8)"},
		{"the same bytes twice", "{" T("a", "U8", "[4]", 0, 4) "," T("b", "U8", "[4]", 0, 4) "}",
		 "tensor 'b': data begin at 0 (expected 4: no overlap) (offset 8)"},
		{"empty tensor in the middle of another", "{" T("a", "U8", "[4]", 0, 4) "," T("b", "U8", "[0]", 2, 2) "}", NULL},
		{"offset near 2^63", "{" T("a", "U8", "[4]", 9223372036854775803, 9223372036854775807) "}", NULL},
		{"id with a path", "{\"__metadata__\":{\"id\":\"a/b\"}}", "id 'a/b' has a '/' or a control character in it"},
		{"id ..", "{\"__metadata__\":{\"id\":\"..\"}}", "id '..' is a directory's name"},
		{"id empty", "{\"__metadata__\":{\"id\":\"\"}}", "id of 0 bytes (expected 1 to 255)"},
		{"id with a newline", "{\"__metadata__\":{\"id\":\"a\\nb\"}}", "id 'a?b' has a '/' or a control character in it"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
			struct bytes b = {.n = 0};
			struct err e = {""};
			int n;

			put_frame(&b, table[i].json, "abcd", 4);
			n = count_frames(&b, pipe_it, &e);
			ok(n == -1 && *e.text && (!table[i].message || !strcmp(said(e.text), table[i].message)), "%s, %s: %s", table[i].what,
			   pipe_it ? "pipe" : "file", e.text);
		}
}

static void sound(void)
{
	static const struct { const char *what, *json; size_t n; } table[] = {
		{"no tensor at all", "{}", 0},
		{"spaces after the JSON", "{}      ", 0},
		{"metadata alone", "{\"__metadata__\":{\"id\":\"a b\",\"x\":\"\"}}", 0},
		{"scalar", "{" T("a", "F64", "[]", 0, 8) "}", 8},
		{"empty tensors at both ends", "{" T("z", "U8", "[0,9]", 4, 4) "," T("a", "U8", "[4]", 0, 4) "," T("b", "F64", "[0]", 0, 0) "}", 4},
		{"file order is not the header's", "{" T("b", "U8", "[1]", 3, 4) "," T("a", "U8", "[3]", 0, 3) "}", 4},
		{"eight axes", "{" T("a", "U8", "[1,1,1,1,1,1,2,2]", 0, 4) "}", 4},
		{"an empty name", "{" T("", "U8", "[4]", 0, 4) "}", 4},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
			struct bytes b = {.n = 0};
			struct err e = {""};

			put_frame(&b, table[i].json, "abcdefgh", table[i].n);
			put_frame(&b, table[i].json, "abcdefgh", table[i].n);
			ok(count_frames(&b, pipe_it, &e) == 2, "%s, %s %s", table[i].what, pipe_it ? "pipe" : "file", e.text);
		}
}

static void header_lengths(void)
{
	static const struct { uint64_t len; const char *message; } table[] = {
		{FRAME_HEADER_MAX + 1, "header length 16777217 (at most 16777216): not a safetensors frame (offset 0)"},
		{UINT64_MAX, "header length 18446744073709551615 (at most 16777216): not a safetensors frame (offset 0)"},
		{FRAME_HEADER_MAX, "ends inside a frame's header (offset 10, expected 16777216 bytes, found 2)"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
			struct bytes b = {.n = 0};
			struct err e = {""};

			put(&b, &table[i].len, 8);
			put(&b, "{}", 2);
			ok(count_frames(&b, pipe_it, &e) == -1 && !strcmp(said(e.text), table[i].message), "%s", e.text);
		}
}

static const char two[] = "{\"__metadata__\":{\"id\":\"x\"}," T("a", "U16", "[2]", 0, 4) "," T("b", "U8", "[1]", 4, 5) "}";

static void truncation(void)
{
	struct bytes whole = {.n = 0};
	size_t one;

	put_frame(&whole, two, "abcde", 5);
	one = whole.n;
	put_frame(&whole, two, "abcde", 5);
	for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
		int wrong = 0;

		for (size_t n = 0; n <= whole.n; n++) {
			struct bytes b = whole;
			struct err e = {""};
			int got, want = n == one ? 1 : n == whole.n ? 2 : -1;
			size_t in = n % one; /* both frames are alike */
			const char *what = in < 8 ? "length (" : in < one - 5 ? "header (" : "data (";

			b.n = n;
			got = count_frames(&b, pipe_it, &e);
			if (got != want || (want < 0 && !strstr(e.text, n ? what : "no frame at all"))) {
				printf("# at %zu: %d, %s\n", n, got, e.text);
				wrong++;
			}
		}
		ok(!wrong, "cut at each of %zu bytes, %s", whole.n, pipe_it ? "pipe" : "file");
	}
}

/* Frames of odd lengths one after the other: data are aligned to their types whatever their place. */
static const char pair[] = "{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[5]", 2, 7) "}";

/* Frames whose last tensor stays on its way. */
static void flowing(void)
{
	struct bytes b = {.n = 0};
	char got[5] = "";

	put_frame(&b, pair, "xyabcde", 7);
	put_frame(&b, pair, "zwfghij", 7);
	for (int how = 0; how < 3; how++) {
		struct err e = {""};
		struct stream *s = open_bytes(&b, 1, &e);
		struct frame f;

		ok(stream_next_flow(s, &f, "b", &e) == 1 && !memcmp(f.t[0].data, "xy", 2) && !f.t[1].data, "the last tensor has no data yet");
		if (how == 1)
			ok(!stream_flow(s, got, 3, &e) && !memcmp(got, "abc", 3), "a part of it");
		if (how == 2)
			ok(!stream_flow(s, got, 1, &e) && !stream_flow(s, got + 1, 4, &e) && !memcmp(got, "abcde", 5), "all of it, in pieces");
		frame_free(&f);
		ok(stream_next_flow(s, &f, "b", &e) == 1 && !stream_take(s, &f, &e) && !memcmp(f.t[1].data, "fghij", 5), "the next frame, taken whole");
		ok(!stream_take(s, &f, &e) && stream_next(s, &f, &e) == 0, "once");
		frame_free(&f);
		stream_close(s);
	}
}

static void flowing_cut(void)
{
	struct bytes b = {.n = 0};

	put_frame(&b, pair, "xyabcde", 7);
	put_frame(&b, pair, "zwfghij", 7);
	for (int cut = 1; cut <= 9; cut++) {
		struct err e = {""};
		struct stream *s = (b.n--, open_bytes(&b, 1, &e));
		struct frame f;
		char got[5];
		int r = stream_next_flow(s, &f, "a", &e);

		ok(r == 1 && f.t[0].data && f.t[1].data, "not the last: all are there");
		frame_free(&f);
		r = stream_next_flow(s, &f, "b", &e);
		if (r == 1) {
			r = stream_flow(s, got, 5, &e);
			frame_free(&f);
		}
		ok(r < 0 && strstr(e.text, "ends inside a frame's "), "%d bytes cut off: %s", cut, said(e.text));
		stream_close(s);
	}
}

static void flowing_mapped(void)
{
	struct bytes b = {.n = 0};
	struct err e = {""};
	struct stream *s;
	struct frame f;

	put_frame(&b, pair, "xyabcde", 7);
	s = open_bytes(&b, 0, &e);
	ok(stream_next_flow(s, &f, "b", &e) == 1 && f.t[1].data, "a mapped file's are there");
	stream_done(s, f.t[1].data, 5);
	stream_done(s, &b, sizeof b);
	ok(!stream_take(s, &f, &e) && !memcmp(f.t[1].data, "abcde", 5) && b.n, "and stay");
	frame_free(&f);
	stream_close(s);
}

static void alignment(void)
{
	for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
		struct bytes b = {.n = 0};
		struct err e = {""};
		struct stream *s;
		struct frame f;
		int n = 0, good = 1;
		double v[2] = {1.5, -2.5};
		uint8_t data[17];

		memcpy(data, v, 16);
		data[16] = 7;
		for (int i = 0; i < 9; i++) {
			char json[200];

			snprintf(json, sizeof json, "{" T("a", "F64", "[2]", 0, 16) "," T("b", "U8", "[1]", 16, 17) "}%*s", i, "");
			put_frame(&b, json, data, 17);
		}
		s = open_bytes(&b, pipe_it, &e);
		while (s && stream_next(s, &f, &e) == 1) {
			good &= f.n == 2 && (uintptr_t)f.t[0].data % 8 == 0 && ((double *)f.t[0].data)[0] == 1.5 && ((double *)f.t[0].data)[1] == -2.5 &&
			        *(uint8_t *)f.t[1].data == 7;
			((double *)f.t[0].data)[0] = 9; /* frames may be written to */
			frame_free(&f);
			n++;
		}
		ok(good && n == 9, "nine frames of odd lengths, %s", pipe_it ? "pipe" : "file");
		if (s && !pipe_it)
			ok(!stream_at(s, 3, &f, &e) && tensor_value(&f.t[0], 1) == -2.5 && (frame_free(&f), 1), "by index, maybe unaligned");
		stream_close(s);
	}
}

static void by_index(void)
{
	struct bytes b = {.n = 0};
	struct err e = {""};
	struct stream *s;
	struct frame f = {0};

	for (int i = 0; i < 5; i++) {
		uint8_t v = (uint8_t)(10 + i);

		put_frame(&b, "{" T("a", "U8", "[1]", 0, 1) "}", &v, 1);
	}
	s = open_bytes(&b, 0, &e);
	ok(s && stream_mapped(s) && stream_count(s, &e) == 5, "a file's frames are counted");
	ok(!stream_at(s, 4, &f, &e) && tensor_value(&f.t[0], 0) == 14 && f.offset == (int64_t)(4 * b.n / 5), "the last by index");
	frame_free(&f);
	ok(stream_next(s, &f, &e) == 1 && tensor_value(&f.t[0], 0) == 10, "the index does not move the reader");
	frame_free(&f);
	ok(stream_next_header(s, &f, &e) == 1 && !f.t[0].data, "a header alone");
	frame_free(&f);
	ok(stream_next(s, &f, &e) == 1 && tensor_value(&f.t[0], 0) == 12, "its data were skipped");
	frame_free(&f);
	ok(stream_at(s, 5, &f, &e) == -1 && !strcmp(said(e.text), "no frame 5 (there are 5)"), "%s", e.text);
	ok(stream_at(s, -1, &f, &e) == -1, "%s", e.text);
	stream_close(s);
	s = open_bytes(&b, 1, &e);
	ok(s && !stream_mapped(s) && stream_count(s, &e) == -1, "a pipe has no index: %s", e.text);
	stream_close(s);
}

static void written(void)
{
	static const char path[] = "/tmp/niipipe-unit-stream.ts";
	int64_t shape[3] = {1, 2, 3}, big = 9007199254740993;
	struct frame f;
	struct out o;
	struct err e = {""};
	struct stream *s;
	uint64_t len = 0;
	FILE *in;

	ok(!frame_init(&f, "volume", "a\"b \xc3\xa9", &e), "a frame");
	memset(frame_add(&f, "label", DT_U8, 3, shape, &e)->data, 3, 6);
	*(int64_t *)frame_add(&f, "big", DT_I64, 0, shape, &e)->data = big;
	frame_add(&f, "image", DT_F32, 3, shape, &e);
	for (int i = 0; i < 6; i++)
		((float *)frame_find(&f, "image")->data)[i] = (float)i / 3;
	ok(!history_push(&f, "t", json_pack("{s:I, s:f}", "n", (json_int_t)big, "x", 0.1), NULL, NULL, &e), "history %s", e.text);
	ok(!out_open(&o, path, 1, &e) && !frame_write(&f, &o, &e) && !frame_write(&f, &o, &e) && !out_close(&o, &e), "written twice %s", e.text);
	in = fopen(path, "rb");
	ok(in && fread(&len, 8, 1, in) == 1 && (len + 8) % 64 == 0, "data begin at a multiple of 64");
	fclose(in);
	s = stream_open(path, &e);
	for (int k = 0; k < 2; k++) {
		struct frame g = {0};
		json_t *h;

		ok(stream_next(s, &g, &e) == 1 && !strcmp(frame_id(&g), "a\"b \xc3\xa9") && g.n == 3, "read: frame %d %s", k, e.text);
		ok(!strcmp(g.t[0].name, "big") && !strcmp(g.t[1].name, "image") && !strcmp(g.t[2].name, "label"), "large elements first");
		ok(*(int64_t *)g.t[0].data == big && g.t[0].rank == 0, "2^53 + 1 in the data");
		ok(!memcmp(g.t[1].data, frame_find(&f, "image")->data, 24) && !memcmp(g.t[2].data, frame_find(&f, "label")->data, 6), "values");
		h = history_get(&g, &e);
		ok(json_integer_value(json_object_get(json_object_get(json_array_get(h, 0), "args"), "n")) == big, "2^53 + 1 in the history");
		ok(json_real_value(json_object_get(json_object_get(json_array_get(h, 0), "args"), "x")) == 0.1, "0.1 in the history");
		json_decref(h);
		frame_free(&g);
	}
	stream_close(s);
	frame_free(&f);
	unlink(path);
}

static void grids(void)
{
	int64_t a[4] = {1, 2, 3, 4}, b[3] = {2, 3, 5}, flat[2] = {3, 4};
	double affine[16] = {-.7, 0, 0, 1. / 3, 0, .7, 0, 2, 0, 0, 3, 1e-17, 0, 0, 0, 1};
	struct frame f;
	struct grid g;
	struct err e;

	frame_init(&f, "volume", "x", &e);
	ok(frame_grid(&f, &g, &e) && !strcmp(e.text, "no image, label, pred or prob in this frame"), "%s", e.text);
	memset(frame_add(&f, "image", DT_U8, 4, a, &e)->data, 0, 24);
	ok(frame_grid(&f, &g, &e) && !strcmp(e.text, "no metadata 'affine'"), "%s", e.text);
	ok(!frame_set_affine(&f, affine, &e) && !frame_grid(&f, &g, &e) && !memcmp(g.affine, affine, sizeof affine), "an affine is kept to the last bit");
	ok(g.size[0] == 4 && g.size[1] == 3 && g.size[2] == 2, "size is x,y,z");
	memset(frame_add(&f, "label", DT_U8, 3, b, &e)->data, 0, 30);
	ok(frame_grid(&f, &g, &e) && !strcmp(e.text, "'label' is on another grid than 'image' (5x3x2 against 4x3x2 voxels)"), "%s", e.text);
	memset(frame_add(&f, "label", DT_U8, 2, flat, &e)->data, 0, 12);
	ok(frame_grid(&f, &g, &e) && !strcmp(e.text, "tensor 'label' has 2 axes (expected [Z,Y,X] or [C,Z,Y,X])"), "%s", e.text);
	frame_drop(&f, "label");
	static const char *const bad[] = {"", "1", "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 5", "1 0 0 0 0 1 0 0 0 0 nan 0 0 0 0 1",
	                                  "1 0 0 0 0 1 0 0 0 0 1 0 0 0 1 1",
	                                  "1 0 0 0 0 1 0 0 0 0 1e999 0 0 0 0 1", "a b c"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!frame_set_meta(&f, "affine", bad[i], &e) && frame_grid(&f, &g, &e), "affine '%s': %s", bad[i], e.text);
	frame_free(&f);
}

static void histories(void)
{
	static const char *const bad[] = {"{}", "[1]", "[{}]", "[{\"tool\":3}]", "[", "", "[{\"tool\":\"a\",\"tool\":\"b\"}]"};
	struct frame f;
	struct err e;
	json_t *a;
	struct grid g, before = {{3, 4, 5}, {0}};

	frame_init(&f, "volume", "x", &e);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		frame_set_meta(&f, "history", bad[i], &e);
		ok(!history_get(&f, &e) && !strncmp(e.text, "metadata history: ", 18), "history '%s': %s", bad[i], e.text);
		ok(history_push(&f, "t", NULL, NULL, NULL, &e) == -1 && !strcmp(frame_meta(&f, "history"), bad[i]), "nothing is added to it");
	}
	frame_set_meta(&f, "history", NULL, &e);
	for (int i = 0; i < 16; i++)
		before.affine[i] = i / 3.;
	history_push(&f, "nii-read", NULL, NULL, NULL, &e);
	history_push(&f, "nii-crop", json_pack("{s:i}", "b", 1), NULL, &before, &e);
	history_push(&f, "nii-patch", NULL, NULL, NULL, &e);
	history_push(&f, "nii-normalize", NULL, NULL, NULL, &e);
	a = history_get(&f, &e);
	ok(json_array_size(a) == 4 && history_grid(json_array_get(a, 0), &g, &e) == 0, "an entry without a grid");
	ok(history_grid(json_array_get(a, 1), &g, &e) == 1 && !memcmp(&g, &before, sizeof g), "an entry's grid is kept to the last bit");
	json_decref(a);
	a = history_replay(&f, &e);
	ok(json_array_size(a) == 1 && json_integer_value(json_object_get(json_object_get(json_array_get(a, 0), "args"), "b")) == 1,
	   "replay: what prepares, up to nii-patch");
	json_decref(a);
	frame_free(&f);
}

/* What Python's safetensors wrote (tests/golden/make_stream.py). */
static void python(void)
{
	static const char *const files[] = {"tests/golden/stream_python.safetensors", "../tests/golden/stream_python.safetensors"};
	static const struct { const char *name; enum dtype t; double v[3]; } want[] = {
		{"bool", DT_BOOL, {1, 0, 1}}, {"u8", DT_U8, {0, 1, 255}}, {"i8", DT_I8, {-128, 0, 127}}, {"u16", DT_U16, {0, 1, 65535}},
		{"i16", DT_I16, {-32768, 0, 32767}}, {"f16", DT_F16, {-1.5, 6.103515625e-05, 65504}}, {"bf16", DT_BF16, {-1.5, 0.0078125, 256}},
		{"u32", DT_U32, {0, 1, 4294967295.}}, {"i32", DT_I32, {-2147483648., 0, 2147483647}}, {"f32", DT_F32, {-1.5, 1e-45, 3e38}},
		{"u64", DT_U64, {0, 1, 4294967296.}}, {"i64", DT_I64, {-4294967296., 0, 1}}, {"f64", DT_F64, {-1.5, 5e-324, 1e308}},
	};
	struct err e = {""};
	struct stream *s = stream_open(files[access(files[0], R_OK) ? 1 : 0], &e);
	struct frame f;

	ok(s && stream_next(s, &f, &e) == 1 && !strcmp(frame_id(&f), "python"), "a file of Python's safetensors %s", e.text);
	if (!s)
		return;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		const struct tensor *t = frame_find(&f, want[i].name);
		int good = t && t->dtype == want[i].t && t->rank == 2 && t->shape[0] == 1 && t->shape[1] == 3;

		for (int k = 0; k < 3 && good; k++)
			good = tensor_value(t, k) == (want[i].t == DT_F32 ? (float)want[i].v[k] : want[i].v[k]);
		ok(good, "its %s", want[i].name);
	}
	ok(frame_find(&f, "empty")->size == 0 && frame_find(&f, "scalar")->rank == 0, "its empty tensor and its scalar");
	frame_free(&f);
	stream_close(s);
}

/* Sound frames with a few bytes changed: whatever comes of it, no crash. tests/fuzz/stream.c goes further. */
static void mutated(void)
{
	static const char letters[] = "0123456789[]{},:\"ab-\xff";
	struct bytes seed = {.n = 0};
	struct rng r;
	int refused = 0, tries = 4000;

	put_frame(&seed, two, "abcde", 5);
	rng_init(&r, 1, RNG_TEST, 0);
	for (int i = 0; i < tries; i++) {
		struct bytes b = seed;
		struct err e;

		for (uint64_t k = 1 + rng_below(&r, 3); k; k--)
			b.p[rng_below(&r, b.n)] = letters[rng_below(&r, sizeof letters)];
		refused += count_frames(&b, i & 1, &e) < 0;
	}
	ok(refused > tries / 2, "%d of %d mutations refused", refused, tries);
}

int main(void)
{
	malformed();
	sound();
	header_lengths();
	truncation();
	flowing();
	flowing_cut();
	flowing_mapped();
	alignment();
	by_index();
	written();
	grids();
	histories();
	python();
	mutated();
	return tap_done();
}
