/* Drives a fuzz target without libFuzzer: TARGET ROUNDS DICTIONARY SEED... gives it each seed as it is and changed ROUNDS times, always the same:
   bits and bytes, numbers, pieces left out, put twice, exchanged or of another seed, words of the dictionary ("-": none), the end cut off.
   MUTATE=SEED:ROUND: writes that input to standard output instead. See README. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <limits.h>
#include <signal.h>

#include "lib/base/rng.h"

enum { SECONDS = 10, MOST = 1 << 20, WORDS = 200, WORD = 64, EDGE = 1500, PIECE = 64 };

struct bytes { uint8_t *p; size_t n; };
static struct bytes word[WORDS];
static uint64_t words;
static char now[PATH_MAX + 40]; /* which input it is */

static void say_where(int signal)
{
	(void)!write(2, now, strlen(now));
	_exit(128 + signal);
}

static struct bytes read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct bytes b = {malloc(MOST), 0};

	if (!f) {
		perror(path);
		exit(2);
	}
	b.n = fread(b.p, 1, MOST, f);
	fclose(f);
	return b;
}

static int hex(int c)
{
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* libFuzzer's: a line is "text", \xNN in it a byte. */
static void read_words(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "r") : NULL;
	char line[1000];

	while (f && words < WORDS && fgets(line, sizeof line, f)) {
		struct bytes *w = &word[words];
		char *s = strchr(line, '"');

		if (!s)
			continue;
		w->p = malloc(WORD);
		for (s++; *s && *s != '"' && w->n < WORD; s++) {
			if (*s == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) && isxdigit((unsigned char)s[3])) {
				w->p[w->n++] = (uint8_t)(hex(s[2]) << 4 | hex(s[3]));
				s += 3;
				continue;
			}
			s += *s == '\\' && s[1];
			w->p[w->n++] = (uint8_t)*s;
		}
		words++;
	}
	if (f)
		fclose(f);
}

/* Somewhere in n bytes, near the ends more often: headers and directories are there. */
static size_t place(struct rng *r, size_t n)
{
	size_t edge = n < EDGE ? n : EDGE, at = rng_below(r, edge);

	switch (rng_below(r, 3)) {
	case 0: return at;
	case 1: return n - 1 - at;
	default: return rng_below(r, n);
	}
}

/* Put n bytes from p in the place of `gone` ones at `at`. */
static void put(struct bytes *b, size_t at, size_t gone, const uint8_t *p, size_t n)
{
	gone = gone < b->n - at ? gone : b->n - at;
	if (b->n - gone + n > MOST)
		return;
	memmove(b->p + at + n, b->p + at + gone, b->n - at - gone);
	memcpy(b->p + at, p, n);
	b->n += n - gone;
}

static void bit(struct bytes *b, const struct bytes *other, struct rng *r)
{
	(void)other;
	b->p[place(r, b->n)] ^= (uint8_t)(1 << rng_below(r, 8));
}

static void byte(struct bytes *b, const struct bytes *other, struct rng *r)
{
	(void)other;
	b->p[place(r, b->n)] = (uint8_t)rng_u32(r);
}

/* 1, 2, 4 or 8 bytes of a number at an edge of something */
static void number(struct bytes *b, const struct bytes *other, struct rng *r)
{
	const uint64_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, INT32_MAX, UINT32_MAX, (uint64_t)INT32_MAX + 1, INT64_MAX, (uint64_t)INT64_MAX + 1,
		UINT64_MAX, b->n, b->n - 1, b->n + 1, b->n - 8};
	uint64_t v = edges[rng_below(r, sizeof edges / sizeof *edges)];
	size_t n = (size_t)1 << rng_below(r, 4);

	(void)other;
	put(b, place(r, b->n), n, (const uint8_t *)&v, n);
}

/* The same in digits, where there are digits */
static void digits(struct bytes *b, const struct bytes *other, struct rng *r)
{
	static const char *const edges[] = {"0", "-1", "1e999", "0.5", "2147483648", "4294967295", "9223372036854775807", "18446744073709551616", "nan",
		"1e-320"};
	const char *s = edges[rng_below(r, sizeof edges / sizeof *edges)];
	size_t at = place(r, b->n), n = 0;

	(void)other;
	while (at < b->n && !isdigit(b->p[at]))
		at++;
	while (at + n < b->n && isdigit(b->p[at + n]))
		n++;
	if (n)
		put(b, at, n, (const uint8_t *)s, strlen(s));
}

static void leave_out(struct bytes *b, const struct bytes *other, struct rng *r)
{
	(void)other;
	put(b, place(r, b->n), 1 + rng_below(r, PIECE), b->p, 0);
}

static void cut(struct bytes *b, const struct bytes *other, struct rng *r)
{
	(void)other;
	b->n = 1 + place(r, b->n);
}

/* A piece of this or another input, in between or in the place of as many. */
static void piece(struct bytes *b, const struct bytes *other, struct rng *r)
{
	uint8_t copy[PIECE];
	const struct bytes *from = rng_below(r, 2) ? b : other;
	size_t at = place(r, from->n), n = 1 + rng_below(r, PIECE);

	n = n < from->n - at ? n : from->n - at;
	memcpy(copy, from->p + at, n);
	put(b, place(r, b->n), rng_below(r, 2) ? n : 0, copy, n);
}

static void a_word(struct bytes *b, const struct bytes *other, struct rng *r)
{
	const struct bytes *w = words ? &word[rng_below(r, words)] : NULL;

	(void)other;
	if (w)
		put(b, place(r, b->n), rng_below(r, 2) ? w->n : 0, w->p, w->n);
}

/* What a pickle does, exchanged for another operation: a byte that is one becomes another. */
static void operation(struct bytes *b, const struct bytes *other, struct rng *r)
{
	static const char all[] = "(.012FIJKLMNPQRSTUVXabcdghijlopqrstu}])]e"
		"\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98";
	size_t at = place(r, b->n);

	(void)other;
	for (size_t i = at; i < b->n && i < at + PIECE; i++)
		if (memchr(all, b->p[i], sizeof all - 1)) {
			b->p[i] = (uint8_t)all[rng_below(r, sizeof all - 1)];
			return;
		}
}

/* Where JSON begins: at once, or behind a frame's length; n: nowhere. */
static size_t json_begin(const struct bytes *b)
{
	if (b->n && (b->p[0] == '{' || b->p[0] == '['))
		return 0;
	return b->n > 9 && b->p[8] == '{' ? 8 : b->n;
}

/* Bytes of the JSON value at `at`, roughly: up to the comma or the bracket behind it. */
static size_t value_length(const struct bytes *b, size_t at)
{
	size_t n = 0;

	for (int depth = 0, text = 0; at + n < b->n; n++) {
		char c = (char)b->p[at + n];

		if (c == '"' && (!n || b->p[at + n - 1] != '\\'))
			text = !text;
		else if (text)
			continue;
		else if (c == '[' || c == '{')
			depth++;
		else if (!depth && (c == ',' || c == ']' || c == '}'))
			break;
		else
			depth -= c == ']' || c == '}';
	}
	return n;
}

/* A value of JSON exchanged for another; a frame's header stays as long as its length says. */
static void value(struct bytes *b, const struct bytes *other, struct rng *r)
{
	static const char *const values[] = {"null", "true", "0", "1", "-1", "2", "3", "7", "16", "4097", "1.5", "1e308", "9223372036854775807",
		"2147483648", "[]", "{}", "[3,3,3]", "[0,0,0]", "[[1,2,2],2]", "[1,2]", "\"\"", "\"INSTANCE\"", "[\"GROUP\",{\"num_groups\":2}]"};
	const char *v = values[rng_below(r, sizeof values / sizeof *values)];
	size_t from = json_begin(b), at = from + rng_below(r, b->n - from), gone;
	uint64_t length = 0;

	(void)other;
	while (at < b->n && !strchr(":[,", b->p[at]))
		at++;
	if (at + 1 >= b->n)
		return;
	gone = value_length(b, ++at);
	put(b, at, gone, (const uint8_t *)v, strlen(v));
	if (from) {
		memcpy(&length, b->p, sizeof length);
		length += strlen(v) - gone;
		memcpy(b->p, &length, sizeof length);
	}
}

typedef void way(struct bytes *b, const struct bytes *other, struct rng *r);
static way *const ways[] = {bit, byte, number, digits, leave_out, cut, piece, a_word, operation};

static void change(struct bytes *b, const struct bytes *other, uint64_t seed, uint64_t round)
{
	struct rng r;

	rng_init(&r, seed, RNG_TEST, round);
	for (uint64_t i = rng_below(&r, 5); round && i < 5 && b->n; i++)
		(json_begin(b) < b->n && rng_below(&r, 3) ? value : ways[rng_below(&r, sizeof ways / sizeof *ways)])(b, other, &r);
}

int main(int argc, char **argv)
{
	const char *only = getenv("MUTATE");
	unsigned long long want_seed = 0, want_round = 0, rounds, done = 0;
	struct bytes b = {malloc(MOST + PIECE), 0};

	if (argc < 4 || sscanf(argv[1], "%llu", &rounds) != 1 || (only && sscanf(only, "%llu:%llu", &want_seed, &want_round) != 2))
		return 2;
	signal(SIGALRM, say_where), signal(SIGSEGV, say_where), signal(SIGABRT, say_where), signal(SIGBUS, say_where), signal(SIGFPE, say_where);
	read_words(argv[2]);
	for (int s = 3; s < argc; s++) {
		struct bytes seed = read_all(argv[s]), other = read_all(argv[s + 1 < argc ? s + 1 : 3]);

		for (unsigned long long i = 0; i <= rounds && seed.n && other.n; i++) {
			if (only && (want_seed != (unsigned)s - 3 || want_round != i))
				continue;
			memcpy(b.p, seed.p, seed.n);
			b.n = seed.n;
			change(&b, &other, (uint64_t)s - 3, i);
			snprintf(now, sizeof now, "# MUTATE=%d:%llu, %s\n", s - 3, i, argv[s]);
			if (only)
				return fwrite(b.p, 1, b.n, stdout) != b.n || fflush(stdout);
			alarm(SECONDS);
			LLVMFuzzerTestOneInput(b.p, b.n);
			done++;
		}
		free(seed.p), free(other.p);
	}
	printf("%llu inputs\n", done);
	free(b.p);
	for (uint64_t i = 0; i < words; i++)
		free(word[i].p);
	return 0;
}
