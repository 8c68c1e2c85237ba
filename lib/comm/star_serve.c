#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/progress.h"
#include "lib/comm/star_parts.h"

enum { BEAT_MS = 500, LOOK_MS = 20, LATE = 3, GRACE_TOLD = 120, GRACE_GONE = 10 /* seconds */ };

/* -- what is sent --------------------------------------------------------------- */
void star_send(struct star *s, int rank, enum star_kind kind, int who, int told, const void *body, size_t n)
{
	const struct star_head h = {kind, who, (int32_t)n, told};

	if (s->peer[rank].fd >= 0)
		(void)line_send(s->peer[rank].fd, &h, sizeof h, body, n);
}

void star_send_all(struct star *s, enum star_kind kind, int who, int told, const void *body, size_t n)
{
	for (int r = 0; r < s->o.size; r++)
		star_send(s, r, kind, who, told, body, n);
}

/* -- failures --------------------------------------------------------------------- */
void star_print(const struct star *s, int who, const char *text)
{
	err_warn("rank %d (%s): %s", who, s->host[who], text);
}

void star_end(struct star *s, int who, int told, const char *text)
{
	if (s->failed)
		return;
	s->failed = told ? 1 : 2;
	s->failed_at = progress_now();
	/* a process that was stopped for so long was given up by the others, who said so */
	if ((!s->o.rank || (!who && !told && s->o.rank == 1)) && s->failed_at - s->beat_at < s->o.silence / 2)
		star_print(s, who, text);
	if (!s->o.rank)
		star_send_all(s, STAR_FAIL, who, told, text, strlen(text) + 1);
	if (s->o.stop)
		*s->o.stop = STAR_OVER;
	pthread_cond_broadcast(&s->changed);
}

static void gone(struct star *s, int rank, const char *why)
{
	struct star_peer *p = &s->peer[rank];

	close(p->fd);
	p->fd = -1;
	if (!p->left)
		star_end(s, rank, 0, why);
	pthread_cond_broadcast(&s->changed);
}

/* -- gathering -------------------------------------------------------------------- */
void star_complete(struct star *s)
{
	if (!s->mine)
		return;
	for (int r = 1; r < s->o.size; r++)
		if (!s->peer[r].here)
			return;
	for (int r = 1; r < s->o.size; r++) {
		if (s->peer[r].n != s->n) {
			star_end(s, r, 0, "is of another version than rank 0");
			return;
		}
		s->peer[r].here = 0;
	}
	memcpy(s->answer, s->record, s->n * (size_t)s->o.size);
	star_send_all(s, STAR_ALL, 0, 0, s->answer, s->n * (size_t)s->o.size);
	s->mine = 0;
	s->answered = 1;
	pthread_cond_broadcast(&s->changed);
}

static void take_record(struct star *s, int rank)
{
	const struct star_peer *p = &s->peer[rank];
	size_t n = (size_t)p->head.bytes;

	s->peer[rank].n = n;
	s->peer[rank].here = 1;
	memcpy(s->record + (size_t)rank * n, p->body, n < STAR_SMALL ? n : STAR_SMALL);
	star_complete(s);
}

/* -- what comes --------------------------------------------------------------------- */
static void take_message(struct star *s, int rank)
{
	struct star_peer *p = &s->peer[rank];

	switch ((enum star_kind)p->head.kind) {
	case STAR_RECORD:
		take_record(s, rank);
		break;
	case STAR_ALL:
		memcpy(s->answer, p->body, (size_t)p->head.bytes);
		s->answered = 1;
		pthread_cond_broadcast(&s->changed);
		break;
	case STAR_FAIL:
		s->acked = 1;
		p->body[p->head.bytes - 1] = 0;
		star_end(s, p->head.rank, p->head.told, p->body);
		break;
	case STAR_BYE:
		p->left = 1;
		pthread_cond_broadcast(&s->changed);
		break;
	case STAR_BEAT:
		memcpy(&p->beat, p->body, sizeof p->beat);
		break;
	}
}

/* As much of a message as is there: 1 a whole one, 0 not yet, -1 the connection is at its end. */
static int read_some(struct star *s, struct star_peer *p)
{
	const size_t room = star_room(s);

	for (;;) {
		int in_head = p->got < sizeof p->head;
		size_t want = sizeof p->head + (in_head ? 0 : (size_t)p->head.bytes);
		char *to = in_head ? (char *)&p->head + p->got : p->body + (p->got - sizeof p->head);
		ssize_t k;

		if (!in_head && p->got == want)
			return 1;
		k = recv(p->fd, to, want - p->got, MSG_DONTWAIT);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (k <= 0)
			return -1;
		p->got += (size_t)k;
		p->heard = progress_now();
		if (p->got == sizeof p->head && ((size_t)p->head.bytes > room || p->head.rank < 0 || p->head.rank >= s->o.size ||
		                                 (p->head.kind == STAR_FAIL && !p->head.bytes)))
			return -1;
	}
}

static void read_peer(struct star *s, int rank)
{
	struct star_peer *p = &s->peer[rank];
	int r;

	while (p->fd >= 0 && (r = read_some(s, p))) {
		if (r < 0) {
			gone(s, rank, "ended without a word: killed, or out of memory");
			return;
		}
		p->got = 0;
		take_message(s, rank);
	}
}

/* -- the thread ----------------------------------------------------------------------- */
static double waits(const struct star *s, double now)
{
	return s->waits_since > 0 ? now - s->waits_since : 0;
}

/* In rank 0: does one keep others waiting for too long? The one that has begun the least. */
static void look_at_patience(struct star *s, double now)
{
	int last = 0;
	int64_t least = s->begun;
	double longest = waits(s, now), own = longest;
	char text[160];

	for (int r = 1; r < s->o.size; r++) {
		const struct star_beat *b = &s->peer[r].beat;

		longest = b->waits > longest ? b->waits : longest;
		if (b->begun < least || (b->begun == least && b->waits < own)) {
			least = b->begun;
			own = b->waits;
			last = r;
		}
	}
	if (longest <= s->o.patience)
		return;
	snprintf(text, sizeof text, "keeps the others waiting for more than %.0f s (--timeout)", s->o.patience);
	star_end(s, last, 1, text); /* it lives: what was learnt is saved */
}

static void beat(struct star *s)
{
	const double now = progress_now();
	const struct star_beat b = {s->begun, waits(s, now)};
	char text[160];

	for (int r = 0; now - s->beat_at > LATE && r < s->o.size; r++)
		s->peer[r].heard = now; /* it was this process that was stopped, or all */
	star_send_all(s, STAR_BEAT, s->o.rank, 0, &b, sizeof b);
	snprintf(text, sizeof text, "no sign of life for %.0f s: its host is lost, or it is stopped", s->o.silence);
	for (int r = 0; r < s->o.size; r++)
		if (s->peer[r].fd >= 0 && now - s->peer[r].heard > s->o.silence)
			gone(s, r, text);
	if (!s->o.rank)
		look_at_patience(s, now);
	/* a main thread that does not come back from where it is */
	if (s->failed && now - s->failed_at > (s->failed == 1 ? GRACE_TOLD : GRACE_GONE))
		_exit(1);
}

/* A message that nobody reads any more must not end the process before what was learnt is saved. */
static void survive_writes(void)
{
	sigset_t broken;

	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken, NULL);
}

void *star_serve(void *arg)
{
	struct star *s = arg;
	struct pollfd *p = calloc((size_t)s->o.size, sizeof *p);
	int quit = !p, connected;

	survive_writes();
	while (!quit) {
		pthread_mutex_lock(&s->lock);
		if (progress_now() - s->beat_at > BEAT_MS * 1e-3) {
			beat(s);
			s->beat_at = progress_now();
		}
		connected = 0;
		for (int r = 0; r < s->o.size; r++) {
			p[r] = (struct pollfd){s->peer[r].fd, POLLIN, 0};
			connected |= p[r].fd >= 0; /* one that is will be shut down to wake this thread */
		}
		quit = s->quit;
		pthread_mutex_unlock(&s->lock);
		if (quit || poll(p, (nfds_t)s->o.size, connected ? BEAT_MS : LOOK_MS) <= 0)
			continue;
		pthread_mutex_lock(&s->lock);
		for (int r = 0; r < s->o.size; r++)
			if (p[r].revents && s->peer[r].fd >= 0)
				read_peer(s, r);
		pthread_mutex_unlock(&s->lock);
	}
	free(p);
	return NULL;
}
