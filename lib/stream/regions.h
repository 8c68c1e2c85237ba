/* Regions: classes that overlap, each a set of labels, as nnU-Net's region-based training and MONAI's networks of several sigmoids have them. A
   network of n regions gives n scores a voxel, each by itself: a sigmoid makes it a probability, and the background has none. The label of a voxel
   is that of the last region, in an order of theirs, whose probability is above one half, 0 where there is none.
   Metadata `regions` of a model, and of a frame as long as it has such scores, a JSON array in the order of the scores:
   [{"name": "whole tumor", "labels": [1, 2, 3], "label": 1, "order": 0}, ...]; labels: which make up the region in the truth; label: what its voxels
   get; order: which place it has in that other order, from 0. */
#ifndef NIIPIPE_REGIONS_H
#define NIIPIPE_REGIONS_H

#include "lib/stream/frame.h"

enum { REGIONS_MOST = 31, REGIONS_NAME = 64 };
struct regions {
	int n;                     /* 0: there are none, classes exclude one another */
	uint32_t of[256];          /* of a label the regions it is in, a bit each */
	uint8_t label[REGIONS_MOST], order[REGIONS_MOST]; /* what each gives; all of them in the order in which they are asked */
	char name[REGIONS_MOST][REGIONS_NAME];
	int ignore;                /* what nnU-Net's dataset.json calls so, the label that does not count; -1: none is */
};

/* Is the label one of a region, or 0? */
int regions_have(const struct regions *r, double label);

/* The label that does not count, 0 to 255, in *label; -1: what the regions say. It is in none of them: 0, or -1 and an error. */
int regions_ignore(const struct regions *r, int64_t *label, struct err *e);

/* Those of an option: `1,2,3/2,3/3`, each of which may have a name, `whole=1,2,3/core=2,3/3` (else it is the numbers); larger ones are
   asked first, and a region's label is the first of it that is in none asked behind it, or its first. Or JSON, or a file of JSON: metadata, or
   nnU-Net's dataset.json. None are an error. 0, or -1 and an error. */
int regions_parse(struct regions *r, const char *text, struct err *e);

/* Of nnU-Net's dataset.json: labels {"background": 0, "whole tumor": [1, 2, 3], ...} and regions_class_order; n is 0 where no label is a list of
   several. What nnU-Net would not take is an error. 0, or -1 and an error. */
int regions_dataset(struct regions *r, const json_t *dataset, struct err *e);

/* Metadata; n is 0 where there is none. 0, or -1 and an error. */
int regions_get(const struct frame *f, struct regions *r, struct err *e);
int regions_set(struct frame *f, const struct regions *r, struct err *e); /* NULL or n 0: without */

/* The metadata's array; and that as the option's text, for a history. New references. */
json_t *regions_json(const struct regions *r);
json_t *regions_argument(const json_t *array);

/* Names of the labels that are given, as metadata `labels`: the region's, "rest of NAME" where one asked behind it has a label of its. New
   reference. */
json_t *regions_names(const struct regions *r);

/* As many labels as numbers, in text: "1,2,3". At most REGIONS_NAME bytes, cut off. */
void regions_text(const struct regions *r, int region, char text[REGIONS_NAME]);

#endif
