/* Training: patches in, checkpoints out. An optimizer step a batch, or several batches, until the stream of patches ends.

   Files: `out` is the best model by validation Dice (before the first validation and without any: the last), the model frame alone; beside it the
   last state, model and optimizer, from which training goes on: "model.ts" and "model.last.ts" (train_last). Both appear whole or not at all.
   Without `out` the last state goes to standard output at the end.
   Several ranks, each with a pipeline of its own: lib/net/train/parallel.h. Rank 0 writes the files.
   Deterministic for the same patches, options and number of ranks; a run that is broken off and goes on gives the same bytes as one that is not. */
#ifndef NIIPIPE_TRAIN_H
#define NIIPIPE_TRAIN_H

#include <jansson.h>
#include <signal.h>

#include "lib/net/train/hyper.h"
#include "lib/net/train/parallel.h"
#include "lib/net/window/window.h"
#include "lib/stream/regions.h"

struct train_opts {
	struct hyper hyper;
	int recipe;               /* enum hyper_recipe; -1: none */
	json_t *arch;             /* MONAI's JSON, borrowed; in_channels is added from the first patch. Else: what the checkpoint must agree to. */
	int64_t classes;          /* of arch */
	int previous;             /* patches must have labels as channels (HISTORY_LATE): the second stage of a plan's cascade */
	struct regions regions;   /* what these are, where they overlap; n 0: as the checkpoint has it, or not */
	const json_t *names;      /* of its labels, for the model (names.h), and the file that they are from; NULL: as the checkpoint has them */
	const char *names_file;
	const char *input;        /* patches; NULL: standard input */
	const char *device;
	const char *out, *log, *init, *resume; /* NULL: none */
	const char *val;          /* volumes for validation; NULL: none */
	int64_t val_every;        /* steps; 0: at the end alone */
	int64_t patience;         /* validations without a better one, after which training ends; 0: never */
	struct window_opts window; /* roi 0: the patches' size */
	int64_t save_every;       /* steps; 0: at validations, at the end, and every 10 minutes */
	int recompute;            /* enum net_recompute */
	int tune;                 /* device_tune */
	struct parallel_opts parallel;
	int summary;              /* print the network's table to standard output instead of training */
	volatile sig_atomic_t *stop; /* set by signals: SIGUSR1 saves, any other saves and ends; back to 0 after SIGUSR1 */
};

/* What became of it. */
struct train_result {
	int64_t step, next;   /* steps done (from the first on), index of the next patch */
	int signal;           /* that ended it; 0: the stream ended */
	double loss, val_dice, best;
	int64_t best_step, stale; /* validations since best_step */
	int impatient;        /* ended by `patience` */
	int pending;          /* the signal came in the last validation: no patch is left */
	int rank;
};

/* Train. common: threads, progress, verbosity. 0, or -1 and an error, empty where another rank has printed the message; what was learnt until a
   broken stream of patches is saved all the same. */
int train_run(const struct train_opts *o, const struct arg_common *common, struct train_result *res, struct err *e);

/* "model.ts" -> "model.last.ts"; caller frees. NULL: none is kept, since out is no regular file (/dev/null), or no memory. */
char *train_last(const char *out);

#endif
