/* Teams' own memory in a GPU's place. gcc runs the lanes of a team one after the other, loop by loop, so what they do to each other never shows in
   what comes out: here every access is noted, by which lane and after which sync, and what a GPU may do in another order ends the process with a
   line. So does reading what no lane of this team wrote, or what is still on its way; memory beyond what the kernel was launched with; a sync that
   not all lanes come by; and a launch of more or fewer teams than the kernel goes through. With SIM_RACES the
   device's memory is looked at, too: there teams come in no order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/sim.h"

/* As in par.h */
enum { LANES = 256, WARP = 32, WARPS = LANES / WARP, ROOM = 99 << 10, ARRAYS = TEAM_BYTES - ROOM, GAP = 64 };
enum { EACH = 2, CELLS = (ROOM + ARRAYS) / EACH, SITES = 8, WAYS = 16 << 10 }; /* bytes of a cell: no lanes share one */

/* A lane of a warp; -1: all of them, of a warp or of the team. Of its warp's syncs the last, as many bits as tell it from its neighbours. all: the
   three at once */
union who { struct { int8_t warp, lane; uint16_t sync; }; uint32_t all; };

/* After which sync it was written and read last, by whom, several of them as all. Small: there are many. */
enum { COMING = UINT32_MAX }; /* wrote: it is on its way */
struct cell { uint32_t wrote, read; union who writer, reader; };

struct way { char *to; const void *from; int there; union who who; };

/* A thread's: it runs a team at a time. */
struct team {
	_Alignas(16) char memory[ROOM + ARRAYS];
	struct cell cell[CELLS];
	uint64_t number;
	uint32_t sync, first, warp_sync[WARPS]; /* sync goes on from team to team: this one's are those from first on */
	int inside, outer, ways, sites; /* inside: a team's turn; outer: that of a warp's loop */
	union who now;                  /* whose turn it is */
	size_t used; /* by arrays */
	struct { const char *at; size_t lo, hi; } site[SITES];
	struct way way[WAYS];
};

/* The same of the device's memory, but of single bytes, which lanes share a cell of: in which team's turn, after which of its syncs; many: several
   teams read it */
struct sim_cell { struct { uint64_t team; uint32_t sync; union who who; } wrote, read; int many; };

static const union who nobody = {{-1, -1, 0}}; /* all lanes of a team */
static struct wall_size size;
static uint64_t turns, launched; /* of all teams so far; those before this kernel's */
static _Thread_local struct team *mine;
_Thread_local char *sim_team;

__attribute__((noreturn)) static void wrong(const char *what, size_t at)
{
	fprintf(stderr, "kernel %s, a team's memory, byte %zu: %s\n", sim_running ? sim_running : "", at, what);
	abort();
}

static struct team *own(void)
{
	if (!mine) {
		if (!(mine = aligned_alloc(16, (sizeof *mine + 15) / 16 * 16)))
			abort();
		memset(mine, 0, sizeof *mine);
		sim_team = mine->memory;
		mine->sync = mine->first = 1, mine->outer = -1, mine->now = nobody;
	}
	return mine;
}

/* -- whose turn it is ------------------------------------------------------------ */
static void begin(struct team *t, uint64_t number)
{
	t->number = number, t->first = ++t->sync;
}

void wall_teams_begin(const struct wall_size *s)
{
	size = *s;
	launched = turns;
	begin(own(), ++turns);
	if (size.bytes > ROOM || size.many > INT32_MAX)
		wrong("more than a device has", size.bytes);
}

int64_t wall_teams(int64_t n)
{
	if (n != size.many)
		wrong("another number of teams than was launched", (size_t)n);
	return n;
}

int wall_team(void)
{
	struct team *t = own();

	if (t->ways)
		wrong("the team before has ended, and some of it was still on its way", 0);
	begin(t, __atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED));
	t->inside = 1;
	t->outer = -1, t->now = nobody, t->sites = 0, t->used = 0;
	memset(t->warp_sync, 0, sizeof t->warp_sync);
	return 1;
}

int wall_team_ends(void)
{
	own()->inside = 0;
	return 0;
}

static void turn(struct team *t, int warp, int lane)
{
	t->now.all = (uint32_t)(uint8_t)warp | (uint32_t)(uint8_t)lane << 8 | (warp < 0 ? 0 : t->warp_sync[warp] << 16);
}

/* of: a power of two */
int wall_lane(int64_t i, int there, unsigned of)
{
	struct team *t = own();
	const int lane = (int)((uint64_t)i & (of - 1));

	turn(t, there && t->outer < 0 ? lane / WARP : t->outer, there ? lane % WARP : -1);
	return there;
}

int wall_warp(int w, int there)
{
	struct team *t = own();

	turn(t, t->outer = there ? w : -1, -1);
	return there;
}

void wall_sync(void)
{
	struct team *t = own();

	if (t->now.all != nobody.all)
		wrong("a team's sync within a loop over its lanes or warps", 0);
	if (!t->inside && size.many != 1)
		wrong("a team's sync between loops over all teams", 0);
	t->sync++;
	if (!t->inside) /* what groups of the only team did is in order */
		launched = turns, begin(t, ++turns);
}

void wall_group(void)
{
	if (own()->now.lane >= 0)
		wrong("a sum over a group within a loop over its lanes", 0);
}

void wall_warp_sync(void)
{
	struct team *t = own();

	if (t->now.lane >= 0)
		wrong("a warp's sync within a loop over its lanes", 0);
	for (int w = 0; w < WARPS; w++)
		t->warp_sync[w] += t->outer < 0 || w == t->outer;
	turn(t, t->outer, -1);
}

/* -- memory ------------------------------------------------------------------------ */
void *wall_room(void)
{
	return own()->memory;
}

void *wall_array(const char *site, size_t bytes)
{
	struct team *t = own();
	int i = 0;

	while (i < t->sites && t->site[i].at != site)
		i++;
	if (i == t->sites) {
		if (i == SITES || t->used + bytes > ARRAYS || size.bytes + t->used + bytes > ROOM)
			wrong("more arrays than a team has room for", bytes);
		t->site[t->sites++].at = site, t->site[i].lo = ROOM + t->used, t->site[i].hi = ROOM + t->used + bytes;
		t->used += (bytes + GAP) / 16 * 16;
	}
	return t->memory + t->site[i].lo;
}

static int has(const struct team *t, size_t at, size_t n)
{
	if (at + n <= size.bytes)
		return 1;
	for (int i = 0; i < t->sites; i++)
		if (at >= t->site[i].lo && at + n <= t->site[i].hi)
			return 1;
	return 0;
}

/* Does what a and b did after the same sync of the team come in no order? Lanes of a warp have syncs of their own. */
static int clash(union who a, union who b)
{
	if (a.warp < 0 && b.warp < 0)
		return 0;
	return a.warp != b.warp || (a.sync == b.sync && (a.lane != b.lane || a.lane < 0));
}

static union who both(union who a, union who b)
{
	if (a.warp != b.warp)
		b.warp = b.lane = -1;
	else if (a.sync == b.sync && a.lane != b.lane)
		b.lane = -1;
	return b;
}

static inline void touch(struct team *t, size_t at, int writes, int coming)
{
	struct cell *c = &t->cell[at / EACH];
	const union who now = t->now;
	const uint32_t sync = t->sync;

	if (c->wrote == COMING)
		wrong(writes ? "written while something is on its way there" : "read while it is on its way", at);
	if (c->wrote == sync && clash(c->writer, now))
		wrong(writes ? "two lanes write it and no sync between them" : "read by another lane than wrote it and no sync between them", at);
	if (writes && c->read == sync && clash(c->reader, now))
		wrong("written by another lane than read it and no sync between them", at);
	if (writes)
		c->writer = now, c->wrote = coming ? COMING : sync;
	else if (c->wrote < t->first)
		wrong("read, and no lane wrote it", at);
	else if (c->read != sync)
		c->reader = now, c->read = sync;
	else if (c->reader.all != now.all)
		c->reader = both(c->reader, now);
}

void sim_team_touch(uintptr_t at, size_t n, int writes)
{
	struct team *t = mine;
	const size_t from = (size_t)(at - (uintptr_t)t->memory);

	if (!has(t, from, n))
		wrong("beyond what the team has", from);
	for (size_t i = 0; i < n; i += EACH)
		touch(t, from + i, writes, 0);
}

/* -- the device's memory ------------------------------------------------------------- */
/* Cells of blocks that are gone serve others, what they say being of kernels before: it clashes with nothing, and pages of zeros are dear. */
enum { MAPS = 256 };
static struct { struct sim_cell *cell; size_t bytes; int used; } maps[MAPS];

struct sim_cell *sim_cells(size_t bytes)
{
	int i = 0;
	void *p;

	if (!getenv("SIM_RACES"))
		return NULL;
	while (i < MAPS && maps[i].cell && (maps[i].used || maps[i].bytes < bytes))
		i++;
	if (i < MAPS && maps[i].cell) {
		maps[i].used = 1;
		return maps[i].cell;
	}
	p = mmap(NULL, bytes / EACH * sizeof(struct sim_cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (i < MAPS)
		maps[i].cell = p, maps[i].bytes = bytes, maps[i].used = 1;
	return p;
}

void sim_cells_free(struct sim_cell *cell, size_t bytes)
{
	int i = 0;

	while (i < MAPS && maps[i].cell != cell)
		i++;
	if (cell && i < MAPS)
		maps[i].used = 0;
	else if (cell)
		munmap(cell, bytes / EACH * sizeof *cell);
}

__attribute__((noreturn)) static void races(const char *what, size_t at)
{
	fprintf(stderr, "kernel %s, byte %zu of a block of the device's memory: %s\n", sim_running, at, what);
	abort();
}

/* Is what was done then, if it was in this kernel, in no order with what is done now? What all lanes of a warp read they may write. */
static int unordered(const struct team *t, uint64_t team, uint32_t sync, union who then, union who now)
{
	if (team <= launched)
		return 0;
	return team != t->number || (sync == t->sync && (then.warp != now.warp || then.lane >= 0 || now.lane >= 0) && clash(then, now));
}

void sim_block_touch(struct sim_cell *cell, size_t at, size_t n, int writes)
{
	const struct team *t = own();
	const union who now = t->now;

	for (struct sim_cell *c = cell + at / EACH; n > 1 && c <= cell + (at + n - 1) / EACH; c++) {
		if (unordered(t, c->wrote.team, c->wrote.sync, c->wrote.who, now))
			races(writes ? "two lanes write it in no order" : "read and written in no order", at);
		if (writes && c->read.team > launched && (c->many || unordered(t, c->read.team, c->read.sync, c->read.who, now)))
			races("written and read in no order", at);
		if (writes) {
			c->wrote.team = t->number, c->wrote.sync = t->sync, c->wrote.who = now;
			continue;
		}
		c->many = c->read.team > launched && (c->many || c->read.team != t->number);
		c->read.who = c->read.team == t->number && c->read.sync == t->sync ? both(c->read.who, now) : now;
		c->read.team = t->number, c->read.sync = t->sync;
	}
}

/* -- on their way -------------------------------------------------------------------- */
void wall_begin(void *to, const void *from, int there)
{
	struct team *t = own();
	const size_t at = (uintptr_t)to - (uintptr_t)t->memory;

	wall_together(from, 16); /* also what is not there */
	if (there)
		sim_read_quad(from);
	if (at % 16 || !has(t, at, 16) || t->ways == WAYS)
		wrong("no place for 16 bytes on their way", at);
	for (size_t i = 0; i < 16; i += EACH)
		touch(t, at + i, 1, 1);
	memset(to, 0xff, 16);
	t->way[t->ways++] = (struct way){to, from, there, t->now};
}

void wall_arrive(void)
{
	struct team *t = own();

	if (t->now.all != nobody.all)
		wrong("waited for by some lanes alone", 0);
	for (int i = 0; i < t->ways; i++) {
		const struct way *w = &t->way[i];

		if (w->there)
			memcpy(w->to, w->from, 16);
		else
			memset(w->to, 0, 16);
		for (size_t k = 0; k < 16; k += EACH) {
			struct cell *c = &t->cell[((size_t)(w->to - t->memory) + k) / EACH];

			c->wrote = t->sync, c->writer = w->who;
		}
	}
	t->ways = 0;
}
