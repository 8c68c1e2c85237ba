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

/* Where the rows up to step `after` end, and where the last of them begins; 0 where there is no log that begins as ours does. */
static off_t kept(const char *path, int64_t after, off_t *last)
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
			*last = end;
		}
		end += n;
	}
	free(line);
	fclose(f);
	return end;
}

int trainlog_open(struct trainlog *l, const char *path, int64_t after, struct err *e)
{
	off_t end;

	l->name = path;
	l->row = -1;
	end = after > 0 ? kept(path, after, &l->row) : 0;
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
	l->row = lseek(l->fd, 0, SEEK_CUR);
	return put(l, line, strlen(line), e);
}

int trainlog_validated(struct trainlog *l, double dice, struct err *e)
{
	char line[256], value[32] = "";
	int fd = l->fd < 0 || l->row < 0 || isnan(dice) ? -1 : open(l->name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : pread(fd, line, sizeof line - 1, l->row);
	char *at = line;

	if (fd >= 0)
		close(fd);
	if (n <= 0) /* no log, or one that only goes by */
		return 0;
	line[n] = 0;
	for (int i = 0; i < 6 && at; i++)
		at = strchr(at + (i > 0), '\t');
	if (!at || at[1] != '\t')
		return 0;
	cell(value, sizeof value, "%.4f", dice);
	if (lseek(l->fd, l->row + (at + 1 - line), SEEK_SET) < 0)
		return err_sys(e, l->name, "cannot go on with the log");
	return put(l, value, strlen(value), e) || put(l, at + 1, strlen(at + 1), e) ? -1 : 0;
}

int trainlog_close(struct trainlog *l, struct err *e)
{
	int fd = l->fd;

	l->fd = -1;
	return fd >= 0 && close(fd) ? err_sys(e, l->name, "cannot close the log") : 0;
}
