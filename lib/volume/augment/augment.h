/* Augmentation of training patches. Geometry first, in at most one interpolation; then the image's values, transform by transform in the order of
   enum augment_id. Definitions: nnU-Net v2's training transforms (batchgeneratorsv2 0.3) and MONAI's RandFlip, RandRotate90, RandAffine,
   RandScaleIntensity, RandShiftIntensity and RandCoarseDropout; the elastic field is a cubic B-spline's (Rueckert et al., IEEE TMI 1999;18:712).
   All is in voxel space, axes x,y,z; what is drawn comes from (seed, index, transform, channel) alone, so that one option does not change what
   another draws. */
#ifndef NIIPIPE_AUGMENT_H
#define NIIPIPE_AUGMENT_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

enum augment_id {
	AUGMENT_ROTATE, AUGMENT_SPATIAL_SCALE, AUGMENT_SHEAR, AUGMENT_TRANSLATE, AUGMENT_ELASTIC, AUGMENT_TURN, AUGMENT_FLIP, /* geometry */
	AUGMENT_NOISE, AUGMENT_BLUR, AUGMENT_BRIGHTNESS, AUGMENT_CONTRAST, AUGMENT_LOWRES, AUGMENT_GAMMA_INVERTED, AUGMENT_GAMMA, AUGMENT_SCALE,
	AUGMENT_SHIFT, AUGMENT_DROPOUT, AUGMENT_PREVIOUS_BALL, AUGMENT_PREVIOUS_REMOVE, AUGMENT_COUNT
};

enum augment_preset { AUGMENT_NONE, AUGMENT_HACKATHON, AUGMENT_NNUNET };
#define AUGMENT_PRESET_WORDS "none|hackathon|nnunet"

enum augment_dummy { AUGMENT_3D, AUGMENT_2D_AUTO, AUGMENT_2D };
#define AUGMENT_DUMMY_WORDS "no|auto|yes"

enum { AUGMENT_VALUES = 6 };

struct augment {
	double v[AUGMENT_COUNT][3];  /* what the option of each transform says (augment_table); NaN: not given */
	double prob[AUGMENT_COUNT];  /* that a frame is changed (flip, turn: for each axis); NaN: not given */
	double each[AUGMENT_COUNT];  /* then, that a channel is (blur, lowres); NaN: not given */
	int preset;                  /* enum augment_preset */
	int dummy_2d;                /* enum augment_dummy; -1: not given */
	double rotate_2d;            /* degrees: the rotation's range where it is about one axis alone; NaN: not given */
	int scale_each;              /* spatial scale: a factor for each axis */
	int64_t size[3];             /* of the result; 0: as the frame comes */
	double fill;                 /* of image, beyond the patch */
	int64_t elastic_spacing;     /* voxels between control points */
	int keep_range, keep_stats;  /* contrast stays within the channel's range; gamma keeps mean and standard deviation */
	int64_t dropout_size[3], dropout_max[3]; /* boxes: least and largest size, voxels; max 0: the least */
	double dropout_fill;
	uint64_t seed;
};

extern const struct augment augment_default; /* nothing given */

/* Fill in what is not given: from the preset, else a probability from the table. Once, before the functions below. 0, or -1 and an error: a range
   the wrong way round, a probability of nothing. */
int augment_settle(struct augment *a, struct err *e);

/* What is drawn for a frame's channel. Transforms that channels share are the same in all of them. */
struct augment_draw {
	int on[AUGMENT_COUNT];
	double v[AUGMENT_COUNT][AUGMENT_VALUES]; /* by transform, where it is on:
		rotate         degrees about x, y, z        spatial scale  factors of x, y, z            shear   zy zx yz yx xz xy
		translate      voxels                       elastic        voxels at most                turn    quarters about x, y, z
		flip           x, y, z: 0 or 1              noise          standard deviation            blur    sigma of x, y, z, voxels
		brightness, contrast, gamma, scale: factor or exponent                                   lowres  zoom of x, y, z
		shift          offset                       dropout        how many boxes
		previous ball  operation, radius            previous remove  part, place among those that are small enough, 0 to 1 */
};
void augment_draw(const struct augment *a, const int64_t size[3], uint64_t index, int64_t channel, struct augment_draw *d);

/* The table: one row a transform. */
struct augment_channel;
struct augment_transform {
	const char *name, *prob_name, *each_name; /* options; each_name NULL: a channel has no probability of its own */
	const char *value, *help, *prob_help;
	int count;          /* numbers of the option; 0: axes, kept as 0 or 1 */
	double lo, hi;      /* what they may be */
	double prob;        /* where only the range is given */
	double preset[2][5]; /* of hackathon, nnunet: prob, values, each; prob 0: not in it */
	int channels;       /* drawn for each channel on its own */
	int values;         /* how many are drawn */
	void (*draw)(const struct augment *a, const int64_t size[3], const double v[3], double prob, struct rng *r, double *out);
	void (*linear)(double v, double *mul, double *add);                                        /* value' = value mul + add; or */
	int (*apply)(const struct augment_channel *c, const double *v, struct err *e);             /* anything else; NULL for all: geometry; or */
	int (*relabel)(uint8_t *label, const int64_t size[3], uint8_t of, const double *v, struct err *e); /* of tensor previous; "channel": label */
};
extern const struct augment_transform augment_table[AUGMENT_COUNT];

/* Axis about which alone a patch of that size turns and in which it is not scaled (nnU-Net's dummy 2D augmentation): the shortest, of several the
   last; -1: none. */
int augment_flat_axis(const struct augment *a, const int64_t size[3]);

/* Flip the spatial tensors in place on the axes x,y,z that are set and move the affine so that every voxel stays where it is in the world. 0 or
   -1. */
int augment_flip(struct frame *f, const int flip[3], struct err *e);

/* The matrix of a draw, row major: centred voxel of the result -> centred voxel of the source, without translation, turn and flip: R_x R_y R_z H S.
   Rotations are right-handed in x,y,z; H is the product of the six shears, the first applied first (zy moves z by that much a voxel of y), as
   MONAI's on z,y,x; S scale. */
void augment_matrix(const struct augment_draw *d, double m[9]);

/* What augment_move did. undo: what nii-invert takes, NULL where there is no way back; caller json_decref()s. */
struct augment_moved { int moved; json_t *undo; };

/* The geometry of d on f from grid *g, which becomes the new grid: cut to a->size, warped, turned, flipped; image and other floats linear and F32
   where it is warped, integers nearest, exact copies else. The affine follows (the elastic part aside). index: for the elastic field. 0 or -1. */
int augment_move(struct frame *f, struct grid *g, const struct augment *a, const struct augment_draw *d, uint64_t index, struct augment_moved *m,
                 struct err *e);

/* Augment f: index is its metadata `patch` where there is one, else `ordinal`. The image becomes F32 where its values change. History: what was
   drawn; cuts, turns and flips with what undoing takes. 0 or -1. */
int augment_frame(const struct augment *a, struct frame *f, uint64_t ordinal, struct err *e);

/* -- transforms of one channel v [Z,Y,X], size x,y,z, given what is drawn. In statistics only finite voxels count; NaN stays NaN. -- */

/* v += std * normal numbers, which depend on (seed, index, channel, voxel). */
void augment_noise(float *v, const int64_t size[3], double std, uint64_t seed, uint64_t index, int64_t channel);

/* Gaussian of sigma voxels on each axis (<= AUGMENT_SIGMA): the kernel has the odd number of taps next to 6 sigma + 0.5, sampled, of sum 1; the image
   goes on mirrored about its border voxels. A temporary of the channel's size. 0 or -1. */
enum { AUGMENT_SIGMA = 10 };
int augment_blur(float *v, const int64_t size[3], const double sigma[3], struct err *e);

/* Down to round(zoom size) voxels (halves to even; nearest) and up again (linear), voxel borders aligned. A temporary of the small size. 0 or -1. */
int augment_lowres(float *v, const int64_t size[3], const double zoom[3], struct err *e);

/* (v - mean) factor + mean; keep_range: cut to the least and greatest value there were. */
void augment_contrast(float *v, const int64_t size[3], double factor, int keep_range);

/* ((v - min) / range)^gamma range + min; invert: of -v, and back; keep_stats: then shifted and scaled to the mean and standard deviation before. */
void augment_gamma(float *v, const int64_t size[3], double gamma, int invert, int keep_stats);

/* The labels of tensor `previous`, each that is there in an order that is drawn; the tensor becomes U8. None: nothing. 0 or -1. */
int augment_previous(const struct augment *a, struct frame *f, const struct grid *g, uint64_t index, struct err *e);

/* Label `of` of label [Z,Y,X], size x,y,z. ball: dilated, eroded, closed or opened (v[0]: 0 to 3) by a ball of v[1] voxels; what it gains others
   lose. remove: one of its components (26) of less than v[0] of the voxels, the v[1] n-th of n, becomes 0. 0 or -1. */
int augment_ball(uint8_t *label, const int64_t size[3], uint8_t of, const double *v, struct err *e);
int augment_remove(uint8_t *label, const int64_t size[3], uint8_t of, const double *v, struct err *e);

/* A box inside the channel, x,y,z of its first voxel and x,y,z of its size, becomes fill. */
void augment_dropout(float *v, const int64_t size[3], const int64_t box[6], double fill);

#endif
