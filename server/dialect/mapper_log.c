/*
 * mapper_log.c - log records that speak of a span: scores, exceptions, messages, anything else.
 *
 * Shape:  a record becomes a row as a span does: its attributes are the span's, its body the attribute "log.body".
 */
#include <inttypes.h>

#include "engine/base/hash.h"
#include "server/dialect/mapper_internal.h"

#define LOG_EXTRAS 4u /* attributes that stand for the record's fields */

/* The record as a span of its own, or as an event of one. */
static struct otlp_span span_of(const struct otlp_log *log, struct arena *arena)
{
    uint32_t count = log->attributes.count;
    struct attribute *items = ARENA_ARRAY(arena, struct attribute, count + LOG_EXTRAS);
    bytes_copy(items, log->attributes.items, count * sizeof *items);
    /* The body stands behind the attributes even when there is none: content_field_of counts on it. */
    items[count++] = (struct attribute){slice_text("log.body"), log->body};
    if (log->severity != 0)
        items[count++] = (struct attribute){slice_text("log.severity"),
                                            {.type = VALUE_INT, .integer = log->severity}};
    if (log->severity_text.size != 0)
        items[count++] = (struct attribute){slice_text("log.severity_text"),
                                            {.type = VALUE_STRING, .bytes = log->severity_text}};
    int64_t time_ns = log->time_ns != 0 ? log->time_ns : log->observed_ns;
    return (struct otlp_span){
        .resource = log->resource,
        .scope = log->scope,
        .trace_id = log->trace_id,
        .parent_id = log->span_id,
        .trace_state = SLICE_EMPTY,
        .name = log->event_name.size != 0 ? log->event_name : slice_text("log"),
        .start_ns = time_ns,
        .attributes = {.items = items, .count = count, .dropped = log->attributes.dropped},
        .status_message = SLICE_EMPTY,
        .status_code = log->severity >= 17 ? 2 : 0,
    };
}

/* The same record always has the same id, so that a resend is known as one. */
static uint64_t id_of(struct mapper *m, const struct otlp_log *log, const struct otlp_span *span)
{
    struct buffer *bytes = &m->json;
    buffer_reset(bytes);
    buffer_add(bytes, log->trace_id.bytes, sizeof log->trace_id.bytes);
    buffer_printf(bytes, "%" PRIx64 " %" PRId64 " ", log->span_id, span->start_ns);
    buffer_add_json(bytes, span->name);
    for (uint32_t i = 0; i < span->attributes.count; i++) {
        buffer_add_json(bytes, span->attributes.items[i].key);
        json_add_value(bytes, &span->attributes.items[i].value);
    }
    uint64_t id = hash64(buffer_slice(bytes));
    return id != 0 ? id : 1;
}

/* ---- scores ---- */

/* The members of a body that is an object, behind the record's attributes. */
static struct attributes with_body(struct mapper *m, const struct otlp_log *log)
{
    size_t capacity = 0;
    struct attribute *items = NULL;
    uint32_t count = log->attributes.count;
    struct json j = json_over(mapper_value_json(&log->body));
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return log->attributes;
    items = mem_grow(items, &capacity, (size_t)count + 1, sizeof *items);
    bytes_copy(items, log->attributes.items, count * sizeof *items);
    while (json_next(&j) == JSON_KEY && count < OTLP_ATTRIBUTES_MAX) {
        items = mem_grow(items, &capacity, (size_t)count + 1, sizeof *items);
        items[count].key = json_string(&j, &m->arena);
        items[count++].value = mapper_value_of_token(&j, json_next(&j), &m->arena);
    }
    struct attribute *kept = ARENA_ARRAY(&m->arena, struct attribute, count + 1);
    bytes_copy(kept, items, count * sizeof *kept);
    mem_free(items);
    return (struct attributes){.items = kept, .count = count};
}

/* gen_ai.evaluation.result: the score of the span it names. False: it is none. */
static bool score_log(struct mapper *m, const struct otlp_log *log, struct mapped *to)
{
    struct otlp_event event = {.name = slice_text("gen_ai.evaluation.result"),
                               .time_ns = log->time_ns != 0 ? log->time_ns : log->observed_ns,
                               .attributes = with_body(m, log)};
    struct otlp_span span = span_of(log, &m->arena);
    span.span_id = log->span_id;
    span.attributes = (struct attributes){0};
    span.events = &event;
    span.event_count = 1;
    uint32_t before = to->scores.rows;
    m->span = &span;
    mapper_collect(m);
    settle_kind(m);
    scores_write(m, to);
    if (m->is_explaining)
        explain_span(m);
    return to->scores.rows != before;
}

/* ---- exceptions ---- */

static const char *class_of(struct mapper *m, struct slice type, struct slice message)
{
    struct buffer *text = &m->json;
    buffer_reset(text);
    buffer_add_slice(text, text_cut(type, NAME_BYTES_MAX));
    buffer_add_byte(text, ' ');
    buffer_add_slice(text, text_cut(message, 4096));
    for (size_t i = 0; i < text->size; i++) {
        uint8_t c = text->data[i];
        text->data[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    for (uint32_t i = 0; i < dialect_word_count(); i++) {
        const struct word *w = &dialect_words[i];
        if (w->vocabulary == WORDS_exception &&
            memmem(text->data, text->size, w->spelling, strlen(w->spelling)) != NULL)
            return w->word;
    }
    return "other";
}

static const char *class_of_status(int64_t http_status)
{
    bool is_timeout = http_status == 408 || http_status == 504;
    return http_status == 429 ? "rate_limit" : is_timeout ? "timeout" : NULL;
}

/* An exception says of its span what went wrong: a tag. */
static void exception_log(struct mapper *m, const struct otlp_log *log, struct mapped *to)
{
    struct otlp_span span = span_of(log, &m->arena);
    m->span = &span;
    mapper_collect(m);
    const struct slot *said = &m->slots[TARGET_error_class];
    struct slice type =
        slot_has(m, TARGET_error_type) ? m->slots[TARGET_error_type].found.text : SLICE_EMPTY;
    struct slice message =
        slot_has(m, TARGET_error_message) ? m->slots[TARGET_error_message].found.text : SLICE_EMPTY;
    const char *class = slot_has(m, TARGET_http_status)
                            ? class_of_status(m->slots[TARGET_http_status].found.integer)
                            : NULL;
    if (class == NULL)
        class = class_of(m, type, message);
    struct builder *b = &to->tags;
    char *note = arena_printf(&m->arena, "%.*s: %.*s", SLICE_ARG(text_cut(type, NAME_BYTES_MAX)),
                              SLICE_ARG(text_cut(message, STR_BYTES_MAX)));
    builder_row(b);
    if (span.start_ns > 0)
        builder_i64(b, TAGS_time, span.start_ns);
    builder_id128(b, TAGS_trace_id, log->trace_id);
    builder_id64(b, TAGS_span_id, log->span_id);
    builder_str(b, TAGS_class,
                said->rank != RANK_NONE ? text_cut(said->found.text, NAME_BYTES_MAX)
                                        : slice_text(class));
    builder_str(b, TAGS_source, slice_text(said->rank != RANK_NONE ? "client" : "rule"));
    builder_str(b, TAGS_by, slice_text("otlp exception"));
    builder_str(b, TAGS_note, slice_text(note));
    to->bytes += strlen(note);
    if (m->is_explaining)
        explain_span(m);
}

/* ---- everything else ---- */

static void row_log(struct mapper *m, const struct otlp_log *log, struct mapped *to)
{
    struct otlp_span span = span_of(log, &m->arena);
    span.span_id = id_of(m, log, &span);
    m->span = &span;
    builder_row(&to->spans);
    mapper_row(m, to);
}

static bool has_attribute(const struct otlp_log *log, const char *key)
{
    for (uint32_t i = 0; i < log->attributes.count; i++) {
        if (slice_is(log->attributes.items[i].key, key))
            return true;
    }
    return false;
}

enum status mapper_log(struct mapper *m, const struct otlp_log *log, struct mapped *to,
                       struct error *reterr)
{
    if (id128_is_zero(log->trace_id))
        return STATUS_END;
    if (to->spans.rows >= BATCH_ROWS_MAX || to->tags.rows >= BATCH_ROWS_MAX)
        return error_set(reterr, STATUS_LIMIT, "more than %u log records in one batch",
                         BATCH_ROWS_MAX);
    mapper_begin(m, NULL, log, NULL);
    bool is_score = slice_is(log->event_name, "gen_ai.evaluation.result") ||
                    slice_is(log->event_name, "gen_ai.evaluation") ||
                    has_attribute(log, "gen_ai.evaluation.name");
    if (is_score && score_log(m, log, to))
        return STATUS_OK;
    if (log->span_id == 0)
        return STATUS_END;
    if (slice_is(log->event_name, "gen_ai.client.operation.exception") ||
        slice_is(log->event_name, "exception"))
        exception_log(m, log, to);
    else
        row_log(m, log, to);
    return STATUS_OK;
}
