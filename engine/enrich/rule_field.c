/*
 * rule_field.c - the fields of a span by name, for rules.
 *
 * Place: rule.c, rule_evaluate.c -> [here] <- rule_field.def, span_view
 * Null:  empty text (but for a tool result and documents that are there and empty), -1, NaN, a missing attribute.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/base/json.h"
#include "engine/enrich/message_read.h"
#include "engine/enrich/rule_internal.h"
#include "engine/span/cell.h"

#define ATTRIBUTE_PREFIX "attributes."

enum field_kind {
    KIND_TEXT,
    KIND_INTEGER,
    KIND_REAL,
    KIND_ID,
    KIND_MESSAGES
};

static const struct {
    const char *name;
    enum field_kind kind;
    size_t offset;
    double divisor;
} fields[RULE_FIELD_COUNT] = {
#define RULE_TEXT(name, member) {#name, KIND_TEXT, offsetof(struct span_view, member), 1},
#define RULE_INTEGER(name, member, divisor)                                                        \
    {#name, KIND_INTEGER, offsetof(struct span_view, member), divisor},
#define RULE_REAL(name, member)  {#name, KIND_REAL, offsetof(struct span_view, member), 1},
#define RULE_ID(name, member)    {#name, KIND_ID, offsetof(struct span_view, member), 1},
#define RULE_MESSAGES(name, doc) {#name, KIND_MESSAGES, 0, 1},
#include "engine/enrich/rule_field.def"
#undef RULE_TEXT
#undef RULE_INTEGER
#undef RULE_REAL
#undef RULE_ID
#undef RULE_MESSAGES
};

enum status rule_field_find(struct slice name, struct arena *arena, enum rule_field_id *ret,
                            struct slice *ret_key, struct error *reterr)
{
    const char *names[RULE_FIELD_COUNT];
    size_t prefix = strlen(ATTRIBUTE_PREFIX);
    *ret_key = SLICE_EMPTY;
    for (unsigned i = 0; i < RULE_FIELD_COUNT; i++) {
        names[i] = fields[i].name;
        if (slice_is(name, names[i])) {
            *ret = i;
            return STATUS_OK;
        }
    }
    if (name.size > prefix && memcmp(name.data, ATTRIBUTE_PREFIX, prefix) == 0) {
        *ret = FIELD_ATTRIBUTE;
        *ret_key = arena_copy(arena, slice_of(name.data + prefix, name.size - prefix));
        return STATUS_OK;
    }
    const char *nearest = nearest_name(name, names, RULE_FIELD_COUNT);
    return error_set(reterr, STATUS_INVALID, "rules know no field '%.*s'%s%s%s", SLICE_ARG(name),
                     nearest != NULL ? "; did you mean '"
                                     : "; other keys are read as attributes.KEY",
                     nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

bool rule_field_is_number(enum rule_field_id field)
{
    return field < RULE_FIELD_COUNT &&
           (fields[field].kind == KIND_INTEGER || fields[field].kind == KIND_REAL);
}

/* ---- messages ---- */

static struct slice joined_text(struct rule_run *run, const struct text_message *messages,
                                uint32_t count)
{
    struct buffer b = {0};
    struct message_reading *reading = ARENA_NEW(run->arena, struct message_reading);
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i].body.size == 0)
            continue;
        (void)message_read(messages[i].body, run->arena, reading);
        if (reading->text.size > 0 && b.size > 0)
            buffer_add_byte(&b, '\n');
        buffer_add_slice(&b, reading->text);
    }
    struct slice text = arena_copy(run->arena, buffer_slice(&b));
    buffer_deinit(&b);
    return text;
}

static struct slice last_user_text(struct rule_run *run)
{
    struct message_reading *reading = ARENA_NEW(run->arena, struct message_reading);
    for (uint32_t i = run->view->input_count; i > 0; i--) {
        const struct text_message *m = &run->view->input[i - 1];
        if (m->body.size > 0 && message_read(m->body, run->arena, reading) &&
            reading->role == ROLE_USER)
            return reading->text;
    }
    return SLICE_EMPTY;
}

static struct slice messages_text(struct rule_run *run, enum rule_field_id field)
{
    uint32_t slot = (uint32_t)(field - FIELD_input_text);
    const struct span_view *v = run->view;
    if (run->has_messages[slot])
        return run->messages[slot];
    if (field == FIELD_input_text)
        run->messages[slot] = joined_text(run, v->input, v->input_count);
    else if (field == FIELD_output_text)
        run->messages[slot] = joined_text(run, v->output, v->output_count);
    else
        run->messages[slot] = last_user_text(run);
    run->has_messages[slot] = true;
    return run->messages[slot];
}

/* ---- attributes ---- */

static void attribute_value(struct json *j, enum json_token t, struct arena *arena,
                            struct rule_value *ret)
{
    ret->is_null = t == JSON_NULL;
    ret->is_number = t == JSON_NUMBER;
    if (t == JSON_NUMBER)
        ret->number = json_double(j);
    ret->text = t == JSON_STRING ? json_string(j, arena) : json_skip(j, t);
}

/* Of repeated keys the last counts. */
static void attribute_read(struct rule_run *run, struct slice key, struct rule_value *ret)
{
    struct json j = json_over(run->view->attributes);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return;
    while (json_next(&j) == JSON_KEY) {
        bool found = slice_equal(j.escaped ? json_string(&j, run->arena) : j.raw, key);
        enum json_token t = json_next(&j);
        if (t < 0)
            return;
        if (found)
            attribute_value(&j, t, run->arena, ret);
        else
            (void)json_skip(&j, t);
    }
}

/* ---- all ---- */

static bool text_is_null(const struct span_view *v, enum rule_field_id field, struct slice text)
{
    if (field == FIELD_tool_result)
        return !v->has_tool_result;
    return field == FIELD_retrieved ? !v->has_retrieved : text.size == 0;
}

void rule_field_read(struct rule_run *run, const struct rule_step *step, struct rule_value *ret)
{
    *ret = (struct rule_value){.is_null = true, .text = SLICE_EMPTY};
    if (step->field == FIELD_ATTRIBUTE) {
        attribute_read(run, step->key, ret);
        return;
    }
    const uint8_t *at = (const uint8_t *)run->view + fields[step->field].offset;
    int64_t integer;
    uint64_t id;
    switch (fields[step->field].kind) {
    case KIND_TEXT:
        memcpy(&ret->text, at, sizeof ret->text);
        ret->is_null = text_is_null(run->view, step->field, ret->text);
        break;
    case KIND_INTEGER:
        memcpy(&integer, at, sizeof integer);
        ret->is_null = integer == -1;
        ret->is_number = true;
        ret->number = (double)integer / fields[step->field].divisor;
        break;
    case KIND_REAL:
        memcpy(&ret->number, at, sizeof ret->number);
        ret->is_null = isnan(ret->number);
        ret->is_number = true;
        break;
    case KIND_ID:
        memcpy(&id, at, sizeof id);
        ret->is_null = id == 0;
        ret->text = slice_text(arena_printf(run->arena, "%016llx", (unsigned long long)id));
        break;
    case KIND_MESSAGES:
        ret->text = messages_text(run, step->field);
        ret->is_null = ret->text.size == 0;
        break;
    }
}
