/*
 * fuzz_json.c - any bytes through the JSON reader; what it takes must survive being written again.
 */
#include "engine/base/check.h"
#include "engine/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Strings that are read, written and read again are the same, but for broken UTF-8. */
static void string_check(const struct json *j, struct arena *arena, struct buffer *text)
{
    struct slice value = json_string(j, arena);
    buffer_reset(text);
    buffer_add_json(text, value);
    struct json again = json_over(buffer_slice(text));
    ASSERT(json_next(&again) == JSON_STRING);
    struct slice once = json_string(&again, arena);
    ASSERT(json_next(&again) == JSON_END);

    struct buffer twice = {0};
    buffer_add_json(&twice, once);
    ASSERT(slice_equal(buffer_slice(&twice), buffer_slice(text)));
    buffer_deinit(&twice);
}

/* The same document with every second container skipped ends the same way. */
static void skip_check(struct slice document, enum json_token end)
{
    struct json j = json_over(document);
    enum json_token t;
    for (uint32_t i = 0; (t = json_next(&j)) > 0; i++) {
        if ((t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN) && i % 2 == 1) {
            struct slice value = json_skip(&j, t);
            ASSERT(value.size == 0 || (value.size >= 2 && value.data >= document.data));
        }
    }
    ASSERT(t == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buffer text = {0};
    struct slice document = slice_of(data, size);
    struct json j = json_over(document);
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
        int64_t integer = 0;
        ASSERT(j.depth <= JSON_DEPTH_MAX);
        ASSERT(j.at <= size);
        if (t == JSON_KEY || t == JSON_STRING)
            string_check(&j, &arena, &text);
        if (t == JSON_NUMBER && json_int(&j, &integer))
            ASSERT(json_double(&j) == (double)integer);
    }
    struct error e = {0};
    if (t == JSON_ERROR) {
        ASSERT(json_error(&j, "input", &e) == STATUS_INVALID);
        ASSERT(e.position >= 0 && (size_t)e.position <= size);
    }
    ASSERT(json_next(&j) == t);
    skip_check(document, t);
    buffer_deinit(&text);
    arena_deinit(&arena);
    return 0;
}
