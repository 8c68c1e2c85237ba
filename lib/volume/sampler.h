/* The sequence of training patches of a stream of labelled volumes. Patch i depends on the stream, the options and i alone, so that a sequence can
   be entered anywhere (skip) and shared out (shard).

   At random: volumes are visited in rounds. From a mapped file each round is a permutation of all of them drawn from the seed and rounds follow
   without end; from a pipe there is one round in the order of the stream. A visit gives `per_volume` patches.
   Grid: all patches of a grid over the first volume, of the second, ... */
#ifndef NIIPIPE_SAMPLER_H
#define NIIPIPE_SAMPLER_H

#include "lib/stream/stream.h"

struct sampler_opts {
	int64_t size[3];     /* of a patch: x,y,z voxels */
	double pos;          /* probability that a patch is centred on foreground */
	double fill;         /* image value outside the volume */
	int grid;
	double overlap;      /* of the grid: fraction of the patch */
	uint64_t seed;
	int64_t n;           /* the sequence ends before patch n; 0: no end but that of the stream */
	int64_t skip;        /* begin with patch `skip` */
	int64_t per_volume;
	int64_t shard, shards; /* only patches i with i % shards == shard */
};

struct sampler; /* opaque; memory: one volume (a pipe) or none (a mapped file), the patch, 8 bytes a slice of every volume seen */

/* path NULL: standard input. A mapped file's headers are all checked here. NULL and an error; closed with sampler_close. */
struct sampler *sampler_open(const char *path, const struct sampler_opts *o, struct err *e);
void sampler_close(struct sampler *s); /* NULL is fine */

/* Does the sequence have no end? */
int sampler_endless(const struct sampler *s);

/* The next patch into *f (zeroed or freed before; released with frame_free): kind patch, the volume's id, metadata patch = its index, patches = n
   where the sequence has an end, shards where there are several; history with the box. 1 a patch, 0 the end, -1 an error. A pipe that ends before
   patch n is an error. */
int sampler_next(struct sampler *s, struct frame *f, struct err *e);

#endif
