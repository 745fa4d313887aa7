/*
 * native_frames.c - what each frame of a client means.
 *
 * Failure:   a frame out of place or malformed ends the connection with a fatal ERROR; what is wrong
 *            with the content of a batch concerns that batch only (native_append.c).
 */
#include "server/native_internal.h"

#include "engine/base/hash.h"
#include "server/auth/auth.h"

#define SCOPES_WANTED ((unsigned)SCOPE_INGEST | SCOPE_REVIEW | SCOPE_ADMIN)

/* The engine knows clients of all projects by one id: a client id counts within its project. */
static struct id128 client_of(struct id128 client, uint32_t project)
{
    uint8_t both[sizeof client.bytes + sizeof project];
    if (id128_is_zero(client))
        return client;
    memcpy(both, client.bytes, sizeof client.bytes);
    memcpy(both + sizeof client.bytes, &project, sizeof project);
    return hash128(slice_of(both, sizeof both));
}

/* A client that comes again has given up its old connection, even if we have not heard of that yet. What is
 * still unread there must not be applied beside what it sends here. */
static void older_close(struct native_connection *c)
{
    struct native_connection *next;
    if (id128_is_zero(c->client))
        return;
    for (struct native_connection *o = TAILQ_FIRST(&c->native->connections); o != NULL; o = next) {
        next = TAILQ_NEXT(o, all);
        bool live = o->state == CONNECTION_OPEN || o->state == CONNECTION_DRAINING;
        if (o != c && live && id128_equal(o->client, c->client))
            (void)connection_fail(o, STATUS_EXISTS, false,
                                  "the same client id connected again from %s", c->peer);
    }
}

static void welcome_send(struct native_connection *c, uint16_t version)
{
    const struct native_options *o = &c->native->options;
    uint64_t last = id128_is_zero(c->client) ? 0 : engine_client_seq(c->native->engine, c->client);
    wire_welcome_write(
        &c->out, &(struct wire_welcome){.version = version,
                                        .last_batch_seq = last,
                                        .server_time_ns = clock_wall_ns(),
                                        .credit_rows = o->credit_rows,
                                        .credit_bytes = o->credit_bytes,
                                        .payload_max = o->payload_max,
                                        .batch_rows_max = BATCH_ROWS_MAX,
                                        .dictionary_entries_max = WIRE_DICTIONARY_ENTRIES_MAX,
                                        .dictionary_bytes_max = WIRE_DICTIONARY_BYTES_MAX,
                                        .server = slice_text("driftline " DRIFTLINE_VERSION)});
}

static enum outcome on_hello(struct native_connection *c, const struct frame *frame)
{
    struct wire_hello hello;
    struct error error = {0};
    uint16_t version = 0;
    const struct native_hooks *hooks = &c->native->hooks;
    enum status s;
    if ((s = wire_hello_read(frame->payload, &hello, &error)) < 0 ||
        (s = wire_version_agree(&hello, &version, &error)) < 0 ||
        (s = hooks->authenticate(hooks->context, hello.key, hello.project, &c->project, &c->scopes,
                                 &error)) < 0)
        return connection_fail(c, s, s == STATUS_BUSY, "%s", error.text);
    if ((c->scopes & SCOPES_WANTED) == 0)
        return connection_fail(c, STATUS_DENIED, false,
                               "the key lacks the scope ingest for project %.*s",
                               SLICE_ARG(hello.project));
    c->client = client_of(hello.client, c->project);
    older_close(c);
    c->state = CONNECTION_OPEN;
    c->since_ns = clock_monotonic_ns();
    welcome_send(c, version);
    return OUTCOME_TAKEN;
}

static enum outcome on_dictionary(struct native_connection *c, const struct frame *frame)
{
    struct error error = {0};
    if (c->rejected)
        return OUTCOME_TAKEN;
    enum status s = wire_dictionary_frame_read(frame, &c->dictionaries, &error);
    return s < 0 ? connection_fail(c, s, false, "%s", error.text) : OUTCOME_TAKEN;
}

static enum outcome on_have(struct native_connection *c, const struct frame *frame)
{
    struct wire_addresses have;
    struct error error = {0};
    enum status s = wire_addresses_read(frame->payload, frame->type, &have, &error);
    if (s < 0)
        return connection_fail(c, s, false, "%s", error.text);
    struct id128 *missing = mem_alloc(have.count * sizeof *missing);
    uint32_t count =
        engine_messages_missing(c->native->engine, c->project, have.addresses, have.count, missing);
    wire_addresses_write(&c->out, WIRE_MESSAGES_WANT,
                         &(struct wire_addresses){.count = count, .addresses = missing});
    mem_free(missing);
    connection_flush(c);
    return c->state == CONNECTION_OPEN ? OUTCOME_TAKEN : OUTCOME_ENDED;
}

static enum outcome on_number(struct native_connection *c, const struct frame *frame)
{
    uint64_t number;
    struct error error = {0};
    enum status s = wire_number_read(frame->payload, frame->type, &number, &error);
    if (s < 0)
        return connection_fail(c, s, false, "%s", error.text);
    if (frame->type == WIRE_RESUME) {
        c->rejected = false;
    } else if (frame->type == WIRE_PING) {
        wire_number_write(&c->out, WIRE_PONG, number);
        connection_flush(c);
    }
    return c->state == CONNECTION_OPEN ? OUTCOME_TAKEN : OUTCOME_ENDED;
}

enum outcome native_frame_handle(struct native_connection *c, const struct frame *frame,
                                 size_t frame_bytes)
{
    bool greeting = c->state == CONNECTION_GREETING;
    if (greeting != (frame->type == WIRE_HELLO))
        return connection_fail(c, STATUS_INVALID, false,
                               greeting ? "the first frame must be HELLO, not %s"
                                        : "%s is out of place",
                               wire_type_name(frame->type));
    switch (frame->type) {
    case WIRE_HELLO:
        return on_hello(c, frame);
    case WIRE_BATCH:
        return native_batch_handle(c, frame, frame_bytes);
    case WIRE_DICTIONARY:
        return on_dictionary(c, frame);
    case WIRE_MESSAGES:
        return native_messages_handle(c, frame);
    case WIRE_MESSAGES_HAVE:
        return on_have(c, frame);
    case WIRE_RESUME:
    case WIRE_PING:
    case WIRE_PONG:
        return on_number(c, frame);
    case WIRE_WELCOME:
    case WIRE_ACK:
    case WIRE_ERROR:
    case WIRE_MESSAGES_WANT:
    case WIRE_GOAWAY:
        break;
    }
    return connection_fail(c, STATUS_INVALID, false, "%s is the server's to send",
                           wire_type_name(frame->type));
}
