/*
 * bench_detect.c - how fast detectors and phrases read, and what checking a tool call costs.
 *
 *     bench_detect [FILE]
 *
 * Texts: prose without anything to find, JSON of an agent's tool results, text full of personal data, and FILE. Each is read
 * again for a tenth of a second of CPU time, five times; the best is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/enrich/detect.h"
#include "engine/enrich/phrase.h"
#include "engine/enrich/schema.h"

#define TEXT_BYTES ((size_t)4 << 20)
#define ROUNDS     5

static const char prose[] =
    "The committee met again on Tuesday and, after a long discussion, agreed that the proposal needed more work. Several members "
    "said they would rather wait for the results of the second trial; others pointed out that waiting has a price as well. In the "
    "end the chair asked everyone to write down, in a few sentences, what they thought was missing.\n";
static const char json[] =
    "{\\\"reservation_id\\\": \\\"ZFA04Y\\\", \\\"flights\\\": [{\\\"flight_number\\\": \\\"HAT001\\\", \\\"date\\\": \\\"2024-05-20\\\", "
    "\\\"price\\\": 152, \\\"available_seats\\\": {\\\"economy\\\": 13, \\\"business\\\": 4}}], \\\"total_baggages\\\": 3, \\\"created_at\\\": "
    "\\\"2024-05-05T23:03:09\\\"}\\n";
static const char personal[] =
    "Contact bob@example.com or +1 415-555-2671, card 4111 1111 1111 1111, from 81.2.69.142, SSN 536-22-8726; ";

static uint64_t sink;

/* CPU time: others on the machine cost caches, but no time. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void phrases_look(struct slice text)
{
    sink += phrase_find(text, PHRASE_INJECTION);
}

static bool found_count(void *context, const struct detection *d)
{
    (void)context;
    sink += d->size;
    return true;
}

static void detectors_look(struct slice text)
{
    detect(text, UINT64_MAX, found_count, NULL);
}

static void measure(const char *what, const char *text_name, struct slice text,
                    void (*look)(struct slice text))
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = cpu_ns();
        uint64_t bytes = 0;
        int64_t spent;
        do {
            look(text);
            bytes += text.size;
            spent = cpu_ns() - start;
        } while (spent < 100000000);
        double rate = (double)bytes / (double)spent * 1000;
        best = rate > best ? rate : best;
    }
    printf("%-10s %-10s %8.0f MB/s\n", what, text_name, best);
}

static void measure_both(const char *name, struct slice text)
{
    measure("detectors", name, text, detectors_look);
    measure("phrases", name, text, phrases_look);
}

static void repeated_measure(const char *name, const char *unit)
{
    struct buffer b = {0};
    while (b.size < TEXT_BYTES)
        buffer_add_text(&b, unit);
    measure_both(name, buffer_slice(&b));
    buffer_deinit(&b);
}

static void schema_measure(void)
{
    static const char definition[] =
        "{\"type\":\"object\",\"properties\":{\"reservation_id\":{\"type\":\"string\"},\"cabin\":{\"type\":\"string\",\"enum\":[\"basic_economy\","
        "\"economy\",\"business\"]},\"flights\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"flight_number\":{\"type\":"
        "\"string\"},\"date\":{\"type\":\"string\"}},\"required\":[\"flight_number\",\"date\"]}}},\"required\":[\"reservation_id\",\"cabin\",\"flights\"]}";
    static const char arguments[] =
        "{\"reservation_id\":\"ZFA04Y\",\"cabin\":\"economy\",\"flights\":[{\"flight_number\":\"HAT001\",\"date\":\"2024-05-20\"},"
        "{\"flight_number\":\"HAT002\",\"date\":\"2024-05-22\"}]}";
    struct arena scratch = {0};
    struct json_schema *schema = NULL;
    struct json_schema_failure failure;
    uint32_t count = 100000;
    int64_t start = cpu_ns();
    for (uint32_t i = 0; i < 1000; i++) {
        json_schema_destroy(schema);
        if (json_schema_create(slice_text(definition), &(struct json_schema_options){0}, &schema,
                               NULL) < 0)
            exit(2);
    }
    printf("schema     compile    %8.2f us\n",
           (double)(cpu_ns() - start) / 1000 / 1000);
    start = cpu_ns();
    for (uint32_t i = 0; i < count; i++) {
        arena_reset(&scratch);
        if (json_schema_validate(schema, slice_text(arguments), &scratch, &failure) != SCHEMA_FITS)
            exit(2);
    }
    printf("schema     validate   %8.2f us\n",
           (double)(cpu_ns() - start) / 1000 / count);
    json_schema_destroy(schema);
    arena_deinit(&scratch);
}

static void file_measure(const char *path)
{
    struct buffer b = {0};
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    size_t size;
    while ((size = fread(buffer_reserve(&b, 65536), 1, 65536, f)) > 0)
        b.size += size;
    fclose(f);
    measure_both("FILE", buffer_slice(&b));
    buffer_deinit(&b);
}

int main(int argc, char **argv)
{
    repeated_measure("prose", prose);
    repeated_measure("json", json);
    repeated_measure("personal", personal);
    schema_measure();
    if (argc > 1)
        file_measure(argv[1]);
    return sink == 0;
}
