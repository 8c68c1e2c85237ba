/* A thread beside the main one. */
#ifndef NIIPIPE_THREAD_H
#define NIIPIPE_THREAD_H

#include <pthread.h>

#include "lib/base/err.h"

/* Begin fn(arg) in a thread that takes no signals, they are the main one's; but for a broken pipe's, which is whose write it was. 0, or -1 and an
   error. */
int thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg, struct err *e);

#endif
