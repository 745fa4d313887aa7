/*
 * otlp_body.c - writes one OTLP trace request to stdout:
 *
 *     otlp_body (protobuf|json) SPANS [FIRST] [TEXT_BYTES]   a service's spans (bench/otlp_make.h)
 *     otlp_body empties COUNT                                protobuf: that many empty ResourceSpans
 *     otlp_body deep COUNT                                   JSON: that many opening brackets
 *     otlp_body wide COUNT BYTES                             JSON: one span with that many attributes and one large text
 */
#include <stdlib.h>

#include "bench/otlp_make.h"

static void empties(struct buffer *to, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        buffer_add(to, "\x0a\x00", 2);
}

static void deep(struct buffer *to, uint64_t count)
{
    buffer_add_text(to, "{\"resourceSpans\":");
    for (uint64_t i = 0; i < count; i++)
        buffer_add_byte(to, '[');
}

static void wide(struct buffer *to, uint64_t count, uint64_t bytes)
{
    buffer_add_text(
        to,
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
        "\"spanId\":\"00f067aa0ba902c1\",\"name\":\"wide\",\"attributes\":[");
    for (uint64_t i = 0; i < count; i++)
        buffer_printf(to, "{\"key\":\"k%" PRIu64 "\",\"value\":{\"intValue\":%" PRIu64 "}},", i, i);
    buffer_add_text(to, "{\"key\":\"big\",\"value\":{\"stringValue\":\"");
    for (uint64_t i = 0; i < bytes; i++)
        buffer_add_byte(to, (uint8_t)('a' + i % 26));
    buffer_add_text(to, "\"}}]}]}]}]}");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(
            stderr,
            "usage: otlp_body (protobuf|json|empties|deep|wide) COUNT [FIRST|BYTES] [TEXT_BYTES]\n");
        return 2;
    }
    uint64_t count = strtoull(argv[2], NULL, 10);
    uint64_t second = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    struct buffer body = {0};
    if (strcmp(argv[1], "empties") == 0) {
        empties(&body, count);
    } else if (strcmp(argv[1], "deep") == 0) {
        deep(&body, count);
    } else if (strcmp(argv[1], "wide") == 0) {
        wide(&body, count, second);
    } else {
        struct otlp_make m = {.json = strcmp(argv[1], "json") == 0,
                              .spans = (uint32_t)count,
                              .first = second,
                              .text_bytes = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0};
        otlp_make(&m, &body);
    }
    bool complete = fwrite(body.data, 1, body.size, stdout) == body.size && fflush(stdout) == 0;
    buffer_deinit(&body);
    return complete ? 0 : 1;
}
