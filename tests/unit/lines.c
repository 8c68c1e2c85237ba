/* A device's lines, marks and recorded calls (kernels/backend.h): what follows a mark sees what was before it; what was recorded reads memory as it
   is when it is replayed. In a GPU's place (SIM_ORDER, tests/sim) also: what forgets a mark is found out, by some order of what may run side by
   side. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cpu.h"
#include "tests/unit/tap.h"

enum { N = 5000, TIMES = 6, ORDERS = 9 };

static const struct k_backend *k;
static struct err e;

struct way { float *in[2], *out[2], *a, *b; struct k_mark *sent[2], *made, *read, *back[2]; };

static int open_way(struct way *w)
{
	size_t bytes = N * sizeof(float);

	for (int i = 0; i < 2; i++)
		if (!(w->in[i] = k->host_alloc(bytes, &e)) || !(w->out[i] = k->host_alloc(bytes, &e)) || !(w->sent[i] = k->mark_new(&e)) ||
		    !(w->back[i] = k->mark_new(&e)))
			return -1;
	return (w->a = k->alloc(bytes, &e)) && (w->b = k->alloc(bytes, &e)) && (w->made = k->mark_new(&e)) && (w->read = k->mark_new(&e)) ? 0 : -1;
}

/* What a forgotten mark has left under way comes to its end first. */
static void close_way(struct way *w)
{
	for (int l = K_COMPUTE; l <= K_OUT; l++)
		k->mark(w->read, (enum k_line)l, &e), k->await(w->read, &e);
	for (int i = 0; i < 2; i++)
		k->host_release(w->in[i]), k->host_release(w->out[i]), k->mark_free(w->sent[i]), k->mark_free(w->back[i]);
	k->release(w->a), k->release(w->b), k->mark_free(w->made), k->mark_free(w->read);
}

/* Numbers go there, are copied, and come back, while the next ones go there; `without`: a bit for every mark that is forgotten. How many are
   wrong. */
enum { SENT = 1, FREED = 2, MADE = 4, READ = 8, BACK = 16 };

static int pipeline(int without)
{
	struct way w = {.a = NULL};
	size_t bytes = N * sizeof(float);
	int wrong = 0, bad = open_way(&w);
	struct k_mark *last = bad ? NULL : k->mark_new(&e);

	for (int t = 0; t < TIMES + 1 && !bad; t++) {
		int s = t % 2;

		if (t < TIMES) {
			bad = k->await(w.sent[s], &e);
			for (int i = 0; i < N; i++)
				w.in[s][i] = (float)(t * N + i);
			bad = bad || (!(without & FREED) && k->follow(K_IN, w.read, &e)) || k->queue(K_IN, w.a, w.in[s], bytes, K_TO_DEVICE, &e) ||
				k->mark(w.sent[s], K_IN, &e) || (!(without & SENT) && k->follow(K_COMPUTE, w.sent[s], &e)) ||
				(!(without & READ) && k->follow(K_COMPUTE, last, &e)) ||
				k->slice_copy(w.b, 1, w.a, 1, N, 1, 0, &e) || k->mark(w.read, K_COMPUTE, &e) || k->mark(w.made, K_COMPUTE, &e) ||
				(!(without & MADE) && k->follow(K_OUT, w.made, &e)) || k->queue(K_OUT, w.out[s], w.b, bytes, K_TO_HOST, &e) ||
				k->mark(w.back[s], K_OUT, &e) || k->mark(last, K_OUT, &e);
		}
		if (t && !bad) {
			bad = !(without & BACK) && k->await(w.back[!s], &e);
			for (int i = 0; i < N; i++)
				wrong += w.out[!s][i] != (float)((t - 1) * N + i);
		}
	}
	close_way(&w);
	k->mark_free(last);
	return bad ? -1 : wrong;
}

static void order(int i)
{
	char text[12];

	snprintf(text, sizeof text, "%d", i);
	setenv("SIM_ORDER", text, 1);
}

static void test_marks(int sim)
{
	static const char *const names[] = {"what was sent", "what is free again", "what was made", "what was read", "what came back"};
	int wrong = 0;

	for (int i = 0; i < ORDERS; i++) {
		order(i);
		wrong += pipeline(0) != 0;
	}
	ok(!wrong, "with all marks every order is right");
	for (int m = 0; sim && m < 5; m++) {
		wrong = 0;
		for (int i = 1; i < ORDERS; i++) {
			order(i);
			wrong += pipeline(1 << m) > 0;
		}
		ok(wrong > 0, "without the mark of %s %d of %d orders are wrong", names[m], wrong, ORDERS - 1);
	}
	order(0);
}

static int fetch(const float *from, float *to)
{
	return k->copy(to, from, N * sizeof *to, K_TO_HOST, &e);
}

/* b += a twice, recorded: memory is read when it is replayed */
static void test_record(void)
{
	float *a = k->alloc(N * sizeof *a, &e), *b = k->alloc(N * sizeof *b, &e), own[N], sum = 0;
	struct k_record *r;
	int bad = k->zero(b, sizeof own, &e), wrong = 0;

	for (int i = 0; i < N; i++)
		own[i] = 1;
	bad = bad || k->copy(a, own, sizeof own, K_TO_DEVICE, &e) || k->slice_copy(b, 1, a, 1, N, 1, 1, &e) || k->record(&e);
	bad = bad || k->slice_copy(b, 1, a, 1, N, 1, 1, &e) || k->slice_copy(b, 1, a, 1, N, 1, 1, &e);
	r = k->recorded(&e);
	ok(!bad && r && !fetch(b, own) && own[0] == 1 && own[N - 1] == 1, "what is recorded is not done");
	for (int t = 1; t <= 3 && r; t++) {
		for (int i = 0; i < N; i++)
			own[i] = (float)t;
		bad = bad || k->copy(a, own, sizeof own, K_TO_DEVICE, &e) || k->replay(r, &e);
		sum += 2 * (float)t;
	}
	bad = bad || fetch(b, own);
	for (int i = 0; i < N; i++)
		wrong += own[i] != 1 + sum;
	ok(!bad && !wrong, "it is done when it is replayed, with what is there then");
	k->record_free(r);
	k->release(a), k->release(b);
}

/* To look whether the device is lost, while it is busy, is no error of what comes after. */
static void test_look(void)
{
	float *a = k->alloc(N * sizeof *a, &e), own[N];
	int bad = k->zero(a, sizeof own, &e);

	order(1);
	bad = bad || k->slice_copy(a, 1, a, 1, N, 1, 1, &e) || k->lost(&e) || k->slice_copy(a, 1, a, 1, N, 1, 1, &e) || fetch(a, own);
	ok(!bad, "a look at a busy device: %s", bad ? e.text : "nothing is lost");
	order(0);
	k->release(a);
}

/* What a driver refuses while it records ends the process in its place. */
static void test_refused(void)
{
	static const char *const names[] = {"memory taken", "memory given back", "a copy to the host", "a wait for a mark", "a mark",
		"a look whether the device is lost"};

	for (int what = 0; what < 6; what++) {
		float *a = k->alloc(N * sizeof *a, &e), own[N];
		struct k_mark *m = k->mark_new(&e);
		pid_t child = fork();
		int status = 0;

		if (!child) {
			fclose(stderr);
			if (k->mark(m, K_COMPUTE, &e) || k->record(&e))
				_exit(1);
			(void)(what == 0 ? k->alloc(4, &e) != NULL : what == 1 ? (k->release(a), 0) : what == 2 ? fetch(a, own) : what == 3 ? k->await(m, &e) :
				what == 4 ? k->mark(m, K_COMPUTE, &e) : k->lost(&e));
			_exit(0);
		}
		ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s while calls are recorded is found out",
			names[what]);
		k->mark_free(m);
		k->release(a);
	}
}

/* Host memory is given back when what is copied from it is there. */
static void test_freed(void)
{
	float *a = k->alloc(N * sizeof *a, &e), *p = k->host_alloc(N * sizeof *p, &e), own[N];
	int bad, wrong = 0;

	for (int i = 0; i < N; i++)
		p[i] = (float)i;
	order(1);
	bad = k->queue(K_IN, a, p, N * sizeof *p, K_TO_DEVICE, &e);
	k->host_release(p);
	order(0);
	bad = bad || fetch(a, own);
	for (int i = 0; i < N; i++)
		wrong += own[i] != (float)i;
	ok(!bad && !wrong, "host memory given back while it is copied: what comes is right");
	k->release(a);
}

int main(void)
{
	const char *sim = getenv("SIM_WALL");

	k = cpu(K_FP32);
	if (!k || !k->queue) {
		skip("no device with memory of its own");
		return tap_done();
	}
	test_marks(sim != NULL);
	test_record();
	test_look();
	if (sim) {
		test_refused();
		test_freed();
	}
	return tap_done();
}
