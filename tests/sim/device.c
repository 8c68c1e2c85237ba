/* This machine in a GPU's place: memory that the host cannot touch but through copies and kernels, so that a tool that forgets where its data lies
   ends with SIGSEGV here, not on somebody's GPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"
#include "tests/sim/nccl/stream.h"
#include "tests/sim/wall.h"

struct block *sim_blocks;
int sim_generation;
void *gpu_stream = SIM_STREAM;
char gpu_name[120];

int gpu_check(int code, const char *what, struct err *e)
{
	return code ? err_set(e, NULL, "cuda: %s: code %d", what, code) : 0;
}

int gpu_open(int index, struct err *e)
{
	if (index)
		return err_set(e, NULL, "cuda: there is no device %d (1 here, from 0)", index);
	snprintf(gpu_name, sizeof gpu_name, "this machine in a GPU's place");
	return 0;
}

/* SIM_MEMORY: bytes that the device has */
size_t gpu_available(void)
{
	const char *all = getenv("SIM_MEMORY");
	size_t used = 0;

	for (const struct block *b = sim_blocks; b; b = b->next)
		used += b->bytes;
	return !all ? 0 : strtoull(all, NULL, 10) > used ? strtoull(all, NULL, 10) - used : 1;
}

void *gpu_host_alloc(size_t bytes, struct err *e)
{
	return mem_new(bytes, 1, "pinned memory", e);
}

void gpu_host_release(void *p)
{
	free(p);
}

/* Every time that is taken is less than the one before. */
int gpu_clock(double *ms, struct err *e)
{
	static double next = 1e6;

	(void)e;
	if (ms)
		*ms = next--;
	return 0;
}

void *gpu_alloc(size_t bytes, struct err *e)
{
	size_t whole = (bytes / PAGE + 1) * PAGE;
	struct block *b = getenv("SIM_MEMORY") && bytes > gpu_available() ? MAP_FAILED : mmap(NULL, PAGE + whole, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED) {
		err_set(e, NULL, "not enough memory for the cuda device (needs %zu bytes)", bytes);
		return NULL;
	}
	memset((char *)b + PAGE, 0xff, whole < 1 << 20 ? whole : 1 << 20); /* NaN where nothing was written */
	*b = (struct block){sim_blocks, &sim_blocks, bytes, whole};
	if (sim_blocks)
		sim_blocks->link = &b->next;
	sim_blocks = b, sim_generation++;
	wall_open(NULL), wall_close(); /* it is out of reach from now on */
	return (char *)b + PAGE;
}

void gpu_release(void *p)
{
	struct block *b = p ? (struct block *)((char *)p - PAGE) : NULL;

	if (!b)
		return;
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	sim_generation++;
	munmap(b, PAGE + b->whole);
}

int gpu_copy(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e)
{
	(void)dir, (void)e;
	wall_open(NULL);
	if (bytes)
		memmove(to, from, bytes);
	wall_close();
	return 0;
}

int gpu_zero(void *p, size_t bytes, struct err *e)
{
	(void)e;
	wall_open(NULL);
	if (bytes)
		memset(p, 0, bytes);
	wall_close();
	return 0;
}
