/* Which places of the code compiled with -fsanitize-coverage=trace-pc an input reached that none reached before. */
#include <stdint.h>

#define PLACES (1u << 18)

static uint8_t hit[PLACES], known[PLACES];
static uint32_t touched[PLACES];
static uint32_t count;

void __sanitizer_cov_trace_pc(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0);
	uint32_t place = (uint32_t)((pc ^ pc >> 18) * 2654435761u) >> 14;
	if (!hit[place])
		touched[count++] = place;
	if (hit[place] < 255)
		hit[place]++;
}

/* How often a place was passed counts in powers of four. */
static uint8_t grade(uint8_t times)
{
	return times < 2 ? 1 : times < 8 ? 2 : times < 32 ? 4 : 8;
}

/* Forget the last input; return how much of what it did was new. */
uint32_t coverage_take(void)
{
	uint32_t fresh = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t bit = grade(hit[touched[i]]);
		fresh += !(known[touched[i]] & bit);
		known[touched[i]] |= bit;
		hit[touched[i]] = 0;
	}
	count = 0;
	return fresh;
}
