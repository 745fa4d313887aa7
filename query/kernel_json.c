/*
 * kernel_json.c - -> and ->> on JSON text (attributes, tool_args, rendered messages).
 *
 * Rules: text that is not JSON has no members (NULL, not an error: attributes keep what clients sent). Of
 *        duplicate keys the first counts. -> gives JSON, ->> gives strings without their quotes.
 */
#include "engine/base/json.h"

#include "query/function.h"

/* The value whose first token was just read. */
static bool take_value(struct json *j, enum json_token first, bool as_text, struct arena *arena,
                       struct slice *ret)
{
    if (as_text && first == JSON_NULL)
        return false;
    if (as_text && first == JSON_STRING) {
        *ret = json_string(j, arena);
        return true;
    }
    *ret = json_skip(j, first);
    return j->reason == NULL;
}

static bool is_value(enum json_token t)
{
    return t != JSON_ERROR && t != JSON_END && t != JSON_OBJECT_END && t != JSON_ARRAY_END &&
           t != JSON_KEY;
}

bool json_member(struct slice json, struct slice key, bool as_text, struct arena *arena,
                 struct slice *ret)
{
    struct json j = json_over(json);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return false;
    while (json_next(&j) == JSON_KEY) {
        bool match = j.escaped ? slice_equal(json_string(&j, arena), key) : slice_equal(j.raw, key);
        enum json_token t = json_next(&j);
        if (!is_value(t))
            return false;
        if (match)
            return take_value(&j, t, as_text, arena, ret);
        (void)json_skip(&j, t);
    }
    return false;
}

/* Elements of a JSON array, or -1. */
static int64_t array_length(struct slice json)
{
    struct json j = json_over(json);
    int64_t count = 0;
    enum json_token t = json_next(&j);
    if (t != JSON_ARRAY_BEGIN)
        return -1;
    while (is_value(t = json_next(&j))) {
        (void)json_skip(&j, t);
        count++;
    }
    return t == JSON_ARRAY_END ? count : -1;
}

static bool json_element(struct slice json, int64_t index, bool as_text, struct arena *arena,
                         struct slice *ret)
{
    if (index < 0) {
        int64_t count = array_length(json);
        if (count < 0 || index < -count)
            return false;
        index += count;
    }
    struct json j = json_over(json);
    enum json_token t = json_next(&j);
    if (t != JSON_ARRAY_BEGIN)
        return false;
    while (is_value(t = json_next(&j))) {
        if (index-- == 0)
            return take_value(&j, t, as_text, arena, ret);
        (void)json_skip(&j, t);
    }
    return false;
}

static enum status json_rows(struct eval *ev, const struct vec *args, uint32_t rows, bool by_index,
                             bool as_text, struct vec *out)
{
    struct slice *to = SCRATCH_ARRAY(ev->scratch, struct slice, rows);
    uint8_t *valid = eval_own_valid(ev, rows, out);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = SLICE_EMPTY;
        if (!eval_row_counts(ev, valid, i))
            continue;
        struct slice json = args[0].text[i & mask_a];
        valid[i] = by_index
                       ? json_element(json, args[1].i64[i & mask_b], as_text, ev->texts, &to[i])
                       : json_member(json, args[1].text[i & mask_b], as_text, ev->texts, &to[i]);
    }
    out->text = to;
    return STATUS_OK;
}

KERNEL(kernel_json_text)
{
    (void)e;
    return json_rows(ev, args, rows, false, true, out);
}

KERNEL(kernel_json_text_at)
{
    (void)e;
    return json_rows(ev, args, rows, true, true, out);
}

KERNEL(kernel_json_value)
{
    (void)e;
    return json_rows(ev, args, rows, false, false, out);
}

KERNEL(kernel_json_value_at)
{
    (void)e;
    return json_rows(ev, args, rows, true, false, out);
}

KERNEL(kernel_json_array_length)
{
    (void)e;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    uint8_t *valid = eval_own_valid(ev, rows, out);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = 0;
        if (!eval_row_counts(ev, valid, i))
            continue;
        int64_t count = array_length(args[0].text[i]);
        valid[i] = count >= 0;
        to[i] = count < 0 ? 0 : count;
    }
    out->i64 = to;
    return STATUS_OK;
}
