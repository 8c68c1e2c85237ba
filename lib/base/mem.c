#include "lib/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

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
