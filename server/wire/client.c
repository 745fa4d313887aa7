/*
 * client.c - the client's calls: open, send, poll, flush, close.
 */
#include "server/wire/client_internal.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

#include <poll.h>

/* A generation ends when its dictionaries reach this: codes stay at two bytes and the server's maps
 * small. One batch may go beyond it, up to the bounds of the protocol. */
#define GENERATION_ENTRIES 60000u
#define GENERATION_BYTES   (4u << 20)
#define PING_SHARE         3 /* ask after a third of the silence that ends a connection */

/* ---- open and close ---- */

static void default_ns(int64_t *value, int64_t otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void options_fill(struct wire_client *c, const struct wire_client_options *options)
{
    c->options = *options;
    c->host = mem_strdup(options->host != NULL ? options->host : "127.0.0.1");
    c->options.host = c->host;
    if (c->options.port == 0)
        c->options.port = WIRE_PORT_DEFAULT;
    buffer_add_slice(&c->key, options->key);
    buffer_add_slice(&c->project, options->project);
    buffer_add_slice(&c->name, options->name);
    c->options.key = buffer_slice(&c->key);
    c->options.project = buffer_slice(&c->project);
    c->options.name = buffer_slice(&c->name);
    default_ns(&c->options.connect_timeout_ns, 5 * NS_PER_S);
    default_ns(&c->options.silence_timeout_ns, 30 * NS_PER_S);
    default_ns(&c->options.backoff_min_ns, 50 * NS_PER_MS);
    default_ns(&c->options.backoff_max_ns, 5 * NS_PER_S);
    if (c->options.unsettled_bytes_max == 0)
        c->options.unsettled_bytes_max = 64u << 20;
    if (c->options.message_bytes_max == 0)
        c->options.message_bytes_max = 64u << 20;
    if (id128_is_zero(c->options.client))
        random_bytes(&c->options.client, sizeof c->options.client);
    if (c->options.seed == 0)
        random_bytes(&c->options.seed, sizeof c->options.seed);
}

static enum status options_check(const struct wire_client_options *options, struct error *reterr)
{
    if (options->key.size > WIRE_KEY_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID, "the key has more than %u bytes",
                         WIRE_KEY_BYTES_MAX);
    if (options->project.size > PROJECT_NAME_MAX)
        return error_set(reterr, STATUS_INVALID, "the project name has more than %u bytes",
                         PROJECT_NAME_MAX);
    if (options->name.size > WIRE_NAME_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID, "the client name has more than %u bytes",
                         WIRE_NAME_BYTES_MAX);
    return STATUS_OK;
}

static enum status failure(const struct wire_client *c, struct error *reterr)
{
    if (reterr != NULL)
        *reterr = c->failed;
    return c->failed.status;
}

/* ---- one step ---- */

static void timers_check(struct wire_client *c, int64_t now_ns)
{
    if (c->state == CLIENT_DISCONNECTED) {
        if ((c->wanted || c->first != NULL) && now_ns >= c->retry_at_ns)
            client_connect_begin(c);
        return;
    }
    if (c->state != CLIENT_READY) {
        if (now_ns >= c->deadline_ns)
            client_disconnect(c, STATUS_UNREACHABLE, "no answer in %lld ms",
                              (long long)(c->options.connect_timeout_ns / NS_PER_MS));
        return;
    }
    client_resume(c, now_ns);
    bool answer_due = c->first != NULL || c->asking;
    int64_t silence_ns = now_ns - c->heard_ns;
    if (!answer_due) {
        c->heard_ns = now_ns;
    } else if (silence_ns >= c->options.silence_timeout_ns) {
        client_disconnect(c, STATUS_UNREACHABLE, "silent for %lld ms",
                          (long long)(silence_ns / NS_PER_MS));
    } else if (silence_ns >= c->options.silence_timeout_ns / PING_SHARE && !c->pinged) {
        wire_number_write(&c->control, WIRE_PING, c->next_seq);
        c->pinged = true;
    }
}

/* When something has to happen even if the socket stays quiet. */
static int64_t next_timer_ns(const struct wire_client *c)
{
    switch (c->state) {
    case CLIENT_DISCONNECTED:
        return c->wanted || c->first != NULL ? c->retry_at_ns : INT64_MAX;
    case CLIENT_CONNECTING:
    case CLIENT_GREETING:
        return c->deadline_ns;
    case CLIENT_READY:
        break;
    }
    if (c->rejected)
        return c->resume_at_ns;
    if (c->first == NULL && !c->asking)
        return INT64_MAX;
    return c->heard_ns +
           (c->pinged ? c->options.silence_timeout_ns : c->options.silence_timeout_ns / PING_SHARE);
}

static void socket_wait(struct wire_client *c, int64_t until_ns, int64_t now_ns)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    int64_t timer_ns = next_timer_ns(c);
    int64_t wake_ns = timer_ns < until_ns ? timer_ns : until_ns;
    int timeout_ms = -1;
    if (wake_ns != INT64_MAX) {
        int64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
        int64_t wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
        timeout_ms = wait_ms > 60000 ? 60000 : (int)wait_ms;
    }
    if (wire_client_wants_write(c))
        p.events |= POLLOUT;
    if (poll(&p, c->fd >= 0 ? 1 : 0, timeout_ms) <= 0)
        return;
    if (c->state == CLIENT_CONNECTING)
        client_connect_continue(c);
    else if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        client_read(c);
}

/* Does what can be done; waits until until_ns at most if there is nothing. */
static enum status client_step(struct wire_client *c, int64_t until_ns, struct error *reterr)
{
    int64_t now_ns = clock_monotonic_ns();
    if (c->failed.status == STATUS_OK)
        timers_check(c, now_ns);
    if (c->failed.status == STATUS_OK)
        client_write(c);
    if (c->failed.status == STATUS_OK)
        socket_wait(c, until_ns, now_ns);
    if (c->failed.status == STATUS_OK) {
        client_resume(c, now_ns);
        client_write(c);
    }
    return c->failed.status == STATUS_OK ? STATUS_OK : failure(c, reterr);
}

static int64_t deadline_of(int64_t timeout_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    return timeout_ns < 0 || timeout_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + timeout_ns;
}

enum status wire_client_open(const struct wire_client_options *options, struct wire_client **ret,
                             struct error *reterr)
{
    enum status s = options_check(options, reterr);
    if (s < 0)
        return s;
    struct wire_client *c = MEM_NEW(struct wire_client);
    c->fd = -1;
    options_fill(c, options);
    c->backoff_ns = c->options.backoff_min_ns;
    rng_init(&c->rng, c->options.seed);
    message_cache_init(&c->cache, c->options.message_bytes_max);
    c->wanted = true;
    client_connect_begin(c);
    while (c->state != CLIENT_READY) {
        if (c->state == CLIENT_DISCONNECTED) {
            s = c->failed.status != STATUS_OK ? c->failed.status : c->last_error.status;
            if (reterr != NULL)
                *reterr = c->failed.status != STATUS_OK ? c->failed : c->last_error;
            goto out;
        }
        if ((s = client_step(c, INT64_MAX, reterr)) < 0)
            goto out;
    }
    *ret = c;
    c = NULL;
out:
    wire_client_close(c);
    return s;
}

void wire_client_close(struct wire_client *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0 || c->addresses != NULL)
        client_disconnect(c, STATUS_CANCELLED, "closed");
    while (c->first != NULL)
        client_settle(c, c->first);
    while (c->spare_count > 0)
        buffer_deinit(&c->spare[--c->spare_count]);
    generation_release(c->generation);
    message_cache_deinit(&c->cache);
    buffer_deinit(&c->control);
    buffer_deinit(&c->in);
    buffer_deinit(&c->key);
    buffer_deinit(&c->project);
    buffer_deinit(&c->name);
    mem_free(c->host);
    mem_free(c);
}

/* ---- send ---- */

static uint64_t input_rows(const struct wire_input *in)
{
    const struct batch *const tables[TABLE_COUNT] = {in->spans, in->scores, in->tags};
    uint64_t rows = 0;
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        rows += tables[t] != NULL ? tables[t]->rows : 0;
    return rows;
}

static bool has_room(const struct wire_client *c)
{
    if (c->first == NULL)
        return true;
    return c->unsettled_rows < c->credit_rows && c->unsettled_bytes < c->credit_bytes &&
           c->unsettled_bytes < c->options.unsettled_bytes_max;
}

static enum status room_wait(struct wire_client *c, int64_t deadline_ns, struct error *reterr)
{
    while (!has_room(c)) {
        if (clock_monotonic_ns() >= deadline_ns)
            return error_set(
                reterr, STATUS_BUSY, "%llu batches (%llu bytes) wait for the server%s%s",
                (unsigned long long)c->stats.unsettled, (unsigned long long)c->unsettled_bytes,
                c->state == CLIENT_READY ? "" : "; ",
                c->state == CLIENT_READY ? "" : c->last_error.text);
        enum status s = client_step(c, deadline_ns, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

/* References of the batch keep what they name in the cache until it is settled. */
static void references_touch(struct wire_client *c, const struct batch *spans, uint64_t batch_seq)
{
    for (uint32_t i = 0; spans != NULL && i < spans->column_count; i++) {
        const struct vector *v = &spans->columns[i].vector;
        if (v->storage != STORAGE_REFS)
            continue;
        for (uint32_t row = 0; row < v->rows; row++) {
            struct slice refs = vector_bytes(v, row);
            for (size_t at = 0; at + sizeof(struct id128) <= refs.size;
                 at += sizeof(struct id128)) {
                struct id128 address;
                memcpy(address.bytes, refs.data + at, sizeof address.bytes);
                struct cached_message *m = message_cache_find(&c->cache, address);
                if (m != NULL && m->batch_seq != batch_seq)
                    message_cache_touch(&c->cache, m, batch_seq);
            }
        }
    }
}

/* The messages that must travel, remembered in the cache; *ret_count of them. */
static struct message *messages_pick(struct wire_client *c, const struct wire_input *in,
                                     uint64_t batch_seq, uint32_t *ret_count)
{
    struct message *picked = mem_alloc(in->message_count * sizeof *picked);
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->message_count; i++) {
        struct message m = in->messages[i];
        if (id128_is_zero(m.address))
            m.address = hash128(m.body);
        struct cached_message *known = message_cache_find(&c->cache, m.address);
        if (known != NULL) {
            message_cache_touch(&c->cache, known, batch_seq);
            c->stats.messages_skipped++;
            continue;
        }
        message_cache_add(&c->cache, m.address, m.body, batch_seq);
        picked[count++] = m;
    }
    *ret_count = count;
    return picked;
}

static void messages_unpick(struct wire_client *c, const struct message *picked, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        message_cache_remove(&c->cache, message_cache_find(&c->cache, picked[i].address));
}

static void generation_start(struct wire_client *c)
{
    uint64_t number = c->generation != NULL ? c->generation->number + 1 : 1;
    generation_release(c->generation);
    c->generation = MEM_NEW(struct generation);
    c->generation->number = number;
    c->generation->users = 1;
}

static enum status batch_encode_into(struct wire_client *c, const struct wire_input *in,
                                     struct outgoing *o, struct error *reterr)
{
    struct generation *g = c->generation;
    if (g == NULL || g->strings.entries > GENERATION_ENTRIES || g->strings.bytes > GENERATION_BYTES)
        generation_start(c);
    for (;;) {
        g = c->generation;
        o->starts_generation = g->frames == 0;
        enum status s =
            wire_batch_write(in, o->batch_seq, o->starts_generation ? WIRE_FLAG_RESET : 0,
                             &g->strings, &c->bounds, &o->frame, reterr);
        if (s == STATUS_OK) {
            g->frames++;
            g->users++;
            o->generation = g;
            return s;
        }
        /* Strings of earlier batches may be what is too much: once more with empty dictionaries. */
        bool fresh = g->frames == 0;
        generation_start(c);
        if (s != STATUS_LIMIT || fresh)
            return s;
    }
}

static void outgoing_add(struct wire_client *c, struct outgoing *o)
{
    if (c->last != NULL)
        c->last->next = o;
    else
        c->first = o;
    c->last = o;
    if (c->next == NULL)
        c->next = o;
    c->unsettled_rows += o->rows;
    c->unsettled_bytes += o->frame.size;
    c->stats.unsettled++;
}

enum status wire_client_send(struct wire_client *c, const struct wire_input *in, int64_t timeout_ns,
                             uint64_t *ret_batch_seq, struct error *reterr)
{
    if (c->failed.status != STATUS_OK)
        return failure(c, reterr);
    enum status s = room_wait(c, deadline_of(timeout_ns), reterr);
    if (s < 0)
        return s;
    struct outgoing *o = MEM_NEW(struct outgoing);
    o->batch_seq = c->next_seq;
    o->rows = input_rows(in);
    if (c->spare_count > 0)
        o->frame = c->spare[--c->spare_count];
    uint32_t picked_count = 0;
    struct message *picked = messages_pick(c, in, o->batch_seq, &picked_count);
    struct wire_input chosen = *in;
    chosen.messages = picked;
    chosen.message_count = picked_count;
    if ((s = batch_encode_into(c, &chosen, o, reterr)) < 0) {
        messages_unpick(c, picked, picked_count);
        buffer_deinit(&o->frame);
        mem_free(o);
        goto out;
    }
    references_touch(c, in->spans, o->batch_seq);
    bool was_idle = c->first == NULL;
    c->next_seq++;
    outgoing_add(c, o);
    if (was_idle)
        c->heard_ns = clock_monotonic_ns();
    if (ret_batch_seq != NULL)
        *ret_batch_seq = o->batch_seq;
    s = client_step(c, 0, reterr);
out:
    mem_free(picked);
    return s;
}

/* ---- poll, flush, ask ---- */

enum status wire_client_poll(struct wire_client *c, int64_t timeout_ns, struct error *reterr)
{
    if (c->failed.status != STATUS_OK)
        return failure(c, reterr);
    return client_step(c, deadline_of(timeout_ns), reterr);
}

enum status wire_client_flush(struct wire_client *c, int64_t timeout_ns, struct error *reterr)
{
    int64_t deadline_ns = deadline_of(timeout_ns);
    if (c->failed.status != STATUS_OK)
        return failure(c, reterr);
    while (c->first != NULL) {
        enum status s = client_step(c, deadline_ns, reterr);
        if (s < 0)
            return s;
        if (c->first != NULL && clock_monotonic_ns() >= deadline_ns)
            return error_set(reterr, STATUS_TIMEOUT, "%llu batches are not settled yet: %s",
                             (unsigned long long)c->stats.unsettled,
                             c->state == CLIENT_READY ? "the server has not made them durable"
                                                      : c->last_error.text);
    }
    return STATUS_OK;
}

enum status wire_client_messages_missing(struct wire_client *c, const struct id128 *addresses,
                                         uint32_t count, int64_t timeout_ns,
                                         struct id128 *ret_missing, uint32_t *ret_count,
                                         struct error *reterr)
{
    int64_t deadline_ns = deadline_of(timeout_ns);
    uint64_t asked_on = 0; /* the connection the question went out on */
    ASSERT(count <= WIRE_ADDRESSES_MAX);
    if (c->failed.status != STATUS_OK)
        return failure(c, reterr);
    c->answer = ret_missing;
    c->answer_capacity = count;
    c->asking = true;
    c->wanted = c->state != CLIENT_READY;
    enum status s = STATUS_OK;
    while (c->asking && s == STATUS_OK) {
        if (c->state == CLIENT_READY && asked_on != c->stats.connections) {
            asked_on = c->stats.connections;
            c->heard_ns = clock_monotonic_ns();
            wire_addresses_write(&c->control, WIRE_MESSAGES_HAVE,
                                 &(struct wire_addresses){.count = count, .addresses = addresses});
        }
        s = client_step(c, deadline_ns, reterr);
        if (s == STATUS_OK && c->asking && clock_monotonic_ns() >= deadline_ns)
            s = error_set(reterr, STATUS_TIMEOUT, "the server did not say which messages it lacks");
    }
    c->asking = false;
    c->answer = NULL;
    c->answer_capacity = 0;
    if (s == STATUS_OK)
        *ret_count = c->answer_count;
    return s;
}

int wire_client_fd(const struct wire_client *c)
{
    return c->fd;
}

bool wire_client_wants_write(const struct wire_client *c)
{
    return c->state == CLIENT_CONNECTING || client_has_output(c);
}

struct wire_client_stats wire_client_stats(const struct wire_client *c)
{
    return c->stats;
}
