/* A checkpoint: a model frame (what inference needs), then an optimizer frame. See tensor-stream(5). */
#ifndef NIIPIPE_CHECKPOINT_H
#define NIIPIPE_CHECKPOINT_H

#include "lib/net/run/net.h"
#include "lib/stream/regions.h"

/* The model frame of a checkpoint: first frame of the file, kind model, with metadata arch and replay. Closed with model_close. */
struct model {
	struct stream *stream;
	struct frame frame;
	json_t *arch, *replay; /* parsed metadata */
	struct regions regions; /* its classes, where they overlap */
	const char *channels;  /* names of the channels of its training volumes, JSON; NULL: not known; frame's */
	char orient[4];        /* which way the axes of its training volumes ran; "": not known */
	const char *file;      /* borrowed */
};
int model_open(struct model *m, const char *path, struct err *e);
void model_close(struct model *m);

/* model_open, net_new and net_load in one, which must give as many classes as there are regions; the frame keeps its metadata only. *n is closed
   with net_free, m with model_close. */
int model_net(struct model *m, const char *path, const struct k_backend *k, struct net **n, struct err *e);

/* Is f prepared as the model's replay says, with channels of its names? 0, or -1 and an error that names the first step that differs. */
int model_check_replay(const struct model *m, const struct frame *f, struct err *e);

/* Do the axes of g run otherwise than those of the training volumes? code: which way. A network sees voxels and no world: one that learned from
   others does not know what it sees. 0 where that is not known. */
int model_turned(const struct model *m, const struct grid *g, char code[4]);

#endif
