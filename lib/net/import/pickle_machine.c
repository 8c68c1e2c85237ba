#include "lib/net/import/pickle_machine.h"

#include <string.h>

#include "lib/base/mem.h"

/* -- memory -- */

int pickle_add_int(struct pickle_machine *m, struct pickle_ints *a, int value)
{
	if (a->n == PICKLE_MOST || mem_more(&a->v, (size_t)a->n, sizeof *a->v, "values", NULL))
		return PICKLE_BAD(m, "pickle: too much at once, or not enough memory (%d values)", a->n);
	a->v[a->n++] = value;
	return 0;
}

int pickle_push(struct pickle_machine *m, int v)
{
	return pickle_add_int(m, &m->stack, v);
}

/* Push a new value that is a copy of v. */
int pickle_push_new(struct pickle_machine *m, struct pickle_value v)
{
	struct pickle *p = m->p;

	if (p->n == PICKLE_MOST || mem_more(&p->v, (size_t)p->n, sizeof *p->v, "values", NULL))
		return PICKLE_BAD(m, "pickle: too many values, or not enough memory (%d values)", p->n);
	p->v[p->n] = v;
	return pickle_push(m, p->n++);
}

/* Move n values from the stack's top into container v. */
int pickle_move(struct pickle_machine *m, int v, int n)
{
	struct pickle_value *c = &m->p->v[v];
	struct pickle_ints a = {c->item, c->n};
	int bad = 0;

	for (int i = m->stack.n - n; i < m->stack.n && !bad; i++)
		bad = pickle_add_int(m, &a, m->stack.v[i]);
	c->item = a.v, c->n = a.n, c->owned = a.v != NULL;
	m->stack.n -= n;
	return bad;
}

/* -- bytes and the stack -- */

const uint8_t *pickle_take(struct pickle_machine *m, uint64_t k)
{
	const uint8_t *b = m->b + m->at;

	if (k > m->n - m->at) {
		PICKLE_BAD(m, "pickle: ends inside an operation (expected %llu bytes, found %zu)", (unsigned long long)k, m->n - m->at);
		return NULL;
	}
	m->at += k;
	return b;
}

int pickle_number(struct pickle_machine *m, int bytes, uint64_t *v)
{
	const uint8_t *b = pickle_take(m, (uint64_t)bytes);

	*v = 0;
	for (int i = 0; b && i < bytes; i++)
		*v |= (uint64_t)b[i] << 8 * i;
	return b ? 0 : -1;
}

/* Up to a newline, which is passed over. */
int pickle_line(struct pickle_machine *m, const char **s, int *len)
{
	const uint8_t *b = m->b + m->at, *end = memchr(b, '\n', m->n - m->at < PICKLE_LINE ? m->n - m->at : PICKLE_LINE);

	if (!end)
		return PICKLE_BAD(m, "pickle: a line of more than %d bytes, or without an end", PICKLE_LINE);
	*s = (const char *)b;
	*len = (int)(end - b);
	m->at += (size_t)*len + 1;
	return 0;
}

int pickle_floor(const struct pickle_machine *m)
{
	return m->mark.n ? m->mark.v[m->mark.n - 1] : 0;
}

int pickle_need(struct pickle_machine *m, int n)
{
	return m->stack.n - pickle_floor(m) < n ? PICKLE_BAD(m, "pickle: takes more values than there are") : 0;
}

int pickle_top(const struct pickle_machine *m, int below)
{
	return m->stack.v[m->stack.n - 1 - below];
}

/* How many values lie above the last mark, which goes; below it there must be `under` more. -1 and an error. */
int pickle_since_mark(struct pickle_machine *m, int under)
{
	int n = m->stack.n - pickle_floor(m);

	if (!m->mark.n)
		return PICKLE_BAD(m, "pickle: no mark to go back to");
	m->mark.n--;
	return pickle_need(m, n + under) ? -1 : n;
}
