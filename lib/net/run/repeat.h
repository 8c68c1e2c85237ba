/* Calls that are done again and again on the same memory: done the first time, then recorded (kernels/backend.h) and replayed, where the device
   can: a GPU is then told of hundreds of them at once. */
#ifndef NIIPIPE_REPEAT_H
#define NIIPIPE_REPEAT_H

#include "kernels/backend.h"

enum { REPEAT_KEY = 256 };

struct repeat {
	struct k_record *record;
	int times, refused;     /* how often they were done; they cannot be recorded */
	unsigned char key[REPEAT_KEY];
};

/* Do the calls. key: bytes of all that is in their arguments and may differ from one time to the next, at most REPEAT_KEY: with another one they
   begin anew. *plain: why they are not recorded, where they might have been. 0 or -1 */
int repeat_run(struct repeat *r, const struct k_backend *k, const void *key, size_t bytes, int (*calls)(void *arg, struct err *e), void *arg,
               struct err *plain, struct err *e);

/* What was recorded is about to be wrong. */
void repeat_drop(struct repeat *r, const struct k_backend *k);

#endif
