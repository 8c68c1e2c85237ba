/* Folders that people have models as: the results of a training of nnU-Net v2 (results.c), a MONAI bundle (bundle*.c). What is asked for and
   cannot be told exactly is an error that names the file, the key and the option that would say it instead. */
#ifndef NIIPIPE_FOLDER_H
#define NIIPIPE_FOLDER_H

#include <jansson.h>
#include <stdint.h>

#include "lib/net/import/weights.h"
#include "lib/stream/regions.h"

enum { FOLDER_PATH = 4096, FOLDER_TEXT = 256 };

struct folder_ask {
	const char *path;
	const char *configuration;  /* nnU-Net's; NULL: as the folder's name says */
	const char *fold;           /* "0", "all"; NULL: the only one there is */
	const char *weights;        /* name of the file of weights, in the fold's folder or the bundle's models; NULL: the usual one */
	int network, replay, roi;   /* whether the folder must say them */
	int totalsegmentator;       /* results of nnU-Net are TotalSegmentator's, which prepares volumes and predicts otherwise */
};

struct folder {
	char weights[FOLDER_PATH];  /* the file of weights; "": this is no folder */
	char said[FOLDER_PATH];     /* the file that says what the network is */
	char configuration[FOLDER_TEXT]; /* of nnU-Net's plans; "": a bundle */
	json_t *network;            /* plans, or a bundle's network without references; NULL: not asked for */
	json_t *replay;             /* a bundle's preprocessing as steps of ours; NULL: not asked for, or the plans say it */
	json_t *channels;           /* names of the image's, in their order; NULL: not said */
	json_t *labels;             /* {"0": "background", ...}; NULL: not said */
	struct regions regions;     /* its classes, where they overlap */
	int64_t classes;            /* how many the folder says there are; 0: not said */
	int axes[3];                /* of a bundle: x,y,z */
	int64_t roi[3];             /* z,y,x; 0: the plans say it, or nobody */
	int totalsegmentator;       /* as asked */
	int apart;                  /* a bundle takes the scores of each class by themselves */
	char predict[FOLDER_TEXT];  /* how the folder's own program predicts, in our tools */
	char more[FOLDER_TEXT];     /* what of that is not known, for a person; "": nothing */
};

int folder_is(const char *path);

/* 0, or -1 and an error; folder_free either way (safe on a zeroed one). Of a file f stays empty, but of a bundle's in TorchScript. */
int folder_open(struct folder *f, const struct folder_ask *ask, struct err *e);

/* Complete predict by what the weights say, and the plans' steps by what the program does before; axes: of z,y,x, which of theirs it is;
   flat: theirs count without the first. */
void folder_predict(struct folder *f, const struct weights *w, const int axes[3], int flat, json_t *replay);

void folder_free(struct folder *f);

#endif
