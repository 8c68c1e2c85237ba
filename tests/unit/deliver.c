/* A batch's way to a device (lib/net/train/deliver.h): what is computed of every batch is that of this batch, in every order that marks allow
   (SIM_ORDER, tests/sim); and there is an order that finds out each mark that is forgotten. */
#include "lib/net/train/deliver.h"
#include "tests/unit/cpu.h"

enum { SIDE = 8, N = SIDE * SIDE * SIDE, TIMES = 8, ORDERS = 9, FEED = 2 };

static const struct k_backend *k;
static struct err e;

/* Which call does nothing: of a line (behind K_OUT: the host's) */
enum { NOTHING, MARK_IN, MARK_COMPUTE, FOLLOW_IN, FOLLOW_COMPUTE, AWAIT, FORGOTTEN };
static int forgotten;

static int mark(struct k_mark *m, enum k_line l, struct err *why)
{
	return forgotten == (l == K_IN ? MARK_IN : MARK_COMPUTE) ? 0 : k->mark(m, l, why);
}

static int follow(enum k_line l, struct k_mark *m, struct err *why)
{
	return forgotten == (l == K_IN ? FOLLOW_IN : FOLLOW_COMPUTE) ? 0 : k->follow(l, m, why);
}

static int await(struct k_mark *m, struct err *why)
{
	return forgotten == AWAIT ? 0 : k->await(m, why);
}

static void fill(struct feed_batch *b, int t)
{
	b->n = 1, b->channels = 1;
	for (int a = 0; a < 3; a++)
		b->size[a] = SIDE;
	for (int i = 0; i < N; i++)
		b->x[i] = (float)(t * N + i), b->label[i] = (uint8_t)(t + i);
}

/* What is on the device: the input, and of every batch its image and labels as they were there */
struct there { float *input, *x[TIMES]; uint8_t *label[TIMES]; };

static int open_there(struct there *d, struct feed_batch feed[FEED])
{
	for (int i = 0; i < FEED; i++)
		if (!(feed[i].x = k->host_alloc(N * sizeof(float), &e)) || !(feed[i].label = k->host_alloc(N, &e)))
			return -1;
	for (int t = 0; t < TIMES; t++)
		if (!(d->x[t] = k->alloc(N * sizeof(float), &e)) || !(d->label[t] = k->alloc(N, &e)))
			return -1;
	return (d->input = k->alloc(N * sizeof(float), &e)) ? 0 : -1;
}

static void close_there(struct there *d, struct feed_batch feed[FEED])
{
	for (int i = 0; i < FEED; i++)
		k->host_release(feed[i].x), k->host_release(feed[i].label);
	for (int t = 0; t < TIMES; t++)
		k->release(d->x[t]), k->release(d->label[t]);
	k->release(d->input);
}

static int wrong_of(const struct there *d, int t)
{
	uint8_t label[N];
	float x[N];
	int wrong = 0;

	if (k->copy(x, d->x[t], sizeof x, K_TO_HOST, &e) || k->copy(label, d->label[t], sizeof label, K_TO_HOST, &e))
		return N;
	for (int i = 0; i < N; i++)
		wrong += x[i] != (float)(t * N + i) || label[i] != (uint8_t)(t + i);
	return wrong;
}

/* How many values are wrong; -1 */
static int batches(void)
{
	struct k_backend way = *k;
	struct feed_batch feed[FEED] = {{0}};
	struct deliver d = {0};
	struct there dev = {0};
	int wrong = 0, bad = open_there(&dev, feed);

	way.mark = mark, way.follow = follow, way.await = await;
	if (!bad)
		fill(&feed[0], 0), bad = deliver_open(&d, &way, 1, &feed[0], &e);
	for (int t = 0; t < TIMES && !bad; t++) {
		struct feed_batch *b = &feed[t % FEED];
		const uint8_t *label = NULL;

		fill(b, t);
		bad = deliver_put(&d, b, dev.input, &label, NULL, &e) || k->copy(dev.x[t], dev.input, N * sizeof(float), K_ON_DEVICE, &e) ||
			k->copy(dev.label[t], label, N, K_ON_DEVICE, &e) || deliver_sent(&d, &e);
	}
	for (int t = 0; t < TIMES && !bad; t++)
		wrong += wrong_of(&dev, t);
	forgotten = NOTHING;
	deliver_close(&d);
	close_there(&dev, feed);
	return bad ? -1 : wrong;
}

/* How many orders, from `first` on, are wrong */
static int orders(int first, int without)
{
	char text[12];
	int wrong = 0;

	for (int i = first; i < ORDERS; i++) {
		forgotten = without;
		snprintf(text, sizeof text, "%d", i);
		setenv("SIM_ORDER", text, 1);
		wrong += batches() != 0;
	}
	setenv("SIM_ORDER", "0", 1);
	return wrong;
}

int main(void)
{
	static const char *const names[FORGOTTEN] = {[MARK_IN] = "that a batch was sent", [MARK_COMPUTE] = "that its place was read",
		[FOLLOW_IN] = "to wait for the place", [FOLLOW_COMPUTE] = "to wait for the batch", [AWAIT] = "to wait before the feed has it back"};

	k = cpu(K_FP32);
	if (!k || !k->queue) {
		skip("no device with memory of its own");
		return tap_done();
	}
	ok(!orders(0, NOTHING), "with all marks every order is right %s", e.text);
	for (int m = 1; getenv("SIM_WALL") && m < FORGOTTEN; m++) {
		int wrong = orders(1, m);

		ok(wrong > 0, "who forgets %s is found out by %d of %d orders", names[m], wrong, ORDERS - 1);
	}
	return tap_done();
}
