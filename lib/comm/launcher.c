#include "lib/comm/launcher.h"

#include <stdlib.h>

#include "lib/base/arg.h"

static const struct { const char *name, *rank, *size, *local; } launchers[] = {
	{"the environment", "NIIPIPE_RANK", "NIIPIPE_RANKS", "NIIPIPE_LOCAL_RANK"},
	{"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
	{"mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
	{"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
};

static int number(const char *name, int64_t lo, int64_t hi, int64_t *out, struct err *e)
{
	return arg_int(getenv(name), lo, hi, out, e) ? err_prefix(e, "%s", name) : 0;
}

int launcher_read(struct launcher *l, struct err *e)
{
	*l = (struct launcher){0, 1, -1, NULL};
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
		if (!getenv(launchers[i].rank) || !getenv(launchers[i].size))
			continue;
		l->name = launchers[i].name;
		if (number(launchers[i].size, 1, 65536, &l->size, e) || number(launchers[i].rank, 0, l->size - 1, &l->rank, e))
			return -1;
		return getenv(launchers[i].local) ? number(launchers[i].local, 0, 65536, &l->local, e) : 0;
	}
	return 0;
}
