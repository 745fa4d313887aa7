/*
 * history_append.c - commits of jobs over history, and the bodies of stored messages.
 */
#include "engine/base/clock.h"
#include "server/history/history_internal.h"

#define APPEND_TRIES    5u
#define DURABLE_WAIT_NS (60 * NS_PER_S)

enum status history_append(struct engine *e, const struct append *append, bool offline,
                           struct error *reterr)
{
    struct append_result result;
    enum status s = engine_append(e, append, &result, reterr);
    for (uint32_t i = 1; s == STATUS_BUSY && i < APPEND_TRIES; i++) {
        if ((s = engine_seal(e, reterr)) < 0)
            return s;
        s = engine_append(e, append, &result, reterr);
    }
    if (s < 0)
        return s;
    return offline ? engine_wait(e, result.ticket, DURABLE_WAIT_NS, reterr)
                   : engine_wait_visible(e, result.ticket, DURABLE_WAIT_NS, reterr);
}

bool history_body(void *context, struct id128 address, struct arena *arena, struct slice *ret)
{
    const struct history_bodies *b = context;
    struct slice refs = slice_of(address.bytes, sizeof address.bytes);
    struct slice text;
    if (engine_messages_text(b->engine, b->project, refs, arena, &text, NULL) < 0 ||
        slice_is(text, "[null]"))
        return false;
    *ret = slice_of(text.data + 1, text.size - 2); /* without the brackets */
    return true;
}
