/*
 * gen_write.c - generated spans as CSV, NDJSON or rows of a batch.
 */
#include <math.h>

#include "query/float_text.h"
#include "tools/gen.h"
#include "engine/base/stringify.h"

/* ---- values as text; false: none ---- */

static bool int_text(int64_t value, struct buffer *to)
{
    if (value == GEN_NO_INT)
        return false;
    buffer_printf(to, "%lld", (long long)value);
    return true;
}

static bool float_text(double value, struct buffer *to)
{
    char text[FLOAT_TEXT_BYTES];
    if (isnan(value))
        return false;
    buffer_add(to, text, (size_t)float_to_text(value, text));
    return true;
}

static bool span_text(uint64_t id, struct buffer *to)
{
    char text[ID64_HEX_BYTES];
    if (id == 0)
        return false;
    id64_to_hex(id, text);
    buffer_add(to, text, sizeof text);
    return true;
}

static bool trace_text(struct id128 id, struct buffer *to)
{
    char text[ID128_HEX_BYTES];
    id128_to_hex(id, text);
    buffer_add(to, text, sizeof text);
    return true;
}

static void messages_text(const struct message *messages, uint32_t count, struct buffer *to)
{
    buffer_add_byte(to, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_byte(to, ',');
        buffer_add_slice(to, messages[i].body);
    }
    buffer_add_byte(to, ']');
}

/* ---- CSV ---- */

static void csv_quoted(struct slice text, struct buffer *to)
{
    buffer_add_byte(to, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buffer_add_byte(to, '"');
        buffer_add_byte(to, text.data[i]);
    }
    buffer_add_byte(to, '"');
}

static void csv_text(const char *text, struct buffer *to)
{
    if (text == NULL)
        return;
    if (text[0] == 0 || strpbrk(text, ",\"\r\n") != NULL)
        csv_quoted(slice_text(text), to);
    else
        buffer_add_text(to, text);
}

/* Input and output; spans without text have none. */
static void csv_messages(const struct gen_span *s, struct buffer *to)
{
    struct buffer messages = {0};
    if (s->output_count == 0) {
        buffer_add_text(to, ",,");
        return;
    }
    buffer_add_byte(to, ',');
    messages_text(s->history, s->input_count, &messages);
    csv_quoted(buffer_slice(&messages), to);
    buffer_add_byte(to, ',');
    buffer_reset(&messages);
    messages_text(s->history + s->input_count, s->output_count, &messages);
    csv_quoted(buffer_slice(&messages), to);
    buffer_deinit(&messages);
}

void gen_csv_header(bool text, struct buffer *to)
{
#define FIELD(column, kind, name, member) buffer_add_text(to, name ",");
#include "tools/gen_fields.def"
#undef FIELD
    buffer_add_text(to, "score.groundedness,score.relevance,score.toxicity");
    buffer_add_text(to, text ? ",input,output\n" : "\n");
}

void gen_csv_row(const struct gen_span *s, bool text, struct buffer *to)
{
#define CSV_INT(member)   (void)int_text(s->member, to)
#define CSV_FLOAT(member) (void)float_text(s->member, to)
#define CSV_STR(member)   csv_text(s->member, to)
#define CSV_SPAN(member)  (void)span_text(s->member, to)
#define CSV_TRACE(member) (void)trace_text(s->member, to)
#define FIELD(column, kind, name, member)                                                          \
    CSV_##kind(member);                                                                            \
    buffer_add_byte(to, ',');
#include "tools/gen_fields.def"
#undef FIELD
    (void)float_text(s->groundedness, to);
    buffer_add_byte(to, ',');
    (void)float_text(s->relevance, to);
    buffer_add_byte(to, ',');
    (void)float_text(s->toxicity, to);
    if (text)
        csv_messages(s, to);
    buffer_add_byte(to, '\n');
}

/* ---- NDJSON ---- */

static void json_name(const char *name, struct buffer *to)
{
    buffer_add_text(to, to->size == 0 || to->data[to->size - 1] == '\n' ? "{\"" : ",\"");
    buffer_add_text(to, name);
    buffer_add_text(to, "\":");
}

static void json_text(const char *name, const char *text, struct buffer *to)
{
    if (text == NULL)
        return;
    json_name(name, to);
    stringify_text(slice_text(text), to);
}

static void json_int(const char *name, int64_t value, struct buffer *to)
{
    if (value == GEN_NO_INT)
        return;
    json_name(name, to);
    (void)int_text(value, to);
}

static void json_float(const char *name, double value, struct buffer *to)
{
    if (isnan(value))
        return;
    json_name(name, to);
    (void)float_text(value, to);
}

static void json_span(const char *name, uint64_t id, struct buffer *to)
{
    if (id == 0)
        return;
    json_name(name, to);
    buffer_add_byte(to, '"');
    (void)span_text(id, to);
    buffer_add_byte(to, '"');
}

static void json_trace(const char *name, struct id128 id, struct buffer *to)
{
    json_name(name, to);
    buffer_add_byte(to, '"');
    (void)trace_text(id, to);
    buffer_add_byte(to, '"');
}

void gen_ndjson_row(const struct gen_span *s, bool text, struct buffer *to)
{
#define JSON_INT(name, member)            json_int(name, s->member, to);
#define JSON_FLOAT(name, member)          json_float(name, s->member, to);
#define JSON_STR(name, member)            json_text(name, s->member, to);
#define JSON_SPAN(name, member)           json_span(name, s->member, to);
#define JSON_TRACE(name, member)          json_trace(name, s->member, to);
#define FIELD(column, kind, name, member) JSON_##kind(name, member)
#include "tools/gen_fields.def"
#undef FIELD
    json_float("score.groundedness", s->groundedness, to);
    json_float("score.relevance", s->relevance, to);
    json_float("score.toxicity", s->toxicity, to);
    if (text && s->output_count != 0) {
        json_name("input", to);
        messages_text(s->history, s->input_count, to);
        json_name("output", to);
        messages_text(s->history + s->input_count, s->output_count, to);
    }
    buffer_add_text(to, "}\n");
}

/* ---- batches ---- */

static enum status column_find(struct schema *schema, const char *name, uint16_t *ret,
                               struct error *reterr)
{
    const struct column *column = NULL;
    enum status s = schema_add_score(schema, slice_text(name), &column, reterr);
    if (s >= 0)
        *ret = column->id;
    return s;
}

enum status gen_columns_find(struct schema *schema, struct gen_columns *ret, struct error *reterr)
{
    enum status s = column_find(schema, "score.groundedness", &ret->groundedness, reterr);
    if (s >= 0)
        s = column_find(schema, "score.relevance", &ret->relevance, reterr);
    if (s >= 0)
        s = column_find(schema, "score.toxicity", &ret->toxicity, reterr);
    return s;
}

static void build_int(struct builder *b, uint16_t id, int64_t value)
{
    if (value != GEN_NO_INT)
        builder_i64(b, id, value);
}

static void build_float(struct builder *b, uint16_t id, double value)
{
    if (!isnan(value))
        builder_f64(b, id, value);
}

static void build_text(struct builder *b, uint16_t id, const char *text)
{
    if (text != NULL)
        builder_str(b, id, slice_text(text));
}

static void build_span(struct builder *b, uint16_t id, uint64_t value)
{
    if (value != 0)
        builder_id64(b, id, value);
}

static void build_messages(struct builder *b, uint16_t id, const struct message *messages,
                           uint32_t count, struct message_set *set)
{
    uint8_t addresses[GEN_HISTORY_MAX * sizeof(struct id128)];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(addresses + i * sizeof(struct id128), messages[i].address.bytes,
               sizeof(struct id128));
        message_set_add_message(set, &messages[i]);
    }
    builder_str(b, id, slice_of(addresses, count * sizeof(struct id128)));
}

void gen_build_row(const struct gen_span *s, bool text, const struct gen_columns *columns,
                   struct builder *b, struct message_set *messages)
{
    builder_row(b);
#define BUILD_INT(column, member)         build_int(b, SPANS_##column, s->member);
#define BUILD_FLOAT(column, member)       build_float(b, SPANS_##column, s->member);
#define BUILD_STR(column, member)         build_text(b, SPANS_##column, s->member);
#define BUILD_SPAN(column, member)        build_span(b, SPANS_##column, s->member);
#define BUILD_TRACE(column, member)       builder_id128(b, SPANS_##column, s->member);
#define FIELD(column, kind, name, member) BUILD_##kind(column, member)
#include "tools/gen_fields.def"
#undef FIELD
    build_float(b, columns->groundedness, s->groundedness);
    build_float(b, columns->relevance, s->relevance);
    build_float(b, columns->toxicity, s->toxicity);
    if (text && s->output_count != 0) {
        build_messages(b, SPANS_input, s->history, s->input_count, messages);
        build_messages(b, SPANS_output, s->history + s->input_count, s->output_count, messages);
    }
}
