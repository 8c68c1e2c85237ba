/* The sequence of training patches of a stream of labelled volumes. Patch i depends on the stream, the options and i alone, so that a sequence can
   be entered anywhere (skip) and shared out (shard).

   All but the grid: volumes are visited in rounds. From a mapped file each round is a permutation of all of them drawn from the seed, and rounds
   follow without end; from a pipe there is one round in the order of the stream. A visit gives `per_volume` patches.
   Grid: all patches of a grid over the first volume, of the second, ... */
#ifndef NIIPIPE_SAMPLER_H
#define NIIPIPE_SAMPLER_H

#include "lib/stream/regions.h"
#include "lib/stream/stream.h"

/* How the boxes are chosen. */
enum sampler_by {
	SAMPLER_POS,        /* around foreground or background: MONAI's RandCropByPosNegLabel */
	SAMPLER_CLASSES,    /* around a voxel of a class drawn by ratio: MONAI's RandCropByLabelClasses */
	SAMPLER_OVERSAMPLE, /* anywhere, some around foreground: nnU-Net's nnUNetDataLoader */
	SAMPLER_WEIGHT,     /* around voxels drawn by a map: MONAI's RandWeightedCrop */
	SAMPLER_GRID,       /* all of a grid: MONAI's dense_patch_slices */
	SAMPLER_WHOLE       /* the volume */
};

enum { SAMPLER_CLASSES_MAX = 256 };

struct sampler_opts {
	enum sampler_by by;
	int64_t size[3];     /* of a patch: x,y,z voxels; not for SAMPLER_WHOLE */
	double pos;          /* SAMPLER_POS: probability that a patch is centred on foreground */
	int classes;         /* SAMPLER_CLASSES: of labels 0 to classes - 1 */
	double ratio[SAMPLER_CLASSES_MAX];
	int masked;          /* SAMPLER_POS, SAMPLER_CLASSES: centre on background, on any class, only where image > threshold */
	double threshold;
	int ignores;         /* these two and the next: the label `ignore` is no centre; of SAMPLER_OVERSAMPLE all patches have one then */
	int ignore;
	double oversample;   /* SAMPLER_OVERSAMPLE: fraction of patches around foreground: the last ones of a batch */
	int64_t batch;       /*   0: each with this probability */
	const struct regions *regions; /* around one of these, each drawn as often, its voxels all alike; borrowed; NULL: of the labels */
	int64_t final[3];    /*   of a patch after augmentation: x,y,z */
	const char *weight;  /* SAMPLER_WEIGHT: the map's tensor; borrowed */
	double overlap;      /* SAMPLER_GRID: fraction of the patch */
	double fill;         /* image value outside the volume */
	uint64_t seed;
	int64_t n;           /* the sequence ends before patch n; 0: no end but that of the stream */
	int64_t skip;        /* begin with patch `skip` */
	int64_t per_volume;
	int64_t shard, shards; /* only patches i with i % shards == shard */
	int (*check)(const struct frame *f, void *arg, struct err *e); /* of every volume's header: -1 and an error refuses it; or NULL */
	void *arg;
};

struct sampler; /* opaque; memory: one volume (a pipe) or none (a mapped file), the patch, 8 bytes a slice and class of every
                   volume seen */

/* path NULL: standard input. A mapped file's headers are all checked here. NULL and an error; closed with sampler_close. */
struct sampler *sampler_open(const char *path, const struct sampler_opts *o, struct err *e);
void sampler_close(struct sampler *s); /* NULL is fine */

/* Does the sequence have no end? */
int sampler_endless(const struct sampler *s);

/* SAMPLER_POS with pos above 0: how many volumes were looked at, none of which has foreground; once that is known of all of a saved stream, or of
   what came through a pipe that has ended. Else 0. */
int64_t sampler_barren(const struct sampler *s);

/* How many volumes of a mapped file have axes that run otherwise than those of the first one; the codes (orient.h) of that and of the first of them,
   borrowed. */
int64_t sampler_turned(const struct sampler *s, const char *code[2]);

/* The next patch into *f (zeroed or freed before; released with frame_free): kind patch, the volume's id, metadata patch = its index, patches = n
   where the sequence has an end, shards where there are several; history with the box. 1 a patch, 0 the end, -1 an error. A pipe that ends before
   patch n is an error. */
int sampler_next(struct sampler *s, struct frame *f, struct err *e);

#endif
