#include "lib/comm/transport.h"

int transport_left(const struct transport *t, void **request, int n, struct err *e)
{
	int left = 0, done;

	for (int i = 0; i < n; i++) {
		if (!request[i])
			continue;
		if (t->test(t->self, request[i], &done, e))
			return -1;
		if (done)
			request[i] = NULL;
		else
			left++;
	}
	return left;
}
