#include "lib/net/train/trainlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arg.h"

static const char heading[] = "step\tlr\tloss\tdice\tce\tgrad_norm\tval_dice\tpatches_per_s\twait\n";

static int put(struct trainlog *l, const char *s, size_t n, struct err *e)
{
	while (n) {
		ssize_t k = write(l->fd, s, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, l->name, "cannot write the log");
		s += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Where the rows up to step `after` end; 0 where there is no log that begins as ours does. */
static off_t kept(const char *path, int64_t after)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	off_t end = 0;
	ssize_t n;

	if (!f)
		return 0;
	while ((n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n') {
		char *tab = strchr(line, '\t');
		int64_t step;
		struct err e;

		if (!end && strcmp(line, heading))
			break;
		if (end) {
			if (!tab)
				break;
			*tab = 0;
			if (arg_int(line, 0, 0, &step, &e) || step > after)
				break;
		}
		end += n;
	}
	free(line);
	fclose(f);
	return end;
}

int trainlog_open(struct trainlog *l, const char *path, int64_t after, struct err *e)
{
	off_t end = after > 0 ? kept(path, after) : 0;

	l->name = path;
	l->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (end ? 0 : O_TRUNC), 0666);
	if (l->fd < 0)
		return err_sys(e, path, "cannot open the log");
	if (end && (ftruncate(l->fd, end) || lseek(l->fd, end, SEEK_SET) < 0))
		return err_sys(e, path, "cannot go on with the log");
	return end ? 0 : put(l, heading, sizeof heading - 1, e);
}

static void cell(char *line, size_t size, const char *format, double v)
{
	size_t used = strlen(line);

	if (isnan(v))
		snprintf(line + used, size - used, "\t");
	else
		snprintf(line + used, size - used, format, v);
}

int trainlog_write(struct trainlog *l, const struct trainlog_row *r, struct err *e)
{
	char line[256];

	if (l->fd < 0)
		return 0;
	snprintf(line, sizeof line, "%" PRId64 "\t%g", r->step, r->lr);
	for (int i = 0; i < 3; i++)
		cell(line, sizeof line, "\t%.6f", r->loss[i]);
	cell(line, sizeof line, "\t%.4g", r->grad_norm);
	cell(line, sizeof line, "\t%.4f", r->val_dice);
	cell(line, sizeof line, "\t%.3f", r->rate);
	cell(line, sizeof line, "\t%.3f", r->wait);
	strncat(line, "\n", 2);
	return put(l, line, strlen(line), e);
}

int trainlog_close(struct trainlog *l, struct err *e)
{
	int fd = l->fd;

	l->fd = -1;
	return fd >= 0 && close(fd) ? err_sys(e, l->name, "cannot close the log") : 0;
}
