/* Small pictures: RGB pixels, text in a built-in font, PNG out. */
#ifndef NIIPIPE_DRAW_H
#define NIIPIPE_DRAW_H

#include <stdint.h>

#include "lib/base/html.h"

struct draw {
	int64_t w, h;
	uint8_t *rgb; /* [h][w][3] */
};

struct draw_colour { uint8_t r, g, b; };

enum { DRAW_CHAR_W = 6, DRAW_CHAR_H = 9 }; /* pixels a character takes, at scale 1 */

/* Black, w x h. 0, or -1 and an error; released with draw_free. */
int draw_new(struct draw *d, int64_t w, int64_t h, struct err *e);
void draw_free(struct draw *d); /* safe on a zeroed one */

/* Outside of the picture nothing is drawn. */
void draw_dot(struct draw *d, int64_t x, int64_t y, struct draw_colour c);
void draw_veil(struct draw *d, int64_t x, int64_t y, struct draw_colour c, double cover); /* cover of it 0: not seen, 1: a dot */
void draw_box(struct draw *d, int64_t x, int64_t y, int64_t w, int64_t h, struct draw_colour c); /* filled */

void draw_line(struct draw *d, double x0, double y0, double x1, double y1, int64_t pen, struct draw_colour c); /* pen: its width */

/* Text with its upper left corner at x, y, every dot scale x scale, on a dark rim; what is not printable ASCII becomes '?'. Returns its width. */
int64_t draw_text(struct draw *d, int64_t x, int64_t y, int scale, struct draw_colour c, const char *text);

/* Write as PNG, 8 bits RGB; draw_png_page puts it into a page as base64. history: where it comes from (story.h), as its comment; NULL: none. 0, or -1
   and an error. */
int draw_png(const struct draw *d, const char *history, struct out *o, struct err *e);
int draw_png_page(const struct draw *d, struct html *h, struct err *e);

#endif
