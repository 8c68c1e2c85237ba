#include "lib/net/train/deliver.h"

#include <string.h>

#include "lib/net/run/device.h"

static size_t voxels(int64_t n, const struct feed_batch *b)
{
	return (size_t)(n * b->size[0] * b->size[1] * b->size[2]);
}

size_t deliver_bytes(const struct k_backend *k, int64_t batch, const struct feed_batch *b)
{
	return device_is_host(k) ? 0 : voxels(batch, b) * (2 * (size_t)b->channels * sizeof(float) + 3);
}

int deliver_open(struct deliver *d, const struct k_backend *k, int64_t batch, const struct feed_batch *b, struct err *e)
{
	const size_t n = voxels(batch, b);

	*d = (struct deliver){.k = k};
	if (device_is_host(k))
		return 0;
	for (struct deliver_place *p = d->place; p < d->place + 2; p++)
		if (!(p->x = k->alloc(n * (size_t)b->channels * sizeof(float), e)) || !(p->label = k->alloc(n, e)) || !(p->sent = k->mark_new(e)) ||
		    !(p->read = k->mark_new(e)))
			return -1;
	return (d->label = k->alloc(n, e)) ? 0 : -1;
}

void deliver_close(struct deliver *d)
{
	struct err ignored;

	if (!d->k || device_is_host(d->k))
		return;
	for (struct deliver_place *p = d->place; p < d->place + 2; p++) {
		if (p->sent)
			(void)d->k->await(p->sent, &ignored);
		d->k->release(p->x);
		d->k->release(p->label);
		d->k->mark_free(p->sent);
		d->k->mark_free(p->read);
	}
	d->k->release(d->label);
	memset(d, 0, sizeof *d);
}

int deliver_put(struct deliver *d, const struct feed_batch *b, float *input, const uint8_t **label, struct k_mark *begun, struct err *e)
{
	const struct k_backend *k = d->k;
	const size_t n = voxels(b->n, b), bytes = n * (size_t)b->channels * sizeof(float);
	struct deliver_place *p = &d->place[d->turn ^= 1];

	*label = d->label ? d->label : b->label;
	if (!d->label)
		return k->copy(input, b->x, bytes, K_TO_DEVICE, e);
	if (k->follow(K_IN, p->read, e) || k->queue(K_IN, p->x, b->x, bytes, K_TO_DEVICE, e) || k->queue(K_IN, p->label, b->label, n, K_TO_DEVICE, e) ||
	    k->mark(p->sent, K_IN, e) || k->follow(K_COMPUTE, p->sent, e) || (begun && k->mark(begun, K_COMPUTE, e)))
		return -1;
	return k->copy(input, p->x, bytes, K_ON_DEVICE, e) || k->copy(d->label, p->label, n, K_ON_DEVICE, e) || k->mark(p->read, K_COMPUTE, e) ? -1 : 0;
}

int deliver_sent(struct deliver *d, struct err *e)
{
	return d->label ? d->k->await(d->place[d->turn].sent, e) : 0;
}
