/* The wall between host and device, from both sides. The host: device memory is protected but while a kernel or a copy runs; SIM_WALL=0 leaves it in
   reach, for unit tests that look into it. Kernels: gcc calls a function here before every access they make (-fsanitize=kernel-address); what is
   neither device memory, to the byte, nor a kernel's own stack or constants is what a GPU would stop at, or worse, not stop at; and so is what
   does not lie at a multiple of its size. */
#define _GNU_SOURCE
#include "tests/sim/sim.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SEEN = 8 }; /* blocks a thread remembers */

struct span { uintptr_t lo, hi; };

extern const char __ehdr_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

const char *sim_running;
static int depth;
static struct span launcher; /* the host's stack, as far as kernels have it; its bottom never moves */

static struct span own_stack(void)
{
	pthread_attr_t a;
	struct span s = {0, 0};
	void *lo;
	size_t n;

	if (!pthread_getattr_np(pthread_self(), &a)) {
		if (!pthread_attr_getstack(&a, &lo, &n))
			s = (struct span){(uintptr_t)lo, (uintptr_t)lo + n};
		pthread_attr_destroy(&a);
	}
	return s;
}

static int reachable(void)
{
	const char *wall = getenv("SIM_WALL");

	return wall && !strcmp(wall, "0");
}

static void protect(int how)
{
	if (reachable())
		return;
	for (struct block *b = sim_blocks; b; b = b->next)
		mprotect((char *)b + PAGE, b->whole, how);
}

void wall_open(const char *kernel, const void *top)
{
	if (depth++)
		return;
	protect(PROT_READ | PROT_WRITE);
	if (!launcher.lo)
		launcher = own_stack(); /* always the same thread's */
	launcher.hi = (uintptr_t)top;
	sim_running = kernel;
}

void wall_close(void)
{
	if (--depth)
		return;
	sim_running = NULL;
	protect(PROT_NONE);
}

static int within(struct span s, uintptr_t at, size_t n)
{
	return at >= s.lo && at + n <= s.hi;
}

/* And what a kernel does there is noted, where it is wanted. */
static int in_block(uintptr_t at, size_t n, int writes)
{
	static _Thread_local struct { struct { struct span span; struct sim_cell *cell; } seen[SEEN]; int generation, next; } my;

	if (my.generation != sim_generation)
		memset(my.seen, 0, sizeof my.seen), my.generation = sim_generation;
	for (int i = 0; i < SEEN; i++)
		if (within(my.seen[i].span, at, n)) {
			if (my.seen[i].cell)
				sim_block_touch(my.seen[i].cell, at - my.seen[i].span.lo, n, writes);
			return 1;
		}
	for (struct block *b = sim_blocks; b; b = b->next) {
		struct span s = {(uintptr_t)b + PAGE, (uintptr_t)b + PAGE + b->bytes};

		if (within(s, at, n)) {
			my.seen[my.next % SEEN].span = s, my.seen[my.next++ % SEEN].cell = b->cell;
			return in_block(at, n, writes);
		}
	}
	return 0;
}

/* The stacks first: most accesses are to a kernel's arguments and variables. */
static int in_stack(uintptr_t at, size_t n)
{
	static _Thread_local struct span stack;

	if (within(launcher, at, n))
		return 1;
	if (!stack.hi)
		stack = own_stack();
	return launcher.lo != stack.lo && within(stack, at, n);
}

static void lies(uintptr_t at, size_t n, const char *does)
{
	if (!sim_running || !(at & (n - 1)))
		return;
	fprintf(stderr, "kernel %s %s %zu bytes at %#zx, not aligned to them\n", sim_running, does, n, (size_t)at);
	abort();
}

void wall_together(const void *p, size_t bytes)
{
	lies((uintptr_t)p, bytes, "has");
}

static void look(uintptr_t at, size_t n, int aligned, const char *does)
{
	const char *kernel = sim_running;
	const int writes = *does == 'w';

	if (aligned)
		lies(at, n, does);
	if (kernel && at - (uintptr_t)sim_team < TEAM_BYTES) {
		sim_team_touch(at, n, writes);
		return;
	}
	if (!kernel || in_stack(at, n) || in_block(at, n, writes) || (at >= (uintptr_t)__ehdr_start && at < (uintptr_t)_end))
		return;
	fprintf(stderr, "kernel %s %s %zu bytes at %#zx: no device memory\n", kernel, does, n, (size_t)at);
	abort();
}

#define LOOKS(n) \
	void __asan_load##n##_noabort(uintptr_t at); \
	void __asan_store##n##_noabort(uintptr_t at); \
	void __asan_load##n##_noabort(uintptr_t at) { look(at, n, 1, "reads"); } \
	void __asan_store##n##_noabort(uintptr_t at) { look(at, n, 1, "writes"); }
LOOKS(1)
LOOKS(2)
LOOKS(4)
LOOKS(8)
LOOKS(16)

void sim_read_quad(const void *p)
{
	look((uintptr_t)p, 16, 1, "reads");
}

void __asan_loadN_noabort(uintptr_t at, size_t n);
void __asan_storeN_noabort(uintptr_t at, size_t n);
void __asan_handle_no_return(void);

void __asan_loadN_noabort(uintptr_t at, size_t n)
{
	look(at, n, 0, "reads");
}

void __asan_storeN_noabort(uintptr_t at, size_t n)
{
	look(at, n, 0, "writes");
}

void __asan_handle_no_return(void)
{
}
