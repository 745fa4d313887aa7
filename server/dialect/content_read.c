/*
 * content_read.c - JSON text to values and members, as far as a reader of messages wants to look.
 *
 * Place:     attribute values -> [here] -> content_payload.c, content_message.c, content_part.c
 * Cost:      a value that nobody looks into is skipped over once and stays a slice of the text.
 * Invariant: a value that was read is well-formed, so looking into it later can't fail.
 */
#include "engine/base/decimal.h"
#include "engine/base/stringify.h"
#include "server/dialect/content_internal.h"

bool value_read(struct json *j, enum json_token first, struct value *ret)
{
    *ret = VALUE_NOTHING;
    switch (first) {
    case JSON_OBJECT_BEGIN:
    case JSON_ARRAY_BEGIN:
        *ret = (struct value){.type = VALUE_JSON, .bytes = json_skip(j, first)};
        return ret->bytes.size != 0;
    case JSON_STRING:
        if (j->escaped)
            *ret = (struct value){.type = VALUE_JSON,
                                  .bytes = slice_of(j->raw.data - 1, j->raw.size + 2)};
        else
            *ret =
                (struct value){.type = VALUE_STRING, .bytes = slice_of(j->raw.data, j->raw.size)};
        return true;
    case JSON_NUMBER:
        *ret = (struct value){.type = VALUE_JSON, .bytes = j->raw};
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *ret = (struct value){.type = VALUE_BOOL, .boolean = first == JSON_TRUE};
        return true;
    case JSON_NULL:
        return true;
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY:
        break;
    }
    return false;
}

/* ---- objects ---- */

bool members_read(struct json *j, struct arena *arena, struct members *ret)
{
    enum json_token t;
    ret->count = 0;
    ret->overflow = false;
    while ((t = json_next(j)) == JSON_KEY) {
        struct member m = {.key = json_string(j, arena)};
        if (!value_read(j, json_next(j), &m.value))
            return false;
        if (ret->count < MEMBERS_MAX)
            ret->items[ret->count++] = m;
        else
            ret->overflow = true;
    }
    return t == JSON_OBJECT_END;
}

bool members_of(struct value v, struct arena *arena, struct members *ret)
{
    ret->count = 0;
    if (!value_is_object(v))
        return false;
    struct json j = json_over(v.bytes);
    return json_next(&j) == JSON_OBJECT_BEGIN && members_read(&j, arena, ret) && !ret->overflow &&
           json_next(&j) == JSON_END;
}

/* The member's place, or m->count. Of members with the same key the last counts, as in
 * JavaScript. */
static uint32_t member_find(const struct members *m, const char *key)
{
    struct slice wanted = slice_text(key);
    for (uint32_t i = m->count; i-- > 0;) {
        if (slice_equal(m->items[i].key, wanted))
            return i;
    }
    return m->count;
}

struct value members_peek(const struct members *m, const char *key)
{
    uint32_t at = member_find(m, key);
    return at != m->count ? m->items[at].value : VALUE_NOTHING;
}

struct value members_take(struct members *m, const char *key)
{
    uint32_t at = member_find(m, key);
    if (at == m->count)
        return VALUE_NOTHING;
    m->items[at].used = true;
    return m->items[at].value;
}

struct value members_take_any(struct members *m, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        struct value v = members_take(m, *keys);
        if (v.type != VALUE_NONE)
            return v;
    }
    return VALUE_NOTHING;
}

bool members_has(const struct members *m, const char *key)
{
    return member_find(m, key) != m->count;
}

bool members_has_any(const struct members *m, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (members_has(m, *keys))
            return true;
    }
    return false;
}

struct slice members_rest(const struct members *m, struct arena *arena)
{
    struct buffer rest = {0};
    for (uint32_t i = 0; i < m->count; i++) {
        const struct member *item = &m->items[i];
        if (item->used || item->value.type == VALUE_NONE)
            continue;
        buffer_add_byte(&rest, rest.size == 0 ? '{' : ',');
        stringify_text(item->key, &rest);
        buffer_add_byte(&rest, ':');
        put_value(&rest, item->value);
    }
    if (rest.size != 0)
        buffer_add_byte(&rest, '}');
    struct slice kept = rest.size == 0 ? SLICE_EMPTY : arena_copy(arena, buffer_slice(&rest));
    buffer_deinit(&rest);
    return kept;
}

/* ---- arrays ---- */

struct items items_of(struct value v)
{
    struct items it = {.j = json_over(v.type == VALUE_JSON ? v.bytes : SLICE_EMPTY)};
    it.failed = json_next(&it.j) != JSON_ARRAY_BEGIN;
    return it;
}

bool items_next(struct items *it, struct value *ret)
{
    if (it->failed)
        return false;
    enum json_token t = json_next(&it->j);
    if (t == JSON_ARRAY_END)
        return false;
    it->failed = !value_read(&it->j, t, ret);
    return !it->failed;
}

/* ---- values ---- */

static uint8_t first_byte(struct value v)
{
    return v.type == VALUE_JSON && v.bytes.size != 0 ? v.bytes.data[0] : 0;
}

bool value_is_object(struct value v)
{
    return first_byte(v) == '{';
}

bool value_is_array(struct value v)
{
    return first_byte(v) == '[';
}

bool value_is_text(struct value v)
{
    return v.type == VALUE_STRING || first_byte(v) == '"';
}

struct slice slice_trim(struct slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r')))
        at++;
    while (end > at && (end[-1] == ' ' || (end[-1] >= '\t' && end[-1] <= '\r')))
        end--;
    return slice_of(at, (size_t)(end - at));
}

bool slice_equal_nocase(struct slice a, const char *b)
{
    size_t i = 0;
    for (; i < a.size && b[i] != 0; i++) {
        uint8_t c = a.data[i];
        uint8_t lower = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        if (lower != (uint8_t)b[i])
            return false;
    }
    return i == a.size && b[i] == 0;
}

bool value_is_empty(struct value v)
{
    if (v.type == VALUE_NONE)
        return true;
    if (v.type != VALUE_STRING && v.type != VALUE_JSON && v.type != VALUE_BYTES)
        return false;
    struct slice text = slice_trim(v.bytes);
    if (text.size == 0)
        return true;
    if (v.type != VALUE_JSON)
        return false;
    uint8_t first = text.data[0];
    uint8_t last = text.data[text.size - 1];
    bool is_closed = (first == '"' && last == '"') || (first == '[' && last == ']') ||
                     (first == '{' && last == '}');
    return text.size >= 2 && is_closed &&
           slice_trim(slice_of(text.data + 1, text.size - 2)).size == 0;
}

static struct slice number_text(double number, struct arena *arena)
{
    struct buffer text = {0};
    stringify_number(number, &text);
    struct slice kept = arena_copy(arena, buffer_slice(&text));
    buffer_deinit(&text);
    return kept;
}

struct slice value_text(struct value v, struct arena *arena)
{
    switch (v.type) {
    case VALUE_NONE:
        return SLICE_EMPTY;
    case VALUE_STRING:
    case VALUE_BYTES:
        return v.bytes;
    case VALUE_BOOL:
        return slice_text(v.boolean ? "true" : "false");
    case VALUE_INT:
        return slice_text(arena_printf(arena, "%lld", (long long)v.integer));
    case VALUE_DOUBLE:
        return number_text(v.number, arena);
    case VALUE_JSON:
        break;
    }
    struct json j = json_over(v.bytes);
    return json_next(&j) == JSON_STRING ? json_string(&j, arena) : v.bytes;
}

bool value_number(struct value v, double *ret)
{
    if (v.type == VALUE_INT)
        *ret = (double)v.integer;
    else if (v.type == VALUE_DOUBLE)
        *ret = v.number;
    else if (v.type != VALUE_STRING && v.type != VALUE_JSON)
        return false;
    else if (!decimal_to_double(slice_trim(v.bytes), ret))
        return false;
    return *ret - *ret == 0; /* finite */
}

struct value value_of_text(struct slice text)
{
    return (struct value){.type = VALUE_STRING, .bytes = text};
}

struct value value_as_json(struct value v, bool quoted)
{
    if (v.type != VALUE_STRING)
        return v;
    struct slice text = slice_trim(v.bytes);
    uint8_t first = text.size != 0 ? text.data[0] : 0;
    if (first == '{' || first == '[' || (quoted && first == '"'))
        return (struct value){.type = VALUE_JSON, .bytes = text};
    return v;
}
