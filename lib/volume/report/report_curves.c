#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/volume/report/report_parts.h"

extern char **environ;

/* gnuplot's script with the log in front. Only what was read as a number is handed on: a log's own text never becomes a command. */
static int write_script(FILE *f, const struct table *t, int64_t *rows, struct err *e)
{
	int64_t step = table_need(t, "step", e), loss = step < 0 ? -1 : table_need(t, "loss", e), dice = table_find(t, "val_dice");
	int validated = 0;

	if (step < 0 || loss < 0)
		return -1;
	*rows = 0;
	fprintf(f, "set terminal svg size 760,380 font 'sans-serif,13' name 'curves'\n$log << EOD\nstep\tloss\tval_dice\n");
	for (int64_t i = 0; i < t->rows; i++) {
		double s, l, d = NAN;

		if (table_number(t, i, step, &s, e) || table_number(t, i, loss, &l, e) || (dice >= 0 && table_number(t, i, dice, &d, e)))
			return -1;
		if (!isfinite(s) || !isfinite(l))
			continue;
		fprintf(f, isfinite(d) ? "%.17g\t%.9g\t%.9g\n" : "%.17g\t%.9g\t\n", s, l, d);
		validated |= isfinite(d);
		++*rows;
	}
	fprintf(f, "EOD\nvalidated = %d\n%s", validated, report_gp);
	return fflush(f) || ferror(f) ? err_sys(e, NULL, "cannot write a script for gnuplot") : 0;
}

static int run_gnuplot(FILE *script, FILE *svg, struct err *e)
{
	static char name[] = "gnuplot", defaults[] = "-d"; /* no settings of the user's */
	char *const argv[] = {name, defaults, NULL};
	posix_spawn_file_actions_t io;
	int status, bad;
	pid_t pid;

	rewind(script);
	lseek(fileno(script), 0, SEEK_SET);
	posix_spawn_file_actions_init(&io);
	posix_spawn_file_actions_adddup2(&io, fileno(script), 0);
	posix_spawn_file_actions_adddup2(&io, fileno(svg), 1);
	posix_spawn_file_actions_addopen(&io, 2, "/dev/null", O_WRONLY, 0);
	bad = posix_spawnp(&pid, *argv, &io, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&io);
	if (bad) {
		errno = bad;
		return err_sys(e, NULL, "cannot run gnuplot, which draws the curves of --log");
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, NULL, "gnuplot");
	return !WIFEXITED(status) || WEXITSTATUS(status) ? err_set(e, NULL, "gnuplot failed on the curves of --log") : 0;
}

/* The picture without the prologue that a file of its own would have. */
static int take(FILE *svg, struct html *h, struct err *e)
{
	struct html all = {0};
	char piece[4096], *at;
	size_t n;

	rewind(svg);
	while ((n = fread(piece, 1, sizeof piece, svg)) > 0)
		html_bytes(&all, piece, n);
	html_bytes(&all, "", 1);
	at = all.failed ? NULL : strstr(all.p, "<svg");
	if (at) {
		html_put(h, "<section aria-labelledby=\"curves\"><h2 id=\"curves\">Curves</h2>\n<div class=\"curves\" role=\"img\" tabindex=\"0\" "
		            "aria-label=\"Curves of training loss and validation Dice against the step\">");
		html_put(h, at);
		html_put(h, "</div></section>\n");
	}
	html_free(&all);
	return at ? 0 : err_set(e, NULL, "gnuplot drew no curves of --log");
}

int report_curves(const struct report *r, struct html *h, struct err *e)
{
	FILE *script = NULL, *svg = NULL;
	struct table t = {0};
	int64_t rows;
	int bad = -1;

	if (!r->o->log)
		return 0;
	if (!table_read(r->o->log, &t, e)) {
		script = tmpfile();
		svg = tmpfile();
		if (!script || !svg)
			err_sys(e, NULL, "cannot make a temporary file");
		else if (!write_script(script, &t, &rows, e))
			bad = rows ? run_gnuplot(script, svg, e) || take(svg, h, e) : err_set(e, t.path, "not one step with a loss");
	}
	if (script)
		fclose(script);
	if (svg)
		fclose(svg);
	table_free(&t);
	return bad ? -1 : 0;
}
