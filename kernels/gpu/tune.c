#include "kernels/gpu/tune.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"

enum { CANDIDATES = 12, TIMES = 3, LINE = 400 };

static int tuning;
static const char *file;
static char *known;        /* lines: a shape, a tab, which plan */
static size_t known_bytes;

static void remember(const char *line)
{
	size_t n = strlen(line);
	char *more = realloc(known, known_bytes + n + 1);

	if (!more)
		return;
	known = more;
	memcpy(known + known_bytes, line, n + 1);
	known_bytes += n;
}

/* What cannot be read is as if it were not there. */
static void read_file(void)
{
	char line[LINE];
	FILE *f = file ? fopen(file, "re") : NULL;

	while (f && fgets(line, sizeof line, f))
		if (strchr(line, '\n'))
			remember(line);
	if (f)
		fclose(f);
}

void tune_begin(const char *path)
{
	if (tuning)
		return;
	tuning = 1;
	file = path;
	read_file();
}

/* All that a choice depends on */
static void key_of(const struct cudnn_shape *s, enum cudnn_pass pass, char *key)
{
	snprintf(key, LINE / 2, "%s|%s|%d|%lld|%lld,%lld|%lldx%lldx%lld|%lldx%lldx%lld|%lldx%lldx%lld|%lldx%lldx%lld|%lld,%lld|%d%d%d%d%d",
		gpu_name, cudnn_version(),
		(int)pass, (long long)s->n, (long long)s->c, (long long)s->k, (long long)s->x[0], (long long)s->x[1], (long long)s->x[2], (long long)s->kernel[0],
		(long long)s->kernel[1], (long long)s->kernel[2], (long long)s->stride[0], (long long)s->stride[1], (long long)s->stride[2], (long long)s->pad[0],
		(long long)s->pad[1], (long long)s->pad[2], (long long)s->xpitch, (long long)s->ypitch, s->bf16, s->half_dw, s->tf32, s->bias, s->add);
}

/* Of a shape that is known: which, a number of one or two digits; -1 */
static int recall(const char *key)
{
	const size_t n = strlen(key);

	for (const char *p = known; p && *p; p = strchr(p, '\n') + 1) {
		const char *v = p + n + 1;

		if (!strncmp(p, key, n) && p[n] == '\t' && isdigit((unsigned char)*v))
			return isdigit((unsigned char)v[1]) ? (*v - '0') * 10 + v[1] - '0' : *v - '0';
	}
	return -1;
}

/* A line is written at once: several processes may. */
static void note(const char *key, int which, double ms)
{
	char line[LINE];
	int n = snprintf(line, sizeof line, "%s\t%d\t%.4f\n", key, which, ms), fd;

	remember(line);
	if (!file || n >= (int)sizeof line || (fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)) < 0)
		return;
	if (write(fd, line, (size_t)n) != n)
		file = NULL; /* a full disk: no more is written */
	close(fd);
}

/* x, w (a bias, too) and y of a shape, and the largest workspace */
struct bench { void *data[3], *work; size_t room; };

static int bench_open(struct bench *b, const struct cudnn_shape *s, struct err *e)
{
	size_t bytes[3] = {(size_t)(s->n * s->xpitch), (size_t)(s->k * s->c), (size_t)(s->n * s->ypitch)};
	int bad = 0;

	for (int i = 0; i < 3; i++)
		bytes[0] *= (size_t)s->x[i], bytes[1] *= (size_t)s->kernel[i], bytes[2] *= (size_t)s->y[i];
	for (int i = 0; i < 3 && !bad; i++)
		bad = !(b->data[i] = gpu_alloc(bytes[i] * 4, e)) || gpu_zero(b->data[i], bytes[i] * 4, e);
	return bad ? -1 : 0;
}

static void bench_close(struct bench *b)
{
	for (int i = 0; i < 3; i++)
		gpu_release(b->data[i]);
	gpu_release(b->work);
}

/* Milliseconds of a run, the least of some; below 0: it cannot be run */
static double time_of(struct bench *b, struct cudnn_conv *c, struct err *e)
{
	double best = -1, ms;

	if (cudnn_conv_workspace(c) > b->room) {
		gpu_release(b->work);
		b->room = 0;
		if (!(b->work = gpu_alloc(cudnn_conv_workspace(c), e)))
			return -1;
		b->room = cudnn_conv_workspace(c);
	}
	for (int i = 0; i <= TIMES; i++) {
		if (gpu_clock(NULL, e) || cudnn_conv_run(c, b->data[0], b->data[1], b->data[2], b->data[1], b->work, e) || gpu_clock(&ms, e))
			return -1;
		if (i && (best < 0 || ms < best))
			best = ms;
	}
	return best;
}

/* The quickest of the plans, -1: none was run. Each is made but once: cuDNN compiles some of them. */
static int measure(const struct cudnn_shape *s, enum cudnn_pass pass, double *least, struct err *e)
{
	struct cudnn_conv *all[CANDIDATES];
	const int n = cudnn_conv_all(s, pass, CANDIDATES, all, NULL, e);
	struct bench b = {0};
	int best = -1, bad = n ? bench_open(&b, s, e) : -1;

	for (int i = 0; i < n; i++) {
		double ms = bad ? -1 : time_of(&b, all[i], e);

		if (ms >= 0 && (best < 0 || ms < *least))
			best = i, *least = ms;
		cudnn_conv_free(all[i]);
	}
	if (n)
		bench_close(&b);
	return best;
}

struct cudnn_conv *tune_conv(const struct cudnn_shape *s, enum cudnn_pass pass, int *broken, struct err *e)
{
	struct cudnn_conv *c;
	char key[LINE / 2];
	double ms = 0;
	int which = 0;

	if (tuning) {
		key_of(s, pass, key);
		which = recall(key);
		if (which < 0 && (which = measure(s, pass, &ms, e)) >= 0)
			note(key, which, ms);
	}
	c = cudnn_conv_new(s, pass, which < 0 ? 0 : which, broken, e);
	return c || *broken || which <= 0 ? c : cudnn_conv_new(s, pass, 0, broken, e); /* a file from elsewhere */
}
