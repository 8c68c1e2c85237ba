#include "lib/comm/sum.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"

enum { LITTLE = 2048 /* values */ };

/* The part that rank r adds up: from there on. */
static int64_t part(const struct sum *s, int size, int r)
{
	return s->n * r / size;
}

static int64_t part_count(const struct sum *s, int size, int r)
{
	return part(s, size, r + 1) - part(s, size, r);
}

/* Where the room's pieces lie: the own part of every rank [size][count]; half: then what is sent, and received, of all [n]. */
static char *piece(const struct sum *s, const struct transport *t, int r)
{
	return s->room + (size_t)r * (size_t)part_count(s, t->size, t->rank) * (s->half ? 2 : 4);
}

static uint16_t *halves(const struct sum *s, const struct transport *t)
{
	return (uint16_t *)(void *)piece(s, t, t->size);
}

static inline float of_half(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, sizeof f);
	return f;
}

/* To the nearest bfloat16, ties to even; NaN stays one. */
CLONES static void pack(uint16_t *restrict to, const float *restrict from, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t u, near;

		memcpy(&u, from + i, sizeof u);
		near = u + 0x7fff + (u >> 16 & 1);
		to[i] = (uint16_t)((from[i] != from[i] ? u | 0x400000 : near) >> 16);
	}
}

CLONES static void unpack(float *restrict to, const uint16_t *restrict from, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = of_half(from[i]);
}

static void take(float *restrict to, const float *restrict from, int64_t n)
{
	memcpy(to, from, (size_t)n * sizeof *to);
}

CLONES static void add(float *restrict to, const float *restrict from, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		to[i] += from[i];
}

CLONES static void add_half(float *restrict to, const uint16_t *restrict from, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		to[i] += of_half(from[i]);
}

/* Phase 1: part r of mine to rank r, my part of theirs to me. */
static int exchange(struct sum *s, const struct transport *t, struct err *e)
{
	const size_t size = s->half ? 2 : 4, own = (size_t)part_count(s, t->size, t->rank) * size;

	if (s->half)
		pack(halves(s, t), s->x, s->n);
	for (int r = 0; r < t->size; r++) {
		size_t n = (size_t)part_count(s, t->size, r) * size;
		const char *from = s->half ? (const char *)(halves(s, t) + part(s, t->size, r)) : (const char *)(s->x + part(s, t->size, r));

		if (r != t->rank && (t->receive(t->self, r, s->tag, piece(s, t, r), own, &s->request[s->requests++], e) ||
		                     t->send(t->self, r, s->tag, from, n, &s->request[s->requests++], e)))
			return -1;
	}
	s->phase = 1;
	return 0;
}

/* My part of all ranks, in their order, is x's: a little at a time, which stays in the nearest cache. */
static void reduce(struct sum *s, const struct transport *t)
{
	const int64_t n = part_count(s, t->size, t->rank);
	float *own = s->x + part(s, t->size, t->rank), to[LITTLE];

	for (int64_t i = 0; i < n; i += LITTLE) {
		const int64_t some = n - i < LITTLE ? n - i : LITTLE;

		for (int r = 0; r < t->size; r++) {
			const char *from = piece(s, t, r);

			if (s->half && r != t->rank)
				(r ? add_half : unpack)(to, (const uint16_t *)(const void *)from + i, some);
			else
				(r ? add : take)(to, (r == t->rank ? own : (const float *)(const void *)from) + i, some);
		}
		take(own + i, to, some);
	}
}

/* Phase 2: the result of my part to all, theirs to me. */
static int spread(struct sum *s, const struct transport *t, struct err *e)
{
	const size_t size = s->half ? 2 : 4;
	char *all = s->half ? (char *)halves(s, t) : (char *)s->x, *own = all + (size_t)part(s, t->size, t->rank) * size;

	s->requests = 0;
	if (s->half)
		pack((uint16_t *)(void *)own, s->x + part(s, t->size, t->rank), part_count(s, t->size, t->rank));
	for (int r = 0; r < t->size; r++)
		if (r != t->rank && (t->receive(t->self, r, s->tag + 1, all + (size_t)part(s, t->size, r) * size,
		                                (size_t)part_count(s, t->size, r) * size, &s->request[s->requests++], e) ||
		                     t->send(t->self, r, s->tag + 1, own, (size_t)part_count(s, t->size, t->rank) * size, &s->request[s->requests++], e)))
			return -1;
	s->phase = 2;
	return 0;
}

/* The pieces and, of halves, all of them behind take no more than n + size floats. */
static int make_room(struct sum *s, const struct transport *t, struct err *e)
{
	const size_t bytes = ((size_t)s->n + (size_t)t->size) * sizeof(float);

	if (!s->request) {
		s->request = mem_zero(2 * (size_t)t->size, sizeof *s->request, "a sum", e);
		if (!s->request)
			return -1;
	}
	if (bytes <= s->bytes)
		return 0;
	free(s->room);
	s->bytes = 0;
	s->room = mem_new(bytes, 1, "a sum", e);
	if (!s->room)
		return -1;
	s->bytes = bytes;
	return 0;
}

int sum_begin(struct sum *s, const struct transport *t, float *x, int64_t n, int half, int tag, struct err *e)
{
	s->x = x;
	s->n = n;
	s->half = half;
	s->tag = tag;
	s->requests = 0;
	return make_room(s, t, e) || exchange(s, t, e) ? -1 : 0;
}

int sum_turn(struct sum *s, const struct transport *t, struct err *e)
{
	int left;

	if (!s->phase)
		return 0;
	left = transport_left(t, s->request, s->requests, e);
	if (left)
		return left < 0 ? -1 : 0;
	if (s->phase == 1) {
		reduce(s, t);
		return spread(s, t, e);
	}
	if (s->half)
		unpack(s->x, halves(s, t), s->n);
	s->phase = 0;
	return 0;
}

void sum_free(struct sum *s)
{
	free(s->room);
	free(s->request);
	memset(s, 0, sizeof *s);
}
