/*
 * content_cells.c - what was gathered of a span, as cells of the current row.
 *
 * Place:     content.c -> [here] -> batch builder, message set
 * Invariant: a cell is within the limits of its column; what was cut is reported.
 */
#include <math.h>

#include "server/dialect/content_internal.h"

/* ---- cells ---- */

static void refs_add(struct content *c, const struct message_list *list,
                     struct message_set *messages)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct slice body = message_list_body(list, i);
        struct id128 address = message_set_add(messages, body);
        buffer_add(&c->refs, address.bytes, sizeof address.bytes);
        c->result.bytes += body.size;
    }
}

static void refs_put(struct content *c, struct builder *row, uint16_t column_id,
                     enum content_field field, uint32_t *ret_count)
{
    size_t limit = (size_t)MESSAGE_REFS_MAX * sizeof(struct id128);
    if (c->refs.size > limit) {
        c->refs.size = limit;
        c->result.cut |= FIELD_BIT(field);
    }
    *ret_count = (uint32_t)(c->refs.size / sizeof(struct id128));
    builder_str(row, column_id, buffer_slice(&c->refs));
    buffer_reset(&c->refs);
}

/* An attribute that was there but said nothing is an empty list, which is more than NULL. */
static void empty_used(struct content *c, enum content_field field)
{
    int32_t attribute = c->result.winners[field];
    if (attribute >= 0)
        attribute_used(c, (uint32_t)attribute, field, SLICE_EMPTY);
}

static bool field_is_filled(const struct content *c, enum content_field field)
{
    return (c->filled & FIELD_BIT(field)) != 0;
}

static bool field_is_empty(const struct content *c, enum content_field field)
{
    return (c->filled & FIELD_BIT(field)) == 0 && (c->empty & FIELD_BIT(field)) != 0;
}

static void input_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->system.count + c->input.count == 0 && !field_is_empty(c, CONTENT_INPUT))
        return;
    /* Clients that send the instructions apart may have them among the messages, too. */
    bool is_repeated = c->system.count <= c->input.count;
    for (uint32_t i = 0; i < c->system.count && is_repeated; i++)
        is_repeated =
            slice_equal(message_list_body(&c->system, i), message_list_body(&c->input, i));
    if (!is_repeated)
        refs_add(c, &c->system, messages);
    refs_add(c, &c->input, messages);
    if (c->input.count + c->system.count == 0)
        empty_used(c, CONTENT_INPUT);
    refs_put(c, row, SPANS_input, CONTENT_INPUT, &c->result.input_count);
}

static void output_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->output.count == 0 && !field_is_empty(c, CONTENT_OUTPUT))
        return;
    if (c->output.count == 0)
        empty_used(c, CONTENT_OUTPUT);
    refs_add(c, &c->output, messages);
    refs_put(c, row, SPANS_output, CONTENT_OUTPUT, &c->result.output_count);
}

static void tools_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->tools.count == 0)
        return;
    refs_add(c, &c->tools, messages);
    refs_put(c, row, SPANS_tools, CONTENT_TOOLS, &c->result.tool_count);
}

/* A cell within its limit, cut between characters. */
static void text_put(struct content *c, struct builder *row, uint16_t column_id,
                     enum content_field field, struct slice text)
{
    if (text.size > TEXT_BYTES_MAX) {
        size_t size = TEXT_BYTES_MAX;
        while (size > TEXT_BYTES_MAX - 4 && (text.data[size] & 0xc0) == 0x80)
            size--;
        text = slice_of(text.data, size);
        c->result.cut |= FIELD_BIT(field);
    }
    builder_str(row, column_id, text);
    c->result.bytes += text.size;
}

static void documents_put(struct content *c, struct builder *row)
{
    struct documents *d = &c->documents;
    buffer_add_text(&d->json, d->json.size == 0 ? "[]" : "]");
    text_put(c, row, SPANS_retrieved, CONTENT_RETRIEVED, buffer_slice(&d->json));
    builder_i64(row, SPANS_retrieved_count, d->count);
    if (!isnan(d->top_score))
        builder_f64(row, SPANS_retrieved_top_score, d->top_score);
    if (d->cut)
        c->result.cut |= FIELD_BIT(CONTENT_RETRIEVED);
}

void cells_put(struct content *c, struct builder *row, struct message_set *messages)
{
    buffer_reset(&c->refs);
    input_put(c, row, messages);
    output_put(c, row, messages);
    tools_put(c, row, messages);
    if (field_is_filled(c, CONTENT_TOOL_ARGS))
        text_put(c, row, SPANS_tool_args, CONTENT_TOOL_ARGS, c->tool_args);
    if (field_is_filled(c, CONTENT_TOOL_RESULT)) {
        text_put(c, row, SPANS_tool_result, CONTENT_TOOL_RESULT, c->tool_result);
        builder_i64(row, SPANS_tool_result_empty, c->tool_result_is_empty);
    }
    if (field_is_filled(c, CONTENT_RETRIEVED))
        documents_put(c, row);
    if (c->input.cut || c->system.cut)
        c->result.cut |= FIELD_BIT(CONTENT_INPUT);
    if (c->output.cut)
        c->result.cut |= FIELD_BIT(CONTENT_OUTPUT);
    if (c->tools.cut)
        c->result.cut |= FIELD_BIT(CONTENT_TOOLS);
}
