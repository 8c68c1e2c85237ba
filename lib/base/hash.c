#include "lib/base/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu, P3 = 0x165667B19E3779F9u;
static const uint64_t P4 = 0x85EBCA77C2B2AE63u, P5 = 0x27D4EB2F165667C5u;

static uint64_t turn(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t half(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t mix(uint64_t lane, uint64_t v)
{
	return turn(lane + v * P2, 31) * P1;
}

struct lanes { uint64_t v[4]; };

static const struct lanes fresh = {{0x9E3779B185EBCA87u + 0xC2B2AE3D27D4EB4Fu, 0xC2B2AE3D27D4EB4Fu, 0, 0 - 0x9E3779B185EBCA87u}};

/* Whole blocks of 32 bytes. */
static void take(struct lanes *l, const uint8_t *p, size_t n)
{
	for (const uint8_t *end = p + n; p < end; p += 32)
		for (int i = 0; i < 4; i++)
			l->v[i] = mix(l->v[i], word(p + 8 * i));
}

/* The last total % 32 bytes, and the sum. */
static uint64_t finish(const struct lanes *l, uint64_t total, const uint8_t *p)
{
	const uint8_t *end = p + total % 32;
	uint64_t h = P5;

	if (total >= 32) {
		h = turn(l->v[0], 1) + turn(l->v[1], 7) + turn(l->v[2], 12) + turn(l->v[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ mix(0, l->v[i])) * P1 + P4;
	}
	h += total;
	for (; end - p >= 8; p += 8)
		h = turn(h ^ mix(0, word(p)), 27) * P1 + P4;
	for (; end - p >= 4; p += 4)
		h = turn(h ^ half(p) * P1, 23) * P2 + P3;
	for (; p < end; p++)
		h = turn(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

uint64_t hash_bytes(const void *p, size_t n)
{
	struct lanes l = fresh;

	take(&l, p, n - n % 32);
	return finish(&l, n, (const uint8_t *)p + (n - n % 32));
}

/* In pieces: a file that were mapped would count as memory. */
static int hash_fd(int fd, uint64_t *h)
{
	static const size_t room = 1 << 18;
	uint8_t *buf = malloc(room);
	struct lanes l = fresh;
	uint64_t total = 0;
	size_t have = 0;
	ssize_t got = -1;

	while (buf && (got = read(fd, buf + have, room - have)) > 0) {
		total += (uint64_t)got;
		have += (size_t)got;
		take(&l, buf, have - have % 32);
		memmove(buf, buf + (have - have % 32), have % 32);
		have %= 32;
	}
	if (!got)
		*h = finish(&l, total, buf);
	free(buf);
	return got ? -1 : 0;
}

int hash_file(const char *path, char text[HASH_TEXT])
{
	int fd = path && strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1, r = -1;
	struct stat st;
	uint64_t h = 0;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		r = hash_fd(fd, &h);
	if (fd >= 0)
		close(fd);
	if (!r)
		snprintf(text, HASH_TEXT, "%016llx", (unsigned long long)h);
	return r;
}
