#include "lib/base/thread.h"

#include <signal.h>

int thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg, struct err *e)
{
	sigset_t most, old;
	int r;

	sigfillset(&most);
	sigdelset(&most, SIGPIPE);
	pthread_sigmask(SIG_SETMASK, &most, &old);
	r = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r ? err_set(e, NULL, "cannot start a thread") : 0;
}
