/* Command lines: one table a tool, read by arg_parse, printed by --help, compared with the man page by a test.
   Numbers are taken whole (no trailing bytes), finite and within range, or refused as misuse (exit 2). */
#ifndef NIIPIPE_ARG_H
#define NIIPIPE_ARG_H

#include <stdint.h>

#include "lib/base/err.h"

enum arg_kind {
	ARG_END,
	ARG_FLAG,   /* int *: becomes 1; with count = -1, becomes 0 (an option named no-...) */
	ARG_INT,    /* int64_t *: count values separated by commas (count 0 means 1); one value fills all three of count 3 */
	ARG_FLOAT,  /* double *: the same */
	ARG_STR,    /* const char **: borrowed from argv */
	ARG_DEST,   /* the same: where something is written; no part of what makes it */
	ARG_STRS,   /* struct arg_strs *: every use appends, ARG_LIST of them or count; borrowed from argv */
	ARG_CHOICE, /* int *: index of the word in `value`, "linear|nearest|cubic" */
	ARG_INTS,   /* struct arg_ints *: 1 to ARG_LIST values separated by commas */
	ARG_FLOATS  /* struct arg_floats *: the same */
};

enum { ARG_LIST = 256 };
struct arg_strs { int n; const char *v[ARG_LIST]; };
struct arg_ints { int n; int64_t v[ARG_LIST]; };
struct arg_floats { int n; double v[ARG_LIST]; };

struct arg {
	char letter;       /* 0: long name only */
	const char *name;  /* without the dashes */
	enum arg_kind kind;
	void *to;          /* keeps its value when the option is not given: defaults stand where it is declared */
	const char *value; /* what --help calls the value ("X,Y,Z", "FILE"); for ARG_CHOICE the words */
	const char *help;  /* one line, lower case; says the default and the unit */
	double lo, hi;     /* numbers: allowed range, both ends in; both 0: any finite number */
	int count;         /* numbers: how many (0 or 1: one); ARG_STRS: how many at most (0: ARG_LIST) */
};

/* What the tool has beside its own table. --help, --version, -q, -v and --threads are always there. */
enum arg_has {
	ARG_OUT = 1,      /* -o FILE, --output FILE */
	ARG_PROGRESS = 2  /* --progress auto|bar|json|none */
};

struct arg_spec {
	const char *name;     /* "nii-crop" */
	const char *operands; /* as in the usage line: "[FILE ...]"; "" for none */
	const char *about;    /* one line */
	const struct arg *args; /* ends with an all-zero entry */
	int has;              /* enum arg_has, or-ed */
	int least, most;      /* number of operands; most -1: no limit */
};

struct arg_common {
	int quiet, verbose;
	int64_t threads;  /* what --threads said; 0: not given (then all processors this process may use) */
	const char *out;  /* -o; NULL: standard output */
	int progress;     /* 0 auto, 1 bar, 2 json, 3 none */
	int argc;         /* operands, borrowed from argv */
	char **argv;
	const char *line; /* what makes the result, as a shell takes it: the tool's own options as given, by their long names, but for ARG_DEST, then
	                     the operands; lives as long as the process */
	int options;      /* bytes of it before the operands */
};

/* Parse; sets the tool's name for messages and the number of OpenMP threads; options and operands may be mixed, "--" ends the options,
   "-" is an operand. Prints and exits 0 for --help and --version; exits 2 for misuse. */
void arg_parse(const struct arg_spec *s, int argc, char **argv, struct arg_common *c);

/* One number from the whole of text, in [lo, hi] (lo == hi == 0: any). 0, or -1 and an error that quotes the text. */
int arg_int(const char *text, int64_t lo, int64_t hi, int64_t *out, struct err *e);
int arg_float(const char *text, double lo, double hi, double *out, struct err *e);

#endif
