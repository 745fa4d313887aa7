/*
 * stringify.c - JSON.stringify(JSON.parse(text)) without a JavaScript engine.
 *
 * Rules:   ECMA-262 25.5 (JSON), 10.1.11 (order of keys: array indexes ascending, then the others as they first
 *          came; of equal keys the last value counts), 25.5.2.3 (lone surrogates stay escaped).
 * Bounds:  nesting by JSON_DEPTH_MAX; memory is proportional to the text.
 */
#include "engine/base/stringify.h"

#include <stdlib.h>

#include "engine/base/id.h"
#include "engine/base/json.h"
#include "engine/base/utf8.h"

#define ARRAY_INDEX_MAX 4294967294u /* 2^32 - 2 */

/* One member of an object under way: where its key and it all lie in the output. */
struct member {
    size_t key_start, key_end; /* quotes included */
    size_t end;                /* of the value */
    uint32_t order;
    bool is_index;
    bool is_dropped; /* a later member has the same key */
    uint32_t index;
};

struct writer {
    struct json j;
    struct buffer *to;
    struct member *members; /* of all objects under way, a stack */
    size_t members_capacity;
    size_t member_count;
};

static enum status value_write(struct writer *w, enum json_token t, struct error *reterr);

/* ---- strings ---- */

static void char_write(struct buffer *to, uint8_t c)
{
    static const char short_escapes[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"'};
    if (c == '\\' || (c < sizeof short_escapes && short_escapes[c] != 0)) {
        buffer_add_byte(to, '\\');
        buffer_add_byte(to, (uint8_t)(c == '\\' ? '\\' : short_escapes[c]));
    } else if (c < 0x20) {
        buffer_printf(to, "\\u%04x", c);
    } else {
        buffer_add_byte(to, c);
    }
}

/* Plain bytes up to the end, none of them an escape; what is not UTF-8 becomes U+FFFD. */
static void bytes_write(struct buffer *to, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        const uint8_t *plain = at;
        while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
            at++;
        buffer_add(to, plain, (size_t)(at - plain));
        if (at == end)
            return;
        if (*at < 0x80) {
            char_write(to, *at++);
            continue;
        }
        size_t size = 0;
        if (utf8_take(at, end, &size))
            buffer_add(to, at, size);
        else
            buffer_add_text(to, UTF8_REPLACEMENT);
        at += size;
    }
}

void stringify_text(struct slice text, struct buffer *to)
{
    buffer_add_byte(to, '"');
    bytes_write(to, text.data, text.data + text.size);
    buffer_add_byte(to, '"');
}

static uint32_t hex4(const uint8_t *at)
{
    uint8_t bytes[2] = {0};
    (void)hex_decode(slice_of(at, 4), bytes, sizeof bytes); /* the reader checked the digits */
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* at: behind "\u". Writes one or, for a surrogate pair, two units; returns where it stopped. */
static const uint8_t *unicode_write(struct buffer *to, const uint8_t *at, const uint8_t *end)
{
    uint32_t code = hex4(at);
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            utf8_put(to, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
            return at + 6;
        }
    }
    if (code >= 0xd800 && code < 0xe000)
        buffer_printf(to, "\\u%04x", code);
    else if (code < 0x80)
        char_write(to, (uint8_t)code);
    else
        utf8_put(to, code);
    return at;
}

static uint8_t letter_meaning(uint8_t letter)
{
    static const uint8_t meanings[] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    return letter < sizeof meanings && meanings[letter] != 0 ? meanings[letter] : letter;
}

/* The KEY or STRING the reader stands on. */
static void string_write(const struct json *j, struct buffer *to)
{
    const uint8_t *at = j->raw.data;
    const uint8_t *end = at + j->raw.size;
    buffer_add_byte(to, '"');
    while (j->escaped && at < end) {
        const uint8_t *backslash = memchr(at, '\\', (size_t)(end - at));
        if (backslash == NULL)
            break;
        bytes_write(to, at, backslash);
        uint8_t letter = backslash[1];
        at = backslash + 2;
        if (letter == 'u')
            at = unicode_write(to, at, end);
        else
            char_write(to, letter_meaning(letter));
    }
    bytes_write(to, at, end);
    buffer_add_byte(to, '"');
}

/* ---- objects ---- */

/* The text between the quotes of a key that is an array index. */
static bool key_index(struct slice key, uint32_t *ret)
{
    uint64_t value = 0;
    if (key.size == 0 || key.size > 10 || (key.size > 1 && key.data[0] == '0'))
        return false;
    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(key.data[i] - '0');
    }
    *ret = (uint32_t)value;
    return value <= ARRAY_INDEX_MAX;
}

static struct slice member_key(const struct member *m, const uint8_t *base)
{
    return slice_of(base + m->key_start, m->key_end - m->key_start);
}

static int compare_by_key(const void *a, const void *b, void *base)
{
    const struct member *x = a;
    const struct member *y = b;
    int order = slice_compare(member_key(x, base), member_key(y, base));
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static int compare_by_place(const void *a, const void *b, void *ignored)
{
    const struct member *x = a;
    const struct member *y = b;
    (void)ignored;
    if (x->is_index != y->is_index)
        return x->is_index ? -1 : 1;
    if (x->is_index)
        return (x->index > y->index) - (x->index < y->index);
    return (x->order > y->order) - (x->order < y->order);
}

/* Of equal keys the first place and the last value stay. Returns whether anything has to move. */
static bool members_resolve(struct member *members, size_t count, const uint8_t *base)
{
    bool moves = false;
    qsort_r(members, count, sizeof *members, compare_by_key, (void *)(uintptr_t)base);
    for (size_t i = 0; i < count; i++) {
        moves |= members[i].is_index;
        if (i + 1 == count ||
            !slice_equal(member_key(&members[i], base), member_key(&members[i + 1], base)))
            continue;
        members[i + 1].order = members[i].order;
        members[i].is_dropped = true;
        moves = true;
    }
    return moves;
}

/* Writes the members that start at w->members[first] once more, in their order. */
static void members_rewrite(struct writer *w, size_t first, size_t start)
{
    struct member *members = w->members + first;
    size_t count = w->member_count - first;
    struct buffer ordered = {0};
    qsort_r(members, count, sizeof *members, compare_by_place, NULL);
    for (size_t i = 0; i < count; i++) {
        if (members[i].is_dropped)
            continue;
        buffer_add_byte(&ordered, ordered.size == 0 ? '{' : ',');
        buffer_add(&ordered, w->to->data + members[i].key_start,
                   members[i].end - members[i].key_start);
    }
    w->to->size = start;
    buffer_add_slice(w->to, buffer_slice(&ordered));
    buffer_deinit(&ordered);
}

static enum status member_write(struct writer *w, struct error *reterr)
{
    struct member m = {.key_start = w->to->size};
    string_write(&w->j, w->to);
    m.key_end = w->to->size;
    m.is_index =
        key_index(slice_of(w->to->data + m.key_start + 1, m.key_end - m.key_start - 2), &m.index);
    buffer_add_byte(w->to, ':');
    enum status s = value_write(w, json_next(&w->j), reterr);
    m.end = w->to->size;
    w->members = mem_grow(w->members, &w->members_capacity, w->member_count + 1, sizeof m);
    m.order = (uint32_t)w->member_count;
    w->members[w->member_count++] = m;
    return s;
}

static enum status object_write(struct writer *w, struct error *reterr)
{
    size_t start = w->to->size;
    size_t first = w->member_count;
    enum json_token t;
    buffer_add_byte(w->to, '{');
    while ((t = json_next(&w->j)) == JSON_KEY) {
        if (w->member_count > first)
            buffer_add_byte(w->to, ',');
        enum status s = member_write(w, reterr);
        if (s < 0)
            return s;
    }
    if (t != JSON_OBJECT_END)
        return json_error(&w->j, "JSON", reterr);
    size_t count = w->member_count - first;
    if (count > 0 && members_resolve(w->members + first, count, w->to->data))
        members_rewrite(w, first, start);
    w->member_count = first;
    buffer_add_byte(w->to, '}');
    return STATUS_OK;
}

static enum status array_write(struct writer *w, struct error *reterr)
{
    bool is_first = true;
    enum json_token t;
    buffer_add_byte(w->to, '[');
    while ((t = json_next(&w->j)) != JSON_ARRAY_END) {
        if (!is_first)
            buffer_add_byte(w->to, ',');
        is_first = false;
        enum status s = value_write(w, t, reterr);
        if (s < 0)
            return s;
    }
    buffer_add_byte(w->to, ']');
    return STATUS_OK;
}

/* ---- values ---- */

/* Most numbers are short integers, which are written as they stand. */
static void number_write(const struct json *j, struct buffer *to)
{
    struct slice text = j->raw;
    bool is_plain = text.size <= 15 && text.data[0] != '-';
    for (size_t i = 0; i < text.size && is_plain; i++)
        is_plain = text.data[i] >= '0' && text.data[i] <= '9';
    if (is_plain)
        buffer_add_slice(to, text);
    else
        stringify_number(json_double(j), to);
}

static enum status value_write(struct writer *w, enum json_token t, struct error *reterr)
{
    switch (t) {
    case JSON_OBJECT_BEGIN:
        return object_write(w, reterr);
    case JSON_ARRAY_BEGIN:
        return array_write(w, reterr);
    case JSON_STRING:
        string_write(&w->j, w->to);
        return STATUS_OK;
    case JSON_NUMBER:
        number_write(&w->j, w->to);
        return STATUS_OK;
    case JSON_TRUE:
        buffer_add_text(w->to, "true");
        return STATUS_OK;
    case JSON_FALSE:
        buffer_add_text(w->to, "false");
        return STATUS_OK;
    case JSON_NULL:
        buffer_add_text(w->to, "null");
        return STATUS_OK;
    case JSON_ERROR:
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY:
        break;
    }
    return json_error(&w->j, "JSON", reterr);
}

enum status stringify(struct slice text, struct buffer *to, struct error *reterr)
{
    struct writer w = {.j = json_over(text), .to = to};
    enum status s = value_write(&w, json_next(&w.j), reterr);
    if (s == STATUS_OK && json_next(&w.j) != JSON_END)
        s = json_error(&w.j, "JSON", reterr);
    mem_free(w.members);
    return s;
}
