/*
 * content_rig.h - a span built by hand, run through content_span, and what came out as text.
 */
#ifndef DRIFTLINE_TEST_CONTENT_RIG_H
#define DRIFTLINE_TEST_CONTENT_RIG_H

#include <criterion/criterion.h>

#include "engine/base/json.h"
#include "server/dialect/content.h"

#define RIG_ATTRIBUTES_MAX 256
#define RIG_EVENTS_MAX     16

struct rig {
    struct schema schema;
    struct content *content;
    struct builder row;
    struct message_set messages;
    struct content_result result;
    struct attribute attributes[RIG_ATTRIBUTES_MAX];
    uint32_t count;
    struct otlp_event events[RIG_EVENTS_MAX];
    struct attribute event_attributes[RIG_EVENTS_MAX][8];
    uint32_t event_count;
    struct otlp_span span;
    struct arena arena;
};

static inline void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    schema_init(&r->schema);
    r->content = content_create();
    builder_init(&r->row, TABLE_SPANS, &r->schema);
    message_set_init(&r->messages);
}

static inline void rig_deinit(struct rig *r)
{
    content_destroy(r->content);
    builder_deinit(&r->row);
    message_set_deinit(&r->messages);
    schema_deinit(&r->schema);
    arena_deinit(&r->arena);
}

/* Forgets the span, not what was run. */
static inline void rig_clear(struct rig *r)
{
    r->count = 0;
    r->event_count = 0;
}

static inline void rig_value(struct rig *r, const char *key, struct value value)
{
    cr_assert(r->count < RIG_ATTRIBUTES_MAX);
    r->attributes[r->count++] = (struct attribute){.key = slice_text(key), .value = value};
}

static inline struct value text_value(const char *text)
{
    return (struct value){.type = VALUE_STRING, .bytes = slice_text(text)};
}

static inline struct value json_value(const char *text)
{
    return (struct value){.type = VALUE_JSON, .bytes = slice_text(text)};
}

static inline void rig_text(struct rig *r, const char *key, const char *text)
{
    rig_value(r, key, text_value(text));
}

static inline void rig_json(struct rig *r, const char *key, const char *json)
{
    rig_value(r, key, json_value(json));
}

static inline void rig_double(struct rig *r, const char *key, double number)
{
    rig_value(r, key, (struct value){.type = VALUE_DOUBLE, .number = number});
}

static inline struct otlp_event *rig_event(struct rig *r, const char *name, int64_t time_ns)
{
    cr_assert(r->event_count < RIG_EVENTS_MAX);
    struct otlp_event *e = &r->events[r->event_count];
    *e = (struct otlp_event){.name = slice_text(name), .time_ns = time_ns};
    e->attributes.items = r->event_attributes[r->event_count++];
    return e;
}

static inline void event_value(struct rig *r, const char *key, struct value value)
{
    uint32_t at = r->event_count - 1;
    cr_assert(r->events[at].attributes.count < 8);
    r->event_attributes[at][r->events[at].attributes.count++] =
        (struct attribute){.key = slice_text(key), .value = value};
}

static inline void event_text(struct rig *r, const char *key, const char *text)
{
    event_value(r, key, text_value(text));
}

static inline void rig_run_without(struct rig *r, const char *kind, uint32_t without)
{
    r->span = (struct otlp_span){.name = slice_text("span"), .start_ns = 1000, .end_ns = 2000};
    r->span.attributes = (struct attributes){.items = r->attributes, .count = r->count};
    r->span.events = r->events;
    r->span.event_count = r->event_count;
    struct content_request request = {
        .span = &r->span, .kind = slice_text(kind), .without = without};
    builder_row(&r->row);
    content_span(r->content, &request, &r->row, &r->messages, &r->result);
}

static inline void rig_run(struct rig *r, const char *kind)
{
    rig_run_without(r, kind, 0);
}

/* A cell of the last row. False: NULL. */
static inline bool rig_cell(struct rig *r, uint16_t column_id, struct slice *ret)
{
    struct batch b = builder_batch(&r->row);
    const struct vector *v = batch_vector(&b, column_id);
    uint32_t at = b.rows - 1;
    if (v == NULL || (v->valid != NULL && v->valid[at] == 0))
        return false;
    *ret = v->bytes[at];
    return true;
}

/* A text cell; "NULL" when it is. */
static inline const char *rig_cell_text(struct rig *r, uint16_t column_id)
{
    struct slice cell;
    if (!rig_cell(r, column_id, &cell))
        return "NULL";
    return (const char *)arena_copy(&r->arena, cell).data;
}

static inline int64_t rig_cell_i64(struct rig *r, uint16_t column_id)
{
    struct batch b = builder_batch(&r->row);
    const struct vector *v = batch_vector(&b, column_id);
    uint32_t at = b.rows - 1;
    return v == NULL || (v->valid != NULL && v->valid[at] == 0) ? -1 : v->i64[at];
}

static inline double rig_cell_f64(struct rig *r, uint16_t column_id)
{
    struct batch b = builder_batch(&r->row);
    const struct vector *v = batch_vector(&b, column_id);
    uint32_t at = b.rows - 1;
    return v == NULL || (v->valid != NULL && v->valid[at] == 0) ? -1 : v->f64[at];
}

static inline struct slice rig_body(const struct rig *r, const uint8_t *address)
{
    for (uint32_t i = 0; i < r->messages.count; i++) {
        if (memcmp(r->messages.messages[i].address.bytes, address, 16) == 0)
            return r->messages.messages[i].body;
    }
    cr_assert_fail("a reference to a message that is not there");
    return SLICE_EMPTY;
}

/* The messages of a column, a line each; "NULL" when it is. */
static inline const char *rig_messages(struct rig *r, uint16_t column_id)
{
    struct slice refs;
    if (!rig_cell(r, column_id, &refs))
        return "NULL";
    struct buffer all = {0};
    for (size_t at = 0; at < refs.size; at += 16) {
        if (at > 0)
            buffer_add_byte(&all, '\n');
        struct slice body = rig_body(r, refs.data + at);
        struct json j = json_over(body);
        enum json_token t;
        while ((t = json_next(&j)) > JSON_END)
            ;
        cr_assert_eq(t, JSON_END, "a body is one JSON value: %.*s", SLICE_ARG(body));
        buffer_add_slice(&all, body);
    }
    const char *text = (const char *)arena_copy(&r->arena, buffer_slice(&all)).data;
    buffer_deinit(&all);
    return text;
}

/* What became of the attribute that was added as the n-th. */
static inline enum content_field rig_field(const struct rig *r, uint32_t index)
{
    return (enum content_field)r->result.attribute_fields[index];
}

static inline const char *rig_rest(struct rig *r, uint32_t index)
{
    for (uint32_t i = 0; i < r->result.rest_count; i++) {
        if (r->result.rests[i].attribute == index)
            return (const char *)arena_copy(&r->arena, r->result.rests[i].json).data;
    }
    return "";
}

#endif
