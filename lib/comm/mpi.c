/* niipipe-mpi.so: messages between the processes of an mpirun or srun, by MPI. Nothing else is linked to it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>

#include "lib/comm/transport.h"

/* Open MPI loads parts of itself that look for its symbols among the global ones; this object is loaded without. */
static void make_global(void)
{
	Dl_info info;

	if (dladdr((void *)&MPI_Init_thread, &info) && info.dli_fname)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static int failed(int code, const char *what, struct err *e)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int n;

	if (code == MPI_SUCCESS)
		return 0;
	MPI_Error_string(code, text, &n);
	return err_set(e, NULL, "MPI: cannot %s: %.300s", what, text);
}

static int broadcast(void *self, void *p, size_t n, struct err *e)
{
	(void)self;
	return failed(MPI_Bcast(p, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), "broadcast", e);
}

static MPI_Request *request_new(struct err *e)
{
	MPI_Request *r = malloc(sizeof *r);

	if (!r)
		err_set(e, NULL, "not enough memory for a message");
	return r;
}

static int begun(int code, MPI_Request *r, void **request, struct err *e)
{
	*request = r;
	if (code == MPI_SUCCESS)
		return 0;
	free(r);
	return failed(code, "begin a message", e);
}

static int begin_send(void *self, int to, int tag, const void *p, size_t n, void **request, struct err *e)
{
	MPI_Request *r = request_new(e);

	(void)self;
	return r ? begun(MPI_Isend(p, (int)n, MPI_BYTE, to, tag, MPI_COMM_WORLD, r), r, request, e) : -1;
}

static int begin_receive(void *self, int from, int tag, void *p, size_t n, void **request, struct err *e)
{
	MPI_Request *r = request_new(e);

	(void)self;
	return r ? begun(MPI_Irecv(p, (int)n, MPI_BYTE, from, tag, MPI_COMM_WORLD, r), r, request, e) : -1;
}

static int test(void *self, void *request, int *done, struct err *e)
{
	(void)self;
	if (failed(MPI_Test(request, done, MPI_STATUS_IGNORE), "pass a message on", e))
		return -1;
	if (*done)
		free(request);
	return 0;
}

static void end(void *self, int clean)
{
	(void)self;
	if (clean)
		MPI_Finalize();
}

__attribute__((visibility("default"))) int transport_open(int abi, const struct transport_place *place, struct transport *t, struct err *e)
{
	int level;

	(void)place;
	if (abi != TRANSPORT_ABI)
		return err_set(e, NULL, "niipipe-mpi.so is of another version");
	make_global();
	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
		return err_set(e, NULL, "MPI does not start");
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	*t = (struct transport){.abi = TRANSPORT_ABI, .name = "mpi", .broadcast = broadcast, .send = begin_send, .receive = begin_receive, .test = test,
		.close = end};
	MPI_Comm_rank(MPI_COMM_WORLD, &t->rank);
	MPI_Comm_size(MPI_COMM_WORLD, &t->size);
	return 0;
}
