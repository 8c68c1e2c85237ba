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

static const uint64_t fresh[4] = {0x9E3779B185EBCA87u + 0xC2B2AE3D27D4EB4Fu, 0xC2B2AE3D27D4EB4Fu, 0, 0 - 0x9E3779B185EBCA87u};

/* Whole blocks of 32 bytes. */
static void take(uint64_t lane[4], const uint8_t *p, size_t n)
{
	for (const uint8_t *end = p + n; p < end; p += 32)
		for (int i = 0; i < 4; i++)
			lane[i] = mix(lane[i], word(p + 8 * i));
}

/* The last total % 32 bytes, and the sum. */
static uint64_t finish(const uint64_t lane[4], uint64_t total, const uint8_t *p)
{
	const uint8_t *end = p + total % 32;
	uint64_t h = P5;

	if (total >= 32) {
		h = turn(lane[0], 1) + turn(lane[1], 7) + turn(lane[2], 12) + turn(lane[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ mix(0, lane[i])) * P1 + P4;
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

void hash_add(struct hash *h, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t have = h->total % 32, room = 32 - have, whole;

	if (!h->total)
		memcpy(h->lane, fresh, sizeof fresh);
	h->total += n;
	if (have && n >= room) {
		memcpy(h->rest + have, p, room);
		take(h->lane, h->rest, 32);
		p += room, n -= room, have = 0;
	}
	whole = have ? 0 : n - n % 32;
	take(h->lane, p, whole);
	if (n > whole) /* p may be NULL where n is 0 */
		memcpy(h->rest + have, p + whole, n - whole);
}

uint64_t hash_end(const struct hash *h)
{
	return finish(h->lane, h->total, h->rest);
}

uint64_t hash_bytes(const void *p, size_t n)
{
	struct hash h = {{0}};

	hash_add(&h, p, n);
	return hash_end(&h);
}

void hash_text(uint64_t h, char text[HASH_TEXT])
{
	snprintf(text, HASH_TEXT, "%016llx", (unsigned long long)h);
}

int hash_parse(const char *text, uint64_t *h)
{
	static const char digits[] = "0123456789abcdef";

	*h = 0;
	for (const char *p = text; *p; p++) {
		const char *at = strchr(digits, *p);

		if (!at)
			return -1;
		*h = *h << 4 | (uint64_t)(at - digits);
	}
	return strlen(text) == HASH_TEXT - 1 ? 0 : -1;
}

/* In pieces: a file that were mapped would count as memory. */
static int hash_fd(int fd, struct hash *h)
{
	static const size_t room = 1 << 18;
	uint8_t *buf = malloc(room);
	ssize_t got = -1;

	while (buf && (got = read(fd, buf, room)) > 0)
		hash_add(h, buf, (size_t)got);
	free(buf);
	return got ? -1 : 0;
}

int hash_file(const char *path, char text[HASH_TEXT])
{
	struct hash h = {{0}};
	struct stat st;
	int fd = -1, r = -1;

	if (path && strcmp(path, "-") && !stat(path, &st) && S_ISREG(st.st_mode)) /* who opens a named pipe and goes takes its writer along */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		r = hash_fd(fd, &h);
	if (fd >= 0)
		close(fd);
	if (!r)
		hash_text(hash_end(&h), text);
	return r;
}
