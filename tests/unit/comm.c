/* lib/comm: sums in the order of the ranks whatever order messages come in, small things gathered, failures and deaths told in one message. Ranks are
   threads that pass each other messages through memory or, where one must die, processes. */
#define _GNU_SOURCE
#include "lib/comm/comm.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/object.h"
#include "lib/base/progress.h"
#include "lib/base/rng.h"
#include "lib/comm/launcher.h"
#include "lib/comm/star.h"
#include "lib/net/run/device.h"
#include "tests/unit/tap.h"

enum { RANKS = 5, MESSAGES = 1 << 14 };

/* -- a transport through memory: messages arrive late, and not in the order in which they were sent ------------- */
struct message { int from, to, tag, late; char *data; size_t n; };
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct message message[MESSAGES];
	int messages, sizes, told, heard;
	char place[1024];
	struct rng rng;
} post = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct end { int rank; };
struct request { int from, to, tag; char *to_data; };

static int post_broadcast(void *self, void *p, size_t n, struct err *ignored)
{
	const struct end *end = self;

	(void)ignored;
	pthread_mutex_lock(&post.lock);
	if (!end->rank) {
		memcpy(post.place, p, n);
		post.told = post.sizes;
		pthread_cond_broadcast(&post.changed);
	}
	while (!post.told)
		pthread_cond_wait(&post.changed, &post.lock);
	memcpy(p, post.place, n);
	if (++post.heard == post.sizes)
		post.told = post.heard = 0;
	pthread_mutex_unlock(&post.lock);
	return 0;
}

static int post_send(void *self, int to, int tag, const void *p, size_t n, void **request, struct err *ignored)
{
	const struct end *end = self;
	struct message *m;

	(void)ignored;
	pthread_mutex_lock(&post.lock);
	m = &post.message[post.messages++];
	*m = (struct message){end->rank, to, tag, (int)rng_below(&post.rng, 20), malloc(n + 1), n};
	memcpy(m->data, p, n);
	pthread_mutex_unlock(&post.lock);
	*request = calloc(1, sizeof(struct request));
	return 0;
}

static int post_receive(void *self, int from, int tag, void *p, size_t n, void **request, struct err *ignored)
{
	const struct end *end = self;
	struct request *r = calloc(1, sizeof *r);

	(void)ignored, (void)n;
	*r = (struct request){from, end->rank, tag, p};
	*request = r;
	return 0;
}

static int post_test(void *self, void *request, int *done, struct err *ignored)
{
	struct request *r = request;

	(void)self, (void)ignored;
	pthread_mutex_lock(&post.lock);
	*done = !r->to_data;
	for (int i = 0; i < post.messages && !*done; i++) {
		struct message *m = &post.message[i];

		if (m->from != r->from || m->to != r->to || m->tag != r->tag || !m->data || m->late-- > 0)
			continue;
		memcpy(r->to_data, m->data, m->n);
		free(m->data);
		m->data = NULL;
		*done = 1;
	}
	pthread_mutex_unlock(&post.lock);
	if (*done)
		free(r);
	return 0;
}

static void post_close(void *self, int clean)
{
	(void)self, (void)clean;
}

static struct transport post_of(struct end *end, int size)
{
	return (struct transport){.abi = TRANSPORT_ABI, .name = "post", .self = end, .rank = end->rank, .size = size, .broadcast = post_broadcast,
		.send = post_send, .receive = post_receive, .test = post_test, .close = post_close};
}

/* -- a rank in a thread ----------------------------------------------------------------------------------------- */
struct rank {
	struct end end;
	int size, half, bad;
	void (*body)(struct rank *r, struct comm *c);
	volatile sig_atomic_t stop;
	char text[ERR_MAX];
};

static int one_sends; /* rank 1 is asked for messages */

static int wire_of(const struct rank *r)
{
	if (one_sends && r->end.rank == 1)
		return COMM_FP32;
	return r->half ? COMM_BF16 : COMM_AUTO;
}

static void *live(void *arg)
{
	struct rank *r = arg;
	const struct transport t = post_of(&r->end, r->size);
	const struct comm_opts o = {.wire = wire_of(r), .patience = 60, .stop = &r->stop};
	struct comm *c;
	struct err e = {""};

	if (comm_open_over(&c, &o, &t, &e)) {
		r->bad = 1;
		return NULL;
	}
	if (comm_rank(c) != r->end.rank || comm_size(c) != r->size)
		r->bad = 1;
	r->body(r, c);
	return NULL;
}

static int all_live(int size, int half, void (*body)(struct rank *, struct comm *), struct rank *ranks)
{
	pthread_t thread[RANKS];
	int bad = 0;

	post.messages = 0;
	post.sizes = size;
	rng_init(&post.rng, (uint64_t)size, RNG_TEST, (uint64_t)half);
	for (int r = 0; r < size; r++) {
		ranks[r] = (struct rank){.end = {r}, .size = size, .half = half, .body = body};
		pthread_create(&thread[r], NULL, live, &ranks[r]);
	}
	for (int r = 0; r < size; r++) {
		pthread_join(thread[r], NULL);
		bad |= ranks[r].bad;
	}
	return bad;
}

/* -- sums -------------------------------------------------------------------------------------------------------- */
static const int64_t lengths[] = {1, 2, 7, 1000, 9001, 3, 4099};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static float value(int rank, int sum, int64_t i)
{
	struct rng r;

	rng_init(&r, (uint64_t)rank, RNG_TEST, (uint64_t)(sum * 1000003 + i));
	return (float)rng_normal(&r) * (i % 5 ? 1 : 1e4f);
}

static float rounded(float f)
{
	uint32_t u, low;

	memcpy(&u, &f, sizeof u);
	low = u & 0xffff;
	u -= low;
	if (low > 0x8000 || (low == 0x8000 && (u >> 16 & 1)))
		u += 0x10000;
	memcpy(&f, &u, sizeof f);
	return f;
}

/* Of element i of n: in the order of the ranks; as bfloat16 all but the part of the rank that adds up. */
static float expected(int size, int half, int sum, int64_t i, int64_t n)
{
	float total = 0;

	for (int r = 0; r < size; r++) {
		float v = value(r, sum, i);

		total += half && !(n * r / size <= i && i < n * (r + 1) / size) ? rounded(v) : v;
	}
	return half ? rounded(total) : total;
}

static void sums(struct rank *r, struct comm *c)
{
	float *x[LENGTHS];
	struct err e;

	for (int turn = 0; turn < 2; turn++) { /* again, in memory that was used before */
		for (int k = 0; k < LENGTHS; k++) {
			x[k] = malloc((size_t)lengths[k] * sizeof *x[k]);
			for (int64_t i = 0; i < lengths[k]; i++)
				x[k][i] = value(r->end.rank, k, i);
			r->bad |= comm_sum(c, x[k], lengths[k], &e) != 0;
			r->bad |= k % 2 && comm_turn(c, &e);
		}
		r->bad |= comm_wait(c, &(double){0}, &e) != 0;
		for (int k = 0; k < LENGTHS; k++) {
			for (int64_t i = 0; i < lengths[k]; i++) {
				float want = expected(r->size, r->half, k, i, lengths[k]);

				r->bad |= memcmp(&x[k][i], &want, sizeof want) != 0;
			}
			free(x[k]);
		}
	}
	r->bad |= comm_close(c, 1, &e) != 0;
}

static void test_sums(void)
{
	struct rank ranks[RANKS];

	for (int size = 2; size <= RANKS; size++) {
		ok(!all_live(size, 0, sums, ranks), "%d ranks add up in their order, the same bits on each", size);
		ok(!all_live(size, 1, sums, ranks), "%d ranks, bfloat16 on the way", size);
	}
}

/* -- sums where the values lie ---------------------------------------------------------------------------------------- */
static int64_t all_lengths(void)
{
	int64_t n = 0;

	for (int k = 0; k < LENGTHS; k++)
		n += lengths[k];
	return n;
}

/* From the end to the beginning, as a backward pass does. */
static int begin_all(struct rank *r, struct comm *c, float *x, int turn)
{
	struct err e;
	int64_t end = all_lengths();
	int bad = 0;

	for (int k = 0; k < LENGTHS; k++) {
		const int64_t from = end - lengths[k];

		for (int64_t i = from; i < end; i++)
			x[i] = value(r->end.rank, turn, i);
		bad |= comm_sum(c, x + from, lengths[k], &e) != 0;
		bad |= (k + r->end.rank) % 2 && comm_turn(c, &e);
		end = from;
	}
	return bad;
}

/* Every value is read where it is said to lie; the ranks' squares are all. */
static int check_all(struct rank *r, struct comm *c, float *x, int turn, double squares)
{
	const int64_t n = all_lengths();
	double all[RANKS], want = 0, found = 0;
	struct err e;
	int bad = 0, elsewhere = 0;

	for (int64_t i = 0, some; i < n; i += some) {
		const float *at = comm_summed(c, x + i, (some = n - i, &some));

		elsewhere |= at != x + i;
		for (int64_t j = 0; j < some; j++) {
			const float sum = expected(r->size, 0, turn, i + j, n);

			bad |= memcmp(&at[j], &sum, sizeof sum) != 0;
			want += (double)sum * sum;
		}
		bad |= some < 1 || some > n - i;
	}
	bad |= comm_gather(c, &squares, sizeof squares, all, &e) != 0;
	for (int i = 0; i < r->size; i++)
		found += all[i];
	return bad || !elsewhere || !(fabs(found - want) <= 1e-12 * want);
}

static void shared(struct rank *r, struct comm *c)
{
	double squares, first = 0;
	float *x, *other = malloc(1000 * sizeof *other);
	struct err e;

	r->bad |= comm_share(c, all_lengths(), &x, &e) || !x || x[0] != 0 || x[all_lengths() - 1] != 0;
	for (int turn = 0; turn < 4 && !r->bad; turn++) {
		r->bad |= begin_all(r, c, x, turn / 2);
		for (int i = 0; i < 1000; i++)
			other[i] = value(r->end.rank, turn, i);
		r->bad |= comm_sum(c, other, 1000, &e) || comm_wait(c, &squares, &e) || check_all(r, c, x, turn / 2, squares);
		for (int i = 0; i < 1000; i++) {
			const float sum = expected(r->size, 0, turn, i, 1000);

			r->bad |= memcmp(&other[i], &sum, sizeof sum) != 0;
		}
		r->bad |= turn % 2 && squares != first; /* the same bits again */
		first = squares;
	}
	free(other);
	r->bad |= comm_close(c, 1, &e) != 0;
}

/* One of the ranks sends. */
static void not_shared(struct rank *r, struct comm *c)
{
	double squares;
	float *x, own = 1;
	struct err e;

	r->bad |= comm_share(c, 1000, &x, &e) || x || comm_sum(c, &own, 1, &e) || comm_wait(c, &squares, &e) || own != (float)r->size || squares != -1;
	r->bad |= comm_close(c, 1, &e) != 0;
}

static void test_shared(void)
{
	struct rank ranks[RANKS];

	for (int size = 2; size <= RANKS; size++)
		ok(!all_live(size, 0, shared, ranks), "%d ranks add up in memory that all can read: the same bits, and their squares", size);
	one_sends = 1;
	ok(!all_live(3, 0, not_shared, ranks), "where one of the ranks is to send, all do");
	one_sends = 0;
}

/* -- small things --------------------------------------------------------------------------------------------------- */
static void gathers(struct rank *r, struct comm *c)
{
	int32_t mine, all[RANKS], given = r->end.rank ? -1 : 77;
	struct err e;

	for (int k = 0; k < 200; k++) {
		mine = 100 * k + r->end.rank;
		r->bad |= comm_gather(c, &mine, sizeof mine, all, &e) != 0;
		for (int i = 0; i < r->size; i++)
			r->bad |= all[i] != 100 * k + i;
	}
	r->bad |= comm_broadcast(c, &given, sizeof given, &e) || given != 77;
	r->bad |= comm_gather(c, NULL, 0, NULL, &e) != 0;
	r->bad |= comm_close(c, 1, &e) != 0 || r->stop;
}

/* One gives more than the others expect. */
static void gathers_unequal(struct rank *r, struct comm *c)
{
	int64_t mine = 1, all[RANKS];
	struct err e = {""};

	r->bad |= comm_gather(c, &mine, r->end.rank ? 4 : 8, all, &e) != -1 || strncmp(e.text, "rank ", 5) || !strstr(e.text, " is of another version");
	comm_close(c, 0, &e);
}

static void test_alone(void)
{
	int mine = 5, all = 0;
	struct comm *c;
	struct err e;
	float x = 3;
	const struct comm_opts o = {0};

	ok(!comm_open(&c, &o, &e) && !c, "one process is a NULL comm");
	ok(comm_rank(NULL) == 0 && comm_size(NULL) == 1 && !comm_gather(NULL, &mine, sizeof mine, &all, &e) && all == 5 && !comm_sum(NULL, &x, 1, &e) &&
	   !comm_wait(NULL, &(double){0}, &e) && !comm_failed(NULL) && x == 3 && !comm_close(NULL, 1, &e), "which every function takes");
}

/* -- failures ------------------------------------------------------------------------------------------------------- */
/* What goes to standard error from here on, until the second call gives it back. */
static void catch_stderr(char *text, size_t room)
{
	static int saved = -1, fd = -1;
	ssize_t n;

	fflush(stderr);
	if (saved < 0) {
		saved = dup(STDERR_FILENO);
		fd = memfd_create("stderr", 0);
		dup2(fd, STDERR_FILENO);
		return;
	}
	n = pread(fd, text, room - 1, 0);
	text[n > 0 ? n : 0] = 0;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	saved = -1;
}

static int said(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix)) && strchr(text, '\n') == text + strlen(text) - 1;
}

static void fails(struct rank *r, struct comm *c)
{
	const int who = r->half ? 0 : r->size - 1;
	float *x = calloc(100000, sizeof *x);
	struct err e = {""};

	if (r->end.rank == who) {
		err_set(&e, NULL, "the disk is full");
		comm_fail(c, &e);
	} else if (r->end.rank == 1) { /* waits for a sum */
		r->bad |= comm_sum(c, x, 100000, &e) || comm_wait(c, &(double){0}, &e) != -1 || e.text[0];
	} else
		r->bad |= comm_gather(c, &who, sizeof who, x, &e) != -1 || e.text[0];
	r->bad |= comm_failed(c) != 1 || r->stop != COMM_OVER;
	free(x);
	comm_close(c, 0, &e);
}

static void test_failures(void)
{
	struct rank ranks[RANKS];
	char text[1000];
	double begun;

	for (int zero = 0; zero < 2; zero++) {
		int bad;

		begun = progress_now();
		catch_stderr(text, sizeof text);
		bad = all_live(4, zero, fails, ranks);
		catch_stderr(text, sizeof text);
		ok(!bad && progress_now() - begun < 10, "all hear of a failure of rank %d, within %.1f s", zero ? 0 : 3, progress_now() - begun);
		ok(said(text, zero ? "niipipe: rank 0 (" : "niipipe: rank 3 (") && strstr(text, "): the disk is full\n"), "in one message");
	}
}

/* A rank as a process: 0 where it was told that the job has failed and rank `who` was to blame. */
static void process(const struct star_opts *o, const char *place, int victim, int sig)
{
	struct err e = {""};
	struct star *s = star_join(o, place, 10, &e);
	char all[RANKS];

	if (!s || star_gather(s, "x", 1, all, &e))
		_exit(2);
	if (o->rank == victim)
		raise(sig);
	_exit(star_gather(s, "x", 1, all, &e) == -1 && !e.text[0] && star_failed(s) == 2 ? 0 : 3);
}

/* Four processes, of which this one is rank 0; one dies or stops. */
static int with_victim(int victim, int sig, char *text, size_t room)
{
	struct star_opts o = {.size = 4, .silence = 1.5, .patience = 60};
	struct err e = {""};
	char place[STAR_PLACE], all[RANKS];
	struct star *s = star_listen(&o, place, &e);
	pid_t child[4];
	int bad = !s, status;

	catch_stderr(text, room);
	for (o.rank = 1; o.rank < o.size; o.rank++)
		if (!(child[o.rank] = fork()))
			process(&o, place, victim, sig);
	bad |= star_accept(s, 10, &e) || star_gather(s, "x", 1, all, &e) || star_gather(s, "x", 1, all, &e) != -1 ||
	       star_failed(s) != 2;
	for (int r = 1; r < o.size; r++) {
		if (r == victim)
			kill(child[r], SIGKILL);
		waitpid(child[r], &status, 0);
		bad |= r != victim && status;
	}
	star_close(s);
	catch_stderr(text, room);
	return bad;
}

static void test_deaths(void)
{
	const struct { int sig; const char *name, *words; } ends[] = {
		{SIGKILL, "dies", "): ended without a word"}, {SIGSTOP, "stops", "): no sign of life for 2 s"},
	};
	char text[1000], begins[40];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		for (int victim = 1; victim < 4; victim += 2) {
			double begun = progress_now();
			int bad = with_victim(victim, ends[i].sig, text, sizeof text);

			snprintf(begins, sizeof begins, "niipipe: rank %d (", victim);
			ok(!bad && progress_now() - begun < 20, "all hear that rank %d %s", victim, ends[i].name);
			ok(said(text, begins) && strstr(text, ends[i].words), "in one message: %.*s", (int)strcspn(text, "\n"), text);
		}
}

/* -- launchers --------------------------------------------------------------------------------------------------------- */
static void test_launchers(void)
{
	static const char *const all[] = {"NIIPIPE_RANK", "NIIPIPE_RANKS", "NIIPIPE_LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
		"OMPI_COMM_WORLD_LOCAL_RANK", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"};
	struct launcher l;
	struct err e;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		unsetenv(all[i]);
	ok(!launcher_read(&l, &e) && l.rank == 0 && l.size == 1 && !l.name, "no launcher");
	setenv("SLURM_PROCID", "0", 1);
	setenv("SLURM_NTASKS", "4", 1);
	ok(!launcher_read(&l, &e) && l.size == 1, "the shell of an sbatch script is no rank");
	setenv("SLURM_PROCID", "2", 1);
	setenv("SLURM_STEP_NUM_TASKS", "4", 1);
	setenv("SLURM_LOCALID", "1", 1);
	ok(!launcher_read(&l, &e) && l.rank == 2 && l.size == 4 && l.local == 1 && !strcmp(l.name, "srun"), "srun");
	setenv("OMPI_COMM_WORLD_RANK", "1", 1);
	setenv("OMPI_COMM_WORLD_SIZE", "3", 1);
	ok(!launcher_read(&l, &e) && l.rank == 1 && l.size == 3 && l.local == -1 && !strcmp(l.name, "mpirun"), "mpirun within it");
	setenv("OMPI_COMM_WORLD_RANK", "3", 1);
	ok(launcher_read(&l, &e) == -1 && !strcmp(e.text, "OMPI_COMM_WORLD_RANK: 3 is not in 0..2"), "nonsense: %s", e.text);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		unsetenv(all[i]);
}

/* -- NCCL: loaded; on a machine with a GPU a sum over one rank --------------------------------------------------------- */
static int no_broadcast(void *arg, void *p, size_t n, struct err *ignored)
{
	(void)arg, (void)p, (void)n, (void)ignored;
	return 0;
}

static int sum_of_one(const struct transport *t, const struct k_backend *k, struct err *err)
{
	float x[1000], y[1000];
	float *on = k->alloc(sizeof x, err);
	void *request;
	int done = 0, bad;

	for (int i = 0; i < 1000; i++)
		x[i] = (float)i;
	bad = !on || k->copy(on, x, sizeof x, K_TO_DEVICE, err) || t->sum(t->self, on, 1000, &request, err);
	while (!bad && !done)
		bad = t->test(t->self, request, &done, err);
	bad = bad || k->copy(y, on, sizeof y, K_TO_HOST, err) || memcmp(x, y, sizeof x);
	k->release(on);
	return bad;
}

static void test_nccl(void)
{
	const struct k_backend *k = device_open("cuda", K_FP32, &(struct err){""});
	const struct transport_place place = {.size = 1, .broadcast = no_broadcast, .stream = k ? k->stream() : NULL};
	transport_open_fn *open;
	struct transport t;
	struct err err = {""};

	*(void **)&open = object_symbol("nccl", "transport_open", &err);
	if (!open) {
		skip("%s", err.text);
		return;
	}
	if (open(TRANSPORT_ABI, &place, &t, &err)) {
		ok(!strncmp(err.text, "NCCL: cannot find a GPU: ", 25), "NCCL is loaded: %s", err.text);
		return;
	}
	if (k)
		ok(!sum_of_one(&t, k, &err), "NCCL adds up over one rank: %s", err.text);
	else
		skip("no CUDA backend");
	t.close(t.self, 1);
}

int main(void)
{
	struct rank ranks[RANKS];

	signal(SIGPIPE, SIG_IGN);
	setenv("NIIPIPE_BACKENDS", getenv("BIN") ? getenv("BIN") : "build/bin", 0);
	test_launchers();
	test_alone();
	test_deaths(); /* forks: before there are threads */
	ok(!all_live(2, 0, gathers, ranks) && !all_live(5, 0, gathers, ranks), "small things, 2 and 5 ranks");
	ok(!all_live(2, 0, gathers_unequal, ranks), "a rank of another version");
	test_sums();
	test_shared();
	test_failures();
	test_nccl();
	return tap_done();
}
