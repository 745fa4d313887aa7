/*
 * trace_memory.h - the newest tool calls of recent traces, for spans that bring no history with them.
 *
 * Bounds:    TRACE_MEMORY_TRACES traces with TRACE_MEMORY_CALLS calls each; in a set of four the trace that was quiet the
 *            longest leaves. A call is counted once a span, so a span that is sent or scored again changes nothing.
 * Threads:   one user at a time.
 */
#ifndef DRIFTLINE_ENRICH_TRACE_MEMORY_H
#define DRIFTLINE_ENRICH_TRACE_MEMORY_H

#include "engine/base/id.h"
#include "engine/base/memory.h"

#define TRACE_MEMORY_TRACES 8192u
#define TRACE_MEMORY_CALLS  32u
#define TRACE_MEMORY_WAYS   4u

struct trace_memory;

struct trace_memory *trace_memory_create(void);
void trace_memory_destroy(struct trace_memory *m);
/* Notes the call and returns how many spans of the trace made it until then, this one included: 1 or more. "Until then" goes by
 * time_ns, not by arrival, so that spans that come late or are scored again get what they would have got in order. */
uint32_t trace_memory_note_at(struct trace_memory *m, struct id128 trace_id, uint64_t span_id,
                              int64_t time_ns, uint64_t call);
/* The same in order of arrival. Don't use both with one memory. */
uint32_t trace_memory_note(struct trace_memory *m, struct id128 trace_id, uint64_t span_id,
                           uint64_t call);

/* What it takes, all of it from the start. */
#define TRACE_MEMORY_BYTES ((size_t)TRACE_MEMORY_TRACES * (32 + 24 * TRACE_MEMORY_CALLS))

#endif
