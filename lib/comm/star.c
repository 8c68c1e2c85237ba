#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/base/thread.h"
#include "lib/comm/star_parts.h"

_Static_assert((int)STAR_HOST == (int)LINE_HOST, "a host's name");

enum { LINGER = 60 /* seconds */ };

/* -- beginning and end ------------------------------------------------------------------ */
size_t star_room(const struct star *s)
{
	return s->o.rank ? (size_t)s->o.size * STAR_SMALL : STAR_SMALL;
}

/* Is rank r at the other end of a connection of this one's? */
static int linked(const struct star *s, int r)
{
	return s->o.rank ? !r : r > 0;
}

static struct star *star_new(const struct star_opts *o, struct err *e)
{
	struct star *s = mem_zero(1, sizeof *s, "the ranks", e);
	size_t n = (size_t)o->size;

	if (!s)
		return NULL;
	s->o = *o;
	s->listener = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->host = mem_zero(n, sizeof *s->host, "the ranks", e);
	s->peer = mem_zero(n, sizeof *s->peer, "the ranks", e);
	s->record = mem_zero(n, STAR_SMALL, "the ranks", e);
	s->answer = mem_zero(n, STAR_SMALL, "the ranks", e);
	for (int r = 0; s->peer && r < o->size; r++) {
		s->peer[r].fd = -1;
		if (linked(s, r) && !(s->peer[r].body = mem_new(star_room(s), 1, "the ranks", e)))
			s->quit = 1;
	}
	if (s->host)
		line_host(s->host[o->rank]);
	if (s->host && s->peer && s->record && s->answer && !s->quit)
		return s;
	star_close(s);
	return NULL;
}

static int start(struct star *s, struct err *e)
{
	char own[STAR_HOST];

	s->beat_at = progress_now();
	for (int r = 0; r < s->o.size; r++)
		s->peer[r].heard = s->beat_at;
	if (thread_start(&s->thread, star_serve, s, e))
		return -1;
	s->running = 1;
	memcpy(own, s->host[s->o.rank], STAR_HOST);
	return star_gather(s, own, sizeof own, s->host, e);
}

struct star *star_listen(const struct star_opts *o, char place[STAR_PLACE], struct err *e)
{
	struct star *s = star_new(o, e);

	if (!s)
		return NULL;
	s->listener = line_listen(s->secret, place, STAR_PLACE, e);
	if (s->listener >= 0)
		return s;
	star_close(s);
	return NULL;
}

int star_accept(struct star *s, double seconds, struct err *e)
{
	double until = progress_now() + seconds;
	int missing = s->o.size - 1;

	while (missing && progress_now() < until) {
		struct line_hello h;
		int fd = line_accept(s->listener, s->secret, &h, until - progress_now());

		if (fd < 0)
			continue;
		if (h.rank < 1 || h.rank >= s->o.size) {
			close(fd);
			continue;
		}
		if (s->peer[h.rank].fd >= 0) /* it did not wait for the answer, and came again */
			close(s->peer[h.rank].fd);
		else
			missing--;
		s->peer[h.rank].fd = fd;
		memcpy(s->host[h.rank], h.host, STAR_HOST);
	}
	for (int r = 1; missing && r < s->o.size; r++)
		if (s->peer[r].fd < 0)
			return err_set(e, NULL, "rank %d has not come within %.0f s (%d missing)", r, seconds, missing);
	return start(s, e);
}

struct star *star_join(const struct star_opts *o, const char *place, double seconds, struct err *e)
{
	struct star *s = star_new(o, e);

	if (!s)
		return NULL;
	s->peer[0].fd = line_connect(place, o->rank, seconds, e);
	if (s->peer[0].fd >= 0 && !start(s, e))
		return s;
	star_close(s);
	return NULL;
}

/* With the lock: wait for a change, `most` ns at most. */
static void wait_change(struct star *s, long most)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += most;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

int star_gather(struct star *s, const void *mine, size_t n, void *all, struct err *e)
{
	int bad;

	star_begun(s);
	pthread_mutex_lock(&s->lock);
	s->n = n;
	s->answered = 0;
	if (s->o.rank)
		star_send(s, 0, STAR_RECORD, s->o.rank, 0, mine, n);
	else if (n)
		memcpy(s->record, mine, n);
	s->mine = 1;
	if (!s->o.rank)
		star_complete(s);
	s->waits_since = progress_now();
	while (!s->answered && !s->failed)
		wait_change(s, 500 * 1000 * 1000);
	s->waits_since = 0;
	bad = !s->answered;
	if (!bad && n)
		memcpy(all, s->answer, n * (size_t)s->o.size);
	pthread_mutex_unlock(&s->lock);
	return bad ? err_set(e, NULL, "%s", "") : 0;
}

void star_fail(struct star *s, const struct err *why)
{
	double until = progress_now() + LINGER;

	pthread_mutex_lock(&s->lock);
	if (!s->failed && s->o.rank)
		star_send(s, 0, STAR_FAIL, s->o.rank, 1, why->text, strlen(why->text) + 1);
	star_end(s, s->o.rank, 1, why->text);
	while (s->o.rank && s->peer[0].fd >= 0 && progress_now() < until)
		wait_change(s, 100 * 1000 * 1000);
	if (s->o.rank && s->failed == 1 && !s->acked) /* rank 0 died before it knew */
		star_print(s, s->o.rank, why->text);
	pthread_mutex_unlock(&s->lock);
}

int star_failed(const struct star *s)
{
	return (int)s->failed;
}

void star_begun(struct star *s)
{
	pthread_mutex_lock(&s->lock);
	s->begun++;
	pthread_mutex_unlock(&s->lock);
}

void star_waits(struct star *s, int on)
{
	pthread_mutex_lock(&s->lock);
	s->waits_since = on ? progress_now() : 0;
	pthread_mutex_unlock(&s->lock);
}

/* Rank 0 goes last: what it still has to read would else tear the others' connections. */
static void part(struct star *s)
{
	double until = progress_now() + 5;

	pthread_mutex_lock(&s->lock);
	if (!s->failed) {
		if (s->o.rank)
			star_send(s, 0, STAR_BYE, s->o.rank, 0, NULL, 0);
		for (int r = 0; r < s->o.size; r++)
			while (!s->failed && s->peer[r].fd >= 0 && !s->peer[r].left && progress_now() < until)
				wait_change(s, 100 * 1000 * 1000);
		if (!s->o.rank)
			star_send_all(s, STAR_BYE, 0, 0, NULL, 0);
	}
	s->quit = 1;
	pthread_mutex_unlock(&s->lock);
	for (int r = 0; r < s->o.size; r++)
		if (s->peer[r].fd >= 0)
			shutdown(s->peer[r].fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
}

void star_close(struct star *s)
{
	if (!s)
		return;
	if (s->running)
		part(s);
	for (int r = 0; s->peer && r < s->o.size; r++) {
		if (s->peer[r].fd >= 0)
			close(s->peer[r].fd);
		free(s->peer[r].body);
	}
	if (s->listener >= 0)
		close(s->listener);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s->host);
	free(s->peer);
	free(s->record);
	free(s->answer);
	free(s);
}
