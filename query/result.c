/*
 * result.c - the last step: columns in memory become rows of cells that own their texts.
 *
 * Late: ids become hex and message references become JSON here, for the rows that are left.
 */
#include "query/result.h"

void result_columns(const struct plan *plan, struct arena *arena, struct query_column **ret,
                    uint32_t *ret_count)
{
    struct query_column *columns = ARENA_ARRAY(arena, struct query_column, plan->output_count + 1);
    for (uint32_t i = 0; i < plan->output_count; i++) {
        enum sql_type type = plan->outputs[i].expr->type;
        columns[i].name = arena_strdup(arena, plan->outputs[i].name);
        columns[i].type = type == SQL_NULL ? SQL_TEXT : type;
    }
    *ret = columns;
    *ret_count = plan->output_count;
}

static struct slice hex_text(struct arena *arena, const struct vec *v, uint32_t row)
{
    bool wide = v->phys == PHYS_ID128;
    size_t size = wide ? ID128_HEX_BYTES : ID64_HEX_BYTES;
    char *text = arena_alloc(arena, size);
    if (wide)
        id128_to_hex(v->id128[row], text);
    else
        id64_to_hex(v->id64[row], text);
    return slice_of(text, size);
}

static enum status cell_value(struct run *run, const struct expr *e, const struct vec *v,
                              uint32_t row, struct arena *arena, struct query_value *ret,
                              struct error *reterr)
{
    ret->type = SQL_NULL;
    ret->i64 = 0;
    if (v->valid[row] == 0)
        return STATUS_OK;
    ret->type = e->type;
    switch (v->phys) {
    case PHYS_I64:
        if (e->type == SQL_FLOAT)
            ret->f64 = e->scale == 1 ? (double)v->i64[row] : (double)v->i64[row] / (double)e->scale;
        else
            ret->i64 = v->i64[row];
        return STATUS_OK;
    case PHYS_F64:
        ret->f64 = v->f64[row];
        return STATUS_OK;
    case PHYS_BOOL:
        ret->i64 = v->truth[row];
        return STATUS_OK;
    case PHYS_ID64:
    case PHYS_ID128:
        ret->text = hex_text(arena, v, row);
        return STATUS_OK;
    case PHYS_TEXT:
    case PHYS_CODES:
        break;
    }
    if (e->type == SQL_MESSAGES)
        return engine_messages_text(run->engine, run->project, v->text[row], arena, &ret->text,
                                    reterr);
    ret->text = arena_copy(arena, v->text[row]);
    return STATUS_OK;
}

static enum status check_size(const struct run *run, const struct query_result *r,
                              struct error *reterr)
{
    if (r->arena.bytes <= run->result_bytes_max)
        return STATUS_OK;
    return error_set(
        reterr, STATUS_LIMIT,
        "the result is larger than its limit of %llu MiB; select fewer columns or rows, or "
        "raise the query result limit",
        (unsigned long long)(run->result_bytes_max >> 20));
}

enum status result_from_rows(struct run *run, const struct plan *plan, const struct relation *rows,
                             struct query_result *ret, struct error *reterr)
{
    enum status s;
    if (rows->rows > run->rows_max)
        return error_set(
            reterr, STATUS_LIMIT,
            "the result has more than its limit of %llu rows; add LIMIT or raise the query "
            "row limit",
            (unsigned long long)run->rows_max);
    result_columns(plan, &ret->arena, &ret->columns, &ret->column_count);
    uint64_t cell_bytes = rows->rows * plan->output_count * sizeof(struct query_value);
    if (cell_bytes > run->result_bytes_max) {
        ret->arena.bytes = cell_bytes;
        return check_size(run, ret, reterr);
    }
    ret->row_count = rows->rows;
    ret->cells = arena_alloc(&ret->arena, cell_bytes + 1);
    struct vec *vecs = ARENA_ARRAY(&ret->arena, struct vec, plan->output_count + 1);
    for (uint32_t c = 0; c < plan->output_count; c++)
        vecs[c] = relation_vec(rows, c);
    struct query_value *cell = ret->cells;
    for (uint64_t row = 0; row < rows->rows; row++) {
        for (uint32_t c = 0; c < plan->output_count; c++)
            if ((s = cell_value(run, plan->outputs[c].expr, &vecs[c], (uint32_t)row, &ret->arena,
                                cell++, reterr)) < 0)
                return s;
        if (row % 64 == 0 &&
            ((s = run_check(run, reterr)) < 0 || (s = check_size(run, ret, reterr)) < 0))
            return s;
    }
    return check_size(run, ret, reterr);
}
