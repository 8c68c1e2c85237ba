#include "lib/base/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512 };

void html_free(struct html *h)
{
	free(h->p);
	memset(h, 0, sizeof *h);
}

/* n more bytes to write to, or NULL. */
static char *more(struct html *h, size_t n)
{
	if (h->failed)
		return NULL;
	if (n > h->room - h->n) {
		size_t room = 2 * h->room + n + LINE;
		char *grown = room > n ? realloc(h->p, room) : NULL;

		if (!grown) {
			h->failed = 1;
			return NULL;
		}
		h->p = grown, h->room = room;
	}
	h->n += n;
	return h->p + h->n - n;
}

void html_bytes(struct html *h, const void *p, size_t n)
{
	char *to = more(h, n);

	if (to)
		memcpy(to, p, n);
}

void html_put(struct html *h, const char *text)
{
	html_bytes(h, text, strlen(text));
}

void html_print(struct html *h, const char *fmt, ...)
{
	char line[LINE];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= LINE)
		h->failed = 1;
	else
		html_bytes(h, line, (size_t)n);
}

/* Bytes of the UTF-8 character at s (RFC 3629); 0: none. */
static size_t utf8(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void html_text(struct html *h, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t n = utf8(s);
		int c1 = *s == 0xc2 && s[1] < 0xa0; /* control characters beyond ASCII */

		if (strchr("&<>\"'", *s))
			html_print(h, "&#%d;", *s);
		else if (!n || *s < 0x20 || *s == 0x7f || c1)
			html_put(h, "?");
		else
			html_bytes(h, s, n);
		s += n ? n : 1;
	}
}

void html_base64(struct html *h, const void *p, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = p;
	char *to = more(h, (n + 2) / 3 * 4);

	for (size_t i = 0; to && i < n; i += 3, to += 4) {
		unsigned v = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);

		to[0] = digit[v >> 18];
		to[1] = digit[v >> 12 & 63];
		to[2] = i + 1 < n ? digit[v >> 6 & 63] : '=';
		to[3] = i + 2 < n ? digit[v & 63] : '=';
	}
}

int html_write(struct html *h, struct out *o, struct err *e)
{
	size_t n = h->n;

	if (h->failed)
		return err_set(e, NULL, "not enough memory for a page (beyond %zu bytes)", h->room);
	h->n = 0;
	return out_write(o, h->p, n, e);
}
