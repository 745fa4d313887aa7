/*
 * enrich_view.c - one row of a batch as a struct span_view.
 *
 * Sketch: the table of fields is walked once a batch and leaves the columns the batch has; a row then costs a copy of the
 * empty view and a load a column, some 50 ns for twenty columns.
 */
#include "engine/enrich/enrich_internal.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

#include "engine/enrich/scorers_internal.h"

struct view_source {
    uint16_t column;
    uint16_t offset;
    uint16_t has_offset;
};
#define FIELD(column, field)                                                                       \
    {                                                                                              \
        SPANS_##column, offsetof(struct span_view, field), 0                                       \
    }
#define FIELD_HAS(column, field, has)                                                              \
    {                                                                                              \
        SPANS_##column, offsetof(struct span_view, field), offsetof(struct span_view, has)         \
    }
static const struct view_source sources[] = {
    FIELD(trace_id, trace_id),
    FIELD(span_id, span_id),
    FIELD(parent_id, parent_id),
    FIELD(time, time_ns),
    FIELD(session, session),
    FIELD(kind, kind),
    FIELD(name, name),
    FIELD(model, model),
    FIELD(model_served, model_served),
    FIELD(provider, provider),
    FIELD(service, service),
    FIELD(prompt_name, prompt_name),
    FIELD(prompt_version, prompt_version),
    FIELD(environment, environment),
    FIELD(status, status),
    FIELD(finish_reason, finish_reason),
    FIELD(error_type, error_type),
    FIELD(error_message, error_message),
    FIELD(http_status, http_status),
    FIELD(latency_ms, latency_ns),
    FIELD(ttft_ms, ttft_ns),
    FIELD(tokens_in, tokens_in),
    FIELD(tokens_out, tokens_out),
    FIELD(cost_usd, cost_nusd),
    FIELD(temperature, temperature),
    FIELD(tool_name, tool_name),
    FIELD(tool_call_id, tool_call_id),
    FIELD(tool_args, tool_args),
    FIELD_HAS(tool_result, tool_result, has_tool_result),
    FIELD(tool_result_empty, tool_result_empty),
    FIELD_HAS(retrieved, retrieved, has_retrieved),
    FIELD(retrieved_count, retrieved_count),
    FIELD(retrieved_top_score, retrieved_top_score),
    FIELD(attributes, attributes),
};
#define SOURCE_COUNT (sizeof sources / sizeof *sources)
static_assert(SOURCE_COUNT <= VIEW_FIELDS_MAX, "room for all fields");
static_assert(offsetof(struct span_view, project) == 0, "no `has` stands at offset 0");

#define NOTHING                                                                                    \
    {                                                                                              \
        .data = (const uint8_t *)"", .size = 0                                                     \
    }
static const struct span_view empty_view = {
    .project = NOTHING,
    .session = NOTHING,
    .kind = NOTHING,
    .name = NOTHING,
    .model = NOTHING,
    .model_served = NOTHING,
    .provider = NOTHING,
    .service = NOTHING,
    .prompt_name = NOTHING,
    .prompt_version = NOTHING,
    .environment = NOTHING,
    .status = NOTHING,
    .finish_reason = NOTHING,
    .error_type = NOTHING,
    .error_message = NOTHING,
    .http_status = -1,
    .latency_ns = -1,
    .ttft_ns = -1,
    .tokens_in = -1,
    .tokens_out = -1,
    .cost_nusd = -1,
    .temperature = (double)NAN,
    .tool_name = NOTHING,
    .tool_call_id = NOTHING,
    .tool_args = NOTHING,
    .tool_result = NOTHING,
    .tool_result_empty = -1,
    .retrieved = NOTHING,
    .retrieved_count = -1,
    .retrieved_top_score = (double)NAN,
    .attributes = NOTHING,
};

enum {
    VIEW_INPUT,
    VIEW_OUTPUT,
    VIEW_TOOLS
};
static const uint16_t message_columns[3] = {SPANS_input, SPANS_output, SPANS_tools};

void view_reader_init(struct view_reader *r, const struct enrich_work *work,
                      struct body_map *bodies, const struct scorers *scorers)
{
    *r = (struct view_reader){.work = work, .bodies = bodies, .scorers = scorers};
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        const struct vector *v = batch_vector(&work->spans, sources[i].column);
        if (v != NULL)
            r->fields[r->field_count++] = (struct view_field){
                .vector = v, .offset = sources[i].offset, .has_offset = sources[i].has_offset};
    }
    for (size_t i = 0; i < 3; i++)
        r->refs[i] = batch_vector(&work->spans, message_columns[i]);
}

void view_reader_deinit(struct view_reader *r)
{
    for (size_t i = 0; i < 3; i++)
        mem_free(r->messages[i]);
}

/* vector_has without a call: it is asked for every column of every row. */
static inline bool is_set(const struct vector *v, uint32_t row)
{
    if (v->storage == STORAGE_STR)
        return v->codes[row] != 0;
    return v->valid == NULL || v->valid[row] != 0;
}

/* Row of a vector to where the view keeps it; the row has a value. */
static inline void field_load(const struct vector *v, uint32_t row, void *to)
{
    switch (v->storage) {
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
        memcpy(to, &v->i64[row], sizeof(int64_t));
        break;
    case STORAGE_ID128:
        memcpy(to, &v->id128[row], sizeof(struct id128));
        break;
    case STORAGE_STR:
        memcpy(to, &v->dict->values[v->codes[row]], sizeof(struct slice));
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        memcpy(to, &v->bytes[row], sizeof(struct slice));
        break;
    }
}

static struct slice body_read(struct view_reader *r, size_t which, struct id128 address)
{
    struct slice body = SLICE_EMPTY;
    uint32_t hint = 0;
    if (body_map_has(r->bodies, address, &body))
        return body;
    if (which == VIEW_INPUT && r->scorers != NULL &&
        scorer_cache_find(r->scorers->cache, address, &hint) != NULL)
        return body;
    return body_map_find(r->bodies, r->work, address);
}

static uint32_t messages_read(struct view_reader *r, size_t which, uint32_t row)
{
    if (r->refs[which] == NULL)
        return 0;
    struct slice refs = vector_bytes(r->refs[which], row);
    uint32_t count = (uint32_t)(refs.size / sizeof(struct id128));
    r->messages[which] =
        mem_grow(r->messages[which], &r->capacities[which], count, sizeof *r->messages[which]);
    for (uint32_t i = 0; i < count; i++) {
        struct text_message *m = &r->messages[which][i];
        memcpy(&m->address, refs.data + i * sizeof m->address, sizeof m->address);
        m->body = body_read(r, which, m->address);
    }
    return count;
}

void view_read(struct view_reader *r, uint32_t row, struct span_view *ret)
{
    *ret = empty_view;
    ret->project = r->work->project;
    for (uint32_t i = 0; i < r->field_count; i++) {
        const struct view_field *f = &r->fields[i];
        if (!is_set(f->vector, row))
            continue;
        field_load(f->vector, row, (char *)ret + f->offset);
        if (f->has_offset != 0)
            *(bool *)((char *)ret + f->has_offset) = true;
    }
    ret->input_count = messages_read(r, VIEW_INPUT, row);
    ret->output_count = messages_read(r, VIEW_OUTPUT, row);
    ret->tool_count = messages_read(r, VIEW_TOOLS, row);
    ret->input = r->messages[VIEW_INPUT];
    ret->output = r->messages[VIEW_OUTPUT];
    ret->tools = r->messages[VIEW_TOOLS];
}
