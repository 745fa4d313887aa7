/*
 * fuzz_content.c - any bytes as the contents of a span: what comes out is well-formed, and our form
 * read again is our form.
 *
 * Input: the kind (one byte), then attributes: the source's number (one byte), its value up to
 *        0x1e. Of indexed sources the value begins with the rest of the key up to '='. A number
 *        beyond the sources starts an event: its name (one byte), then attributes NAME=VALUE up to
 *        0x1e each, ended by an empty one.
 */
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "server/dialect/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ATTRIBUTES_MAX 256
#define EVENTS_MAX     32
#define KEY_BYTES_MAX  96

static const char *const kinds[] = {"llm", "tool", "retrieval", "agent"};
static const char *const event_names[] = {"gen_ai.system.message",
                                          "gen_ai.user.message",
                                          "gen_ai.assistant.message",
                                          "gen_ai.tool.message",
                                          "gen_ai.choice",
                                          "gen_ai.content.prompt",
                                          "gen_ai.client.inference.operation.details",
                                          "db.query.result"};

struct input {
    struct arena arena;
    struct attribute attributes[ATTRIBUTES_MAX];
    uint32_t count;
    struct otlp_event events[EVENTS_MAX];
    uint32_t event_count;
};

static struct slice field_take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *start = *at;
    const uint8_t *stop = memchr(start, 0x1e, (size_t)(end - start));
    *at = stop != NULL ? stop + 1 : end;
    return slice_of(start, (size_t)((stop != NULL ? stop : end) - start));
}

static void name_split(struct slice text, struct slice *ret_name, struct slice *ret_value)
{
    const uint8_t *equal = text.size == 0 ? NULL : memchr(text.data, '=', text.size);
    size_t size = equal != NULL ? (size_t)(equal - text.data) : 0;
    *ret_name = slice_of(text.data, size);
    *ret_value = equal != NULL ? slice_of(equal + 1, text.size - size - 1) : text;
}

/* A value from outside: what OTLP's decoder gives is JSON when it says so. */
static struct value value_make(struct slice text)
{
    struct json j = json_over(text);
    enum json_token t = json_next(&j);
    bool is_nested = t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN;
    if (is_nested && text.size % 2 == 0 && json_skip(&j, t).size != 0 && json_next(&j) == JSON_END)
        return (struct value){.type = VALUE_JSON, .bytes = text};
    return (struct value){.type = VALUE_STRING, .bytes = text};
}

static void attribute_make(struct input *in, uint16_t number, struct slice text)
{
    const struct content_source *s = content_source_at(number);
    struct slice tail = SLICE_EMPTY;
    if (s->is_prefix)
        name_split(text, &tail, &text);
    if (tail.size > KEY_BYTES_MAX || in->count == ATTRIBUTES_MAX)
        return;
    char *key = arena_printf(&in->arena, "%s%.*s", s->key, SLICE_ARG(tail));
    in->attributes[in->count++] =
        (struct attribute){.key = slice_text(key), .value = value_make(text)};
}

static void event_make(struct input *in, uint8_t name, const uint8_t **at, const uint8_t *end)
{
    struct attribute *attributes = ARENA_ARRAY(&in->arena, struct attribute, 8);
    struct otlp_event e = {.name = slice_text(event_names[name % 8]), .time_ns = name};
    e.attributes.items = attributes;
    while (*at < end && e.attributes.count < 8) {
        struct slice text = field_take(at, end);
        if (text.size == 0)
            break;
        struct attribute *a = &attributes[e.attributes.count++];
        name_split(text, &a->key, &text);
        a->value = value_make(text);
    }
    if (in->event_count < EVENTS_MAX)
        in->events[in->event_count++] = e;
}

static const char *input_make(struct input *in, const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    const uint8_t *end = data + size;
    const char *kind = kinds[size > 0 ? *at++ % 4 : 0];
    while (at < end) {
        uint8_t first = *at++;
        if (first >= 1 && first <= content_source_count())
            attribute_make(in, first, field_take(&at, end));
        else
            event_make(in, first, &at, end);
    }
    return kind;
}

/* ---- checks ---- */

static void json_check(struct slice text)
{
    struct json j = json_over(text);
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END)
        ;
    ASSERT(t == JSON_END);
}

static void result_check(const struct input *in, const struct content_result *ret,
                         const struct message_set *messages)
{
    for (uint32_t i = 0; i < in->count; i++)
        ASSERT(ret->attribute_fields[i] < CONTENT_FIELD_COUNT);
    for (uint32_t i = 0; i < in->event_count; i++)
        ASSERT(ret->event_fields[i] < CONTENT_FIELD_COUNT);
    for (uint32_t i = 0; i < ret->rest_count; i++) {
        ASSERT(ret->rests[i].attribute < in->count);
        ASSERT(ret->attribute_fields[ret->rests[i].attribute] != CONTENT_NONE);
        ASSERT(i == 0 || ret->rests[i].attribute > ret->rests[i - 1].attribute);
        json_check(ret->rests[i].json);
    }
    for (uint32_t i = 0; i < messages->count; i++) {
        ASSERT(messages->messages[i].body.size <= MESSAGE_BYTES_MAX);
        json_check(messages->messages[i].body);
    }
    for (int field = 0; field < CONTENT_FIELD_COUNT; field++)
        ASSERT(ret->winners[field] >= -1 && ret->winners[field] < (int32_t)in->count);
}

static struct slice cell_of(struct builder *row, uint16_t column_id)
{
    struct batch b = builder_batch(row);
    const struct vector *v = batch_vector(&b, column_id);
    return v != NULL ? v->bytes[b.rows - 1] : SLICE_EMPTY;
}

/* The messages as one JSON array. */
static void list_write(const struct message_set *messages, struct slice refs, struct buffer *to)
{
    buffer_add_byte(to, '[');
    for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
        for (uint32_t i = 0; i < messages->count; i++) {
            if (memcmp(messages->messages[i].address.bytes, refs.data + at, sizeof(struct id128)) !=
                0)
                continue;
            if (at > 0)
                buffer_add_byte(to, ',');
            buffer_add_slice(to, messages->messages[i].body);
        }
    }
    buffer_add_byte(to, ']');
}

/* Our form is a fixed point: read as semantic conventions it gives the same addresses. */
static void again_check(struct content *c, struct builder *row, const struct message_set *messages,
                        uint16_t column_id, const char *key)
{
    struct buffer list = {0};
    struct builder second;
    struct message_set set;
    struct content_result ret;
    struct slice refs = cell_of(row, column_id);
    list_write(messages, refs, &list);
    struct attribute a = {.key = slice_text(key)};
    a.value = (struct value){.type = VALUE_STRING, .bytes = buffer_slice(&list)};
    struct otlp_span span = {.attributes = {.items = &a, .count = 1}};
    struct content_request request = {.span = &span, .kind = slice_text("llm")};
    builder_init(&second, TABLE_SPANS, NULL);
    message_set_init(&set);
    builder_row(&second);
    content_span(c, &request, &second, &set, &ret);
    ASSERT(slice_equal(cell_of(&second, column_id), refs));
    message_set_deinit(&set);
    builder_deinit(&second);
    buffer_deinit(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct content *c; /* one for all inputs: nothing may leak from span to span */
    struct input in = {0};
    struct builder row;
    struct message_set messages;
    struct content_result ret;
    if (c == NULL)
        c = content_create();
    const char *kind = input_make(&in, data, size);
    struct otlp_span span = {.attributes = {.items = in.attributes, .count = in.count}};
    span.events = in.events;
    span.event_count = in.event_count;
    struct content_request request = {.span = &span, .kind = slice_text(kind)};
    builder_init(&row, TABLE_SPANS, NULL);
    message_set_init(&messages);
    builder_row(&row);
    content_span(c, &request, &row, &messages, &ret);
    result_check(&in, &ret, &messages);
    bool is_whole = ret.cut == 0;
    if (is_whole && ret.input_count > 0)
        again_check(c, &row, &messages, SPANS_input, "gen_ai.input.messages");
    if (is_whole && ret.output_count > 0)
        again_check(c, &row, &messages, SPANS_output, "gen_ai.output.messages");
    message_set_deinit(&messages);
    builder_deinit(&row);
    arena_deinit(&in.arena);
    return 0;
}
