/* Inside a run over windows. Private to window*.c. */
#ifndef NIIPIPE_WINDOW_RUN_H
#define NIIPIPE_WINDOW_RUN_H

#include "lib/base/spool.h"
#include "lib/net/window/window.h"
#include "lib/volume/prob/prob.h"

/* The image's slices as floats on the device, in their order: an image that is host memory and F32 already is itself the slab, of all else `room`
   slices are kept. Every slice is looked at as it comes: what is not finite is an error. */
struct window_feed {
	const struct k_backend *k;
	const struct tensor *image; /* borrowed; without data where they come through the pipe */
	struct window_pipe *pipe;   /* or NULL */
	float *slab;                /* [channels, room, y, x]: from slice `first` on */
	int64_t first, end, room;   /* slices first to end - 1 are there */
	int64_t left;               /* of a slab that is the image: what lies below was given back to the system */
	int whole;                  /* slab is the image's own memory */
	void *raw;                  /* a slice as it comes */
	/* To a device's memory on its line K_IN: two slices on their way, in memory of its host_alloc */
	struct window_way { float *row; struct k_mark *sent; } way[2];
	struct k_mark *arrived, *used; /* all that was sent; windows have read what they want */
	int turn;
};
int window_feed_open(struct window_feed *f, const struct k_backend *k, struct window_pipe *pipe, const struct tensor *image, int64_t room,
                     struct err *e);
void window_feed_close(struct window_feed *f);

/* Have slices lo to hi - 1 in the slab (cut to the image); none below lo is asked for again, hi - lo <= room, lo <= the last hi. 0 or -1. */
int window_feed_hold(struct window_feed *f, int64_t lo, int64_t hi, struct err *e);

/* Windows have been gathered from the slab: what is held next may come in their place. 0 or -1. */
int window_feed_used(struct window_feed *f, struct err *e);

/* *t: what can be read here of the image, which begins at the slice returned. */
int64_t window_feed_look(const struct window_feed *f, struct tensor *t);

/* Accumulators of one volume, a ring of `depth` slices: what lies below all windows that are still to be blended is handed on; so, with windows that
   come by rising z, one window's depth is enough, and what a batch spans. Sums of weights lie beside them on a device and with `refine`; else they
   are made of the windows that came when slices are handed on: that is less to read and write. */
struct window_ring {
	const struct window_opts *o;
	const struct k_backend *k;
	int64_t classes, given, sums; /* of the network; channels of what windows bring: classes, or k_head.c; numbers added up of a voxel: the same, or one
		where labels of two classes are handed on (k_blend.margin) */
	int64_t size[3], roi[3], depth, plane, blocks; /* voxels of a slice; K_BLOCK's of one */
	int64_t some, part;    /* slices that are finished at once, voxels of them that are handed on at once */
	size_t each;           /* bytes that are handed on of a voxel */
	int64_t done, ready;   /* slices handed on; slices below are in the ring, or were handed on. The ring is 0 where no window came since */
	struct k_head head;    /* with w: makes sums of logits of acc, of a part at a time: */
	float *logits;
	size_t bytes;          /* of acc, and sum */
	float *acc, *sum;      /* on the device; acc: `sums` a voxel; sum: without `kept` of `some` slices, of no use where labels are handed on */
	int kept;
	int64_t (*came)[3], n; /* of the n windows that came and reach slices from `done` on, where they begin; twice where they came twice */
	float *rows;           /* the importance map's, end to end, on the device */
	struct k_weight weight;
	void *made;            /* of a host's voxels that are handed on */
	float near;            /* where the best class leads by less, windows are compared: of logits 1, and what that is in probabilities */
	/* With `refine`: where in the ring the decision may change; window_wholes' lines, how many, and how far windows are apart (on the device, both);
	   voxels that were handed on and are no background */
	struct k_unsure unsure;
	float *whole;
	int wholes;
	struct k_apart *apart;
	int64_t mask;
	/* From a device's memory, voxels first .. first + vox - 1 on its line K_OUT while it goes on: a copy of theirs there, and where it goes */
	struct window_back { void *slab, *host; struct k_mark *made, *there; int64_t first, vox; } back[2];
	int turn;
	int mapped;            /* acc, and sum, lie in a file: */
	struct spool spool;
	window_sink *sink;
	void *sink_arg;
};
int window_ring_open(struct window_ring *r, const struct window_opts *o, const struct k_backend *k, const struct window_grid *g,
                     const struct window_predictor *p, int64_t depth, window_sink *sink, void *sink_arg, struct err *e);
void window_ring_close(struct window_ring *r);

/* Slices z to z + n - 1 of a window's logits, turned as flip says. */
int window_ring_blend(struct window_ring *r, const int64_t start[3], int flip, int64_t z, int64_t n, const float *logits, struct err *e);

/* Voxels so far that are no background. */
int window_ring_count(const struct window_ring *r, int64_t *mask, struct err *e);

/* How many voxels each of n windows, whose weights will count so many times as all others', is expected to change, k_doubt's sum: voxels[which[j]] of
   the window at at[which[j]]. */
int window_ring_doubt(struct window_ring *r, const struct window_place *at, const int64_t *which, int64_t n, double times, double *voxels,
                      struct err *e);

/* Hand on all slices below z; of a device the last ones only with z = size[0]. */
int window_ring_flush(struct window_ring *r, int64_t z, struct err *e);

/* A run: one image through its windows. */
struct window_job {
	const struct window_opts *o;
	const struct k_backend *k;
	const struct window_predictor *p;
	int models;
	struct window_grid grid;
	struct window_feed feed;
	struct window_ring ring;
	int64_t span;               /* most that the windows of a batch begin apart in z */
	int64_t floor;              /* no window to come begins below this slice */
	int64_t *queue, queued;     /* windows to be run at once */
	int64_t decided;            /* windows that were run or left out */
	struct k_mark *timed[2][2]; /* begin and end of the last two predictions, on a device with memory of its own */
	int turn;
	struct window_stats stats;
};

/* Window i is to be run, if it has anything in it: at once, or when the queue is full or drained. */
int window_put(struct window_job *r, int64_t i, struct err *e);
int window_drain(struct window_job *r, struct err *e);

/* All windows that o->refine asks for (window_refine.c), and how many slices of accumulators and of the image that takes. */
int window_refined(struct window_job *r, struct err *e);
int64_t window_refine_depth(const int64_t roi[3]);

/* Note that the error is one of reading or writing. Returns -1. */
int window_broken(struct window_pipe *p);

/* Has the window at start something that is neither air nor outside the mask? Always, where o asks for nothing. Looked at is what lies inside the
   image of so many slices, of which `part` [C,z,Y,X] begins at slice `first`. */
int window_wanted(const struct window_opts *o, const struct tensor *part, int64_t first, int64_t slices, const int64_t start[3],
                  const int64_t roi[3]);

/* Can the network's last operation be left for when windows are added up, and is there then less to add up than so many sums a voxel? Then *h is it.
   Of the network's current plan. */
int window_head(const struct window_opts *o, struct net *const *nets, int models, int64_t sums, struct net_head *h);

/* An image through networks, roi as window_fit has it. */
int window_nets(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                window_sink *sink, void *arg, struct err *e);

/* Its probabilities [classes,Z,Y,X]. */
int window_scores(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                  float *prob, struct err *e);

/* What becomes of finished slices: of one volume. */
struct window_slab {
	int64_t classes, slices, plane; /* of the volume; voxels of a slice */
	enum prob_kind kind;            /* what comes */
	const struct prob_rule *rule;   /* for labels */
	int soft, each;                 /* for scores: logits become probabilities, each by itself */
};
struct window_slab window_slab(const struct window_opts *o, const struct net *n, const struct tensor *image);

/* Can the backend make the labels by the rule? Then *d says how: of two classes by their margin, as of a single one. */
int window_slab_decide(const struct window_slab *s, struct k_decide *d);

/* Voxels v..v+n-1, [n,classes] as a window_sink gets them: labels [n], or scores, class c of voxel i at to[c * pitch + i]. What is not
   finite is an error, also of labels that the backend made. */
int window_slab_check(const struct window_slab *s, int64_t v, int64_t n, const uint8_t *pred, struct err *e);
int window_slab_labels(const struct window_slab *s, int64_t v, int64_t n, const float *l, uint8_t *pred, struct err *e);
int window_slab_scores(const struct window_slab *s, int64_t v, int64_t n, const float *l, float *to, int64_t pitch, struct err *e);

/* Can the rule (not the Dice rule) make labels of this network's classes? */
int window_check_labels(const struct net *n, const struct prob_rule *rule, struct err *e);

#endif
