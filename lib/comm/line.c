#define _GNU_SOURCE
#include "lib/comm/line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/arg.h"
#include "lib/base/progress.h"

enum { BACKLOG = 1024, ONE_TRY = 3, ANSWER = 10 /* seconds for an address */ };

void line_host(char host[LINE_HOST])
{
	memset(host, 0, LINE_HOST);
	if (gethostname(host, LINE_HOST - 1))
		host[0] = '?';
}

static int ready(int fd, short events, double seconds)
{
	struct pollfd p = {fd, events, 0};

	return poll(&p, 1, seconds > 0 ? (int)(seconds * 1e3) : 0) > 0;
}

static void settle(int fd)
{
	const struct timeval limit = {5, 0};
	int on = 1;

	fcntl(fd, F_SETFL, 0); /* it waits */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int line_send(int fd, const void *a, size_t n, const void *b, size_t m)
{
	struct iovec v[2] = {{(void *)a, n}, {(void *)b, m}};
	struct msghdr h = {.msg_iov = v, .msg_iovlen = 2};

	while (v[0].iov_len + v[1].iov_len) {
		ssize_t k = sendmsg(fd, &h, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		for (int i = 0; i < 2; i++) {
			size_t part = (size_t)k < v[i].iov_len ? (size_t)k : v[i].iov_len;

			v[i].iov_base = (char *)v[i].iov_base + part;
			v[i].iov_len -= part;
			k -= (ssize_t)part;
		}
	}
	return 0;
}

/* Exactly n bytes within `seconds`. */
static int take(int fd, void *p, size_t n, double seconds)
{
	double until = progress_now() + seconds;
	size_t got = 0;

	while (got < n) {
		ssize_t k;

		if (!ready(fd, POLLIN, until - progress_now()))
			return -1;
		k = recv(fd, (char *)p + got, n - got, 0);
		if (k <= 0)
			return -1;
		got += (size_t)k;
	}
	return 0;
}

/* Addresses under which this host may be reached, the loopback last: " 10.0.0.1 127.0.0.1". */
static void addresses(char *text, size_t room)
{
	struct ifaddrs *list, *i;

	text[0] = 0;
	if (getifaddrs(&list))
		return;
	for (unsigned loop = 0; loop < 2; loop++)
		for (i = list; i; i = i->ifa_next) {
			char a[INET_ADDRSTRLEN];
			size_t used = strlen(text);

			if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_LOOPBACK) != !loop)
				continue;
			inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, a, sizeof a);
			if (used + strlen(a) + 2 < room)
				snprintf(text + used, room - used, " %s", a);
		}
	freeifaddrs(list);
}

int line_listen(char secret[LINE_SECRET], char *place, size_t room, struct err *e)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof a;
	char hosts[512];
	unsigned char noise[LINE_SECRET / 2 - 1];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, BACKLOG) || getsockname(fd, (struct sockaddr *)&a, &n) ||
	    getrandom(noise, sizeof noise, 0) != sizeof noise) {
		err_sys(e, NULL, "cannot listen for the other ranks");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	memset(secret, 0, LINE_SECRET);
	for (size_t i = 0; i < sizeof noise; i++)
		snprintf(secret + 2 * i, 3, "%02x", noise[i]);
	addresses(hosts, sizeof hosts);
	snprintf(place, room, "%s %d%s", secret, ntohs(a.sin_port), hosts);
	return fd;
}

int line_accept(int listener, const char secret[LINE_SECRET], struct line_hello *h, double seconds)
{
	int fd;

	if (!ready(listener, POLLIN, seconds))
		return -1;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	settle(fd);
	if (take(fd, h, sizeof *h, ONE_TRY) || memcmp(h->secret, secret, LINE_SECRET) || line_send(fd, secret, LINE_SECRET, NULL, 0)) {
		close(fd);
		return -1;
	}
	h->host[LINE_HOST - 1] = 0;
	return fd;
}

static int try_address(const char *address, int port, const struct line_hello *h, double seconds)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	char answer[LINE_SECRET];
	int fd, bad = 0;
	socklen_t n = sizeof bad;

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS)
		bad = 1;
	if (bad || !ready(fd, POLLOUT, seconds) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &n) || bad || line_send(fd, h, sizeof *h, NULL, 0) ||
	    take(fd, answer, sizeof answer, ANSWER) || memcmp(answer, h->secret, LINE_SECRET)) {
		close(fd);
		return -1;
	}
	settle(fd);
	return fd;
}

int line_connect(const char *place, int rank, double seconds, struct err *e)
{
	double until = progress_now() + seconds;
	struct line_hello h = {.rank = rank};
	char copy[1024], *p = copy, *word;
	int64_t port;

	line_host(h.host);
	snprintf(copy, sizeof copy, "%s", place);
	word = strsep(&p, " ");
	if (strlen(word) >= LINE_SECRET || !p)
		return err_set(e, NULL, "rank 0 does not say where it is");
	memcpy(h.secret, word, strlen(word));
	word = strsep(&p, " ");
	if (!p || arg_int(word, 1, 65535, &port, e))
		return err_set(e, NULL, "rank 0 does not say where it is");
	while ((word = strsep(&p, " "))) {
		double left = until - progress_now();
		int fd = left > 0 ? try_address(word, (int)port, &h, left < ONE_TRY ? left : ONE_TRY) : -1;

		if (fd >= 0)
			return fd;
	}
	return err_set(e, NULL, "rank 0 cannot be reached at port %lld of%s", (long long)port, strchr(strchr(place, ' ') + 1, ' '));
}
