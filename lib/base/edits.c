#include "lib/base/edits.h"

#include <ctype.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t edits_between(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[3][EDITS_MOST + 1]; /* of letters i - 2, i - 1 and i of a: edits to the first j of b */

	if (n > EDITS_MOST || m > EDITS_MOST)
		return n > m ? n : m;
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			const size_t *last = row[(i + 2) % 3];
			size_t d = !i ? j : !j ? i : least(least(last[j], row[i % 3][j - 1]) + 1, last[j - 1] + !same(a[i - 1], b[j - 1]));

			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d = least(d, row[(i + 1) % 3][j - 2] + 1);
			row[i % 3][j] = d;
		}
	return row[n % 3][m];
}
