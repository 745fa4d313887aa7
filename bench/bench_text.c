/*
 * bench_text.c - what the text store makes of real agent trajectories.
 *
 *     bench_text trajectories.json [level]
 *
 * The file is a JSON array of objects with a "traj" array of chat messages (the format of
 * tau-bench). Every agent turn resends its history, so logical text is quadratic; what is stored
 * are the distinct messages. Arrival is in conversation order, or interleaved over 20
 * conversations at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/rng.h"
#include "engine/text/text.h"

struct bench_message {
    struct id128 address;
    struct slice body;
    uint32_t conversation;
};

static struct arena arena;
static struct bench_message *messages;
static size_t messages_capacity;
static uint32_t message_count;
static uint32_t conversation_count;
static uint64_t logical_bytes;

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_text: %s: %s\n", what, e->text);
    exit(2);
}

/* The JSON text without white space between its tokens. */
static struct slice minified(struct slice text)
{
    uint8_t *to = arena_alloc(&arena, text.size);
    size_t size = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!in_string && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
            continue;
        to[size++] = c;
        if (c == '"')
            in_string = !in_string;
        if (c == '\\' && in_string)
            to[size++] = text.data[++i];
    }
    return slice_of(to, size);
}

static void trajectory_read(struct json *j)
{
    uint64_t history = 0;
    for (enum json_token t; (t = json_next(j)) != JSON_ARRAY_END;) {
        struct slice body = minified(json_skip(j, t));
        if (t == JSON_ERROR || body.size == 0)
            exit(2);
        if (strstr((const char *)body.data, "\"role\":\"assistant\"") != NULL)
            logical_bytes += history + body.size;
        history += body.size;
        messages =
            mem_grow(messages, &messages_capacity, (size_t)message_count + 1, sizeof *messages);
        messages[message_count++] = (struct bench_message){hash128(body), body, conversation_count};
    }
    conversation_count++;
}

static void file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct buffer b = {0};
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    for (size_t got = 1; got > 0;) {
        got = fread(buffer_reserve(&b, 1 << 20), 1, 1 << 20, f);
        b.size += got;
    }
    fclose(f);
    struct json j = json_over(buffer_slice(&b));
    for (enum json_token t; (t = json_next(&j)) != JSON_END;) {
        if (t == JSON_ERROR) {
            fprintf(stderr, "bench_text: %s: not JSON\n", path);
            exit(2);
        }
        if (t == JSON_KEY && slice_is(j.raw, "traj") && json_next(&j) == JSON_ARRAY_BEGIN)
            trajectory_read(&j);
    }
    buffer_deinit(&b);
}

/* order[]: messages as they arrive when `width` conversations are under way at a time. */
static void order_make(uint32_t *order, uint32_t width)
{
    uint32_t *next = mem_zero(conversation_count + 1, sizeof *next);
    uint32_t count = 0;
    struct rng rng;
    rng_init(&rng, 7);
    for (uint32_t i = 0; i < message_count; i++)
        next[messages[i].conversation + 1] = i + 1;
    uint32_t *start = mem_zero(conversation_count + 1, sizeof *start);
    memcpy(start, next, (conversation_count + 1) * sizeof *start);
    uint32_t *at = mem_zero(conversation_count, sizeof *at);
    for (uint32_t c = 0; c < conversation_count; c++)
        at[c] = start[c];
    for (uint32_t base = 0; count < message_count;) {
        while (base < conversation_count && at[base] == start[base + 1])
            base++;
        uint32_t c = base + (uint32_t)rng_below(&rng, width);
        if (c < conversation_count && at[c] < start[c + 1])
            order[count++] = at[c]++;
    }
    mem_free(next);
    mem_free(start);
    mem_free(at);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

struct seal_result {
    uint64_t bytes;
    double seconds;
};

static struct seal_result seal(struct text_store *t, uint64_t number)
{
    struct text_pack_meta meta;
    struct error e = {0};
    int64_t start = clock_monotonic_ns();
    if (text_seal(t, number, UINT64_MAX, &meta, &e) != STATUS_OK)
        die("seal", &e);
    text_seal_commit(t, number);
    return (struct seal_result){meta.bytes, seconds_since(start)};
}

static void read_all(struct text_store *t, const char *what, const uint32_t *order)
{
    struct buffer b = {0};
    struct error e = {0};
    int64_t start = clock_monotonic_ns();
    for (uint32_t i = 0; i < message_count; i++) {
        const struct bench_message *m = &messages[order[i]];
        buffer_reset(&b);
        if (text_get(t, m->address, &b, &e) != STATUS_OK)
            die("get", &e);
        if (!slice_equal(buffer_slice(&b), m->body))
            exit(1);
    }
    printf("  read %-22s %8.2f us a message\n", what, seconds_since(start) / message_count * 1e6);
    buffer_deinit(&b);
}

static void run(const char *root, const char *what, uint32_t width, uint32_t seals, bool hint)
{
    struct error e = {0};
    struct io *io = NULL;
    if (io_posix_backend_create(root, &io, &e) < 0)
        die("io", &e);
    if (io_make_dir(io, "text", &e) < 0)
        die("mkdir", &e);
    struct text_store *t = text_store_create(io, "text");
    uint32_t *order = mem_zero(message_count, sizeof *order);
    uint64_t numbers[64];
    struct seal_result sum = {0};
    order_make(order, width);
    int64_t start = clock_monotonic_ns();
    double add_seconds = 0;
    for (uint32_t i = 0, s = 0; i < message_count; i++) {
        const struct bench_message *m = &messages[order[i]];
        struct message message = {m->address, m->body};
        bool added;
        uint64_t group = hint ? m->conversation + 1 : 0;
        if (text_add_grouped(t, &message, group, i + 1, 0, &added, &e) < 0)
            die("add", &e);
        if (i + 1 == (uint64_t)message_count * (s + 1) / seals) {
            add_seconds += seconds_since(start);
            numbers[s] = s + 1;
            struct seal_result r = seal(t, ++s);
            sum.bytes += r.bytes;
            sum.seconds += r.seconds;
            start = clock_monotonic_ns();
        }
    }
    struct text_totals totals = text_totals(t);
    printf("%s, %u seals: %lu distinct messages of %u, %.3f MB\n", what, seals, totals.messages,
           message_count, (double)totals.bytes / 1e6);
    printf("  add %.2f us a message; sealed to %.4f MB in %.2f s (%.1f MB/s)\n",
           add_seconds / message_count * 1e6, (double)sum.bytes / 1e6, sum.seconds,
           (double)totals.bytes / 1e6 / sum.seconds);
    struct text_pack_meta meta;
    start = clock_monotonic_ns();
    if (text_merge(t, numbers, seals, 100, NULL, NULL, &meta, &e) != STATUS_OK)
        die("merge", &e);
    double merge_seconds = seconds_since(start);
    printf("  merged to %.4f MB in %.2f s (%.1f MB/s), %.1f bytes a message\n",
           (double)meta.bytes / 1e6, merge_seconds, (double)totals.bytes / 1e6 / merge_seconds,
           (double)meta.bytes / (double)meta.messages);
    if (text_pack_open(t, 100, &meta, &e) < 0)
        die("open", &e);
    for (uint32_t s = 0; s < seals; s++)
        text_pack_remove(t, numbers[s]);
    for (uint32_t i = 0; i < message_count; i++)
        order[i] = i;
    read_all(t, "by conversation, cold", order);
    read_all(t, "by conversation, warm", order);
    order_make(order, 200);
    read_all(t, "at random, warm", order);
    text_pack_remove(t, 100);
    text_store_destroy(t);
    io_destroy(io);
    mem_free(order);
}

int main(int argc, char **argv)
{
    char root[] = "/tmp/driftline-bench-text-XXXXXX";
    if (argc < 2 || mkdtemp(root) == NULL) {
        fprintf(stderr, "usage: bench_text trajectories.json\n");
        return 2;
    }
    file_read(argv[1]);
    printf("%u conversations, logical text %.1f MB\n", conversation_count,
           (double)logical_bytes / 1e6);
    run(root, "conversation order", 1, 1, true);
    run(root, "20 interleaved", 20, 1, true);
    run(root, "20 interleaved", 20, 10, true);
    run(root, "20 interleaved, no hint", 20, 10, false);
    mem_free(messages);
    arena_deinit(&arena);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command) == 0 ? 0 : 1;
}
