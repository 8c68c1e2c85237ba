#include "lib/base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { BLOCKS = 16, LEAST = 1 << 20 /* smaller ones the heap keeps itself */ };

struct block { void *p; size_t n; };

static struct {
	pthread_mutex_t lock;
	struct block block[BLOCKS]; /* the oldest first */
	int blocks;
	size_t bytes;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *out(int i)
{
	void *p = pool.block[i].p;

	pool.bytes -= pool.block[i].n;
	pool.blocks--;
	memmove(&pool.block[i], &pool.block[i + 1], (size_t)(pool.blocks - i) * sizeof *pool.block);
	return p;
}

void *pool_take(size_t bytes, const char *what, struct err *e)
{
	void *p = NULL;

	if (bytes < LEAST || bytes > POOL_MOST)
		return mem_new(bytes, 1, what, e);
	pthread_mutex_lock(&pool.lock);
	for (int i = 0; i < pool.blocks && !p; i++)
		if (pool.block[i].n >= bytes && pool.block[i].n - bytes <= bytes / 8)
			p = out(i);
	pthread_mutex_unlock(&pool.lock);
	return p ? p : mem_new(bytes, 1, what, e);
}

void pool_give(void *p, size_t bytes)
{
	if (!p || bytes < LEAST || bytes > POOL_MOST) {
		free(p);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	while (pool.blocks == BLOCKS || pool.bytes + bytes > POOL_MOST)
		free(out(0));
	pool.block[pool.blocks++] = (struct block){p, bytes};
	pool.bytes += bytes;
	pthread_mutex_unlock(&pool.lock);
}
