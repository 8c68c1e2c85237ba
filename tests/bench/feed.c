/* feed BATCH <PATCHES: take patches in as seg-train does (lib/net/train/feed.h), throw them away, and print their number, and ms of wall and of
   processor time a patch. The first batch, with which all starts, is not counted. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/progress.h"
#include "lib/net/train/feed.h"

static double processor(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct feed_batch *b;
	struct err e;
	struct feed *f = feed_open(NULL, NULL, argc > 1 ? strtol(argv[1], NULL, 10) : 1, &(struct known){256, NULL, -1}, &e);
	double wall = 0, cpu = 0;
	long n = 0;
	int got = -1;

	err_tool("feed");
	for (int first = 1; f && (got = feed_next(f, NULL, &b, &e)) == 1; first = 0) {
		n += first ? 0 : (long)b->n;
		if (first)
			wall = progress_now(), cpu = processor();
	}
	if (got || !n)
		err_die(&e);
	printf("%ld %.3f %.3f\n", n, 1e3 * (progress_now() - wall) / (double)n, 1e3 * (processor() - cpu) / (double)n);
	return 0;
}
