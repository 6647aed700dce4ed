// C++ for the linker's sake: what holds a C++ file is linked with libstdc++, which has
// __cxa_demangle.
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include "system.h"

char *__cxa_demangle(const char *name, char *buffer, size_t *size, int *status);
// Of the Swift runtime.
char *swift_demangle(const char *name, size_t length, char *buffer, size_t *size, uint32_t flags);

char *vms_demangle_cxx(const char *name)
{
	return __cxa_demangle(name, nullptr, nullptr, nullptr);
}

char *vms_demangle_swift(const char *name, size_t length)
{
	return swift_demangle(name, length, nullptr, nullptr, 0);
}
}
