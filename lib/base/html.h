/* A page that grows in memory. What fails (no memory) is remembered and said once, by html_write. */
#ifndef NIIPIPE_HTML_H
#define NIIPIPE_HTML_H

#include "lib/base/outfile.h"

struct html { char *p; size_t n, room; int failed; }; /* starts zeroed */
void html_free(struct html *h); /* safe on a zeroed one */

void html_bytes(struct html *h, const void *p, size_t n);
void html_put(struct html *h, const char *text);                       /* markup, as it is */
void html_print(struct html *h, const char *fmt, ...) ERR_PRINTF(2, 3); /* markup with numbers and what is known to be harmless */

/* Text of others, in an element or an attribute: & < > " and ' become character references, control bytes and what is not UTF-8 a '?'. */
void html_text(struct html *h, const char *text);

/* n bytes as base64 (RFC 4648). */
void html_base64(struct html *h, const void *p, size_t n);

/* Hand over what there is and begin anew. 0, or -1 and an error. */
int html_write(struct html *h, struct out *o, struct err *e);

#endif
