/* Weights of other programs as a model. */
#ifndef NIIPIPE_IMPORT_H
#define NIIPIPE_IMPORT_H

#include <jansson.h>

#include "lib/base/outfile.h"
#include "lib/net/import/folder.h"
#include "lib/net/import/match.h"

struct import {
	const char *input;        /* file of weights, or a folder (folder.h), which then says what is not said here */
	const char *key, *prefix; /* as weights_open and match_weights have them; NULL: found */
	const char *arch;         /* as archfile_json, or nnU-Net's plans.json; NULL: metadata `arch` of the file */
	const char *configuration; /* of the plans; NULL: as a folder's name says, else PLANS_CONFIGURATION */
	const char *fold, *weights; /* of a folder: as folder_open has them */
	int totalsegmentator;
	const char *replay;       /* JSON array of steps, or a model's file whose steps they are; NULL: what plans, bundle or file say, else none */
	const char *regions;      /* as regions_parse has them: the network's classes; NULL: as the folder or the file says */
	int axes[MATCH_AXES];     /* {0, 1, 2}: as ours, z,y,x; all 0: as the bundle has them or the file's metadata `axes` say, else as ours; of
	                             plans: as they say */
	int64_t roi[3];           /* z,y,x, size of the windows; 0: what the plans or the file say, else unset */
	match_say *say;
	void *arg;                /* of say */
};

/* What was read, fitted to each other: weights under the network's names. */
struct import_net {
	struct folder folder;
	struct weights w;
	json_t *arch, *replay;
	int axes[MATCH_AXES];
	int64_t roi[3];
	struct regions regions;
	struct graph *graph;
};
int import_open(struct import_net *n, const struct import *im, struct err *e); /* 0 or -1; import_close either way */
void import_close(struct import_net *n);

/* Fill f, to be released with frame_free, with the model's frame, or with its metadata alone. 0 or -1. */
int import_meta(const struct import_net *n, struct frame *f, struct err *e);
int import_frame(const struct import_net *n, struct frame *f, struct err *e);

/* All of it: write the model frame to o. 0, or -1 and an error; nothing is written where the weights are at fault. */
int import_run(const struct import *im, struct out *o, struct err *e);

/* A line for every tensor of the file: its name, type and shape, separated by tabs. */
int import_list(const char *input, struct out *o, struct err *e);

#endif
