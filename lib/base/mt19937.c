#include "lib/base/mt19937.h"

enum { SHIFT = 397 };

void mt19937_init(struct mt19937 *m, uint32_t seed)
{
	m->word[0] = seed;
	for (uint32_t i = 1; i < MT19937_WORDS; i++)
		m->word[i] = 1812433253u * (m->word[i - 1] ^ m->word[i - 1] >> 30) + i;
	m->at = MT19937_WORDS;
}

static void refill(struct mt19937 *m)
{
	uint32_t *w = m->word;

	for (int i = 0; i < MT19937_WORDS; i++) {
		uint32_t y = (w[i] & 0x80000000u) | (w[(i + 1) % MT19937_WORDS] & 0x7fffffffu);

		w[i] = w[(i + SHIFT) % MT19937_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
	}
	m->at = 0;
}

uint32_t mt19937_u32(struct mt19937 *m)
{
	uint32_t y;

	if (m->at == MT19937_WORDS)
		refill(m);
	y = m->word[m->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

uint32_t mt19937_interval(struct mt19937 *m, uint32_t most)
{
	uint32_t mask = most, v;

	for (int s = 1; s < 32; s *= 2)
		mask |= mask >> s;
	if (!most)
		return 0;
	do
		v = mt19937_u32(m) & mask;
	while (v > most);
	return v;
}

void mt19937_shuffle(struct mt19937 *m, int64_t *v, size_t n)
{
	for (size_t i = n; i-- > 1;) {
		uint32_t j = mt19937_interval(m, (uint32_t)i);
		int64_t keep = v[i];

		v[i] = v[j];
		v[j] = keep;
	}
}
