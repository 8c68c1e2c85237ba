/* Sliding-window inference, exactly as MONAI's sliding_window_inference (monai/inferers/utils.py; DEFINITIONS 5.1):
   windows of size roi on a grid, each weighted by an importance map; out = sum(w * logits) / sum(w).
   Arrays of three are z,y,x here (the command line's triples are x,y,z). Memory is flat: accumulators of one window's depth, a slab of
   finished slices is handed on as soon as no later window reaches it. */
#ifndef NIIPIPE_WINDOW_H
#define NIIPIPE_WINDOW_H

#include "lib/net/net.h"

enum window_mode { WINDOW_GAUSSIAN, WINDOW_CONSTANT };

struct window_opts {
	int64_t roi[3];        /* 0: the whole axis */
	double overlap;        /* [0,1) */
	enum window_mode mode;
	double sigma;          /* of the Gaussian, as a fraction of roi */
	int64_t batch;         /* windows predicted at once */
	float fill;            /* stands outside an image that is smaller than roi */
	void (*tick)(void *arg, int64_t done, int64_t total); /* after every batch; may be NULL */
	void *tick_arg;
};
#define WINDOW_DEFAULTS {.overlap = 0.25, .mode = WINDOW_GAUSSIAN, .sigma = 0.125, .batch = 1}

/* Where the windows stand. An axis shorter than roi is padded by lo before and the rest behind; start is in the image, so -lo there. */
struct window_grid {
	int64_t size[3], roi[3];
	int64_t count[3], total;
	int64_t *start[3];     /* count[i] rising starts */
};

/* roi must be >= 1. 0, or -1 and an error; released with window_grid_free (safe on a zeroed one). */
int window_grid_make(struct window_grid *g, const int64_t size[3], const int64_t roi[3], double overlap, struct err *e);
void window_grid_free(struct window_grid *g);

/* The start of window i, in MONAI's order: z slowest. */
void window_start(const struct window_grid *g, int64_t i, int64_t start[3]);

/* Importance map [z,y,x]: ones, or the Gaussian about the true centre, not below max(its minimum, 1e-3). Caller frees with free(). */
float *window_weights(const int64_t roi[3], enum window_mode mode, double sigma, struct err *e);

/* What predicts windows: a network, or in tests any function. input: plan for n windows of roi and say where they go, [n,d,h,w,channels];
   run: logits [n,d,h,w,classes], valid until the next call. Pointers are the backend's memory. NULL and an error. */
struct window_predictor {
	int64_t channels, classes;
	float *(*input)(void *arg, int64_t n, const int64_t roi[3], struct err *e);
	const float *(*run)(void *arg, struct err *e);
	void *arg;
};

/* Takes finished slices z..z+n-1: logits [n,y,x,classes], host memory, valid during the call. 0, or -1 and an error. */
typedef int window_sink(void *arg, int64_t z, int64_t n, const float *logits, struct err *e);

/* The whole image [channels,z,y,x] (host memory, borrowed) through p; slabs come in order of z and cover it once. 0 or -1. */
int window_run(const struct window_opts *o, const struct k_backend *k, const struct window_predictor *p, const float *image,
               const int64_t size[3], window_sink *sink, void *sink_arg, struct err *e);

/* A network as predictor; n is borrowed. */
struct window_predictor window_net(struct net *n);

/* roi as window_run will use it: 0 becomes the image's size, rounded up to what the network's strides divide. */
void window_fit(const struct net *n, const int64_t size[3], int64_t roi[3]);

/* The most probable class of every voxel [z,y,x]; ties go to the lowest class. A network of one channel: 1 where its sigmoid is above one half. */
int window_labels(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3], uint8_t *pred,
                  struct err *e);

/* Scores [classes,z,y,x]: logits, or where `soft` their probabilities (softmax; of a single class the sigmoid). */
int window_scores(const struct window_opts *o, const struct k_backend *k, struct net *n, const float *image, const int64_t size[3], int soft,
                  float *prob, struct err *e);

/* What becomes of a volume frame: its `image` [C,Z,Y,X] of any type goes through the network and gives `pred` U8 [Z,Y,X], or `prob` F32
   [K,Z,Y,X] with metadata `prob` = "probabilities" or "logits". An image that is not finite, or not of the network's channels, is an error.
   Memory: the image as F32 (not copied where it is that), accumulators of one window's depth, the network's arena, the result. */
enum window_output { WINDOW_LABELS, WINDOW_PROB, WINDOW_LOGITS };
int window_frame(const struct window_opts *o, const struct k_backend *k, struct net *n, struct frame *f, enum window_output output, struct err *e);

/* The patch size a model was trained with, metadata `roi` = "X,Y,Z" of its frame. get: 0, 1 where absent, -1 and an error. */
int window_roi_get(const struct frame *model, int64_t roi[3], struct err *e);
int window_roi_set(struct frame *model, const int64_t roi[3], struct err *e);

#endif
