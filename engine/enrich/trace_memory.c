/*
 * trace_memory.c - a four-way set-associative table of traces, each with a ring of calls.
 */
#include "engine/enrich/trace_memory.h"

#include <assert.h>

struct trace_calls {
    struct id128 trace_id;
    uint64_t touched; /* 0: free */
    uint32_t next;    /* where the ring continues */
    uint32_t count;
    struct {
        uint64_t span_id;
        uint64_t call;
    } calls[TRACE_MEMORY_CALLS];
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
    oldest->next = 0;
    oldest->count = 0;
    return oldest;
}

uint32_t trace_memory_note(struct trace_memory *m, struct id128 trace_id, uint64_t span_id,
                           uint64_t call)
{
    struct trace_calls *t = trace_of(m, trace_id);
    t->touched = ++m->now;
    uint32_t repeats = 1;
    uint32_t oldest = t->count < TRACE_MEMORY_CALLS ? 0 : t->next;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (oldest + i) % TRACE_MEMORY_CALLS;
        if (t->calls[at].call != call)
            continue;
        if (t->calls[at].span_id == span_id)
            return repeats;
        repeats++;
    }
    t->calls[t->next].span_id = span_id;
    t->calls[t->next].call = call;
    t->next = (t->next + 1) % TRACE_MEMORY_CALLS;
    t->count += t->count < TRACE_MEMORY_CALLS;
    return repeats;
}
