/* Memory: sizes that cannot overflow, large blocks aligned for vectors. */
#ifndef NIIPIPE_MEM_H
#define NIIPIPE_MEM_H

#include "lib/base/err.h"

/* *out = a * b (a + b). Returns 0, or -1 where the result does not fit; *out is then unset. */
int mem_mul(size_t *out, size_t a, size_t b);
int mem_add(size_t *out, size_t a, size_t b);

/* n * size bytes, aligned to 64, contents undefined; caller frees with free().
   NULL and an error "not enough memory for WHAT (needs N bytes)" when there is none. n * size may be 0. */
void *mem_new(size_t n, size_t size, const char *what, struct err *e);

/* The same, zeroed. */
void *mem_zero(size_t n, size_t size, const char *what, struct err *e);

/* n > 0 bytes of memory that is new and all zero: the system gives it as it is touched, in large pages where it can. NULL and the same error;
   released with mem_unmap(p, n), NULL is fine. */
void *mem_map(size_t n, const char *what, struct err *e);
void mem_unmap(void *p, size_t n);

/* Room for one more behind the n elements of *array, an array that grows by one at a time, from NULL, and by this call alone: it doubles where n is a
   power of two. 0, or -1, the array as it was, and an error "not enough memory for WHAT"; e may be NULL. The caller frees *array with free(). */
int mem_more(void *array, size_t n, size_t size, const char *what, struct err *e);

/* Once, at the start: blocks of 8 MiB and more go back to the system when they are freed, smaller ones are kept for what comes next (patches). glibc
   left to itself learns from what was freed which to keep, and needs now less, now a volume's label more. */
void mem_steady(void);

/* Does the system give large pages to those that ask for them (mem_new does)? Without, new memory costs more than what is copied into it. */
int mem_large_pages(void);

/* Forget the values of the whole pages among the n bytes at p, part of a block from mem_new: their memory goes back to the system, or stays with who
   else holds it, and new memory takes its place when it is touched. 0, or -1 where the system does not let go of them. */
int mem_forget(void *p, size_t n);

/* n bytes at p will be read soon: the system fetches them from the disk meanwhile where they are part of a mapped file. */
void mem_fetch(const void *p, size_t n);

/* Peak resident set of this process, bytes. */
size_t mem_peak(void);

/* Bytes that this process may still take without swapping: what the kernel says is available, what its control groups and its limit of address space
   leave. 0: not known. */
size_t mem_available(void);

/* The same of a system whose /proc and /sys are under a folder, without this process's limit of address space: what tests can put there. */
size_t mem_available_under(const char *under);

#endif
