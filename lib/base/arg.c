#include "lib/base/arg.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/edits.h"
#include "lib/base/mem.h"
#include "lib/base/quote.h"
#include "lib/base/version.h"

int arg_int(const char *text, int64_t lo, int64_t hi, int64_t *out, struct err *e)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end || *text == ' ')
		return err_set(e, NULL, "'%.80s' is not a whole number", text);
	if (errno == ERANGE || (!(lo == 0 && hi == 0) && (v < lo || v > hi)))
		return err_set(e, NULL, "%.80s is not in %lld..%lld", text, (long long)lo, (long long)hi);
	*out = v;
	return 0;
}

int arg_float(const char *text, double lo, double hi, double *out, struct err *e)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || *text == ' ' || !isfinite(v))
		return err_set(e, NULL, "'%.80s' is not a finite number", text);
	if (!(lo == 0 && hi == 0) && (v < lo || v > hi))
		return err_set(e, NULL, "%.80s is not in %g..%g", text, lo, hi);
	*out = v;
	return 0;
}

static int64_t limit(double v)
{
	return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : (int64_t)v;
}

/* Split text at commas into at most `most` numbers, ints or floats. Returns how many. */
static int numbers(const struct arg *a, const char *text, int most, int64_t *iv, double *fv)
{
	char *copy = strdup(text), *p = copy, *word;
	struct err e;
	int n = 0, bad = 0;

	if (!copy)
		err_usage("--%s: not enough memory", a->name);
	while (!bad && (word = strsep(&p, ","))) {
		if (n == most)
			err_usage("--%s: more than %d value%s in '%.80s'", a->name, most, most == 1 ? "" : "s", text);
		bad = iv ? arg_int(word, limit(a->lo), limit(a->hi), &iv[n], &e) : arg_float(word, a->lo, a->hi, &fv[n], &e);
		n++;
	}
	free(copy);
	if (bad)
		err_usage("--%s: %s", a->name, e.text);
	return n;
}

static void take_numbers(const struct arg *a, const char *text)
{
	int want = a->count ? a->count : 1;
	int64_t iv[ARG_LIST];
	double fv[ARG_LIST];
	int n = numbers(a, text, want, a->kind == ARG_INT ? iv : NULL, fv);

	if (n != want && !(n == 1 && want == 3))
		err_usage("--%s: %d values wanted (%s), %d given", a->name, want, a->value, n);
	for (int i = 0; i < want; i++) {
		if (a->kind == ARG_INT)
			((int64_t *)a->to)[i] = iv[n == 1 ? 0 : i];
		else
			((double *)a->to)[i] = fv[n == 1 ? 0 : i];
	}
}

static void take_choice(const struct arg *a, const char *text)
{
	size_t len = strlen(text);
	int i = 0;

	for (const char *w = a->value; w; i++) {
		const char *bar = strchr(w, '|');
		size_t n = bar ? (size_t)(bar - w) : strlen(w);

		if (n == len && !strncmp(w, text, n)) {
			*(int *)a->to = i;
			return;
		}
		w = bar ? bar + 1 : NULL;
	}
	err_usage("--%s: '%.80s' is none of %s", a->name, text, a->value);
}

static void take(const struct arg *a, const char *text)
{
	struct arg_strs *strs = a->to;
	struct arg_ints *ints = a->to;
	struct arg_floats *floats = a->to;

	switch (a->kind) {
	case ARG_FLAG: *(int *)a->to = a->count != -1; break;
	case ARG_INT:
	case ARG_FLOAT: take_numbers(a, text); break;
	case ARG_DEST:
		if (!*text)
			err_usage("--%s: a file without a name", a->name);
		/* fall through */
	case ARG_STR: *(const char **)a->to = text; break;
	case ARG_STRS:
		if (strs->n == (a->count ? a->count : ARG_LIST))
			err_usage("--%s: given more than %d times", a->name, strs->n);
		strs->v[strs->n++] = text;
		break;
	case ARG_CHOICE: take_choice(a, text); break;
	case ARG_INTS: ints->n = numbers(a, text, ARG_LIST, ints->v, NULL); break;
	case ARG_FLOATS: floats->n = numbers(a, text, ARG_LIST, NULL, floats->v); break;
	case ARG_END: assert(!"an option without a kind");
	}
}

/* The options every tool has, after its own. */
enum { COMMON = 8 };

static void common_table(const struct arg_spec *s, struct arg_common *c, int *help, int *version, struct arg t[COMMON])
{
	int n = 0;

	memset(t, 0, COMMON * sizeof *t);
	if (s->has & ARG_OUT)
		t[n++] = (struct arg){'o', "output", ARG_DEST, &c->out, "FILE", "write there, whole or not at all (standard output)"};
	if (s->has & ARG_PROGRESS)
		t[n++] = (struct arg){0, "progress", ARG_CHOICE, &c->progress, "auto|bar|json|none",
		                      "progress on standard error (auto: a bar on a terminal)"};
	t[n++] = (struct arg){0, "threads", ARG_INT, &c->threads, "N", "threads (all processors allowed)", 1, 4096};
	t[n++] = (struct arg){'q', "quiet", ARG_FLAG, &c->quiet, NULL, "no warnings, no progress"};
	t[n++] = (struct arg){'v', "verbose", ARG_FLAG, &c->verbose, NULL, "say on standard error what is done"};
	t[n++] = (struct arg){0, "help", ARG_FLAG, help, NULL, "print this and exit"};
	t[n++] = (struct arg){0, "version", ARG_FLAG, version, NULL, "print the version and exit"};
}

static int has_name(const struct arg *a, const char *name)
{
	for (; a->kind != ARG_END; a++)
		if (!strcmp(a->name, name))
			return 1;
	return 0;
}

/* A name that an earlier table has is that table's: the option then has its letter only. */
static void print_rows(const struct arg *a, const struct arg *earlier)
{
	for (; a->kind != ARG_END; a++) {
		const char *name = earlier && has_name(earlier, a->name) ? "" : a->name;
		char mark[3] = "  ";
		int used;

		if (a->letter)
			mark[0] = '-', mark[1] = a->letter;
		used = printf("  %s%s%s%s%s", mark, !*name ? "" : a->letter ? ", --" : "  --", name, a->value ? " " : "", a->value ? a->value : "");
		if (used > 32)
			used = !printf("\n");
		printf("%*s%s\n", 33 - used, "", a->help);
	}
}

static void print_help(const struct arg_spec *s, const struct arg *common)
{
	printf("usage: %s [options]%s%s\n%s\n\n", s->name, *s->operands ? " " : "", s->operands, s->about);
	print_rows(s->args, NULL);
	print_rows(common, s->args);
	printf("\nmanual: man %s\n", s->name);
}

/* The tables of options, and what makes the result. */
struct parse { const struct arg *own, *common; FILE *line; };

/* The option that differs least from it, in at most a third of its letters, or that it begins with or that begins with it. */
static _Noreturn void unknown(const struct parse *p, const char *name, size_t n)
{
	const struct arg *tables[2] = {p->own, p->common};
	const char *best = NULL;
	size_t least = n / 3 + 1;

	for (int i = 0; i < 2; i++)
		for (const struct arg *a = tables[i]; a->kind != ARG_END; a++) {
			const size_t m = strlen(a->name), most = m < n ? m : n;
			const size_t far = most > 2 && !strncmp(a->name, name, most) ? 0 : edits_between(a->name, m, name, n);

			if (far < least) {
				least = far;
				best = a->name;
			}
		}
	if (best)
		err_usage("unknown option --%.*s: did you mean --%s?", (int)n, name, best);
	err_usage("unknown option --%.*s", (int)n, name);
}

static const struct arg *find(const struct parse *p, const char *name, size_t n, char letter)
{
	const struct arg *tables[2] = {p->own, p->common};

	for (int i = 0; i < 2; i++)
		for (const struct arg *a = tables[i]; a->kind != ARG_END; a++)
			if (letter ? a->letter == letter : strlen(a->name) == n && !strncmp(a->name, name, n))
				return a;
	if (letter)
		err_usage("unknown option -%c", letter);
	unknown(p, name, n < 80 ? n : 80);
}

static int is_common(const struct parse *p, const struct arg *a)
{
	for (const struct arg *c = p->common; c->kind != ARG_END; c++)
		if (c == a)
			return 1;
	return 0;
}

static void use(const struct parse *p, const struct arg *a, const char *text)
{
	take(a, text);
	if (a->kind == ARG_DEST || is_common(p, a))
		return;
	fprintf(p->line, " --%s", a->name);
	if (a->kind == ARG_FLAG)
		return;
	fputc(*text == '-' ? '=' : ' ', p->line);
	quote_put(p->line, text);
}

/* Options at argv[i]: a long one, or letters. Returns the index of the last word used. */
static int option(const struct parse *p, int argc, char **argv, int i)
{
	const char *w = argv[i];

	if (w[1] == '-') {
		const char *eq = strchr(w, '=');
		size_t n = eq ? (size_t)(eq - w - 2) : strlen(w + 2);
		const struct arg *a = find(p, w + 2, n, 0);

		if (a->kind == ARG_FLAG && eq)
			err_usage("--%s takes no value", a->name);
		if (a->kind != ARG_FLAG && !eq && ++i == argc)
			err_usage("--%s wants a value (%s)", a->name, a->value);
		use(p, a, eq ? eq + 1 : argv[i]);
		return i;
	}
	for (w++; *w; w++) {
		const struct arg *a = find(p, NULL, 0, *w);

		if (a->kind == ARG_FLAG) {
			use(p, a, NULL);
			continue;
		}
		if (!w[1] && ++i == argc)
			err_usage("-%c wants a value (%s)", a->letter, a->value);
		use(p, a, w[1] ? w + 1 : argv[i]);
		return i;
	}
	return i;
}

/* Idle OpenMP threads spin for milliseconds by default; beside other programs, as in any pipeline, that was measured to cost up to 6 times
   the run time, a short spin to cost nothing. libgomp reads its environment before main: so once more from the start, with the environment
   set. */
static void calm_threads(char **argv)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0 || getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", "10000", 0))
		return;
	self[n] = 0;
	execv(self, argv); /* where that fails: go on as it is */
}

static void end_line(const struct parse *p, struct arg_common *c)
{
	int dashed = 0;

	c->options = (int)ftell(p->line);
	for (int i = 0; i < c->argc; i++) {
		const int dash = c->argv[i][0] == '-' && c->argv[i][1];

		fputs(dash && !dashed ? " -- " : " ", p->line);
		quote_put(p->line, c->argv[i]);
		dashed |= dash;
	}
	if (fclose(p->line))
		err_usage("not enough memory");
}

void arg_parse(const struct arg_spec *s, int argc, char **argv, struct arg_common *c)
{
	static char *line;
	static size_t size;
	struct arg common[COMMON];
	const struct parse p = {s->args, common, open_memstream(&line, &size)};
	int help = 0, version = 0, n = 0, i;

	calm_threads(argv);
	mem_steady();
	memset(c, 0, sizeof *c);
	err_tool(s->name);
	common_table(s, c, &help, &version, common);
	if (!p.line || fputs(s->name, p.line) < 0)
		err_usage("not enough memory");
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			break;
		if (argv[i][0] == '-' && argv[i][1])
			i = option(&p, argc, argv, i);
		else
			argv[1 + n++] = argv[i];
	}
	for (i++; i < argc; i++)
		argv[1 + n++] = argv[i];
	c->argc = n;
	c->argv = argv + 1;
	end_line(&p, c);
	c->line = line;
	if (help)
		print_help(s, common);
	if (version)
		printf("%s (niipipe) %s\n", s->name, NIIPIPE_VERSION);
	if (help || version) {
		if (!fflush(stdout) && !ferror(stdout))
			exit(0);
		err_warn("standard output: cannot write: %s", strerror(errno));
		exit(1);
	}
	if (n < s->least)
		err_usage("%s wanted", s->least == 1 ? s->operands : "more operands");
	if (s->most >= 0 && n > s->most)
		err_usage("unexpected operand '%.80s'", c->argv[s->most]);
	if (c->threads)
		omp_set_num_threads((int)c->threads);
}
