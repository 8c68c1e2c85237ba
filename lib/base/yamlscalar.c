#include "lib/base/yamlscalar.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"

/* -- numbers: text has no '_' and no sign -- */

static int digit(int c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Digits up to a ':' or the end, added to what is there. */
static int add_digits(const char **s, int base, int64_t *v)
{
	for (; **s && **s != ':'; ++*s)
		if (__builtin_mul_overflow(*v, base, v) || __builtin_sub_overflow(*v, digit(**s), v))
			return -1;
	return 0;
}

/* Below zero, where there is room for one more. */
static int whole(const char *s, int64_t *v)
{
	const int base = *s != '0' ? 10 : s[1] == 'x' ? 16 : s[1] == 'b' ? 2 : 8;

	*v = 0;
	s += base == 16 || base == 2 ? 2 : 0;
	if (!*s || add_digits(&s, base, v))
		return -1;
	while (*s) { /* 1:30 is 90 */
		int64_t part = 0;

		s++;
		if (add_digits(&s, 10, &part) || __builtin_mul_overflow(*v, 60, v) || __builtin_add_overflow(*v, part, v))
			return -1;
	}
	return 0;
}

static json_t *make_int(char *text, int negative, struct err *e)
{
	int64_t v;

	if (whole(text, &v) || (!negative && v == INT64_MIN)) {
		err_set(e, NULL, "'%.80s' is no whole number of 64 bits", text);
		return NULL;
	}
	return json_integer(negative ? v : -v);
}

/* The last part first, as Python adds them. */
static json_t *make_float(char *text, int negative, struct err *e)
{
	double v = 0, part, base = 1;
	char *colon;

	do {
		colon = strrchr(text, ':');
		if (arg_float(colon ? colon + 1 : text, 0, 0, &part, e))
			return NULL;
		v += part * base;
		base *= 60;
		if (colon)
			*colon = 0;
	} while (colon);
	return json_real(negative ? -v : v);
}

/* -- words -- */

static json_t *make_true(char *text, int negative, struct err *e)
{
	(void)text, (void)negative, (void)e;
	return json_true();
}

static json_t *make_false(char *text, int negative, struct err *e)
{
	(void)text, (void)negative, (void)e;
	return json_false();
}

static json_t *make_null(char *text, int negative, struct err *e)
{
	(void)text, (void)negative, (void)e;
	return json_null();
}

/* said: by its tag alone; make NULL: what it looks like without quotes, and why it is refused. */
static const struct form {
	const char *tag;
	int said;
	json_t *(*make)(char *text, int negative, struct err *e);
	const char *pattern, *refused;
} FORMS[YAMLSCALAR_FORMS] = {
	{"bool", 0, make_true, "^(yes|Yes|YES|true|True|TRUE|on|On|ON)$"},
	{"bool", 0, make_false, "^(no|No|NO|false|False|FALSE|off|Off|OFF)$"},
	{"null", 0, make_null, "^(~|null|Null|NULL|)$"},
	{"float", 0, make_float, "^([-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?|\\.[0-9][0-9_]*([eE][-+][0-9]+)?|"
		"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*)$"},
	{"float", 1, make_float, "^[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?$"},
	{"int", 0, make_int, "^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$"},
	{"", 0, NULL, "^([-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN))$", "is not a finite number: JSON has no such"},
	{"", 0, NULL, "^[0-9]{4}-([0-9]{2}-[0-9]{2}|[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]*)?"
		"([ \t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?)$", "is a date without quotes: JSON has none"},
	{"", 0, NULL, "^(<<|=)$", "without quotes stands for other keys: it is not followed, by MONAI neither"},
};

int yamlscalar_open(struct yamlscalar *s, struct err *e)
{
	for (int i = 0; i < YAMLSCALAR_FORMS; i++)
		if (regcomp(&s->form[i], FORMS[i].pattern, REG_EXTENDED | REG_NOSUB)) {
			while (i--)
				regfree(&s->form[i]);
			return err_set(e, NULL, "not enough memory for the forms of scalars");
		}
	return 0;
}

void yamlscalar_close(struct yamlscalar *s)
{
	for (int i = 0; i < YAMLSCALAR_FORMS; i++)
		regfree(&s->form[i]);
}

static json_t *make(const struct form *f, const char *text, struct err *e)
{
	char *bare = malloc(strlen(text) + 1), *to = bare;
	const int negative = *text == '-';
	json_t *v;

	if (!bare)
		return NULL;
	for (text += *text == '-' || *text == '+'; *text; text++)
		if (*text != '_')
			*to++ = *text;
	*to = 0;
	v = f->make(bare, negative, e);
	free(bare);
	return v;
}

json_t *yamlscalar_value(const struct yamlscalar *s, const char *text, const char *tag, int plain, struct err *e)
{
	const int is_text = tag ? !strcmp(tag, "str") : !plain;
	int known = 0;

	err_set(e, NULL, "not enough memory for a scalar");
	if (is_text)
		return json_string(text);
	for (int i = 0; i < YAMLSCALAR_FORMS; i++) {
		const struct form *f = &FORMS[i];
		const int asked = tag ? !strcmp(f->tag, tag) : !f->said;

		known |= asked;
		if (!asked || regexec(&s->form[i], text, 0, NULL, 0))
			continue;
		if (f->make)
			return make(f, text, e);
		err_set(e, NULL, "'%.80s' %s", text, f->refused);
		return NULL;
	}
	if (!tag)
		return json_string(text);
	if (known)
		err_set(e, NULL, "'%.80s' is no %s, which its tag says", text, tag);
	else
		err_set(e, NULL, "tag '%.80s' is not known", tag);
	return NULL;
}
