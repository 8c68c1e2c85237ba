/* Sliding-window inference, as MONAI's sliding_window_inference (monai/inferers/utils.py; DEFINITIONS 5.1) or nnU-Net's predictor
   (inference/predict_from_raw_data.py; 5.7): windows of size roi on a grid, each weighted by an importance map; out = sum(w * logits) / sum(w).
   Arrays of three are z,y,x here (the command line's triples are x,y,z). Memory is flat: accumulators of one window's depth (of two and
   three quarters with `refine`), a slab of finished slices is handed on as soon as no later window reaches it. */
#ifndef NIIPIPE_WINDOW_H
#define NIIPIPE_WINDOW_H

#include "lib/net/run/net.h"
#include "lib/stream/stream.h"

/* MONAI: a fixed step, truncated, the last window shifted in. NNUNET: spread evenly, no farther apart than roi (1 - overlap).
   STAGGERED: NNUNET's and a second one, moved by half a step on every axis (body-centred: a voxel is nearer to some window's centre). */
enum window_grid_kind { WINDOW_MONAI, WINDOW_NNUNET, WINDOW_STAGGERED };

/* NNUNET_GAUSSIAN: scipy's gaussian_filter of a single 1 at roi / 2, cut off at 4 sigma, divided by its maximum; zeros become the smallest other. */
enum window_mode { WINDOW_GAUSSIAN, WINDOW_CONSTANT, WINDOW_NNUNET_GAUSSIAN };

/* What a run did. */
struct window_stats { int64_t run, total; double seconds, network; }; /* windows that were run, that there are; time, of it the network's */

/* A frame that is read and written while it is segmented. */
struct window_pipe {
	struct stream *in; /* the image's data come from here, if it has none; else they are given back to the system when done, if it is a mapped file */
	struct out *out;   /* what takes the result */
	int broken;        /* the error is one of reading or writing: it names its file */
};

struct window_opts {
	int64_t roi[3];        /* 0: the whole axis */
	double overlap;        /* [0,1) */
	enum window_grid_kind grid;
	enum window_mode mode;
	double sigma;          /* of the Gaussian, as a fraction of roi */
	int64_t batch;         /* windows predicted at once */
	enum k_pad padding;    /* what stands outside an image that is smaller than roi */
	float fill;            /* with K_PAD_CONSTANT */
	int mirror;            /* bits 1, 2, 4 for z, y, x: the mean over all flips of these axes */
	int soft;              /* windows' probabilities are averaged, not their logits */
	int each;              /* classes are taken each by itself, as regions are: set by window_frame and window_labels */
	double refine;         /* > 0: a coarse grid first, then of the windows between those that may change most, till the voxels that are expected to be
	                          decided otherwise than with all windows are no more than this part of the mask */
	int skip_air;          /* windows that have no voxel above `air` in any channel are left out */
	double air;
	const struct tensor *within; /* [Z,Y,X]: so are those where this is 0 all over; or NULL; borrowed */
	int (*tick)(void *arg, int64_t done, int64_t total); /* after every batch; not 0 ends the run, which is an error then; may be NULL */
	void *tick_arg;
	struct window_stats *stats;  /* added to; may be NULL */
	struct window_pipe *pipe;    /* where the image comes from; NULL: it is in memory */
	const struct k_decide *decide; /* what is handed on are labels by it, not scores; or NULL; borrowed. Of two classes with k 1: by their margin */
	size_t room;                 /* bytes of accumulators that are held in the host's memory: more lie in a temporary file (base/spool.h) */
};
#define WINDOW_ROOM ((size_t)640 << 20)
size_t window_room(void); /* that, or an eighth of mem_available's if it is more: a file's pages may go to a disk that is slow */
#define WINDOW_DEFAULTS {.overlap = 0.25, .mode = WINDOW_GAUSSIAN, .sigma = 0.125, .batch = 1, .room = WINDOW_ROOM}

/* Set grid, overlap and refine to step 1 (few windows) to 5 (all of overlap 0.8) of what was measured to be worth its windows:
   seg-window(1). */
void window_effort(struct window_opts *o, int64_t step);

/* Where the windows stand, z slowest. An axis shorter than roi is padded by lo before and the rest behind; starts are in the image, so -lo there.
   Coarse windows are a part of them that covers the image with gaps between neighbours' starts of at most 3/4 roi. */
struct window_place { int64_t start[3]; int coarse, lattice; };
struct window_grid {
	int64_t size[3], roi[3];
	int lattices;            /* a lattice has every choice of its starts on each axis; STAGGERED are two, where there is more than one window */
	int64_t total;
	struct window_place *at;
};

/* roi must be >= 1. 0, or -1 and an error; released with window_grid_free (safe on a zeroed one). */
int window_grid_make(struct window_grid *g, enum window_grid_kind kind, const int64_t size[3], const int64_t roi[3], double overlap, struct err *e);
void window_grid_free(struct window_grid *g);

/* Importance map: ones, or the Gaussian about the true centre, not below max(its minimum, 1e-3), or nnU-Net's. As rows, end to end in what is
   returned, host memory. NULL and an error; caller frees with free(). */
float *window_weight_rows(const int64_t roi[3], enum window_mode mode, double sigma, struct k_weight *w, struct err *e);

/* Weights that come from all windows to a voxel, as a sum of products of what stands for its slice, row and column: *n lines [z + y + x], one for
   each lattice, of Gaussians as if there were no least weight, and with MONAI's that everywhere, one more: too much by no more than it. Caller frees
   with free(). */
float *window_wholes(const struct window_grid *g, enum window_mode mode, double sigma, int *n, struct err *e);

/* What predicts windows: a network, or in tests any function. input: plan for n windows of roi and say where they go, [n,d,h,w,channels]; NULL and an
   error. run: their logits to `take`, in one part or several, as net_forward_parts does it. Pointers are the backend's memory. */
struct window_predictor {
	int64_t channels, classes;
	float *(*input)(void *arg, int64_t n, const int64_t roi[3], struct err *e);
	int (*run)(void *arg, net_take_fn *take, void *take_arg, struct err *e);
	void *arg;
	struct net_head head; /* of one predictor alone, on the CPU, without `soft` and `refine`: run hands on what this makes logits of; or zeros */
};

/* Takes finished voxels v..v+n-1 of the volume: floats [n,classes], logits (with `soft` probabilities), or with `decide` bytes [n]; host memory,
   valid during the call. Where no window came, class 0 is certain: a logit of 0 against WINDOW_NEVER for all others; with `each` and of a single one
   no class is there. 0, or -1 and an error. */
#define WINDOW_NEVER -100.0f
typedef int window_sink(void *arg, int64_t v, int64_t n, const void *made, struct err *e);

/* The whole image [channels,z,y,x] (any type, finite; borrowed) through the mean of `models` predictors that agree in channels and classes; voxels
   come in their order, each once. 0 or -1. */
int window_run(const struct window_opts *o, const struct k_backend *k, const struct window_predictor *p, int models, const struct tensor *image,
               window_sink *sink, void *sink_arg, struct err *e);

/* Bytes of accumulators that a run with windows of roi, as window_fit has it, will hold in memory, with so many sums a voxel: window_sums. */
size_t window_memory(const struct window_opts *o, const struct k_backend *k, int64_t sums, const int64_t size[3], const int64_t roi[3]);

/* One a class; of the labels of two classes one in all; or, where a single network's last operation can be left for when windows are added up, one
   for each of the channels that it is given, if these are fewer. rule: NULL for scores. */
struct prob_rule;
struct regions;
int64_t window_sums(const struct window_opts *o, struct net *const *nets, int models, const struct prob_rule *rule);

/* A network as predictor; n is borrowed. */
struct window_predictor window_net(struct net *n);

/* roi as window_run will use it: 0 becomes the image's size, rounded up to what the network's strides divide. */
void window_fit(const struct net *n, const int64_t size[3], int64_t roi[3]);

/* The labels [z,y,x] of an image [channels,z,y,x] by PROB_ARGMAX (prob.h), which has regions where the network's classes are these, else NULL. */
int window_labels(const struct window_opts *o, const struct k_backend *k, struct net *n, const struct regions *regions, const float *image,
                  const int64_t size[3], uint8_t *pred, struct err *e);

/* What becomes of a volume frame, whose `image` [C,Z,Y,X] of any type goes through the networks (which agree in channels and classes): written to
   o->pipe, while the windows run, with `pred` U8 [Z,Y,X] by the rule, or `prob` F32 [K,Z,Y,X] and metadata `prob` = "probabilities" or "logits" and
   the rule's `regions`;
   the image is dropped unless `keep`. An image that is not finite, or not of the networks' channels, is an error. 0 or -1.
   Memory: accumulators of one window's depth, or of two and three quarters with `refine`, or their file's cache; as many slices of the image as F32,
   unless it is that and in memory, and all of it where it comes through a pipe and has several channels or is kept; the networks' arenas. Of the
   scores all classes but the first wait in a temporary file (base/spool.h); for the Dice rule they are in memory. */
enum window_output { WINDOW_LABELS, WINDOW_PROB, WINDOW_LOGITS };
int window_frame(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, struct frame *f,
                 enum window_output output, const struct prob_rule *rule, int keep, struct err *e);

/* The patch size a model was trained with, metadata `roi` = "X,Y,Z" of its frame. get: 0, 1 where absent, -1 and an error. */
int window_roi_get(const struct frame *model, int64_t roi[3], struct err *e);
int window_roi_set(struct frame *model, const int64_t roi[3], struct err *e);

#endif
