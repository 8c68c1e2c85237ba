/* Convolutions of 3x3x3, step 1, between as few channels on either side (a UNet's last, of its classes), which a library pads to many: of 160x160x64
   by 2 cuDNN takes 0.56 ms on an H200, forward, 0.66 for the weights' gradient, and the bytes 0.005. Here a lane makes RUN neighbours along w, all
   channels of them: each of the nine rows about them is read once, and a tap, which lies in the team's memory as a float, counts RUN times. */
#include "kernels/gpu/few.h"

enum { RUN = 4, ABOUT = RUN + 2, CUBE = 27 };

/* A lane's voxels: RUN of a row along w, of which the first is `at`; c[]: its place */
struct run { int64_t at; int c[3]; };

static inline int64_t few_runs(const struct gpu_narrow *g)
{
	return few_voxels(g) / g->size[2] * ((g->size[2] + RUN - 1) / RUN);
}

DEVICE struct run run_of(const struct gpu_narrow *g, int64_t i)
{
	const uint32_t across = (uint32_t)(g->size[2] + RUN - 1) / RUN, row = (uint32_t)i / across, high = (uint32_t)g->size[1];
	struct run r;

	r.c[2] = (int)((uint32_t)i - row * across) * RUN;
	r.c[1] = (int)(row % high), r.c[0] = (int)(row / high % (uint32_t)g->size[0]);
	r.at = (int64_t)row * g->size[2] + r.c[2];
	return r;
}

/* Voxels -1 .. RUN of the row kd, kh (each 0, 1 or 2) of those about a run; what is outside is 0. */
DEVICE void run_about(const struct gpu_narrow *g, const struct run *r, int kd, int kh, const void *x, float *v, const int c, const int pairs)
{
	const int in = within(r->c[0] + kd - 1, g->size[0]) && within(r->c[1] + kh - 1, g->size[1]);
	const int64_t at = (r->at + ((kd - 1) * g->size[1] + kh - 1) * g->size[2] - 1) * g->xp;

	UNROLLED for (int k = 0; k < ABOUT; k++) {
		UNROLLED for (int i = 0; i < c; i++)
			v[k * c + i] = 0;
		if (in && within(r->c[2] + k - 1, g->size[2]))
			few_get(x, at + k * (int)g->xp, pairs, v + k * c, c);
	}
}

/* The c x c weights of a tap, [from][to] */
DEVICE void tap_of(const float *taps, int tap, float *w, const int c)
{
	const float *own = taps + tap * c * c;

	if (c * c % 4 == 0)
		UNROLLED for (int k = 0; k < c * c; k += 4)
			get_floats(own + k, w + k);
	else
		UNROLLED for (int k = 0; k < c * c; k++)
			w[k] = own[k];
}

DEVICE void few_run(const struct gpu_narrow *g, int64_t i, const void *x, const float *taps, const float *bias, void *y, int add,
	const int c, const int pairs)
{
	const struct run r = run_of(g, i);
	float sum[RUN * GPU_FEW];

	UNROLLED for (int k = 0; k < RUN * c; k++)
		sum[k] = bias ? bias[k % c] : 0;
	UNROLLED_BY(1) for (int kd = 0; kd < 3; kd++) {
		float v[3][ABOUT * GPU_FEW], w[GPU_FEW * GPU_FEW];

		UNROLLED for (int kh = 0; kh < 3; kh++)
			run_about(g, &r, kd, kh, x, v[kh], c, pairs);
		UNROLLED for (int kh = 0; kh < 3; kh++)
			UNROLLED for (int kw = 0; kw < 3; kw++) {
				tap_of(taps, (kd * 3 + kh) * 3 + kw, w, c);
				UNROLLED for (int k = 0; k < RUN; k++)
					UNROLLED for (int from = 0; from < c; from++)
						UNROLLED for (int to = 0; to < c; to++)
							sum[k * c + to] += v[kh][(k + kw) * c + from] * w[from * c + to];
			}
	}
	UNROLLED for (int k = 0; k < RUN; k++)
		if (r.c[2] + k < g->size[2]) {
			const int64_t to = r.at * g->yp + k * (int)g->yp;
			float old[GPU_FEW];

			if (add) {
				few_get(y, to, pairs, old, c);
				UNROLLED for (int o = 0; o < c; o++)
					sum[k * c + o] += old[o];
			}
			few_put(y, to, pairs, sum + k * c, c);
		}
}

/* Team t's runs. w [to][27][from]; of the data's gradient [from][27][to], turned around */
DEVICE void few_team(const struct gpu_narrow *g, int64_t t, int64_t all, const void *x, const void *w, const float *bias, void *y, int add, int back,
	float *taps, const int c, const int pairs)
{
	LANE_FOR(k, 0, CUBE * c * c) {
		const int tap = (int)k / (c * c), from = (int)k / c % c, to = (int)k % c;

		taps[k] = get(w, back ? (from * CUBE + CUBE - 1 - tap) * c + to : (to * CUBE + tap) * c + from);
	}
	team_sync();
	LANE_FOR(i, t * TEAM, all < (t + 1) * TEAM ? all : (t + 1) * TEAM)
		few_run(g, i, x, taps, bias, y, add, c, pairs);
}

static inline int64_t few_teams(const struct gpu_narrow *g)
{
	return (few_runs(g) + TEAM - 1) / TEAM;
}

#define FEW_CASE(c, pairs) \
	SIDE_KERNEL(few_##c##_##pairs, (struct gpu_narrow g, int64_t all, const void *x, const void *w, const float *bias, void *y, int add, int back), \
		(g, all, x, w, bias, y, add, back), few_teams(&g), 0, 2) \
	{ \
		TEAM_FOR(t, few_teams(&g)) { \
			TEAM_ARRAY(quad, room, CUBE * GPU_FEW * GPU_FEW / 4); \
			few_team(&g, t, all, x, w, bias, y, add, back, (float *)room, c, pairs); \
		} \
	}

FEW_CASES(FEW_CASE)

int G(few)(struct gpu_narrow g, const void *x, const void *w, const float *bias, void *y, int add, int back)
{
	return FEW_CALL(few, g.oc, few_paired(x, g.xp) && few_paired(y, g.yp), (g, few_runs(&g), x, w, bias, y, add, back));
}

/* -- the weights' gradient: a team has the taps of one kd, or of one kd and kh, and a part of the runs; parts are added up in their order -- */
enum { TEAMS = 528 /* about so many in all */, MOST = 16 /* sums of a kw: rows of taps that a team has, times c x c */ };

#define ROWS_OF(c) ((c) < 3 ? 3 : 1)

static inline int64_t few_parts(const struct gpu_narrow *g)
{
	const int64_t most = TEAMS * ROWS_OF(g->oc) / 9, all = few_teams(g);

	return all < most ? all : most;
}

size_t G(few_weights_bytes)(struct gpu_narrow g)
{
	return (size_t)(few_parts(&g) * CUBE * g.ic * g.oc) * sizeof(float);
}

/* s[kw][row][to][from] += */
DEVICE void run_weights(const struct gpu_narrow *g, int64_t i, int kd, int kh, const void *x, const void *dy, SUM s[3][MOST],
	const int c, const int pairs)
{
	const struct run r = run_of(g, i);
	float v[ROWS_OF(1)][ABOUT * GPU_FEW], d[RUN * GPU_FEW];

	UNROLLED for (int k = 0; k < RUN; k++) {
		UNROLLED for (int to = 0; to < c; to++)
			d[k * c + to] = 0;
		if (r.c[2] + k < g->size[2])
			few_get(dy, r.at * g->yp + k * (int)g->yp, pairs, d + k * c, c);
	}
	UNROLLED for (int row = 0; row < ROWS_OF(c); row++)
		run_about(g, &r, kd, kh + row, x, v[row], c, pairs);
	UNROLLED for (int row = 0; row < ROWS_OF(c); row++)
		UNROLLED for (int kw = 0; kw < 3; kw++)
			UNROLLED for (int k = 0; k < RUN; k++)
				UNROLLED for (int to = 0; to < c; to++)
					UNROLLED for (int from = 0; from < c; from++)
						s[kw][(row * c + to) * c + from] += d[k * c + to] * v[row][(k + kw) * c + from];
}

/* part [parts][27][to][from]: what team t has of it, of `all` runs */
DEVICE void weights_team(const struct gpu_narrow *g, int64_t t, int64_t parts, int64_t all, const void *x, const void *dy, float *part, const int c,
	const int pairs)
{
	const int rows = ROWS_OF(c), each = 9 / rows, own = (int)t / each, which = (int)t % each;
	const int kd = rows == 3 ? which : which / 3, kh = rows == 3 ? 0 : which % 3;
	SUM s[3][MOST] = {{0}};

	LANE_FOR(i, own * all / parts, (own + 1) * all / parts)
		run_weights(g, i, kd, kh, x, dy, s, c, pairs);
	UNROLLED for (int kw = 0; kw < 3; kw++) {
		double sum[MOST];

		team_sums(s[kw], sum);
		if (FIRST_LANE)
			UNROLLED for (int k = 0; k < rows * c * c; k++)
				part[((own * 3 + kd) * 9 + (kh + k / (c * c)) * 3 + kw) * c * c + k % (c * c)] = (float)sum[k];
	}
}

#define WEIGHTS_CASE(c, pairs) \
	SIDE_KERNEL(few_weights_##c##_##pairs, (struct gpu_narrow g, int64_t parts, int64_t all, const void *x, const void *dy, float *part), \
		(g, parts, all, x, dy, part), parts * 9 / ROWS_OF(c), 0, 2) \
	{ \
		TEAM_FOR(t, parts * 9 / ROWS_OF(c)) \
			weights_team(&g, t, parts, all, x, dy, part, c, pairs); \
	}

FEW_CASES(WEIGHTS_CASE)

int G(few_weights)(struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)
{
	float *part = (float *)scratch;
	const int64_t parts = few_parts(&g);
	const int bad = FEW_CALL(few_weights, g.oc, few_paired(x, g.xp) && few_paired(dy, g.yp), (g, parts, few_runs(&g), x, dy, part));

	return bad ? bad : gpu_fold(parts, 1, CUBE, (int64_t)g.ic * g.oc, part, dw);
}
