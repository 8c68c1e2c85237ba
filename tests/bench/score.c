/* score FILE.ts RUNS METRICS monai|deepmind: seg-score's work on the first frame's label and pred, which are in memory: best wall ms, best processor
   ms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/stream/stream.h"
#include "lib/volume/score/score.h"

static double now(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	double tolerance = 2, wall = 1e18, cpu = 1e18, affine[16];
	struct score_columns c;
	struct score_options o = {.connectivity = 26, .match = .5, .columns = &c};
	struct score_case found;
	struct stream *s;
	struct frame f = {0};
	struct err e;

	if (argc != 5)
		return 2;
	o.surface = !strcmp(argv[4], "deepmind");
	s = stream_open(argv[1], &e);
	if (!s || stream_next(s, &f, &e) != 1 || frame_affine(&f, affine, &e) || score_columns_choose(&c, argv[3], &tolerance, 1, &e))
		return 1;
	for (long n = strtol(argv[2], NULL, 10) + 1; n > 0; n--) {
		double begun = now(CLOCK_MONOTONIC), spent = now(CLOCK_PROCESS_CPUTIME_ID);

		if (score_masks(frame_find(&f, "label"), frame_find(&f, "pred"), affine, &o, &found, &e))
			return 1;
		score_case_free(&found);
		wall = now(CLOCK_MONOTONIC) - begun < wall ? now(CLOCK_MONOTONIC) - begun : wall;
		cpu = now(CLOCK_PROCESS_CPUTIME_ID) - spent < cpu ? now(CLOCK_PROCESS_CPUTIME_ID) - spent : cpu;
	}
	printf("%.2f %.2f 0\n", wall, cpu);
	frame_free(&f);
	stream_close(s);
	return 0;
}
