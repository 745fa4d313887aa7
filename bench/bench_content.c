/*
 * bench_content.c - MB/s from the values of attributes to content-addressed messages.
 *
 *     bench_content [seconds a case]
 *
 * Each case is one span of eight messages, 8 KB of prose each with newlines, quotes and accents,
 * mapped over and over. The bytes counted are those of the attributes, the time is the processor's.
 * Expected on one core: > 300 MB/s for every dialect.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/stringify.h"
#include "server/dialect/content.h"

#define MESSAGES      8
#define MESSAGE_BYTES 8192
#define SPANS_A_BATCH 64

struct bench {
    struct content *content;
    struct builder row;
    struct message_set messages;
    struct arena arena;
    double seconds;
};

/* Prose with what prose has: lines, quotes, a word that is not ASCII. */
static struct slice prose(struct bench *b, uint32_t seed)
{
    static const char *const words[] = {
        "the ",    "order ",  "was ",  "shipped ", "on ",  "\"Monday\" ", "and\n",   "caf\xc3\xa9 ",
        "refund ", "policy ", "says ", "that ",    "you ", "may ",        "return ", "it.\n\n"};
    struct buffer text = {0};
    for (uint32_t state = seed * 2654435761u + 1; text.size < MESSAGE_BYTES;) {
        state = state * 1664525 + 1013904223;
        uint32_t pick = state >> 24;
        /* Most words are plain: one in 16 of the special ones is about one in 90 bytes. */
        buffer_add_text(&text, words[(pick & 15) % 16]);
        if ((pick & 16) != 0)
            buffer_add_text(&text, "customer service representative ");
    }
    struct slice kept = arena_copy(&b->arena, buffer_slice(&text));
    buffer_deinit(&text);
    return kept;
}

static struct value list_value(struct bench *b, const char *open, const char *close,
                               struct slice *texts)
{
    struct buffer json = {0};
    buffer_add_byte(&json, '[');
    for (int i = 0; i < MESSAGES; i++) {
        buffer_add_text(&json, i == 0 ? "" : ",");
        buffer_add_text(&json, open);
        stringify_text(texts[i], &json);
        buffer_add_text(&json, close);
    }
    buffer_add_byte(&json, ']');
    struct value v = {.type = VALUE_STRING, .bytes = arena_copy(&b->arena, buffer_slice(&json))};
    buffer_deinit(&json);
    return v;
}

static void run(struct bench *b, const char *what, const struct attribute *attributes,
                uint32_t count)
{
    struct otlp_span span = {.attributes = {.items = attributes, .count = count}};
    struct content_request request = {.span = &span, .kind = slice_text("llm")};
    struct content_result ret = {0};
    uint64_t bytes = 0;
    uint64_t spans = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += attributes[i].value.bytes.size;
    clock_t start = clock(); /* processor time: what others do on the machine does not count */
    clock_t until = start + (clock_t)(b->seconds * CLOCKS_PER_SEC);
    clock_t now = start;
    while (now < until) {
        builder_reset(&b->row);
        message_set_reset(&b->messages);
        for (int i = 0; i < SPANS_A_BATCH; i++) {
            builder_row(&b->row);
            content_span(b->content, &request, &b->row, &b->messages, &ret);
        }
        spans += SPANS_A_BATCH;
        now = clock();
    }
    double seconds = (double)(now - start) / CLOCKS_PER_SEC;
    printf("%-28s %8.0f MB/s %10.0f spans/s %6.2f us/span  (%u messages)\n", what,
           (double)(bytes * spans) / seconds / 1e6, (double)spans / seconds,
           seconds * 1e6 / (double)spans, ret.input_count + ret.output_count);
}

static void run_list(struct bench *b, const char *what, const char *open, const char *close,
                     struct slice *texts)
{
    struct attribute a = {.key = slice_text("gen_ai.input.messages"),
                          .value = list_value(b, open, close, texts)};
    run(b, what, &a, 1);
}

static void run_indexed(struct bench *b, struct slice *texts)
{
    struct attribute a[2 * MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        a[2 * i] = (struct attribute){
            .key = slice_text(arena_printf(&b->arena, "llm.input_messages.%d.message.role", i)),
            .value = {.type = VALUE_STRING, .bytes = slice_text("user")}};
        a[2 * i + 1] = (struct attribute){
            .key = slice_text(arena_printf(&b->arena, "llm.input_messages.%d.message.content", i)),
            .value = {.type = VALUE_STRING, .bytes = texts[i]}};
    }
    run(b, "OpenInference, indexed", a, 2 * MESSAGES);
}

/* What most spans look like: small. */
static void run_small(struct bench *b)
{
    struct value in = {.type = VALUE_STRING};
    in.bytes = slice_text(
        "[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"You are a support agent.\"}]},"
        "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is order 4711?\"}]}]");
    struct value out = {.type = VALUE_STRING};
    out.bytes = slice_text(
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"call_1\",\"name\":\"lookup_order\","
        "\"arguments\":{\"order_id\":4711}}],\"finish_reason\":\"tool_call\"}]");
    struct attribute a[] = {
        {.key = slice_text("gen_ai.operation.name"),
         .value = {.type = VALUE_STRING, .bytes = slice_text("chat")}},
        {.key = slice_text("gen_ai.request.model"),
         .value = {.type = VALUE_STRING, .bytes = slice_text("gpt-4o")}},
        {.key = slice_text("gen_ai.input.messages"), .value = in},
        {.key = slice_text("gen_ai.output.messages"), .value = out},
    };
    run(b, "three small messages", a, 4);
    run(b, "no contents", a, 2);
}

int main(int argc, char **argv)
{
    struct bench b = {.seconds = argc > 1 ? atof(argv[1]) : 1.0};
    struct slice texts[MESSAGES];
    b.content = content_create();
    builder_init(&b.row, TABLE_SPANS, NULL);
    message_set_init(&b.messages);
    for (uint32_t i = 0; i < MESSAGES; i++)
        texts[i] = prose(&b, i);
    run_list(&b, "semantic conventions",
             "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":", "}]}", texts);
    run_list(&b, "OpenAI chat", "{\"role\":\"user\",\"content\":", "}", texts);
    run_list(&b, "Anthropic blocks",
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":", "}]}", texts);
    run_list(&b, "tool results", "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":", "}",
             texts);
    run_indexed(&b, texts);
    struct attribute text = {.key = slice_text("output.value"),
                             .value = {.type = VALUE_STRING, .bytes = texts[0]}};
    run(&b, "one plain text", &text, 1);
    run_small(&b);
    content_destroy(b.content);
    builder_deinit(&b.row);
    message_set_deinit(&b.messages);
    arena_deinit(&b.arena);
    return 0;
}
