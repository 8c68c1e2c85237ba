/* Layer normalisation: a group of lanes to a voxel, WIDE channels to a lane (kernels/backend.h). */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"

/* Parts a lane has at most, where it reads all of them before it uses the first; and pieces of a value read at once, for sums */
enum { LAYER_PARTS = 4, LAYER_SPOTS = 4 };

/* Lanes to a row of c elements that are WIDE at a time, LAYER_PARTS or fewer to a lane; 0: it is too wide for that */
static int layer_lanes(int64_t c)
{
	int w = 1;

	while (w < WARP && w * LAYER_PARTS * WIDE < c)
		w *= 2;
	return w * LAYER_PARTS * WIDE < c ? 0 : w;
}

/* Parts of a lane: 3, so that rows of 3 2^k parts leave none out, or 4 */
static int layer_parts(int64_t c)
{
	return 3 * layer_lanes(c) * WIDE < c ? 4 : 3;
}

/* A kernel of (int many, ..) for each number of parts */
#define LAYER_KERNEL(name, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	SIDE_KERNEL(name##_three, PARAMS, ARGS, teams, 0, 4) \
	{ \
		many = 3; \
		name##_text ARGS; \
	} \
	SIDE_KERNEL(name##_four, PARAMS, ARGS, teams, 0, 3) \
	{ \
		many = 4; \
		name##_text ARGS; \
	} \
	static int name PARAMS \
	{ \
		return many == 3 ? G(name##_three) ARGS : G(name##_four) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* Reads x once, writes y. */
LAYER_KERNEL(layer_few, (int many, struct k_layer g, int w, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd),
	(many, g, w, x, gamma, beta, y, mean, rstd), items(g.vox * w))
{
	const int parts = (int)g.c / WIDE;
	const float each = 1 / (float)g.c;

	GROUP_FOR(v, g.vox, w) {
		PARTS(struct piece, own, LAYER_PARTS);
		float m = 0, s = 0, u[WIDE];

		PART_FOR(p, i, many, w)
			own[p] = i < parts ? get_piece(x, v * g.c + i * WIDE) : piece_none();
		PART_FOR(p, i, many, w)
			if (i < parts) {
				piece_open(own[p], u);
				EACH(j)
					m += u[j];
			}
		m = group_sum(m, w) * each;
		PART_FOR(p, i, many, w)
			if (i < parts) {
				piece_open(own[p], u);
				EACH(j)
					s += (u[j] - m) * (u[j] - m);
			}
		s = inverse_root(group_sum(s, w) * each + g.eps);
		PART_FOR(p, i, many, w)
			if (i < parts) {
				float scale[WIDE], shift[WIDE];

				floats_from(gamma, i * WIDE, 1, scale);
				floats_from(beta, i * WIDE, 0, shift);
				piece_open(own[p], u);
				EACH(j)
					u[j] = (u[j] - m) * s * scale[j] + shift[j];
				put_wide(y, v * g.c + i * WIDE, u);
			}
		if (mean && FIRST_OF_GROUP(w))
			mean[v] = m;
		if (rstd && FIRST_OF_GROUP(w))
			rstd[v] = s;
	}
}

/* What a lane has of a row */
struct part { float u[WIDE]; };

/* Part k of row v of x, 0 beyond its end: kept from the first time on, where each lane has one part */
DEVICE void layer_take(const struct k_layer *g, int64_t v, int64_t k, int whole, const void *x, int kept, const struct part *own, float u[WIDE])
{
	if (!kept)
		get_some(x, v * g->c + k * WIDE, part_of(g->c, k), whole, u);
	else
		EACH(j)
			u[j] = own->u[j];
}

/* Reads x once (from then on a lane has it or it is in the cache), writes y. whole: WIDE channels are read at once */
KERNEL(layer_rows, (struct k_layer g, int w, int whole, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd),
	(g, w, whole, x, gamma, beta, y, mean, rstd), items(g.vox * w))
{
	const int64_t parts = (g.c + WIDE - 1) / WIDE;
	const int keeps = parts <= w;

	GROUP_FOR(v, g.vox, w) {
		GROUP_KEEPS(struct part, own);
		float m = 0, s = 0, u[WIDE];

		MEMBER_FOR(k, 0, parts, w) {
			get_some(x, v * g.c + k * WIDE, part_of(g.c, k), whole, u);
			EACH(j) {
				m += u[j];
				if (keeps)
					own[GROUP_AT(k)].u[j] = u[j];
			}
		}
		m = group_sum(m, w) / (float)g.c;
		MEMBER_FOR(k, 0, parts, w) {
			layer_take(&g, v, k, whole, x, keeps, &own[keeps ? GROUP_AT(k) : 0], u);
			EACH(j)
				s += j < part_of(g.c, k) ? (u[j] - m) * (u[j] - m) : 0;
		}
		s = 1 / sqrtf(group_sum(s, w) / (float)g.c + g.eps);
		MEMBER_FOR(k, 0, parts, w) {
			const int n = part_of(g.c, k);

			layer_take(&g, v, k, whole, x, keeps, &own[keeps ? GROUP_AT(k) : 0], u);
			EACH(j)
				if (j < n)
					u[j] = (u[j] - m) * s * (gamma ? gamma[k * WIDE + j] : 1) + (beta ? beta[k * WIDE + j] : 0);
			put_some(y, v * g.c + k * WIDE, n, whole, u);
		}
		if (mean && FIRST_OF_GROUP(w))
			mean[v] = m;
		if (rstd && FIRST_OF_GROUP(w))
			rstd[v] = s;
	}
}

/* Part k of a voxel's gamma dy and of u = (x - mean) rstd, both 0 beyond its end */
struct back_part { float w[WIDE], u[WIDE]; };

DEVICE void layer_part(const struct k_layer *g, int64_t v, int64_t k, int whole, const void *dy, const void *x, const float *gamma, float m, float s,
	struct back_part *p)
{
	const int n = part_of(g->c, k);

	get_some(dy, v * g->c + k * WIDE, n, whole, p->w);
	get_some(x, v * g->c + k * WIDE, n, whole, p->u);
	EACH(j) {
		p->w[j] *= gamma && j < n ? gamma[k * WIDE + j] : 1;
		p->u[j] = (p->u[j] - m) * s;
	}
}

/* With u = (x - mean) rstd, t = gamma dy: dx = rstd (t - mean(t) - u mean(t u)). Reads dy and x once, writes dx. */
KERNEL(layer_back, (struct k_layer g, int lanes, int whole, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd,
	void *dx, int add), (g, lanes, whole, dy, x, gamma, mean, rstd, dx, add), items(g.vox * lanes))
{
	const int64_t parts = (g.c + WIDE - 1) / WIDE;
	const int keeps = parts <= lanes;

	GROUP_FOR(v, g.vox, lanes) {
		float m = mean[v], s = rstd[v], t = 0, tu = 0, old[WIDE] = {0};
		GROUP_KEEPS(struct back_part, own);

		MEMBER_FOR(k, 0, parts, lanes) {
			struct back_part *p = &own[keeps ? GROUP_AT(k) : 0];

			layer_part(&g, v, k, whole, dy, x, gamma, m, s, p);
			EACH(j) {
				t += p->w[j];
				tu += p->w[j] * p->u[j];
			}
		}
		t = group_sum(t, lanes) / (float)g.c, tu = group_sum(tu, lanes) / (float)g.c;
		MEMBER_FOR(k, 0, parts, lanes) {
			struct back_part *p = &own[keeps ? GROUP_AT(k) : 0];

			if (!keeps)
				layer_part(&g, v, k, whole, dy, x, gamma, m, s, p);
			if (add)
				get_some(dx, v * g.c + k * WIDE, part_of(g.c, k), whole, old);
			EACH(j)
				p->w[j] = (p->w[j] - t - p->u[j] * tu) * s + old[j];
			put_some(dx, v * g.c + k * WIDE, part_of(g.c, k), whole, p->w);
		}
	}
}

/* The same of parts that a lane keeps; from the last row on: what the sums read last is still in the cache. */
LAYER_KERNEL(layer_back_few, (int many, struct k_layer g, int w, const void *dy, const void *x, const float *gamma, const float *mean,
	const float *rstd, void *dx, int add), (many, g, w, dy, x, gamma, mean, rstd, dx, add), items(g.vox * w))
{
	const int parts = (int)g.c / WIDE;
	const float each = 1 / (float)g.c;

	GROUP_FOR(row, g.vox, w) {
		const int64_t v = g.vox - 1 - row;
		const float m = mean[v], s = rstd[v];
		PARTS(struct piece, d, LAYER_PARTS);
		PARTS(struct piece, own, LAYER_PARTS);
		float t = 0, tu = 0, a[WIDE], u[WIDE], scale[WIDE];

		PART_FOR(p, i, many, w) {
			d[p] = i < parts ? get_piece(dy, v * g.c + i * WIDE) : piece_none();
			own[p] = i < parts ? get_piece(x, v * g.c + i * WIDE) : piece_none();
		}
		PART_FOR(p, i, many, w)
			if (i < parts) {
				floats_from(gamma, i * WIDE, 1, scale);
				piece_open(d[p], a), piece_open(own[p], u);
				EACH(j)
					t += a[j] * scale[j], tu += a[j] * scale[j] * ((u[j] - m) * s);
			}
		t = group_sum(t, w) * each, tu = group_sum(tu, w) * each;
		PART_FOR(p, i, many, w)
			if (i < parts) {
				float old[WIDE] = {0};

				floats_from(gamma, i * WIDE, 1, scale);
				piece_open(d[p], a), piece_open(own[p], u);
				if (add)
					get_wide(dx, v * g.c + i * WIDE, old);
				EACH(j)
					a[j] = (a[j] * scale[j] - t - (u[j] - m) * s * tu) * s + old[j];
				put_wide(dx, v * g.c + i * WIDE, a);
			}
	}
}

#define SUMS_ARGS (r, dy, pitch, x, mean, rstd, part)
#define SUMS_CASE(which, SET, least) \
	COLUMN_CASE(column_sums, which, SET, least, (struct columns r, const void *dy, int64_t pitch, const void *x, const float *mean, \
		const float *rstd, double *part), SUMS_ARGS, r.chunks)

/* part [2][c][chunk]: sums of dy u and of dy, or with x NULL of dy alone. Reads dy (and x) once. */
DEVICE void column_sums_text(struct columns r, const void *dy, int64_t pitch, const void *x, const float *mean, const float *rstd, double *part)
{
	const int many = x ? LAYER_SPOTS / 2 : LAYER_SPOTS;

	TEAM_FOR(t, r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			float a[WIDE] = {0}, b[WIDE] = {0};

			SPOTS_FOR(s, &r, t, l, many) {
				struct piece d[LAYER_SPOTS], own[LAYER_SPOTS];
				float m[LAYER_SPOTS], k[LAYER_SPOTS];

				SPOTS_EACH(i, &r, many) {
					d[i] = spot_take(&r, &s, i, dy, pitch);
					own[i] = x ? spot_take(&r, &s, i, x, r.c) : piece_none();
					m[i] = x && r.whole ? mean[spot_voxel(&r, &s, i)] : 0, k[i] = x && r.whole ? rstd[spot_voxel(&r, &s, i)] : 0;
				}
				SPOTS_THERE(i, &r, &s, many) {
					float e[WIDE], u[WIDE], means[WIDE], rstds[WIDE];

					EACH(j)
						means[j] = m[i], rstds[j] = k[i];
					if (x && !r.whole) {
						spot_each(&r, &s, mean, means);
						spot_each(&r, &s, rstd, rstds);
					}
					piece_open(d[i], e), piece_open(own[i], u);
					EACH(j) {
						a[j] += x ? e[j] * (u[j] - means[j]) * rstds[j] : 0;
						b[j] += e[j];
					}
				}
			}
			column_keep(&r, t, l, 0, 2, a, room, part);
			column_keep(&r, t, l, 1, 2, b, room, part);
		}
		column_settle(&r, t, 2, 2, room, part);
	}
}

SUMS_CASE(alone, (r.whole = 1, x = NULL), 3)
SUMS_CASE(whole, r.whole = 1, 3)
SUMS_CASE(apart, r.whole = 0, 1)

/* whole: WIDE neighbours are of one voxel, where x is wanted */
static int column_sums(struct columns r, const void *dy, int64_t pitch, const void *x, const float *mean, const float *rstd, double *part)
{
	if (!r.whole || (x && r.c % WIDE))
		return G(column_sums_apart) SUMS_ARGS;
	return x ? G(column_sums_whole) SUMS_ARGS : G(column_sums_alone) SUMS_ARGS;
}

/* The parts' sums added to first and second (NULL: not wanted); a team each channel. */
SIDE_KERNEL(column_fold, (struct columns r, const double *part, float *first, float *second), (r, part, first, second), r.c, 0, 1)
{
	TEAM_FOR(c, r.c) {
		double sum[2];

		column_total(&r, part, 0, c, 2, 2, sum);
		if (first && FIRST_LANE)
			first[c] += (float)sum[0];
		if (second && FIRST_LANE)
			second[c] += (float)sum[1];
	}
}

size_t G(column_bytes)(int64_t vox, int64_t c)
{
	struct columns r = columns_of(1, vox, c);

	return sizeof(double) * (size_t)columns_parts(&r, 2);
}

/* out[c] += the sum of x[v][c] over v */
int G(column_sum)(const void *x, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch)
{
	struct columns r = columns_of(1, vox, c);
	int bad;

	r.whole = columns_wide(&r, x, pitch);
	bad = column_sums(r, x, pitch, NULL, NULL, NULL, (double *)scratch);
	return bad ? bad : G(column_fold)(r, (double *)scratch, NULL, out);
}

int G(layer)(struct k_layer g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd)
{
	if (wide_rows(x, g.c) && wide_rows(y, g.c) && layer_lanes(g.c))
		return layer_few(layer_parts(g.c), g, layer_lanes(g.c), x, gamma, beta, y, mean, rstd);
	return G(layer_rows)(g, group_of(g.c), wide_rows(x, g.c) && wide_rows(y, g.c), x, gamma, beta, y, mean, rstd);
}

int G(layer_bwd)(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx, int add,
	float *dgamma, float *dbeta, void *scratch)
{
	struct columns r = columns_of(1, g->vox, g->c);
	int whole = wide_rows(dy, g->c) && wide_rows(x, g->c) && wide_rows(dx, g->c), bad;

	r.whole = columns_wide(&r, dy, g->c) && columns_wide(&r, x, g->c);
	bad = column_sums(r, dy, g->c, x, mean, rstd, (double *)scratch); /* before dx, which may be dy */
	bad = bad ? bad : G(column_fold)(r, (double *)scratch, dgamma, dbeta);
	if (!bad && whole && layer_lanes(g->c))
		return layer_back_few(layer_parts(g->c), *g, layer_lanes(g->c), dy, x, gamma, mean, rstd, dx, add);
	return bad ? bad : G(layer_back)(*g, group_of(g->c), whole, dy, x, gamma, mean, rstd, dx, add);
}
