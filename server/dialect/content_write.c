/*
 * content_write.c - messages in their one form.
 *
 * Place:     content_message.c and the other readers -> [here] -> bodies in a message_list
 * Format:    content.h; strings and numbers as JSON.stringify writes them (engine/base/stringify.h)
 * Invariant: a body is a JSON object of at most MESSAGE_BYTES_MAX bytes that JSON_DEPTH_MAX levels
 *            can hold; what does not fit is cut at a character, and the list says so.
 * Cost:      a text is copied in runs; only quotes, control characters and what is not ASCII is
 *            looked at one by one. bench/bench_content.c measures it.
 */
#include "engine/base/check.h"
#include "engine/base/stringify.h"
#include "engine/base/utf8.h"
#include "server/dialect/content_internal.h"

#define PART_DEPTH_MAX      (JSON_DEPTH_MAX - 8)      /* of a value in a part */
#define SHORT_BYTES_MAX     1024u                     /* ids and names inside parts */
#define BODY_ROOM           (MESSAGE_BYTES_MAX - 64u) /* leaves room for what closes a body */
#define WIDE_RUN_BYTES      256u                      /* a cut text is at most so much longer */
#define LIST_KEPT_BYTES_MAX (1u << 20) /* memory that stays with a list between spans */
#define NUMBER_EXACT_DIGITS 15u        /* a double holds as many decimal digits */

/* ---- strings ---- */

#define REPEAT(byte) (UINT64_MAX / 255 * (byte))
#define HAS_ZERO(v)  (((v)-REPEAT(0x01)) & ~(v)&REPEAT(0x80))

/* How many bytes from at on stand for themselves in a JSON string. */
static size_t plain_run(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    uint64_t v;
    while ((size_t)(end - at) >= sizeof v) {
        memcpy(&v, at, sizeof v);
        uint64_t quote = HAS_ZERO(v ^ REPEAT('"'));
        uint64_t backslash = HAS_ZERO(v ^ REPEAT('\\'));
        uint64_t control = v - REPEAT(0x20); /* borrows only show where the verdict is yes anyway */
        if (((quote | backslash | control | v) & REPEAT(0x80)) != 0)
            break;
        at += sizeof v;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - start);
}

/* Whole characters that are not ASCII, or one U+FFFD for bytes that are none. */
static const uint8_t *wide_put(struct buffer *to, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    size_t size = 0;
    while (at < end && *at >= 0x80 && (size_t)(at - start) < WIDE_RUN_BYTES &&
           utf8_take(at, end, &size))
        at += size;
    buffer_add(to, start, (size_t)(at - start));
    if (at != start)
        return at;
    buffer_add_text(to, UTF8_REPLACEMENT);
    return at + size;
}

static void escape_put(struct buffer *to, uint8_t c)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"'};
    if (c == '\\' || (c < sizeof letters && letters[c] != 0)) {
        uint8_t pair[2] = {'\\', c == '\\' ? c : (uint8_t)letters[c]};
        buffer_add(to, pair, sizeof pair);
    } else {
        buffer_printf(to, "\\u%04x", c);
    }
}

/* The text as a JSON string of at most about `room` bytes. False: it was cut. */
static bool text_put(struct buffer *to, struct slice text, size_t room)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    size_t limit = to->size + room;
    buffer_add_byte(to, '"');
    while (at < end && to->size < limit) {
        size_t plain = plain_run(at, end);
        size_t left = limit - to->size;
        size_t taken = plain < left ? plain : left;
        buffer_add(to, at, taken);
        at += taken;
        if (at == end || taken < plain || to->size >= limit)
            break;
        if (*at < 0x80)
            escape_put(to, *at++);
        else
            at = wide_put(to, at, end);
    }
    buffer_add_byte(to, '"');
    return at == end;
}

/* A string of JSON text, quotes and escapes included. Escapes that JSON.stringify would not
 * write are rare; then the whole string takes the slow way. */
static void quoted_put(struct buffer *to, struct slice quoted)
{
    size_t start = to->size;
    const uint8_t *at = quoted.data + 1;
    const uint8_t *end = quoted.data + quoted.size - 1;
    buffer_add_byte(to, '"');
    while (at < end) {
        size_t plain = plain_run(at, end);
        buffer_add(to, at, plain);
        at += plain;
        if (at == end)
            break;
        if (*at >= 0x80) {
            at = wide_put(to, at, end);
        } else if (end - at >= 2 && at[1] != 'u' && at[1] != '/') {
            buffer_add(to, at, 2);
            at += 2;
        } else {
            to->size = start;
            IGNORE_STATUS(stringify(quoted, to, NULL)); /* it was read before, so it can't fail */
            return;
        }
    }
    buffer_add_byte(to, '"');
}

void put_string(struct buffer *to, struct value v)
{
    struct arena scratch = {0};
    if (v.type == VALUE_JSON && value_is_text(v))
        quoted_put(to, v.bytes);
    else
        (void)text_put(to, value_text(v, &scratch), SIZE_MAX / 2);
    arena_deinit(&scratch);
}

/* ---- values ---- */

struct json_facts {
    bool is_valid;
    bool is_exact; /* every number keeps its value when it is read as a double */
    uint32_t depth;
};

static bool number_is_exact(const struct json *j)
{
    if (j->raw.size <= NUMBER_EXACT_DIGITS)
        return true;
    struct buffer again = {0};
    stringify_number(json_double(j), &again);
    bool same = slice_equal(buffer_slice(&again), j->raw);
    buffer_deinit(&again);
    return same;
}

static struct json_facts json_look(struct slice text)
{
    struct json_facts facts = {.is_exact = true};
    struct json j = json_over(text);
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END) {
        facts.depth = j.depth > facts.depth ? j.depth : facts.depth;
        if (t == JSON_NUMBER && facts.is_exact)
            facts.is_exact = number_is_exact(&j);
    }
    facts.is_valid = t == JSON_END;
    return facts;
}

/* JSON without its white space, numbers as they stand: long integers must not become doubles. */
static void json_copy(struct buffer *to, struct slice text)
{
    struct json j = json_over(text);
    enum json_token t;
    bool needs_comma = false;
    while ((t = json_next(&j)) > JSON_END) {
        bool is_end = t == JSON_OBJECT_END || t == JSON_ARRAY_END;
        if (needs_comma && !is_end)
            buffer_add_byte(to, ',');
        if (t == JSON_KEY || t == JSON_STRING)
            quoted_put(to, slice_of(j.raw.size == 0 ? text.data + j.start : j.raw.data - 1,
                                    j.raw.size + 2));
        else
            buffer_add_slice(to, j.raw);
        if (t == JSON_KEY)
            buffer_add_byte(to, ':');
        needs_comma = t != JSON_KEY && t != JSON_OBJECT_BEGIN && t != JSON_ARRAY_BEGIN;
    }
}

bool put_json(struct buffer *to, struct slice text)
{
    struct json_facts facts = json_look(text);
    if (!facts.is_valid || facts.depth > PART_DEPTH_MAX)
        return false;
    size_t start = to->size;
    if (facts.is_exact && stringify(text, to, NULL) == STATUS_OK)
        return true;
    to->size = start;
    json_copy(to, text);
    return true;
}

void put_value(struct buffer *to, struct value v)
{
    switch (v.type) {
    case VALUE_NONE:
        buffer_add_text(to, "null");
        return;
    case VALUE_STRING:
    case VALUE_BYTES:
        put_string(to, v);
        return;
    case VALUE_BOOL:
        buffer_add_text(to, v.boolean ? "true" : "false");
        return;
    case VALUE_INT:
        buffer_printf(to, "%lld", (long long)v.integer);
        return;
    case VALUE_DOUBLE:
        stringify_number(v.number, to);
        return;
    case VALUE_JSON:
        break;
    }
    if (value_is_text(v))
        quoted_put(to, v.bytes);
    else if (!put_json(to, v.bytes))
        (void)text_put(to, v.bytes, SIZE_MAX / 2);
}

void put_parsed(struct buffer *to, struct value v, struct arena *arena)
{
    if (!value_is_text(v)) {
        put_value(to, v);
        return;
    }
    struct value inner = value_as_json(value_of_text(value_text(v, arena)), false);
    if (inner.type != VALUE_JSON || !put_json(to, inner.bytes))
        put_string(to, v);
}

void put_key(struct buffer *to, const char *key)
{
    bool is_first = to->size == 0 || to->data[to->size - 1] == '{';
    if (!is_first)
        buffer_add_byte(to, ',');
    buffer_add_byte(to, '"');
    buffer_add_text(to, key);
    buffer_add_text(to, "\":");
}

/* An id or a name; absurdly long ones are cut. */
static void short_put(struct message_list *l, const char *key, struct value v)
{
    if (value_is_empty(v))
        return;
    put_key(&l->bodies, key);
    l->cut |= !text_put(&l->bodies, value_text(v, l->arena), SHORT_BYTES_MAX);
}

/* ---- lists ---- */

void message_list_deinit(struct message_list *l)
{
    buffer_deinit(&l->bodies);
    mem_free(l->ends);
    *l = (struct message_list){0};
}

void message_list_reset(struct message_list *l, struct arena *arena)
{
    if (l->bodies.capacity > LIST_KEPT_BYTES_MAX ||
        l->capacity * sizeof *l->ends > LIST_KEPT_BYTES_MAX)
        message_list_deinit(l);
    struct message_list kept = {.bodies = l->bodies, .ends = l->ends, .capacity = l->capacity};
    *l = kept;
    l->arena = arena;
    buffer_reset(&l->bodies);
}

struct slice message_list_body(const struct message_list *l, uint32_t index)
{
    ASSERT(index < l->count);
    size_t start = index == 0 ? 0 : l->ends[index - 1];
    return slice_of(l->bodies.data + start, l->ends[index] - start);
}

bool message_is_system(struct slice body)
{
    static const char start[] = "{\"role\":\"system\",";
    return body.size >= sizeof start - 1 && memcmp(body.data, start, sizeof start - 1) == 0;
}

void message_list_cut(struct message_list *l, uint32_t count)
{
    ASSERT(count <= l->count);
    l->count = count;
    l->bodies.size = count == 0 ? 0 : l->ends[count - 1];
    l->is_begun = false;
    l->is_open = false;
}

/* The bytes since `start` are a body. */
static void body_done(struct message_list *l, size_t start)
{
    DEBUG_ASSERT(l->bodies.size - start <= MESSAGE_BYTES_MAX);
    if (l->count == MESSAGE_REFS_MAX) {
        l->bodies.size = start;
        l->cut = true;
        return;
    }
    l->ends = mem_grow(l->ends, &l->capacity, (size_t)l->count + 1, sizeof *l->ends);
    l->ends[l->count++] = l->bodies.size;
}

void message_list_add(struct message_list *l, struct slice body)
{
    size_t start = l->bodies.size;
    if (body.size > MESSAGE_BYTES_MAX) {
        l->cut = true;
        return;
    }
    buffer_add_slice(&l->bodies, body);
    body_done(l, start);
}

/* ---- the message under way ---- */

static void body_open(struct message_list *l, struct slice role, struct slice name)
{
    l->start = l->bodies.size;
    buffer_add_text(&l->bodies, "{\"role\":");
    (void)text_put(&l->bodies, role, SHORT_BYTES_MAX);
    short_put(l, "name", value_of_text(name));
    buffer_add_text(&l->bodies, ",\"parts\":[");
    l->is_open = true;
    l->part_count = 0;
}

static void body_close(struct message_list *l)
{
    buffer_add_text(&l->bodies, "]}");
    l->is_open = false;
    body_done(l, l->start);
}

void draft_begin(struct message_list *l, struct slice role, struct slice name)
{
    draft_end(l);
    l->role = role;
    l->name = name;
    l->is_begun = true;
    l->was_split = false;
    l->call_count = 0;
}

void draft_end(struct message_list *l)
{
    if (!l->is_begun)
        return;
    if (!l->is_open && !l->was_split)
        body_open(l, l->role, l->name);
    if (l->is_open)
        body_close(l);
    l->is_begun = false;
}

/* Where the part starts. */
static size_t part_open(struct message_list *l)
{
    ASSERT(l->is_begun);
    if (!l->is_open)
        body_open(l, l->role, l->name);
    size_t start = l->bodies.size;
    if (l->part_count++ > 0)
        buffer_add_byte(&l->bodies, ',');
    return start;
}

static size_t body_room(const struct message_list *l)
{
    size_t used = l->bodies.size - l->start;
    return used < BODY_ROOM ? BODY_ROOM - used : 0;
}

static bool is_too_large(const struct message_list *l)
{
    return l->bodies.size - l->start > BODY_ROOM;
}

/* The part that began at `part` does not fit: as much of its text as there is room for. */
static void part_shorten(struct message_list *l, size_t part, struct value text)
{
    l->cut = true;
    l->bodies.size = part;
    if (body_room(l) < 2 * SHORT_BYTES_MAX) {
        l->part_count--;
        return;
    }
    if (l->part_count > 1)
        buffer_add_byte(&l->bodies, ',');
    buffer_add_text(&l->bodies, "{\"type\":\"text\",\"content\":");
    (void)text_put(&l->bodies, value_text(text, l->arena), body_room(l) - SHORT_BYTES_MAX);
    buffer_add_byte(&l->bodies, '}');
}

static bool value_is_huge(struct value v)
{
    return (v.type == VALUE_STRING || v.type == VALUE_JSON || v.type == VALUE_BYTES) &&
           v.bytes.size > MESSAGE_BYTES_MAX;
}

static void typed_put(struct message_list *l, const char *type, struct value text,
                      struct value annotations)
{
    if (text.type == VALUE_NONE || (text.type == VALUE_STRING && text.bytes.size == 0))
        return;
    size_t part = part_open(l);
    if (!value_is_huge(text) && !value_is_huge(annotations)) {
        buffer_add_text(&l->bodies, "{\"type\":\"");
        buffer_add_text(&l->bodies, type);
        buffer_add_text(&l->bodies, "\",\"content\":");
        put_string(&l->bodies, text);
        if (!value_is_empty(annotations)) {
            buffer_add_text(&l->bodies, ",\"annotations\":");
            put_value(&l->bodies, annotations);
        }
        buffer_add_byte(&l->bodies, '}');
        if (!is_too_large(l))
            return;
    }
    part_shorten(l, part, text);
}

void draft_text(struct message_list *l, struct value text, struct value annotations)
{
    typed_put(l, "text", text, annotations);
}

void draft_reasoning(struct message_list *l, struct value text)
{
    typed_put(l, "reasoning", text, VALUE_NOTHING);
}

void draft_typed(struct message_list *l, const char *type, struct value text)
{
    typed_put(l, type, text, VALUE_NOTHING);
}

void draft_raw(struct message_list *l, struct value raw)
{
    size_t part = part_open(l);
    bool is_put = !value_is_huge(raw) && raw.type == VALUE_JSON && put_json(&l->bodies, raw.bytes);
    if (is_put && !is_too_large(l))
        return;
    l->bodies.size = part;
    l->part_count--;
    draft_text(l, value_of_text(value_text(raw, l->arena)), VALUE_NOTHING);
}

/* `"key":value`, the value parsed when it is JSON in a string, cut when it is too long. */
static void parsed_put(struct message_list *l, const char *key, struct value v)
{
    put_key(&l->bodies, key);
    size_t start = l->bodies.size;
    if (!value_is_huge(v)) {
        put_parsed(&l->bodies, v, l->arena);
        if (!is_too_large(l))
            return;
    }
    l->cut = true;
    l->bodies.size = start;
    (void)text_put(&l->bodies, value_text(v, l->arena), body_room(l) / 2);
}

void draft_call(struct message_list *l, struct value id, struct value name, struct value arguments)
{
    size_t part = part_open(l);
    l->call_count++;
    buffer_add_text(&l->bodies, "{\"type\":\"tool_call\"");
    short_put(l, "id", id);
    short_put(l, "name", name);
    if (arguments.type != VALUE_NONE)
        parsed_put(l, "arguments", arguments);
    buffer_add_byte(&l->bodies, '}');
    if (is_too_large(l))
        part_shorten(l, part, arguments);
}

void draft_response(struct message_list *l, struct value id, struct value name,
                    struct value response, bool is_error)
{
    ASSERT(l->is_begun);
    if (l->is_open)
        body_close(l);
    body_open(l, slice_text("tool"), SLICE_EMPTY);
    buffer_add_text(&l->bodies, "{\"type\":\"tool_call_response\"");
    short_put(l, "id", id);
    if (value_is_empty(id))
        short_put(l, "name", name);
    parsed_put(l, "response", response);
    if (is_error)
        buffer_add_text(&l->bodies, ",\"is_error\":true");
    buffer_add_byte(&l->bodies, '}');
    body_close(l);
    l->was_split = true;
}
