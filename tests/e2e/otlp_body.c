/*
 * otlp_body.c - writes one OTLP trace request to stdout: otlp_body (protobuf|json) SPANS [FIRST] [TEXT_BYTES]
 */
#include <stdlib.h>

#include "bench/otlp_make.h"

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: otlp_body (protobuf|json) SPANS [FIRST] [TEXT_BYTES]\n");
        return 2;
    }
    struct otlp_make m = {.json = strcmp(argv[1], "json") == 0,
                          .spans = (uint32_t)strtoul(argv[2], NULL, 10),
                          .first = argc > 3 ? strtoull(argv[3], NULL, 10) : 0,
                          .text_bytes = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0};
    struct buffer body = {0};
    otlp_make(&m, &body);
    size_t written = fwrite(body.data, 1, body.size, stdout);
    bool complete = written == body.size && fflush(stdout) == 0;
    buffer_deinit(&body);
    return complete ? 0 : 1;
}
