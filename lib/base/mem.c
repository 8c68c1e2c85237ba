#include "lib/base/mem.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20, LARGE = 8 << 20, KEPT = 32 << 20, LEAST = 16 };

int mem_mul(size_t *out, size_t a, size_t b)
{
	return __builtin_mul_overflow(a, b, out) ? -1 : 0;
}

int mem_add(size_t *out, size_t a, size_t b)
{
	return __builtin_add_overflow(a, b, out) ? -1 : 0;
}

void *mem_new(size_t n, size_t size, const char *what, struct err *e)
{
	size_t bytes, align = ALIGN;
	void *p = NULL;

	if (mem_mul(&bytes, n, size) || bytes > SIZE_MAX / 2) {
		err_set(e, NULL, "not enough memory for %s (%zu times %zu bytes)", what, n, size);
		return NULL;
	}
	if (bytes >= 2 * (size_t)HUGE_PAGE)
		align = HUGE_PAGE;
	if (posix_memalign(&p, align, bytes ? bytes : 1)) {
		err_set(e, NULL, "not enough memory for %s (needs %zu bytes)", what, bytes);
		return NULL;
	}
	if (align == HUGE_PAGE)
		(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void *mem_zero(size_t n, size_t size, const char *what, struct err *e)
{
	void *p = mem_new(n, size, what, e);

	if (p)
		memset(p, 0, n * size);
	return p;
}

/* From a large page's beginning on: what lies before and behind goes back to the system. */
void *mem_map(size_t n, const char *what, struct err *e)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (n + page - 1) / page * page;
	char *p = n > SIZE_MAX / 2 ? MAP_FAILED : mmap(NULL, whole + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED) {
		err_set(e, NULL, "not enough memory for %s (needs %zu bytes)", what, n);
		return NULL;
	}
	before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	if (before)
		munmap(p, before);
	munmap(p + before + whole, HUGE_PAGE - before);
	(void)madvise(p + before, whole, MADV_HUGEPAGE);
	return p + before;
}

void mem_unmap(void *p, size_t n)
{
	if (p)
		munmap(p, n);
}

int mem_more(void *array, size_t n, size_t size, const char *what, struct err *e)
{
	size_t bytes, room = n < LEAST ? LEAST : 2 * n;
	void *p, **a = array;

	if (n && (n < LEAST || n & (n - 1)))
		return 0;
	p = room < n || mem_mul(&bytes, room, size) ? NULL : realloc(*a, bytes);
	if (!p)
		return e ? err_set(e, NULL, "not enough memory for %s (%zu of them)", what, n) : -1;
	*a = p;
	return 0;
}

void mem_steady(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT);
#endif
}

int mem_large_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char line[64] = "";
	int got = f && fgets(line, sizeof line, f);

	if (f)
		fclose(f);
	return got && !strstr(line, "[never]");
}

int mem_forget(void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + n) / page * page;

	return to > from ? madvise((void *)from, to - from, MADV_DONTNEED) : 0;
}

void mem_fetch(const void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)p / page * page;

	(void)madvise((void *)from, (uintptr_t)p + n - from, MADV_WILLNEED);
}

size_t mem_peak(void)
{
	struct rusage r;

	if (getrusage(RUSAGE_SELF, &r))
		return 0;
	return (size_t)r.ru_maxrss * 1024;
}

/* The first number after `key` at the beginning of a line ("": of the file); 0 where there is none. */
static size_t number_in(const char *file, const char *key)
{
	FILE *f = fopen(file, "r");
	char line[256];
	size_t v = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, key, strlen(key))) {
			v = (size_t)strtoull(line + strlen(key), NULL, 10);
			break;
		}
	fclose(f);
	return v;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Where version 2 of control groups, and 1, say what a group may take and has taken. */
static const struct groups { const char *line, *root, *most, *used, *files; } groups[] = {
	{"0::", "/sys/fs/cgroup", "memory.max", "memory.current", "file "},
	{":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache "},
};

static size_t number_of_group(const char *group, const char *name, const char *key)
{
	char file[700];

	snprintf(file, sizeof file, "%s/%s", group, name);
	return number_in(file, key);
}

/* What is left in a group; files it keeps in memory are given back when they are in the way. */
static size_t left_in_group(const struct groups *g, const char *group)
{
	size_t most = number_of_group(group, g->most, ""), used = number_of_group(group, g->used, "");

	if (!most)
		return SIZE_MAX;
	used -= smaller(number_of_group(group, "memory.stat", g->files), used);
	return most - smaller(used, most - 1);
}

/* The least that the process's group and those around it leave. */
static size_t left_in_groups(const char *under, const struct groups *g)
{
	char group[600], line[512], *path = NULL;
	FILE *f;
	size_t root = strlen(under) + strlen(g->root), left = SIZE_MAX;

	snprintf(group, sizeof group, "%s/proc/self/cgroup", under);
	f = fopen(group, "r");

	while (f && !path && fgets(line, sizeof line, f))
		path = strstr(line, g->line);
	if (f)
		fclose(f);
	if (path)
		path += strlen(g->line);
	snprintf(group, sizeof group, "%s%s%.*s", under, g->root, path ? (int)strcspn(path, "\n") : 0, path ? path : "");
	for (char *end = group + strlen(group); end; end = strrchr(group + root, '/')) {
		*end = 0;
		left = smaller(left, left_in_group(g, group));
	}
	return left;
}

static size_t left_of_addresses(void)
{
	struct rlimit limit;
	size_t used = number_in("/proc/self/status", "VmSize:") << 10;

	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return used < limit.rlim_cur ? limit.rlim_cur - used : 1;
}

size_t mem_available_under(const char *under)
{
	char file[600];
	size_t all;

	snprintf(file, sizeof file, "%s/proc/meminfo", under);
	all = number_in(file, "MemAvailable:") << 10;
	return all ? smaller(all, smaller(left_in_groups(under, &groups[0]), left_in_groups(under, &groups[1]))) : 0;
}

size_t mem_available(void)
{
	return smaller(mem_available_under(""), left_of_addresses());
}
