/* TCP connections for the control line: addresses, connecting with a time limit, whole messages. Private to lib/comm. */
#ifndef NIIPIPE_LINE_H
#define NIIPIPE_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { LINE_SECRET = 16, LINE_HOST = 64 };

struct line_hello { char secret[LINE_SECRET]; int32_t rank; char host[LINE_HOST]; };

/* A socket that listens on all addresses of this host; place: "secret port address ...", of room bytes. -1 and an error. */
int line_listen(char secret[LINE_SECRET], char *place, size_t room, struct err *e);

/* One that comes: its socket and hello, where the secret is right; -1: none within `seconds`, or a stranger. */
int line_accept(int listener, const char secret[LINE_SECRET], struct line_hello *h, double seconds);

/* To the first address of place that knows the secret; -1 and an error. */
int line_connect(const char *place, int rank, double seconds, struct err *e);

/* All of two pieces, or none is of use any more: 0 or -1. */
int line_send(int fd, const void *a, size_t n, const void *b, size_t m);

void line_host(char host[LINE_HOST]); /* this one's name */

#endif
