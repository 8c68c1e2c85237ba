/* CUDA's runtime in a GPU's place, from inside: memory.c (blocks of the device and pinned ones), stream.c (streams, events, graphs), wall.c (who may
   touch what), team.c (what lanes do to their team's memory). What is put on a stream is done when something has to wait for it: in an order that
   streams and events allow, and no matter how strange. SIM_ORDER: 0 (if not given) at once, 1 as late as may be and the first stream first, 2 the
   last one first, else drawn by this seed, some of it early. SIM_FAULT=KERNEL:N: the N-th run of this kernel reads where nothing is. SIM_MEMORY:
   bytes that the device has. SIM_CAPTURE=refused: no graph is made, begin: not even begun. SIM_DRIVER: the version of a driver that is too old, 0:
   there is none. SIM_CAPABILITY: the device's, its first number. SIM_WAITS: at the end, how often a stream was waited for. SIM_RACES:
   what lanes do to each other in the device's memory is noted, too, which takes 28 times the memory. Calls that a driver
   refuses, or that would go well by luck alone, end the process with a line. */
#ifndef NIIPIPE_SIM_H
#define NIIPIPE_SIM_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gpu/wall.h"

enum { PAGE = 4096 };

/* Every block begins with a page that says how long it is. bytes: asked for; whole: mapped behind the page; copies: from and to pinned memory that
   are still to be done; cell: what team.c notes of it, or NULL */
struct block { struct block *next, **link; size_t bytes, whole; int copies; struct sim_cell *cell; };

extern struct block *sim_blocks, *sim_pinned;
extern int sim_generation; /* another one whenever sim_blocks changes */

/* One call at a time; recursive. */
void sim_lock(void);
void sim_unlock(void);

__attribute__((format(printf, 2, 3))) void sim_must(int good, const char *fmt, ...);

/* Put on a stream run(a copy of own); name: of a kernel, or what it does. */
cudaError_t sim_put(cudaStream_t s, const char *name, void (*run)(const void *own), const void *own, size_t size);

/* Until all that was put on any stream is done: what frees memory waits so. Not while something is captured. */
cudaError_t sim_wait_all(const char *who);
cudaError_t sim_wait(cudaStream_t s, const char *who);

int sim_captured(void); /* is a stream captured by this thread? */
cudaError_t sim_error(void); /* that does not go away */
cudaError_t sim_left(cudaError_t r); /* r; cudaGetLastError has it until it was asked, where it is an error */

cudaStream_t sim_first_stream(void); /* on which kernels run */

/* Is [p, p + n) in a block of the list? */
int sim_inside(struct block *list, const void *p, size_t n);

extern const char *sim_running; /* the kernel whose accesses are looked at; NULL: none */

/* The memory of the teams of this thread: NULL before its first; n bytes of it are read or written. */
enum { TEAM_BYTES = (99 + 48) << 10 };
extern _Thread_local char *sim_team;
void sim_team_touch(uintptr_t at, size_t n, int writes);

/* The same of n bytes of a block, from byte `at` on, whose cells these are */
void sim_block_touch(struct sim_cell *cell, size_t at, size_t n, int writes);
struct sim_cell *sim_cells(size_t bytes); /* NULL: not wanted */
void sim_cells_free(struct sim_cell *cell, size_t bytes);

/* The kernel reads 16 bytes here. */
void sim_read_quad(const void *p);

#endif
