/* What backends are told about sliding windows: kernels/backend.h's window_*. */
#ifndef NIIPIPE_SLIDE_H
#define NIIPIPE_SLIDE_H

#include <stdint.h>

/* Sliding windows over an image [c,Z,Y,X] (host memory on the CPU, device memory else), see lib/net/window/window.h. flip: bit a says that axis a
   (d,h,w = 0,1,2) runs backwards in the window's input and logits. */
enum k_pad { K_PAD_CONSTANT, K_PAD_REFLECT, K_PAD_REPLICATE, K_PAD_CIRCULAR }; /* as PyTorch's; reflect: less than the size, circular: at most it */
struct k_gather {
	int64_t c, size[3];    /* image: Z,Y,X */
	int64_t roi[3];        /* window: d,h,w */
	int64_t start[3];      /* of the window in the image, may be negative or reach outside: there `pad` says what stands */
	int flip;
	enum k_pad pad;
	float fill;            /* of K_PAD_CONSTANT */
};
/* A window's weight at d,h,w: row[0][d] row[1][h] row[2][w], multiplied in this order, but not less than `least`. Rows are device memory. */
struct k_weight { const float *row[3]; float least; };
/* Where the decision is not certain: the best class leads the next by less than `lead` times the sum of weights (a single class, or one of those that
   are taken each by itself, is that near to `middle` times it). No window: not unsure. */
enum { K_BLOCK = 64, K_EACH = 32 /* classes that are taken each by itself are fewer */ };
struct k_unsure {
	float lead, middle;
	int each;              /* classes are taken each by itself: they may overlap */
	uint8_t *block;        /* [slab z][y][x / K_BLOCK, rounded up]: 0 where no voxel is unsure; or NULL; zeroed at first */
};
struct k_blend {
	int64_t k, roi[3], slab[3]; /* accumulator [slab z][y][x][k] and weight sum [slab z][y][x] */
	int margin;            /* 1: of two classes only the margin counts, the second's score less the first's: a single sum a voxel */
	int64_t start[3];      /* of the window in the slab; parts outside are left out */
	struct k_weight weight;
	int flip, soft, each;  /* soft: not the logits count but their probabilities: softmax over k, of a single class and with `each` the sigmoid */
	struct k_unsure unsure; /* of k_doubt, brought up to date where the window is; without `block`: not */
};
struct k_cover {           /* windows that were blended, in their order */
	int64_t roi[3], slab[3], first; /* as k_blend; slice of the volume that is the slab's first */
	struct k_weight weight;
	const int64_t (*start)[3], n; /* [n], in the volume: host memory */
};
/* A last convolution of one voxel, done behind the sums of its input's c channels: its weights [c + 1][k_head_pitch(k)], the last row the bias, zeros
   behind the k classes. */
struct k_head { int64_t c, k; const float *w; };
enum { K_HEAD_COLUMNS = 32 };
static inline int64_t k_head_pitch(int64_t k)
{
	return (k + K_HEAD_COLUMNS - 1) / K_HEAD_COLUMNS * K_HEAD_COLUMNS;
}

/* A voxel's label by its mean scores: of k > 1 classes the highest one's, ties to the lowest class; of a single one 1 where it is at least `cut`.
   K_NO_LABEL where a mean is not finite, so k < 256; where no window came 0, of a single class `never`. With `each` the `label` of the last of the k
   classes, in their `order`, that are at least `cut`, 0 of none. */
struct k_decide { int64_t k; float cut; uint8_t never; int each; uint8_t label[K_EACH], order[K_EACH]; }; enum { K_NO_LABEL = 255 };
/* How far windows have been from the mean of those before them: sums of w by^2 and of w as window_spread adds them up; spread: of the mean of
   windows to come about that of those that came: they overlap one another and what came, so it is less than a single window's. */
struct k_apart { double squares, weights; float spread; };
#define K_SPREAD(square) ((float)(0.6 * sqrt(square)) + 1e-6f)

/* How probable it is that windows to come change a voxel's decision: of all the weight that will be there `sum` has come, and the best class leads
   by l = lead / sum; what it leads by in the mean of the rest is normal about l with a standard deviation of `spread`, so the decision changes with
   probability P(x), x = l all / ((all - sum) spread), P(x) = 0.5 (1 - x / 3)^3 up to x = 3: the normal distribution's tail to 0.02, with an end. */
struct k_doubt {
	int64_t k, roi[3], slab[3], start[3]; /* as k_blend; roi of all windows that are asked about at once the same */
	struct k_weight weight;
	float times;           /* how often a window's weight counts */
	const struct k_apart *apart; /* device memory: its spread */
	int wholes;            /* windows' weights in all: the sum of so many products of what stands for the slab's slice, row and column, */
	const float *whole[4][3]; /* that of a single time */
	struct k_unsure unsure; /* blocks that are not marked are not looked at */
	const float *acc, *sum; /* the slab's */
};

#endif
