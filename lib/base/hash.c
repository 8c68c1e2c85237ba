#include "lib/base/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

uint64_t hash_bytes(const void *data, size_t n)
{
	const uint8_t *p = data, *end = p + n;
	uint64_t lane[4] = {P1 + P2, P2, 0, 0 - P1}, h = P5;

	for (; end - p >= 32; p += 32)
		for (int i = 0; i < 4; i++)
			lane[i] = mix(lane[i], word(p + 8 * i));
	if (n >= 32) {
		h = turn(lane[0], 1) + turn(lane[1], 7) + turn(lane[2], 12) + turn(lane[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ mix(0, lane[i])) * P1 + P4;
	}
	h += n;
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

int hash_file(const char *path, char text[HASH_TEXT])
{
	int fd = path && strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat st;
	void *p = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return -1;
	madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
	snprintf(text, HASH_TEXT, "%016llx", (unsigned long long)hash_bytes(p, (size_t)st.st_size));
	munmap(p, (size_t)st.st_size);
	return 0;
}
