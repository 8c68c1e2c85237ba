#include "lib/net/import/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/import/pickle_machine.h"
#include "lib/net/import/pickle_make.h"

enum { PROTOCOL = 5 }; /* the highest */

/* -- operations: arg is the table's -- */

static int op_proto(struct pickle_machine *m, int arg)
{
	const uint8_t *b = pickle_take(m, 1);

	(void)arg;
	return !b ? -1 : *b > PROTOCOL ? PICKLE_BAD(m, "pickle: protocol %d is not known (at most %d)", *b, PROTOCOL) : 0;
}

static int op_skip(struct pickle_machine *m, int arg) /* the length of a frame */
{
	return pickle_take(m, (uint64_t)arg) ? 0 : -1;
}

static int op_mark(struct pickle_machine *m, int arg)
{
	(void)arg;
	return pickle_add_int(m, &m->mark, m->stack.n);
}

static int op_pop(struct pickle_machine *m, int arg)
{
	int n = arg || m->stack.n == pickle_floor(m) ? pickle_since_mark(m, 0) : 1;

	m->stack.n -= n > 0 ? n : 0;
	return n < 0 ? -1 : 0;
}

static int op_dup(struct pickle_machine *m, int arg)
{
	return pickle_need(m, 1) || pickle_push(m, pickle_top(m, arg)) ? -1 : 0;
}

static int op_const(struct pickle_machine *m, int arg)
{
	return pickle_push_new(m, (struct pickle_value){.kind = arg < 0 ? PICKLE_NONE : PICKLE_BOOL, .i = arg > 0});
}

static int op_int(struct pickle_machine *m, int bytes)
{
	uint64_t v;

	if (pickle_number(m, bytes, &v))
		return -1;
	return pickle_push_new(m, (struct pickle_value){.kind = PICKLE_INT, .i = bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v});
}

/* Two's complement of as many bytes as a number of 1 or 4 bytes says. */
static int op_long(struct pickle_machine *m, int bytes)
{
	uint64_t len, v;

	if (pickle_number(m, bytes, &len))
		return -1;
	if (len > 8)
		return pickle_take(m, len) ? pickle_push_new(m, (struct pickle_value){.kind = PICKLE_OPAQUE}) : -1;
	if (pickle_number(m, (int)len, &v))
		return -1;
	if (len && len < 8 && v >> (8 * len - 1))
		v |= ~(uint64_t)0 << 8 * len;
	return pickle_push_new(m, (struct pickle_value){.kind = PICKLE_INT, .i = (int64_t)v});
}

static int op_float(struct pickle_machine *m, int arg) /* big endian */
{
	struct pickle_value v = {.kind = PICKLE_REAL};
	const uint8_t *b = pickle_take(m, 8);
	uint64_t bits = 0;

	(void)arg;
	for (int i = 0; b && i < 8; i++)
		bits = bits << 8 | b[i];
	memcpy(&v.d, &bits, sizeof bits);
	return b ? pickle_push_new(m, v) : -1;
}

/* Protocol 1's truth values and long numbers as text: "01", "-12L". */
static int op_digits(struct pickle_machine *m, int op)
{
	struct pickle_value v = {.kind = PICKLE_INT};
	char copy[PICKLE_LINE + 1] = "";
	const char *s;
	struct err e;
	int len;

	if (pickle_line(m, &s, &len))
		return -1;
	memcpy(copy, s, (size_t)len);
	if (op == 'I' && (!strcmp(copy, "00") || !strcmp(copy, "01")))
		return op_const(m, copy[1] == '1');
	if (op == 'L' && len && copy[len - 1] == 'L')
		copy[len - 1] = 0;
	if (len && strspn(copy, "-0123456789") == strlen(copy) && arg_int(copy, 0, 0, &v.i, &e))
		v.kind = PICKLE_OPAQUE;
	else if (arg_int(copy, 0, 0, &v.i, &e))
		return PICKLE_BAD(m, "pickle: '%.40s' is not a number", copy);
	return pickle_push_new(m, v);
}

/* A length of so many bytes, then the text. */
static int op_text(struct pickle_machine *m, int bytes)
{
	uint64_t len;
	const uint8_t *b;

	if (pickle_number(m, bytes, &len) || !(b = pickle_take(m, len)))
		return -1;
	if (len > INT32_MAX)
		return PICKLE_BAD(m, "pickle: a text of %llu bytes", (unsigned long long)len);
	return pickle_push_new(m, (struct pickle_value){.kind = PICKLE_TEXT, .n = (int)len, .s = (const char *)b});
}

static int op_tuple(struct pickle_machine *m, int n) /* -1: all above the mark */
{
	if (n < 0 ? (n = pickle_since_mark(m, 0)) < 0 : pickle_need(m, n))
		return -1;
	if (pickle_push_new(m, (struct pickle_value){.kind = PICKLE_TUPLE}))
		return -1;
	m->stack.n--;
	return pickle_move(m, m->p->n - 1, n) || pickle_push(m, m->p->n - 1) ? -1 : 0;
}

static int op_empty(struct pickle_machine *m, int kind)
{
	return pickle_push_new(m, (struct pickle_value){.kind = (enum pickle_kind)kind});
}

/* A list, dict or set of all above the mark. */
static int op_from_mark(struct pickle_machine *m, int kind)
{
	if (op_tuple(m, -1))
		return -1;
	if (kind == PICKLE_DICT && m->p->v[pickle_top(m, 0)].n % 2)
		return PICKLE_BAD(m, "pickle: a key without a value");
	if (kind == PICKLE_OPAQUE)
		return m->stack.n--, op_empty(m, kind);
	m->p->v[pickle_top(m, 0)].kind = (enum pickle_kind)kind;
	return 0;
}

/* Into a container of this kind: n values, -1: all above the mark. */
static int add_items(struct pickle_machine *m, enum pickle_kind kind, int n)
{
	int to;

	if (n < 0 ? (n = pickle_since_mark(m, 1)) < 0 : pickle_need(m, n + 1))
		return -1;
	to = pickle_top(m, n);
	if (m->p->v[to].kind == PICKLE_OPAQUE)
		return m->stack.n -= n, 0;
	if (m->p->v[to].kind != kind || (kind == PICKLE_DICT && n % 2))
		return PICKLE_BAD(m, "pickle: items for what is no %s", kind == PICKLE_DICT ? "dict" : "list");
	return pickle_move(m, to, n);
}

static int op_append(struct pickle_machine *m, int n)
{
	return add_items(m, PICKLE_LIST, n);
}

static int op_set_item(struct pickle_machine *m, int n)
{
	return add_items(m, PICKLE_DICT, n);
}

static int remember(struct pickle_machine *m, uint64_t at)
{
	if (pickle_need(m, 1))
		return -1;
	if (at >= PICKLE_MOST)
		return PICKLE_BAD(m, "pickle: memo %llu (at most %d)", (unsigned long long)at, PICKLE_MOST);
	while ((uint64_t)m->memo.n <= at)
		if (pickle_add_int(m, &m->memo, -1))
			return -1;
	m->remembered += m->memo.v[at] < 0;
	m->memo.v[at] = pickle_top(m, 0);
	return 0;
}

static int op_put(struct pickle_machine *m, int bytes)
{
	uint64_t at;

	return pickle_number(m, bytes, &at) || remember(m, at) ? -1 : 0;
}

static int op_memoize(struct pickle_machine *m, int arg)
{
	(void)arg;
	return remember(m, (uint64_t)m->remembered);
}

static int op_get(struct pickle_machine *m, int bytes)
{
	uint64_t at;

	if (pickle_number(m, bytes, &at))
		return -1;
	if (at >= (uint64_t)m->memo.n || m->memo.v[at] < 0)
		return PICKLE_BAD(m, "pickle: memo %llu is empty", (unsigned long long)at);
	return pickle_push(m, m->memo.v[at]);
}

static int name(struct pickle_machine *m, const char *module, int module_len, const char *s, int len)
{
	struct pickle_value v = {.kind = PICKLE_NAME, .name = pickle_make_find(module, (size_t)module_len, s, (size_t)len)};

	if (!v.name)
		return PICKLE_BAD(m, "asks for %.*s.%.*s: a file of weights may hold tensors and containers alone", module_len, module, len, s);
	return pickle_push_new(m, v);
}

/* Two lines; protocol 0's way of calling at once is refused, but by name where it can be. */
static int op_global(struct pickle_machine *m, int call)
{
	const char *module, *s;
	int module_len, len;

	if (pickle_line(m, &module, &module_len) || pickle_line(m, &s, &len) || name(m, module, module_len, s, len))
		return -1;
	return call ? PICKLE_BAD(m, "pickle: makes %.*s in the way of protocol 0", len, s) : 0;
}

static int op_stack_global(struct pickle_machine *m, int arg)
{
	const struct pickle_value *s, *module;

	(void)arg;
	if (pickle_need(m, 2))
		return -1;
	s = &m->p->v[pickle_top(m, 0)], module = &m->p->v[pickle_top(m, 1)];
	if (s->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT || s->n > PICKLE_LINE || module->n > PICKLE_LINE)
		return PICKLE_BAD(m, "pickle: a name that is no text");
	m->stack.n -= 2;
	return name(m, module->s, module->n, s->s, s->n);
}

/* Is what lies on the stack a name, then a tuple? */
static int op_call(struct pickle_machine *m, int arg)
{
	struct pickle_value made;
	int v;

	(void)arg;
	if (pickle_need(m, 2))
		return -1;
	if (m->p->v[pickle_top(m, 0)].kind != PICKLE_TUPLE || m->p->v[pickle_top(m, 1)].kind != PICKLE_NAME)
		return PICKLE_BAD(m, "pickle: calls what is no name, or not with a tuple");
	v = pickle_make(m->p, m->p->v[pickle_top(m, 1)].name, pickle_top(m, 0), &made, m->e);
	m->stack.n -= 2;
	if (v == PICKLE_MAKE_BAD) {
		struct err why = *m->e;

		return PICKLE_BAD(m, "%.400s", why.text);
	}
	return v == PICKLE_MAKE_NEW ? pickle_push_new(m, made) : pickle_push(m, v);
}

static int op_build(struct pickle_machine *m, int arg) /* attributes, of which none is of interest but a module's */
{
	struct pickle_value *to, *state;

	(void)arg;
	if (pickle_need(m, 2))
		return -1;
	to = &m->p->v[pickle_top(m, 1)], state = &m->p->v[pickle_top(m, 0)];
	if (to->kind == PICKLE_MODULE && state->kind == PICKLE_DICT && !to->item) {
		to->item = state->item, to->n = state->n, to->owned = state->owned;
		*state = (struct pickle_value){.kind = PICKLE_DICT};
	} else if (to->kind != PICKLE_DICT && to->kind != PICKLE_OPAQUE)
		return PICKLE_BAD(m, "pickle: sets the state of what has none");
	m->stack.n--;
	return 0;
}

static int op_persistent(struct pickle_machine *m, int arg)
{
	struct pickle_value v;
	int t;

	(void)arg;
	if (pickle_need(m, 1))
		return -1;
	t = pickle_top(m, 0);
	v = m->p->v[t];
	if (v.kind != PICKLE_TUPLE || v.n < 5 || !pickle_is_text(m->p, v.item[0], "storage"))
		return PICKLE_BAD(m, "pickle: refers to something outside that is no storage");
	v.kind = PICKLE_STORAGE;
	v.owned = 0;
	m->stack.n--;
	return pickle_push_new(m, v);
}

static const struct op { int (*fn)(struct pickle_machine *m, int arg); int arg; } OPS[256] = {
	[0x80] = {op_proto}, [0x95] = {op_skip, 8}, ['('] = {op_mark}, ['0'] = {op_pop, 0}, ['1'] = {op_pop, 1}, ['2'] = {op_dup},
	['N'] = {op_const, -1}, [0x88] = {op_const, 1}, [0x89] = {op_const, 0},
	['J'] = {op_int, 4}, ['K'] = {op_int, 1}, ['M'] = {op_int, 2}, [0x8a] = {op_long, 1}, [0x8b] = {op_long, 4}, ['G'] = {op_float},
	['I'] = {op_digits, 'I'}, ['L'] = {op_digits, 'L'},
	['X'] = {op_text, 4}, ['T'] = {op_text, 4}, ['U'] = {op_text, 1}, ['B'] = {op_text, 4}, ['C'] = {op_text, 1},
	[0x8c] = {op_text, 1}, [0x8d] = {op_text, 8}, [0x8e] = {op_text, 8}, [0x96] = {op_text, 8},
	[')'] = {op_tuple, 0}, [0x85] = {op_tuple, 1}, [0x86] = {op_tuple, 2}, [0x87] = {op_tuple, 3}, ['t'] = {op_tuple, -1},
	[']'] = {op_empty, PICKLE_LIST}, ['}'] = {op_empty, PICKLE_DICT}, [0x8f] = {op_empty, PICKLE_OPAQUE},
	['l'] = {op_from_mark, PICKLE_LIST}, ['d'] = {op_from_mark, PICKLE_DICT}, [0x91] = {op_from_mark, PICKLE_OPAQUE},
	['a'] = {op_append, 1}, ['e'] = {op_append, -1}, [0x90] = {op_append, -1}, ['s'] = {op_set_item, 2}, ['u'] = {op_set_item, -1},
	['q'] = {op_put, 1}, ['r'] = {op_put, 4}, [0x94] = {op_memoize},
	['h'] = {op_get, 1}, ['j'] = {op_get, 4},
	['c'] = {op_global}, ['i'] = {op_global, 1}, [0x93] = {op_stack_global}, ['R'] = {op_call}, [0x81] = {op_call}, ['b'] = {op_build},
	['Q'] = {op_persistent},
};

static int run(struct pickle_machine *m)
{
	for (;;) {
		const uint8_t *b;

		m->op = m->at;
		b = pickle_take(m, 1);
		if (!b)
			return -1;
		if (*b == '.')
			break;
		if (!OPS[*b].fn)
			return PICKLE_BAD(m, "pickle: operation 0x%02x is not known", *b);
		if (OPS[*b].fn(m, OPS[*b].arg))
			return -1;
	}
	if (pickle_need(m, 1))
		return -1;
	m->p->root = pickle_top(m, 0);
	m->p->used = m->at;
	return 0;
}

int pickle_load(struct pickle *p, const void *bytes, size_t n, const char *file, int64_t offset, struct err *e)
{
	struct pickle_machine m = {.p = p, .b = bytes, .n = n, .file = file, .offset = offset, .e = e};
	int r;

	memset(p, 0, sizeof *p);
	r = run(&m);
	free(m.stack.v);
	free(m.mark.v);
	free(m.memo.v);
	return r;
}

void pickle_free(struct pickle *p)
{
	for (int i = 0; i < p->n; i++)
		if (p->v[i].owned)
			free(p->v[i].item);
	free(p->v);
	memset(p, 0, sizeof *p);
}

int pickle_is(const struct pickle *p, int v, enum pickle_kind kind)
{
	return v >= 0 && p->v[v].kind == kind;
}

int pickle_is_text(const struct pickle *p, int v, const char *text)
{
	return pickle_is(p, v, PICKLE_TEXT) && strlen(text) == (size_t)p->v[v].n && !memcmp(p->v[v].s, text, (size_t)p->v[v].n);
}

int pickle_item(const struct pickle *p, int v, int i)
{
	return v >= 0 && p->v[v].kind >= PICKLE_TUPLE && p->v[v].kind != PICKLE_NAME && i < p->v[v].n ? p->v[v].item[i] : -1;
}

int pickle_get(const struct pickle *p, int v, const char *key)
{
	for (int i = pickle_is(p, v, PICKLE_DICT) || pickle_is(p, v, PICKLE_MODULE) ? p->v[v].n - 2 : -1; i >= 0; i -= 2)
		if (pickle_is_text(p, p->v[v].item[i], key))
			return p->v[v].item[i + 1];
	return -1;
}
