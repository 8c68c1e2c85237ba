/* lib/base: numbers, random numbers, errors. */
#include "tests/unit/tap.h"

#include "lib/base/arg.h"
#include "lib/base/edits.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/base/spool.h"

/* Random123's known answers (kat_vectors, philox4x32 10 rounds) */
static void philox(void)
{
	static const struct { uint32_t ctr[4], key[2], out[4]; } kat[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	for (int i = 0; i < 3; i++) {
		uint32_t out[4];

		rng_philox(kat[i].ctr, kat[i].key, out);
		ok(!memcmp(out, kat[i].out, sizeof out), "philox known answer %d", i);
	}
}

static void random_numbers(void)
{
	struct rng a, b;
	double sum = 0, sq = 0;
	int n = 100000, hits[7] = {0}, same = 1;

	rng_init(&a, 1, RNG_TEST, 5);
	rng_init(&b, 1, RNG_TEST, 5);
	for (int i = 0; i < 1000; i++)
		same &= rng_u32(&a) == rng_u32(&b);
	ok(same, "same place, same numbers");
	rng_init(&b, 1, RNG_TEST, 6);
	ok(rng_u64(&a) != rng_u64(&b), "another index, other numbers");
	for (int i = 0; i < n; i++) {
		double z = rng_normal(&a);

		sum += z, sq += z * z;
	}
	ok(fabs(sum / n) < 0.02 && fabs(sq / n - 1) < 0.03, "normal: mean %.4f, variance %.4f", sum / n, sq / n);
	for (int i = 0; i < 70000; i++)
		hits[rng_below(&a, 7)]++;
	for (int i = 0; i < 7; i++)
		ok(abs(hits[i] - 10000) < 500, "below 7: %d came %d times", i, hits[i]);
}

static void numbers(void)
{
	static const char *const bad[] = {"", " 1", "1 ", "1x", "0x10", "1e3", "99999999999999999999", "-"};
	static const char *const bad_float[] = {"", "nan", "inf", "1,0", "1.0f", " 2"};
	struct err e;
	int64_t i;
	double d;

	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		ok(arg_int(bad[k], 0, 0, &i, &e) == -1, "arg_int refuses '%s'", bad[k]);
	for (size_t k = 0; k < sizeof bad_float / sizeof *bad_float; k++)
		ok(arg_float(bad_float[k], 0, 0, &d, &e) == -1, "arg_float refuses '%s'", bad_float[k]);
	ok(!arg_int("-12", -20, 20, &i, &e) && i == -12, "arg_int -12");
	ok(arg_int("21", -20, 20, &i, &e) && !strcmp(e.text, "21 is not in -20..20"), "arg_int range: %s", e.text);
	ok(!arg_float("-1e-3", -1, 1, &d, &e) && d == -1e-3, "arg_float -1e-3");
}

static void errors(void)
{
	struct err e;
	size_t n;

	err_at(&e, "a\nb", 12, "bad %s", "x");
	ok(!strcmp(e.text, "a?b: bad x (offset 12)"), "err_at: %s", e.text);
	err_prefix(&e, "case %d", 3);
	ok(!strcmp(e.text, "case 3: a?b: bad x (offset 12)"), "err_prefix: %s", e.text);
	ok(mem_mul(&n, SIZE_MAX, 2) == -1 && mem_add(&n, SIZE_MAX, 1) == -1, "overflow is seen");
	ok(!mem_new(SIZE_MAX / 4, 8, "a test", &e), "too much memory: %s", e.text);
}

static uint64_t in_pieces(const uint8_t *data, size_t n, uint64_t seed)
{
	struct hash h = {{0}};
	struct rng r;

	rng_init(&r, seed, RNG_TEST, 0);
	for (size_t at = 0, piece; at < n; at += piece) {
		piece = 1 + (size_t)rng_below(&r, n - at < 40 ? n - at : 40);
		hash_add(&h, data + at, piece);
	}
	return hash_end(&h);
}

/* An array of ints grown one by one, that shrinks between, too. */
static void growing(void)
{
	struct err e;
	int *a = NULL, same = 1;
	size_t n = 0;

	for (size_t most = 10; most < 100000; most *= 3) {
		for (; n < most; n++) {
			if (mem_more(&a, n, sizeof *a, "ints", &e))
				break;
			a[n] = (int)n;
		}
		for (size_t i = 0; i < n; i++)
			same &= a[i] == (int)i;
		same &= n == most;
		n /= 2;
	}
	ok(same, "an array grows by one and keeps what is in it");
	ok(mem_more(&a, (size_t)1 << 62, sizeof *a, "ints", &e) && !strcmp(e.text, "not enough memory for ints (4611686018427387904 of them)") && a[4] == 4,
	   "more than there is: %s, and the array as it was", e.text);
	free(a);
}

/* New memory is zero from its first byte to its last, and begins where a large page does. */
static void new_memory(void)
{
	static const size_t sizes[] = {1, 4096, 5000, (2 << 20) + 1, (7 << 20) + 123};
	struct err e = {""};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const size_t n = sizes[i];
		unsigned char *p = mem_map(n, "a test", &e);
		int any = 0;

		for (size_t j = 0; p && j < n; j++)
			any |= p[j];
		ok(p && !any && (uintptr_t)p % (2 << 20) == 0, "%zu bytes, all zero", n);
		if (p)
			memset(p, 1, n);
		mem_unmap(p, n);
	}
	mem_unmap(NULL, 1);
	ok(!mem_map(SIZE_MAX - 1, "a test", &e) && !strcmp(e.text, "not enough memory for a test (needs 18446744073709551614 bytes)"), "too much: %s",
	   e.text);
	ok(!mem_map(SIZE_MAX - (1 << 20), "a test", &e), "nor with what a large page takes");
	ok(!mem_map(SIZE_MAX / 4, "a test", &e) && !strncmp(e.text, "not enough memory for a test (needs ", 36), "much: %s", e.text);
}

/* python-xxhash on bytes (7 i + 3) mod 256 */
static void hashes(void)
{
	static const struct { size_t n; uint64_t hash; } known[] = {
		{0, 0xef46db3751d8e999}, {1, 0x1f25c8d0bc1f4bb6}, {3, 0x31d2363f52e564c9}, {4, 0x9bb64b7d66ee9fda}, {7, 0x9a7b149959ce60d8},
		{8, 0xdab99d95c6f90092}, {12, 0xd52e407833af5133}, {31, 0xa2aa5f33cc4a6119}, {32, 0x23c3c17ef790fd97}, {33, 0x50a7cfc7ba588784},
		{63, 0x5e3e54b431c7493c}, {64, 0x0eb64b3ef6eeb01f}, {100, 0xa61f8d4c170fe531}, {1000, 0x5f235fa033f1a3fb},
	};
	uint8_t data[1000];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(7 * i + 3);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		ok(hash_bytes(data, known[i].n) == known[i].hash && in_pieces(data, known[i].n, i) == known[i].hash, "hash of %zu bytes", known[i].n);
}

/* A file as memory: 0 at first, and again where that is asked; what was left to rest is there still. */
static void mapped(const char *bytes, size_t n)
{
	struct spool s;
	struct err e = {""};
	size_t wrong = 0;
	char *p;

	ok(!spool_open(&s, &e) && (p = spool_map(&s, n, &e)), "%s", e.text);
	for (size_t i = 0; i < n; i++)
		wrong += p[i] != 0;
	memcpy(p, bytes, n);
	spool_rest(p + 5, n - 5);
	ok(!wrong && !memcmp(p, bytes, n), "mapped: 0, then what was written");
	spool_zero(&s, 4097, p + 4097, 10000);
	for (size_t i = 0; i < n; i++)
		wrong += p[i] != (i >= 4097 && i < 14097 ? 0 : bytes[i]);
	ok(!wrong, "mapped: 0 again, no byte more");
	spool_unmap(p, n);
	ok(!spool_map(&s, (size_t)1 << 55, &e) && strstr(e.text, ": cannot have a temporary file of 34359738368 MB: "), "%s", e.text);
	spool_close(&s);
}

/* What is put in any order comes out in its own. */
static void spooled(void)
{
	static char bytes[5 << 20], back[sizeof bytes];
	const int64_t half = sizeof bytes / 2, n = sizeof bytes;
	struct spool s;
	struct out o;
	struct err e = {""};
	FILE *f;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7 % 251);
	ok(!spool_open(&s, &e) && !spool_put(&s, half, bytes + half, (size_t)(n - half), &e) && !spool_put(&s, 0, bytes, (size_t)half, &e), "%s", e.text);
	ok(!out_open(&o, "build/spooled", 1, &e) && !spool_out(&s, 3, sizeof bytes - 3, &o, &e) && !out_close(&o, &e), "%s", e.text);
	f = fopen("build/spooled", "rb");
	ok(f && fread(back, 1, sizeof back, f) == sizeof bytes - 3 && !memcmp(back, bytes + 3, sizeof bytes - 3), "as it was put");
	fclose(f);
	remove("build/spooled");
	ok(!out_open(&o, "build/spooled", 1, &e) && spool_out(&s, 3, sizeof bytes, &o, &e) && strstr(e.text, "became shorter"), "%s", e.text);
	out_abort(&o);
	spool_close(&s);
	mapped(bytes, sizeof bytes);
	setenv("TMPDIR", "/nowhere", 1);
	ok(spool_open(&s, &e) && !strcmp(e.text, "/nowhere: cannot make a temporary file: No such file or directory"), "%s", e.text);
	unsetenv("TMPDIR");
}

/* A file in a tree that stands for the system. */
static void put(const char *root, const char *file, const char *text)
{
	char command[500];

	snprintf(command, sizeof command, "mkdir -p \"$(dirname %s/%s)\" && printf '%s' >%s/%s", root, file, text, root, file);
	if (system(command))
		printf("# cannot write %s/%s\n", root, file);
}

/* What control groups of both versions leave: the least of the process's own and those around it, files kept in memory not counted. */
static void memory_left(void)
{
	static const struct { const char *what; size_t want; const char *file[6][2]; } cases[] = {
		{"no /proc/meminfo: not known", 0, {{"proc/self/cgroup", "0::/"}}},
		{"no groups", (size_t)1000 << 10, {{"x", ""}}},
		{"version 2, no limit", (size_t)1000 << 10, {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/a/memory.max", "max\n"},
			{"sys/fs/cgroup/a/memory.current", "5000\n"}}},
		{"version 2", 9000, {{"proc/self/cgroup", "0::/a/b\n"}, {"sys/fs/cgroup/a/b/memory.max", "10000\n"},
			{"sys/fs/cgroup/a/b/memory.current", "5000\n"}, {"sys/fs/cgroup/a/b/memory.stat", "anon 1000\nfile_mapped 7\nfile 4000\n"}}},
		{"version 2, the group around it", 3000, {{"proc/self/cgroup", "0::/a/b\n"}, {"sys/fs/cgroup/a/b/memory.max", "10000\n"},
			{"sys/fs/cgroup/a/b/memory.current", "5000\n"}, {"sys/fs/cgroup/a/memory.max", "9000\n"}, {"sys/fs/cgroup/a/memory.current", "6000\n"}}},
		{"version 2, full", 1, {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/memory.max", "10000\n"}, {"sys/fs/cgroup/memory.current", "10001\n"}}},
		{"version 2, more than there is", (size_t)1000 << 10, {{"proc/self/cgroup", "0::/\n"}, {"sys/fs/cgroup/memory.max", "99999999\n"}}},
		{"version 1", 4500, {{"proc/self/cgroup", "9:cpu:/c\n4:memory:/a\n0::/\n"}, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "10000\n"},
			{"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "6000\n"}, {"sys/fs/cgroup/memory/a/memory.stat", "cache 1\ntotal_cache 500\n"}}},
		{"version 1, in a container that sees its group as the root", 4000, {{"proc/self/cgroup", "4:memory:/docker/0123\n"},
			{"sys/fs/cgroup/memory/memory.limit_in_bytes", "10000\n"}, {"sys/fs/cgroup/memory/memory.usage_in_bytes", "6000\n"}}},
		{"version 1, no limit", (size_t)1000 << 10, {{"proc/self/cgroup", "4:memory:/\n"},
			{"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}, {"sys/fs/cgroup/memory/memory.usage_in_bytes", "6000\n"}}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *root = "build/system";
		size_t got;

		(void)!system("rm -rf build/system");
		if (i)
			put(root, "proc/meminfo", "MemTotal: 2000 kB\nMemAvailable: 1000 kB\n");
		for (int j = 0; j < 6 && cases[i].file[j][0]; j++)
			put(root, cases[i].file[j][0], cases[i].file[j][1]);
		got = mem_available_under(root);
		ok(got == cases[i].want, "%s: %zu bytes", cases[i].what, got);
	}
	(void)!system("rm -rf build/system");
	ok(mem_available() > 0 && mem_available() <= mem_available_under(""), "here: %zu MB", mem_available() >> 20);
}

static void edits(void)
{
	static const struct { const char *a, *b; size_t n; } row[] = {{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"model", "modle", 1},
		{"model", "Model", 0}, {"kitten", "sitting", 3}, {"abc", "bcd", 2}, {"abcd", "badc", 2}, {"aaaa", "bbbbbb", 6}, {"overlap", "ovrlapp", 2}};
	char many[EDITS_MOST + 1];

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		const size_t n = strlen(row[i].a), m = strlen(row[i].b);

		ok(edits_between(row[i].a, n, row[i].b, m) == row[i].n && edits_between(row[i].b, m, row[i].a, n) == row[i].n, "'%s' and '%s': %zu", row[i].a,
		   row[i].b, row[i].n);
	}
	memset(many, 'x', sizeof many);
	ok(edits_between(many, EDITS_MOST, "x", 1) == EDITS_MOST - 1 && edits_between(many, sizeof many, "x", 1) == sizeof many, "long words");
}

int main(void)
{
	edits();
	growing();
	new_memory();
	memory_left();
	hashes();
	philox();
	random_numbers();
	numbers();
	errors();
	spooled();
	return tap_done();
}
