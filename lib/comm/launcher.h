/* What a launcher of several processes says in the environment: mpirun, srun, or a person (NIIPIPE_RANK, NIIPIPE_RANKS). */
#ifndef NIIPIPE_LAUNCHER_H
#define NIIPIPE_LAUNCHER_H

#include <stdint.h>

#include "lib/base/err.h"

struct launcher {
	int64_t rank, size; /* 0 of 1 where there is none */
	int64_t local;      /* number among the ranks of this host; -1: not known */
	const char *name;   /* "mpirun"; NULL: none */
};

/* The innermost: in a job of srun what mpirun says counts. The shell of an sbatch script is no rank. 0, or -1 and an error: nonsense. */
int launcher_read(struct launcher *l, struct err *e);

#endif
