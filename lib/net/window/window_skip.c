#include "lib/net/window/window_run.h"
#include "lib/stream/values.h"

struct box { int64_t lo[3], hi[3]; };

/* Has channel c of t a value above `least` in the box? (Of a mask: one that is not 0.) */
static int has(const struct tensor *t, int64_t c, const struct box *b, int mask, double least)
{
	enum { ROW = 512 };
	const int64_t *s = t->shape + t->rank - 3;
	float row[ROW];

	for (int64_t z = b->lo[0]; z < b->hi[0]; z++)
		for (int64_t y = b->lo[1]; y < b->hi[1]; y++)
			for (int64_t x = b->lo[2]; x < b->hi[2]; x += ROW) {
				int64_t n = b->hi[2] - x < ROW ? b->hi[2] - x : ROW;
				int any = 0;

				tensor_load_f32(t, ((c * s[0] + z) * s[1] + y) * s[2] + x, n, row);
				for (int64_t i = 0; i < n; i++)
					any |= mask ? row[i] != 0 : (double)row[i] > least;
				if (any)
					return 1;
			}
	return 0;
}

int window_wanted(const struct window_opts *o, const struct tensor *part, int64_t first, int64_t slices, const int64_t start[3],
                  const int64_t roi[3])
{
	const int64_t size[3] = {slices, part->shape[2], part->shape[3]};
	int any = !o->skip_air;
	struct box b;

	for (int i = 0; i < 3; i++) {
		int64_t end = start[i] + roi[i];

		b.lo[i] = start[i] < 0 ? 0 : start[i];
		b.hi[i] = end > size[i] ? size[i] : end;
	}
	if (o->within && !has(o->within, 0, &b, 1, 0))
		return 0;
	b.lo[0] -= first;
	b.hi[0] -= first;
	for (int64_t c = 0; c < part->shape[0] && !any; c++)
		any = has(part, c, &b, 0, o->air);
	return any;
}
