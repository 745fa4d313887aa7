/*
 * doctor_json.c - the findings as one JSON object, for machines.
 *
 * Shape:    {"file","wire","bytes","decoded_bytes","signal","encoding","accepted","rejected","items":[{"name","type","trace_id","span_id",
 *           "parent_id","rejected","notes":[{"source","value","column","why"}],"row":{COLUMN:VALUE},"scores":[{"name","value","label"}]}],
 *           "advice":[{"level","code","text","spans","first"}]}. column is null for what is ignored; row is absent where there is none.
 */
#include <inttypes.h>

#include "tools/doctor.h"

static void add_member(struct buffer *to, const char *name, struct slice value)
{
    buffer_printf(to, ",\"%s\":", name);
    buffer_add_json(to, value);
}

static void add_notes(struct buffer *to, const struct doctor_item *item)
{
    buffer_add_text(to, ",\"notes\":[");
    for (uint32_t i = 0; i < item->note_count; i++) {
        const struct doctor_note *n = &item->notes[i];
        buffer_add_text(to, i == 0 ? "{\"source\":" : ",{\"source\":");
        buffer_add_json(to, n->source);
        add_member(to, "value", n->value);
        if (n->column == NULL)
            buffer_add_text(to, ",\"column\":null");
        else
            add_member(to, "column", slice_text(n->column));
        add_member(to, "why", slice_text(n->why));
        buffer_add_byte(to, '}');
    }
    buffer_add_byte(to, ']');
}

static void add_row(struct doctor *d, struct buffer *to, uint32_t row)
{
    const struct batch *spans = &d->work.spans;
    const char *separator = "";
    buffer_add_text(to, ",\"row\":{");
    for (uint32_t i = 0; i < spans->column_count; i++) {
        const struct column *column = spans->columns[i].column;
        const struct vector *v = &spans->columns[i].vector;
        if (!vector_has(v, row))
            continue;
        buffer_add_text(to, separator);
        buffer_add_json(to, slice_text(column->name));
        buffer_add_byte(to, ':');
        doctor_cell_add(d, column, v, row, true, to);
        separator = ",";
    }
    buffer_add_byte(to, '}');
}

static void add_scores(const struct doctor *d, struct buffer *to, const struct doctor_item *item)
{
    const struct vector *names = batch_vector(&d->scores, SCORES_name);
    const struct vector *values = batch_vector(&d->scores, SCORES_value);
    const struct vector *labels = batch_vector(&d->scores, SCORES_label);
    buffer_add_text(to, ",\"scores\":[");
    for (uint32_t i = 0; i < item->score_count; i++) {
        uint32_t row = item->score_first + i;
        buffer_add_text(to, i == 0 ? "{\"name\":" : ",{\"name\":");
        buffer_add_json(to, names == NULL ? SLICE_EMPTY : vector_bytes(names, row));
        if (values != NULL && vector_has(values, row))
            buffer_printf(to, ",\"value\":%.15g", values->f64[row]);
        if (labels != NULL && vector_has(labels, row))
            add_member(to, "label", vector_bytes(labels, row));
        buffer_add_byte(to, '}');
    }
    buffer_add_byte(to, ']');
}

static void add_item(struct doctor *d, struct buffer *to, const struct doctor_item *item)
{
    char hex[ID128_HEX_BYTES];
    buffer_add_text(to, "{\"name\":");
    buffer_add_json(to, item->name);
    buffer_printf(to, ",\"type\":\"%s\"", item->is_log ? "log" : "span");
    id128_to_hex(item->trace_id, hex);
    buffer_printf(to, ",\"trace_id\":\"%.32s\"", hex);
    id64_to_hex(item->span_id, hex);
    buffer_printf(to, ",\"span_id\":\"%.16s\"", hex);
    if (item->parent_id != 0) {
        id64_to_hex(item->parent_id, hex);
        buffer_printf(to, ",\"parent_id\":\"%.16s\"", hex);
    }
    if (item->rejected.size > 0)
        add_member(to, "rejected", item->rejected);
    add_notes(to, item);
    if (item->row != UINT32_MAX)
        add_row(d, to, item->row);
    add_scores(d, to, item);
    buffer_add_byte(to, '}');
}

static void add_advice(const struct doctor *d, struct buffer *to)
{
    static const char *const words[] = {"error", "warning", "hint"};
    buffer_add_text(to, ",\"advice\":[");
    for (uint32_t i = 0; i < d->advice_count; i++) {
        const struct advice *a = &d->advice[i];
        buffer_printf(to, "%s{\"level\":\"%s\",\"code\":\"%s\"", i == 0 ? "" : ",", words[a->level],
                      a->code);
        add_member(to, "text", slice_text(a->text));
        if (a->spans > 0) {
            buffer_printf(to, ",\"spans\":%" PRIu64, a->spans);
            add_member(to, "first", a->first);
        }
        buffer_add_byte(to, '}');
    }
    buffer_add_byte(to, ']');
}

void doctor_print_json(struct doctor *d, struct buffer *to)
{
    buffer_add_text(to, "{\"file\":");
    buffer_add_json(to, slice_text(d->source->name));
    struct slice wire = buffer_slice(&d->wire);
    if (wire.size > 2)
        wire.size -= 2; /* ", " */
    add_member(to, "wire", wire);
    buffer_printf(to, ",\"bytes\":%zu,\"decoded_bytes\":%zu,\"signal\":\"%s\",\"encoding\":\"%s\"",
                  d->source->bytes.size, d->body.size, d->signal == OTLP_LOGS ? "logs" : "traces",
                  d->encoding == OTLP_JSON ? "json" : "protobuf");
    buffer_printf(to, ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"items\":[",
                  d->result.accepted, d->result.rejected);
    for (uint32_t i = 0; i < d->item_count; i++) {
        if (i > 0)
            buffer_add_byte(to, ',');
        add_item(d, to, &d->items[i]);
    }
    buffer_add_byte(to, ']');
    add_advice(d, to);
    buffer_add_text(to, "}\n");
}
