/* Architectures by a short name, with the field's usual sizes. */
#ifndef NIIPIPE_ARCH_PRESET_H
#define NIIPIPE_ARCH_PRESET_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/err.h"

/* The names, for a choice on a command line, in the order of enum arch_net */
#define ARCH_NETS "unet|basic-unet|nnunet|resenc|dynunet|segresnet|segresnet-ds|attention-unet|swinunetr|unetr|vnet"
enum arch_net { ARCH_UNET, ARCH_BASICUNET, ARCH_NNUNET, ARCH_RESENC, ARCH_DYNUNET, ARCH_SEGRESNET, ARCH_SEGRESNETDS, ARCH_ATTENTION,
	ARCH_SWINUNETR, ARCH_UNETR, ARCH_VNET };

/* What is asked of it; what is not (net -1, classes or units -1, levels 0, NULL) is the default where `fresh`, else left out: a checkpoint has it. */
struct arch_ask {
	int fresh, net;
	int flat;                       /* of two dimensions: sizes are one number or two */
	int64_t classes, units;         /* units: convolutions of a residual unit, of a stage, or blocks of a stage */
	const int64_t *channels;        /* of each level, top first */
	int levels;
	const json_t *strides, *kernel; /* borrowed: a list of what lies between levels; a number or three, d,h,w */
};

/* The JSON, without the input's channels; freed with json_decref. NULL and an error: an option that the network does not have, strides that do not
   fit the channels. */
json_t *arch_preset(const struct arch_ask *a, struct err *e);

/* JSON or the name of a file of it (archfile_json): an object; freed with json_decref. NULL and an error. */
json_t *arch_read(const char *text, struct err *e);

/* A stride or kernel size as people write it: "2" or, x,y,z, "2x2x1", or of a slice "2x1", each 1..15; and a list of them, commas between. Caller
   json_decref()s. NULL and an error that quotes it. */
json_t *arch_size(const char *text, struct err *e);
json_t *arch_sizes(const char *text, struct err *e);

/* The classes that come out of it; where it does not say, what its architecture has by default. */
int64_t arch_classes(const json_t *arch);

#endif
