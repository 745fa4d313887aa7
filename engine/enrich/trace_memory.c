/*
 * trace_memory.c - a four-way set-associative table of traces, each with its newest calls in order of time.
 */
#include "engine/enrich/trace_memory.h"

#include <assert.h>

struct trace_calls {
    struct id128 trace_id;
    uint64_t touched; /* 0: free */
    uint64_t count;
    struct {
        int64_t time_ns;
        uint64_t span_id;
        uint64_t call;
    } calls[TRACE_MEMORY_CALLS]; /* by time, then arrival */
};
static_assert(sizeof(struct trace_calls) * TRACE_MEMORY_TRACES == TRACE_MEMORY_BYTES,
              "what trace_memory.h says");

struct trace_memory {
    struct trace_calls *traces;
    uint64_t now; /* counts notes */
};

struct trace_memory *trace_memory_create(void)
{
    struct trace_memory *m = MEM_NEW(struct trace_memory);
    m->traces = mem_zero(TRACE_MEMORY_TRACES, sizeof *m->traces);
    return m;
}

void trace_memory_destroy(struct trace_memory *m)
{
    if (m == NULL)
        return;
    mem_free(m->traces);
    mem_free(m);
}

static struct trace_calls *trace_of(struct trace_memory *m, struct id128 trace_id)
{
    uint32_t set = (uint32_t)(id128_hash(trace_id) % (TRACE_MEMORY_TRACES / TRACE_MEMORY_WAYS));
    struct trace_calls *ways = &m->traces[(size_t)set * TRACE_MEMORY_WAYS];
    struct trace_calls *oldest = ways;
    for (uint32_t i = 0; i < TRACE_MEMORY_WAYS; i++) {
        if (ways[i].touched != 0 && id128_equal(ways[i].trace_id, trace_id))
            return &ways[i];
        if (ways[i].touched < oldest->touched)
            oldest = &ways[i];
    }
    oldest->trace_id = trace_id;
    oldest->count = 0;
    return oldest;
}

/* Makes room for a call at `at` and returns where that is now; the oldest call leaves a full list. */
static uint64_t calls_open(struct trace_calls *t, uint64_t at)
{
    if (t->count == TRACE_MEMORY_CALLS) {
        at--;
        memmove(t->calls, t->calls + 1, at * sizeof t->calls[0]);
        return at;
    }
    memmove(t->calls + at + 1, t->calls + at, (t->count - at) * sizeof t->calls[0]);
    t->count++;
    return at;
}

uint32_t trace_memory_note_at(struct trace_memory *m, struct id128 trace_id, uint64_t span_id,
                              int64_t time_ns, uint64_t call)
{
    struct trace_calls *t = trace_of(m, trace_id);
    t->touched = ++m->now;
    uint32_t repeats = 1;
    uint64_t at = 0;
    for (; at < t->count && t->calls[at].time_ns <= time_ns; at++) {
        if (t->calls[at].call != call)
            continue;
        if (t->calls[at].span_id == span_id)
            return repeats;
        repeats++;
    }
    if (at == 0 && t->count == TRACE_MEMORY_CALLS)
        return repeats; /* older than all that is known */
    at = calls_open(t, at);
    t->calls[at].time_ns = time_ns;
    t->calls[at].span_id = span_id;
    t->calls[at].call = call;
    return repeats;
}

uint32_t trace_memory_note(struct trace_memory *m, struct id128 trace_id, uint64_t span_id,
                           uint64_t call)
{
    return trace_memory_note_at(m, trace_id, span_id, 0, call);
}
