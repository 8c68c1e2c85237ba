/* Own direct convolutions. Every pass of a convolution is one of two things between its large side L (a convolution's x, a transposed one's y) and
   its small side S, coupled by  large = small stride - pad + k  on each axis, weights [S channel, L channel, kd, kh, kw]:
   - a gather, S from L (strided) or L from S (fractional: every output parity has its own taps): gather.c, thin.c for a few channels, gather_amx.c
     where the processor has that, else tiles.c and cubes.c for 3x3 and 3x3x3 at stride 1;
   - the weight gradient  dw[s][l][k] += sum over voxels of S[v][s] L[v stride - pad + k][l]: wgrad.c, wgrad_thin.c, wgrad_amx.c where the processor
     has that, else wgrad_tiles.c for 3x3 at stride 1.
   Rows along w are copied, zeros around them, into a buffer that stays in the cache: taps along w are then one run of memory, and no edge is
   special. */
#ifndef NIIPIPE_DIRECT_H
#define NIIPIPE_DIRECT_H

#include "kernels/cpu.h"
#include "kernels/slot.h"

enum { MAX_KERNEL = 16, MAX_STRIDE = 8 };

static inline int64_t round_up(int64_t n, int64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static inline int64_t gather_parts(int64_t n, int64_t most)
{
	return (n + most - 1) / most;
}

enum gather_kind { GATHER_AMX, GATHER_CUBES, GATHER_TILES, GATHER_WIDE, GATHER_THIN, GATHER_KINDS };

/* The outputs q*classes + its number, q = 0.. : from the run of taps voxels of a padded row that begins at first + q*step; its weights begin at
   `before` slots. */
struct gather_class { int taps; int64_t first, before; };

struct gather {
	enum gather_kind kind;
	int fractional;
	int64_t n, ci, co, in[3], out[3], inpitch, outpitch;
	int kernel[3], stride[3], pad[3];
	int classes;
	struct gather_class class[MAX_STRIDE];
	int64_t step;          /* voxels of the padded row from one q to the next */
	int64_t left, width;   /* the padded row: zeros before, voxels in all */
	int64_t tiles, across, strip; /* tiles: of a plane, of them in a row, of a task in a plane; cubes of a task */
	int64_t deep;          /* output planes of a task */
	int64_t tall, tile;    /* amx: slots of a step of a run, outputs of a tile; */
	int64_t group;         /* output channels of a task, else all */
	int64_t plane, most;   /* thin: slots of a padded row's plane, floats of an output row's channel and class */
	int in_place;          /* rows are read where they are */
	int64_t row;           /* slots of a copied row */
	int64_t hblock, hrows; /* output rows a task, input rows it needs at most */
	int64_t cslots;        /* slots (slot.h) of a voxel's channels */
	int64_t slots;         /* of all classes' runs */
	int64_t room;          /* floats a thread */
	int threads;
	int64_t weights;       /* floats of the packed weights, which gather_pack wants zeroed */
	void *w;               /* the caller's room for them: slots */
};

/* Slots of a class's run */
static inline int64_t gather_slots(const struct gather *g, int c)
{
	return gather_parts(g->class[c].taps * g->ci, PAIR);
}

/* 0, or -1 where these kernels don't do it. g's geometry is set; the rest but w is filled in. */
int K(gather_plan)(struct gather *g);
int K(thin_plan)(struct gather *g); /* 0: these channels are for thin.c; plane, most, left, width, first are set */
void K(gather_pack)(struct gather *g, const float *w);
void K(gather_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch);

/* One task's part: output rows h0..h1 of plane od after plane, and the copied input rows it needs: ihs rows from ih0 of each of dtaps planes. Plane
   id lies in the buffer at id modulo the kernel; held: which are there. */
struct gather_task {
	const struct gather *g;
	const elem *x;
	const float *bias;
	elem *y;
	float *buffer; /* rows of elements; thin: of slots */
	int add;
	int64_t n, od, h0, h1, c0, c1; /* c0..c1: output channels */
	int dtaps, kd[MAX_KERNEL];
	const void *plane[MAX_KERNEL]; /* of each tap along d: row ih0 */
	int64_t held[MAX_KERNEL], ih0, ihs;
};

/* An input row of an output row: where, and its kd*KH + kh. Up to MAX_ROWS. */
enum { MAX_ROWS = MAX_KERNEL * MAX_KERNEL };
struct gather_row { const void *x; int64_t k; };
int K(gather_rows)(const struct gather_task *t, int64_t oh, struct gather_row *row);

/* thin.c's: body voxels of a row, one slot (as floats: one channel) after the other, `plane` each, zeros before and behind; all output rows of a
   task. */
void K(thin_row)(const struct gather *g, slot *to, const elem *from, int64_t body);
void K(thin_apart)(float *to, int64_t plane, int64_t left, const elem *from, int64_t pitch, int64_t body, int64_t ci);
void K(thin_task)(const struct gather_task *t);

/* gather_amx.c's: 0 where the processor has it: slots, weights, in_place are set; gather_slots in whole steps; all output rows of a task. */
int K(gather_amx_plan)(struct gather *g);
static inline int64_t gather_amx_run(const struct gather *g, int c)
{
	return round_up(gather_slots(g, c), g->tall);
}
void K(gather_amx_pack)(struct gather *g, const float *w);
void K(gather_amx_plane)(const struct gather_task *t);

/* A block of outputs along w from the rows' voxels, `len` slots from element `at` of each row on, `step` elements from one output to the next: for
   count outputs y, ystep apart; `floats`: y is floats, whatever elements are. */
struct gather_call {
	const struct gather_row *row;
	int64_t rows, at, len, step, wstep; /* wstep: slots of weights from one k to the next */
	const slot *w;
	const float *bias;
	void *y;
	int64_t ystep;
	int cols, add, floats;
};
void K(gather_wide)(struct gather_call *a, int nr, int64_t count); /* nr: VL or 2 VL, columns of w; HALF of these above cols: the last HALF are
	there twice, in w and bias */

/* tiles.c's (3x3 along h and w at stride 1): 0 where it is for this; weights' floats; all of it. */
int K(tiles_plan)(struct gather *g);
int64_t K(tiles_weights)(const struct gather *g);
void K(tiles_pack)(struct gather *g, const float *w);
void K(tiles_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch);

/* cubes.c's (3x3x3 at stride 1, of floats) likewise */
int K(cubes_plan)(struct gather *g);
int64_t K(cubes_weights)(const struct gather *g);
void K(cubes_pack)(struct gather *g, const float *w);
void K(cubes_run)(const struct gather *g, const void *x, const float *bias, void *y, int add, float *scratch);

/* Taps of output o on axis 0 or 1: input positions and kernel positions; how many. */
int K(gather_taps)(const struct gather *g, int axis, int64_t o, int64_t *in, int *k);

/* Where weight (kd, kh, kw, ci, co) is in the caller's array. */
static inline int64_t gather_weight(const struct gather *g, int kd, int kh, int kw, int64_t ci, int64_t co)
{
	int64_t first = g->fractional ? ci * g->co + co : co * g->ci + ci;

	return ((first * g->kernel[0] + kd) * g->kernel[1] + kh) * g->kernel[2] + kw;
}

/* The tap along w of a class's input t */
static inline int gather_kw(const struct gather *g, int c, int t)
{
	return g->fractional ? (c + g->pad[2]) % g->stride[2] + (g->class[c].taps - 1 - t) * g->stride[2] : t;
}

struct wgrad {
	int64_t n, cl, cs, large[3], small[3], lpitch, spitch;
	int kernel[3], stride[3], pad[3];
	int64_t left, width;   /* of a padded row of L */
	int64_t wide;          /* cs rounded up to vectors */
	int64_t block, blocks; /* channels of L at a time */
	int khs;               /* kh at a time */
	int thin;              /* a few channels on both sides: vectors along w (wgrad_thin.c), in planes of */
	int64_t lplane, splane;
	int amx;               /* wgrad_amx.c's: */
	int64_t pitch;         /* voxels of a row of its runs, even: pairs end with it */
	int64_t channel;       /* elements of a channel of L, an odd number of cache lines: 16 rows of a tile lie in as many sets */
	int64_t sixteen;       /* voxels of 16 channels of S */
	int copies;            /* of S: for even offsets, for odd ones */
	int tiled;             /* wgrad_tiles.c's: */
	int64_t across, down;  /* tiles of a plane */
	int64_t tall, deep;    /* rows of tiles and planes a task */
	int64_t len;           /* floats of a part's sums */
	int mirror;            /* set by the caller: L and S have changed places (stride 1 only), dw is [l][s][mirrored k] */
	int64_t hblock, hrows, parts, room;
	int64_t planes;        /* of L that are kept for the task's next d */
	int threads;
};

int K(wgrad_plan)(struct wgrad *g);

/* Where a task works: small rows h0..h1 of plane d of n; channels c0.. of L */
struct wgrad_task { int64_t n, d, h0, h1, c0, held[MAX_KERNEL]; }; /* held: which planes of L are there, at id modulo g->planes */

/* wgrad_thin.c's: 0 where it is for these channels; one task's sums, added to dw [kd][kh][kw][l][wide]. */
int K(wgrad_thin_plan)(struct wgrad *g);
void K(wgrad_thin)(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room);

/* wgrad_amx.c's likewise; tasks of a block of rows come plane after plane. */
int K(wgrad_amx_plan)(struct wgrad *g);
void K(wgrad_amx)(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room);

/* wgrad_tiles.c's (3x3 along h and w at stride 1): 0 where it is for this; all of it. */
int K(wgrad_tiles_plan)(struct wgrad *g);
void K(wgrad_tiles_run)(const struct wgrad *g, const elem *l, const elem *s, float *dw, float *scratch);

/* dw[m][v] += l[m] s[v], m < n <= 12, v < nr (VL or 2 VL, where n <= MR of wgrad.c), over `steps` slots, lstep and sstep apart; rows of dw are
   `step` apart. */
void K(wgrad_products)(const slot *l, int64_t lstep, const slot *s, int64_t sstep, int64_t steps, float *dw, int64_t step, int n, int nr);
size_t K(wgrad_scratch)(const struct wgrad *g);
void K(wgrad_run)(const struct wgrad *g, const void *l, const void *s, float *dw, float *scratch);

#endif
