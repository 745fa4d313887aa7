/*
 * fuzz_commit.c - any bytes through the decoder of commit records; what it takes is the same after being written and
 * read again.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/commit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void commits_compare(const struct commit *a, const struct commit *b)
{
    ASSERT(id128_equal(a->client, b->client));
    ASSERT(a->batch_seq == b->batch_seq);
    ASSERT(a->time_ns == b->time_ns);
    ASSERT(a->message_count == b->message_count);
    for (uint32_t i = 0; i < a->message_count; i++)
        ASSERT(slice_equal(a->messages[i].body, b->messages[i].body));
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        ASSERT(a->batches[t].rows == b->batches[t].rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema schema;
    struct arena arena = {0};
    struct buffer again = {0};
    struct commit c;
    struct commit back;
    struct error e = {0};
    schema_init(&schema);
    if (commit_decode(slice_of(data, size), &schema, &arena, &c, &e) < 0) {
        ASSERT(e.status < 0 && e.text[0] != 0);
    } else {
        commit_encode(&c, &again);
        ASSERT(commit_decode(buffer_slice(&again), &schema, &arena, &back, &e) == STATUS_OK);
        commits_compare(&c, &back);
    }
    buffer_deinit(&again);
    arena_deinit(&arena);
    schema_deinit(&schema);
    return 0;
}
