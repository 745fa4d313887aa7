/*
 * fuzz_batch.c - any bytes through the batch decoder; what it takes keeps all promises, and is the
 * same after being written and read again.
 */
#include "tests/unit/engine/span/batch_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema schema;
    struct arena arena = {0};
    struct buffer again = {0};
    struct batch batch;
    struct batch back;
    struct error e = {0};
    schema_init(&schema);
    if (batch_decode(slice_of(data, size), &schema, &arena, &batch, &e) < 0) {
        ASSERT(e.status < 0 && e.text[0] != 0);
    } else {
        batch_check(&batch);
        batch_encode(&batch, &again);
        ASSERT(again.size <= batch_encoded_bytes_max(&batch));
        ASSERT(batch_decode(buffer_slice(&again), &schema, &arena, &back, &e) == STATUS_OK);
        batch_check(&back);
        ASSERT(batch_equal(&batch, &back));
    }
    buffer_deinit(&again);
    arena_deinit(&arena);
    schema_deinit(&schema);
    return 0;
}
