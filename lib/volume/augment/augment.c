#include "lib/volume/augment/augment.h"

#include <math.h>
#include <string.h>

#include "lib/volume/augment/augment_parts.h"

const struct augment augment_default = {
	.v = {[0 ... AUGMENT_COUNT - 1] = {NAN, NAN, NAN}}, .prob = {[0 ... AUGMENT_COUNT - 1] = NAN}, .each = {[0 ... AUGMENT_COUNT - 1] = NAN},
	.dummy_2d = -1, .rotate_2d = NAN, .elastic_spacing = 32, .keep_range = 1, .keep_stats = 1, .dropout_size = {16, 16, 16},
};

const int augment_shears[AUGMENT_VALUES][2] = {{2, 1}, {2, 0}, {1, 2}, {1, 0}, {0, 2}, {0, 1}};

int augment_flat_axis(const struct augment *a, const int64_t size[3])
{
	int64_t most = size[0] > size[1] ? size[0] : size[1], ratio = 3;
	int least = 2;

	for (int i = 1; i >= 0; i--)
		least = size[i] < size[least] ? i : least;
	most = size[2] > most ? size[2] : most;
	return a->dummy_2d == AUGMENT_2D || (a->dummy_2d == AUGMENT_2D_AUTO && most > ratio * size[least]) ? least : -1;
}

/* -- drawing: v is the option, out what is drawn -- */

#define DRAW(name) \
	static void name(const struct augment *a, const int64_t size[3], const double v[3], double prob, struct rng *r, double *out)
#define UNUSED (void)a, (void)size, (void)v, (void)prob

/* nnU-Net turns its patches of one slice by less where they are longer than they are wide; all others that turn in a plane by any angle. */
static double plane_range(const struct augment *a, const int64_t size[3], int flat)
{
	const double p = (double)size[(flat + 1) % 3], q = (double)size[(flat + 2) % 3];

	if (!isnan(a->rotate_2d))
		return a->rotate_2d;
	return a->preset == AUGMENT_NNUNET && size[flat] == 1 && fmax(p, q) / fmin(p, q) > 1.5 ? 15 : 180;
}

/* x,y,z within +-v, none along or about anything but the flat axis where there is one */
DRAW(draw_rotate)
{
	int flat = augment_flat_axis(a, size);

	UNUSED;
	for (int i = 0; i < 3; i++) {
		double u = rng_range(r, -1, 1);

		out[i] = u * (flat < 0 ? v[i] : i == flat ? plane_range(a, size, flat) : 0);
	}
}

DRAW(draw_translate)
{
	int flat = augment_flat_axis(a, size);

	UNUSED;
	for (int i = 0; i < 3; i++) {
		double u = rng_range(r, -v[i], v[i]);

		out[i] = i == flat ? 0 : u;
	}
}

DRAW(draw_shear)
{
	int flat = augment_flat_axis(a, size);

	UNUSED;
	for (int i = 0; i < AUGMENT_VALUES; i++) {
		double u = rng_range(r, -v[0], v[0]);

		out[i] = augment_shears[i][0] == flat || augment_shears[i][1] == flat ? 0 : u;
	}
}

DRAW(draw_spatial_scale)
{
	int flat = augment_flat_axis(a, size);

	UNUSED;
	for (int i = 0; i < 3; i++)
		out[i] = rng_range(r, v[0], v[1]);
	for (int i = 0; i < 3; i++)
		out[i] = i == flat ? 1 : out[a->scale_each ? i : 0];
}

DRAW(draw_flip)
{
	UNUSED;
	for (int i = 0; i < 3; i++)
		out[i] = (rng_uniform(r) < prob) & (v[i] != 0);
}

/* A quarter turn would change the size of a patch that is no square: half turns alone. */
DRAW(draw_turn)
{
	UNUSED;
	for (int i = 0; i < 3; i++) {
		int yes = (rng_uniform(r) < prob) & (v[i] != 0), quarters = 1 + (int)rng_below(r, 3);

		if (size[(i + 1) % 3] != size[(i + 2) % 3])
			quarters = 2;
		out[i] = yes ? quarters : 0;
	}
}

DRAW(draw_range_each)
{
	UNUSED;
	for (int i = 0; i < 3; i++)
		out[i] = rng_range(r, v[0], v[1]);
}

/* nnU-Net's BGContrast: below 1 as often as above. */
DRAW(draw_about_one)
{
	int below = rng_uniform(r) < 0.5, split = v[0] < 1 && v[1] > 1;

	UNUSED;
	out[0] = rng_range(r, split && !below ? 1 : v[0], split && below ? 1 : v[1]);
}

DRAW(draw_up_to)
{
	UNUSED;
	out[0] = rng_range(r, 0, v[0]);
}

DRAW(draw_lowres)
{
	int flat = augment_flat_axis(a, size);
	double zoom = rng_range(r, v[0], v[1]);

	UNUSED;
	for (int i = 0; i < 3; i++)
		out[i] = i == flat ? 1 : zoom;
}

DRAW(draw_factor)
{
	UNUSED;
	out[0] = 1 + v[0] * rng_range(r, -1, 1);
}

DRAW(draw_offset)
{
	UNUSED;
	out[0] = v[0] * rng_range(r, -1, 1);
}

DRAW(draw_count)
{
	UNUSED;
	out[0] = v[0] + (double)rng_below(r, (uint64_t)(v[1] - v[0]) + 1);
}

/* of dilating, eroding, closing and opening one, and the ball's radius */
DRAW(draw_ball)
{
	UNUSED;
	out[0] = (double)rng_below(r, 4);
	out[1] = rng_range(r, v[0], v[1]);
}

DRAW(draw_component)
{
	UNUSED;
	out[0] = v[0];
	out[1] = rng_uniform(r);
}

/* -- applying -- */

static void multiply(double v, double *mul, double *add)
{
	*mul *= v;
	*add *= v;
}

static void offset(double v, double *mul, double *add)
{
	(void)mul;
	*add += v;
}

#define APPLY(name) static int name(const struct augment_channel *c, const double *v, struct err *e)

APPLY(noise)
{
	(void)e;
	augment_noise(c->v, c->size, v[0], c->a->seed, c->index, c->channel);
	return 0;
}

APPLY(blur)
{
	return augment_blur(c->v, c->size, v, e);
}

APPLY(contrast)
{
	(void)e;
	augment_contrast(c->v, c->size, v[0], c->a->keep_range);
	return 0;
}

APPLY(lowres)
{
	return augment_lowres(c->v, c->size, v, e);
}

APPLY(gamma_inverted)
{
	(void)e;
	augment_gamma(c->v, c->size, v[0], 1, c->a->keep_stats);
	return 0;
}

APPLY(gamma_plain)
{
	(void)e;
	augment_gamma(c->v, c->size, v[0], 0, c->a->keep_stats);
	return 0;
}

/* Boxes are drawn here, one at a time: behind the place of their number. */
APPLY(dropout)
{
	const struct augment *a = c->a;
	struct rng r;

	(void)e;
	rng_init(&r, a->seed, RNG_AUGMENT, c->index);
	rng_block(&r, (uint32_t)AUGMENT_DROPOUT << 24 | 16);
	for (int n = (int)v[0]; n; n--) {
		int64_t box[6];

		for (int i = 0; i < 3; i++) {
			int64_t least = a->dropout_size[i], most = a->dropout_max[i] > least ? a->dropout_max[i] : least;

			box[3 + i] = least + (int64_t)rng_below(&r, (uint64_t)(most - least) + 1);
			box[3 + i] = box[3 + i] < c->size[i] ? box[3 + i] : c->size[i];
			box[i] = (int64_t)rng_below(&r, (uint64_t)(c->size[i] - box[3 + i]) + 1);
		}
		augment_dropout(c->v, c->size, box, a->dropout_fill);
	}
	return 0;
}

/* -- the table -- */

#define NAME(n) n, "prob-" n

const struct augment_transform augment_table[AUGMENT_COUNT] = {
	[AUGMENT_ROTATE] = {NAME("rotate"), NULL, "X,Y,Z", "rotate about x, y and z by up to that many degrees (0 to 180)", "probability of a rotation (1)",
		3, 0, 180, 1, {{0}, {0.2, 30, 30, 30}}, 0, 3, draw_rotate},
	[AUGMENT_SPATIAL_SCALE] = {NAME("spatial-scale"), NULL, "LO,HI", "scale the grid by LO to HI; above 1 what is seen gets smaller",
		"probability of a scaling of the grid (1)", 2, 0.05, 20, 1, {{0}, {0.2, 0.7, 1.4}}, 0, 3, draw_spatial_scale},
	[AUGMENT_SHEAR] = {NAME("shear"), NULL, "S", "shear by up to S voxels a voxel", "probability of a shear (1)", 1, 0, 1, 1, {{0}}, 0, 6, draw_shear},
	[AUGMENT_TRANSLATE] = {NAME("translate"), NULL, "X,Y,Z", "move by up to that many voxels", "probability of a translation (1)",
		3, 0, 4096, 1, {{0}}, 0, 3, draw_translate},
	[AUGMENT_ELASTIC] = {NAME("elastic"), NULL, "V", "bend: displacements of up to 0 to V voxels", "probability of an elastic deformation (1)",
		1, 0, 1024, 1, {{0}}, 0, 1, draw_up_to},
	[AUGMENT_TURN] = {NAME("turn"), NULL, "AXES", "axes about which to turn by 90, 180 or 270 degrees, out of x,y,z (none)",
		"probability of each turn (0.5)", 0, 0, 1, 0.5, {{0}}, 0, 3, draw_turn},
	[AUGMENT_FLIP] = {NAME("flip"), NULL, "AXES", "axes that may be flipped (mirrored), out of x,y,z (none)", "probability of each flip (0.5)",
		0, 0, 1, 0.5, {{0.5, 1, 0, 0}, {0.5, 1, 1, 1}}, 0, 3, draw_flip},
	[AUGMENT_NOISE] = {NAME("noise"), NULL, "S", "add Gaussian noise of standard deviation 0 to S", "probability of noise (1)",
		1, 0, 1e6, 1, {{0}, {0.1, 0.1}}, 0, 1, draw_up_to, NULL, noise},
	[AUGMENT_BLUR] = {NAME("blur"), "prob-blur-channel", "LO,HI", "blur with a Gaussian of sigma LO to HI voxels on each axis",
		"probability of blurring (1)", 2, 0, AUGMENT_SIGMA, 1, {{0}, {0.2, 0.5, 1, 0, 0.5}}, 1, 3, draw_range_each, NULL, blur},
	[AUGMENT_BRIGHTNESS] = {NAME("brightness"), NULL, "LO,HI", "multiply each channel by LO to HI", "probability of it (1)",
		2, 0, 1e6, 1, {{0}, {0.15, 0.75, 1.25}}, 1, 1, draw_about_one, multiply},
	[AUGMENT_CONTRAST] = {NAME("contrast"), NULL, "LO,HI", "multiply distances from the mean by LO to HI", "probability of a change of contrast (1)",
		2, 0, 1e6, 1, {{0}, {0.15, 0.75, 1.25}}, 1, 1, draw_about_one, NULL, contrast},
	[AUGMENT_LOWRES] = {NAME("lowres"), "prob-lowres-channel", "LO,HI", "simulate a resolution LO to HI times as high",
		"probability of a low resolution (1)", 2, 0.01, 1, 1, {{0}, {0.25, 0.5, 1, 0, 0.5}}, 1, 3, draw_lowres, NULL, lowres},
	[AUGMENT_GAMMA_INVERTED] = {NAME("gamma-inverted"), NULL, "LO,HI", "gamma LO to HI of the inverted image", "probability of it (1)",
		2, 0.01, 100, 1, {{0}, {0.1, 0.7, 1.5}}, 1, 1, draw_about_one, NULL, gamma_inverted},
	[AUGMENT_GAMMA] = {NAME("gamma"), NULL, "LO,HI", "gamma LO to HI", "probability of it (1)",
		2, 0.01, 100, 1, {{0}, {0.3, 0.7, 1.5}}, 1, 1, draw_about_one, NULL, gamma_plain},
	[AUGMENT_SCALE] = {NAME("scale"), NULL, "S", "image *= 1 + uniform[-S,S]", "probability of a scaling (1)",
		1, 0, 1e6, 1, {{1, 0.1}, {0}}, 0, 1, draw_factor, multiply},
	[AUGMENT_SHIFT] = {NAME("shift"), NULL, "S", "image += uniform[-S,S]", "probability of a shift (1)",
		1, 0, 1e6, 1, {{1, 0.1}, {0}}, 0, 1, draw_offset, offset},
	[AUGMENT_DROPOUT] = {NAME("dropout"), NULL, "LO,HI", "overwrite LO to HI boxes of the image", "probability of a dropout (1)",
		2, 0, 10000, 1, {{0}}, 0, 1, draw_count, NULL, dropout},
	[AUGMENT_PREVIOUS_BALL] = {NAME("previous-ball"), "prob-previous-ball-label", "LO,HI",
		"dilate, erode, close or open labels of tensor previous by a ball of LO to HI voxels", "probability of it (1)",
		2, 0, 60, 1, {{0}, {0.4, 1, 8, 0, 1}}, 1, 2, draw_ball, NULL, NULL, augment_ball},
	[AUGMENT_PREVIOUS_REMOVE] = {NAME("previous-remove"), "prob-previous-remove-label", "PART",
		"of labels of tensor previous remove a component that covers less than PART of the patch", "probability of it (1)",
		1, 0, 1, 1, {{0}, {0.2, 0.15, 0, 0, 1}}, 1, 2, draw_component, NULL, NULL, augment_remove},
};

static double given(double v, double otherwise)
{
	return isnan(v) ? otherwise : v;
}

int augment_settle(struct augment *a, struct err *e)
{
	for (int t = 0; t < AUGMENT_COUNT; t++) {
		const struct augment_transform *row = &augment_table[t];
		const double *p = a->preset ? row->preset[a->preset - 1] : NULL;
		int has = p && p[0] > 0;

		if (row->count == 2 && a->v[t][0] > a->v[t][1])
			return err_set(e, NULL, "--%s: %g is above %g", row->name, a->v[t][0], a->v[t][1]);
		if (t == AUGMENT_DROPOUT && !isnan(a->v[t][0]) && (fmod(a->v[t][0], 1) != 0 || fmod(a->v[t][1], 1) != 0))
			return err_set(e, NULL, "--%s: %g,%g are not whole numbers", row->name, a->v[t][0], a->v[t][1]);
		if (isnan(a->v[t][0]) && !has && !(isnan(a->prob[t]) && isnan(a->each[t])))
			return err_set(e, NULL, "--%s has no meaning without --%s", isnan(a->prob[t]) ? row->each_name : row->prob_name, row->name);
		a->prob[t] = given(a->prob[t], has ? p[0] : row->prob);
		a->each[t] = given(a->each[t], has && p[4] > 0 ? p[4] : 1);
		for (int i = 0; i < 3; i++)
			a->v[t][i] = given(a->v[t][i], has ? p[1 + i] : NAN);
	}
	if (a->dummy_2d < 0)
		a->dummy_2d = a->preset == AUGMENT_NNUNET ? AUGMENT_2D_AUTO : AUGMENT_3D;
	return 0;
}

/* A transform's place: 2^24 blocks, of which the first 16 are the frame's, and 16 are each channel's. */
static uint32_t place(int t, int64_t channel)
{
	return (uint32_t)t << 24 | ((uint32_t)(channel + 1) & 0xfffff) << 4;
}

static int draw_one(const struct augment *a, const int64_t size[3], int t, struct rng *r, int64_t channel, double *out)
{
	const struct augment_transform *row = &augment_table[t];
	int on = 0;

	rng_block(r, place(t, -1));
	if (!row->count) { /* axes: each with the probability */
		row->draw(a, size, a->v[t], a->prob[t], r, out);
		return out[0] != 0 || out[1] != 0 || out[2] != 0;
	}
	on = rng_uniform(r) < a->prob[t];
	if (row->channels) {
		rng_block(r, place(t, channel));
		on &= rng_uniform(r) < a->each[t];
	}
	row->draw(a, size, a->v[t], a->prob[t], r, out);
	return on;
}

void augment_draw(const struct augment *a, const int64_t size[3], uint64_t index, int64_t channel, struct augment_draw *d)
{
	struct rng r;

	memset(d, 0, sizeof *d);
	rng_init(&r, a->seed, RNG_AUGMENT, index);
	for (int t = 0; t < AUGMENT_COUNT; t++)
		if (!isnan(a->v[t][0]))
			d->on[t] = draw_one(a, size, t, &r, channel, d->v[t]);
}
