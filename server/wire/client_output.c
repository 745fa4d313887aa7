/*
 * client_output.c - the queue of unsettled batches and what goes out when.
 *
 * Invariant: batches go out in order of batch_seq. After a rejection or a new connection the queue is
 *            walked again from the rejected or the first one; frames are sent as they are, and where
 *            the server's dictionaries are not those of the frame, they are sent before it.
 */
#include "server/wire/client_internal.h"

#include "engine/base/check.h"

#include <errno.h>
#include <sys/socket.h>

#define DICTIONARY_PAGE_BYTES (1u << 20)

void generation_release(struct generation *g)
{
    if (g == NULL || --g->users != 0)
        return;
    wire_strings_deinit(&g->strings);
    mem_free(g);
}

struct outgoing *client_find(struct wire_client *c, uint64_t batch_seq)
{
    struct outgoing *o = c->first;
    while (o != NULL && o->batch_seq < batch_seq)
        o = o->next;
    return o != NULL && o->batch_seq == batch_seq ? o : NULL;
}

bool client_was_sent(const struct wire_client *c, const struct outgoing *o)
{
    if (c->state != CLIENT_READY || o == c->writing)
        return false;
    return c->next == NULL || o->batch_seq < c->next->batch_seq;
}

void client_settle(struct wire_client *c, struct outgoing *o)
{
    ASSERT(o != c->writing);
    struct outgoing **link = &c->first;
    struct outgoing *previous = NULL;
    while (*link != o) {
        previous = *link;
        link = &(*link)->next;
    }
    *link = o->next;
    if (c->last == o)
        c->last = previous;
    if (c->next == o)
        c->next = o->next;
    c->unsettled_rows -= o->rows;
    c->unsettled_bytes -= o->frame.size;
    c->stats.unsettled--;
    generation_release(o->generation);
    if (c->spare_count < SPARE_FRAMES_MAX && o->frame.capacity <= SPARE_BYTES_MAX) {
        buffer_reset(&o->frame);
        c->spare[c->spare_count++] = o->frame;
    } else {
        buffer_deinit(&o->frame);
    }
    mem_free(o);
}

void client_rewind_all(struct wire_client *c)
{
    buffer_reset(&c->control);
    c->control_at = 0;
    c->writing = NULL;
    c->writing_at = 0;
    c->next = c->first;
    c->remote = 0;
    c->rejected = false;
}

void client_rewind(struct wire_client *c, struct outgoing *o, int64_t resume_at_ns)
{
    c->next = o;
    /* Everything up to o was decoded, nothing behind it was. */
    c->remote = o->generation->number;
    c->rejected = true;
    c->resume_at_ns = resume_at_ns;
}

void client_resume(struct wire_client *c, int64_t now_ns)
{
    if (c->state != CLIENT_READY || !c->rejected || now_ns < c->resume_at_ns)
        return;
    wire_number_write(&c->control, WIRE_RESUME, c->next != NULL ? c->next->batch_seq : c->next_seq);
    c->rejected = false;
}

/* Puts the next frame up for writing; false when there is none. May fill control instead. */
static bool frame_begin_next(struct wire_client *c)
{
    struct outgoing *o = c->next;
    if (c->state != CLIENT_READY || c->rejected || c->goaway || o == NULL)
        return false;
    if (o->generation->number != c->remote) {
        c->remote = o->generation->number;
        if (!o->starts_generation) {
            wire_strings_write_all(&o->generation->strings, DICTIONARY_PAGE_BYTES, &c->control);
            return true;
        }
    }
    c->stats.resent += o->begun;
    o->begun = true;
    c->stats.batches_sent++;
    c->writing = o;
    c->writing_at = 0;
    c->next = o->next;
    return true;
}

bool client_has_output(const struct wire_client *c)
{
    if (c->state == CLIENT_DISCONNECTED || c->state == CLIENT_CONNECTING)
        return false;
    return c->control_at < c->control.size || c->writing != NULL ||
           (c->state == CLIENT_READY && !c->rejected && !c->goaway && c->next != NULL);
}

/* True when all of it went out. */
static bool bytes_send(struct wire_client *c, const struct buffer *from, size_t *at)
{
    while (*at < from->size) {
        ssize_t sent = send(c->fd, from->data + *at, from->size - *at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0) {
            /* What the server said before it hung up explains more than EPIPE: read it first. */
            int error_number = errno;
            client_read(c);
            if (c->fd >= 0)
                client_disconnect(c, STATUS_UNREACHABLE, "the connection broke: %s",
                                  strerror(error_number));
            return false;
        }
        *at += (size_t)sent;
        c->stats.bytes_sent += (uint64_t)sent;
    }
    return true;
}

void client_write(struct wire_client *c)
{
    while (client_has_output(c)) {
        if (c->writing != NULL) {
            if (!bytes_send(c, &c->writing->frame, &c->writing_at))
                return;
            c->writing = NULL;
        } else if (c->control_at < c->control.size) {
            if (!bytes_send(c, &c->control, &c->control_at))
                return;
            buffer_reset(&c->control);
            c->control_at = 0;
        } else if (!frame_begin_next(c)) {
            return;
        }
    }
}
