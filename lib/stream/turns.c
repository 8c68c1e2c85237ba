#include "lib/stream/turns.h"

#include <omp.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/thread.h"

enum { MOST = 16 };

struct turns {
	const struct turns_of *of;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread[MOST];
	int threads, begun, alive;
	int omp;              /* threads of OpenMP that the caller has */
	int taking;           /* a thread is inside of take */
	int over;             /* nothing is taken any more, */
	int done;             /* or put */
	int64_t taken, turn;  /* frames taken; the next one to be put */
	int r;                /* of the last put */
	struct err e;
};

static void *work(void *arg);

static void unlock(struct turns *t)
{
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* One more thread; the lock is held. */
static int begin_one(struct turns *t, struct err *e)
{
	if (thread_start(&t->thread[t->begun], work, t, e))
		return -1;
	t->begun++;
	t->alive++;
	return 0;
}

/* -- of a thread -- */

/* The next frame and its number: 1, 0 none, -1; 2 nothing is taken any more. */
static int take(struct turns *t, struct frame *f, int64_t *i, struct err *e)
{
	struct err ignored;
	int r, over;

	pthread_mutex_lock(&t->lock);
	while (t->taking && !t->over)
		pthread_cond_wait(&t->changed, &t->lock);
	over = t->over;
	t->taking |= !over;
	*i = over ? 0 : t->taken++;
	unlock(t);
	if (over)
		return 2;
	r = t->of->take(f, t->arg, e);
	pthread_mutex_lock(&t->lock);
	t->taking = 0;
	t->over |= r != 1;
	while (!*i && r == 1 && t->begun < t->threads && frame_is_patch(f) && !begin_one(t, &ignored))
		; /* where there are no more threads, it takes longer */
	omp_set_num_threads(t->begun > 1 ? 1 : t->omp); /* this thread's */
	unlock(t);
	return r;
}

static void put(struct turns *t, struct frame *f, int64_t i, int r, struct err *e)
{
	int done;

	pthread_mutex_lock(&t->lock);
	t->over |= r != 1;
	while (t->turn != i && !t->done)
		pthread_cond_wait(&t->changed, &t->lock);
	done = t->done;
	pthread_mutex_unlock(&t->lock);
	if (!done)
		r = t->of->put(f, r, t->arg, e);
	frame_free(f);
	pthread_mutex_lock(&t->lock);
	t->turn++;
	if (!done && r != 1) {
		t->over = t->done = 1;
		t->r = r;
		if (r)
			t->e = *e;
	}
	unlock(t);
}

static void *work(void *arg)
{
	struct turns *t = arg;
	struct frame f = {0}; /* as put leaves it */
	struct err e;
	int64_t i;

	for (int r; (r = take(t, &f, &i, &e)) != 2;) {
		if (r == 1 && t->of->work && t->of->work(&f, i, t->arg, &e))
			r = -1;
		put(t, &f, i, r, &e);
	}
	pthread_mutex_lock(&t->lock);
	t->alive--;
	unlock(t);
	return NULL;
}

/* -- of the caller -- */

struct turns *turns_begin(int threads, const struct turns_of *of, void *arg, struct err *e)
{
	struct turns *t = mem_zero(1, sizeof *t, "threads", e);
	int bad;

	if (!t)
		return NULL;
	t->of = of;
	t->arg = arg;
	t->threads = threads < MOST ? threads : MOST;
	t->omp = omp_get_max_threads();
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	pthread_mutex_lock(&t->lock);
	bad = begin_one(t, e);
	unlock(t);
	if (!bad)
		return t;
	(void)turns_end(t);
	return NULL;
}

int turns_wait(struct turns *t, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	while (!t->done)
		pthread_cond_wait(&t->changed, &t->lock);
	if (t->r)
		*e = t->e;
	unlock(t);
	return t->r;
}

int turns_end(struct turns *t)
{
	int left;

	if (!t)
		return 0;
	pthread_mutex_lock(&t->lock);
	t->over = 1;
	pthread_cond_broadcast(&t->changed);
	while (t->alive > t->taking)
		pthread_cond_wait(&t->changed, &t->lock);
	left = t->alive;
	unlock(t);
	if (left)
		return 1;
	for (int i = 0; i < t->begun; i++)
		pthread_join(t->thread[i], NULL);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	free(t);
	return 0;
}

int turns_run(int threads, const struct turns_of *of, void *arg, int *left, struct err *e)
{
	struct turns *t = turns_begin(threads, of, arg, e);
	int r = t ? turns_wait(t, e) : -1;

	*left = turns_end(t);
	return r;
}
