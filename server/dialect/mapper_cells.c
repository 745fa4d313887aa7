/*
 * mapper_cells.c - settled slots become the cells of a row.
 */
#include "server/dialect/mapper_internal.h"

struct cell_line {
    uint8_t target;
    uint16_t column;
};

/* Which column a target fills; `failed` is not here: it takes part in the status. */
static const struct cell_line cell_lines[] = {
    {TARGET_session, SPANS_session},
    {TARGET_user, SPANS_user_id},
    {TARGET_service, SPANS_service},
    {TARGET_environment, SPANS_environment},
    {TARGET_release, SPANS_release},
    {TARGET_name, SPANS_name},
    {TARGET_provider, SPANS_provider},
    {TARGET_model, SPANS_model},
    {TARGET_model_served, SPANS_model_served},
    {TARGET_prompt_name, SPANS_prompt_name},
    {TARGET_prompt_version, SPANS_prompt_version},
    {TARGET_temperature, SPANS_temperature},
    {TARGET_http_status, SPANS_http_status},
    {TARGET_finish_reason, SPANS_finish_reason},
    {TARGET_error_type, SPANS_error_type},
    {TARGET_error_message, SPANS_error_message},
    {TARGET_error_class, SPANS_error_class},
    {TARGET_ttft, SPANS_ttft_ms},
    {TARGET_tokens_in, SPANS_tokens_in},
    {TARGET_tokens_out, SPANS_tokens_out},
    {TARGET_tokens_cached, SPANS_tokens_cached},
    {TARGET_tokens_cache_write, SPANS_tokens_cache_write},
    {TARGET_tokens_reasoning, SPANS_tokens_reasoning},
    {TARGET_cost, SPANS_cost_usd},
    {TARGET_pricing_version, SPANS_pricing_version},
    {TARGET_tool_name, SPANS_tool_name},
    {TARGET_tool_call_id, SPANS_tool_call_id},
};
#define CELL_LINES (sizeof cell_lines / sizeof *cell_lines)

static bool is_set(const uint64_t *bits, uint16_t column)
{
    return (bits[column / 64] >> column % 64 & 1) != 0;
}

void slots_without(struct mapper *m, const uint64_t *have)
{
    for (size_t i = 0; i < CELL_LINES; i++) {
        if (is_set(have, cell_lines[i].column))
            m->slots[cell_lines[i].target].rank = RANK_NONE;
    }
    if (is_set(have, SPANS_kind))
        m->slots[TARGET_kind].rank = RANK_NONE;
}

static void text_put(struct mapper *m, struct builder *row, const struct cell_line *line,
                     struct slot *slot)
{
    const struct column *column = table_column(TABLE_SPANS, line->column);
    size_t bytes_max = column->storage == STORAGE_STR ? STR_BYTES_MAX : TEXT_BYTES_MAX;
    struct slice text = text_cut(slot->found.text, bytes_max);
    if (text.size != slot->found.text.size) {
        slot->found = (struct found){.text = text};
        note_truncated(m, column->name);
    }
    builder_str(row, line->column, text);
}

uint32_t cells_write(struct mapper *m, struct builder *row)
{
    uint32_t count = 0;
    for (size_t i = 0; i < CELL_LINES; i++) {
        const struct cell_line *line = &cell_lines[i];
        struct slot *slot = &m->slots[line->target];
        if (slot->rank == RANK_NONE)
            continue;
        count++;
        switch (target_holds[line->target]) {
        case HOLDS_TEXT:
            text_put(m, row, line, slot);
            break;
        case HOLDS_INT:
            builder_i64(row, line->column, slot->found.integer);
            break;
        case HOLDS_NUMBER:
            builder_f64(row, line->column, slot->found.number);
            break;
        case HOLDS_SCORE:
            break;
        }
    }
    if (slot_has(m, TARGET_error_class) &&
        (m->have == NULL || !is_set(m->have, SPANS_class_source)))
        builder_str(row, SPANS_class_source, slice_text("client"));
    return count;
}
