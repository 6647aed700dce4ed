#define _GNU_SOURCE
#include <locale.h>
#include <wchar.h>

#include "tests.h"

int tests_columns(uint32_t value)
{
	static locale_t ours;
	locale_t old;
	int columns;

	if (!ours)
		ours = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	old = uselocale(ours);
	columns = wcwidth((wchar_t)value);
	uselocale(old);
	return columns;
}
