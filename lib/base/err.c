#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *tool = "niipipe";

static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			*s = '?';
}

static void put(struct err *e, const char *file, const char *fmt, va_list ap)
{
	int n = file ? snprintf(e->text, sizeof e->text, "%.400s: ", file) : 0;

	vsnprintf(e->text + n, sizeof e->text - (size_t)n, fmt, ap);
	clean(e->text);
}

static void add(struct err *e, const char *fmt, ...)
{
	size_t n = strlen(e->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text + n, sizeof e->text - n, fmt, ap);
	va_end(ap);
}

int err_set(struct err *e, const char *file, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, file, fmt, ap);
	va_end(ap);
	return -1;
}

int err_at(struct err *e, const char *file, int64_t offset, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, file, fmt, ap);
	va_end(ap);
	add(e, " (offset %lld)", (long long)offset);
	return -1;
}

int err_sys(struct err *e, const char *file, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	put(e, file, fmt, ap);
	va_end(ap);
	add(e, ": %s", strerror(saved));
	errno = saved;
	return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[ERR_MAX];
	va_list ap;

	memcpy(old, e->text, sizeof old);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	add(e, ": %s", old);
	clean(e->text);
	return -1;
}

void err_tool(const char *name)
{
	tool = name;
}

const char *err_tool_name(void)
{
	return tool;
}

void err_warn(const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	put(&e, NULL, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", tool, e.text);
}

_Noreturn void err_die(const struct err *e)
{
	err_warn("%s", e->text);
	exit(1);
}

_Noreturn void err_usage(const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	put(&e, NULL, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s (see %s --help)\n", tool, e.text, tool);
	exit(2);
}
