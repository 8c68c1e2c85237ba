/* In the place of a GPU (tests/sim): its memory is this machine's, out of the host's reach but while a kernel or a copy runs. kernel: whose accesses
   are looked at, every one: what is not in a block of device memory, nor on its own stack, from `top` down, ends the process; NULL: nobody's. */
#ifndef NIIPIPE_WALL_H
#define NIIPIPE_WALL_H

#include <stddef.h>
#include <stdint.h>

void wall_open(const char *kernel, const void *top);
void wall_close(void);
void wall_together(const void *p, size_t bytes); /* which a GPU's lane has in one access: they lie at a multiple of them */

/* Put a kernel on gpu_stream: run(a copy of own[size]), when its turn comes, between open and close. 0, or CUDA's error code. */
int wall_launch(const char *kernel, void (*run)(const void *own), const void *own, size_t size);

/* -- teams, and their own memory (tests/sim/team.c): what a GPU's racecheck, synccheck and more would say of it ends the process with a line. par.h's
   loops say whose turn it is: a lane's, in a loop over lanes; a warp's; or that of all lanes. -- */
struct wall_size { int64_t many; size_t bytes; }; /* of teams; of the memory of each */
void wall_teams_begin(const struct wall_size *s);
int64_t wall_teams(int64_t n);                    /* n, as many as were started */
int wall_team(void);                              /* another team's turn: 1 */
int wall_team_ends(void);                         /* 0 */
int wall_lane(int64_t i, int there, unsigned of); /* that of lane i % of, of a team or of a warp; or there is none: there */
int wall_warp(int w, int there);
void wall_sync(void);                             /* all lanes of a team come by */
void wall_warp_sync(void);
void wall_group(void);                            /* all lanes of a group */
void *wall_room(void);
void *wall_array(const char *site, size_t bytes); /* the same one for a team and a site; 16 bytes aligned */
void wall_begin(void *to, const void *from, int there); /* 16 bytes to a team's memory, which come */
void wall_arrive(void);                                 /* here */

/* A launcher's arguments (a, b, ...) as members of a struct, as its values, and taken out of it again */
#define WALL_1(f, a) f(a)
#define WALL_2(f, a, ...) f(a) WALL_1(f, __VA_ARGS__)
#define WALL_3(f, a, ...) f(a) WALL_2(f, __VA_ARGS__)
#define WALL_4(f, a, ...) f(a) WALL_3(f, __VA_ARGS__)
#define WALL_5(f, a, ...) f(a) WALL_4(f, __VA_ARGS__)
#define WALL_6(f, a, ...) f(a) WALL_5(f, __VA_ARGS__)
#define WALL_7(f, a, ...) f(a) WALL_6(f, __VA_ARGS__)
#define WALL_8(f, a, ...) f(a) WALL_7(f, __VA_ARGS__)
#define WALL_9(f, a, ...) f(a) WALL_8(f, __VA_ARGS__)
#define WALL_10(f, a, ...) f(a) WALL_9(f, __VA_ARGS__)
#define WALL_11(f, a, ...) f(a) WALL_10(f, __VA_ARGS__)
#define WALL_12(f, a, ...) f(a) WALL_11(f, __VA_ARGS__)
#define WALL_13(f, a, ...) f(a) WALL_12(f, __VA_ARGS__)
#define WALL_14(f, a, ...) f(a) WALL_13(f, __VA_ARGS__)
#define WALL_15(f, a, ...) f(a) WALL_14(f, __VA_ARGS__)
#define WALL_16(f, a, ...) f(a) WALL_15(f, __VA_ARGS__)
#define WALL_PICK(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, x, ...) x
#define WALL_EACH(f, ...) WALL_PICK(__VA_ARGS__, WALL_16, WALL_15, WALL_14, WALL_13, WALL_12, WALL_11, WALL_10, WALL_9, WALL_8, WALL_7, WALL_6, \
	WALL_5, WALL_4, WALL_3, WALL_2, WALL_1, )(f, __VA_ARGS__)
#define WALL_MEMBER(a) __typeof__(a) a;
#define WALL_MEMBERS(...) WALL_EACH(WALL_MEMBER, __VA_ARGS__)
#define WALL_VALUES(...) {__VA_ARGS__, wall_size}
#define WALL_TAKE(a) , wall_own.a
#define WALL_REST(none, ...) __VA_ARGS__
#define WALL_WITHOUT(...) WALL_REST(__VA_ARGS__)
#define WALL_TAKES(...) WALL_WITHOUT(WALL_EACH(WALL_TAKE, __VA_ARGS__))

#endif
