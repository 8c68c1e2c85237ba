#include "lib/volume/view/draw.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { FIRST = 32, LAST = 126, COLUMNS = 5, ROWS = 8 };
static const int64_t MOST = 32768; /* pixels along a side */

/* 5 columns a character, lowest bit on top: the usual dot matrix letters */
static const uint8_t font[LAST - FIRST + 1][COLUMNS] = {
	{0, 0, 0, 0, 0}, {0, 0, 0x5f, 0, 0}, {0, 7, 0, 7, 0}, {0x14, 0x7f, 0x14, 0x7f, 0x14}, /* from space to # */
	{0x24, 0x2a, 0x7f, 0x2a, 0x12}, {0x23, 0x13, 8, 0x64, 0x62}, {0x36, 0x49, 0x56, 0x20, 0x50}, {0, 8, 7, 3, 0}, /* from $ to ' */
	{0, 0x1c, 0x22, 0x41, 0}, {0, 0x41, 0x22, 0x1c, 0}, {0x2a, 0x1c, 0x7f, 0x1c, 0x2a}, {8, 8, 0x3e, 8, 8}, /* from ( to + */
	{0, 0x80, 0x70, 0x30, 0}, {8, 8, 8, 8, 8}, {0, 0, 0x60, 0x60, 0}, {0x20, 0x10, 8, 4, 2}, /* from , to / */
	{0x3e, 0x51, 0x49, 0x45, 0x3e}, {0, 0x42, 0x7f, 0x40, 0}, {0x72, 0x49, 0x49, 0x49, 0x46}, {0x21, 0x41, 0x49, 0x4d, 0x33}, /* from 0 to 3 */
	{0x18, 0x14, 0x12, 0x7f, 0x10}, {0x27, 0x45, 0x45, 0x45, 0x39}, {0x3c, 0x4a, 0x49, 0x49, 0x31}, {0x41, 0x21, 0x11, 9, 7}, /* from 4 to 7 */
	{0x36, 0x49, 0x49, 0x49, 0x36}, {0x46, 0x49, 0x49, 0x29, 0x1e}, {0, 0, 0x14, 0, 0}, {0, 0x40, 0x34, 0, 0}, /* from 8 to ; */
	{0, 8, 0x14, 0x22, 0x41}, {0x14, 0x14, 0x14, 0x14, 0x14}, {0, 0x41, 0x22, 0x14, 8}, {2, 1, 0x59, 9, 6}, /* from < to ? */
	{0x3e, 0x41, 0x5d, 0x59, 0x4e}, {0x7c, 0x12, 0x11, 0x12, 0x7c}, {0x7f, 0x49, 0x49, 0x49, 0x36}, {0x3e, 0x41, 0x41, 0x41, 0x22}, /* from @ to C */
	{0x7f, 0x41, 0x41, 0x41, 0x3e}, {0x7f, 0x49, 0x49, 0x49, 0x41}, {0x7f, 9, 9, 9, 1}, {0x3e, 0x41, 0x41, 0x51, 0x73}, /* from D to G */
	{0x7f, 8, 8, 8, 0x7f}, {0, 0x41, 0x7f, 0x41, 0}, {0x20, 0x40, 0x41, 0x3f, 1}, {0x7f, 8, 0x14, 0x22, 0x41}, /* from H to K */
	{0x7f, 0x40, 0x40, 0x40, 0x40}, {0x7f, 2, 0x1c, 2, 0x7f}, {0x7f, 4, 8, 0x10, 0x7f}, {0x3e, 0x41, 0x41, 0x41, 0x3e}, /* from L to O */
	{0x7f, 9, 9, 9, 6}, {0x3e, 0x41, 0x51, 0x21, 0x5e}, {0x7f, 9, 0x19, 0x29, 0x46}, {0x26, 0x49, 0x49, 0x49, 0x32}, /* from P to S */
	{3, 1, 0x7f, 1, 3}, {0x3f, 0x40, 0x40, 0x40, 0x3f}, {0x1f, 0x20, 0x40, 0x20, 0x1f}, {0x3f, 0x40, 0x38, 0x40, 0x3f}, /* from T to W */
	{0x63, 0x14, 8, 0x14, 0x63}, {3, 4, 0x78, 4, 3}, {0x61, 0x59, 0x49, 0x4d, 0x43}, {0, 0x7f, 0x41, 0x41, 0x41}, /* from X to [ */
	{2, 4, 8, 0x10, 0x20}, {0, 0x41, 0x41, 0x41, 0x7f}, {4, 2, 1, 2, 4}, {0x40, 0x40, 0x40, 0x40, 0x40}, /* from \ to _ */
	{0, 3, 7, 8, 0}, {0x20, 0x54, 0x54, 0x78, 0x40}, {0x7f, 0x28, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x28}, /* from ` to c */
	{0x38, 0x44, 0x44, 0x28, 0x7f}, {0x38, 0x54, 0x54, 0x54, 0x18}, {0, 8, 0x7e, 9, 2}, {0x18, 0xa4, 0xa4, 0x9c, 0x78}, /* from d to g */
	{0x7f, 8, 4, 4, 0x78}, {0, 0x44, 0x7d, 0x40, 0}, {0x20, 0x40, 0x40, 0x3d, 0}, {0x7f, 0x10, 0x28, 0x44, 0}, /* from h to k */
	{0, 0x41, 0x7f, 0x40, 0}, {0x7c, 4, 0x78, 4, 0x78}, {0x7c, 8, 4, 4, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38}, /* from l to o */
	{0xfc, 0x18, 0x24, 0x24, 0x18}, {0x18, 0x24, 0x24, 0x18, 0xfc}, {0x7c, 8, 4, 4, 8}, {0x48, 0x54, 0x54, 0x54, 0x24}, /* from p to s */
	{4, 4, 0x3f, 0x44, 0x24}, {0x3c, 0x40, 0x40, 0x20, 0x7c}, {0x1c, 0x20, 0x40, 0x20, 0x1c}, {0x3c, 0x40, 0x30, 0x40, 0x3c}, /* from t to w */
	{0x44, 0x28, 0x10, 0x28, 0x44}, {0x4c, 0x90, 0x90, 0x90, 0x7c}, {0x44, 0x64, 0x54, 0x4c, 0x44}, {0, 8, 0x36, 0x41, 0}, /* from x to { */
	{0, 0, 0x77, 0, 0}, {0, 0x41, 0x36, 8, 0}, {2, 1, 2, 4, 2}, /* from | to ~ */
};

int draw_new(struct draw *d, int64_t w, int64_t h, struct err *e)
{
	*d = (struct draw){w, h, NULL};
	if (w < 1 || h < 1 || w > MOST || h > MOST)
		return err_set(e, NULL, "a picture of %lldx%lld pixels (at most %lld a side)", (long long)w, (long long)h, (long long)MOST);
	d->rgb = mem_zero((size_t)(w * h), 3, "a picture", e);
	return d->rgb ? 0 : -1;
}

void draw_free(struct draw *d)
{
	free(d->rgb);
	d->rgb = NULL;
}

void draw_dot(struct draw *d, int64_t x, int64_t y, struct draw_colour c)
{
	if (x >= 0 && y >= 0 && x < d->w && y < d->h)
		memcpy(d->rgb + 3 * (y * d->w + x), &c, 3);
}

void draw_veil(struct draw *d, int64_t x, int64_t y, struct draw_colour c, double cover)
{
	const uint8_t over[3] = {c.r, c.g, c.b};

	if (x >= 0 && y >= 0 && x < d->w && y < d->h)
		for (int i = 0; i < 3; i++) {
			uint8_t *p = d->rgb + 3 * (y * d->w + x) + i;

			*p = (uint8_t)(*p + cover * (over[i] - *p) + 0.5);
		}
}

void draw_box(struct draw *d, int64_t x, int64_t y, int64_t w, int64_t h, struct draw_colour c)
{
	for (int64_t j = y; j < y + h; j++)
		for (int64_t i = x; i < x + w; i++)
			draw_dot(d, i, j, c);
}

void draw_line(struct draw *d, double x0, double y0, double x1, double y1, int64_t pen, struct draw_colour c)
{
	int64_t n = (int64_t)ceil(fmax(fabs(x1 - x0), fabs(y1 - y0)) * 2) + 1;

	for (int64_t i = 0; i <= n; i++) {
		double u = (double)i / (double)n;

		draw_box(d, llround(x0 + u * (x1 - x0)) - pen / 2, llround(y0 + u * (y1 - y0)) - pen / 2, pen, pen, c);
	}
}

static void letter(struct draw *d, int64_t x, int64_t y, int scale, struct draw_colour c, int ch, int rim)
{
	const uint8_t *column = font[(ch < FIRST || ch > LAST ? '?' : ch) - FIRST];

	for (int i = 0; i < COLUMNS; i++)
		for (int j = 0; j < ROWS; j++)
			if (column[i] >> j & 1)
				draw_box(d, x + i * scale - rim, y + j * scale - rim, scale + 2 * rim, scale + 2 * rim, c);
}

int64_t draw_text(struct draw *d, int64_t x, int64_t y, int scale, struct draw_colour c, const char *text)
{
	const struct draw_colour dark = {0, 0, 0};
	int64_t n = (int64_t)strlen(text);

	for (int rim = 1; rim >= 0; rim--)
		for (int64_t i = 0; i < n; i++)
			letter(d, x + i * scale * DRAW_CHAR_W, y, scale, rim ? dark : c, (unsigned char)text[i], rim);
	return n * scale * DRAW_CHAR_W;
}

struct sink { struct out *o; struct html *h; struct err *e; int failed; }; /* o or h */

static void sink_write(png_structp png, png_bytep p, png_size_t n)
{
	struct sink *s = png_get_io_ptr(png);

	if (s->h)
		html_bytes(s->h, p, n);
	else if (!s->failed && out_write(s->o, p, n, s->e))
		s->failed = 1;
	if (s->failed)
		png_error(png, "write");
}

static void sink_flush(png_structp png)
{
	(void)png;
}

static _Noreturn void sink_error(png_structp png, png_const_charp text)
{
	struct sink *s = png_get_io_ptr(png);

	if (!s->failed) {
		err_set(s->e, NULL, "libpng: %s", text);
		s->failed = 1;
	}
	longjmp(png_jmpbuf(png), 1);
}

static void sink_warn(png_structp png, png_const_charp text)
{
	(void)png, (void)text;
}

/* UTF-8, which a name of a file may be. */
static void put_comment(png_structp png, png_infop info, const char *text)
{
	png_text comment = {.compression = PNG_ITXT_COMPRESSION_NONE, .key = (char *)"Comment", .text = (char *)text, .itxt_length = strlen(text),
		.lang = (char *)"", .lang_key = (char *)""};

	png_set_text(png, info, &comment, 1);
}

static int encode(const struct draw *d, const char *history, struct sink *s)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, sink_error, sink_warn);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info) {
		png_destroy_write_struct(&png, NULL);
		return err_set(s->e, NULL, "libpng: cannot start");
	}
	png_set_write_fn(png, s, sink_write, sink_flush);
	if (!setjmp(png_jmpbuf(png))) {
		png_set_IHDR(png, info, (png_uint_32)d->w, (png_uint_32)d->h, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		             PNG_FILTER_TYPE_DEFAULT);
		if (history)
			put_comment(png, info, history);
		png_write_info(png, info);
		for (int64_t y = 0; y < d->h; y++)
			png_write_row(png, d->rgb + 3 * y * d->w);
		png_write_end(png, NULL);
	}
	png_destroy_write_struct(&png, &info);
	return s->failed ? -1 : 0;
}

int draw_png(const struct draw *d, const char *history, struct out *o, struct err *e)
{
	return encode(d, history, &(struct sink){.o = o, .e = e});
}

int draw_png_page(const struct draw *d, struct html *h, struct err *e)
{
	struct html png = {0};
	int r = encode(d, NULL, &(struct sink){.h = &png, .e = e});

	html_base64(h, png.p, png.n);
	h->failed |= png.failed;
	html_free(&png);
	return r;
}
