#include "lib/base/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 24 };

double progress_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_start(struct progress *p, const struct arg_common *c, const char *unit, int64_t total)
{
	memset(p, 0, sizeof *p);
	p->unit = unit;
	p->total = total;
	p->mode = c->progress ? c->progress : c->quiet || !isatty(STDERR_FILENO) ? 3 : 1;
	p->begun = progress_now();
}

static void clock_text(char *s, size_t n, double sec)
{
	long t = (long)(sec + 0.5);

	if (t >= 3600)
		snprintf(s, n, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
	else
		snprintf(s, n, "%ld:%02ld", t / 60, t % 60);
}

static void draw(const struct progress *p, double now, const char *note)
{
	double took = now - p->begun, rate = took > 0 ? (double)p->done / took : 0;
	double left = rate > 0 && p->total ? (double)(p->total - p->done) / rate : 0;
	char bar[WIDTH + 1], a[32], b[32];
	int full = p->total ? (int)(WIDTH * (double)p->done / (double)p->total) : 0;

	note = note ? note : "";
	if (p->mode == 2) {
		fprintf(stderr, "{\"tool\": \"%s\", \"unit\": \"%s\", \"done\": %lld, \"total\": %lld, \"seconds\": %.3f, \"left\": %.3f, \"note\": \"%s\"}\n",
		        err_tool_name(), p->unit, (long long)p->done, (long long)p->total, took, left, note);
		return;
	}
	memset(bar, ' ', WIDTH);
	memset(bar, '=', (size_t)(full < 0 ? 0 : full > WIDTH ? WIDTH : full));
	bar[WIDTH] = 0;
	clock_text(a, sizeof a, took);
	clock_text(b, sizeof b, left);
	if (p->total)
		fprintf(stderr, "\r%s [%s] %lld/%lld %s %.3g/s %s<%s %s\033[K", err_tool_name(), bar, (long long)p->done, (long long)p->total,
		        p->unit, rate, a, b, note);
	else
		fprintf(stderr, "\r%s %lld %s %.3g/s %s %s\033[K", err_tool_name(), (long long)p->done, p->unit, rate, a, note);
	fflush(stderr);
}

void progress_to(struct progress *p, int64_t done, const char *note)
{
	double now;

	p->done = done;
	if (p->mode == 3)
		return;
	now = progress_now();
	if (now - p->shown < 0.1 && p->shown > 0)
		return;
	p->shown = now;
	draw(p, now, note);
}

void progress_end(struct progress *p)
{
	if (p->mode == 3)
		return;
	draw(p, progress_now(), NULL);
	if (p->mode == 1)
		fputc('\n', stderr);
}
