/*
 * mapper.c - see mapper.h; the way of one span through the parts that mapper_internal.h names.
 */
#include "server/dialect/mapper_internal.h"

#include "engine/base/check.h"

void mapped_init(struct mapped *m, struct schema *schema)
{
    *m = (struct mapped){0};
    builder_init(&m->spans, TABLE_SPANS, schema);
    builder_init(&m->scores, TABLE_SCORES, schema);
    builder_init(&m->tags, TABLE_TAGS, schema);
    message_set_init(&m->messages);
}

void mapped_deinit(struct mapped *m)
{
    builder_deinit(&m->spans);
    builder_deinit(&m->scores);
    builder_deinit(&m->tags);
    message_set_deinit(&m->messages);
    m->bytes = 0;
}

void mapped_reset(struct mapped *m)
{
    builder_reset(&m->spans);
    builder_reset(&m->scores);
    builder_reset(&m->tags);
    message_set_reset(&m->messages);
    m->bytes = 0;
}

static uint16_t field_first(struct dialect *d, const char *where)
{
    const struct place *place = dialect_find(d, slice_text(where));
    ASSERT(place != NULL);
    return place->first;
}

struct mapper *mapper_create(const struct mapper_explain *explain)
{
    struct mapper *m = MEM_NEW(struct mapper);
    dialect_init(&m->dialect);
    m->span_name = field_first(&m->dialect, "span name");
    m->status_message = field_first(&m->dialect, "status message");
    intern_init(&m->strays);
    m->content = content_create();
    m->is_explaining = explain != NULL;
    if (explain != NULL)
        m->explain = *explain;
    return m;
}

void mapper_destroy(struct mapper *m)
{
    if (m == NULL)
        return;
    dialect_deinit(&m->dialect);
    content_destroy(m->content);
    intern_deinit(&m->strays);
    arena_deinit(&m->arena);
    arena_deinit(&m->resource.arena);
    buffer_deinit(&m->resource.json);
    buffer_deinit(&m->resource.whole);
    buffer_deinit(&m->scope.name);
    buffer_deinit(&m->scope.version);
    buffer_deinit(&m->scope.schema_url);
    buffer_deinit(&m->scope.json);
    buffer_deinit(&m->json);
    buffer_deinit(&m->name);
    mem_free(m->traces);
    mem_free(m->claims);
    mem_free(m->stray_index);
    mem_free(m);
}

struct slice mapper_project_hint(const struct otlp_span *span)
{
    static const char prefix[] = "resource ";
    static const struct slice by_name = {(const uint8_t *)"project_name:", 13};
    const struct attributes *own = &span->attributes;
    for (uint32_t i = 0; i < dialect_source_count(); i++) {
        const struct source *source = &dialect_sources[i];
        if (source->target != TARGET_project)
            continue;
        bool of_resource = strncmp(source->where, prefix, sizeof prefix - 1) == 0;
        const struct attributes *in =
            of_resource && span->resource != NULL ? &span->resource->attributes : own;
        struct slice key = slice_text(source->where + (of_resource ? sizeof prefix - 1 : 0));
        for (uint32_t k = 0; k < in->count; k++) {
            const struct attribute *a = &in->items[k];
            if (!slice_equal(a->key, key) || a->value.type != VALUE_STRING ||
                a->value.bytes.size == 0)
                continue;
            struct slice name = a->value.bytes;
            bool is_named =
                name.size > by_name.size && memcmp(name.data, by_name.data, by_name.size) == 0;
            return is_named ? slice_of(name.data + by_name.size, name.size - by_name.size) : name;
        }
    }
    return SLICE_EMPTY;
}

void mapper_begin(struct mapper *m, const struct otlp_span *span, const struct otlp_log *log,
                  const uint64_t *have)
{
    arena_reset(&m->arena);
    dialect_make_room(&m->dialect);
    m->span = span;
    m->log = log;
    m->have = have;
    m->truncated_count = 0;
    m->ends_before_start = false;
    m->content_result = (struct content_result){.finish_reason = SLICE_EMPTY};
}

/* ---- the row ---- */

static void identity_write(struct mapper *m, struct builder *row)
{
    const struct otlp_span *span = m->span;
    builder_i64(row, SPANS_time, span->start_ns != 0 ? span->start_ns : span->end_ns);
    builder_id128(row, SPANS_trace_id, span->trace_id);
    builder_id64(row, SPANS_span_id, span->span_id);
    if (span->parent_id != 0)
        builder_id64(row, SPANS_parent_id, span->parent_id);
}

static void latency_write(struct mapper *m, struct builder *row)
{
    const struct otlp_span *span = m->span;
    int64_t latency_ns = 0;
    if (m->log != NULL || span->end_ns == 0 || span->start_ns == 0)
        return;
    if (__builtin_sub_overflow(span->end_ns, span->start_ns, &latency_ns))
        return;
    m->ends_before_start = latency_ns < 0;
    builder_i64(row, SPANS_latency_ms, latency_ns < 0 ? 0 : latency_ns);
}

static void status_write(struct mapper *m, struct builder *row)
{
    bool failed = slot_has(m, TARGET_failed);
    const char *status = failed ? "error" : m->span->status_code == 1 ? "ok" : "unset";
    builder_str(row, SPANS_status, slice_text(status));
}

static void content_read(struct mapper *m, struct mapped *to)
{
    if (m->log != NULL) {
        content_log(m->content, m->log, &to->spans, &to->messages, &m->content_result);
    } else {
        struct content_request request = {.span = m->span, .kind = m->kind, .claims = m->claims};
        content_span(m->content, &request, &to->spans, &to->messages, &m->content_result);
    }
    for (int field = CONTENT_NONE + 1; field < CONTENT_FIELD_COUNT; field++) {
        if ((m->content_result.cut >> field & 1) != 0)
            note_truncated(m, content_field_column((enum content_field)field));
    }
    to->bytes += m->content_result.bytes;
}

void mapper_row(struct mapper *m, struct mapped *to)
{
    mapper_collect(m);
    settle_kind(m);
    identity_write(m, &to->spans);
    builder_str(&to->spans, SPANS_kind, m->kind);
    content_read(m, to);
    mapper_settle(m);
    latency_write(m, &to->spans);
    status_write(m, &to->spans);
    (void)cells_write(m, &to->spans);
    scores_write(m, to);
    attributes_count(m);
    attributes_write(m);
    if (m->json.size != 0)
        builder_str(&to->spans, SPANS_attributes, buffer_slice(&m->json));
    to->bytes += m->json.size;
    if (m->is_explaining)
        explain_span(m);
}

enum status mapper_span(struct mapper *m, const struct otlp_span *span, struct mapped *to,
                        struct error *reterr)
{
    if (to->spans.rows >= BATCH_ROWS_MAX)
        return error_set(reterr, STATUS_LIMIT, "more than %u spans in one batch", BATCH_ROWS_MAX);
    mapper_begin(m, span, NULL, NULL);
    builder_row(&to->spans);
    mapper_row(m, to);
    return STATUS_OK;
}
