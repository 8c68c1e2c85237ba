/* XXH64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md): what a file is known by in a history; xxh64sum prints the same. Not against
   forgers. */
#ifndef NIIPIPE_HASH_H
#define NIIPIPE_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { HASH_TEXT = 17 };

uint64_t hash_bytes(const void *p, size_t n);

/* The same piece by piece: begun all zero. */
struct hash { uint64_t lane[4], total; uint8_t rest[32]; };
void hash_add(struct hash *h, const void *p, size_t n);
uint64_t hash_end(const struct hash *h);

/* 16 hexadecimal digits, and back: 0, or -1 where it is something else. */
void hash_text(uint64_t h, char text[HASH_TEXT]);
int hash_parse(const char *text, uint64_t *h);

/* Of a regular file's bytes, as 16 hexadecimal digits. 0; -1 where path is no regular file that can be read (a pipe, NULL, "-"): it then has none. */
int hash_file(const char *path, char text[HASH_TEXT]);

#endif
