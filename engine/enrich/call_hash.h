/*
 * call_hash.h - when are two tool calls the same: the same tool, and arguments that mean the same.
 */
#ifndef DRIFTLINE_ENRICH_CALL_HASH_H
#define DRIFTLINE_ENRICH_CALL_HASH_H

#include "engine/base/memory.h"

/* Never 0. Arguments are compared as JSON values: order of members, white space, spelling of numbers and escapes don't
 * matter. What isn't JSON is compared byte by byte, and no arguments are {}. scratch is used and not given back. */
uint64_t call_hash(struct slice name, struct slice arguments, struct arena *scratch);

#endif
