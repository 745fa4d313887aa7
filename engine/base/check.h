/*
 * check.h - assertions. ASSERT is for our own mistakes and stays on in release; input from
 * outside never reaches one.
 */
#ifndef DRIFTLINE_BASE_CHECK_H
#define DRIFTLINE_BASE_CHECK_H

#include <assert.h>

/* Prints the place and traps. */
_Noreturn void check_failed(const char *file, int line, const char *fact);

#define ASSERT(fact) ((fact) ? (void)0 : check_failed(__FILE__, __LINE__, #fact))
#ifdef NDEBUG
#define DEBUG_ASSERT(fact) ((void)0)
#else
#define DEBUG_ASSERT(fact) ASSERT(fact)
#endif

#endif
