#include "lib/comm/meet.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/outfile.h"
#include "lib/base/progress.h"

enum { MEET = 60 /* seconds */ };

static int write_place(const char *path, const char *place, struct err *e)
{
	struct out o;

	if (out_open(&o, path, 0, e))
		return -1;
	if (out_printf(&o, e, "%s\n", place)) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e);
}

static int read_place(const char *path, char place[STAR_PLACE])
{
	FILE *f = fopen(path, "r");
	char *got = f ? fgets(place, STAR_PLACE, f) : NULL;

	if (f)
		fclose(f);
	if (!got)
		return -1;
	place[strcspn(place, "\n")] = 0;
	return 0;
}

int meet_over(struct star **s, const struct star_opts *o, const struct transport *t, struct err *e)
{
	char place[STAR_PLACE] = "";

	if (!o->rank) {
		*s = star_listen(o, place, e);
		if (!*s)
			return -1;
	}
	if (t->broadcast(t->self, place, sizeof place, e))
		return -1;
	place[sizeof place - 1] = 0;
	if (!o->rank)
		return star_accept(*s, MEET, e);
	*s = star_join(o, place, MEET, e);
	return *s ? 0 : -1;
}

int meet_by_file(struct star **s, const struct star_opts *o, const char *path, struct err *e)
{
	const double until = progress_now() + MEET;
	const struct timespec moment = {0, 100 * 1000 * 1000};
	char place[STAR_PLACE];
	int bad;

	if (!o->rank) {
		*s = star_listen(o, place, e);
		if (!*s || write_place(path, place, e))
			return -1;
		bad = star_accept(*s, MEET, e);
		unlink(path);
		return bad;
	}
	err_set(e, path, "rank 0 has not written where it is within %d s", MEET);
	while (!*s && progress_now() < until) {
		if (!read_place(path, place))
			*s = star_join(o, place, until - progress_now(), e);
		if (!*s)
			nanosleep(&moment, NULL);
	}
	return *s ? 0 : -1;
}
