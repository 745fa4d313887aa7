/*
 * kill_load.c - load for the kill -9 test: one client that lives through every death of the server.
 *
 * Sends batches whose content follows from their number, writes each acknowledgement to a log of its own and syncs it,
 * and goes on when the server comes back. Span i of all spans ever sent has span_id mix(i + 1), so that afterwards
 *     count(*) = count(distinct span_id) = rows sent
 * says: nothing lost, nothing doubled. Every batch also scores and tags a span of the batch before it.
 *
 * usage: kill_load --native HOST:PORT --acks FILE --stop FILE [--key KEY] [--rows N] [--pause-us N]
 * Runs until the stop file exists, then waits until everything is settled and prints "sent B batches R rows".
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "server/wire/client.h"

#define ROWS_A_TRACE   5
#define FLUSH_NS       (60 * NS_PER_S)
#define SETTLE_TRIES   10

struct load {
    int acks_fd;
    uint64_t rows;
    uint64_t acked;   /* batches */
    uint64_t rejects;
};

static void on_ack(void *context, const struct wire_client_ack *ack)
{
    struct load *l = context;
    char line[64];
    l->acked = ack->batch_seq;
    int size = snprintf(line, sizeof line, "%llu %llu\n", (unsigned long long)ack->batch_seq,
                        (unsigned long long)(ack->batch_seq * l->rows));
    if (write(l->acks_fd, line, (size_t)size) != size || fdatasync(l->acks_fd) != 0)
        perror("kill_load: ack log");
}

static void on_reject(void *context, const struct wire_client_reject *reject)
{
    struct load *l = context;
    l->rejects++;
    (void)fprintf(stderr, "kill_load: batch %llu rejected: %.*s\n", (unsigned long long)reject->batch_seq,
                  SLICE_ARG(reject->text));
}

static uint64_t span_id_of(uint64_t index)
{
    return hash_mix(index + 1);
}

static struct id128 trace_id_of(uint64_t index)
{
    struct id128 id;
    uint64_t half[2] = {hash_mix(index / ROWS_A_TRACE + 1), hash_mix(~(index / ROWS_A_TRACE))};
    memcpy(id.bytes, half, sizeof id.bytes);
    return id;
}

static void add_span(struct builder *b, uint64_t index, int64_t now_ns, struct id128 message)
{
    char text[32];
    builder_row(b);
    builder_i64(b, SPANS_time, now_ns + (int64_t)(index % 1000) * NS_PER_US);
    builder_id128(b, SPANS_trace_id, trace_id_of(index));
    builder_id64(b, SPANS_span_id, span_id_of(index));
    (void)snprintf(text, sizeof text, "session-%llu", (unsigned long long)(index / 50));
    builder_str(b, SPANS_session, slice_text(text));
    builder_str(b, SPANS_kind, slice_text("llm"));
    (void)snprintf(text, sizeof text, "v%llu", (unsigned long long)(index % 7));
    builder_str(b, SPANS_prompt_version, slice_text(text));
    builder_i64(b, SPANS_latency_ms, (int64_t)(index % 5000) * NS_PER_MS);
    builder_i64(b, SPANS_tokens_in, (int64_t)(index % 4096));
    builder_i64(b, SPANS_cost_usd, (int64_t)index % 1000000);
    if (index % ROWS_A_TRACE == 0)
        builder_str(b, SPANS_input, slice_of(message.bytes, sizeof message.bytes));
}

/* The first span of the batch before is scored and tagged. */
static void add_amendments(struct builder *scores, struct builder *tags, uint64_t index)
{
    builder_row(scores);
    builder_id128(scores, SCORES_trace_id, trace_id_of(index));
    builder_id64(scores, SCORES_span_id, span_id_of(index));
    builder_str(scores, SCORES_name, slice_text("checked"));
    builder_f64(scores, SCORES_value, (double)(index % 100) / 100);
    builder_row(tags);
    builder_id128(tags, TAGS_trace_id, trace_id_of(index));
    builder_id64(tags, TAGS_span_id, span_id_of(index));
    builder_str(tags, TAGS_class, slice_text("other"));
    builder_str(tags, TAGS_source, slice_text("human"));
}

static enum status send_batch(struct wire_client *client, const struct load *l, uint64_t number,
                              struct builder builders[3], struct error *error)
{
    char body[96];
    int64_t now_ns = clock_wall_ns();
    (void)snprintf(body, sizeof body, "{\"role\":\"user\",\"content\":\"question %llu\"}", (unsigned long long)number);
    struct message message = {.body = slice_text(body), .address = hash128(slice_text(body))};
    for (int i = 0; i < 3; i++)
        builder_reset(&builders[i]);
    for (uint64_t row = 0; row < l->rows; row++)
        add_span(&builders[0], number * l->rows + row, now_ns, message.address);
    if (number > 0)
        add_amendments(&builders[1], &builders[2], (number - 1) * l->rows);
    struct batch spans = builder_batch(&builders[0]);
    struct batch scores = builder_batch(&builders[1]);
    struct batch tags = builder_batch(&builders[2]);
    struct wire_input in = {.spans = &spans, .scores = &scores, .tags = &tags, .messages = &message, .message_count = 1};
    return wire_client_send(client, &in, -1, NULL, error);
}

static enum status run(struct wire_client *client, struct load *l, const char *stop, useconds_t pause_us,
                       uint64_t *ret_batches, struct error *error)
{
    struct schema schema;
    struct builder builders[3];
    enum status s = STATUS_OK;
    uint64_t number = 0;
    schema_init(&schema);
    builder_init(&builders[0], TABLE_SPANS, &schema);
    builder_init(&builders[1], TABLE_SCORES, &schema);
    builder_init(&builders[2], TABLE_TAGS, &schema);
    while (s >= 0 && access(stop, F_OK) != 0) {
        if ((s = send_batch(client, l, number, builders, error)) < 0)
            break;
        number++;
        s = wire_client_poll(client, (int64_t)pause_us * NS_PER_US, error);
    }
    for (int i = 0; s >= 0 && i < SETTLE_TRIES; i++) {
        s = wire_client_flush(client, FLUSH_NS / SETTLE_TRIES, error);
        if (s != STATUS_TIMEOUT)
            break;
        s = i + 1 == SETTLE_TRIES ? s : STATUS_OK;
    }
    *ret_batches = number;
    for (int i = 0; i < 3; i++)
        builder_deinit(&builders[i]);
    schema_deinit(&schema);
    return s;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"native", required_argument, NULL, 'n'}, {"acks", required_argument, NULL, 'a'},
                                            {"stop", required_argument, NULL, 's'},   {"key", required_argument, NULL, 'k'},
                                            {"rows", required_argument, NULL, 'r'},   {"pause-us", required_argument, NULL, 'p'},
                                            {0}};
    char host[256] = "127.0.0.1";
    const char *acks = NULL;
    const char *stop = NULL;
    const char *key = "";
    unsigned port = 4319;
    useconds_t pause_us = 0;
    struct load l = {.rows = 200};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'n' && sscanf(optarg, "%255[^:]:%u", host, &port) != 2)
            return 2;
        acks = c == 'a' ? optarg : acks;
        stop = c == 's' ? optarg : stop;
        key = c == 'k' ? optarg : key;
        l.rows = c == 'r' ? strtoull(optarg, NULL, 10) : l.rows;
        pause_us = c == 'p' ? (useconds_t)strtoul(optarg, NULL, 10) : pause_us;
    }
    if (acks == NULL || stop == NULL || l.rows == 0)
        return 2;
    l.acks_fd = open(acks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (l.acks_fd < 0) {
        perror(acks);
        return 1;
    }
    struct wire_client *client = NULL;
    struct error error = {0};
    struct wire_client_options wire = {.host = host,
                                       .port = (uint16_t)port,
                                       .key = slice_text(key),
                                       .name = slice_text("kill_load"),
                                       .backoff_min_ns = 10 * NS_PER_MS,
                                       .backoff_max_ns = 100 * NS_PER_MS,
                                       .on_ack = on_ack,
                                       .on_reject = on_reject,
                                       .context = &l};
    uint64_t batches = 0;
    enum status s = wire_client_open(&wire, &client, &error);
    if (s >= 0)
        s = run(client, &l, stop, pause_us, &batches, &error);
    wire_client_close(client);
    (void)close(l.acks_fd);
    if (s < 0)
        (void)fprintf(stderr, "kill_load: %s\n", error.text);
    (void)printf("sent %llu batches %llu rows\n", (unsigned long long)batches, (unsigned long long)(batches * l.rows));
    return s < 0 || l.rejects != 0;
}
