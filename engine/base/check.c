/*
 * check.c - the end of the road for a broken invariant.
 */
#include "engine/base/check.h"

#include <stdio.h>

_Noreturn void check_failed(const char *file, int line, const char *fact)
{
    (void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, fact);
    (void)fflush(stderr);
    __builtin_trap();
}
