/* Synthetic chest CTs with tumours and truth. A phantom is a patient drawn from (seed, index) in millimetres, then sampled on any grid:
   the same patient at any size and spacing. World coordinates are RAS mm about the middle of the chest;
   voxel axes run left, posterior, superior like a scanner's. */
#ifndef NIIPIPE_PHANTOM_H
#define NIIPIPE_PHANTOM_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

struct phantom_opts {
	uint64_t seed;
	int64_t size[3];     /* x,y,z: voxels */
	double spacing[3];   /* x,y,z: mm */
	double healthy;      /* fraction of cases without a tumour */
	double volume[2];    /* mL: range of a tumour's volume */
	int pet;             /* phantom_make: a second channel, a PET's */
};

/* What is zero in size and spacing follows from the other and a field of 345.6 x 345.6 x 288 mm; size 192,192,96 where both are. */
void phantom_grid(int64_t size[3], double spacing[3]);

/* Draw how many tumours a case has: 0, 1 or 2. */
int phantom_tumours(double healthy, struct rng *r);

/* Fill a frame (zeroed) with phantom `index` (from 0): id phantom-NNNN (index + 1), image I16 [1,Z,Y,X] in HU, with pet F32 [2,Z,Y,X] in HU and SUV,
   label U8 [Z,Y,X], 1 = tumour, affine. The history is the caller's. 0, or -1 and an error. Same bytes whatever the number of threads. */
int phantom_make(const struct phantom_opts *o, uint64_t index, struct frame *f, struct err *e);

/* Plant tumours into the lungs of a real scan: image [1,Z,Y,X] or [Z,Y,X] of a signed type, in HU. Voxels of a tumour become 1 in label, which
   is made (U8) where there is none. seed, healthy and volume of o count; numbers drawn for (seed, index). Lungs: air (below -400 HU) that does
   not touch the sides of the picture. 0, or -1 and an error. */
int phantom_plant(const struct phantom_opts *o, uint64_t index, struct frame *f, struct err *e);

#endif
